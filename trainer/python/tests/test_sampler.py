import numpy as np
import pytest
from making import A, B, make_shards, make_stage, make_two_domains, write_run

from headrace.errors import HeadraceError
from headrace.mixture import PARTS
from headrace.plan import Plan, add_served
from headrace.sampler import Sampler
from headrace.schedule import parse_schedule


def stream(name):
    return [token for document in (A if name == "a" else B)[0][0] for token in document]


def test_a_batch_holds_the_planned_rows_of_the_ring(tmp_path):
    run, shards, document = make_two_domains(tmp_path, lookahead=1)
    plan = Plan(parse_schedule(document))
    sampler = Sampler(run, shards)
    for k in (0, 3, 11):
        batch, rows = sampler.batch(k), plan.batch(k)
        assert batch.tokens.shape == (8, 5)
        assert (batch.index, batch.stage, batch.position) == (k, 0, k * 32)
        for tokens, domain, start in zip(batch.tokens.tolist(), rows.domains, rows.starts):
            ring = stream("ab"[domain])
            assert tokens == [ring[(start + i) % len(ring)] for i in range(5)]


def test_the_ranks_together_are_the_global_batch(tmp_path):
    run, shards, _ = make_two_domains(tmp_path)
    whole = Sampler(run, shards).batch(4)
    for world, micro_batch, accumulation in ((2, 2, 2), (4, 1, 2), (8, 1, 1)):
        parts = [Sampler(run, shards, rank, world, micro_batch).batch(4) for rank in range(world)]
        assert all(part.steps.shape == (accumulation, micro_batch, 4) for part in parts)
        assert np.array_equal(np.concatenate([part.steps for part in parts], axis=1).reshape(8, 4), whole.tokens)
        assert add_served(*[part.served for part in parts]) == whole.served


def test_a_world_that_does_not_divide_the_batch_is_refused(tmp_path):
    run, shards, _ = make_two_domains(tmp_path)
    with pytest.raises(
        HeadraceError,
        match="world 3 x micro-batch 2 x accumulation 1 is 6, the batch has 8 rows; choose factors among its divisors 1, 2, 4, 8",
    ):
        Sampler(run, shards, world=3)
    with pytest.raises(HeadraceError, match="ERR_WORLD"):
        Sampler(run, shards, world=2, micro_batch=3)


def test_a_resumed_sampler_goes_on_as_if_it_had_not_stopped(tmp_path):
    run, shards, _ = make_two_domains(tmp_path, batches=6)
    undisturbed = [batch.tokens.tolist() for batch in Sampler(run, shards)]
    assert len(undisturbed) == 6
    first = Sampler(run, shards)
    taken = [batch.tokens.tolist() for _, batch in zip(range(2), first)]
    state = first.state_dict()
    second = Sampler(run, shards)
    second.load_state_dict(state)
    assert state["batch"] == 2
    assert taken + [batch.tokens.tolist() for batch in second] == undisturbed


def test_batches_in_order_and_at_random_are_the_same(tmp_path):
    run, shards, _ = make_two_domains(tmp_path, lookahead=1)
    ordered = [batch for _, batch in zip(range(300), Sampler(run, shards, rank=1, world=2))]
    jumping = Sampler(run, shards, rank=1, world=2)
    for k in (0, 299, 1, 2, 3, 7, 6, 128, 129, 130, 131, 255):
        assert np.array_equal(jumping.batch(k).tokens, ordered[k].tokens)
        assert (jumping.batch(k).served, jumping.batch(k).index) == (ordered[k].served, k)
        assert np.array_equal(jumping.batch(k).rows, ordered[k].rows)


def test_a_state_of_another_run_is_refused(tmp_path):
    run, shards, _ = make_two_domains(tmp_path)
    state = Sampler(run, shards).state_dict()
    other = Sampler(*make_two_domains(tmp_path, seed=5)[:2])
    with pytest.raises(HeadraceError, match="it belongs to another run or branch  .ERR_SCHEDULE."):
        other.load_state_dict(state)


