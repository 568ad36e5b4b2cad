import json
import os

import numpy as np
import pytest
from making import make_shards

from headrace.errors import HeadraceError
from headrace.keys import hash_of
from headrace.manifest import read_manifest
from headrace.reader import ShardReader


def random_shards(rng, domain_base):
    """Random shards of record batches of documents, some empty; and their stream, in which each token is its own place."""
    shards, stream = [], []
    for _ in range(rng.integers(1, 4)):
        batches = []
        for _ in range(rng.integers(1, 4)):
            documents = []
            for _ in range(rng.integers(1, 5)):
                length = int(rng.integers(0, 9))
                documents.append([domain_base + len(stream) + i for i in range(length)])
                stream += documents[-1]
            batches.append(documents)
        shards.append(batches)
    return shards, stream


@pytest.mark.parametrize("token_type", ["uint16", "int32"])
def test_rows_are_the_ring_of_the_stream_over_any_layout_of_pieces(tmp_path, token_type):
    rng = np.random.default_rng(0)
    for case in range(25):
        folder = tmp_path / f"{case}"
        made = {name: random_shards(rng, base) for name, base in (("a", 0), ("b", 10_000))}
        if any(not stream for _, stream in made.values()):
            continue
        make_shards(str(folder), {"train": {name: shards for name, (shards, _) in made.items()}}, token_type)
        with ShardReader(folder, open_files=2) as reader:
            assert reader.tokens == tuple(len(stream) for _, stream in made.values())
            for width in (1, 4, 5, 23, 150):
                domains = rng.integers(0, 2, 40)
                starts = np.array([rng.integers(0, reader.tokens[d]) for d in domains])
                rows = reader.gather(domains, starts, width)
                assert rows.dtype == token_type
                for d, start, row in zip(domains, starts, rows):
                    stream = made["ab"[d]][1]
                    assert row.tolist() == [stream[(start + i) % len(stream)] for i in range(width)]


def test_document_starts_and_positions_follow_the_documents_round_the_ring(tmp_path):
    # Documents of 3, 0, 2 | 4 || 1, 2 tokens: they begin at 0, 3, 5, 9, 10 of 12.
    documents = [[[[0, 1, 2], [], [3, 4]], [[5, 6, 7, 8]]], [[[9], [10, 11]]]]
    make_shards(str(tmp_path), {"train": {"a": documents}})
    reader = ShardReader(tmp_path)
    begins = {0, 3, 5, 9, 10}
    for start in range(12):
        for width in (1, 4, 13, 30):
            expected = [i for i in range(width) if (start + i) % 12 in begins]
            assert reader.document_starts(0, start, width).tolist() == expected
            positions = [i - max([j for j in expected if j <= i], default=0) for i in range(width)]
            assert reader.positions(0, start, width).tolist() == positions


def test_rows_can_be_written_into_an_array_of_another_type(tmp_path):
    make_shards(str(tmp_path), {"train": {"a": [[[[1, 2, 3, 4, 5]]]]}})
    out = np.zeros((2, 3), dtype=np.int64)
    assert ShardReader(tmp_path).rows(np.array([0, 4]), 0, 3, out) is out
    assert out.tolist() == [[1, 2, 3], [5, 1, 2]]


def test_splits_are_streams_of_their_own(tmp_path):
    make_shards(str(tmp_path), {"train": {"a": [[[[1, 2]]]], "b": [[[[3]]]]}, "validation": {"b": [[[[7, 8, 9]]]]}})
    reader = ShardReader(tmp_path, "validation")
    assert reader.tokens == (0, 3)
    assert reader.rows(np.array([1]), reader.domain("b"), 2).tolist() == [[8, 9]]
    with pytest.raises(HeadraceError, match='domain "a" has no validation shards in .*  .ERR_DOMAIN.'):
        reader.rows(np.array([0]), 0, 1)
    with pytest.raises(HeadraceError, match='domain "c" is not in .*; known: a, b'):
        reader.domain("c")
    with pytest.raises(
        HeadraceError, match=r'row start 3 is not in the validation stream of "b", \[0, 3\)  .ERR_ARGUMENT.'
    ):
        reader.rows(np.array([0, 3]), 1, 1)


