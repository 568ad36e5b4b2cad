"""What a trainer measured, by domain: sums of nats and counts of tokens, so that reports of ranks and batches can be added (docs/format.md, section 4)."""

from __future__ import annotations

import json
import math
import os
import secrets
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from . import parse
from .commit import sync_folder
from .errors import HeadraceError
from .keys import parse_json

FORMAT = "headrace-report/1"

Report = Dict[str, Any]
"""A checked report as its JSON object, domains in the order of the schedule."""


class LossSum(NamedTuple):
    """The loss of one domain: nats summed over its tokens, and how many those are."""

    loss_sum: float
    tokens: int


class DomainLosses:
    """Losses of rows since the last report, added up by domain. A domain that gave no row is absent from the report, which `reweight` refuses."""

    def __init__(self, domains: Sequence[str]) -> None:
        """`domains` in the order that rows are numbered by (a sampler's `domains`)."""
        self.domains = tuple(domains)
        self.sums = np.zeros((2, len(self.domains)))
        """Nats, and tokens, of each domain: what ranks add up over each other before a report. float64."""

    def add(self, domains: Any, nats: Any, tokens: Any) -> None:
        """Adds rows: the domain of each, its nats summed over its predicted tokens, and how many those are (one number for all, or one a row)."""
        index = np.asarray(domains)
        np.add.at(self.sums[0], index, np.asarray(nats, dtype=np.float64))
        np.add.at(self.sums[1], index, np.asarray(tokens, dtype=np.float64))

    def report(self, measured_at: int, kind: str = "training") -> Report:
        """The report of what was added, after `measured_at` batches; begins anew."""
        found = {name: LossSum(nats, int(n)) for name, nats, n in zip(self.domains, *self.sums.tolist()) if n}
        self.sums[:] = 0
        return make_report(measured_at, kind, found)


def make_report(measured_at: int, kind: str, losses: Mapping[str, LossSum]) -> Report:
    """The report of losses measured after `measured_at` batches; `kind` is `validation` or `training`."""
    domains = {name: {"lossSum": float(loss.loss_sum), "tokens": int(loss.tokens)} for name, loss in losses.items()}
    return {"format": FORMAT, "measuredAt": measured_at, "kind": kind, "domains": domains}


def check_report(value: Any, domains: Sequence[str], subject: str = "loss report") -> Report:
    """Checks a report against the domains of a schedule. Raises ERR_PARSE, and ERR_LOSS naming the batch and the domain."""
    parse.fields(value, subject, "format", "measuredAt", "kind", "domains")
    parse.one_of(value["format"], f"{subject}.format", FORMAT)
    measured_at = parse.whole(value["measuredAt"], f"{subject}.measuredAt")
    kind = parse.one_of(value["kind"], f"{subject}.kind", "validation", "training")
    found = parse.fields(value["domains"], f"{subject}.domains")
    where = f"{subject} at batch {measured_at}"
    for name in found:
        if name not in domains:
            raise HeadraceError(
                "ERR_LOSS",
                f'{where} has a loss for "{name}", which the schedule does not know; report {", ".join(domains)}',
            )
    losses = {name: _check_loss(found.get(name), name, where) for name in domains}
    return make_report(measured_at, kind, losses)


def _check_loss(record: Any, name: str, where: str) -> LossSum:
    if record is None:
        raise HeadraceError("ERR_LOSS", f'{where} has no loss for domain "{name}"; evaluate every domain')
    parse.fields(record, f"{where}: {name}", "tokens")
    tokens = parse.whole(record["tokens"], f"{where}: {name}.tokens")
    if tokens == 0:
        raise HeadraceError(
            "ERR_LOSS",
            f'{where} counts 0 tokens for domain "{name}", so it has no mean loss; evaluate at least one row of it',
        )
    # A NaN may arrive as null.
    total = record.get("lossSum")
    total = total if isinstance(total, (int, float)) and not isinstance(total, bool) else math.nan
    if not math.isfinite(total) or total < 0:
        raise HeadraceError(
            "ERR_LOSS",
            f'{where} has loss {total} for domain "{name}"; a loss is finite and >= 0: the model has diverged or the report is broken',
        )
    return LossSum(total, tokens)


def mean_losses(report: Report) -> Dict[str, float]:
    """Mean nats a token, by domain."""
    return {name: loss["lossSum"] / loss["tokens"] for name, loss in report["domains"].items()}


def report_path(run: str, measured_at: int) -> str:
    """Where the report measured at a batch lies in a run folder."""
    return os.path.join(run, "reports", f"{measured_at:08d}.json")


def read_report(path: str, domains: Optional[Sequence[str]] = None) -> Report:
    """Reads and checks a report, against the domains of a schedule or those that it has. Raises ERR_INPUT, ERR_PARSE, ERR_LOSS."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as cause:
        raise HeadraceError("ERR_INPUT", f"cannot read the loss report {path}: {cause.strerror}") from cause
    value = parse_json(text, path)
    if domains is None:
        domains = list(parse.fields(parse.fields(value, path, "domains")["domains"], f"{path}.domains"))
    return check_report(value, domains, path)


def record_report(run: str, report: Report) -> Report:
    """Records a checked report whole, durable and once: if there is one for its batch already, that one stays and is returned."""
    path = report_path(run, report["measuredAt"])
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    pending = os.path.join(folder, f".{secrets.token_hex(6)}.tmp")
    try:
        with open(pending, "x", encoding="utf-8") as file:
            file.write(json.dumps(report, indent=2, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(pending, path)
        sync_folder(folder)
        return report
    except FileExistsError:
        return read_report(path, list(report["domains"]))
    finally:
        if os.path.exists(pending):
            os.unlink(pending)


def recorded_report(run: str, measured_at: int) -> Optional[str]:
    """The path of the report measured at a batch, if it was recorded."""
    path = report_path(run, measured_at)
    return path if os.path.exists(path) else None


def newest_losses(run: str) -> Dict[str, float]:
    """Mean losses of the newest report of a run, by domain; empty before the first. Raises as `read_report`."""
    folder = os.path.join(run, "reports")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    batches = [int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit()]
    return mean_losses(read_report(report_path(run, max(batches)))) if batches else {}
