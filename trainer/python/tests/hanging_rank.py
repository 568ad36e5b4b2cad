"""Four ranks under torchrun that add a number up each batch; rank 2 goes to sleep in batch 3. For test_ranks.py."""

import time

import torch
import torch.distributed as dist

from headrace.ranks import Watch


def fall_asleep():
    """Where rank 2 hangs."""
    time.sleep(120)


def main():
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    watch = Watch(rank, dist.get_world_size(), silent_seconds=20, stall_seconds=2, beat_seconds=0.2)
    for batch in range(10):
        if rank == 2 and batch == 3:
            fall_asleep()
        dist.all_reduce(torch.ones(1))
        watch.at(batch + 1)


main()
