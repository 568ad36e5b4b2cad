"""fixtures/plan/vectors.json, written by the TypeScript implementation: every value is reproduced exactly."""

import json
import os

import numpy as np
import pytest

from headrace.keys import hash_of, key_of, mix32, offset_of
from headrace.mixture import settle, weight_parts
from headrace.permutation import permute
from headrace.plan import Plan
from headrace.policy import divided
from headrace.revising import branch, end_at, mix, resize, skip, withdraw
from headrace.reweighting import append_stage
from headrace.schedule import parse_schedule

CHANGES = {
    "skip": skip,
    "batch": resize,
    "weights": lambda schedule, batch, weights: mix(schedule, batch, dict(zip(schedule.header.domains, weights))),
    "withdraw": withdraw,
    "end": end_at,
    "branch": branch,
}

PATH = os.path.join(os.path.dirname(__file__), "../../../fixtures/plan/vectors.json")


@pytest.fixture(scope="module")
def vectors():
    with open(PATH, encoding="utf-8") as file:
        return json.load(file)


def test_the_vectors_are_of_the_format_that_is_checked_here(vectors):
    assert vectors["format"] == "headrace-plan-vectors/1"
    assert set(vectors) == {"format", "made", "mix32", "keys", "permutations", "weights", "settled", "schedules"}


def test_words_and_keys(vectors):
    assert vectors["mix32"] and vectors["keys"]
    for entry in vectors["mix32"]:
        assert mix32(np.array([entry["x"]], dtype=np.uint32)).tolist() == [entry["y"]]
    for entry in vectors["keys"]:
        key = key_of(*entry["parts"])
        assert list(key) == entry["words"]
        for at in entry["at"]:
            index = np.array([at["index"]], dtype=np.uint32)
            word = mix32(mix32(index + np.uint32(key.k0)) ^ np.uint32(key.k1))
            assert word.tolist() == [at["word"]]
        for offset in entry["offsets"]:
            assert offset_of(key, offset["tokens"]) == offset["offset"]


def test_permutations(vectors):
    assert vectors["permutations"]
    for entry in vectors["permutations"]:
        key, n = key_of(*entry["parts"]), entry["n"]
        count = len(entry["first"])
        assert permute(key, n, np.arange(count)).tolist() == entry["first"]
        assert permute(key, n, np.arange(n - count, n)).tolist() == entry["last"]
        if "hash" in entry:
            assert hash_of(permute(key, n, np.arange(n)).tolist()) == entry["hash"]


def test_weights_and_settling(vectors):
    assert vectors["weights"] and vectors["settled"]
    for entry in vectors["weights"]:
        assert weight_parts(entry["weights"]) == entry["parts"]
    for entry in vectors["settled"]:
        assert settle(entry["deficits"], entry["parts"]) == entry["carry"]


def test_schedules_are_appended_to_the_same_stages(vectors):
    for case in vectors["schedules"]:
        schedule = parse_schedule({"header": case["schedule"]["header"], "stages": []})
        assert schedule.hash == case["headerHash"]
        for request in case["requests"]:
            weights = divided(dict(zip(schedule.header.domains, request["weights"])))
            origin = {name: request[name] for name in ("measuredAt", "lag") if name in request}
            assert request["fromBatch"] == schedule.end.batch
            schedule = append_stage(schedule, request["untilBatch"], weights, request["cause"], origin)
        for change in case.get("changes", []):
            schedule = CHANGES[change.pop("kind")](schedule, *change.values())
        assert schedule.document["stages"] == case["schedule"]["stages"]
        assert schedule.end == (case["end"]["batch"], case["end"]["final"])


def test_batches_row_by_row_and_their_served_hashes(vectors):
    assert vectors["schedules"]
    for case in vectors["schedules"]:
        plan = Plan(parse_schedule(case["schedule"]))
        for expected in case["batches"]:
            k = expected["batch"]
            rows = plan.batch(k)
            listed = {name: getattr(rows, name).tolist() for name in ("domains", "epochs", "rows", "starts")}
            assert rows.stage == expected["stage"]
            assert list(plan.counters(k).served) == expected["served"]
            assert plan.counts(k) == expected["counts"]
            assert plan.served_hash(rows) == expected["servedHash"]
            assert hash_of(listed) == expected["rowsHash"]
            assert all(listed[name] == expected[name] for name in listed if name in expected)
