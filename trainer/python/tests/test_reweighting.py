import json
import multiprocessing
import os
import subprocess
import sys

import pytest
from making import make_header, make_schedule, make_stage, write_run

from headrace.__main__ import main
from headrace.errors import HeadraceError
from headrace.losses import LossSum, make_report
from headrace.mixture import PARTS
from headrace.reweighting import append_stage, average_weights, next_report, reweight
from headrace.schedule import parse_schedule, read_schedule

DOMAINS = {"a": 400_000, "b": 400_000, "c": 400_000}
POLICY = {
    "kind": "loss-driven",
    "name": "custom",
    "rule": "softmax",
    "eta": 1,
    "smoothing": 1e-4,
    "initial": {"a": 0.5, "b": 0.25, "c": 0.25},
    "reference": {"source": "a test", "losses": {"a": 2, "b": 2, "c": 2}},
    "everyTokens": 320,
    "everyBatches": 10,
    "rails": {"floorRows": 1, "ceiling": 0.9, "step": 2},
}


def make_run(folder, until_batch=12, **changes):
    document = make_schedule(DOMAINS, [0.5, 0.25, 0.25], until_batch=until_batch, batches=40, policy=POLICY, **changes)
    return write_run(str(folder), document)


def report_at(batch, a=2.5, b=2.0, c=1.5):
    return make_report(
        batch, "validation", {"a": LossSum(a * 10, 10), "b": LossSum(b * 10, 10), "c": LossSum(c * 10, 10)}
    )


def test_a_report_appends_the_next_stage_where_the_decided_part_ends(tmp_path):
    run = make_run(tmp_path / "run")
    before = read_schedule(run)
    assert next_report(before) == 10
    result = reweight(run, report_at(10))
    stage = result.stage
    assert result.appended and stage == read_schedule(run).stages[1]
    assert (stage.from_batch, stage.until_batch, stage.measured_at, stage.lag) == (12, 22, 10, 2)
    assert sum(stage.weights) == PARTS
    assert stage.weights[0] > PARTS // 2 > stage.weights[1] > stage.weights[2]
    assert stage.cause["losses"] == {"a": 2.5, "b": 2.0, "c": 1.5}
    assert next_report(result.schedule) == 20
    result.schedule.check_extends(1, before.hash)
    assert json.loads((tmp_path / "run/reports/00000010.json").read_text()) == report_at(10)
    assert sorted(os.listdir(run)) == ["reports", "schedule.json"]


def test_the_first_report_of_a_batch_stays_whoever_sends_another(tmp_path):
    run = make_run(tmp_path / "run")
    first = reweight(run, report_at(10))
    again = reweight(run, report_at(10, a=9))
    assert not again.appended
    assert (again.stage, again.report) == (first.stage, first.report)


def test_a_report_recorded_before_a_crash_decides(tmp_path):
    run = make_run(tmp_path / "run")
    other = make_run(tmp_path / "other")
    os.makedirs(os.path.join(run, "reports"))
    with open(os.path.join(run, "reports/00000010.json"), "w", encoding="utf-8") as file:
        json.dump(report_at(10, a=1), file)
    assert reweight(run, report_at(10, a=3)).stage.weights == reweight(other, report_at(10, a=1)).stage.weights


def test_the_last_interval_ends_with_the_run_and_a_last_report_changes_nothing(tmp_path):
    run = make_run(tmp_path / "run", until_batch=10)
    for batch in (10, 20, 30):
        stage = reweight(run, report_at(batch)).stage
    assert stage.until_batch == 40
    last = reweight(run, report_at(40))
    assert (last.stage, last.appended, len(last.schedule.stages)) == (None, False, 4)


@pytest.mark.parametrize(
    "report, message",
    [
        (report_at(9), "was measured at batch 9; the next stage needs one measured at batch 10  .ERR_SCHEDULE."),
        (
            report_at(10, b=float("nan")),
            'loss report at batch 10 has loss nan for domain "b"; a loss is finite and >= 0',
        ),
        (
            {**report_at(10), "domains": {"a": {"lossSum": 1, "tokens": 1}}},
            'has no loss for domain "b"; evaluate every domain  .ERR_LOSS.',
        ),
        (
            {**report_at(10), "domains": {"x": {"lossSum": 1, "tokens": 1}}},
            'has a loss for "x", which the schedule does not know',
        ),
        ({**report_at(10), "format": "headrace-report/2"}, "loss report.format is"),
    ],
)
def test_a_bad_report_changes_nothing(tmp_path, report, message):
    run = make_run(tmp_path / "run")
    before = (tmp_path / "run/schedule.json").read_bytes()
    with pytest.raises(HeadraceError, match=message):
        reweight(run, report)
    assert (tmp_path / "run/schedule.json").read_bytes() == before
    assert os.listdir(run) == ["schedule.json"]


def _reweight(run, a):
    return reweight(run, report_at(10, a=a)).appended


def test_of_callers_at_the_same_time_one_appends(tmp_path):
    run = make_run(tmp_path / "run")
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        appended = pool.starmap(_reweight, [(run, 2 + i / 10) for i in range(6)])
    assert sum(appended) == 1
    assert len(read_schedule(run).stages) == 2


