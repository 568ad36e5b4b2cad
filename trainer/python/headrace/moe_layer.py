"""A feed-forward layer of experts as LLaMA-MoE's (arXiv 2406.16554, smoe/modules/moe): a noisy top-k router, SwiGLU experts, two balance losses.

PyTorch alone: a converted model's folder holds a copy of this file, so that transformers loads it without this package.
No token is dropped, whatever the routing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class MoeShape:
    """How a layer's neurons are divided into experts, and how tokens find them."""

    experts: int
    """Routed experts, E."""
    select: int
    """Experts that a token is sent to, k."""
    size: int
    """Neurons of an expert."""
    scale: float
    """What routed outputs are multiplied by; LLaMA-MoE: E/k."""
    residual: int = 0
    """Experts that every token passes beside the routed ones, with a gate of their own (sharing-inter)."""
    residual_scale: float = 1.0
    """What their outputs are multiplied by."""
    gate: str = "mlp"
    """`mlp`: linear, tanh, linear; `linear`: one matrix."""
    noise: bool = True
    """Whether training adds learnt noise to the router's logits."""
    balance: float = 0.01
    """Weight of the balance losses."""
    load: str = "logit"
    """What decides in the smooth load whether a token is in an expert: the noisy `logit` (Shazeer et al. 2017), or the `noise` alone, as the published code does."""


class Routing(NamedTuple):
    """Where n tokens go."""

    experts: Tensor
    """(n, k) int64."""
    scores: Tensor
    """(n, k) float32, each row sums to 1."""
    balance: Tensor
    """The weighted balance losses, float32, no dimensions."""
    load: Tensor
    """Tokens of each expert, (E,) int64; they sum to n k."""


class Mixed(NamedTuple):
    """What a layer gives."""

    hidden: Tensor
    """As the input's shape."""
    balance: Tensor
    load: Tensor


class MoeLayer(nn.Module):
    """Routed experts, and beside them, where the shape has any, residual ones."""

    def __init__(self, dim: int, shape: MoeShape) -> None:
        super().__init__()
        self.router = Router(dim, shape)
        self.experts = Experts(shape.experts, dim, shape.size)
        self.scale = shape.scale
        self.residual = Experts(shape.residual, dim, shape.size) if shape.residual else None
        self.residual_gate = nn.Linear(dim, shape.residual, bias=False) if shape.residual else None
        self.residual_scale = shape.residual_scale

    def forward(self, x: Tensor) -> Mixed:
        """Tokens (..., dim)."""
        tokens = x.reshape(-1, x.shape[-1])
        routing = self.router(tokens)
        hidden = self.experts(tokens, routing.experts, routing.scores * self.scale)
        if self.residual is not None and self.residual_gate is not None:
            scores = self.residual_gate(tokens).float().softmax(dim=1)
            everyone = torch.arange(scores.shape[1], device=x.device).expand(len(tokens), -1)
            hidden = hidden + self.residual(tokens, everyone, scores * self.residual_scale)
        return Mixed(hidden.view(x.shape), routing.balance, routing.load)


class Router(nn.Module):
    """Sends each token to k of E experts: in training to the largest noisy logits, else to the largest logits."""

    def __init__(self, dim: int, shape: MoeShape) -> None:
        super().__init__()
        self.shape = shape
        wide = nn.Linear(dim, shape.experts, bias=False)
        self.gate = (
            wide
            if shape.gate == "linear"
            else nn.Sequential(wide, nn.Tanh(), nn.Linear(shape.experts, shape.experts, bias=False))
        )
        self.noise = nn.Linear(dim, shape.experts, bias=False) if shape.noise else None
        if self.noise is not None:
            nn.init.zeros_(self.noise.weight)

    def forward(self, x: Tensor) -> Routing:
        """Tokens (n, dim). In training the noise comes from torch's generator."""
        shape = self.shape
        clean = self.gate(x).float()
        deviation: Optional[Tensor] = None
        logits = clean
        if self.noise is not None and self.training:
            deviation = F.softplus(self.noise(x).float()) + _LEAST_NOISE
            logits = clean + torch.randn_like(clean) * deviation
        top, experts = logits.topk(min(shape.select + 1, shape.experts), dim=1)
        chosen = experts[:, : shape.select]
        scores = top[:, : shape.select].softmax(dim=1)
        load = torch.bincount(chosen.flatten(), minlength=shape.experts)
        importance = torch.zeros_like(clean).scatter(1, chosen, scores).sum(dim=0)
        if deviation is None or shape.select == shape.experts:
            smooth = load.float()
        else:
            tested = logits if shape.load == "logit" else logits - clean
            smooth = smooth_load(clean, tested, deviation, top)
        balance = shape.balance * (squared_variation(importance) + squared_variation(smooth))
        return Routing(chosen, scores, balance, load)


