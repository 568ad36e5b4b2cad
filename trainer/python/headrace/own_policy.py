"""A policy of one's own: a pure function from losses to weights, whose hash and answer stand in the stage (samplers/own-policy.ts)."""

from __future__ import annotations

import hashlib
import math
import os
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from .errors import HeadraceError
from .losses import check_report, mean_losses
from .plan import Plan
from .policy import DEFAULT_RAILS, Rails, apply_rails
from .revising import mix
from .reweighting import exhausted_domains, weights_of
from .rules import Weights, divided, total_of
from .schedule import PathLike, Schedule, withdrawn_domains


class OwnPolicy(NamedTuple):
    """A policy of one's own."""

    name: str
    sha256: str
    """Of the file that it is in."""
    weights: Callable[[Dict[str, Any]], Mapping[str, float]]
    """From `batch`, `weights` in force, `losses`, `rows` given and `epochRows`, by domain, to a number >= 0 a domain. Pure."""


def load_policy(path: PathLike) -> OwnPolicy:
    """The policy in a Python file that defines `weights(state)`. Raises ERR_INPUT, ERR_ARGUMENT."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as cause:
        raise HeadraceError("ERR_INPUT", f"policy {path} cannot be read: {cause.strerror}") from cause
    names: Dict[str, Any] = {"__name__": "policy"}
    exec(compile(data, os.fspath(path), "exec"), names)
    if not callable(names.get("weights")):
        raise HeadraceError(
            "ERR_ARGUMENT",
            f"policy {path} has no function `weights(state)` that returns a number a domain",
        )
    return OwnPolicy(os.path.basename(path), hashlib.sha256(data).hexdigest(), names["weights"])


def own_mix(
    schedule: Schedule,
    from_batch: int,
    report: Any,
    policy: OwnPolicy,
    rails: Optional[Rails] = DEFAULT_RAILS,
    note: Optional[str] = None,
) -> Schedule:
    """What a policy of one's own makes of a loss report, from a batch on: between guard rails unless `rails` is None.

    Pure as the policy is. Raises ERR_LOSS, ERR_PARSE, ERR_WEIGHTS, ERR_UNDECIDED, ERR_ARGUMENT.
    """
    header = schedule.header
    checked = check_report(report, header.domains)
    if checked["measuredAt"] > from_batch:
        raise HeadraceError(
            "ERR_ARGUMENT",
            f"the losses were measured at batch {checked['measuredAt']}, after the batch {from_batch} from which their weights are to hold; "
            f"give a batch from {checked['measuredAt']} on",
        )
    stage = schedule.governing(from_batch).stage
    current = weights_of(schedule, stage)
    losses = mean_losses(checked)
    served = Plan(schedule).counters(from_batch).served
    state = {
        "batch": from_batch,
        "weights": current,
        "losses": losses,
        "rows": dict(zip(header.domains, served)),
        "epochRows": dict(zip(header.domains, header.rows)),
    }
    given = policy.weights(state)
    total = total_of(given.get(name, math.nan) for name in header.domains)
    if not 0 < total < math.inf or min(given[name] for name in header.domains) < 0:
        raise HeadraceError(
            "ERR_WEIGHTS",
            f"policy {policy.name} returned {dict(given)}; it returns a number >= 0 for each of {', '.join(header.domains)}, not all 0",
        )
    asked = divided({name: given[name] / total for name in header.domains})
    weights: Weights = asked
    actions: List[Dict[str, Any]] = []
    if rails is not None:
        closed = [*exhausted_domains(schedule), *withdrawn_domains(schedule.in_force)]
        weights, actions = apply_rails(asked, current, rails, stage.batch_rows, closed)
    because = {
        "policy": {"name": policy.name, "sha256": policy.sha256},
        "measuredAt": checked["measuredAt"],
        "losses": losses,
        "asked": asked,
        "rails": actions,
    }
    return mix(schedule, from_batch, weights, note, because)
