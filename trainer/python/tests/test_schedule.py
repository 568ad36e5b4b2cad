import copy

import pytest
from making import make_schedule, make_stage, write_run

from headrace.errors import HeadraceError
from headrace.keys import hash_of
from headrace.mixture import PARTS, weight_parts
from headrace.schedule import parse_schedule, read_schedule, stage_hash


def two_stages():
    document = make_schedule({"a": 400, "b": 400, "c": 400}, [0.5, 0.3, 0.2], until_batch=3)
    # 24 rows at .5 .3 .2, in parts: 12, 7.2, 4.8; c is withdrawn, and what it had too much comes from b, which is owed most.
    exact = [weight * 24 for weight in document["stages"][0]["weights"]]
    served = [12, 7, 5]
    owed = [target - count * PARTS for target, count in zip(exact, served)]
    weights = weight_parts([0.25, 0.75, 0])
    carry = [owed[0], owed[1] + owed[2], 0]
    document["stages"].append(make_stage(document, weights, 3, None, served, carry))
    return document


def test_a_schedule_reads_with_its_chain_and_its_recomputed_counters(tmp_path):
    document = two_stages()
    schedule = read_schedule(write_run(tmp_path / "run", document))
    assert [stage.from_batch for stage in schedule.stages] == [0, 3]
    assert schedule.stages[1].start.served == (12, 7, 5)
    assert schedule.hash == document["stages"][1]["hash"]
    assert schedule.hash_after(0) == hash_of(document["header"])
    assert [schedule.stage_of(k) for k in (0, 2, 3, 1000)] == [0, 0, 1, 1]
    assert schedule.end == (None, True)


def changed(change, rehash=True):
    document = copy.deepcopy(two_stages())
    change(document)
    if rehash:
        previous = hash_of(document["header"])
        for stage in document["stages"]:
            stage["hash"] = previous = stage_hash(previous, stage)
    return document


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda d: d["stages"][1].update(served=[12, 6, 6]),
            r"stages\[1\].served is \[12,6,6\], what lies before it gives \[12,7,5\]",
        ),
        (lambda d: d["stages"][1]["carry"].__setitem__(2, 1), r"stages\[1\].carry is"),
        (lambda d: d["stages"][1].update(fromTokens=1), r"stages\[1\].fromTokens is 1, what lies before it gives 96"),
        (lambda d: d["stages"][1].update(fromBatch=4), r"stages\[1\].fromBatch is 4, the stage before ends at 3"),
        (
            lambda d: d["stages"][0].update(untilBatch=None),
            r"stages\[1\] follows a stage that decides the run to its end at batch None",
        ),
        (lambda d: d["stages"][0].update(untilBatch=0), r"stages\[0\] ends at batch 0, before it begins at 0"),
        (
            lambda d: d["stages"][0]["weights"].__setitem__(0, 1),
            r"stages\[0\].weights sum to \d+; they must sum to 16777216",
        ),
        (
            lambda d: d["stages"][0]["weights"].__setitem__(0, -1),
            r"stages\[0\].weights\[0\] is -1; expected a whole number",
        ),
        (lambda d: d["stages"][0]["weights"].pop(), r"stages\[0\].weights is .*; expected a list of 3"),
        (
            lambda d: d["stages"][1]["cause"].update(kind="stop"),
            r"stages\[1\] stops the run; its untilBatch must be null and its weights 0",
        ),
        (lambda d: d["header"].update(algorithm=2), "header.algorithm is 2; expected one of 1"),
        (lambda d: d["header"].update(format="headrace-schedule/2"), "header.format is"),
        (lambda d: d["header"].update(rowTokens=0), "header.rowTokens is 0; expected a whole number from 1"),
        (lambda d: d["header"].pop("seed"), "header.seed is absent"),
        (
            lambda d: d["header"]["domains"][0].update(tokens=3),
            'gives weight to "a", whose stream is shorter than a row of 4 tokens',
        ),
    ],
)
def test_a_schedule_that_contradicts_itself_is_refused_with_the_field_named(change, message):
    with pytest.raises(HeadraceError, match=message):
        parse_schedule(changed(change))


def test_any_byte_changed_under_a_hash_is_found():
    for change in (
        lambda d: d["header"].update(seed=1),
        lambda d: d["stages"][0]["cause"].update(note="x"),
        lambda d: d["stages"][1].update(lag=1),
    ):
        with pytest.raises(HeadraceError, match=r"hash is .* what lies before it gives"):
            parse_schedule(changed(change, rehash=False))


def test_a_schedule_extends_the_states_it_grew_from_and_no_other():
    schedule = parse_schedule(two_stages())
    for stages in (0, 1, 2):
        schedule.check_extends(stages, schedule.hash_after(stages))
    with pytest.raises(HeadraceError, match="belongs to another run or branch  .ERR_SCHEDULE."):
        schedule.check_extends(1, schedule.hash)
    with pytest.raises(HeadraceError, match="schedule has 2 stages, the state in hand knows 3"):
        schedule.check_extends(3, schedule.hash)


def test_batches_past_the_decided_part_are_never_guessed():
    schedule = parse_schedule(make_schedule({"a": 40}, [1], until_batch=5))
    assert schedule.stage_of(4) == 0
    with pytest.raises(
        HeadraceError,
        match="batch 5 is not decided yet; the schedule decides 5 batches: append a stage  .ERR_UNDECIDED.",
    ):
        schedule.stage_of(5)


def test_a_stop_ends_the_run_at_its_batch():
    document = make_schedule({"a": 40, "b": 40}, [0.25, 0.75], until_batch=2)
    document["stages"].append(
        make_stage(document, [0, 0], 2, None, [4, 12], [0, 0], cause={"kind": "stop", "domain": "b"})
    )
    schedule = parse_schedule(document)
    assert schedule.end == (2, True)
    with pytest.raises(HeadraceError, match="batch 2 is past the end of the run, which has 2 batches  .ERR_UNDECIDED."):
        schedule.stage_of(2)


def test_a_stage_that_gives_more_rows_than_the_exhaustion_policy_allows_is_refused():
    # 10 rows an epoch, 8 a batch: two epochs are passed in the third batch.
    limits = {"exhaustion": {"policy": "repeat", "epochs": 2}}
    parse_schedule(make_schedule({"a": 40}, [1], until_batch=2, **limits))
    with pytest.raises(
        HeadraceError, match='gives 24 rows of "a" by batch 3, at most 20 are allowed by exhaustion repeat'
    ):
        parse_schedule(make_schedule({"a": 40}, [1], until_batch=3, **limits))


def test_an_open_last_stage_ends_where_the_header_ends_the_run():
    schedule = parse_schedule(make_schedule({"a": 40}, [1], batches=7))
    assert schedule.end == (7, True)
    assert schedule.stage_of(6) == 0
    with pytest.raises(HeadraceError, match="batch 7 is past the end of the run, which has 7 batches"):
        schedule.stage_of(7)
