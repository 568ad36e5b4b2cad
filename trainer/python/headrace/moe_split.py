"""Which neurons of a SwiGLU layer make which expert: LLaMA-MoE's four ways (arXiv 2406.16554, section 3.1; smoe/utils/expert_construction).

Pure numpy, and deterministic in its arguments. A neuron is a row of the gate and up matrices and a column of the down matrix.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .errors import HeadraceError
from .keys import key_of, words

METHODS = ("independent-random", "independent-clustering", "sharing-inner", "sharing-inter")

_ITERATIONS = 500
"""Rounds of k-means at most (smoe/utils/expert_construction/expert_split.py)."""


class Split(NamedTuple):
    """A layer's neurons by expert, each row ascending."""

    experts: np.ndarray
    """(E, size) int64."""
    residual: np.ndarray
    """(R, size) int64, of the experts that all tokens pass."""


def expert_size(hidden: int, experts: int) -> int:
    """Neurons of each of `experts` equal parts. Raises ERR_ARGUMENT where they do not divide."""
    if experts < 1 or hidden % experts:
        divisors = [d for d in range(2, 65) if hidden % d == 0]
        raise HeadraceError(
            "ERR_ARGUMENT",
            f"{hidden} neurons do not divide by {experts} experts; those that do up to 64: {', '.join(map(str, divisors)) or 'none'}",
        )
    return hidden // experts


def random_split(hidden: int, experts: int, seed: int, layer: int) -> Split:
    """Disjoint experts of random neurons, another draw for each layer: the order of keyed words, cut into equal parts."""
    size = expert_size(hidden, experts)
    order = np.argsort(words(key_of("moe-split", seed, layer), hidden), kind="stable")
    return Split(np.sort(order.reshape(experts, size), axis=1), _none(size))


def clustered_split(up: np.ndarray, experts: int, seed: int, layer: int) -> Split:
    """Disjoint experts of neurons whose rows of the up matrix (neurons, dim) point alike: balanced k-means of the normalised rows."""
    size = expert_size(len(up), experts)
    labels = balanced_clusters(_normalised(up), experts, seed, layer)
    return Split(np.stack([np.flatnonzero(labels == e) for e in range(experts)]), _none(size))


def inner_split(importance: np.ndarray, size: int) -> Split:
    """Expert e holds the `size` neurons that matter most to texts of group e, by importance (E, neurons). Neurons may be shared, or unused."""
    return Split(_most_important(importance, size), _none(size))


def inter_split(importance: np.ndarray, size: int, residual: int) -> Split:
    """The neurons that most groups want among their `size` best become `residual` experts for all; of the others each group takes its best.

    Among neurons that equally many want, the larger sum of importance comes first, then the lower number.
    """
    neurons = importance.shape[1]
    votes = np.bincount(_most_important(importance, size).ravel(), minlength=neurons)
    rank = np.lexsort((np.arange(neurons), -importance.sum(axis=0), -votes))
    shared = rank[: residual * size]
    rest = importance.copy()
    rest[:, shared] = -np.inf
    return Split(_most_important(rest, size), np.sort(shared.reshape(residual, size), axis=1))


def balanced_clusters(points: np.ndarray, clusters: int, seed: int, layer: int) -> np.ndarray:
    """Labels of points (n, d) in clusters of equal size. k-means whose assignment is filled up by regret and then improved by exchanges.

    The published code solves each assignment by minimum-cost flow; exchanges between two clusters come within a few thousandths of that and
    take seconds where it takes hours.
    """
    points = np.asarray(points, dtype=np.float32)
    squares = (points**2).sum(axis=1)
    centres = _seeds(points, squares, clusters, words(key_of("moe-seeds", seed, layer), clusters))
    labels = np.full(len(points), -1)
    best = np.inf
    for _ in range(_ITERATIONS):
        costs = (squares[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)).astype(np.float64)
        found = exchange(costs, fill(costs))
        cost = float(costs[np.arange(len(points)), found].sum())
        if cost >= best * (1 - 1e-7):
            break
        best, labels = cost, found
        centres = np.stack([points[labels == c].mean(axis=0) for c in range(clusters)])
    return labels


def _seeds(points: np.ndarray, squares: np.ndarray, clusters: int, draws: np.ndarray) -> np.ndarray:
    """First centres as k-means++ draws them: each point with a chance in proportion to its squared distance to the nearest before."""
    chosen = [int(draws[0]) % len(points)]
    nearest = np.full(len(points), np.inf)
    for draw in draws[1:]:
        last = points[chosen[-1]]
        nearest = np.minimum(nearest, np.maximum(squares - 2 * points @ last + last @ last, 0).astype(np.float64))
        edges = np.cumsum(nearest)
        chosen.append(min(int(np.searchsorted(edges, int(draw) / 2**32 * edges[-1], side="right")), len(points) - 1))
    return points[chosen]


def fill(costs: np.ndarray) -> np.ndarray:
    """Labels of equal counts by costs (n, c): those that lose most by their second choice choose first, each the cheapest that has room."""
    n, clusters = costs.shape
    order = np.argsort(costs, axis=1, kind="stable")
    first = np.take_along_axis(costs, order[:, :2], axis=1)
    regret = first[:, -1] - first[:, 0]
    room = np.full(clusters, n // clusters)
    labels = np.empty(n, dtype=np.int64)
    for i in np.argsort(-regret, kind="stable"):
        label = next(c for c in order[i] if room[c] > 0)
        labels[i] = label
        room[label] -= 1
    return labels


def exchange(costs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Labels after every exchange of points between two clusters that lowers the cost; counts stay."""
    labels = labels.copy()
    clusters = costs.shape[1]
    improved = True
    while improved:
        improved = False
        for a in range(clusters):
            for b in range(a + 1, clusters):
                in_a, in_b = np.flatnonzero(labels == a), np.flatnonzero(labels == b)
                gain_a = costs[in_a, a] - costs[in_a, b]
                gain_b = costs[in_b, b] - costs[in_b, a]
                best_a, best_b = np.argsort(-gain_a, kind="stable"), np.argsort(-gain_b, kind="stable")
                worth = int(np.count_nonzero(gain_a[best_a] + gain_b[best_b] > 1e-9))
                if worth:
                    labels[in_a[best_a[:worth]]] = b
                    labels[in_b[best_b[:worth]]] = a
                    improved = True
    return labels


def _most_important(importance: np.ndarray, size: int) -> np.ndarray:
    return np.sort(np.argsort(-importance, axis=1, kind="stable")[:, :size], axis=1)


def _normalised(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float32)
    unit: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _none(size: int) -> np.ndarray:
    return np.empty((0, size), dtype=np.int64)
