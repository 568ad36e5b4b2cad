import numpy as np
import pytest
from making import make_schedule, make_stage
from test_keys import scalar_mix32

from headrace.errors import HeadraceError
from headrace.keys import key_of, offset_of
from headrace.mixture import PARTS, allocate, weight_parts
from headrace.permutation import permute
from headrace.plan import Plan, add_served, rank_positions, served_hashes
from headrace.schedule import parse_schedule

TOKENS = {"commoncrawl": 200_000, "c4": 30_003, "github": 41}
WEIGHTS = [0.6, 0.35, 0.05]


def make_plan(tokens=TOKENS, weights=WEIGHTS, **changes):
    return Plan(parse_schedule(make_schedule(tokens, weights, **{"batchRows": 24, **changes})))


def by_the_page(schedule, batch):
    """Section 3.2 word for word, a row at a time."""
    header, stage = schedule.header, schedule.stages[0]
    served, deficits = [0] * len(header.domains), [0] * len(header.domains)
    for _ in range(batch + 1):
        before = list(served)
        counts, deficits = allocate(deficits, stage.weights, header.batch_rows)
        served = [x + q for x, q in zip(served, counts)]
    slots = [(domain, j) for domain, count in enumerate(counts) for j in range(count)]
    order = permute(key_of("batch", header.seed, batch), header.batch_rows, np.arange(header.batch_rows))
    rows = []
    for slot in order.tolist():
        domain, j = slots[slot]
        ordinal = before[domain] + j
        n = header.tokens[domain] // header.row_tokens
        epoch = ordinal // n
        key = key_of("order", header.seed, header.domains[domain], epoch)
        row = int(permute(key, n, np.array([ordinal % n]))[0])
        start = (offset_of(key, header.tokens[domain]) + row * header.row_tokens) % header.tokens[domain]
        rows.append((domain, epoch, row, start))
    return rows


def listed(rows):
    return list(zip(rows.domains.tolist(), rows.epochs.tolist(), rows.rows.tolist(), rows.starts.tolist()))


@pytest.mark.parametrize("batch", [0, 1, 17, 200])
def test_a_batch_is_what_the_page_says_row_by_row(batch):
    plan = make_plan()
    assert listed(plan.batch(batch)) == by_the_page(plan.schedule, batch)


def test_a_batch_larger_than_a_table_is_what_the_page_says():
    plan = make_plan(batchRows=4100)
    assert listed(plan.batch(2)) == by_the_page(plan.schedule, 2)


def test_a_batch_is_the_same_fresh_or_after_others():
    plan = make_plan()
    forwards = [listed(plan.batch(k)) for k in range(30)]
    for k in (29, 3, 17):
        assert listed(make_plan().batch(k)) == forwards[k]
        assert listed(plan.batch(k)) == forwards[k]


@pytest.mark.parametrize(
    "tokens, weights, changes",
    [
        (TOKENS, WEIGHTS, {}),  # tables and networks together, several epochs inside a block
        (
            {"a": 80_000, "b": 90_001, "c": 3},
            [0.75, 0.25, 0],
            {"batches": 150},
        ),  # an end inside a block, an empty domain
        ({"a": 400, "b": 400, "c": 400}, [0.995, 0.004, 0.001], {}),  # weights under a row a batch
        ({"a": 5_000_000_000, "b": 70_000}, [0.5, 0.5], {"batchRows": 4100}),  # a batch larger than a table
    ],
)
@pytest.mark.parametrize("positions", [None, [3, 1, 22]])
def test_a_block_is_its_batches_one_by_one(tokens, weights, changes, positions):
    plan = make_plan(tokens, weights, **changes)
    positions = None if positions is None else np.array(positions)
    most = 40 if "batchRows" not in changes else 3
    block = plan.block(120, most, positions)
    end = plan.schedule.header.batches
    assert len(block) == (most if end is None else min(most, end - 120))
    hashes = served_hashes(plan.schedule.header.domains, block)
    for i in range(len(block)):
        one = make_plan(tokens, weights, **changes).block(120 + i, 1, positions)[0]
        assert (block[i].batch, block[i].stage, listed(block[i])) == (120 + i, 0, listed(one))
        assert hashes[i] == plan.served_hash(one)


def test_a_block_ends_where_the_stage_does():
    document = make_schedule({"a": 400, "b": 400}, [0.5, 0.5], until_batch=10, batchRows=4, batches=20)
    document["stages"].append(make_stage(document, weight_parts([0.25, 0.75]), 10, None, [20, 20], [0, 0]))
    plan = Plan(parse_schedule(document))
    assert [len(plan.block(k, 8)) for k in (0, 5, 9, 10, 15)] == [8, 5, 1, 8, 5]
    assert plan.block(9, 8).stage == 0 and plan.block(10, 8).stage == 1


def test_every_row_of_every_epoch_is_served_once():
    plan = make_plan({"a": 403, "b": 82}, [0.7, 0.3], batchRows=10)
    seen = [row[:3] for k in range(100) for row in listed(plan.batch(k))]
    assert len(set(seen)) == len(seen)
    for domain, n in ((0, 100), (1, 20)):
        for epoch in range(7):
            assert sorted(row for d, e, row in seen if (d, e) == (domain, epoch)) == list(range(n))


