"""A training loop of one's own round a headrace run: rows from a DataLoader, losses by domain back, resume from a checkpoint.

    headrace begin shards --out run --policy dynamic-uniform --reference reference.json --row 512 --batch 64 --tokens 10M --every 1M --lag 4
    torchrun --nproc-per-node 4 plain_loop.py run shards --micro-batch 4

One process or many: every rank plans its own rows, rank 0 appends the stage, the others find it in the run folder (a shared one) and check its hash; a rank that
hangs for ten minutes is named, and the job ends. `--lag` is at
least what is fetched ahead of a report: here the batches that the workers hold. The model is a token's own logits, so that it runs anywhere.
"""

from __future__ import annotations

import argparse
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F

from headrace import DomainLosses, read_manifest, read_schedule
from headrace.boundary import Boundary
from headrace.torch_data import StepDataset, StepLoader
from headrace.torch_group import group_of_process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("shards")
    parser.add_argument("--micro-batch", type=int)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--until", type=int, help="stop before this batch, as a job that is killed")
    options = parser.parse_args()
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        dist.init_process_group("gloo")

    torch.manual_seed(0)
    model = torch.nn.Embedding(*[read_manifest(options.shards).tokenizer["vocabularySize"]] * 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    dataset = StepDataset(options.run, options.shards, rank, world, options.micro_batch)
    loader = StepLoader(dataset, num_workers=options.workers)
    losses = DomainLosses(dataset.domains)
    boundary = Boundary(options.run, group_of_process(), stall_seconds=600)
    checkpoint = os.path.join(options.run, "checkpoints", "plain.pt")
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        loader.load_state_dict(saved["data"])

    for step in loader:
        rows = step["input_ids"]
        nats = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
        nats.mean().div(step["steps"]).backward()
        losses.add(step["domains"], nats.detach().view(len(rows), -1).sum(1), rows.shape[1] - 1)
        if step["step"] + 1 < step["steps"]:
            continue
        if world > 1:
            dist.all_reduce(model.weight.grad)
            model.weight.grad /= world
        optimizer.step()
        optimizer.zero_grad()

        served = step["batch"] + 1
        boundary.acknowledge(step["batch"])
        if boundary.due(served):
            if world > 1:
                dist.all_reduce(torch.from_numpy(losses.sums))
            boundary.report(losses.report(served))
        if boundary.measured(served):
            losses.sums[:] = 0  # also where it was reported before a kill
            if rank == 0:
                torch.save({"model": model.state_dict(), "data": loader.state_dict()}, f"{checkpoint}.tmp")
                os.replace(f"{checkpoint}.tmp", checkpoint)
        if served == options.until:
            break

    boundary.close()
    if rank == 0:
        print(f"{read_schedule(options.run).hash} {model.weight.detach().double().sum():.9f}")
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
