"""The plan: which rows make batch k, a pure function of (the schedule up to k, k) (docs/format.md, sections 3.1 to 3.3).

Any batch is reached directly: nothing is remembered between batches but caches. bench/plan.py says what a batch costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from .errors import HeadraceError
from .keys import Key, key_of, mix32, offset_of
from .mixture import Counters, advance, allocate
from .permutation import TABLE_LIMIT, networks, permute, table, walk
from .schedule import Schedule

_CHECKPOINT_BATCHES = 1024


@dataclass(frozen=True)
class Rows:
    """Rows of a batch in served order: parallel arrays."""

    batch: int
    stage: int
    domains: np.ndarray
    """Domain index, intp."""
    epochs: np.ndarray
    """int64."""
    rows: np.ndarray
    """Row in the epoch, int64."""
    starts: np.ndarray
    """Token position in the domain's stream, int64."""

    def __len__(self) -> int:
        return len(self.rows)


class _Epoch(NamedTuple):
    key: Key
    rows: int
    tokens: int
    offset: int


def rank_positions(batch_rows: int, rank: int, world: int, micro_batch: int, accumulation: int) -> np.ndarray:
    """Positions of a rank in the batch, (accumulation, micro_batch). Raises ERR_WORLD unless world * micro_batch * accumulation is the batch."""
    if min(world, micro_batch, accumulation) < 1 or world * micro_batch * accumulation != batch_rows:
        divisors = ", ".join(str(n) for n in range(1, batch_rows + 1) if batch_rows % n == 0)
        raise HeadraceError(
            "ERR_WORLD",
            f"world {world} x micro-batch {micro_batch} x accumulation {accumulation} is {world * micro_batch * accumulation}, "
            f"the batch has {batch_rows} rows; choose factors among its divisors {divisors}",
        )
    if not 0 <= rank < world:
        raise HeadraceError("ERR_WORLD", f"rank {rank} is not in a world of {world}")
    steps = np.arange(accumulation)[:, None] * world + rank
    return steps * micro_batch + np.arange(micro_batch)


class Plan:
    """The batches of one schedule. Not thread-safe for speed's sake: give each thread its own."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._checkpoints: Dict[int, List[Counters]] = {}
        self._epoch = lru_cache(maxsize=65536)(self._make_epoch)

    def counters(self, batch: int) -> Counters:
        """Rows served before a batch and the deficits then. O(domains) where every weight is at least a row a batch, else from the nearest of checkpoints."""
        index = self.schedule.stage_of(batch)
        stage = self.schedule.stages[index]
        rows = self.schedule.header.batch_rows
        ago = batch - stage.from_batch
        checkpoints = self._checkpoints.setdefault(index, [stage.start])
        while len(checkpoints) <= ago // _CHECKPOINT_BATCHES:
            checkpoints.append(advance(checkpoints[-1], stage.weights, rows, _CHECKPOINT_BATCHES))
        nearest = checkpoints[ago // _CHECKPOINT_BATCHES]
        return advance(nearest, stage.weights, rows, ago % _CHECKPOINT_BATCHES)

    def counts(self, batch: int) -> List[int]:
        """Rows of each domain in a batch."""
        stage = self.schedule.stages[self.schedule.stage_of(batch)]
        counts, _ = allocate(self.counters(batch).deficits, stage.weights, self.schedule.header.batch_rows)
        return counts

    def batch(self, batch: int) -> Rows:
        """Every row of a batch, in served order. Raises ERR_UNDECIDED past the decided part."""
        return self._rows(batch, None)

    def rank(self, batch: int, rank: int, world: int, micro_batch: int, accumulation: int) -> Rows:
        """A rank's rows of a batch: its accumulation steps one after the other, `micro_batch` rows each. Raises ERR_WORLD, ERR_UNDECIDED."""
        positions = rank_positions(self.schedule.header.batch_rows, rank, world, micro_batch, accumulation)
        return self.at(batch, positions.ravel())

    def at(self, batch: int, positions: np.ndarray) -> Rows:
        """The rows at some positions of a batch, in the order given. Raises ERR_UNDECIDED."""
        return self._rows(batch, positions)

    def served_hash(self, rows: Rows) -> str:
        """Hash of the rows served, whatever their order: 16 hex digits. Those of the parts add up to that of the whole (`add_served`)."""
        return served_hash(self.schedule.header.domains, rows)

    def _rows(self, batch: int, positions: Optional[np.ndarray]) -> Rows:
        header = self.schedule.header
        index = self.schedule.stage_of(batch)
        slots = _slots(header.seed, batch, header.batch_rows)
        if positions is not None:
            slots = slots[positions]
        served, deficits = self.counters(batch)
        counts, _ = allocate(deficits, self.schedule.stages[index].weights, header.batch_rows)

        # A segment is a run of slots of one domain and one epoch.
        first_slots: List[int] = []
        domains: List[int] = []
        numbers: List[int] = []
        first_places: List[int] = []
        epochs: List[_Epoch] = []
        slot = 0
        for domain, count in enumerate(counts):
            ordinal = served[domain]
            end = slot + count
            while slot < end:
                number, place = divmod(ordinal, header.rows[domain])
                epoch = self._epoch(domain, number)
                first_slots.append(slot)
                domains.append(domain)
                numbers.append(number)
                first_places.append(place)
                epochs.append(epoch)
                taken = min(end - slot, epoch.rows - place)
                slot += taken
                ordinal += taken

        segments = np.searchsorted(np.array(first_slots), slots, side="right") - 1
        places = slots + (np.array(first_places, dtype=np.int64) - np.array(first_slots, dtype=np.int64))[segments]
        rows = _permuted(epochs, segments, places)
        starts = rows * header.row_tokens
        starts += np.array([epoch.offset for epoch in epochs], dtype=np.int64)[segments]
        tokens = np.array([epoch.tokens for epoch in epochs], dtype=np.int64)[segments]
        starts -= np.where(starts >= tokens, tokens, 0)
        return Rows(
            batch, index, np.array(domains)[segments], np.array(numbers, dtype=np.int64)[segments], rows, starts
        )

    def _make_epoch(self, domain: int, epoch: int) -> _Epoch:
        header = self.schedule.header
        key = key_of("order", header.seed, header.domains[domain], epoch)
        return _Epoch(key, header.rows[domain], header.tokens[domain], offset_of(key, header.tokens[domain]))


