"""The ranks of torch.distributed, as the loop and the adapters see them. Needs torch."""

from __future__ import annotations

from typing import Any, List, TypeVar

import torch.distributed as distributed

from .loop import Group

T = TypeVar("T")


class TorchGroup(Group):
    """The ranks of torch.distributed, which must have been initialised."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.world = distributed.get_world_size()

    def share(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def gather(self, value: T) -> List[T]:
        """Every rank's value, on every rank, in rank order."""
        values: List[Any] = [None] * self.world
        distributed.all_gather_object(values, value)
        return values


def group_of_process() -> Group:
    """The ranks that this process belongs to: those of torch.distributed where it was initialised, else this one alone."""
    if distributed.is_available() and distributed.is_initialized():
        return TorchGroup()
    return Group()
