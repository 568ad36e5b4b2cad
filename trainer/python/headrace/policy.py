"""What moves the weights: a rule (rules.py) between guard rails (samplers/policy.ts, samplers/rails.ts).

The same float64 arithmetic in the same order as in TypeScript, so that the results differ by no more than exp and log do between libraries.
What a policy decided is recorded in a stage; the record is the source and is never recomputed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from . import parse
from .errors import HeadraceError
from .mixture import PARTS
from .rules import (
    RULES,
    Measured,
    Weights,
    bandit_rule,
    clamp_rule,
    divided,
    doremi_rule,
    odm_rule,
    softmax_rule,
    total_of,
    velocitune_rule,
)


@dataclass(frozen=True)
class Rails:
    """Bounds on what an update may do."""

    floor_rows: int
    """Least weight of a domain, in rows a batch."""
    ceiling: float
    """Greatest weight of a domain."""
    step: float
    """Greatest factor by which an update may raise or lower a weight."""


DEFAULT_RAILS = Rails(1, 0.9, 2)
"""The rails that are on unless a policy is asked for as published."""


@dataclass(frozen=True)
class LossDriven:
    """A policy that moves the weights every `every_batches` batches."""

    rule: str
    """One of rules.RULES."""
    eta: float
    smoothing: float
    initial: Weights
    reference: Dict[str, float]
    """Mean nats a token that losses are compared with."""
    every_batches: int
    rails: Optional[Rails]
    """None: as published, without guard rails."""


class Update(NamedTuple):
    """What an update decided."""

    weights: Weights
    asked: Weights
    """Before the rails."""
    actions: List[Dict[str, Any]]
    """What the rails changed: `rail`, `domain`, `from`, `to`."""


def parse_policy(record: Any, domains: Sequence[str], at: str = "policy") -> Optional[LossDriven]:
    """The loss-driven policy of a header, or None for one whose weights never change. Raises ERR_PARSE."""
    kind = parse.one_of(parse.fields(record, at, "kind")["kind"], f"{at}.kind", "static", "scheduled", "loss-driven")
    if kind != "loss-driven":
        return None
    parse.fields(record, at, "rule", "eta", "smoothing", "initial", "reference", "everyBatches", "rails")
    rails = record["rails"]
    if rails is not None:
        parse.fields(rails, f"{at}.rails", "floorRows", "ceiling", "step")
        rails = Rails(
            parse.whole(rails["floorRows"], f"{at}.rails.floorRows"),
            parse.real(rails["ceiling"], f"{at}.rails.ceiling"),
            parse.real(rails["step"], f"{at}.rails.step"),
        )
    return LossDriven(
        rule=parse.one_of(record["rule"], f"{at}.rule", *RULES),
        eta=parse.real(record["eta"], f"{at}.eta"),
        smoothing=parse.real(record["smoothing"], f"{at}.smoothing"),
        initial=_numbers(record["initial"], domains, f"{at}.initial"),
        reference=_numbers(
            parse.fields(record["reference"], f"{at}.reference", "losses")["losses"], domains, f"{at}.reference.losses"
        ),
        every_batches=parse.whole(record["everyBatches"], f"{at}.everyBatches", 1),
        rails=rails,
    )


def _numbers(record: Any, domains: Sequence[str], at: str) -> Dict[str, float]:
    parse.fields(record, at, *domains)
    return {name: parse.real(record[name], f"{at}.{name}") for name in domains}


def update_weights(
    policy: LossDriven,
    current: Weights,
    losses: Mapping[str, float],
    batch_rows: int,
    exhausted: Iterable[str] = (),
    before: Sequence[Measured] = (),
    withdrawn: Sequence[str] = (),
) -> Update:
    """One update: the policy's rule, then its rails. `before` are the updates so far, oldest first, which `velocitune` and `odm` remember. Domains that are exhausted, or began at weight 0, stay at 0 under the rails; those that were withdrawn always."""
    asked = _asked_by(policy, current, losses, before)
    if policy.rails is None:
        return Update(without(asked, withdrawn), asked, [])
    closed = {name for name, weight in policy.initial.items() if weight == 0} | set(exhausted) | set(withdrawn)
    weights, actions = apply_rails(asked, current, policy.rails, batch_rows, closed)
    return Update(weights, asked, actions)


