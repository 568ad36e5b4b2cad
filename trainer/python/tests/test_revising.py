"""Changes of a run under way: batches of another size and data passed over reach every sampler and dataset; folders are changed once and safely."""

import hashlib
import os

import numpy as np
import pytest
from making import make_schedule, make_shards, write_run

from headrace.errors import HeadraceError
from headrace.lock import holding
from headrace.losses import LossSum, make_report
from headrace.mixture import PARTS
from headrace.own_policy import OwnPolicy, load_policy, own_mix
from headrace.plan import Plan, add_served
from headrace.revising import branch_run, end_at, resize, revise_run, skip
from headrace.sampler import Sampler
from headrace.schedule import parse_schedule, read_schedule


@pytest.fixture
def shards(tmp_path):
    folder = str(tmp_path / "shards")
    documents = [[list(range(i, i + 40)) for i in range(0, 400, 40)]]
    os.makedirs(folder)
    manifest = make_shards(folder, {"train": {"a": [documents], "b": [documents]}})
    return folder, manifest["fingerprint"]


def schedule_of(fingerprint, **changes):
    document = make_schedule({"a": 400, "b": 400}, [0.7, 0.3], batches=20, shards=fingerprint, **changes)
    return parse_schedule(document)


def serve(run, schedule, until):
    plan = Plan(schedule)
    with open(os.path.join(run, "served.log"), "w", encoding="ascii") as file:
        file.writelines(f"{k} {plan.served_hash(plan.batch(k))}\n" for k in range(until))


def test_ranks_share_batches_of_every_size(shards):
    folder, fingerprint = shards
    schedule = resize(schedule_of(fingerprint), 7, 16)
    with Sampler(schedule, folder) as alone:
        samplers = [Sampler(schedule, folder, rank, 2, 2, 2) for rank in range(2)]
        for k in (0, 6, 7, 19):
            parts = [sampler.batch(k) for sampler in samplers]
            assert len(parts[0].tokens) == (4 if k < 7 else 8)
            assert add_served(*(part.served for part in parts)) == alone.batch(k).served
            assert parts[0].steps.shape[:2] == (samplers[0].steps_of(k), 2)
            assert parts[0].position == min(k, 7) * 8 * 4 + max(0, k - 7) * 16 * 4
        assert [samplers[0].locate(i) for i in (0, 13, 14, 17, 18)] == [(0, 0), (6, 1), (7, 0), (7, 3), (8, 0)]
        assert all(samplers[0].steps_before(k) + s == i for i in range(60) for k, s in [samplers[0].locate(i)])
        for sampler in samplers:
            sampler.close()
    with pytest.raises(HeadraceError, match=r"ERR_WORLD|divisors"):
        Sampler(schedule, folder, 0, 8, 2)
    with pytest.raises(HeadraceError, match="the batch has 10 rows"):
        Sampler(resize(schedule_of(fingerprint), 7, 10), folder, 0, 4)


def test_a_sampler_refuses_a_change_of_what_it_has_given(shards):
    folder, fingerprint = shards
    schedule = schedule_of(fingerprint)
    with Sampler(schedule, folder) as sampler:
        sampler.batch(9)
        with pytest.raises(
            HeadraceError, match="revises the plan from batch 9 on, and this sampler has given 10 batches"
        ):
            sampler.extend(skip(schedule, 9, 12))
        sampler.extend(skip(schedule, 10, 12))
        assert sampler.batch(10).index == 10


def test_datasets_walk_batches_of_several_sizes_whatever_the_workers(shards):
    torch_data = pytest.importorskip("headrace.torch_data")
    folder, fingerprint = shards
    schedule = end_at(skip(resize(schedule_of(fingerprint), 3, 16), 4, 6), 7)

    def items(workers=0, state=None):
        dataset = torch_data.StepDataset(schedule, folder, 1, 2, 2)
        loader = torch_data.StepLoader(dataset, num_workers=workers)
        if state is not None:
            loader.load_state_dict(state)
        for item in loader:
            yield (item["batch"], item["step"], item["steps"], item["input_ids"].tolist()), loader.state_dict()

    whole = list(items())
    assert [item[:3] for item, _ in whole] == [
        (k, step, steps) for k in range(7) for steps in [2 if k < 3 else 4] for step in range(steps)
    ]
    assert [item for item, _ in items(2)] == [item for item, _ in whole]
    for at in (1, 5, 6, 8, len(whole) - 2):
        rest = [item for item, _ in items(state=whole[at][1])]
        assert rest == [item for item, _ in whole[at + 1 :]]
    rows = torch_data.RowDataset(schedule, folder)
    assert len(rows) == 3 * 8 + 4 * 16
    plan, with_reader = Plan(schedule), Sampler(schedule, folder)
    expected = np.concatenate([with_reader.batch(k).tokens for k in range(7)])
    assert [rows[i]["input_ids"].tolist() for i in range(len(rows))] == expected.tolist()
    assert len(plan.batch(3)) == 16
    with_reader.close()


