"""manifest.json of a shard folder, read into columns (docs/format.md, section 1.2).

A corpus has tens of thousands of shards: their records are checked and let go one by one while the text is scanned, so that
opening 60,000 takes a fraction of a second and the memory of the columns (bench/scale.py).
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Sequence as SequenceType
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union, overload

import numpy as np

from . import parse
from .errors import HeadraceError
from .keys import EXACT, canonical_json, canonical_string, hash_of, parse_object
from .schedule import PathLike

FORMATS = ("headrace-shards/1", "headrace-shards/2")
"""The second has shards that refer to files of other tools (docs/format.md 1.8)."""


class Piece(NamedTuple):
    """A record batch: consecutive tokens of a stream, and where they lie."""

    documents: int
    tokens: int
    offsets_at: int
    tokens_at: int


class Offsets(NamedTuple):
    """The file of a foreign shard's list offsets."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """One file of a domain's stream."""

    path: str
    split: str
    domain: str
    documents: int
    tokens: int
    bytes: int
    sha256: str
    pieces: Tuple[Piece, ...]
    offsets: Optional[Offsets] = None
    """Where its list offsets lie, when it refers to another tool's file."""


class Shards(SequenceType):  # type: ignore[type-arg]
    """The shards of a manifest in stream order: a sequence of `Shard`, held as columns."""

    def __init__(self, records: _Records) -> None:
        self.paths: List[str] = records.paths
        self.splits: List[str] = records.splits
        self.domains: List[str] = records.domains
        self.sha256: List[str] = records.sha256
        self.offsets: Dict[int, Offsets] = records.offsets
        """Of the shards that refer to another tool's file, by index."""
        numbers = np.frombuffer(records.numbers, dtype=np.int64).reshape(-1, 3)
        self.documents, self.tokens, self.bytes = numbers.T
        pieces = np.frombuffer(records.pieces, dtype=np.int64).reshape(-1, 4)
        self.piece_documents, self.piece_tokens, self.piece_offsets_at, self.piece_tokens_at = pieces.T
        self.piece_edges = np.concatenate(([0], np.cumsum(np.frombuffer(records.counts, dtype=np.int64))))
        """Pieces before each shard, and all of them."""

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, i: int) -> Shard: ...
    @overload
    def __getitem__(self, i: slice) -> Tuple[Shard, ...]: ...
    def __getitem__(self, i: Union[int, slice]) -> Union[Shard, Tuple[Shard, ...]]:
        if isinstance(i, slice):
            return tuple(self[j] for j in range(*i.indices(len(self))))
        i = range(len(self))[i]
        pieces = slice(self.piece_edges[i], self.piece_edges[i + 1])
        columns = (self.piece_documents, self.piece_tokens, self.piece_offsets_at, self.piece_tokens_at)
        return Shard(
            self.paths[i],
            self.splits[i],
            self.domains[i],
            int(self.documents[i]),
            int(self.tokens[i]),
            int(self.bytes[i]),
            self.sha256[i],
            tuple(Piece(*row) for row in zip(*(column[pieces].tolist() for column in columns))),
            self.offsets.get(i),
        )

    def __iter__(self) -> Iterator[Shard]:
        return (self[i] for i in range(len(self)))

    def piece_name(self, piece: int, at: str) -> str:
        """Where a piece stands in the manifest."""
        i = int(np.searchsorted(self.piece_edges, piece, side="right")) - 1
        return f"{at}[{i}].batches[{piece - self.piece_edges[i]}]"

    def of(self, split: str, domains: Sequence[str]) -> Tuple[np.ndarray, np.ndarray]:
        """Indices of a split's shards, domain after domain and in stream order within one; and the index of each one's domain."""
        codes = {name: i for i, name in enumerate(domains)}
        mine = np.array([codes[d] if s == split else -1 for s, d in zip(self.splits, self.domains)], dtype=np.intp)
        order = np.argsort(mine, kind="stable")
        order = order[np.count_nonzero(mine < 0) :]
        return order, mine[order]


