"""The rules that move weights by losses, one pure function each (samplers/rules.ts, samplers/more-rules.ts, where their sources stand).

The same float64 arithmetic in the same order as in TypeScript, so that the results differ by no more than exp and log do between libraries.
"""

from __future__ import annotations

import math
from typing import Dict, Iterable, Mapping, NamedTuple, Sequence

from .errors import HeadraceError

Weights = Dict[str, float]
"""A weight a domain, in domain order; sum 1."""

RULES = ("softmax", "clamp", "doremi", "bandit", "velocitune", "odm")

PUBLISHED_ODM_AVERAGE = 0.9
"""a in ODM's moving average of rewards (arXiv 2312.02406, section 3)."""


class Measured(NamedTuple):
    """Losses that an update went by, and the weights in force when they were measured."""

    weights: Weights
    losses: Mapping[str, float]


def softmax_rule(
    weights: Weights,
    losses: Mapping[str, float],
    reference: Mapping[str, float],
    eta: float = 1,
    smoothing: float = 1e-4,
) -> Weights:
    """w' = (1 - c) softmax(ln w + eta (l - r)) + c / n, divided by its sum: LLaMA-MoE's `sheared_llama` (smoe/data/dynamic_selection.py), the rule that was run."""
    logits = [
        (math.log(w) if w > 0 else -math.inf) + eta * (losses[name] - reference[name]) for name, w in weights.items()
    ]
    top = max(logits)
    powers = [math.exp(logit - top) for logit in logits]
    return _mixed(weights, powers, smoothing)


def clamp_rule(
    weights: Weights, losses: Mapping[str, float], reference: Mapping[str, float], eta: float = 1
) -> Weights:
    """w' = w exp(eta max(0, l - r)), divided by its sum: Algorithm 1 of Sheared-LLaMA (arXiv 2310.06694)."""
    gaps = [eta * max(0.0, losses[name] - reference[name]) for name in weights]
    top = max(gaps)
    return _normalised(weights, [w * math.exp(gap - top) for w, gap in zip(weights.values(), gaps)])


def doremi_rule(
    weights: Weights, losses: Mapping[str, float], reference: Mapping[str, float], eta: float, smoothing: float
) -> Weights:
    """w' = (1 - c) a + c / n with a = w exp(eta max(0, l - r)) over its sum: DoReMi (arXiv 2305.10429) from domain losses."""
    gaps = [eta * max(0.0, losses[name] - reference[name]) for name in weights]
    top = max(gaps)
    return _mixed(weights, [w * math.exp(gap - top) for w, gap in zip(weights.values(), gaps)], smoothing)


def bandit_rule(
    weights: Weights, losses: Mapping[str, float], reference: Mapping[str, float], eta: float, smoothing: float
) -> Weights:
    """w' = (1 - c) softmax(w + eta (l - r)) + c / n: the `bandit` update of LLM-Shearing."""
    logits = [w + eta * (losses[name] - reference[name]) for name, w in weights.items()]
    top = max(logits)
    return _mixed(weights, [math.exp(logit - top) for logit in logits], smoothing)


def velocitune_rule(
    weights: Weights,
    losses: Mapping[str, float],
    reference: Mapping[str, float],
    first: Mapping[str, float],
    eta: float,
) -> Weights:
    """w' = w exp(eta v) over its sum, v = (l - r) / (first - r), 0 where first <= r: Velocitune (arXiv 2411.14318)."""
    left = []
    for name in weights:
        gap = losses[name] - reference[name]
        whole = first[name] - reference[name]
        left.append(eta * (gap / whole) if whole > 0 else 0.0)
    top = max(left)
    return _normalised(weights, [w * math.exp(v - top) for w, v in zip(weights.values(), left)])


def odm_rule(measured: Sequence[Measured], average: float = PUBLISHED_ODM_AVERAGE) -> Weights:
    """Online data mixing, Exp3 (arXiv 2312.02406, algorithm 1), over all updates so far, oldest first, this one last."""
    names = list(measured[-1].weights)
    rewards = [0.0] * len(names)
    for weights, losses in measured:
        for i, name in enumerate(names):
            if weights[name] > 0:
                rewards[i] = average * rewards[i] + (1 - average) * (losses[name] / weights[name])
    count = len(names)

    def explored(update: int) -> float:
        return min(1 / count, math.sqrt(math.log(count) / (count * update)))

    rate = 1 / count if len(measured) == 1 else explored(len(measured) - 1)
    floor = explored(len(measured))
    top = max(rewards)
    powers = [math.exp(rate * (reward - top)) for reward in rewards]
    total = total_of(powers)
    return _normalised(names, [(1 - count * floor) * (power / total) + floor for power in powers])


def _mixed(names: Iterable[str], values: Sequence[float], smoothing: float) -> Weights:
    total = total_of(values)
    return _normalised(names, [(1 - smoothing) * (value / total) + smoothing / len(values) for value in values])


def _normalised(names: Iterable[str], values: Sequence[float]) -> Weights:
    total = total_of(values)
    return divided({name: value / total for name, value in zip(names, values)})


def divided(weights: Weights) -> Weights:
    """Weights divided by their sum, which must be 1 to within 1e-6. Raises ERR_WEIGHTS."""
    total = total_of(weights.values())
    if not abs(total - 1) <= 1e-6:
        raise HeadraceError("ERR_WEIGHTS", f"domain weights sum to {total}; they must sum to 1")
    return {name: weight / total for name, weight in weights.items()}


def total_of(values: Iterable[float]) -> float:
    """The sum from left to right, each step rounded, as ECMAScript adds; Python's own `sum` compensates from 3.12 on."""
    total = 0.0
    for value in values:
        total += value
    return total
