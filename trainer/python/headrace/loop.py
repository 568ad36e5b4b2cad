"""The trainer's side of a run in one function: batches in, losses out, a checkpoint at each boundary (docs/trainer-protocol.md, sections 3 and 4).

The model is four functions of the caller. Rank 0 talks to the host for all; what it hears is shared, and every rank checks the stage's hash.
"""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, TypeVar

import numpy as np

from .batch import Batch
from .client import Client, StageMessage, Welcome
from .errors import HeadraceError
from .evaluate import evaluate, measurable
from .losses import LossSum, make_report, recorded_report
from .plan import add_served
from .reader import ShardReader
from .sampler import Sampler

T = TypeVar("T")


class Trained(NamedTuple):
    """What a batch cost: its mean loss in nats a token, and the tokens that were counted, over all ranks."""

    loss: float
    tokens: int


class Trainer:
    """A model, as the loop sees it. Every method is called on every rank."""

    micro_batch: Optional[int] = None
    """Rows of one step of one rank; None: a rank's whole share of the batch."""
    checkpoint_batches: Optional[int] = None
    """Batches between checkpoints, beside those at each boundary."""

    def load(self, checkpoints: Optional[str]) -> Optional[Dict[str, Any]]:
        """Loads the newest whole checkpoint of a folder into the model and returns its sampler state; None for a model as it starts."""
        raise NotImplementedError

    def train(self, batch: Batch) -> Trained:
        """Trains on a rank's part of a batch."""
        raise NotImplementedError

    def loss_of(self, rows: np.ndarray) -> LossSum:
        """The loss of rows (n, width), without changing the model."""
        raise NotImplementedError

    def save(self, checkpoints: str, state: Dict[str, Any]) -> None:
        """Saves a checkpoint, whole or not at all."""
        raise NotImplementedError


