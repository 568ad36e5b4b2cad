"""Shard folders, schedules and runs for the tests, made by hand: shard files with the token values and offsets where the manifest says, and no Arrow round them."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from headrace.keys import hash_of
from headrace.mixture import weight_parts
from headrace.schedule import stage_hash

Documents = Sequence[Sequence[int]]
"""One record batch: its documents' token ids."""


def make_shards(
    folder: str, splits: Mapping[str, Mapping[str, Sequence[Sequence[Documents]]]], token_type: str = "uint16"
) -> Dict[str, Any]:
    """Writes `splits[split][domain]`, a list of shards of record batches of documents, and the manifest; returns the manifest."""
    shards: List[Dict[str, Any]] = []
    domains = list(dict.fromkeys(name for split in splits.values() for name in split))
    for split in ("train", "validation", "dropped"):
        for domain in domains:
            for number, batches in enumerate(splits.get(split, {}).get(domain, ())):
                path = f"{split}/{domain}/{number:05d}.arrow"
                shards.append(
                    {
                        "path": path,
                        "split": split,
                        "domain": domain,
                        **_write(os.path.join(folder, path), batches, token_type),
                    }
                )
    manifest: Dict[str, Any] = {
        "format": "headrace-shards/1",
        "tokenizer": {
            "name": "bytes",
            "sha256": "0" * 64,
            "vocabularySize": 512,
            "bos": 1,
            "eos": None,
            "addBos": True,
            "addEos": False,
        },
        "tokenType": token_type,
        "domains": domains,
        "shards": shards,
    }
    names = ("path", "split", "domain", "documents", "tokens", "sha256")
    identity = {**manifest, "shards": [{name: shard[name] for name in names} for shard in shards]}
    manifest.update(key="0" * 64, filters=[], tables=[], account={}, fingerprint=hash_of(identity))
    with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump(manifest, file)
    return manifest


def _write(path: str, batches: Sequence[Documents], token_type: str) -> Dict[str, Any]:
    data = bytearray(b"ARROW1\0\0")
    records = []
    for documents in batches:
        lengths = [len(document) for document in documents]
        offsets_at = _append(data, np.cumsum([0] + lengths, dtype="<i4").tobytes())
        values = np.concatenate([np.asarray(document, dtype=token_type) for document in documents])
        tokens_at = _append(data, values.tobytes())
        records.append(
            {"documents": len(documents), "tokens": sum(lengths), "offsetsAt": offsets_at, "tokensAt": tokens_at}
        )
    data += b"ARROW1"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return {
        "documents": sum(record["documents"] for record in records),
        "tokens": sum(record["tokens"] for record in records),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "batches": records,
    }


def _append(data: bytearray, values: bytes) -> int:
    data += b"\0" * (-len(data) % 8)
    at = len(data)
    data += values
    return at


def make_header(tokens: Mapping[str, int], **changes: Any) -> Dict[str, Any]:
    """A schedule's header over streams of `tokens`; `changes` replace its fields."""
    return {
        "format": "headrace-schedule/1",
        "algorithm": 1,
        "seed": 1227,
        "rowTokens": 4,
        "lookahead": 0,
        "batchRows": 8,
        "batches": None,
        "order": "global",
        "packing": "concat",
        "exhaustion": {"policy": "repeat", "epochs": None},
        "domains": [{"name": name, "tokens": count} for name, count in tokens.items()],
        "shards": "0" * 64,
        "policy": {"kind": "static"},
        **changes,
    }


def make_stage(
    document: Dict[str, Any],
    weights: Sequence[int],
    from_batch: int,
    until_batch: Optional[int],
    served: Sequence[int],
    carry: Sequence[int],
    **changes: Any,
) -> Dict[str, Any]:
    """The next stage's record, hashed; the caller says what was served and carried."""
    header, stages = document["header"], document["stages"]
    record: Dict[str, Any] = {
        "fromBatch": from_batch,
        "untilBatch": until_batch,
        "fromTokens": from_batch * header["batchRows"] * header["rowTokens"],
        "weights": list(weights),
        "served": list(served),
        "carry": list(carry),
        "cause": {"kind": "initial" if not stages else "step"},
        **changes,
    }
    record["hash"] = stage_hash(stages[-1]["hash"] if stages else hash_of(header), record)
    return record


def make_schedule(
    tokens: Mapping[str, int], weights: Sequence[float], until_batch: Optional[int] = None, **changes: Any
) -> Dict[str, Any]:
    """A schedule of one stage of float weights."""
    document: Dict[str, Any] = {"header": make_header(tokens, **changes), "stages": []}
    zeros = [0] * len(tokens)
    document["stages"].append(make_stage(document, weight_parts(weights), 0, until_batch, zeros, zeros))
    return document


def write_run(folder: str, document: Dict[str, Any]) -> str:
    """Writes a run folder's schedule.json; returns the folder."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "schedule.json"), "w", encoding="utf-8") as file:
        json.dump(document, file)
    return folder


A = [[[[i, i + 1, i + 2] for i in range(0, 60, 3)]]]
B = [[[[100 + i for i in range(45)]]]]


def make_two_domains(folder: Any, until_batch: Optional[int] = None, **changes: Any) -> Tuple[str, str, Dict[str, Any]]:
    """Shards of 60 tokens in a (documents of 3) and 45 in b (one document), and a run over them whose domain order is the other way round.

    Returns the run's folder, the shards' and the schedule's document, of which `changes` replace header fields.
    """
    manifest = make_shards(str(folder / "shards"), {"train": {"b": B, "a": A}})
    document = make_schedule({"a": 60, "b": 45}, [0.5, 0.5], until_batch, shards=manifest["fingerprint"], **changes)
    return write_run(str(folder / "run"), document), str(folder / "shards"), document
