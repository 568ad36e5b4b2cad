"""Batches of a run as PyTorch datasets: an iterable one that gives a rank its micro-batches, and a map-style one over single rows.

Which rows come, and in which order, is the plan's (docs/format.md, section 3): it does not depend on DataLoader workers, on how far they
fetch ahead, or on where a job was killed. Needs torch.
"""

from __future__ import annotations

import itertools
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, TypeVar, Union

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from . import parse
from .batch import Batch
from .errors import HeadraceError
from .mask import LossMask
from .sampler import Sampler
from .schedule import PathLike, Schedule, read_schedule
from .torch_losses import IGNORED

Item = Dict[str, Any]
T = TypeVar("T")


class StepDataset(IterableDataset):  # type: ignore[type-arg]
    """A rank's micro-batches in the order of the run, one for each accumulation step.

    Each is a dict: `input_ids` (micro-batch, row tokens + lookahead) int64; `labels`, the same ids for a model that shifts them itself, as those
    of transformers do; `position_ids` and `cu_seqlens` where asked for; `domains` (micro-batch,) int64, the index of each row's domain; `batch`, `step`,
    and `steps`, how many the batch has.
    Give it to `StepLoader`, or to a DataLoader with `batch_size=None`: of W workers, worker w makes items w, w + W, ..., which is the
    order a DataLoader asks for them in.
    """

    def __init__(
        self,
        run: Union[PathLike, Schedule],
        shards: PathLike,
        rank: int = 0,
        world: int = 1,
        micro_batch: Optional[int] = None,
        accumulation: Optional[int] = None,
        wait_seconds: Optional[float] = None,
        position_ids: bool = False,
        within_documents: Optional[bool] = None,
        cu_seqlens: bool = False,
        mask: Optional[LossMask] = None,
    ) -> None:
        """As `Sampler`. `position_ids` count from the start of each document; `within_documents` sets the label of each document's first
        token to -100, so that no document is predicted from the one before (None: where rows are packed); `mask` says it of more than that.
        `cu_seqlens` adds where documents begin and end in the rows laid end to end, int32, and the longest stretch as `max_seqlen`.
        Padding has label -100 always. Raises what `Sampler` raises."""
        self._run = run
        mask = LossMask(within_documents) if mask is None else mask
        self._arguments = (run, shards, rank, world, micro_batch, accumulation, wait_seconds, mask)
        self._position_ids = position_ids
        self._cu_seqlens = cu_seqlens
        with self.sampler() as sampler:
            self._masks = sampler.masks_anything
            self.accumulation = sampler.accumulation
            self.domains = sampler.domains
        self._batch = self._step = self._steps = 0

    def __iter__(self) -> Iterator[Item]:
        """Items from where the dataset stands to the end of the run. Raises as `Sampler.batch`."""
        alone = get_worker_info() is None
        with self.sampler() as sampler:
            for batch, step in self.walk(sampler, sampler.step):
                if alone:
                    self._stand(batch.index, step + 1, batch.steps_in_all)
                yield self.item(batch, step)

    def walk(self, sampler: Sampler, act: Callable[[int, int], T]) -> Iterator[Tuple[T, int]]:
        """Does something with each step that is this process's to make, from where the dataset stands: what it gave, and the step."""
        worker = get_worker_info()
        first, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for item in itertools.count(sampler.steps_before(self._batch) + self._step + first, stride):
            batch, step = sampler.locate(item)
            if sampler.ends_before(batch):
                return
            try:
                made = act(batch, step)
            except HeadraceError:
                # The stage that was waited for may have ended the run.
                if sampler.ends_before(batch):
                    return
                raise
            yield made, step

    def sampler(self) -> Sampler:
        """A sampler of this rank's rows; close it."""
        return Sampler(*self._arguments)

    def given(self, item: Item) -> None:
        """Says that the trainer has been given an item: `state_dict` counts it. Called by whoever iterates over workers (`StepLoader` does)."""
        self._stand(item["batch"], item["step"] + 1, item["steps"])

    def _stand(self, batch: int, step: int, steps: int) -> None:
        """Stands before a step of a batch that has `steps`; the step after the last is the next batch's first."""
        self._batch, self._step, self._steps = (batch + 1, 0, 0) if step == steps else (batch, step, steps)

    def state_dict(self) -> Dict[str, Any]:
        """After the item given last: the next batch and accumulation step, the stages known, and the hash of the last. Under 1 KB."""
        schedule = self._schedule()
        return {
            "batch": self._batch,
            "step": self._step,
            "accumulation": self._steps or self.accumulation,
            "stages": len(schedule.stages),
            "hash": schedule.hash,
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Goes to where a state stood, or a `Sampler`'s state. The world may be another, between batches.

        Raises ERR_SCHEDULE when the schedule does not extend the one that the state knew, ERR_WORLD where a state inside a batch meets other steps.
        """
        parse.fields(state, "dataset state", "batch", "stages", "hash")
        self._schedule().check_extends(
            parse.whole(state["stages"], "dataset state.stages"), parse.string(state["hash"], "dataset state.hash")
        )
        batch = parse.whole(state["batch"], "dataset state.batch")
        step = parse.whole(state.get("step", 0), "dataset state.step")
        steps = 0
        if step:
            with self.sampler() as sampler:
                steps = sampler.steps_of(batch)
        if step and state["accumulation"] != steps:
            raise HeadraceError(
                "ERR_WORLD",
                f"the state stands at step {step} of {state['accumulation']} in batch {batch}, this rank takes {steps} steps "
                "a batch; resume from a checkpoint between batches, or with the same accumulation",
            )
        self._batch, self._step, self._steps = batch, step, steps

    def _schedule(self) -> Schedule:
        return self._run if isinstance(self._run, Schedule) else read_schedule(self._run)

    def item(self, rows: Batch, step: int) -> Item:
        """A step's rows as tensors."""
        ids = torch.from_numpy(rows.tokens.astype(np.int64))
        item: Item = {"input_ids": ids, "labels": ids}
        if self._masks:
            item["labels"] = ids.masked_fill(torch.from_numpy(~rows.loss_masks()), IGNORED)
        if self._position_ids:
            positions = np.stack([rows.position_ids(row) for row in range(len(ids))])
            item["position_ids"] = torch.from_numpy(positions.astype(np.int64))
        if self._cu_seqlens:
            edges = rows.cu_seqlens()
            item["cu_seqlens"] = torch.from_numpy(edges)
            item["max_seqlen"] = int(np.diff(edges).max())
        item["domains"] = torch.from_numpy(rows.domains.astype(np.int64))
        item["batch"] = rows.index
        item["step"] = step
        item["steps"] = rows.steps_in_all
        return item


class _Touched(IterableDataset):  # type: ignore[type-arg]
    """What the workers of a `StepLoader` run: (batch, step) of each step, once its rows are in the page cache."""

    def __init__(self, steps: StepDataset) -> None:
        self.steps = steps

    def __iter__(self) -> Iterator[Tuple[int, int]]:
        with self.steps.sampler() as sampler:

            def touch(batch: int, step: int) -> int:
                sampler.touch(batch, step)
                return batch

            yield from self.steps.walk(sampler, touch)


class StepLoader(DataLoader):  # type: ignore[type-arg]
    """A DataLoader over a `StepDataset` that knows what the trainer has been given, however far its workers are ahead.

    Rows do not travel between processes, which costs more than reading them: workers bring them into the page cache, and this process
    copies them out of the mapped files.
    """

    def __init__(self, dataset: StepDataset, **options: Any) -> None:
        """`options` are DataLoader's (num_workers, prefetch_factor, pin_memory, ...); the dataset's items are batches already."""
        super().__init__(_Touched(dataset) if options.get("num_workers") else dataset, batch_size=None, **options)
        self._steps = dataset

    def __iter__(self) -> Any:
        if not self.num_workers:
            yield from super().__iter__()
            return
        pins = self.pin_memory and torch.cuda.is_available()
        with self._steps.sampler() as sampler:
            for batch, step in super().__iter__():
                item = self._steps.item(sampler.step(batch, step), step)
                self._steps.given(item)
                yield {k: v.pin_memory() if pins and torch.is_tensor(v) else v for k, v in item.items()}

    def state_dict(self) -> Dict[str, Any]:
        """The dataset's, after the item that this loader gave last."""
        return self._steps.state_dict()

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """The dataset's; takes effect at the next iteration."""
        self._steps.load_state_dict(state)


class RowDataset(Dataset):  # type: ignore[type-arg]
    """Single rows of a run: item i is the so manyth row of the run, in served order (row i mod B of batch i // B where all batches have B rows).

    For trainers that shard and batch by themselves: without shuffling, B consecutive items are a global batch whoever takes them.
    The length is that of the whole run. In a run folder a row whose batch is not decided yet waits for the stage; where the run stops
    early, the rows past its end hold nothing to learn (every label is -100), and neither does padding.
    """

    def __init__(
        self,
        run: Union[PathLike, Schedule],
        shards: PathLike,
        wait_seconds: Optional[float] = None,
        mask: Optional[LossMask] = None,
    ) -> None:
        """`wait_seconds` and `mask` as `Sampler`'s. Raises ERR_UNDECIDED where the run has no length, or is a schedule in hand that does not decide its end; what `Sampler` raises."""
        schedule = run if isinstance(run, Schedule) else read_schedule(run)
        end, final = schedule.end
        batches = end if final else schedule.header.batches
        if batches is None or (isinstance(run, Schedule) and not final):
            decided = "has no end" if batches is None else f"is decided for {end} batches only"
            raise HeadraceError(
                "ERR_UNDECIDED", f"the run {decided}, and a map-style dataset needs its length; use StepDataset"
            )
        # With one row a step, a step's number is a row's.
        self._arguments = (run, shards, 0, 1, 1, None, wait_seconds, mask)
        self._opened: Optional[Tuple[int, Sampler]] = None
        with Sampler(*self._arguments) as sampler:
            self._rows = sampler.steps_before(batches)

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, i: int) -> Item:
        return self.__getitems__([i])[0]

    def __getitems__(self, indices: List[int]) -> List[Item]:
        """Many at once, which is how a DataLoader asks. Raises IndexError outside [0, length), ERR_UNDECIDED when a stage does not come in time."""
        if indices and (min(indices) < 0 or max(indices) >= self._rows):
            raise IndexError(f"rows {min(indices)} to {max(indices)} are not all in a run of {self._rows}")
        sampler = self._sampler()
        batches, positions = np.array([sampler.locate(i) for i in indices], dtype=np.int64).reshape(-1, 2).T
        ids = np.zeros((len(indices), sampler.width), dtype=np.int64)
        domains = np.zeros(len(indices), dtype=np.int64)
        labels = np.full_like(ids, IGNORED)
        for batch in np.unique(batches).tolist():
            mine = np.flatnonzero(batches == batch)
            try:
                ids[mine], domains[mine], counted = sampler.take(batch, positions[mine])
                labels[mine] = ids[mine] if counted is None else np.where(counted, ids[mine], IGNORED)
            except HeadraceError:
                if not sampler.ends_before(batch):
                    raise
        return [
            {"input_ids": row, "labels": targets, "domains": domain}
            for row, targets, domain in zip(*map(torch.from_numpy, (ids, labels, domains)))
        ]

    def _sampler(self) -> Sampler:
        """This process's own: mapped files and file positions are not shared with a parent that was forked."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), Sampler(*self._arguments))
        return self._opened[1]