def test_a_cut_or_absent_shard_is_named(tmp_path):
    make_shards(str(tmp_path), {"train": {"a": [[[[1, 2, 3]]], [[[4, 5, 6]]]]}})
    os.truncate(tmp_path / "train/a/00001.arrow", 30)
    os.unlink(tmp_path / "train/a/00000.arrow")
    reader = ShardReader(tmp_path)
    with pytest.raises(
        HeadraceError, match="00001.arrow has 30 bytes, the manifest says .*; rebuild it or restore it  .ERR_SHARD."
    ):
        reader.rows(np.array([3]), 0, 2)
    with pytest.raises(HeadraceError, match="00000.arrow cannot be read: .*  .ERR_SHARD."):
        reader.rows(np.array([0]), 0, 2)


def test_a_manifest_is_the_same_however_its_json_is_laid_out(tmp_path):
    layout = {"a": [[[[1, 2, 3]], [[4]]]], "b\u00e9\u2028": [[[[5]]]], "c": []}
    record = make_shards(str(tmp_path), {"train": layout, "validation": {"a": [[[[7]]]]}})
    path = tmp_path / "manifest.json"
    plain = read_manifest(tmp_path)
    assert plain.fingerprint == record["fingerprint"] and len(plain.shards) == 3
    assert [(s.path, s.sha256, len(s.pieces)) for s in plain.shards] == [
        (s["path"], s["sha256"], len(s["batches"])) for s in record["shards"]
    ]
    assert plain.shards[-1] == plain.shards[2] and plain.shards[:2] == (plain.shards[0], plain.shards[1])
    assert plain.tokens("train") == (4, 1, 0) and plain.validation() == hash_of([record["shards"][2]["sha256"]])
    floats = json.loads(path.read_text().replace('"tokens": 4', '"tokens": 4.0'))
    for text in (
        json.dumps(record, indent=3),
        " \n" + json.dumps(dict(reversed(list(record.items()))), separators=(",", ":"), ensure_ascii=True) + "\r\n",
        json.dumps(floats),
    ):
        path.write_text(text)
        again = read_manifest(tmp_path)
        assert list(again.shards) == list(plain.shards) and again.domains == plain.domains


def test_a_manifest_that_contradicts_itself_is_refused(tmp_path):
    make_shards(str(tmp_path), {"train": {"a": [[[[1, 2, 3]]]]}})
    path = tmp_path / "manifest.json"
    good = path.read_text()

    def refuse(change, message):
        record = json.loads(good)
        change(record)
        path.write_text(json.dumps(record))
        with pytest.raises(HeadraceError, match=message):
            read_manifest(tmp_path)

    refuse(lambda m: m["shards"][0].update(sha256="1" * 64), "has fingerprint .*, its contents give")
    refuse(lambda m: m["shards"][0].update(tokens=4), r"shards\[0\].tokens is 4, its batches hold 3")
    refuse(lambda m: m["shards"][0]["batches"][0].update(tokensAt=12), r"both must be multiples of 8")
    refuse(lambda m: m["shards"][0].update(domain="x"), r'shards\[0\].domain is "x"; expected one of a')
    refuse(lambda m: m["shards"][0].update(tokens=-3), r"shards\[0\].tokens is -3; expected a whole number from 0")
    refuse(lambda m: m["shards"][0].update(bytes=True), r"shards\[0\].bytes is true; expected a whole number")
    refuse(lambda m: m["shards"][0]["batches"][0].update(documents=2**60), r"shards\[0\].batches\[0\].documents is 1")
    refuse(lambda m: m["shards"][0]["batches"][0].update(tokensAt=-8), r"shards\[0\].batches\[0\].tokensAt is -8")
    refuse(lambda m: m["shards"][0].pop("sha256"), r"shards\[0\].sha256 is absent")
    refuse(lambda m: m["shards"].append(7), r"shards\[1\] is 7; expected an object")
    refuse(lambda m: m.update(shards={}), "shards is .*; expected a list")
    refuse(lambda m: m.update(format="headrace-shards/3"), "format is")
    path.write_text(good[:-1] + ', "shards": []}')
    with pytest.raises(HeadraceError, match='has "shards" twice'):
        read_manifest(tmp_path)
    path.write_text("{")
    with pytest.raises(HeadraceError, match="is not JSON"):
        read_manifest(tmp_path)
    path.unlink()
    with pytest.raises(HeadraceError, match="cannot be read: No such file or directory  .ERR_INPUT."):
        read_manifest(tmp_path)