def test_a_folder_is_changed_where_nobody_was_served_and_nobody_trains(shards, tmp_path):
    _, fingerprint = shards
    schedule = schedule_of(fingerprint)
    run = write_run(str(tmp_path / "run"), schedule.document)
    serve(run, schedule, 9)
    with pytest.raises(HeadraceError, match="batch 8 was served: 9 batches are acknowledged"):
        revise_run(run, lambda known: skip(known, 8, 10), 8)
    with pytest.raises(HeadraceError, match="the change begins at batch 8, and 9 batches are acknowledged"):
        revise_run(run, lambda known: skip(known, 8, 10), 9)
    with holding(os.path.join(run, "train.lock"), 0), pytest.raises(HeadraceError, match="train.lock"):
        revise_run(run, lambda known: skip(known, 9, 10), 9)
    longer = revise_run(run, lambda known: skip(known, 9, 12, "spike"), 9)
    assert read_schedule(run).hash == longer.hash
    assert longer.stages[-1].revises == {"kind": "skip", "untilBatch": 12, "note": "spike"}


def test_a_branch_shares_what_was_served_and_passes_over_what_the_other_run_held(shards, tmp_path):
    _, fingerprint = shards
    schedule = schedule_of(fingerprint)
    run = write_run(str(tmp_path / "run"), schedule.document)
    serve(run, schedule, 15)
    out = str(tmp_path / "branch")
    made = branch_run(run, 5, out, skipping=(6, 9))
    assert read_schedule(out).hash == made.hash
    with open(os.path.join(out, "served.log"), encoding="ascii") as file:
        assert len(file.readlines()) == 5
    counts = np.sum([Plan(schedule).counts(k) for k in (6, 7, 8)], axis=0)
    assert made.stages[-1].skipped == tuple(counts.tolist())
    assert made.stages[-2].revises == {"kind": "branch", "parent": schedule.hash, "stages": 1}
    with pytest.raises(HeadraceError, match="not empty"):
        branch_run(run, 5, out)
    with pytest.raises(HeadraceError, match="branch at 15 or before"):
        branch_run(run, 16, str(tmp_path / "other"))


def test_a_policy_of_ones_own_is_a_file_with_a_function(tmp_path, shards):
    _, fingerprint = shards
    schedule = schedule_of(fingerprint)
    mine = tmp_path / "mine.py"
    mine.write_text("def weights(state):\n    return {name: loss for name, loss in state['losses'].items()}\n")
    policy = load_policy(mine)
    report = make_report(6, "validation", {"a": LossSum(30, 10), "b": LossSum(10, 10)})
    stage = own_mix(schedule, 8, report, policy, rails=None).stages[-1]
    assert (stage.from_batch, stage.weights) == (8, (3 * PARTS // 4, PARTS // 4))
    assert stage.cause["policy"] == {"name": "mine.py", "sha256": hashlib.sha256(mine.read_bytes()).hexdigest()}
    assert (stage.cause["losses"], stage.cause["measuredAt"]) == ({"a": 3.0, "b": 1.0}, 6)
    railed = own_mix(schedule, 8, report, OwnPolicy("p", "0", lambda state: {"a": 0, "b": 1})).stages[-1]
    assert railed.cause["rails"] and railed.weights[1] == pytest.approx(0.6 * PARTS, rel=0.2)
    for given in ({"a": 1}, {"a": 0, "b": 0}, {"a": -1, "b": 2}):
        with pytest.raises(HeadraceError, match="ERR_WEIGHTS"):
            own_mix(schedule, 8, report, OwnPolicy("p", "0", lambda state, given=given: given))
    with pytest.raises(HeadraceError, match="measured at batch 6, after the batch 5"):
        own_mix(schedule, 5, report, policy)
    mine.write_text("x = 1\n")
    with pytest.raises(HeadraceError, match=r"has no function `weights\(state\)`"):
        load_policy(mine)