def test_the_lock_of_a_process_that_died_is_taken_over_and_that_of_another_machine_respected(tmp_path):
    run = make_run(tmp_path / "run")
    lock = tmp_path / "run/schedule.lock"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    import socket

    lock.write_text(json.dumps({"pid": dead.pid, "host": socket.gethostname(), "started": "1"}))
    assert reweight(run, report_at(10)).appended
    lock.write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": None}))
    with pytest.raises(
        HeadraceError,
        match="schedule.lock is held by process 1 on elsewhere; wait for it to end, or remove the file if it has  .ERR_LOCKED.",
    ):
        reweight(run, report_at(20), wait_seconds=0.1)


def append_open(tokens, weights, exhaustion, until=None):
    empty = parse_schedule({"header": make_header(tokens, exhaustion=exhaustion), "stages": []})
    return append_stage(empty, until, dict(zip(tokens, weights)), {"kind": "initial"}, {})


def test_a_stage_is_split_where_a_domain_runs_out_and_its_weight_goes_to_the_others():
    # 8 rows a batch: b gives 2 a batch and has 5, so batch 2 would take it past; then a and c share as 1 to 1.
    schedule = append_open(
        {"a": 400, "b": 20, "c": 400}, [0.375, 0.25, 0.375], {"policy": "redistribute", "epochs": None}, 20
    )
    first, second = schedule.stages
    assert (first.until_batch, second.from_batch, second.until_batch) == (2, 2, 20)
    assert second.cause == {"kind": "exhausted", "domains": ["b"]}
    assert second.weights == (PARTS // 2, 0, PARTS // 2)
    assert second.start.served == (6, 4, 6)


def test_a_run_stops_or_is_refused_where_a_domain_runs_out():
    stopped = append_open({"a": 400, "b": 20}, [0.75, 0.25], {"policy": "stop", "epochs": 3})
    assert stopped.end == (7, True)
    assert stopped.stages[1].cause == {"kind": "stop", "domains": ["b"]}
    with pytest.raises(
        HeadraceError, match="b would run out of rows in batch 2 .at 64 tokens.; lower the weight.*  .ERR_EXHAUSTED."
    ):
        append_open({"a": 400, "b": 20}, [0.75, 0.25], {"policy": "error", "epochs": None})


def test_when_everything_is_exhausted_the_run_stops():
    schedule = append_open({"a": 36, "b": 40}, [0.5, 0.5], {"policy": "repeat", "epochs": 2})
    assert [stage.cause["kind"] for stage in schedule.stages] == ["initial", "stop"]
    assert schedule.end == (4, True)
    assert schedule.stages[1].cause["domains"] == ["a", "b"]


def test_a_withdrawn_domain_stays_out(tmp_path):
    policy = {**POLICY, "initial": {"a": 0.5, "b": 0.5, "c": 0}}
    document = make_schedule(DOMAINS, [0.5, 0.5, 0], until_batch=10, batches=40, policy=policy)
    run = write_run(str(tmp_path / "run"), document)
    stage = reweight(run, report_at(10)).stage
    assert stage.weights[2] == 0
    assert [action["rail"] for action in stage.cause["rails"]] == ["repeat"]


def test_a_static_policy_records_the_report_and_no_stage(tmp_path):
    run = write_run(str(tmp_path / "run"), make_schedule(DOMAINS, [0.5, 0.25, 0.25], batches=40))
    result = reweight(run, report_at(7))
    assert (result.stage, result.appended) == (None, False)
    assert (tmp_path / "run/reports/00000007.json").exists()


def test_the_command_line_prints_the_new_state_or_one_line(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report_at(10)))
    assert main(["reweight", run, "--report", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "appended": True,
        "stages": 2,
        "hash": read_schedule(run).hash,
        "fromBatch": 12,
    }
    path.write_text(json.dumps(report_at(5)))
    assert main(["reweight", run, "--report", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_stage_with_a_stage_before_it_carries_its_counters():
    document = make_schedule({"a": 4000, "b": 4000}, [0.5, 0.5], until_batch=3)
    document["stages"].append(make_stage(document, [PARTS, 0], 3, 5, [12, 12], [0, 0]))
    schedule = append_stage(parse_schedule(document), 9, {"a": 0.25, "b": 0.75}, {"kind": "step"}, {})
    assert schedule.stages[2].start.served == (28, 12)


def test_the_mean_of_the_updates_is_what_the_next_run_may_start_from(tmp_path):
    run = make_run(tmp_path / "run")
    with pytest.raises(HeadraceError, match="no update was made in this run"):
        average_weights(read_schedule(run))
    stages = [reweight(run, report_at(batch)).stage for batch in (10, 20)]
    mean = average_weights(read_schedule(run))
    for i, name in enumerate("abc"):
        assert mean[name] == pytest.approx((stages[0].weights[i] + stages[1].weights[i]) / (2 * PARTS), abs=1e-15)
    assert sum(mean.values()) == pytest.approx(1, abs=1e-15)
