"""The mixture: how many rows of each domain a batch holds (docs/format.md, sections 3 and 3.1).

After every batch no domain has had more than 1 - 1/K rows more than its exact share, nor more than H_K - 1 less.
Whole numbers only: deficits and weights are in parts of PARTS = 2^24 of a row, and Python's are exact at any size.
"""

from __future__ import annotations

import math
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np

from .errors import HeadraceError

PARTS = 2**24
"""The parts that weights are counted in, and that a row is divided into."""


class Counters(NamedTuple):
    """Where the mixture stands before a batch."""

    served: Tuple[int, ...]
    """Rows of each domain in the batches before."""
    deficits: Tuple[int, ...]
    """What each domain is owed, in parts of a row."""


def weight_parts(weights: Sequence[float]) -> List[int]:
    """Weights that sum to 1 as whole parts that sum to PARTS: each rounded, the remainder to the largest (first of equals)."""
    parts = [math.floor(weight * PARTS + 0.5) for weight in weights]
    largest = parts.index(max(parts))
    parts[largest] += PARTS - sum(parts)
    if min(parts) < 0:
        raise HeadraceError("ERR_WEIGHTS", f"domain weights {list(weights)} do not sum to 1; divide each by their sum")
    return parts


def allocate(deficits: Sequence[int], weights: Sequence[int], rows: int) -> Tuple[List[int], List[int]]:
    """Rows of each domain in the next batch of `rows`, and the deficits after it: the batched largest-deficit rule."""
    counts: List[int] = []
    rest: List[int] = []
    for deficit, weight in zip(deficits, weights):
        count, part = divmod(deficit + weight * rows, PARTS)
        if count < 0:
            part += count * PARTS
            count = 0
        counts.append(count)
        rest.append(part)
    left = rows - sum(counts)
    while left > 0:
        i = max((i for i in range(len(rest)) if weights[i] > 0), key=rest.__getitem__)
        counts[i] += 1
        rest[i] -= PARTS
        left -= 1
    while left < 0:
        i = min((i for i in reversed(range(len(rest))) if counts[i] > 0), key=rest.__getitem__)
        counts[i] -= 1
        rest[i] += PARTS
        left += 1
    return counts, rest


def settle(deficits: Sequence[int], weights: Sequence[int]) -> List[int]:
    """Deficits at the start of a stage: what domains at zero weight are owed goes unit by unit to the lowest of the others, what they have
    too much comes from the highest."""
    settled = [deficit if weight else 0 for deficit, weight in zip(deficits, weights)]
    owed = sum(deficit for deficit, weight in zip(deficits, weights) if not weight)
    sign = (owed > 0) - (owed < 0)
    order = sorted((i for i, weight in enumerate(weights) if weight), key=lambda i: sign * settled[i])
    if not owed or not order:
        return settled
    left, level, count = abs(owed), sign * settled[order[0]], 1
    while count < len(order) and count * (sign * settled[order[count]] - level) <= left:
        left -= count * (sign * settled[order[count]] - level)
        level = sign * settled[order[count]]
        count += 1
    for place, i in enumerate(sorted(order[:count])):
        settled[i] = sign * (level + left // count + (place < left % count))
    return settled


def advance(counters: Counters, weights: Sequence[int], rows: int, batches: int) -> Counters:
    """Counters `batches` later under one stage's weights. O(domains) where every weight is 0 or a row a batch, else O(batches)."""
    served, deficits = counters
    owed = [weight * rows for weight in weights]
    if batches > 0 and _is_steady(deficits, owed):
        return _jump(counters, owed, batches)
    for _ in range(batches):
        counts, rest = allocate(deficits, weights, rows)
        served = tuple(x + count for x, count in zip(served, counts))
        deficits = tuple(rest)
    return Counters(served, deficits)


def served_by(counters: Counters, weights: Sequence[int], rows: int, batches: int) -> np.ndarray:
    """Rows of each domain served before each of the next batches and after the last: (batches + 1, domains) int64. `batches` < 512."""
    served = np.empty((batches + 1, len(weights)), dtype=np.int64)
    served[0] = counters.served
    owed = [weight * rows for weight in weights]
    if batches < 3 or not _is_steady(counters.deficits, owed):
        for k in range(batches):
            counts, deficits = allocate(counters.deficits, weights, rows)
            served[k + 1] = served[k] + counts
            counters = Counters(counters.served, tuple(deficits))
        return served
    # `_jump` for every batch at once: rows are at most 2^20 a batch, so that targets stay under 2^53.
    targets = np.array(counters.deficits) + np.arange(1, batches + 1)[:, None] * np.array(owed)
    rest = targets % PARTS
    rank = np.empty_like(rest)
    np.put_along_axis(rank, np.argsort(-rest, axis=1, kind="stable"), np.arange(len(weights)), axis=1)
    rest -= np.where(rank < rest.sum(axis=1, keepdims=True) // PARTS, PARTS, 0)
    served[1:] = served[0] + (targets - rest) // PARTS
    return served


def _is_steady(deficits: Sequence[int], owed: Sequence[int]) -> bool:
    return all(
        deficit == 0 if each == 0 else each >= PARTS and deficit + each >= 0 for deficit, each in zip(deficits, owed)
    )


def _jump(counters: Counters, owed: Sequence[int], batches: int) -> Counters:
    # No batch has a negative allocation, so what is left after it depends on the accumulated target modulo a row alone:
    # the largest remainders are rounded up (mixture-and-order, theorem 4), at the last batch as at any other.
    targets = [deficit + each * batches for deficit, each in zip(counters.deficits, owed)]
    rest = [target % PARTS for target in targets]
    up = sum(rest) // PARTS
    for i in sorted(range(len(rest)), key=lambda i: (-rest[i], i))[:up]:
        rest[i] -= PARTS
    served = tuple(x + (target - part) // PARTS for x, target, part in zip(counters.served, targets, rest))
    return Counters(served, tuple(rest))
