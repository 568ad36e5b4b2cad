import hashlib
import json
import os

import numpy as np
import pytest
from making import make_schedule, make_shards, write_run

from headrace.errors import HeadraceError
from headrace.keys import hash_of
from headrace.sampler import Sampler

DOCUMENTS = {"a": [[1, 2, 3], [4, 5, 6, 7, 8, 9], [10]], "b": [[20, 21], [22, 23, 24, 25]]}
PIECES = {"a": [[(0, 3), (9, 1)], [(3, 4)], [(7, 2)]], "b": [[(0, 2)], [(2, 4)]]}
"""Rows of 4 over the streams a = 1..10 and b = 20..25: position and tokens of each piece."""
ROWS = {"a": [[1, 2, 3, 10], [4, 5, 6, 7], [8, 9, 0, 0]], "b": [[20, 21, 0, 0], [22, 23, 24, 25]]}


def make_packed(folder, **changes):
    """Shards, a pack plan over them made by hand, and a run over both; `changes` replace fields of pack.json after it was hashed."""
    shards = str(folder / "shards")
    manifest = make_shards(shards, {"train": {name: [[documents]] for name, documents in DOCUMENTS.items()}})
    data = {}
    for name, rows in PIECES.items():
        words = [(position << 20) + tokens for row in rows for position, tokens in row]
        data[f"{name}.pieces"] = np.array(words, dtype="<u8").tobytes()
        data[f"{name}.rows"] = np.cumsum([0] + [len(row) for row in rows], dtype="<u4").tobytes()
    sha = {name: hashlib.sha256(content).hexdigest() for name, content in data.items()}
    plan = {
        "format": "headrace-pack/1",
        "rowTokens": 4,
        "lookahead": 0,
        "groupPieces": 100,
        "padding": 0,
        "shards": manifest["fingerprint"],
        "domains": [
            {
                "name": name,
                "documents": len(DOCUMENTS[name]),
                "cut": 1,
                "pieces": sum(map(len, rows)),
                "rows": len(rows),
                "tokens": sum(tokens for row in rows for _, tokens in row),
                "piecesSha256": sha[f"{name}.pieces"],
                "rowsSha256": sha[f"{name}.rows"],
            }
            for name, rows in PIECES.items()
        ],
    }
    packs = os.path.join(shards, "packs", hash_of(plan)[:16])
    os.makedirs(packs)
    for name, content in data.items():
        with open(os.path.join(packs, name), "wb") as file:
            file.write(content)
    with open(os.path.join(packs, "pack.json"), "w", encoding="utf-8") as file:
        json.dump({**plan, **changes}, file)
    domains = [
        {"name": name, "tokens": sum(map(len, DOCUMENTS[name])), "rows": len(rows)} for name, rows in PIECES.items()
    ]
    document = make_schedule(
        {"a": 10, "b": 6},
        [0.6, 0.4],
        batchRows=5,
        batches=8,
        packing="packed",
        pack=hash_of(plan),
        domains=domains,
        shards=manifest["fingerprint"],
    )
    return write_run(str(folder / "run"), document), shards, packs


def test_every_row_of_the_plan_is_served_once_an_epoch_with_padding_behind(tmp_path):
    run, shards, _ = make_packed(tmp_path)
    names = list(ROWS)
    with Sampler(run, shards) as sampler:
        seen = {}
        for batch in sampler:
            for row, domain, epoch, number in zip(
                batch.tokens.tolist(), batch.domains.tolist(), batch.epochs.tolist(), batch.rows.tolist()
            ):
                assert row == ROWS[names[domain]][number]
                seen[domain, epoch, number] = seen.get((domain, epoch, number), 0) + 1
    assert set(seen.values()) == {1}
    assert {key for key in seen if key[1] < 8} >= {(0, e, n) for e in range(8) for n in range(3)}


def test_pieces_and_padding_are_told_apart(tmp_path):
    run, shards, _ = make_packed(tmp_path)
    told = {
        (0, 0): ([0, 3], [0, 3, 4], [0, 1, 2, 0]),
        (0, 1): ([0], [0, 4], [0, 1, 2, 3]),
        (0, 2): ([0], [0, 2, 4], [0, 1, 0, 1]),
        (1, 0): ([0], [0, 2, 4], [0, 1, 0, 1]),
        (1, 1): ([0], [0, 4], [0, 1, 2, 3]),
    }
    with Sampler(run, shards) as sampler:
        batch = sampler.batch(0)
        for i, row in enumerate(zip(batch.domains.tolist(), batch.rows.tolist())):
            starts, boundaries, positions = told[row]
            assert batch.document_starts(i).tolist() == starts
            assert batch.boundaries(i).tolist() == boundaries
            assert batch.position_ids(i).tolist() == positions


def test_touching_reads_the_same_files_and_gives_nothing(tmp_path):
    run, shards, _ = make_packed(tmp_path)
    with Sampler(run, shards) as sampler:
        assert sampler.touch(0, 0) is None
        os.remove(os.path.join(shards, "train/a/00000.arrow"))
    with Sampler(run, shards) as sampler, pytest.raises(HeadraceError, match="00000.arrow cannot be read"):
        sampler.touch(0, 0)


def test_a_plan_that_is_another_or_is_not_there_or_is_cut_is_refused(tmp_path):
    run, shards, _ = make_packed(tmp_path / "changed", padding=3)
    with pytest.raises(
        HeadraceError, match="has hash .*, the schedule names .*; restore it, or pack again .*ERR_MANIFEST"
    ):
        Sampler(run, shards)

    run, shards, packs = make_packed(tmp_path / "cut")
    with open(os.path.join(packs, "a.rows"), "r+b") as file:
        file.truncate(8)
    with pytest.raises(HeadraceError, match="a.rows has 2 entries, its pack.json says 4; restore it"):
        Sampler(run, shards)
    os.remove(os.path.join(packs, "pack.json"))
    with pytest.raises(HeadraceError, match="there is no pack plan at .*headrace pack"):
        Sampler(run, shards)