@dataclass(frozen=True)
class Manifest:
    """A checked manifest."""

    domains: Tuple[str, ...]
    token_type: np.dtype
    tokenizer: Dict[str, Any]
    shards: Shards
    """In stream order."""
    fingerprint: str

    def tokens(self, split: str) -> Tuple[int, ...]:
        """Length of each domain's stream in a split."""
        shards, owners = self.shards.of(split, self.domains)
        lengths = np.zeros(len(self.domains), dtype=np.int64)
        np.add.at(lengths, owners, self.shards.tokens[shards])
        return tuple(lengths.tolist())

    def validation(self) -> str:
        """What a reference loss belongs to: the hash of the validation shards' hashes, in stream order."""
        return hash_of([sha for sha, split in zip(self.shards.sha256, self.shards.splits) if split == "validation"])


def read_manifest(folder: PathLike) -> Manifest:
    """Reads and checks DIR/manifest.json. Raises ERR_INPUT, ERR_PARSE, ERR_MANIFEST."""
    path = os.path.join(folder, "manifest.json")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as cause:
        raise HeadraceError("ERR_INPUT", f"manifest {path} cannot be read: {cause.strerror}") from cause
    records = _Records(f"{path}: shards")
    record = parse_object(text, path, "shards", records.take)
    del text
    parse.fields(record, path, "format", "tokenizer", "tokenType", "domains", "shards", "fingerprint")
    parse.items(record["shards"], f"{path}: shards")
    parse.one_of(record["format"], f"{path}: format", *FORMATS)
    token_type = parse.one_of(record["tokenType"], f"{path}: tokenType", "uint16", "int32")
    domains = [
        parse.string(name, f"{path}: domains[{i}]")
        for i, name in enumerate(parse.items(record["domains"], f"{path}: domains"))
    ]
    shards = Shards(records)
    _check(shards, domains, token_type, f"{path}: shards")
    fingerprint = _fingerprint(record, shards)
    if fingerprint != record["fingerprint"]:
        raise HeadraceError(
            "ERR_MANIFEST",
            f"{path} has fingerprint {record['fingerprint']}, its contents give {fingerprint}; restore or rebuild it",
        )
    return Manifest(
        tuple(domains), np.dtype(token_type).newbyteorder("<"), record["tokenizer"], shards, record["fingerprint"]
    )


_PIECE = ("documents", "tokens", "offsetsAt", "tokensAt")
_INT = {int}
_STR = {str}


