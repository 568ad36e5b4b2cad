"""A run under Lightning: a data module whose loader stands where the trainer's global step does, and a callback that reports losses and applies stages.

Lightning fetches one item before the last is trained on, so the position is taken from its step counter and never from how far the loader was read.
Needs lightning (`lightning.pytorch`).
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

import lightning.pytorch as pl
import numpy as np

from .boundary import Boundary
from .errors import HeadraceError
from .losses import DomainLosses, make_report
from .reader import ShardReader
from .schedule import PathLike, read_schedule
from .torch_data import StepDataset, StepLoader
from .torch_group import group_of_process
from .torch_losses import evaluate_together

LOOK_AHEAD = 1
"""Batches that Lightning's fetcher may reach into before the one in hand is trained on (_PrefetchDataFetcher, lightning 2.6)."""


class _Items:
    """A loader without a state of its own, for Lightning to iterate over and not to restore."""

    def __init__(self, loader: StepLoader) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Any]:
        return iter(self._loader)


class RunData(pl.LightningDataModule):
    """A rank's micro-batches of a run, as `StepDataset` gives them: `trainer.accumulate_grad_batches` a batch."""

    def __init__(
        self, run: PathLike, shards: PathLike, loader: Optional[Mapping[str, Any]] = None, **dataset: Any
    ) -> None:
        """`loader` are options of `StepLoader` (num_workers, ...), `dataset` of `StepDataset` (position_ids, within_documents, wait_seconds, ...)."""
        super().__init__()
        self.run, self.shards = os.fspath(run), os.fspath(shards)
        self._loader = dict(loader or {})
        self._dataset = dataset
        self._saved: Optional[Dict[str, Any]] = None

    def train_dataloader(self) -> Any:
        """The items from the batch that the trainer stands before."""
        trainer = _attached(self.trainer)
        dataset = StepDataset(
            self.run,
            self.shards,
            trainer.global_rank,
            trainer.world_size,
            accumulation=trainer.accumulate_grad_batches,
            **self._dataset,
        )
        if self._saved is not None:
            dataset.load_state_dict(self._saved)
        return _Items(StepLoader(dataset, **self._loader))

    def state_dict(self) -> Dict[str, Any]:
        """The batches trained on, and the stages known."""
        schedule = read_schedule(self.run)
        return {
            "batch": _attached(self.trainer).global_step,
            "stages": len(schedule.stages),
            "hash": schedule.hash,
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """What a checkpoint kept."""
        self._saved = state


class RunCallback(pl.Callback):
    """Reports a run's losses at its boundaries, waits for the stage, and writes `served.log`."""

    def __init__(
        self,
        losses: str = "validation",
        logits: Optional[Callable[[Any, Any], Any]] = None,
        rows_at_once: int = 8,
        metrics: Optional[Dict[str, Any]] = None,
        stall_seconds: Optional[float] = None,
    ) -> None:
        """`losses`: `validation` measures on the shards' validation split with `logits(module, ids)`, by default what the module gives for ids (or its `.logits`);
        `training` takes `nats` (rows,) and `tokens` (a number or one a row) from the dict that `training_step` returns. `metrics` are options of `Metrics`;
        `stall_seconds` without a batch end a job of several ranks with the one named that holds it up (`Watch`)."""
        if losses not in ("validation", "training"):
            raise HeadraceError("ERR_ARGUMENT", f'losses is "{losses}"; report "validation" or "training" losses')
        self.losses = losses
        self.rows_at_once = rows_at_once
        self.metrics = metrics
        self.stall_seconds = stall_seconds
        self._logits = logits or _logits_of
        self._boundary: Optional[Boundary] = None
        self._saved: Optional[Dict[str, Any]] = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Checks that what the trainer will do is the run, and takes up where a checkpoint stands."""
        data = trainer.datamodule
        if not isinstance(data, RunData):
            raise HeadraceError("ERR_ARGUMENT", "the trainer has no RunData; call fit(model, datamodule=RunData(...))")
        self._shards = data.shards
        self._boundary = boundary = Boundary(
            data.run, group_of_process(), metrics=self.metrics, stall_seconds=self.stall_seconds
        )
        header = boundary.schedule.header
        lag = boundary.lag
        if lag is not None and lag < LOOK_AHEAD:
            raise HeadraceError(
                "ERR_ARGUMENT",
                f"the run has lag {lag}, and Lightning fetches ahead of the batch in hand, so it would wait for its own report; begin the run with --lag {LOOK_AHEAD} or more",
            )
        if header.batches is not None and trainer.max_steps > header.batches:
            raise HeadraceError(
                "ERR_ARGUMENT",
                f"max_steps is {trainer.max_steps}, the run has {header.batches} batches; set max_steps to at most {header.batches}",
            )
        self._sums = DomainLosses(header.domains)
        if self._saved is not None:
            boundary.resume(self._saved, trainer.global_step)
            if boundary.group.rank == 0:
                self._sums.sums[:] = self._saved["sums"]
        self._pass(trainer, pl_module, trainer.global_step)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Checks that the item is the plan's next."""
        if batch["batch"] != trainer.global_step:
            raise HeadraceError(
                "ERR_REPLAY",
                f"Lightning trains on batch {batch['batch']} at global step {trainer.global_step}; use one optimizer, RunData's own loader, and checkpoints between batches",
            )

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """After a micro-batch: its losses; after the last of a batch: its line in `served.log`, and the report where one is due."""
        if self.losses == "training":
            if not isinstance(outputs, Mapping) or "nats" not in outputs or "tokens" not in outputs:
                raise HeadraceError(
                    "ERR_LOSS", "training_step returns no nats and tokens by row; return them beside the loss"
                )
            nats, tokens = (
                np.asarray(getattr(outputs[name], "cpu", lambda value=outputs[name]: value)())
                for name in ("nats", "tokens")
            )
            self._sums.add(batch["domains"].cpu().numpy(), nats, tokens)
        served = batch["batch"] + 1
        if trainer.global_step != served:
            return
        self._open.acknowledge(served - 1)
        self._pass(trainer, pl_module, served)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Closes the files."""
        self._open.close()

    def state_dict(self) -> Dict[str, Any]:
        """Stages known, and the training losses since the last report, over all ranks."""
        boundary = self._open
        sums = np.sum(boundary.group.gather(self._sums.sums.copy()), axis=0)
        return {**self._state, "sums": sums.tolist()}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """What a checkpoint kept."""
        self._saved = state

    @property
    def _open(self) -> Boundary:
        if self._boundary is None:
            raise HeadraceError("ERR_ARGUMENT", "training has not begun; RunCallback is called by a Trainer")
        return self._boundary

    def _pass(self, trainer: Any, module: Any, served: int) -> None:
        """Reports after `served` batches if that is due, and ends where the run ends."""
        boundary = self._open
        if boundary.due(served):
            if self.losses == "training":
                self._sums.sums[:] = np.sum(boundary.group.gather(self._sums.sums.copy()), axis=0)
                report = self._sums.report(served, "training")
            else:
                report = make_report(served, "validation", self._validate(module))
            boundary.report(report)
        if boundary.measured(served):
            self._sums.sums[:] = 0
        if boundary.ended(served):
            trainer.should_stop = True
        self._state = boundary.state(served)

    def _validate(self, module: Any) -> Any:
        training = module.training
        module.eval()
        try:
            with ShardReader(self._shards, "validation") as reader:
                return evaluate_together(
                    lambda ids: self._logits(module, ids.to(module.device)).cpu(),
                    reader,
                    self._open.schedule.header.domains,
                    *self._open.evaluation,
                    self._open.group,
                    self.rows_at_once,
                )
        finally:
            module.train(training)


def _logits_of(module: Any, ids: Any) -> Any:
    given = module(ids)
    return getattr(given, "logits", given)


def _attached(trainer: Any) -> Any:
    if trainer is None:
        raise HeadraceError("ERR_ARGUMENT", "RunData has no trainer; call fit(model, datamodule=RunData(...))")
    return trainer