def test_other_shards_than_the_schedule_was_made_for_are_refused(tmp_path):
    run, shards, document = make_two_domains(tmp_path)
    make_shards(shards, {"train": {"b": B, "a": B}})
    with pytest.raises(
        HeadraceError,
        match="the schedule was made for .*; name the shards it was made for, or start a new run on these  .ERR_MANIFEST.",
    ):
        Sampler(run, shards)
    make_shards(shards, {"train": {"b": B}})
    with pytest.raises(HeadraceError, match='the schedule draws on domain "a", .* has b;'):
        Sampler(run, shards)


def test_an_undecided_batch_waits_for_its_stage_and_never_guesses(tmp_path):
    run, shards, document = make_two_domains(tmp_path, until_batch=2)
    sampler = Sampler(run, shards, wait_seconds=0.05)
    assert [batch.index for _, batch in zip(range(2), sampler)] == [0, 1]
    with pytest.raises(
        HeadraceError,
        match="batch 2 was not decided within 0.05 s; the schedule decides 2 batches: send the loss report that is due, or wait longer  .ERR_UNDECIDED.",
    ):
        sampler.batch(2)
    document["stages"].append(make_stage(document, [PARTS, 0], 2, 4, [8, 8], [0, 0]))
    write_run(run, document)
    batch = sampler.batch(2)
    assert (batch.stage, set(batch.domains.tolist())) == (1, {0})
    with pytest.raises(HeadraceError, match="batch 4 is not decided yet"):
        Sampler(parse_schedule(document), shards).batch(4)


def test_a_stage_that_stops_the_run_ends_the_iteration(tmp_path):
    run, shards, document = make_two_domains(tmp_path, until_batch=2)
    sampler = Sampler(run, shards, wait_seconds=0)
    batches = iter(sampler)
    assert [next(batches).index, next(batches).index] == [0, 1]
    document["stages"].append(
        make_stage(document, [0, 0], 2, None, [8, 8], [0, 0], cause={"kind": "stop", "domains": ["a"]})
    )
    write_run(run, document)
    assert list(batches) == []


def test_a_batch_knows_its_documents(tmp_path):
    run, shards, _ = make_two_domains(tmp_path)
    batch = Sampler(run, shards).batch(0)
    for row, (tokens, domain) in enumerate(zip(batch.tokens.tolist(), batch.domains)):
        expected = [i for i, token in enumerate(tokens) if (token % 3 == 0 if domain == 0 else token == 100)]
        assert batch.document_starts(row).tolist() == expected
        assert batch.position_ids(row).tolist() == [
            i - max([j for j in expected if j <= i], default=0) for i in range(4)
        ]


def test_prefetching_asks_for_each_batch_once_and_for_no_more_than_was_said(tmp_path):
    run, shards, _ = make_two_domains(tmp_path, batches=12, lookahead=1)
    with Sampler(run, shards) as plain, Sampler(run, shards, prefetch=3) as ahead:
        asked = []
        advise = ahead.reader.prefetch
        ahead.reader.prefetch = lambda places: (asked.append(list(zip(places.domains, places.starts))), advise(places))[
            1
        ]
        for k in range(12):
            assert ahead.batch(k).tokens.tolist() == plain.batch(k).tokens.tolist()
            assert len(asked) == min(11, k + 3)
        rows = [plain.plan_rows(k) for k in range(1, 12)]
        streams = [plain.reader.domain(name) for name in plain.domains]
        expected = [[(streams[d], s) for d, s in zip(r.domains.tolist(), r.starts.tolist())] for r in rows]
        assert asked == expected
        ahead.batch(2)
        assert asked[11:] == expected[2:5]


def test_prefetching_never_waits_for_a_stage(tmp_path):
    run, shards, _ = make_two_domains(tmp_path, until_batch=3, batches=12)
    with Sampler(run, shards, wait_seconds=0, prefetch=8) as sampler:
        for k in range(3):
            assert len(sampler.batch(k).tokens) == 8
        with pytest.raises(HeadraceError, match="ERR_UNDECIDED"):
            sampler.batch(3)
