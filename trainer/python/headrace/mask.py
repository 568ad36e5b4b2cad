"""Which tokens of a row count as targets (docs/format.md, section 3.5): a choice of whoever trains, which changes neither rows nor their hash."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from .errors import HeadraceError

Ranges = Mapping[str, Sequence[Tuple[int, int]]]


@dataclass(frozen=True)
class LossMask:
    """What beside padding and a row's first token is no target."""

    within_documents: Optional[bool] = None
    """No document is predicted from the one before it: the first token of each, or of each piece of a packed row, is masked. None: where rows are packed."""
    bos: bool = True
    """Whether the tokenizer's BOS is a target."""
    ranges: Ranges = field(default_factory=dict)
    """By domain, stretches [from, until) of its train stream that are no targets, ascending and apart."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing was asked for."""
        return not self.within_documents and self.bos and not self.ranges


def range_edges(ranges: Ranges, domains: Sequence[str]) -> Dict[int, np.ndarray]:
    """The edges of each domain's ranges end to end, ascending. Raises ERR_DOMAIN, and ERR_ARGUMENT where they are not ascending and apart, or empty."""
    found: Dict[int, np.ndarray] = {}
    for name, pairs in ranges.items():
        if name not in domains:
            raise HeadraceError(
                "ERR_DOMAIN", f'masked ranges name domain "{name}", the schedule has {", ".join(domains)}'
            )
        end = 0
        for first, until in pairs:
            if not end <= first < until:
                raise HeadraceError(
                    "ERR_ARGUMENT",
                    f'masked range [{first}, {until}) of "{name}" follows one that ends at {end}; ranges are not empty, ascending and apart',
                )
            end = until
        found[domains.index(name)] = np.array(pairs, dtype=np.int64).ravel()
    return found


def loss_mask(
    tokens: np.ndarray, stretches: np.ndarray, starts: np.ndarray, bos: Optional[int], edges: Optional[np.ndarray]
) -> np.ndarray:
    """Which of a row's tokens are targets: bool, as long as `tokens`.

    `stretches` (n, 2) are what it holds of the stream, `starts` the documents to mask, `bos` the id to mask wherever it stands, `edges` those of its domain's ranges.
    """
    mask = np.zeros(len(tokens), dtype=bool)
    place = 0
    for position, count in stretches.tolist():
        if edges is None:
            mask[place : place + count] = True
        else:
            # A position lies in a range where an odd number of edges is at or before it.
            before = np.searchsorted(edges, np.arange(position, position + count), side="right")
            mask[place : place + count] = before % 2 == 0
        place += count
    if bos is not None:
        mask[tokens == bos] = False
    mask[starts] = False
    mask[0] = False
    return mask
