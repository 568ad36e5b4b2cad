"""What losses are measured on, and their sums: rows from the start of each domain's validation stream (docs/trainer-protocol.md, section 5)."""

from __future__ import annotations

from typing import Callable, Dict, Iterator, List, Sequence

import numpy as np

from .losses import LossSum
from .reader import ShardReader

LossOf = Callable[[np.ndarray], LossSum]
"""The loss of rows (n, width): nats summed over each token given those before it in its row, and how many; a row's first token has none."""


def measurable(reader: ShardReader, domains: Sequence[str]) -> List[str]:
    """The domains that can be measured, of those given: with at least two tokens of validation, since the first of a row has no loss."""
    return [name for name in domains if name in reader.domains and reader.tokens[reader.domain(name)] >= 2]


def evaluation_rows(
    reader: ShardReader, domain: str, row_tokens: int, tokens_per_domain: int, rows_at_once: int
) -> Iterator[np.ndarray]:
    """A domain's validation rows in order, at most `rows_at_once` together: whole rows within the first `tokens_per_domain` tokens, or one short row where there is none."""
    index = reader.domain(domain)
    tokens = min(reader.tokens[index], tokens_per_domain)
    width = min(row_tokens, tokens)
    starts = np.arange(max(1, tokens // row_tokens), dtype=np.int64) * row_tokens
    for first in range(0, len(starts), rows_at_once):
        yield reader.rows(starts[first : first + rows_at_once], index, width)


def evaluate(
    reader: ShardReader,
    domains: Sequence[str],
    loss_of: LossOf,
    row_tokens: int,
    tokens_per_domain: int,
    rows_at_once: int = 8,
) -> Dict[str, LossSum]:
    """Loss sum and token count of each measurable domain. Sums are in float64, in row order."""
    losses = {}
    for name in measurable(reader, domains):
        total, count = 0.0, 0
        for rows in evaluation_rows(reader, name, row_tokens, tokens_per_domain, rows_at_once):
            loss = loss_of(rows)
            total += loss.loss_sum
            count += loss.tokens
        losses[name] = LossSum(total, count)
    return losses
