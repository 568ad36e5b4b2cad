"""How much each neuron of a dense LLaMA matters to groups of texts, for the splits that share neurons (LLaMA-MoE, docs/expert_construction).

The importance of a neuron is the sum over tokens of |activation x gradient| at the input of the down matrix, in one pass per row.
"""

from __future__ import annotations

from typing import Callable, Iterable, List, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from .errors import HeadraceError
from .moe_split import balanced_clusters
from .reader import ShardReader
from .torch_llama import Llama

_FEATURES = 1024
"""Token ids are counted modulo this for grouping texts."""


def sample_rows(shards: ShardReader, rows: int, width: int) -> np.ndarray:
    """`rows` rows of `width` tokens, spread evenly over each domain's stream, domains in proportion to their tokens (each at least one). (rows, width) int64.

    Raises ERR_ARGUMENT where no domain has so many tokens.
    """
    lengths = np.array(shards.tokens, dtype=np.float64)
    lengths[lengths < width] = 0
    if not lengths.any():
        raise HeadraceError(
            "ERR_ARGUMENT", f"no domain of {shards.folder} has a row of {width} tokens; lower --importance-row"
        )
    counts = np.maximum(np.floor(lengths / lengths.sum() * rows), lengths > 0).astype(int)
    counts[int(lengths.argmax())] += max(0, rows - int(counts.sum()))
    parts = []
    for domain, count in enumerate(counts.tolist()):
        starts = (np.arange(count) * ((int(lengths[domain]) - width) / max(1, count - 1))).astype(np.int64)
        if count:
            parts.append(shards.rows(starts, domain, width).astype(np.int64))
    return np.concatenate(parts)


def group_rows(rows: np.ndarray, groups: int, seed: int) -> np.ndarray:
    """Labels of rows (n, width) in groups of nearly equal size by the words in them: balanced k-means of their normalised tf-idf.

    n is cut to a multiple of `groups`; the rest gets label -1. Raises ERR_ARGUMENT where there are fewer rows than groups.
    """
    usable = len(rows) // groups * groups
    if usable == 0:
        raise HeadraceError("ERR_ARGUMENT", f"{len(rows)} rows cannot make {groups} groups; raise --importance-rows")
    counts = np.stack([np.bincount(row % _FEATURES, minlength=_FEATURES) for row in rows[:usable]])
    weights = np.log1p(counts) * np.log(usable / np.maximum(1, (counts > 0).sum(axis=0)))
    weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
    labels = np.full(len(rows), -1)
    labels[:usable] = balanced_clusters(weights, groups, seed, 0)
    return labels


def importance_of(
    model: Llama,
    rows: np.ndarray,
    labels: np.ndarray,
    groups: int,
    progress: Optional[Callable[[int, int], None]] = None,
) -> np.ndarray:
    """The importance of each neuron to each group: (layers, groups, neurons) float64. A row at a time; the model is not changed."""
    if model.shape.moe is not None:
        raise HeadraceError("ERR_ARGUMENT", "importance is measured on a dense model, and this one has experts")
    found = np.zeros((model.shape.layers, groups, model.shape.hidden))
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    chosen = np.flatnonzero(labels >= 0)
    for done, i in enumerate(chosen.tolist()):
        for layer, (activation, gradient) in enumerate(_activations(model, torch.from_numpy(rows[i : i + 1]))):
            found[layer, labels[i]] += (activation * gradient).abs().sum(dim=(0, 1)).double().numpy()
        if progress is not None:
            progress(done + 1, len(chosen))
    return found


def _activations(model: Llama, row: Tensor) -> Iterable[Tuple[Tensor, Tensor]]:
    """Each layer's input of the down matrix, and the gradient of the mean loss there: (1, width - 1, neurons)."""
    held: List[Tensor] = []

    def keep(_: torch.nn.Module, inputs: Tuple[Tensor, ...]) -> Tuple[Tensor, ...]:
        activation = inputs[0]
        if not activation.requires_grad:
            activation = activation.requires_grad_()
        held.append(activation)
        return (activation, *inputs[1:])

    hooks = [module.register_forward_pre_hook(keep) for name, module in model.named_modules() if name.endswith(".down")]
    try:
        with torch.enable_grad():
            loss = model.loss_sum(row)
            gradients = torch.autograd.grad(loss.nats / loss.tokens, held)
    finally:
        for hook in hooks:
            hook.remove()
    return [(activation.detach(), gradient) for activation, gradient in zip(held, gradients)]
