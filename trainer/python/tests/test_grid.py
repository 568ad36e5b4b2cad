"""The same batches whoever takes them: over world sizes, data workers, prefetch depths and kill points, in a run that was changed under way."""

import itertools
import json
import os

import numpy as np
import pytest
from making import make_schedule, make_shards

from headrace.revising import end_at, resize, skip, withdraw
from headrace.sampler import Sampler
from headrace.schedule import parse_schedule

torch_data = pytest.importorskip("headrace.torch_data")

END = 9


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A schedule with batches passed over, grown, and a domain withdrawn, its shards, and the tokens of each of its batches."""
    folder = str(tmp_path_factory.mktemp("grid") / "shards")
    os.makedirs(folder)
    streams = {
        name: [[[list(range(first + i, first + i + 30)) for i in range(0, 600, 30)]]]
        for first, name in enumerate("abc", 1)
    }
    manifest = make_shards(folder, {"train": {name: batches for name, batches in streams.items()}})
    tokens = dict.fromkeys("abc", 600)
    document = make_schedule(tokens, [0.5, 0.3, 0.2], batches=20, shards=manifest["fingerprint"])
    schedule = skip(resize(parse_schedule(document), 2, 16), 4, 6, "loss spike")
    schedule = end_at(withdraw(resize(schedule, 5, 32), 7, ["b"]), END)
    with Sampler(schedule, folder) as sampler:
        return schedule, folder, [sampler.batch(k).tokens for k in range(END)]


def taken(run, world, workers, depth, state=None, until=None):
    """What the ranks of a world are given: {(batch, rank): steps}, and each rank's state after `until` of the batches (None: after all)."""
    schedule, folder, _ = run
    given, states = {}, []
    for rank in range(world):
        dataset = torch_data.StepDataset(schedule, folder, rank, world, micro_batch=2)
        options = {"num_workers": workers, "prefetch_factor": depth} if workers else {}
        loader = torch_data.StepLoader(dataset, **options)
        if state is not None:
            loader.load_state_dict(json.loads(json.dumps(state)))
        for item in loader:
            given.setdefault((item["batch"], rank), []).append(item["input_ids"].numpy())
            if item["batch"] + 1 == until and item["step"] + 1 == item["steps"]:
                break
        states.append(loader.state_dict())
    return given, states


def served(given, world):
    """The batches as they are put together from the ranks' steps, in served order."""
    batches = sorted({batch for batch, _ in given})
    return {k: np.concatenate(list(itertools.chain(*zip(*(given[k, rank] for rank in range(world)))))) for k in batches}


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("workers, depth", [(0, 1), (2, 1), (2, 4)])
def test_the_served_batches_are_the_plans(run, world, workers, depth):
    batches = served(taken(run, world, workers, depth)[0], world)
    assert sorted(batches) == list(range(END))
    for k, tokens in enumerate(run[2]):
        assert batches[k].tolist() == tokens.tolist(), f"batch {k}"
    assert [len(tokens) for tokens in run[2]] == [8] * 2 + [16] * 3 + [32] * 4


@pytest.mark.parametrize("killed_at", [1, 2, 4, 5, 7, 8])
def test_a_run_killed_and_resumed_by_another_world_serves_the_same(run, killed_at):
    before, states = taken(run, 4, 2 if killed_at % 2 else 0, 3, until=killed_at)
    assert all(state["batch"] == killed_at and state["step"] == 0 for state in states)
    after, _ = taken(run, 2, 0, 1, states[0])
    batches = {**served(before, 4), **served(after, 2)}
    assert [batches[k].tolist() for k in range(END)] == [tokens.tolist() for tokens in run[2]]
    assert min(k for k, _ in after) == killed_at