_LEAST_NOISE = 1e-2
"""Added to the deviation of the noise (smoe/modules/moe/moe_gates.py)."""


def smooth_load(clean: Tensor, tested: Tensor, deviation: Tensor, top: Tensor) -> Tensor:
    """Expected tokens of each expert over new noise, (E,): Shazeer et al. 2017 (arXiv 1701.06538), appendix A.

    `top` are the k + 1 largest noisy logits of each token. An expert that is in (`tested` above the largest that is not) stays in where it beats
    that one; one that is out comes in where it beats the smallest that is.
    """
    least_in, most_out = top[:, -2:-1], top[:, -1:]
    threshold = torch.where(tested > most_out, most_out, least_in)
    expected: Tensor = torch.special.ndtr((clean - threshold) / deviation).sum(dim=0)
    return expected


def squared_variation(x: Tensor) -> Tensor:
    """CV squared: unbiased variance over squared mean, which 1e-10 is added to; 0 for a single number."""
    if x.numel() == 1:
        return x.new_zeros(())
    variation: Tensor = x.var() / (x.mean() ** 2 + 1e-10)
    return variation


class Experts(nn.Module):
    """E SwiGLU networks of one size. Tokens are sorted by expert and multiplied group by group."""

    def __init__(self, experts: int, dim: int, size: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.empty(experts, size, dim))
        self.up = nn.Parameter(torch.empty(experts, size, dim))
        self.down = nn.Parameter(torch.empty(experts, dim, size))

    def forward(self, x: Tensor, experts: Tensor, scores: Tensor) -> Tensor:
        """Sum over k of scores (n, k) times the output of experts (n, k) for tokens (n, dim)."""
        n, k = experts.shape
        flat = experts.flatten()
        order = flat.argsort(stable=True)
        counts = torch.bincount(flat, minlength=len(self.gate))
        kind = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
        gate, up, down = (w.to(kind).transpose(1, 2) for w in (self.gate, self.up, self.down))
        # Each token k times, in the order of the experts.
        sorted_x = x.to(kind).repeat_interleave(k, dim=0)[order]
        hidden = F.silu(grouped_product(sorted_x, gate, counts)) * grouped_product(sorted_x, up, counts)
        out = grouped_product(hidden, down, counts) * scores.flatten()[order, None].to(kind)
        # Back in the order of the tokens, so that the sum over k has one order on every device.
        mixed: Tensor = out[order.argsort()].view(n, k, -1).sum(dim=1).to(x.dtype)
        return mixed


def grouped_product(x: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    """Rows (n, a) times matrices (E, a, b): the first counts[0] rows by the first, the next counts[1] by the second, ... (n, b)."""
    if _can_group(x, weights):
        ends = counts.cumsum(0).to(torch.int32)
        product: Tensor = F.grouped_mm(x, weights, offs=ends)
        return product
    parts = torch.split(x, counts.tolist())
    grouped: Tensor = torch.cat([part @ weight for part, weight in zip(parts, weights)])
    return grouped


def _can_group(x: Tensor, weights: Tensor) -> bool:
    """Where PyTorch has a kernel for all groups at once: bfloat16 on CUDA from 2.10 on, rows of 16 bytes."""
    aligned = x.shape[1] % 8 == 0 and weights.shape[2] % 8 == 0
    return x.is_cuda and x.dtype == torch.bfloat16 and aligned and hasattr(F, "grouped_mm")