def served_hash(domains: Tuple[str, ...], rows: Rows) -> str:
    """Served hash of rows, given the domains' names: sums of mixed (row, epoch) under each domain's key, hi then lo, 16 hex digits."""
    keys = np.array([key_of("served", name)[:4] for name in domains], dtype=np.uint32)[rows.domains].T
    row = rows.rows.astype(np.uint32)
    epoch = rows.epochs.astype(np.uint32)
    low = mix32(mix32(row + keys[0]) ^ (epoch + keys[1]))
    high = mix32(mix32(row + keys[2]) ^ (epoch + keys[3]))
    return _hex(int(high.sum(dtype=np.uint64)), int(low.sum(dtype=np.uint64)))


def add_served(*hashes: str) -> str:
    """The served hash of the whole from those of its parts."""
    return _hex(sum(int(part[:8], 16) for part in hashes), sum(int(part[8:], 16) for part in hashes))


def _hex(high: int, low: int) -> str:
    return f"{high % 2**32:08x}{low % 2**32:08x}"


def _slots(seed: int, batch: int, batch_rows: int) -> np.ndarray:
    key = key_of("batch", seed, batch)
    if batch_rows <= TABLE_LIMIT:
        return table(key, batch_rows)
    return permute(key, batch_rows, np.arange(batch_rows))


def _permuted(epochs: List[_Epoch], segments: np.ndarray, places: np.ndarray) -> np.ndarray:
    rows = np.empty(len(places), dtype=np.int64)
    wide = [s for s, epoch in enumerate(epochs) if epoch.rows > TABLE_LIMIT]
    if len(wide) < len(epochs):
        order = np.argsort(segments, kind="stable")
        ends = np.searchsorted(segments[order], np.arange(len(epochs) + 1))
        for s, epoch in enumerate(epochs):
            if epoch.rows <= TABLE_LIMIT:
                mine = order[ends[s] : ends[s + 1]]
                rows[mine] = table(epoch.key, epoch.rows)[places[mine]]
    if wide:
        column = np.full(len(epochs), -1, dtype=np.intp)
        column[wide] = np.arange(len(wide))
        which = column[segments]
        nets = networks([epochs[s].key for s in wide], [epochs[s].rows for s in wide])
        if len(wide) == len(epochs):
            return walk(nets, which, places)
        mine = np.flatnonzero(which >= 0)
        rows[mine] = walk(nets, which[mine], places[mine])
    return rows
