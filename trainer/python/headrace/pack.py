"""Packed rows: the pieces of documents that a pack plan puts into each row, out of mapped files (docs/format.md, section 1.9)."""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from . import parse
from .errors import HeadraceError
from .keys import hash_of, parse_json
from .reader import Places, ShardReader
from .schedule import PathLike
from .shape import RowShape

FORMAT = "headrace-pack/1"

_LENGTH_BITS = 20
"""Bits of a piece's length; its position is the other 44."""


class PackPlan(NamedTuple):
    """A checked pack.json."""

    folder: str
    row_tokens: int
    lookahead: int
    padding: int
    """The id behind the last piece of a row."""
    rows: Dict[str, int]
    """Of each domain."""
    pieces: Dict[str, int]


def read_pack(shards: PathLike, hash: str, fingerprint: str) -> PackPlan:
    """The plan of a hash over the shards of a fingerprint. Raises ERR_INPUT where there is none, ERR_PARSE, ERR_MANIFEST where it is another."""
    folder = os.path.join(shards, "packs", hash[:16])
    path = os.path.join(folder, "pack.json")
    try:
        with open(path, encoding="utf-8") as file:
            record = parse_json(file.read(), path)
    except OSError as cause:
        raise HeadraceError(
            "ERR_INPUT",
            f'there is no pack plan at {path}: {cause.strerror}; make it with "headrace pack", or restore it',
        ) from cause
    parse.fields(record, path, "format", "rowTokens", "lookahead", "groupPieces", "padding", "shards", "domains")
    parse.one_of(record["format"], f"{path}: format", FORMAT)
    found = hash_of(record)
    if found != hash:
        raise HeadraceError(
            "ERR_MANIFEST",
            f"the pack plan in {folder} has hash {found}, the schedule names {hash}; restore it, or pack again",
        )
    if record["shards"] != fingerprint:
        raise HeadraceError(
            "ERR_MANIFEST",
            f"the pack plan {hash[:16]}… was made for shards {record['shards'][:16]}…, {os.fspath(shards)} has fingerprint "
            f"{fingerprint[:16]}…; pack these shards",
        )
    domains = [
        parse.fields(domain, f"{path}: domains[{i}]", "name", "rows", "pieces")
        for i, domain in enumerate(parse.items(record["domains"], f"{path}: domains"))
    ]
    return PackPlan(
        folder,
        parse.whole(record["rowTokens"], f"{path}: rowTokens", 1),
        parse.whole(record["lookahead"], f"{path}: lookahead", 0, 1),
        parse.whole(record["padding"], f"{path}: padding"),
        {domain["name"]: parse.whole(domain["rows"], f"{path}: rows of {domain['name']}") for domain in domains},
        {domain["name"]: parse.whole(domain["pieces"], f"{path}: pieces of {domain['name']}") for domain in domains},
    )


class PackedPlaces(NamedTuple):
    """Where packed rows lie: their pieces end to end, and which are whose."""

    rows: List[Tuple[int, int]]
    """Domain and number of each row."""
    edges: List[int]
    """Pieces before each row, and all of them; counted from the first row."""
    lengths: List[int]
    """Tokens of each piece."""
    pieces: Places
    width: int

    def part(self, first: int, until: int) -> PackedPlaces:
        """Some consecutive rows."""
        low, high = self.edges[first], self.edges[until]
        edges = [edge - low for edge in self.edges[first : until + 1]]
        return PackedPlaces(
            self.rows[first:until], edges, self.lengths[low:high], self.pieces.part(low, high), self.width
        )


