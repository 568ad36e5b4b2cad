"""A LLaMA in PyTorch, dense or with experts: RMSNorm, rotary positions, grouped-query attention, SwiGLU. The same code on CPU and CUDA.

Promises a loss whose memory does not grow with rows times vocabulary. Gives up on document masks: attention crosses documents, as in LLaMA-MoE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .errors import HeadraceError
from .moe_layer import MoeLayer, MoeShape

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
    eps: float = 1e-5
    """Added to the mean square in the norms; LLaMA-2."""
    moe: Optional[MoeShape] = None
    """Experts in place of the SwiGLU layer, whose width `hidden` then only says where they came from."""

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
        moe = self.moe
        if moe and not (1 <= moe.select <= moe.experts and moe.size >= 1 and moe.residual >= 0):
            raise HeadraceError(
                "ERR_ARGUMENT", f"{moe.select} of {moe.experts} experts of {moe.size} neurons cannot be chosen"
            )


def shape_of(record: Dict[str, Any]) -> Shape:
    """The shape that `dataclasses.asdict` made a record of."""
    moe = record.get("moe")
    return Shape(**{**record, "moe": MoeShape(**moe) if moe else None})


class Loss(NamedTuple):
    """What rows cost."""

    nats: Tensor
    """Cross-entropy summed over the tokens, float64."""
    tokens: int
    balance: Tensor
    """The experts' balance losses summed over the layers, float32; 0 for a dense model. Not in `nats`."""


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
        self.norm = nn.RMSNorm(shape.dim, eps=shape.eps)
        self.output = nn.Linear(shape.dim, shape.vocabulary, bias=False)
        self.recompute = False
        """Whether training keeps each block's input alone and computes the rest again when the gradient needs it."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1 and not name.endswith("router.noise.weight"):
                # The branches that are added to the residual stream start smaller, so that depth does not widen it (GPT-2).
                scale = (2 * shape.layers) ** -0.5 if name.endswith(("out.weight", "down.weight", "down")) else 1.0
                nn.init.normal_(parameter, std=0.02 * scale)
        if shape.tied:
            self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Hidden states (rows, width, dim) of tokens (rows, width)."""
        return self.states(tokens).hidden

    def states(self, tokens: Tensor) -> States:
        """Hidden states of tokens (rows, width), and how the experts were used."""
        x = self.embedding(tokens)
        rotation = _rotation(tokens.shape[1], self.shape.dim // self.shape.heads, self.shape.theta, x.device)
        balance = x.new_zeros((), dtype=torch.float32)
        loads: List[Tensor] = []
        for block in self.blocks:
            if self.recompute and torch.is_grad_enabled():
                x, own, load = checkpoint(block, x, rotation, use_reentrant=False)
            else:
                x, own, load = block(x, rotation)
            if load is not None:
                balance = balance + own
                loads.append(load)
        return States(self.norm(x), balance, torch.stack(loads) if loads else None)

    def loss_sum(self, rows: Tensor, mask: Optional[Tensor] = None) -> Loss:
        """The loss of every token of rows (n, width) given those before it: a row's first token has none. `mask` (n, width), where given, says which count."""
        states = self.states(rows[:, :-1])
        hidden, targets = states.hidden.flatten(0, 1), rows[:, 1:].reshape(-1)
        if mask is not None:
            counted = mask[:, 1:].reshape(-1)
            hidden, targets = hidden[counted], targets[counted]
        total: Tensor = _LossSum.apply(hidden, self.output.weight, targets)  # type: ignore[no-untyped-call]
        return Loss(total, targets.numel(), states.balance)


class States(NamedTuple):
    """What a model makes of tokens."""

    hidden: Tensor
    balance: Tensor
    loads: Optional[Tensor]
    """Tokens of each expert by layer, (layers, experts) int64; each layer's sum to tokens x selected."""


class Block(nn.Module):
    """Attention, then SwiGLU or experts, each normalised before and added after."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        head = shape.dim // shape.heads
        self.heads, self.kv_heads = shape.heads, shape.kv_heads
        self.attention_norm = nn.RMSNorm(shape.dim, eps=shape.eps)
        self.query = nn.Linear(shape.dim, shape.heads * head, bias=False)
        self.key = nn.Linear(shape.dim, shape.kv_heads * head, bias=False)
        self.value = nn.Linear(shape.dim, shape.kv_heads * head, bias=False)
        self.out = nn.Linear(shape.heads * head, shape.dim, bias=False)
        self.mlp_norm = nn.RMSNorm(shape.dim, eps=shape.eps)
        self.moe = MoeLayer(shape.dim, shape.moe) if shape.moe else None
        if self.moe is None:
            self.gate = nn.Linear(shape.dim, shape.hidden, bias=False)
            self.up = nn.Linear(shape.dim, shape.hidden, bias=False)
            self.down = nn.Linear(shape.hidden, shape.dim, bias=False)

    def forward(self, x: Tensor, rotation: Tuple[Tensor, Tensor]) -> Tuple[Tensor, Optional[Tensor], Optional[Tensor]]:
        """Hidden states, and of experts the balance loss and the load."""
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
        if self.moe is not None:
            mixture = self.moe(normal)
            return x + mixture.hidden, mixture.balance, mixture.load
        return x + self.down(F.silu(self.gate(normal)) * self.up(normal)), None, None


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
