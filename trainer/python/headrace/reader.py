"""Token rows out of a shard folder, by mapping the files at the positions that manifest.json gives (docs/format.md, section 1.2).

Nothing is parsed but the manifest. A row may wrap round its domain's ring and cover any number of pieces (record batches).
Gives up on checking the bytes: that is what the manifest's sha256 and `headrace verify` are for; a file of another length is refused.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from typing import Any, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from .errors import HeadraceError
from .manifest import read_manifest
from .schedule import PathLike
from .shape import RowShape


class Places(NamedTuple):
    """Where rows lie: parallel lists over the rows."""

    domains: List[int]
    starts: List[int]
    shards: List[int]
    """Index of the file; -1 where a row lies in more than one piece."""
    elements: List[int]
    """Its first token, counted from the start of the file."""
    width: int

    def part(self, first: int, until: int) -> Places:
        """Some consecutive rows."""
        domains, starts, shards, elements, width = self
        return Places(domains[first:until], starts[first:until], shards[first:until], elements[first:until], width)


class ShardReader(RowShape):
    """The token streams of one split. Close it, or use it in a `with`. Not thread-safe: give each thread its own."""

    def __init__(self, folder: PathLike, split: str = "train", open_files: int = 512) -> None:
        """Maps at most `open_files` files at a time (each also holds a file descriptor)."""
        self.folder = os.fspath(folder)
        self.split = split
        self.manifest = read_manifest(folder)
        self.domains = self.manifest.domains
        self.tokens = self.manifest.tokens(split)
        """Length of each domain's stream."""
        self.token_type = self.manifest.token_type
        self._index = {name: i for i, name in enumerate(self.domains)}
        self._open_files = open_files
        self._maps: OrderedDict[int, np.ndarray] = OrderedDict()

        # All streams of the split laid end to end in domain order, so that one search finds the pieces of any rows.
        shards = self.manifest.shards
        mine, _ = shards.of(split, self.domains)
        self._closes_files = len(mine) > open_files
        first, counts = shards.piece_edges[mine], np.diff(shards.piece_edges)[mine]
        pieces = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
        owners = np.repeat(mine, counts)[shards.piece_tokens[pieces] > 0]
        pieces = pieces[shards.piece_tokens[pieces] > 0]
        self._pieces, self._shard_of = pieces, owners
        edges = np.cumsum(np.concatenate(([0], shards.piece_tokens[pieces])))
        self._from, self._until = edges[:-1], edges[1:]
        self._element = shards.piece_tokens_at[pieces] // self.token_type.itemsize - self._from
        self._base = np.cumsum([0] + list(self.tokens[:-1]), dtype=np.int64)
        self._length = np.array(self.tokens, dtype=np.int64)

    def __enter__(self) -> ShardReader:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the mapped files."""
        self._maps.clear()

    def domain(self, name: str) -> int:
        """Index of a domain. Raises ERR_DOMAIN."""
        if name not in self._index:
            raise HeadraceError(
                "ERR_DOMAIN", f'domain "{name}" is not in {self.folder}; known: {", ".join(self.domains)}'
            )
        return self._index[name]

    def rows(self, starts: np.ndarray, domain: int, width: int, out: Optional[np.ndarray] = None) -> np.ndarray:
        """Rows of one domain: `width` tokens from each of `starts` on the ring. (n, width) of the manifest's token type."""
        return self.gather(np.full(len(starts), domain, dtype=np.intp), starts, width, out)

    def gather(
        self, domains: np.ndarray, starts: np.ndarray, width: int, out: Optional[np.ndarray] = None
    ) -> np.ndarray:
        """Rows of any domains, in the order given. Pure but for `out`; a copy a row from the page cache. Raises ERR_DOMAIN, ERR_ARGUMENT, ERR_SHARD."""
        return self.copy(self.locate(domains, starts, width), out)

    def locate(self, domains: np.ndarray, starts: np.ndarray, width: Union[int, np.ndarray]) -> Places:
        """Where rows lie in the files: cheap for many rows at once, and opens none. Raises ERR_DOMAIN, ERR_ARGUMENT.

        Rows may be of as many widths as there are; their places then have none.
        """
        domains = np.asarray(domains, dtype=np.intp)
        starts = np.asarray(starts, dtype=np.int64)
        lengths = self._length[domains]
        outside = np.flatnonzero((starts < 0) | (starts >= lengths))
        if len(outside):
            i = int(outside[0])
            name = self.domains[domains[i]]
            if not lengths[i]:
                raise HeadraceError("ERR_DOMAIN", f'domain "{name}" has no {self.split} shards in {self.folder}')
            raise HeadraceError(
                "ERR_ARGUMENT",
                f'row start {starts[i]} is not in the {self.split} stream of "{name}", [0, {lengths[i]})',
            )
        places = self._base[domains] + starts
        pieces = np.searchsorted(self._until, places, side="right")
        shards = np.where(places + width <= self._until[pieces], self._shard_of[pieces], -1)
        elements = self._element[pieces] + places
        return Places(
            domains.tolist(),
            starts.tolist(),
            shards.tolist(),
            elements.tolist(),
            width if isinstance(width, int) else 0,
        )

    def copy_one(self, places: Places, i: int, out: np.ndarray) -> None:
        """Fills `out` with as many tokens from the i-th of some places on. Raises ERR_SHARD."""
        shard, first = places.shards[i], places.elements[i]
        if shard < 0:
            self._across(out, places.domains[i], places.starts[i])
        else:
            out[:] = self._map(shard)[first : first + len(out)]

    def copy(self, places: Places, out: Optional[np.ndarray] = None) -> np.ndarray:
        """The rows that lie at some places, (rows, width). Raises ERR_SHARD."""
        _, _, shards, elements, width = places
        if out is None:
            out = np.empty((len(shards), width), dtype=self.token_type)
        # Where files have to be closed, file by file, so that each is opened once.
        order = np.argsort(shards, kind="stable").tolist() if self._closes_files else range(len(shards))
        maps = self._maps
        for i in order:
            shard, first = shards[i], elements[i]
            if shard < 0:
                self._across(out[i], places.domains[i], places.starts[i])
                continue
            file = maps.get(shard)
            if file is None:
                file = self._map(shard)
            out[i] = file[first : first + width]
        return out

    def touch(self, places: Places) -> None:
        """Brings rows into the page cache without copying them: one token of each page is read. Raises ERR_SHARD."""
        page = max(1, mmap.PAGESIZE // self.token_type.itemsize)
        for shard, first, domain, start in zip(places.shards, places.elements, places.domains, places.starts):
            if shard < 0:
                self._across(np.empty(places.width, dtype=self.token_type), domain, start)
            else:
                self._map(shard)[first : first + places.width : page].max()

    def prefetch(self, places: Places) -> None:
        """Asks the system to read rows into the page cache, without waiting for it. Does nothing where it takes no such advice. Raises ERR_SHARD."""
        for shard, first, domain, start in zip(places.shards, places.elements, places.domains, places.starts):
            if shard >= 0:
                self._advise(shard, first, places.width)
                continue
            for piece, inside, count, _ in self._spans(domain, start, places.width):
                element = int(self._element[piece] + self._from[piece]) + inside
                self._advise(int(self._shard_of[piece]), element, count)

    def _advise(self, shard: int, element: int, count: int) -> None:
        base = self._map(shard).base
        mapped = base.obj if isinstance(base, memoryview) else base
        if not isinstance(mapped, mmap.mmap) or not hasattr(mmap, "MADV_WILLNEED"):
            return
        first = element * self.token_type.itemsize // mmap.PAGESIZE * mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, first, (element + count) * self.token_type.itemsize - first)

    def document_starts(self, domain: int, start: int, width: int) -> np.ndarray:
        """Places in a row at which a document begins, ascending, in [0, width). int64. A row that begins inside a document does not start with 0."""
        found: List[np.ndarray] = []
        for piece, first, count, done in self._spans(domain, start, width):
            shard = int(self._shard_of[piece])
            records, where = self.manifest.shards, self._pieces[piece]
            at, documents = int(records.piece_offsets_at[where]), int(records.piece_documents[where])
            offsets = self._offsets(shard)[at : at + 4 * documents].view("<i4")
            low, high = np.searchsorted(offsets, [first, first + count])
            found.append(np.unique(offsets[low:high]).astype(np.int64) - first + done)
        return np.concatenate(found)

    def stretches(self, domain: int, start: int, width: int) -> np.ndarray:
        """The stretches of the stream that a row holds, (n, 2): first token and tokens; more than one where it goes round the ring."""
        found: List[Tuple[int, int]] = []
        while width > 0:
            count = min(width, self.tokens[domain] - start)
            found.append((start, count))
            width -= count
            start = 0
        return np.array(found, dtype=np.int64)

    def _spans(self, domain: int, start: int, width: int) -> List[Tuple[int, int, int, int]]:
        """(piece, first token in the piece, tokens, tokens of the row before) of a row."""
        base = int(self._base[domain])
        end = base + self.tokens[domain]
        place, done = base + start, 0
        spans: List[Tuple[int, int, int, int]] = []
        while done < width:
            piece = int(np.searchsorted(self._until, place, side="right"))
            count = min(int(self._until[piece]) - place, width - done)
            spans.append((piece, place - int(self._from[piece]), count, done))
            done += count
            place += count
            if place == end:
                place = base
        return spans

    def _across(self, row: np.ndarray, domain: int, start: int) -> None:
        for piece, first, count, done in self._spans(domain, start, len(row)):
            element = int(self._element[piece] + self._from[piece]) + first
            row[done : done + count] = self._map(int(self._shard_of[piece]))[element : element + count]

    def _offsets(self, shard: int) -> np.ndarray:
        """The bytes of the file that holds a shard's list offsets: its own, or the one beside what refers to another tool's file."""
        foreign = self.manifest.shards.offsets.get(shard)
        if foreign is None:
            return self._map(shard).view(np.uint8)
        known = self._maps.get(-1 - shard)
        if known is None:
            path = os.path.join(self.folder, foreign.path)
            known = self._keep(-1 - shard, np.frombuffer(_map_file(path, foreign.bytes), dtype=np.uint8))
        return known

    def _keep(self, key: int, array: np.ndarray) -> np.ndarray:
        self._maps[key] = array
        while len(self._maps) > self._open_files:
            self._maps.popitem(last=False)
        return array

    def _map(self, shard: int) -> np.ndarray:
        """A shard's file as an array of tokens from its first byte on."""
        tokens = self._maps.get(shard)
        if tokens is not None:
            if self._closes_files:
                self._maps.move_to_end(shard)
            return tokens
        record = self.manifest.shards[shard]
        path = os.path.join(self.folder, record.path)
        mapped = _map_file(path, record.bytes)
        offsets_end = len(mapped) if record.offsets is None else record.offsets.bytes
        for piece in record.pieces:
            if (
                piece.tokens_at + piece.tokens * self.token_type.itemsize > len(mapped)
                or piece.offsets_at + 4 * piece.documents + 4 > offsets_end
            ):
                raise HeadraceError(
                    "ERR_MANIFEST", f"shard {path} has {len(mapped)} bytes, the manifest puts tokens past its end"
                )
        return self._keep(
            shard, np.frombuffer(mapped, dtype=self.token_type, count=len(mapped) // self.token_type.itemsize)
        )


def _map_file(path: str, size: int) -> mmap.mmap:
    """Maps a file of the folder, which must have so many bytes."""
    try:
        with open(path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as cause:
        raise HeadraceError("ERR_SHARD", f"shard {path} cannot be read: {cause}") from cause
    if len(mapped) != size:
        raise HeadraceError(
            "ERR_SHARD", f"shard {path} has {len(mapped)} bytes, the manifest says {size}; rebuild it or restore it"
        )
    return mapped