class PackedReader(RowShape):
    """The packed rows of a folder of shards, as `ShardReader` gives those that lie end to end: a row's start is its number in the plan."""

    def __init__(self, reader: ShardReader, plan: PackPlan, domains: Sequence[str]) -> None:
        """`domains` are those whose rows will be asked for. Maps their files. Raises ERR_SHARD where one is cut or missing."""
        self.reader = reader
        self.plan = plan
        self._files = {reader.domain(name): _map(plan, name) for name in domains}

    def locate(self, domains: np.ndarray, starts: np.ndarray, width: int) -> PackedPlaces:
        """Where rows lie in the files. Raises ERR_ARGUMENT on a row that the plan does not have, or a width that is not the plan's."""
        domains = np.asarray(domains, dtype=np.intp)
        starts = np.asarray(starts, dtype=np.int64)
        if width != self.plan.row_tokens + self.plan.lookahead:
            raise HeadraceError(
                "ERR_ARGUMENT",
                f"rows of {width} tokens are asked for, the pack plan has {self.plan.row_tokens} + {self.plan.lookahead}",
            )
        firsts, counts = np.empty(len(starts), dtype=np.int64), np.empty(len(starts), dtype=np.int64)
        for domain in np.unique(domains).tolist():
            mine = np.flatnonzero(domains == domain)
            edges, _ = self._files[domain]
            rows = starts[mine]
            outside = np.flatnonzero((rows < 0) | (rows >= len(edges) - 1))
            if len(outside):
                raise HeadraceError(
                    "ERR_ARGUMENT",
                    f'row {rows[outside[0]]} of "{self.reader.domains[domain]}" is not in the pack plan, [0, {len(edges) - 1})',
                )
            firsts[mine] = edges[rows]
            counts[mine] = edges[rows + 1].astype(np.int64) - firsts[mine]
        edges_of_rows = np.concatenate(([0], np.cumsum(counts)))
        which = np.repeat(firsts - edges_of_rows[:-1], counts) + np.arange(edges_of_rows[-1])
        owners = np.repeat(domains, counts)
        words = np.empty(len(which), dtype=np.uint64)
        for domain in np.unique(domains).tolist():
            mine = np.flatnonzero(owners == domain)
            words[mine] = self._files[domain][1][which[mine]]
        lengths = (words & np.uint64(2**_LENGTH_BITS - 1)).astype(np.int64)
        positions = (words >> np.uint64(_LENGTH_BITS)).astype(np.int64)
        return PackedPlaces(
            list(zip(domains.tolist(), starts.tolist())),
            edges_of_rows.tolist(),
            lengths.tolist(),
            self.reader.locate(owners, positions, lengths),
            width,
        )

    def copy(self, places: PackedPlaces, out: Optional[np.ndarray] = None) -> np.ndarray:
        """The rows that lie at some places, (rows, width), padded. Raises ERR_SHARD."""
        rows, edges, lengths, pieces, width = places
        if out is None:
            out = np.empty((len(rows), width), dtype=self.reader.token_type)
        for i in range(len(rows)):
            place = 0
            for piece in range(edges[i], edges[i + 1]):
                until = place + lengths[piece]
                self.reader.copy_one(pieces, piece, out[i, place:until])
                place = until
            out[i, place:] = self.plan.padding
        return out

    def touch(self, places: PackedPlaces) -> None:
        """Brings rows into the page cache without copying them. Raises ERR_SHARD."""
        for piece, length in enumerate(places.lengths):
            self.reader.touch(places.pieces.part(piece, piece + 1)._replace(width=length))

    def prefetch(self, places: PackedPlaces) -> None:
        """Asks the system to read rows into the page cache, without waiting for it. Raises ERR_SHARD."""
        for piece, length in enumerate(places.lengths):
            self.reader.prefetch(places.pieces.part(piece, piece + 1)._replace(width=length))

    def document_starts(self, domain: int, start: int, width: int) -> np.ndarray:
        """Places in a row at which a document, or a piece of one that was cut, begins: ascending, in [0, width). int64."""
        lengths = self.locate(np.array([domain]), np.array([start]), width).lengths
        return np.cumsum([0] + lengths[:-1], dtype=np.int64)

    def stretches(self, domain: int, start: int, width: int) -> np.ndarray:
        """The stretches of the stream that a row holds, (n, 2): first token and tokens. What they leave of its width is padding."""
        places = self.locate(np.array([domain]), np.array([start]), width)
        return np.column_stack([places.pieces.starts, places.lengths]).astype(np.int64)


def _map(plan: PackPlan, domain: str) -> Tuple[np.ndarray, np.ndarray]:
    """Edges and pieces of a domain."""
    found: List[Any] = []
    for name, dtype, length in (("rows", "<u4", plan.rows[domain] + 1), ("pieces", "<u8", plan.pieces[domain])):
        path = os.path.join(plan.folder, f"{domain}.{name}")
        try:
            values = np.memmap(path, dtype=dtype, mode="r") if length else np.empty(0, dtype=dtype)
        except (OSError, ValueError) as cause:
            raise HeadraceError("ERR_SHARD", f"the pack plan's {path} cannot be read: {cause}") from cause
        if len(values) != length:
            raise HeadraceError(
                "ERR_SHARD",
                f"the pack plan's {path} has {len(values)} entries, its pack.json says {length}; restore it",
            )
        found.append(values.view(np.ndarray))
    return found[0], found[1]
