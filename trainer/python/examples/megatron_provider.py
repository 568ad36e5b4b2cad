"""Megatron's external data loader on a headrace run: the provider that `pretrain` takes, and a loop that consumes it as Megatron's does.

    headrace begin shards --out run --policy sheared --row 4096 --batch 3584 --tokens 200B
    torchrun … pretrain_gpt.py --dataloader-type external --seq-length 4096 --global-batch-size 3584 …   (with the provider below)

Megatron passes what the provider returns through, and asks it on every rank when `is_distributed` is set. Here, without Megatron, the loop is five lines and a
token's own logits are the model.
"""

from __future__ import annotations

import argparse
from typing import Any, List, Optional, Tuple

import torch

from headrace import DomainLosses, read_manifest, read_schedule
from headrace.boundary import Boundary
from headrace.megatron import RunIterator


def provider_of(run: str, shards: str, args: Any, rank: int = 0, world: int = 1, reads: bool = True) -> Any:
    """The provider. In Megatron: `args` is get_args(), `rank` and `world` mpu's data-parallel ones, `reads` whether this rank is tensor-parallel rank 0
    of the first or last pipeline stage."""

    def train_valid_test_datasets_provider(num_samples: Any) -> Tuple[Optional[RunIterator], None, None]:
        if not reads:
            return None, None, None
        return RunIterator(run, shards, rank, world, args.micro_batch_size, args.consumed_train_samples), None, None

    train_valid_test_datasets_provider.is_distributed = True  # type: ignore[attr-defined]
    return train_valid_test_datasets_provider


def main(arguments: Optional[List[str]] = None) -> str:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("shards")
    parser.add_argument("--micro-batch-size", type=int, required=True)
    parser.add_argument("--consumed-train-samples", type=int, default=0)
    args = parser.parse_args(arguments)

    torch.manual_seed(0)
    model = torch.nn.Embedding(*[read_manifest(args.shards).tokenizer["vocabularySize"]] * 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    iterator, _, _ = provider_of(args.run, args.shards, args)(None)
    boundary = Boundary(args.run)
    losses = DomainLosses(iterator.domains)
    for batch in iterator:
        nats = torch.nn.functional.cross_entropy(
            model(batch["tokens"]).flatten(0, 1), batch["labels"].flatten(), reduction="none"
        ).view(batch["labels"].shape)
        nats = nats * batch["loss_mask"]
        (nats.sum() / batch["loss_mask"].sum() / iterator.accumulation).backward()
        losses.add(iterator.given["domains"], nats.detach().sum(1), batch["loss_mask"].sum(1))
        if iterator.given["step"] + 1 < iterator.accumulation:
            continue
        optimizer.step()
        optimizer.zero_grad()
        served = iterator.given["batch"] + 1
        boundary.acknowledge(served - 1)
        if boundary.due(served):
            boundary.report(losses.report(served, "training"))
    boundary.close()
    return f"{read_schedule(args.run).hash} {float(model.weight.detach().double().sum()):.9f}"


if __name__ == "__main__":
    print(main())
