"""What a sampler gives: the rows of one batch that are a rank's, with their places, documents and loss masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from .mask import loss_mask
from .pack import PackedPlaces, PackedReader
from .plan import Block, Rows, served_hash
from .reader import Places, ShardReader


@dataclass(eq=False)
class Batch:
    """A rank's rows of a batch, in served order: those of its first accumulation step, then of the next."""

    index: int
    stage: int
    position: int
    """Tokens that the run had given before this batch, over all ranks."""
    tokens: np.ndarray
    """(rows, row tokens + lookahead) of the shards' token type."""
    accumulation: int
    _planned: Planned
    _first: int
    """The first of these rows among those of the block's batches end to end."""
    _names: Tuple[str, ...]
    _reader: Union[ShardReader, PackedReader]
    _masked: Masked

    @property
    def served(self) -> str:
        """Served hash of these rows; those of all ranks add up to the batch's (`add_served`)."""
        block = self._planned.block
        if len(self.tokens) == block.rows.shape[1]:
            return self._planned.served[self.index - block.first]
        return served_hash(self._names, Rows(self.index, self.stage, self.domains, self.epochs, self.rows, self.rows))

    @property
    def domains(self) -> np.ndarray:
        """Index of each row's domain in the sampler's `domains`. A new array, as are the next two."""
        return self._part(self._planned.block.domains)

    @property
    def epochs(self) -> np.ndarray:
        """Epoch of each row's domain."""
        return self._part(self._planned.block.epochs)

    @property
    def rows(self) -> np.ndarray:
        """Row of the epoch."""
        return self._part(self._planned.block.rows)

    def _part(self, column: np.ndarray) -> np.ndarray:
        return column.ravel()[self._first : self._first + len(self.tokens)].copy()

    @property
    def is_packed(self) -> bool:
        """Whether the rows are those of a pack plan."""
        return isinstance(self._reader, PackedReader)

    @property
    def steps_in_all(self) -> int:
        """Accumulation steps of the whole batch, of which these rows may be one."""
        return int(self._planned.block.rows.shape[1]) * self.accumulation // len(self.tokens)

    @property
    def steps(self) -> np.ndarray:
        """The tokens as (accumulation, micro-batch, width)."""
        return self.tokens.reshape(self.accumulation, -1, self.tokens.shape[1])

    def document_starts(self, row: int) -> np.ndarray:
        """Places in a row at which a document begins, of a packed row its pieces, ascending. Reads the shards' offsets, or the pack plan, when called."""
        return self._reader.document_starts(*self._place(row))

    def position_ids(self, row: int) -> np.ndarray:
        """Each token's distance from the start of its document, or of the row if that is nearer. int32."""
        return self._reader.positions(*self._place(row))

    def boundaries(self, row: int) -> np.ndarray:
        """Where what may attend to each other begins and ends in a row: 0, the starts of documents, that of padding, and the row's width. int32.

        Differences are the lengths, and this is the `cu_seqlens` of attention over sequences of varying length.
        """
        return self._reader.boundaries(*self._place(row))

    def loss_mask(self, row: int) -> np.ndarray:
        """Which tokens of a row count as targets, as the sampler's `mask` says; padding and the first token never do. bool, (width,)."""
        domain, start, _ = self._place(row)
        return self._masked.of(self._reader, domain, start, self.tokens[row])

    def loss_masks(self) -> np.ndarray:
        """`loss_mask` of every row: bool, (rows, width)."""
        return np.stack([self.loss_mask(row) for row in range(len(self.tokens))])

    def cu_seqlens(self) -> np.ndarray:
        """`boundaries` of the rows laid end to end: from 0 to rows x width, int32. What attention over sequences of varying length takes."""
        width = self.tokens.shape[1]
        edges = [self.boundaries(row)[:-1] + row * width for row in range(len(self.tokens))]
        return np.concatenate([*edges, [len(edges) * width]]).astype(np.int32)

    def _place(self, row: int) -> Tuple[int, int, int]:
        i = range(self._first, self._first + len(self.tokens))[row]
        places = self._planned.places
        domain, start = places.rows[i] if isinstance(places, PackedPlaces) else (places.domains[i], places.starts[i])
        return domain, start, places.width


class Masked(NamedTuple):
    """A loss mask, for one folder of shards."""

    within: bool
    bos: Optional[int]
    edges: Dict[int, np.ndarray]
    """By the reader's index of a domain."""

    def of(self, reader: Union[ShardReader, PackedReader], domain: int, start: int, tokens: np.ndarray) -> np.ndarray:
        """Which tokens of a row are targets."""
        width = len(tokens)
        starts = reader.document_starts(domain, start, width) if self.within else np.empty(0, dtype=np.intp)
        return loss_mask(tokens, reader.stretches(domain, start, width), starts, self.bos, self.edges.get(domain))


class Planned(NamedTuple):
    """Batches planned together, where their rows lie, and their served hashes."""

    block: Block
    places: Union[Places, PackedPlaces]
    served: List[str]
