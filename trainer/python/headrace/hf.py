"""A run under Hugging Face's `Trainer`: `RowDataset` as its train_dataset, and a callback that reports losses by domain and applies stages.

What this promises is checked while it runs: the first batch after a start, a resume and every new stage must be the plan's rows, and a lag that would make
`Trainer` wait for itself is refused at the start. Needs transformers and accelerate.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

import numpy as np
import torch
from transformers.trainer_callback import ExportableState, TrainerCallback

from .boundary import Boundary
from .errors import HeadraceError
from .losses import DomainLosses, make_report
from .reader import ShardReader
from .sampler import Sampler
from .schedule import PathLike
from .torch_data import RowDataset
from .torch_group import group_of_process
from .torch_losses import evaluate_together, row_nats

__all__ = ["RowDataset", "RunCallback"]

LOOK_AHEAD = 1
"""Batches that accelerate's loader fetches before it gives the one before them (DataLoaderShard.__iter__, accelerate 1.15)."""


class RunCallback(TrainerCallback, ExportableState):
    """Reports a run's losses at its boundaries, waits for the stage, and writes `served.log`. One a `Trainer`."""

    def __init__(
        self,
        run: PathLike,
        shards: PathLike,
        losses: str = "validation",
        rows_at_once: int = 8,
        metrics: Optional[Dict[str, Any]] = None,
        stall_seconds: Optional[float] = None,
    ) -> None:
        """`losses` says which are reported: `validation` (measured here on the shards' validation split, `rows_at_once` rows a forward) or
        `training` (of the rows trained on since the last report; costs a second cross entropy of each micro-batch's logits). `metrics` are options of `Metrics`;
        `stall_seconds` without a batch end a job of several ranks with the one named that holds it up (`Watch`)."""
        if losses not in ("validation", "training"):
            raise HeadraceError("ERR_ARGUMENT", f'losses is "{losses}"; report "validation" or "training" losses')
        self.run, self.shards = os.fspath(run), os.fspath(shards)
        self.losses = losses
        self.rows_at_once = rows_at_once
        self.metrics = metrics
        self.stall_seconds = stall_seconds
        self.saved: Optional[Dict[str, Any]] = None
        """What the checkpoint in hand holds: batch, stages, hash, and the training losses since the last report."""
        self._boundary: Optional[Boundary] = None
        self._hooks: List[Any] = []
        self._check = True
        self._forwards = 0

    def state(self) -> Dict[str, Any]:
        """What `Trainer` writes into a checkpoint's trainer_state.json."""
        return {
            "args": {
                "run": self.run,
                "shards": self.shards,
                "losses": self.losses,
                "rows_at_once": self.rows_at_once,
                "metrics": self.metrics,
                "stall_seconds": self.stall_seconds,
            },
            "attributes": {"saved": self.saved},
        }

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Checks that what `Trainer` will do is the run, and takes up where a checkpoint stands."""
        served = state.global_step
        self._boundary = boundary = Boundary(
            self.run, group_of_process(), metrics=self.metrics, stall_seconds=self.stall_seconds
        )
        header = boundary.schedule.header
        self._sampler = Sampler(
            self.run, self.shards, boundary.group.rank, boundary.group.world,
            args.per_device_train_batch_size, args.gradient_accumulation_steps,
        )  # fmt: skip
        self._refuse(args, state, header.batches)
        self._sums = DomainLosses(header.domains)
        self._waiting: List[Any] = []
        saved = _saved_state(state, type(self).__name__) or self.saved
        if served:
            boundary.resume(saved, served)
            if saved is not None and boundary.group.rank == 0:
                self._sums.sums[:] = saved["sums"]
        # Trainer saves the state of callbacks that the checkpoint in hand knows.
        state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        self._check = True
        self._hooks = [
            kwargs["model"].register_forward_pre_hook(self._before, with_kwargs=True),
            kwargs["model"].register_forward_hook(self._after, with_kwargs=True),
        ]
        if served:
            self._pass(kwargs["model"], control, served)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A new global batch."""
        self._batch = state.global_step
        self._forwards = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A batch was trained on: its line in `served.log`, its losses, and the report where one is due."""
        served = state.global_step
        if self._forwards != args.gradient_accumulation_steps:
            raise HeadraceError(
                "ERR_REPLAY",
                f"batch {served - 1} took {self._forwards} forward passes of the model, {args.gradient_accumulation_steps} were expected; "
                "use a Trainer that trains on every micro-batch once",
            )
        self._open.acknowledge(served - 1, durable=control.should_save)
        for domains, nats, tokens in self._waiting:
            self._sums.add(domains, nats.cpu().numpy(), tokens.cpu().numpy())
        self._waiting.clear()
        self._check = False
        self._pass(kwargs["model"], control, served)
        if control.should_save:
            self._gather_sums()
            self.saved = {**self._open.state(served), "sums": self._sums.sums.tolist()}
            if self._open.group.rank != 0:
                self._sums.sums[:] = 0

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Lets go of the model and the files."""
        for hook in self._hooks:
            hook.remove()
        self._sampler.close()
        self._open.close()

    @property
    def _open(self) -> Boundary:
        if self._boundary is None:
            raise HeadraceError("ERR_ARGUMENT", "training has not begun; RunCallback is called by a Trainer")
        return self._boundary

    def _pass(self, model: Any, control: Any, served: int) -> None:
        """Reports after `served` batches if that is due, and ends where the run ends."""
        boundary = self._open
        if boundary.due(served):
            if self.losses == "training":
                self._gather_sums()
                report = self._sums.report(served, "training")
            else:
                report = make_report(served, "validation", self._validate(model))
            boundary.report(report)
            self._sampler.refresh()
            self._check = True
        if boundary.measured(served):
            self._sums.sums[:] = 0
        if boundary.ended(served):
            control.should_training_stop = True

    def _validate(self, model: Any) -> Any:
        boundary = self._open
        training = model.training
        device = next(model.parameters()).device
        model.eval()
        try:
            with ShardReader(self.shards, "validation") as reader:
                return evaluate_together(
                    lambda ids: model(input_ids=ids.to(device)).logits.cpu(),
                    reader,
                    boundary.schedule.header.domains,
                    *boundary.evaluation,
                    boundary.group,
                    self.rows_at_once,
                )
        finally:
            model.train(training)

    def _gather_sums(self) -> None:
        """The sums of all ranks, on every rank."""
        self._sums.sums[:] = np.sum(self._open.group.gather(self._sums.sums.copy()), axis=0)

    def _before(self, model: Any, positional: Any, named: Dict[str, Any]) -> Any:
        """Ahead of each forward pass: what it was given is the plan's, and the model does not see the domains."""
        named.pop("domains", None)
        if model.training:
            step, self._forwards = self._forwards, self._forwards + 1
            self._step = step
            if self._check:
                self._require_rows(named.get("input_ids"), step)
        return positional, named

    def _after(self, model: Any, positional: Any, named: Dict[str, Any], output: Any) -> None:
        """After each forward pass that trains: the losses of its rows. They stay where the model is until the batch is whole."""
        if not model.training or self.losses != "training":
            return
        if getattr(output, "logits", None) is None or "labels" not in named:
            raise HeadraceError(
                "ERR_LOSS",
                'the model gave no logits to take losses by domain from (a fused loss?); report losses="validation"',
            )
        nats, tokens = row_nats(output.logits.detach(), named["labels"])
        self._waiting.append((self._domains_of(self._step), nats, tokens))

    def _domains_of(self, step: int) -> np.ndarray:
        domains = self._sampler.plan_rows(self._batch).domains
        return np.split(domains, self._sampler.accumulation)[step]

    def _require_rows(self, ids: Any, step: int) -> None:
        planned = self._sampler.step(self._batch, step).tokens.astype(np.int64)
        if ids is None or ids.shape != planned.shape or not bool((ids.cpu() == torch.from_numpy(planned)).all()):
            raise HeadraceError(
                "ERR_REPLAY",
                f"rank {self._open.group.rank} was given other rows than the plan has for step {step} of batch {self._batch}; train on a RowDataset of "
                "this run, with split_batches off and a collator that only stacks",
            )

    def _refuse(self, args: Any, state: Any, batches: Optional[int]) -> None:
        """Raises where `Trainer` would not do what the run says, or wait for itself."""
        if args.n_gpu > 1:
            raise HeadraceError(
                "ERR_WORLD", f"Trainer runs {args.n_gpu} GPUs in one process; start a process a GPU with torchrun"
            )
        header = self._sampler.schedule.header
        other = next((s for _, s in self._sampler.schedule.in_force if s.batch_rows != header.batch_rows), None)
        if other is not None:
            raise HeadraceError(
                "ERR_WORLD",
                f"batches have {other.batch_rows} rows from batch {other.from_batch} on and {header.batch_rows} before, and Trainer takes as many "
                "rows at every step; give the run to a loop of your own (StepDataset)",
            )
        if args.train_sampling_strategy != "sequential":
            raise HeadraceError(
                "ERR_ARGUMENT",
                f'train_sampling_strategy is "{args.train_sampling_strategy}", and the plan has shuffled already; set it to "sequential"',
            )
        if batches is not None and state.max_steps > batches:
            raise HeadraceError(
                "ERR_ARGUMENT",
                f"Trainer would take {state.max_steps} steps, the run has {batches} batches; set num_train_epochs=1, or max_steps to at most {batches}",
            )
        lag = self._open.lag
        if lag is not None and lag < LOOK_AHEAD:
            raise HeadraceError(
                "ERR_ARGUMENT",
                f"the run has lag {lag}, and Trainer fetches {LOOK_AHEAD} batch before the one in hand is trained on, so it would wait for its own report; "
                f"begin the run with --lag {LOOK_AHEAD} or more",
            )


def _saved_state(state: Any, name: str) -> Optional[Dict[str, Any]]:
    """What a checkpoint that was loaded says of this callback."""
    stored = getattr(state, "stateful_callbacks", {}).get(name)
    for entry in stored if isinstance(stored, list) else [stored]:
        saved: Optional[Dict[str, Any]] = (entry or {}).get("attributes", {}).get("saved")
        if saved is not None:
            return saved
    return None
