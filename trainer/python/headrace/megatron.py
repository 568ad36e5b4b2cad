"""A run as Megatron's external data loader (`--dataloader-type external`): an iterator over dicts of `tokens`, `labels`, `loss_mask`, `position_ids`.

Written against the published interface of 2026-08 (megatron/training/training.py and datasets/data_samplers.py pass what the provider returns through, and
pretrain_gpt.py's get_batch reads those keys on the first tensor-parallel rank); Megatron itself is not needed and not imported. Needs torch.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, Optional

from .errors import HeadraceError
from .sampler import Sampler
from .schedule import PathLike
from .torch_data import Item, StepDataset, StepLoader
from .torch_losses import IGNORED, shifted


class RunIterator:
    """A data-parallel rank's micro-batches: each (micro-batch, row tokens), `loss_mask` float32 with 0 where nothing is to be predicted (the label there is 0).

    Give it on the ranks that read (tensor-parallel rank 0 of the first and last pipeline stage), None on the others.
    """

    def __init__(
        self,
        run: PathLike,
        shards: PathLike,
        rank: int,
        world: int,
        micro_batch: int,
        consumed_samples: int = 0,
        loader: Optional[Dict[str, Any]] = None,
        **dataset: Any,
    ) -> None:
        """`rank` of `world` are data-parallel, `consumed_samples` is Megatron's `args.consumed_train_samples`; options of `StepLoader` and of `StepDataset`.

        Raises ERR_REPLAY when the samples end inside a batch, and what `StepDataset` raises.
        """
        steps = StepDataset(run, shards, rank, world, micro_batch, position_ids=True, **dataset)
        self.domains = steps.domains
        self.accumulation = steps.accumulation
        self.given: Optional[Item] = None
        """The item that was given last, with `domains`, `batch` and `step`, for `DomainLosses`."""
        # With one row a step, a step's number is a row's.
        with Sampler(run, shards, 0, 1, 1) as rows:
            self._row_tokens = rows.schedule.header.row_tokens
            batch, row = rows.locate(consumed_samples)
            if row:
                raise HeadraceError(
                    "ERR_REPLAY",
                    f"{consumed_samples} samples were consumed, which end at row {row} of batch {batch}; give Megatron the run's batch size as its global one, and resume from its checkpoints",
                )
            steps.load_state_dict({**rows.state_dict(), "batch": batch})
        self._items: Iterator[Item] = iter(StepLoader(steps, **(loader or {})))

    def __iter__(self) -> RunIterator:
        return self

    def __next__(self) -> Dict[str, Any]:
        """The next micro-batch. Raises StopIteration at the end of the run."""
        self.given = item = next(self._items)
        tokens, labels = shifted(item["input_ids"], item["labels"], self._row_tokens)
        ignored = labels == IGNORED
        return {
            "tokens": tokens,
            "labels": labels.masked_fill(ignored, 0),
            "loss_mask": (~ignored).float(),
            "position_ids": item["position_ids"][:, : self._row_tokens],
        }
