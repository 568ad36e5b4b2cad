"""Rows of many documents in which no token sees another document: attention by `cu_seqlens`, rotary positions that restart, labels that keep apart.

    headrace pack shards --row 512
    headrace begin shards --out run --policy uniform --packing packed --row 512 --batch 64 --tokens 10M
    python document_attention.py run shards --micro-batch 4 --batches 20

Packed rows or concatenated ones, it makes no difference here. The mask is built from `cu_seqlens`, which runs anywhere; kernels for sequences of varying
length take `cu_seqlens` and `max_seqlen` as they are (flash_attn_varlen_func, torch.nn.attention.varlen), over the rows laid end to end.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headrace import read_manifest
from headrace.torch_data import StepDataset, StepLoader


def document_mask(cu_seqlens: Tensor, rows: int, width: int) -> Tensor:
    """(rows, 1, width, width) bool: whether a token (third axis) sees another (fourth): of its own document, and not after it."""
    documents = torch.bucketize(torch.arange(rows * width), cu_seqlens, right=True).view(rows, width)
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    return ((documents[:, :, None] == documents[:, None, :]) & causal)[:, None]


class Model(nn.Module):
    """One block of attention and one of perceptrons."""

    def __init__(self, vocabulary: int, dim: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embedding = nn.Embedding(vocabulary, dim)
        self.into, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.mlp = nn.Sequential(nn.RMSNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.last = nn.Linear(dim, vocabulary, bias=False)

    def forward(self, ids: Tensor, position_ids: Tensor, cu_seqlens: Tensor) -> Tensor:
        """Logits (rows, width, vocabulary)."""
        rows, width = ids.shape
        x = self.embedding(ids)
        q, k, v = self.into(x).view(rows, width, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = _rotated(q, position_ids), _rotated(k, position_ids)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=document_mask(cu_seqlens, rows, width))
        x = x + self.out(seen.transpose(1, 2).reshape(rows, width, -1))
        logits: Tensor = self.last(x + self.mlp(x))
        return logits


def _rotated(x: Tensor, position_ids: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    angles = position_ids[:, None, :, None] * 10_000.0 ** (-torch.arange(half) / half)
    first, second = x.chunk(2, dim=-1)
    return torch.cat(
        (first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), dim=-1
    )


def loss_of(model: Model, step: dict) -> Tensor:
    """Nats summed over the targets of a step."""
    logits = model(step["input_ids"], step["position_ids"], step["cu_seqlens"])
    labels = step["labels"][:, 1:]
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("shards")
    parser.add_argument("--micro-batch", type=int)
    parser.add_argument("--batches", type=int, default=20)
    options = parser.parse_args()
    torch.manual_seed(0)
    model = Model(read_manifest(options.shards).tokenizer["vocabularySize"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    dataset = StepDataset(
        options.run,
        options.shards,
        micro_batch=options.micro_batch,
        position_ids=True,
        within_documents=True,
        cu_seqlens=True,
    )
    nats = targets = 0.0
    for step in StepLoader(dataset):
        loss = loss_of(model, step)
        counted = int((step["labels"][:, 1:] != -100).sum())
        (loss / max(1, counted) / dataset.accumulation).backward()
        nats, targets = nats + float(loss.detach()), targets + counted
        if step["step"] + 1 < dataset.accumulation:
            continue
        optimizer.step()
        optimizer.zero_grad()
        print(f"batch {step['batch']}  loss {nats / max(1, targets):.4f}  {targets:.0f} targets")
        nats = targets = 0.0
        if step["batch"] + 1 == options.batches:
            break


if __name__ == "__main__":
    main()
