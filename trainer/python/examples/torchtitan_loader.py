"""torchtitan's training loop in small, on a headrace run: its loader interface, gradient accumulation, and a checkpoint that holds the loader's state.

    headrace begin shards --out run --policy dynamic-uniform --reference reference.json --row 512 --batch 64 --tokens 10M --every 1M
    python torchtitan_loader.py run shards checkpoint.pt --local-batch-size 8

In torchtitan itself, `RunDataLoader` takes the place of the trainer's dataloader (a Config whose build returns it), and the lines marked `headrace` go where the
step ends. Here a token's own logits are the model, so that it runs anywhere.
"""

from __future__ import annotations

import argparse
import os
from typing import List, Optional

import torch

from headrace import DomainLosses, read_manifest, read_schedule
from headrace.boundary import Boundary
from headrace.torch_losses import IGNORED
from headrace.torchtitan import RunDataLoader, domains_of


def main(arguments: Optional[List[str]] = None) -> str:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("shards")
    parser.add_argument("checkpoint")
    parser.add_argument("--local-batch-size", type=int, required=True)
    parser.add_argument("--until", type=int, help="stop after this many steps, as a job that is killed")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    model = torch.nn.Embedding(*[read_manifest(options.shards).tokenizer["vocabularySize"]] * 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    dataloader = RunDataLoader(
        options.run, options.shards, dp_world_size=1, dp_rank=0, local_batch_size=options.local_batch_size
    )
    boundary = Boundary(options.run)  # headrace
    losses = DomainLosses(dataloader.domains)  # headrace
    step = 0
    if os.path.exists(options.checkpoint):
        saved = torch.load(options.checkpoint, weights_only=True)
        step = saved["step"]
        model.load_state_dict(saved["model"])
        dataloader.load_state_dict(saved["dataloader"])
        losses.sums[:] = saved["sums"].numpy()

    data = iter(dataloader)
    while not boundary.ended(step) and step != options.until:
        for _ in range(dataloader.accumulation):
            inputs, labels = next(data)
            logits = model(inputs["input"])
            nats = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
            ).view(labels.shape)
            wanted = labels != IGNORED
            (nats.sum() / wanted.sum() / dataloader.accumulation).backward()
            losses.add(domains_of(dataloader), nats.detach().sum(1), wanted.sum(1))  # headrace
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        boundary.acknowledge(step - 1)  # headrace
        if boundary.due(step):  # headrace
            boundary.report(losses.report(step, "training"))
        content = {"step": step, "model": model.state_dict(), "dataloader": dataloader.state_dict()}
        torch.save({**content, "sums": torch.from_numpy(losses.sums)}, f"{options.checkpoint}.tmp")
        os.replace(f"{options.checkpoint}.tmp", options.checkpoint)
    boundary.close()
    return f"{read_schedule(options.run).hash} {float(model.weight.detach().double().sum()):.9f}"


if __name__ == "__main__":
    print(main())