class Group:
    """The ranks of a data-parallel trainer; this one is a single rank."""

    rank = 0
    world = 1

    def share(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        return value

    def gather(self, value: T) -> List[T]:
        """Every rank's value, on every rank, in rank order."""
        return [value]

    def lead(self, act: Callable[[], T]) -> T:
        """Does something on rank 0 alone; its result, or the HeadraceError it raised, is every rank's."""
        result: Any = None
        error: Optional[HeadraceError] = None
        if self.rank == 0:
            try:
                result = act()
            except HeadraceError as raised:
                error = raised
        result, code, message = self.share((result, error.code, error.args[0]) if error else (result, None, None))
        if code is not None:
            raise error or HeadraceError(code, message)
        shared: T = result
        return shared


def run(client: Optional[Client], trainer: Trainer, group: Optional[Group] = None) -> int:
    """Runs a trainer to the end of its run or its evaluation; returns the batch reached. `client` is rank 0's, None on the others.

    Tells the host what went wrong before it raises.
    """
    group = group or Group()
    try:
        welcome = group.lead(lambda: _of(client).welcome)
        if welcome.mode == "evaluate":
            return _evaluate_once(client, trainer, group, welcome)
        return _Run(client, trainer, group, welcome).to_end()
    except Exception as error:
        if client is not None:
            client.fail(error.args[0] if isinstance(error, HeadraceError) else f"{type(error).__name__}: {error}")
        raise


class _Run:
    """A run under way."""

    def __init__(self, client: Optional[Client], trainer: Trainer, group: Group, welcome: Welcome) -> None:
        if welcome.run is None or welcome.checkpoints is None:
            raise HeadraceError(
                "ERR_TRAINER", "headrace asked for training and named no run or no folder for checkpoints"
            )
        self.client = client
        self.trainer = trainer
        self.group = group
        self.welcome = welcome
        self.folder = welcome.run
        self.checkpoints = welcome.checkpoints
        self.validation = ShardReader(welcome.shards, "validation")

    def to_end(self) -> int:
        """Trains, reports and saves until the run ends or the host asks to stop."""
        group, welcome = self.group, self.welcome
        state = self.trainer.load(self.checkpoints)
        with Sampler(self.folder, welcome.shards, group.rank, group.world, self.trainer.micro_batch) as sampler:
            if state is not None:
                sampler.load_state_dict(state)
            k = start = saved = int(sampler.state_dict()["batch"])
            ready = {**sampler.state_dict(), "batch": start}
            if any(other != ready for other in group.gather(ready)):
                raise HeadraceError(
                    "ERR_TRAINER", "the ranks loaded different checkpoints; give every rank the same folder"
                )
            group.lead(lambda: _of(self.client).ready(**ready))
            while True:
                if k > 0 and self.is_boundary(sampler, k):
                    self.report_once(sampler, k)
                    if k != start:
                        self.save(sampler, k)
                        saved = k
                elif self.trainer.checkpoint_batches and k - saved >= self.trainer.checkpoint_batches:
                    self.save(sampler, k)
                    saved = k
                stopped = group.lead(lambda: _of(self.client).stopped)
                if stopped is not None or self.is_end(sampler, k):
                    if saved != k:
                        self.save(sampler, k)
                    return self.done(k)
                self.train(sampler, k)
                k += 1

    def train(self, sampler: Sampler, k: int) -> None:
        """One batch, acknowledged with the hash of all ranks' rows."""
        began = time.perf_counter()
        batch = sampler.batch(k)
        trained = self.trainer.train(batch)
        served = add_served(*self.group.gather(batch.served))
        seconds = time.perf_counter() - began
        self.group.lead(lambda: _of(self.client).acknowledge(k, served, trained.loss, trained.tokens, seconds))

    def report_once(self, sampler: Sampler, k: int) -> None:
        """Measures and reports, unless that was done before a crash, and takes the stage that follows."""
        if self.group.lead(lambda: recorded_report(self.folder, k)) is not None:
            return
        losses = _measure(self.validation, sampler.domains, self.trainer, self.group, self.welcome)
        stage: StageMessage = self.group.lead(lambda: _of(self.client).report(make_report(k, "validation", losses)))
        schedule = sampler.refresh()
        schedule.check_extends(stage.stages, stage.hash)

    def save(self, sampler: Sampler, k: int) -> None:
        """A checkpoint after k batches."""
        self.trainer.save(self.checkpoints, {**sampler.state_dict(), "batch": k})
        self.group.lead(lambda: _of(self.client).checkpoint(k))

    def done(self, k: int) -> int:
        """Takes leave after k batches."""
        self.group.lead(lambda: _of(self.client).done(k))
        return k

    def is_end(self, sampler: Sampler, k: int) -> bool:
        """Whether the run ends before batch k."""
        end, final = sampler.schedule.end
        return k >= self.welcome.batches or (final and end is not None and k >= end)

    def is_boundary(self, sampler: Sampler, k: int) -> bool:
        """Whether losses are reported after k batches."""
        every = self.welcome.every_batches
        return self.is_end(sampler, k) or (every is not None and k % every == 0)


def _evaluate_once(client: Optional[Client], trainer: Trainer, group: Group, welcome: Welcome) -> int:
    trainer.load(welcome.checkpoints)
    with ShardReader(welcome.shards, "validation") as reader:
        group.lead(lambda: _of(client).ready(0, 0, ""))
        losses = _measure(reader, reader.domains, trainer, group, welcome)
        group.lead(lambda: _of(client).report(make_report(0, "validation", losses)))
        group.lead(lambda: _of(client).done(0))
    return 0


def _measure(
    reader: ShardReader, domains: Sequence[str], trainer: Trainer, group: Group, welcome: Welcome
) -> Mapping[str, LossSum]:
    """Each domain's losses. The ranks share the domains out; a domain is measured whole by one rank, so the sums do not depend on their number."""
    names = measurable(reader, domains)
    mine = evaluate(
        reader, names[group.rank :: group.world], trainer.loss_of, welcome.row_tokens, welcome.tokens_per_domain
    )
    found = {name: loss for part in group.gather(mine) for name, loss in part.items()}
    return {name: found[name] for name in names}


def _of(client: Optional[Client]) -> Client:
    if client is None:
        raise HeadraceError("ERR_TRAINER", "rank 0 has no connection to headrace")
    return client


def checkpoint_path(folder: str, batch: int, suffix: str) -> str:
    """Where the checkpoint after a number of batches lies."""
    return os.path.join(folder, f"{batch:08d}{suffix}")


def list_checkpoints(folder: str, suffix: str) -> List[str]:
    """Paths of the checkpoints of a folder, newest first; temporary files do not count."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = [name for name in names if name.endswith(suffix) and name[: -len(suffix)].isdigit()]
    return [
        os.path.join(folder, name) for name in sorted(found, key=lambda name: int(name[: -len(suffix)]), reverse=True)
    ]
