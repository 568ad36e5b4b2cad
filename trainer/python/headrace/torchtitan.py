"""A run as torchtitan's data loader: iterable over (inputs, labels), with state_dict, load_state_dict and close (its components/dataloader.py, `BaseDataLoader`).

Written against the published interface of 2026-08; torchtitan itself is not needed and not imported. Its trainer takes items one by one and saves between
steps, so the state is exact, and under 1 KB, the same on every rank, and good for another data-parallel degree. Needs torch.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, Optional, Tuple

import numpy as np

from .errors import HeadraceError
from .schedule import PathLike
from .torch_data import Item, StepDataset, StepLoader
from .torch_losses import shifted


class RunDataLoader:
    """A rank's micro-batches: ({"input": ids, "positions": from the start of each document}, labels), each (micro-batch, row tokens) int64, labels shifted
    and -100 where nothing is to be predicted. Ends with the run."""

    def __init__(
        self,
        run: PathLike,
        shards: PathLike,
        *,
        dp_world_size: int,
        dp_rank: int,
        seq_len: Optional[int] = None,
        local_batch_size: Optional[int] = None,
        loader: Optional[Dict[str, Any]] = None,
        dataset: Optional[Dict[str, Any]] = None,
        **_: Any,
    ) -> None:
        """What torchtitan's Config.build passes, and options of `StepLoader` and of `StepDataset`. Raises ERR_ARGUMENT when `seq_len` is not the run's row."""
        self._steps = StepDataset(
            run, shards, dp_rank, dp_world_size, local_batch_size, position_ids=True, **(dataset or {})
        )
        with self._steps.sampler() as sampler:
            row = sampler.schedule.header.row_tokens
        if seq_len not in (None, row):
            raise HeadraceError(
                "ERR_ARGUMENT", f"seq_len is {seq_len}, the run has rows of {row} tokens; set both alike"
            )
        self._row_tokens = row
        self._loader = StepLoader(self._steps, **(loader or {}))
        self.domains = self._steps.domains
        self.accumulation = self._steps.accumulation
        self.given: Optional[Item] = None
        """The item that was given last, with `domains`, `batch` and `step`, for `DomainLosses`."""

    def __iter__(self) -> Iterator[Tuple[Dict[str, Any], Any]]:
        """From where the loader stands to the end of the run."""
        for item in self._loader:
            self.given = item
            inputs, labels = shifted(item["input_ids"], item["labels"], self._row_tokens)
            yield {"input": inputs, "positions": item["position_ids"][:, : self._row_tokens]}, labels

    def state_dict(self) -> Dict[str, Any]:
        """After the item given last."""
        return self._loader.state_dict()

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        """Goes to where a state stood; an empty one changes nothing, as torchtitan asks. Raises as `StepDataset.load_state_dict`."""
        if state_dict:
            self._loader.load_state_dict(state_dict)

    def close(self) -> None:
        """Nothing to close: files are let go of with the iterator."""


def domains_of(loader: RunDataLoader) -> np.ndarray:
    """The domain of each row given last, to add its losses by."""
    if loader.given is None:
        raise HeadraceError("ERR_ARGUMENT", "no item was given yet")
    rows: np.ndarray = loader.given["domains"].numpy()
    return rows