class _Records:
    """The shards' records so far, a column a field."""

    def __init__(self, at: str) -> None:
        self.paths: List[str] = []
        self.splits: List[str] = []
        self.domains: List[str] = []
        self.sha256: List[str] = []
        self.numbers = array("q")
        self.pieces = array("q")
        self.counts = array("q")
        self.offsets: Dict[int, Offsets] = {}
        self._at = at
        self._names: Dict[str, str] = {}

    def take(self, record: Any) -> None:
        """Adds one. Raises ERR_PARSE on what is not a shard's record."""
        try:
            numbers = [record["documents"], record["tokens"], record["bytes"]]
            pieces = [
                value
                for batch in record["batches"]
                for value in (batch["documents"], batch["tokens"], batch["offsetsAt"], batch["tokensAt"])
            ]
            names = [record["path"], record["split"], record["domain"], record["sha256"]]
        except (TypeError, KeyError):
            numbers = names = pieces = []
        if (
            {*map(type, numbers), *map(type, pieces)} != _INT
            or {*map(type, names)} != _STR
            or max(numbers + pieces) > EXACT
        ):
            numbers, pieces, names = _parse_shard(record, f"{self._at}[{len(self.paths)}]")
        if "foreign" in record:
            self.offsets[len(self.paths)] = _parse_offsets(record["foreign"], f"{self._at}[{len(self.paths)}].foreign")
        self.numbers.extend(numbers)
        self.pieces.extend(pieces)
        self.counts.append(len(pieces) // 4)
        self.paths.append(names[0])
        self.splits.append(self._names.setdefault(names[1], names[1]))
        self.domains.append(self._names.setdefault(names[2], names[2]))
        self.sha256.append(names[3])


def _parse_shard(record: Any, at: str) -> Tuple[List[int], List[int], List[str]]:
    """One record field by field: what names the field that is wrong, and takes 5.0 for 5."""
    parse.fields(record, at, "path", "split", "domain", "documents", "tokens", "bytes", "sha256", "batches")
    pieces: List[int] = []
    for i, batch in enumerate(parse.items(record["batches"], f"{at}.batches")):
        where = f"{at}.batches[{i}]"
        for name in _PIECE:
            pieces.append(parse.whole(parse.fields(batch, where, name)[name], f"{where}.{name}"))
    return (
        [parse.whole(record[name], f"{at}.{name}") for name in ("documents", "tokens", "bytes")],
        pieces,
        [parse.string(record[name], f"{at}.{name}") for name in ("path", "split", "domain", "sha256")],
    )


def _parse_offsets(record: Any, at: str) -> Offsets:
    offsets = parse.fields(record, at, "source", "offsets")["offsets"]
    parse.fields(offsets, f"{at}.offsets", "path", "bytes", "sha256")
    return Offsets(
        parse.string(offsets["path"], f"{at}.offsets.path"),
        parse.whole(offsets["bytes"], f"{at}.offsets.bytes"),
        parse.string(offsets["sha256"], f"{at}.offsets.sha256"),
    )


def _check(shards: Shards, domains: Sequence[str], token_type: str, at: str) -> None:
    for name, column in (("documents", shards.documents), ("tokens", shards.tokens), ("bytes", shards.bytes)):
        for i in np.flatnonzero(column < 0)[:1].tolist():
            parse.whole(int(column[i]), f"{at}[{i}].{name}")
    for name, column in zip(
        _PIECE, (shards.piece_documents, shards.piece_tokens, shards.piece_offsets_at, shards.piece_tokens_at)
    ):
        for piece in np.flatnonzero(column < 0)[:1].tolist():
            parse.whole(int(column[piece]), f"{shards.piece_name(piece, at)}.{name}")
    if not set(shards.domains) <= set(domains):
        i = next(i for i, name in enumerate(shards.domains) if name not in domains)
        parse.one_of(shards.domains[i], f"{at}[{i}].domain", *domains)
    alignment = np.full(len(shards.piece_tokens_at), 8)
    for i in shards.offsets:  # the tokens of another tool's file lie one after another
        alignment[shards.piece_edges[i] : shards.piece_edges[i + 1]] = np.dtype(token_type).itemsize
    unaligned = np.flatnonzero(shards.piece_offsets_at % 8 | shards.piece_tokens_at % alignment)
    if len(unaligned):
        piece = int(unaligned[0])
        raise HeadraceError(
            "ERR_MANIFEST",
            f"{shards.piece_name(piece, at)} lies at {shards.piece_offsets_at[piece]} and "
            f"{shards.piece_tokens_at[piece]}; both must be multiples of 8",
        )
    for name, whole, parts in (
        ("tokens", shards.tokens, shards.piece_tokens),
        ("documents", shards.documents, shards.piece_documents),
    ):
        sums = np.diff(np.concatenate(([0], np.cumsum(parts)))[shards.piece_edges])
        wrong = np.flatnonzero(sums != whole)
        if len(wrong):
            i = int(wrong[0])
            raise HeadraceError("ERR_MANIFEST", f"{at}[{i}].{name} is {whole[i]}, its batches hold {sums[i]}")


def _fingerprint(record: Dict[str, Any], shards: Shards) -> str:
    """`hash_of` the format, the tokenizer, the token type, the domains and each shard's path, split, domain, counts and hash."""
    head, tail = canonical_json(
        {**{name: record[name] for name in ("format", "tokenizer", "tokenType", "domains")}, "shards": []}
    ).split('"shards":[]', 1)
    digest = hashlib.sha256(f'{head}"shards":['.encode())
    quoted = {name: canonical_string(name) for name in (*set(shards.domains), *set(shards.splits))}

    def offsets(i: int) -> str:
        return f'"offsets":{canonical_string(shards.offsets[i].sha256)},' if i in shards.offsets else ""

    places = range(len(shards))
    columns = (shards.documents, shards.domains, places, shards.paths, shards.sha256, shards.splits, shards.tokens)
    for first in range(0, len(shards), 1024):
        rows = zip(*(column[first : first + 1024] for column in columns))
        lines = ",".join(
            f'{{"documents":{documents},"domain":{quoted[domain]},{offsets(i)}"path":{canonical_string(path)},'
            f'"sha256":{canonical_string(sha)},"split":{quoted[split]},"tokens":{tokens}}}'
            for documents, domain, i, path, sha, split, tokens in rows
        )
        digest.update((f",{lines}" if first else lines).encode())
    digest.update(f"]{tail}".encode())
    return digest.hexdigest()
