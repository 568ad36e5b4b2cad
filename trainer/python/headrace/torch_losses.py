"""Losses by domain of any causal language model in PyTorch: of rows that were trained on, and of validation rows shared out over ranks. Needs torch."""

from __future__ import annotations

from typing import Any, Callable, Dict, Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F

from .evaluate import evaluation_rows, measurable
from .loop import Group
from .losses import LossSum
from .reader import ShardReader

IGNORED = -100
"""The label of a token that is not to be predicted (torch.nn.functional.cross_entropy's `ignore_index`)."""


def shifted(ids: Any, labels: Any, row_tokens: int) -> Tuple[Any, Any]:
    """Inputs and the label of each input's next token, both (rows, row_tokens), from rows with a token more than that, or with no label for the last."""
    if ids.shape[1] > row_tokens:
        return ids[:, :-1], labels[:, 1:]
    return ids, F.pad(labels[:, 1:], (0, 1), value=IGNORED)


def row_nats(logits: Any, labels: Any) -> Tuple[Any, Any]:
    """Nats and predicted tokens of each row, (rows,) float64 and int64: logits (rows, width, vocabulary) at a token predict the label of the next."""
    wanted = labels[:, 1:]
    nats = F.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), wanted.flatten(), reduction="none", ignore_index=IGNORED
    )
    return nats.view(wanted.shape).double().sum(1), (wanted != IGNORED).sum(1)


def evaluate_together(
    logits_of: Callable[[Any], Any],
    reader: ShardReader,
    domains: Sequence[str],
    row_tokens: int,
    tokens_per_domain: int,
    group: Group,
    rows_at_once: int = 8,
) -> Dict[str, LossSum]:
    """The validation losses of each measurable domain, on every rank. `logits_of` maps ids (rows, width) int64 to logits.

    Every rank calls `logits_of` equally often with rows of the same width, as a model whose parameters lie on several ranks needs; sums are float64.
    """
    names = measurable(reader, domains)
    sums = np.zeros((2, len(names)))
    for i, name in enumerate(names):
        parts = list(evaluation_rows(reader, name, row_tokens, tokens_per_domain, rows_at_once))
        for first in range(0, len(parts), group.world):
            mine = first + group.rank
            ids = torch.from_numpy(parts[mine if mine < len(parts) else 0].astype(np.int64))
            with torch.no_grad():
                nats, tokens = row_nats(logits_of(ids), ids)
            if mine < len(parts):
                sums[:, i] += float(nats.sum()), int(tokens.sum())
    total = np.sum(group.gather(sums), axis=0)
    return {name: LossSum(float(nats), int(tokens)) for name, nats, tokens in zip(names, *total)}
