"""A dense LLaMA in PyTorch: RMSNorm, rotary positions, grouped-query attention, SwiGLU. The same code on CPU and CUDA.

Promises a loss whose memory does not grow with rows times vocabulary. Gives up on document masks: attention crosses documents, as in LLaMA-MoE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import HeadraceError

_LOSS_TOKENS = 256
"""Tokens whose logits are held at a time: few enough that they stay near the CPU, enough to keep a GPU's matrix product busy."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a model."""

    vocabulary: int
    dim: int = 32
    layers: int = 4
    heads: int = 4
    kv_heads: int = 4
    """Heads of keys and values; divides `heads`."""
    hidden: int = 96
    """Width of the SwiGLU layer."""
    tied: bool = False
    """Whether input and output embeddings are one matrix."""
    theta: float = 10_000.0
    """Base of the rotary angles; LLaMA (arXiv 2302.13971)."""

    def check(self) -> None:
        """Raises ERR_ARGUMENT when the sizes do not fit each other."""
        if min(self.vocabulary, self.dim, self.layers, self.heads, self.kv_heads, self.hidden) < 1:
            raise HeadraceError("ERR_ARGUMENT", f"model {self} has a size below 1")
        if self.dim % self.heads or (self.dim // self.heads) % 2:
            raise HeadraceError(
                "ERR_ARGUMENT",
                f"dim {self.dim} over {self.heads} heads is not an even whole number; change --dim or --heads",
            )
        if self.heads % self.kv_heads:
            raise HeadraceError("ERR_ARGUMENT", f"{self.kv_heads} kv-heads do not divide {self.heads} heads")


def hidden_of(dim: int) -> int:
    """The usual width of a SwiGLU layer: 8/3 of the model's, rounded up to a multiple of 32."""
    return -(-8 * dim // 3 // 32) * 32


class Llama(nn.Module):
    """The model. `forward` gives the hidden state of each token; `loss_sum` the loss of rows."""

    def __init__(self, shape: Shape) -> None:
        """Normal weights of standard deviation 0.02 from torch's generator: seed it before."""
        super().__init__()
        shape.check()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.dim)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.dim, eps=1e-5)
        self.output = nn.Linear(shape.dim, shape.vocabulary, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                # The branches that are added to the residual stream start smaller, so that depth does not widen it (GPT-2).
                scale = (2 * shape.layers) ** -0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(parameter, std=0.02 * scale)
        if shape.tied:
            self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Hidden states (rows, width, dim) of tokens (rows, width)."""
        x = self.embedding(tokens)
        rotation = _rotation(tokens.shape[1], self.shape.dim // self.shape.heads, self.shape.theta, x.device)
        for block in self.blocks:
            x = block(x, rotation)
        hidden: Tensor = self.norm(x)
        return hidden

    def loss_sum(self, rows: Tensor) -> Tuple[Tensor, int]:
        """Nats summed over every token of rows (n, width) given those before it, and how many: a row's first token has none. float64."""
        hidden = self(rows[:, :-1]).flatten(0, 1)
        targets = rows[:, 1:].reshape(-1)
        total: Tensor = _LossSum.apply(hidden, self.output.weight, targets)  # type: ignore[no-untyped-call]
        return total, targets.numel()


class Block(nn.Module):
    """Attention, then SwiGLU, each normalised before and added after."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        head = shape.dim // shape.heads
        self.heads, self.kv_heads = shape.heads, shape.kv_heads
        self.attention_norm = nn.RMSNorm(shape.dim, eps=1e-5)
        self.query = nn.Linear(shape.dim, shape.heads * head, bias=False)
        self.key = nn.Linear(shape.dim, shape.kv_heads * head, bias=False)
        self.value = nn.Linear(shape.dim, shape.kv_heads * head, bias=False)
        self.out = nn.Linear(shape.heads * head, shape.dim, bias=False)
        self.mlp_norm = nn.RMSNorm(shape.dim, eps=1e-5)
        self.gate = nn.Linear(shape.dim, shape.hidden, bias=False)
        self.up = nn.Linear(shape.dim, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.dim, bias=False)

    def forward(self, x: Tensor, rotation: Tuple[Tensor, Tensor]) -> Tensor:
        normal = self.attention_norm(x)
        query = _rotated(_split(self.query(normal), self.heads), rotation)
        key = _rotated(_split(self.key(normal), self.kv_heads), rotation)
        value = _split(self.value(normal), self.kv_heads)
        if self.kv_heads < self.heads:
            key = key.repeat_interleave(self.heads // self.kv_heads, dim=1)
            value = value.repeat_interleave(self.heads // self.kv_heads, dim=1)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        normal = self.mlp_norm(x)
        after: Tensor = x + self.down(F.silu(self.gate(normal)) * self.up(normal))
        return after


def _split(x: Tensor, heads: int) -> Tensor:
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def _rotation(width: int, head: int, theta: float, device: torch.device) -> Tuple[Tensor, Tensor]:
    """Cosines and sines (width, head / 2) of the rotary angles."""
    rates = theta ** (-torch.arange(0, head, 2, device=device, dtype=torch.float32) / head)
    angles = torch.outer(torch.arange(width, device=device, dtype=torch.float32), rates)
    return angles.cos(), angles.sin()


def _rotated(x: Tensor, rotation: Tuple[Tensor, Tensor]) -> Tensor:
    """x with its first half turned against its second, as in the LLaMA of transformers."""
    cos, sin = rotation
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).type_as(x)


class _LossSum(torch.autograd.Function):
    """Cross-entropy summed over tokens, with its gradient made while the logits of a stretch of tokens are at hand, so no more are ever held."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        learning = any(ctx.needs_input_grad)
        hidden_gradient = torch.empty_like(hidden) if learning else None
        weight_gradient = torch.zeros_like(weight) if learning else None
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        output = weight.t().to(hidden.dtype)
        minus_one = torch.full((1, 1), -1.0, device=hidden.device)
        for first in range(0, len(targets), _LOSS_TOKENS):
            stretch = slice(first, first + _LOSS_TOKENS)
            logits = (hidden[stretch] @ output).float()
            wanted = targets[stretch, None]
            logs = logits.log_softmax(dim=1)
            total -= logs.gather(1, wanted).sum(dtype=torch.float64)
            if hidden_gradient is not None and weight_gradient is not None:
                error = logs.exp_().scatter_add_(1, wanted, minus_one.expand(len(wanted), 1)).to(hidden.dtype)
                hidden_gradient[stretch] = error @ output.t()
                weight_gradient += (error.t() @ hidden[stretch]).to(weight.dtype)
        ctx.gradients = (hidden_gradient, weight_gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Tuple[Optional[Tensor], Optional[Tensor], None]:
        hidden_gradient, weight_gradient = ctx.gradients
        scale = outer[0]
        return (
            hidden_gradient * scale.to(hidden_gradient.dtype),
            weight_gradient * scale.to(weight_gradient.dtype),
            None,
        )