@pytest.mark.parametrize("packed", [False, True])
def test_every_row_of_every_epoch_is_served_once_in_local_order_and_windows_keep_to_blocks(packed):
    changes = {"order": "local", "window": {"blockRows": 7, "blocks": 3}, "batchRows": 10}
    if packed:
        domains = [{"name": "a", "tokens": 403, "rows": 100}, {"name": "b", "tokens": 82, "rows": 20}]
        changes.update(packing="packed", pack="ab" * 32, domains=domains)
    plan = make_plan({"a": 403, "b": 82}, [0.7, 0.3], **changes)
    seen = [row for k in range(100) for row in listed(plan.batch(k))]
    for domain, n in ((0, 100), (1, 20)):
        for epoch in range(7):
            rows = [row for d, e, row, _ in seen if (d, e) == (domain, epoch)]
            assert sorted(rows) == list(range(n))
    # Slots of a batch are permuted, so windows are looked at in a batch of one domain whose rows are a window's.
    whole = make_plan({"a": 403}, [1], **{**changes, "batchRows": 21, **({"domains": domains[:1]} if packed else {})})
    rows = np.sort(whole.batch(0).rows)
    turned = offset_of(key_of("order", 1227, "a", 0), 100) if packed else 0
    blocks, counts = np.unique((rows - turned) % 100 // 7, return_counts=True)
    assert len(blocks) == 3 and set(counts.tolist()) == {7}


def test_no_token_is_served_twice_in_an_epoch_and_fewer_than_a_row_are_missed():
    plan = make_plan({"a": 403}, [1], batchRows=10)
    starts = np.concatenate([plan.batch(k).starts for k in range(10)])
    tokens = (starts[:, None] + np.arange(4)) % 403
    assert np.bincount(tokens.ravel(), minlength=403).max() == 1
    assert tokens.size == 400


def test_the_ranks_together_are_the_batch_and_their_hashes_add_up():
    plan = make_plan()
    whole = plan.batch(5)
    for world, micro_batch, accumulation in ((1, 24, 1), (2, 3, 4), (3, 8, 1), (24, 1, 1)):
        parts = [plan.rank(5, rank, world, micro_batch, accumulation) for rank in range(world)]
        positions = [rank_positions(24, rank, world, micro_batch, accumulation).ravel() for rank in range(world)]
        assert sorted(np.concatenate(positions).tolist()) == list(range(24))
        for part, mine in zip(parts, positions):
            assert listed(part) == [listed(whole)[p] for p in mine]
        assert add_served(*map(plan.served_hash, parts)) == plan.served_hash(whole)


def test_a_rank_takes_its_micro_batch_of_each_accumulation_step():
    assert rank_positions(24, 1, 2, 3, 4).tolist() == [[3, 4, 5], [9, 10, 11], [15, 16, 17], [21, 22, 23]]
    with pytest.raises(
        HeadraceError,
        match="world 5 x micro-batch 1 x accumulation 1 is 5, the batch has 24 rows; choose factors among its divisors 1, 2, 3, 4, 6, 8, 12, 24  .ERR_WORLD.",
    ):
        rank_positions(24, 0, 5, 1, 1)
    with pytest.raises(HeadraceError, match="rank 2 is not in a world of 2"):
        rank_positions(24, 2, 2, 12, 1)


def test_the_served_hash_is_the_sum_of_the_page():
    plan = make_plan()
    rows = plan.batch(9)
    low = high = 0
    for domain, epoch, row, _ in listed(rows):
        key = key_of("served", plan.schedule.header.domains[domain])
        low += scalar_mix32(scalar_mix32((row + key.k0) % 2**32) ^ (epoch + key.k1) % 2**32)
        high += scalar_mix32(scalar_mix32((row + key.k2) % 2**32) ^ (epoch + key.k3) % 2**32)
    assert plan.served_hash(rows) == f"{high % 2**32:08x}{low % 2**32:08x}"


def test_counters_far_into_a_stage_of_tiny_weights_are_those_of_the_walk():
    # A weight under a row a batch has no closed form: the walk is kept at checkpoints.
    plan = make_plan({"a": 400, "b": 400, "c": 400}, [0.995, 0.004, 0.001])
    deficits, served = [0, 0, 0], [0, 0, 0]
    stage = plan.schedule.stages[0]
    assert min(stage.weights) * 24 < PARTS
    walked = {}
    for k in range(2500):
        walked[k] = (tuple(served), tuple(deficits))
        counts, deficits = allocate(deficits, stage.weights, 24)
        served = [x + q for x, q in zip(served, counts)]
    for k in (2499, 0, 1023, 1024, 1025, 2048):
        assert plan.counters(k) == walked[k]


def test_rows_far_into_a_long_run_keep_exact_positions():
    plan = make_plan({"a": 600_000_000_000, "b": 300_000_000_001}, [0.5, 0.5], rowTokens=4096, batchRows=3584)
    rows = plan.batch(13_000)
    for domain, epoch, row, start in listed(rows)[:50]:
        name, tokens = plan.schedule.header.domains[domain], plan.schedule.header.tokens[domain]
        assert start == (offset_of(key_of("order", 1227, name, epoch), tokens) + row * 4096) % tokens
