"""Shards and a schedule in, a rank's batches out. Batch k is a pure function of both, so there is nothing to save but where it stands.

Past the decided part it waits for a stage with a time-out, or raises if asked to; it never guesses.
The plan is known ahead, so whoever trains can call `batch` as early as it likes, or have the system read ahead (`prefetch`).
"""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

import numpy as np

from . import parse
from .batch import Batch, Masked, Planned
from .errors import HeadraceError
from .manifest import Manifest
from .mask import LossMask, range_edges
from .pack import PackedReader, read_pack
from .plan import Plan, Rows, rank_positions, served_hashes
from .reader import ShardReader
from .schedule import PathLike, Schedule, read_schedule

_BLOCK_BATCHES = 128
"""Batches planned at once at most, and rows at most: 8,192 rows' plan is half a megabyte, and costs under 0.3 us a row (bench/plan.py)."""
_BLOCK_ROWS = 8192
_STRIDE = 64
"""A reader that takes every so manyth batch, as each of several data workers does, still goes in order."""


class Sampler:
    """Batches of a schedule, by index or one after another. Close it, or use it in a `with`."""

    def __init__(
        self,
        run: Union[PathLike, Schedule],
        shards: PathLike,
        rank: int = 0,
        world: int = 1,
        micro_batch: Optional[int] = None,
        accumulation: Optional[int] = None,
        wait_seconds: Optional[float] = None,
        mask: Optional[LossMask] = None,
        prefetch: int = 0,
    ) -> None:
        """Reads the manifest and the schedule, no shard. Raises ERR_MANIFEST when the shards are not those of the schedule, ERR_DOMAIN, ERR_WORLD.

        `run` is a run folder, a schedule file, or a schedule in hand. `micro_batch` and `accumulation` default to what makes the
        batch, accumulation 1 where neither is given. `wait_seconds` is how long a batch may wait for the stage that decides it:
        600 with a run, 0 (raise at once) with a schedule in hand. `mask` says what the batches' `loss_mask` masks.
        `prefetch` is how many decided batches after one that is served the system is asked to read ahead: into the page cache, without waiting, no more than those.
        """
        self._path = None if isinstance(run, Schedule) else run
        self.schedule = run if isinstance(run, Schedule) else read_schedule(run)
        self.wait_seconds = wait_seconds if wait_seconds is not None else 0 if self._path is None else 600
        self.reader = ShardReader(shards)
        require_shards(self.schedule, self.reader.manifest, os.fspath(shards))
        header = self.schedule.header
        self.domains = header.domains
        self.width = header.row_tokens + header.lookahead
        self._streams = np.array([self.reader.domain(name) for name in header.domains], dtype=np.intp)
        self._rows = rows_of(self.reader, self.schedule)
        mask = mask or LossMask()
        self.masks_anything = self.is_packed or not mask.is_plain
        """Whether a loss mask leaves out more than first tokens."""
        edges = range_edges(mask.ranges, header.domains)
        self._masked = Masked(
            self.is_packed if mask.within_documents is None else mask.within_documents,
            None if mask.bos else self.reader.manifest.tokenizer["bos"],
            {int(self._streams[domain]): found for domain, found in edges.items()},
        )
        self._share = (rank, world, micro_batch, accumulation)
        self._shares = _shares(self.schedule, *self._share)
        self._given = 0
        self._plan = Plan(self.schedule)
        self._known: Optional[Planned] = None
        self.prefetch = prefetch
        self._ahead: Optional[Planned] = None
        self._asked = 0
        self._next = 0

    def __enter__(self) -> Sampler:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the mapped files."""
        self.reader.close()

    def batch(self, k: int) -> Batch:
        """This rank's rows of a batch; does not move the iterator. Raises ERR_UNDECIDED where it is not decided in time or past the end, ERR_SHARD."""
        self._wait_for(k)
        return self._serve(k, 0, self.steps_of(k))

    def step(self, k: int, step: int) -> Batch:
        """One accumulation step of a batch: its micro-batch alone is read. Raises as `batch`, and ERR_ARGUMENT outside [0, accumulation)."""
        return self._serve(k, step, 1)

    def touch(self, k: int, step: int) -> None:
        """Brings the rows of a step into the page cache, where whoever serves it finds them. Raises as `step`."""
        planned, first, count = self._find(k, step, 1)
        self._rows.touch(planned.places.part(first, first + count))  # type: ignore[arg-type]

    def _serve(self, k: int, step: int, steps: int) -> Batch:
        planned, first, count = self._find(k, step, steps)
        header = self.schedule.header
        stage = self.schedule.stages[planned.block.stage]
        self._given = max(self._given, k + 1)
        return Batch(
            k,
            planned.block.stage,
            stage.from_tokens + (k - stage.from_batch) * stage.batch_rows * header.row_tokens,
            self._rows.copy(planned.places.part(first, first + count)),  # type: ignore[arg-type]
            steps,
            planned,
            first,
            header.domains,
            self._rows,
            self._masked,
        )

    def _find(self, k: int, step: int, steps: int) -> Tuple[Planned, int, int]:
        """The block of a batch, and which of its rows, end to end, are those of some accumulation steps: the first and how many."""
        self._wait_for(k)
        accumulation, micro_batch = self._positions(k).shape
        if not 0 <= step < accumulation:
            raise HeadraceError("ERR_ARGUMENT", f"step {step} is not in a batch of {accumulation} steps")
        planned = self._planned(k)
        self._prefetch(k)
        first = ((k - planned.block.first) * accumulation + step) * micro_batch
        return planned, first, steps * micro_batch

    def _positions(self, k: int) -> np.ndarray:
        """This rank's positions in a batch, (steps, micro-batch); past the decided part as in the last that is."""
        return self._shares[self._rows_of(k)]

    def _rows_of(self, k: int) -> int:
        stages = self.schedule.in_force
        if not stages:
            return self.schedule.header.batch_rows
        return (self.schedule.governing(k).stage if self._reaches(k) else stages[-1].stage).batch_rows

    def _reaches(self, k: int) -> bool:
        end = self.schedule.end.batch
        return end is None or k < end

    def take(self, k: int, positions: np.ndarray) -> Tuple[np.ndarray, np.ndarray, Optional[np.ndarray]]:
        """The rows at some positions of a batch, whichever this rank's are: tokens (n, width), the domain of each, and which tokens are targets.

        None for the last where nothing but the first token is masked. Raises as `batch`.
        """
        self._wait_for(k)
        rows = self._plan.at(k, positions)
        streams = self._streams[rows.domains]
        tokens = self._rows.copy(self._rows.locate(streams, rows.starts, self.width))  # type: ignore[arg-type]
        if not self.masks_anything:
            return tokens, rows.domains, None
        masks = [self._masked.of(self._rows, *row) for row in zip(streams.tolist(), rows.starts.tolist(), tokens)]
        return tokens, rows.domains, np.stack(masks)

    def plan_rows(self, k: int) -> Rows:
        """This rank's rows of a decided batch, without their tokens."""
        return self._plan.at(k, self._positions(k).ravel())

    def __iter__(self) -> Iterator[Batch]:
        """Batches from where the sampler stands to the end of the run."""
        while not self.ends_before(self._next):
            try:
                batch = self.batch(self._next)
            except HeadraceError:
                # The stage that was waited for may have ended the run.
                if self.ends_before(self._next):
                    return
                raise
            self._next += 1
            yield batch

    @property
    def is_packed(self) -> bool:
        """Whether the rows are those of a pack plan."""
        return self.schedule.header.pack is not None

    @property
    def accumulation(self) -> int:
        """Accumulation steps of a batch of the header's size; `steps_of` has those of any batch."""
        return int(self._shares[self.schedule.header.batch_rows].shape[0])

    def steps_of(self, k: int) -> int:
        """Accumulation steps of a batch; past the decided part those of the last batch that is."""
        return int(self._positions(k).shape[0])

    def steps_before(self, k: int) -> int:
        """Accumulation steps of all batches before one, as `locate` counts them."""
        total = 0
        for first, until, steps in self._stretches():
            total += max(0, (k if until is None else min(k, until)) - first) * steps
        return total

    def locate(self, number: int) -> Tuple[int, int]:
        """The batch and the step in it of the so manyth accumulation step of the run."""
        for first, until, steps in self._stretches():
            if until is None or number < (until - first) * steps:
                return first + number // steps, number % steps
            number -= (until - first) * steps
        raise AssertionError("the last stretch has no end")

    def _stretches(self) -> List[Tuple[int, Optional[int], int]]:
        """First batch, end and steps a batch of stretches of batches of one size; the last has no end."""
        firsts = [(stage.from_batch, stage.batch_rows) for _, stage in self.schedule.in_force if not stage.stops]
        firsts = firsts or [(0, self.schedule.header.batch_rows)]
        ends: List[Optional[int]] = [first for first, _ in firsts[1:]]
        return [(first, until, int(self._shares[rows].shape[0])) for (first, rows), until in zip(firsts, [*ends, None])]

    def ends_before(self, k: int) -> bool:
        """Whether the run is known to end before batch k is served."""
        end, final = self.schedule.end
        return final and end is not None and k >= end

    def state_dict(self) -> Dict[str, Any]:
        """After the batch that the iterator gave last: the next batch, the stages known, and the hash of the last."""
        return {"batch": self._next, "stages": len(self.schedule.stages), "hash": self.schedule.hash}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Goes to where a state stood. Raises ERR_SCHEDULE when the schedule does not extend the one that the state knew."""
        parse.fields(state, "sampler state", "batch", "stages", "hash")
        self.schedule.check_extends(
            parse.whole(state["stages"], "sampler state.stages"), parse.string(state["hash"], "sampler state.hash")
        )
        self._next = parse.whole(state["batch"], "sampler state.batch")

    def refresh(self) -> Schedule:
        """Reads the schedule again. Raises ERR_SCHEDULE when it does not begin with the one in hand."""
        if self._path is not None:
            self.extend(read_schedule(self._path))
        return self.schedule

    def extend(self, schedule: Schedule) -> None:
        """Takes a longer schedule. Raises ERR_SCHEDULE when it does not begin with the one in hand or revises a batch that was given, ERR_WORLD."""
        schedule.check_extends(len(self.schedule.stages), self.schedule.hash)
        if len(schedule.stages) > len(self.schedule.stages):
            for index, stage in enumerate(schedule.stages):
                if index >= len(self.schedule.stages) and stage.revises is not None and stage.from_batch < self._given:
                    raise HeadraceError(
                        "ERR_SCHEDULE",
                        f"stage {index} revises the plan from batch {stage.from_batch} on, and this sampler has given {self._given} batches; "
                        "open it again at a checkpoint at or before that batch",
                    )
            self._shares = _shares(schedule, *self._share)
            self.schedule = schedule
            self._plan = Plan(schedule)
            self._known = self._ahead = None
            self._asked = 0

    def _planned(self, k: int) -> Planned:
        """The block that holds a batch."""
        self._known = self._block_of(k, self._known)
        return self._known

    def _prefetch(self, k: int) -> None:
        """Asks the system for the rows of the decided batches after k that it was not asked for before."""
        if self.prefetch and not k < self._asked <= k + 1 + self.prefetch:
            self._asked = k + 1
        while self._asked <= k + self.prefetch and self._is_decided(self._asked) and not self.ends_before(self._asked):
            self._ahead = ahead = self._block_of(self._asked, self._ahead)
            rows = self._positions(self._asked).size
            first = (self._asked - ahead.block.first) * rows
            self._rows.prefetch(ahead.places.part(first, first + rows))  # type: ignore[arg-type]
            self._asked += 1

    def _block_of(self, k: int, known: Optional[Planned]) -> Planned:
        """The block that holds a batch. One batch for whoever jumps; twice as many at each block that follows on the one before, or nearly."""
        most = 1
        positions = self._positions(k).ravel()
        if known is not None:
            past = k - known.block.first - len(known.block)
            if -len(known.block) <= past < 0:
                return known
            if 0 <= past < _STRIDE:
                most = min(2 * len(known.block), _BLOCK_BATCHES, max(1, _BLOCK_ROWS // len(positions)))
        block = self._plan.block(k, most, positions)
        streams = self._streams[block.domains].ravel()
        places = self._rows.locate(streams, block.starts.ravel(), self.width)
        return Planned(block, places, served_hashes(self.schedule.header.domains, block))

    def _wait_for(self, k: int) -> None:
        if self._path is None or self._is_decided(k):
            return
        until = time.monotonic() + self.wait_seconds
        while True:
            self.refresh()
            if self._is_decided(k) or self.wait_seconds == 0:
                return
            if time.monotonic() >= until:
                raise HeadraceError(
                    "ERR_UNDECIDED",
                    f"batch {k} was not decided within {self.wait_seconds} s; the schedule decides {self.schedule.end.batch} batches: "
                    "send the loss report that is due, or wait longer",
                )
            time.sleep(min(0.1, self.wait_seconds))

    def _is_decided(self, k: int) -> bool:
        """Whether nothing that comes later can decide batch k."""
        end, final = self.schedule.end
        return final or end is None or k < end


def require_shards(schedule: Schedule, manifest: Manifest, folder: str) -> None:
    """Raises ERR_DOMAIN when shards lack a domain of a schedule, ERR_MANIFEST when they are other shards than it was made for."""
    for name in schedule.header.domains:
        if name not in manifest.domains:
            raise HeadraceError(
                "ERR_DOMAIN",
                f'the schedule draws on domain "{name}", {folder} has {", ".join(manifest.domains)}; name the shards that the schedule was made for',
            )
    if manifest.fingerprint != schedule.header.shards:
        raise HeadraceError(
            "ERR_MANIFEST",
            f"{folder} has fingerprint {manifest.fingerprint[:16]}…, the schedule was made for {schedule.header.shards[:16]}…; "
            "name the shards it was made for, or start a new run on these",
        )


def rows_of(reader: ShardReader, schedule: Schedule) -> Union[ShardReader, PackedReader]:
    """What reads the rows of a schedule: those of its pack plan, or those that lie end to end. Raises ERR_INPUT, ERR_MANIFEST, ERR_SHARD."""
    header = schedule.header
    if header.pack is None:
        return reader
    return PackedReader(reader, read_pack(reader.folder, header.pack, header.shards), header.domains)


def _shares(
    schedule: Schedule, rank: int, world: int, micro_batch: Optional[int], accumulation: Optional[int]
) -> Dict[int, np.ndarray]:
    """A rank's positions for every size that batches have: checked before the first of them, not at the one that it stops at.

    Where micro-batch and accumulation are both given they make the header's batch; a batch of another size takes more or fewer steps.
    """
    header = schedule.header.batch_rows
    sizes = {header, *(stage.batch_rows for stage in schedule.stages)}
    return {
        rows: _share(rows, rank, world, micro_batch, None if micro_batch and rows != header else accumulation)
        for rows in sorted(sizes)
    }


def _share(
    batch_rows: int, rank: int, world: int, micro_batch: Optional[int], accumulation: Optional[int]
) -> np.ndarray:
    if accumulation is None:
        accumulation = max(1, batch_rows // (world * micro_batch)) if micro_batch and world else 1
    if micro_batch is None:
        micro_batch = max(1, batch_rows // (world * accumulation)) if world * accumulation else 1
    return rank_positions(batch_rows, rank, world, micro_batch, accumulation)
