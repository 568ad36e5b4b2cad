"""Keyed permutations of [0, n), computed by index (docs/format.md, section 2): no buffer, no state, any position at once.

Up to 4,096 a table sorted by key words; above, a six-round Feistel network that walks cycles until it lands inside [0, n).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .errors import HeadraceError
from .keys import Key, mix32_into, words_of

TABLE_LIMIT = 4096
"""The largest n that is permuted by a sorted table."""

_ROUNDS = 6


@lru_cache(maxsize=256)
def table(key: Key, n: int) -> np.ndarray:
    """The whole permutation of [0, n), n <= 4,096: indices sorted by word, ties by index. int64, read-only."""
    values: np.ndarray = tables([key], n)[0]
    values.flags.writeable = False
    return values


def tables(keys: Sequence[Key], n: int) -> np.ndarray:
    """The whole permutations of [0, n) under several keys, (keys, n) int64."""
    # Word and index in one number: no two are equal, so the fastest sort is also the stable one.
    joined = (words_of(keys, n).astype(np.uint64) << np.uint64(12)) | np.arange(n, dtype=np.uint64)
    joined.sort(axis=1)
    return (joined & np.uint64(0xFFF)).astype(np.int64)


class Networks(NamedTuple):
    """The Feistel networks of several permutations side by side, one column each."""

    keys: np.ndarray
    """(6, networks) uint32: the key word of each round."""
    shift: np.ndarray
    """Bits of the right half at rest."""
    masks: np.ndarray
    """(2, networks) uint32: over the left half, over the right half."""
    size: np.ndarray
    """n of each permutation, uint64 (it may be 2^32)."""


def networks(keys: Sequence[Key], sizes: Sequence[int]) -> Networks:
    """Lays out the networks of permutations of `sizes` elements, each in (1, 2^32]. Raises ERR_ARGUMENT outside."""
    for size in sizes:
        if not 1 < size <= 2**32:
            raise HeadraceError(
                "ERR_ARGUMENT", f"a permutation of {size} elements is not in (1, 2^32]; use longer rows"
            )
    bits = [(size - 1).bit_length() for size in sizes]
    high = [b // 2 for b in bits]
    low = [b - h for b, h in zip(bits, high)]
    return Networks(
        np.array([key[:_ROUNDS] for key in keys], dtype=np.uint32).T.copy(),
        np.array(low, dtype=np.uint32),
        np.array([[2**width - 1 for width in high], [2**width - 1 for width in low]], dtype=np.uint32),
        np.array(sizes, dtype=np.uint64),
    )


def walk(nets: Networks, which: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Values at `positions` of the networks `which` (one index a position). int64; under four passes on average."""
    values = np.empty(len(positions), dtype=np.int64)
    x = positions.astype(np.uint32)
    waiting = None
    while len(x):
        x = _once(nets, which, x)
        inside = x < nets.size[which]
        if waiting is None:
            values[:] = x
            waiting = np.flatnonzero(~inside)
            outside = waiting
        else:
            values[waiting] = x
            outside = np.flatnonzero(~inside)
            waiting = waiting[outside]
        x = x[outside]
        which = which[outside]
    return values


def _once(nets: Networks, which: np.ndarray, x: np.ndarray) -> np.ndarray:
    keys = nets.keys.take(which, axis=1)
    masks = nets.masks.take(which, axis=1)
    shift = nets.shift.take(which)
    left = x >> shift
    right = x & masks[1]
    mixed = np.empty_like(right)
    scratch = np.empty_like(right)
    for round in range(_ROUNDS):
        np.add(right, keys[round], out=mixed)
        mix32_into(mixed, scratch)
        mixed &= masks[round & 1]
        mixed ^= left
        left, right, mixed = right, mixed, left
    value: np.ndarray = (left << shift) | right
    return value


class Permutations(NamedTuple):
    """Permutations of any sizes side by side, one column each."""

    keys: Tuple[Key, ...]
    sizes: Tuple[int, ...]
    place: np.ndarray
    """Column among `networks`; -1 where a table permutes."""
    networks: Optional[Networks]


def permutations(keys: Sequence[Key], sizes: Sequence[int]) -> Permutations:
    """Lays out permutations of `sizes` elements, each in [1, 2^32]. Raises ERR_ARGUMENT above."""
    wide = [c for c, size in enumerate(sizes) if size > TABLE_LIMIT]
    place = np.full(len(sizes), -1, dtype=np.intp)
    place[wide] = np.arange(len(wide))
    nets = networks([keys[c] for c in wide], [sizes[c] for c in wide]) if wide else None
    return Permutations(tuple(keys), tuple(sizes), place, nets)


def permuted(of: Permutations, which: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Values at `positions` of the permutations `which` (one index a position). int64."""
    narrow = np.flatnonzero(of.place < 0)
    if of.networks is not None and not len(narrow):
        return walk(of.networks, which, positions)
    values = np.empty(len(positions), dtype=np.int64)
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(of.keys) + 1))
    for c in narrow.tolist():
        mine = order[ends[c] : ends[c + 1]]
        if len(mine):
            values[mine] = table(of.keys[c], of.sizes[c])[positions[mine]]
    if of.networks is not None:
        columns = of.place[which]
        mine = np.flatnonzero(columns >= 0)
        values[mine] = walk(of.networks, columns[mine], positions[mine])
    return values


def permute(key: Key, n: int, positions: np.ndarray) -> np.ndarray:
    """Values of the permutation of [0, n) under `key` at `positions`, all in [0, n). int64. Pure."""
    if n <= TABLE_LIMIT:
        values: np.ndarray = table(key, n)[positions]
        return values
    return walk(networks([key], [n]), np.zeros(len(positions), dtype=np.intp), np.asarray(positions))