def without(weights: Weights, domains: Sequence[str]) -> Weights:
    """The weights with some domains at 0 and the others divided by their sum. Raises ERR_WEIGHTS where none is left."""
    if not domains:
        return weights
    left = total_of(0.0 if name in domains else weight for name, weight in weights.items())
    if left == 0:
        raise HeadraceError(
            "ERR_WEIGHTS",
            f"without {' and '.join(domains)} no domain has a weight; give others weight first, or end the run",
        )
    return divided({name: 0.0 if name in domains else weight / left for name, weight in weights.items()})


def _asked_by(policy: LossDriven, current: Weights, losses: Mapping[str, float], before: Sequence[Measured]) -> Weights:
    reference, eta = policy.reference, policy.eta
    if policy.rule == "softmax":
        return softmax_rule(current, losses, reference, eta, policy.smoothing)
    if policy.rule == "clamp":
        return clamp_rule(current, losses, reference, eta)
    if policy.rule == "doremi":
        return doremi_rule(current, losses, reference, eta, policy.smoothing)
    if policy.rule == "bandit":
        return bandit_rule(current, losses, reference, eta, policy.smoothing)
    if policy.rule == "velocitune":
        return velocitune_rule(current, losses, reference, before[0].losses if before else losses, eta)
    return odm_rule([*before, Measured(current, losses)])


def apply_rails(
    asked: Weights, previous: Weights, rails: Rails, batch_rows: int, closed: Iterable[str] = ()
) -> Tuple[Weights, List[Dict[str, Any]]]:
    """The weights nearest to `asked` in proportion that keep every bound, and what was changed; see samplers/rails.ts for which bound gives way. Closed domains get 0."""
    shut = set(closed)
    open_names = [name for name in asked if name not in shut]
    if not open_names:
        return asked, []
    floor = min(math.ceil(rails.floor_rows * PARTS / batch_rows) / PARTS, 1 / (2 * len(open_names)))
    ceiling = max(rails.ceiling, 1 / len(open_names), 2 * floor)
    bounds = _step_bounds(open_names, previous, floor, ceiling, rails.step)
    stands = _scaled_into(open_names, asked, bounds)
    weights = divided({name: 0.0 if name in shut else stands[name] for name in asked})

    actions: List[Dict[str, Any]] = []
    for name, wanted in asked.items():
        got = weights[name]
        if name in shut:
            if wanted != 0:
                actions.append({"rail": "repeat", "domain": name, "from": wanted, "to": 0})
            continue
        low, high = bounds[name]
        value = stands[name]
        if value == wanted or value not in (low, high):
            continue
        rail = "floor" if value == floor and wanted < value else "ceiling" if value == ceiling else "step"
        actions.append({"rail": rail, "domain": name, "from": wanted, "to": got})
    return weights, actions


Bounds = Dict[str, Tuple[float, float]]


def _step_bounds(names: Sequence[str], previous: Weights, floor: float, ceiling: float, step: float) -> Bounds:
    """The floor, the ceiling and, where they leave a solution, the step from the previous weights (of open domains, to sum 1)."""

    def clamp(weight: float) -> float:
        return min(ceiling, max(floor, weight))

    total = total_of(previous.get(name, 0.0) for name in names) or 1
    bounds = {
        name: (clamp(previous.get(name, 0.0) / total / step), clamp(previous.get(name, 0.0) / total * step))
        for name in names
    }
    if total_of(low for low, _ in bounds.values()) <= 1 <= total_of(high for _, high in bounds.values()):
        return bounds
    return {name: (floor, ceiling) for name in names}


def _scaled_into(names: Sequence[str], asked: Weights, bounds: Bounds) -> Weights:
    """asked x factor, cut to the bounds, for the one factor with which the sum is 1: found between the sorted points where a cut sets in."""
    terms = [(name, max(asked[name], 1 / PARTS), *bounds[name]) for name in names]

    def cut(base: float, low: float, high: float, factor: float) -> float:
        return min(high, max(low, base * factor))

    points = sorted(bound / base for _, base, low, high in terms for bound in (low, high))
    after = next((i for i, point in enumerate(points) if total_of(cut(*term[1:], point) for term in terms) >= 1), -1)
    until = points[-1] if after < 0 else points[after]
    since = points[after - 1] if after > 0 else 0
    fixed = 0.0
    free = 0.0
    for _, base, low, high in terms:
        if low / base <= since and high / base >= until:
            free += base
        else:
            fixed += cut(base, low, high, (since + until) / 2)
    factor = (1 - fixed) / free if after >= 0 and free > 0 else until
    kept = all(low <= asked[name] <= high for name, _, low, high in terms)
    whole = abs(total_of(asked[name] for name in names) - 1) < 1e-9
    return {name: asked[name] if kept and whole else cut(base, low, high, factor) for name, base, low, high in terms}
