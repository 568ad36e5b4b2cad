"""Local order: blocks in a keyed order, and the rows of a window of them at a time permuted (docs/format.md, section 3.2)."""

from __future__ import annotations

from typing import Callable

import numpy as np

from .keys import Key
from .permutation import Permutations, permutations, permuted
from .schedule import Window


def local_rows(
    window: Window,
    blocks: Permutations,
    sizes: np.ndarray,
    window_key: Callable[[int, int], Key],
    columns: np.ndarray,
    positions: np.ndarray,
) -> np.ndarray:
    """Rows at `positions` of the epochs `columns` (one index a position), before any rotation. int64.

    `sizes` are the rows of each epoch, `blocks` the orders of their full blocks, `window_key(column, place)` the key of a window.
    """
    block_rows, window_rows = window.block_rows, window.block_rows * window.blocks
    size = sizes[columns]
    full = size // block_rows
    windows = np.maximum(1, full // window.blocks)
    place = np.minimum(positions // window_rows, windows - 1)
    rows = np.where(place < windows - 1, window_rows, size - (windows - 1) * window_rows)

    # A window of an epoch is one permutation; few of them are met at a time.
    met, first, which = np.unique(columns * 2**32 + place, return_index=True, return_inverse=True)
    keys = [window_key(code // 2**32, code % 2**32) for code in met.tolist()]
    inside = permuted(permutations(keys, rows[first].tolist()), which.ravel(), positions - place * window_rows)

    slots = place * window.blocks + inside // block_rows
    in_block = np.flatnonzero(slots < full)
    order = full.copy()
    order[in_block] = permuted(blocks, columns[in_block], slots[in_block])
    found: np.ndarray = order * block_rows + inside % block_rows
    return found
