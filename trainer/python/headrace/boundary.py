"""Where a run's losses are due and what they lead to, the same on every rank: what a trainer of one's own, or an adapter to a framework, does at a boundary.

Rank 0 writes the run folder, the others read it, and every rank checks the hash of the stage before its next batch.
"""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Mapping, NamedTuple, Optional

from .errors import HeadraceError
from .keys import parse_json
from .loop import Group
from .losses import Report, mean_losses, newest_losses, recorded_report
from .metrics import Metrics
from .plan import Plan
from .ranks import Watch
from .reweighting import lag_of, next_report, reweight
from .schedule import PathLike, Schedule, read_schedule
from .served import ServedLog


class Evaluation(NamedTuple):
    """What validation losses are measured on: rows of this length, and this many tokens of a domain at most."""

    row_tokens: int
    tokens_per_domain: int


class Boundary:
    """The boundaries of a run, its reports and its served log. Every method is called on every rank, in the same order."""

    def __init__(
        self,
        run: PathLike,
        group: Optional[Group] = None,
        wait_seconds: float = 60,
        metrics: Optional[Mapping[str, Any]] = None,
        stall_seconds: Optional[float] = None,
    ) -> None:
        """Reads the run folder; every rank takes the stages that rank 0 sees. `wait_seconds` is how long a shared folder may take to show a stage.
        `metrics` are options of `Metrics` (`tensorboard`, `prometheus`, `seconds`); rank 0 writes them.
        `stall_seconds` without a batch end the job with the ranks named that hold it up (`Watch`, over torch.distributed); None: nobody watches.

        Raises ERR_INPUT, ERR_PARSE, ERR_SCHEDULE when ranks see other runs.
        """
        self.run = os.path.abspath(run)
        self.group = group or Group()
        self._wait_seconds = wait_seconds
        record = _record_of(self.run)
        self.schedule = self._agreed(self.group.lead(lambda: state_of(read_schedule(self.run))))
        self.every: Optional[int] = record.get("everyBatches")
        """Batches between two reports where no policy asks for them."""
        asked = record.get("evaluation", {})
        self.evaluation = Evaluation(
            int(asked.get("rowTokens", self.schedule.header.row_tokens)), int(asked.get("tokensPerDomain", 131_072))
        )
        self._log: Optional[ServedLog] = None
        self._plan = Plan(self.schedule)
        self._metrics: Optional[Metrics] = None
        if self.group.rank == 0:
            self._metrics = Metrics(self.run, newest_losses(self.run), **(metrics or {}))

        self._watch = Watch.of(self.group, stall_seconds)

    @property
    def lag(self) -> Optional[int]:
        """Batches between a report and its stage; None where no stage follows from losses."""
        return lag_of(self.schedule)

    def due(self, served: int) -> bool:
        """Whether losses are due after `served` batches, and were not reported before."""
        asked = next_report(self.schedule)
        if asked is None and self.lag is None and self.every and served and served % self.every == 0:
            return bool(self.group.lead(lambda: recorded_report(self.run, served) is None))
        return served == asked

    def report(self, report: Report) -> Schedule:
        """Rank 0 records the report and appends the stage; the schedule that follows, checked on every rank. Raises as `reweight`, ERR_SCHEDULE."""
        state = self.group.lead(lambda: state_of(reweight(self.run, report).schedule))
        self.schedule = self._agreed(state)
        self._plan = Plan(self.schedule)
        if self._metrics is not None:
            self._metrics.report(self._plan, report["measuredAt"], mean_losses(report))
        return self.schedule

    def measured(self, served: int) -> bool:
        """Whether a stage was measured after `served` batches, so that training losses begin anew there."""
        return any(stage.measured_at == served for stage in self.schedule.stages)

    def ended(self, served: int) -> bool:
        """Whether the run ends after `served` batches."""
        end, final = self.schedule.end
        return final and end is not None and served >= end

    def acknowledge(self, batch: int, durable: bool = False, loss: Optional[float] = None) -> None:
        """Writes the line of a batch that was trained on, from the plan; lines that are missing before it too. `durable` flushes it, `loss` is shown."""
        if self._watch is not None:
            self._watch.at(batch + 1)
        if self.group.rank != 0:
            return
        if self._log is None:
            self._log = ServedLog(os.path.join(self.run, "served.log"))
        for k in range(min(batch, self._log.next), batch + 1):
            self._log.append(k, self._plan.served_hash(self._plan.batch(k)))
        if durable:
            self._log.sync()
        if self._metrics is not None:
            self._metrics.batch(self._plan, batch + 1, loss)

    def state(self, served: int) -> Dict[str, Any]:
        """What a checkpoint after `served` batches keeps: batch, stages, hash."""
        return {"batch": served, **state_of(self.schedule)}

    def resume(self, state: Optional[Dict[str, Any]], served: int) -> None:
        """Checks a checkpoint's state, None where it kept none. Raises ERR_SCHEDULE when the run does not continue it, ERR_REPLAY when it stands elsewhere."""
        if state is None:
            return
        if state["batch"] != served:
            raise HeadraceError(
                "ERR_REPLAY",
                f"the checkpoint stands after {served} batches, its headrace state after {state['batch']}; resume from a whole checkpoint",
            )
        self.schedule.check_extends(state["stages"], state["hash"])

    def close(self) -> None:
        """Closes the served log and writes the last numbers."""
        if self._watch is not None:
            self._watch.close()
        if self._metrics is not None:
            self._metrics.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _agreed(self, state: Dict[str, Any]) -> Schedule:
        """The schedule on disk once it has the stages that rank 0 knows."""
        until = time.monotonic() + self._wait_seconds
        while True:
            try:
                schedule = read_schedule(self.run)
                schedule.check_extends(state["stages"], state["hash"])
                return schedule
            except HeadraceError as error:
                if time.monotonic() >= until:
                    raise HeadraceError(
                        error.code, f"rank {self.group.rank} does not see the schedule of rank 0: {error.args[0]}"
                    ) from error
                if self.group.rank == 0:
                    raise
            time.sleep(0.05)


def state_of(schedule: Schedule) -> Dict[str, Any]:
    """How many stages a schedule has, and the hash of the last."""
    return {"stages": len(schedule.stages), "hash": schedule.hash}


def _record_of(run: str) -> Dict[str, Any]:
    """`run.json`, empty where there is none."""
    try:
        with open(os.path.join(run, "run.json"), encoding="utf-8") as file:
            record: Dict[str, Any] = parse_json(file.read(), "run.json")
            return record
    except FileNotFoundError:
        return {}
