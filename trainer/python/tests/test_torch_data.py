import json
import os
import threading
import time

import numpy as np
import pytest
from making import make_stage, make_two_domains, write_run
from test_pack import make_packed

from headrace.errors import HeadraceError
from headrace.mixture import PARTS
from headrace.sampler import Sampler
from headrace.schedule import parse_schedule

torch = pytest.importorskip("torch", reason="the torch datasets need torch")

from torch.utils.data import DataLoader  # noqa: E402

from headrace.torch_data import IGNORED, RowDataset, StepDataset, StepLoader  # noqa: E402


def listed(item):
    return item["batch"], item["step"], item["input_ids"].tolist(), item["domains"].tolist()


def expected(run, shards, batches, **world):
    sampler = Sampler(run, shards, **world)
    return [
        (
            k,
            a,
            sampler.batch(k).steps[a].tolist(),
            sampler.batch(k).domains.reshape(sampler.accumulation, -1)[a].tolist(),
        )
        for k in range(batches)
        for a in range(sampler.accumulation)
    ]


@pytest.mark.parametrize("workers, prefetch", [(0, None), (1, 4), (3, 1), (3, 5)])
@pytest.mark.parametrize("world", [{}, {"rank": 1, "world": 2, "micro_batch": 2}])
def test_workers_and_prefetching_change_nothing(tmp_path, workers, prefetch, world):
    run, shards, _ = make_two_domains(tmp_path, batches=7, lookahead=1)
    loader = StepLoader(StepDataset(run, shards, **world), num_workers=workers, prefetch_factor=prefetch)
    assert list(map(listed, loader)) == expected(run, shards, 7, **world)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_a_plain_dataloader_gives_the_same_whatever_starts_its_workers(tmp_path, context):
    run, shards, _ = make_two_domains(tmp_path, batches=5)
    loader = DataLoader(StepDataset(run, shards), batch_size=None, num_workers=2, multiprocessing_context=context)
    assert list(map(listed, loader)) == expected(run, shards, 5)


@pytest.mark.parametrize("killed_after", [0, 1, 5, 13])
def test_a_resumed_loader_goes_on_whatever_its_workers_had_fetched(tmp_path, killed_after):
    run, shards, _ = make_two_domains(tmp_path, batches=7)
    world = {"rank": 0, "world": 2, "micro_batch": 2}
    whole = expected(run, shards, 7, **world)
    first = StepLoader(StepDataset(run, shards, **world), num_workers=2, prefetch_factor=3)
    taken = [listed(item) for _, item in zip(range(killed_after), first)]
    state = json.loads(json.dumps(first.state_dict()))
    assert len(json.dumps(state)) < 1024
    second = StepLoader(StepDataset(run, shards, **world), num_workers=1)
    second.load_state_dict(state)
    assert taken + list(map(listed, second)) == whole


def test_a_state_between_batches_may_go_on_in_another_world(tmp_path):
    run, shards, _ = make_two_domains(tmp_path, batches=4)
    one = StepDataset(run, shards, micro_batch=2)
    items = [item for _, item in zip(range(8), one)]
    assert one.state_dict()["batch"] == 2
    halves = []
    for rank in (0, 1):
        half = StepDataset(run, shards, rank, 2)
        half.load_state_dict(one.state_dict())
        halves.append([item["input_ids"].tolist() for item in half])
    whole = [Sampler(run, shards).batch(k).tokens.tolist() for k in (2, 3)]
    assert [a + b for a, b in zip(*halves)] == whole
    one.given(items[4])
    with pytest.raises(
        HeadraceError,
        match="the state stands at step 1 of 4 in batch 1, this rank takes 1 steps a batch; .*  .ERR_WORLD.",
    ):
        half.load_state_dict(one.state_dict())


def test_workers_wait_for_the_stage_that_decides_their_batch(tmp_path):
    run, shards, document = make_two_domains(tmp_path, until_batch=2, batches=4)
    loader = StepLoader(StepDataset(run, shards, wait_seconds=60), num_workers=2, prefetch_factor=2)
    items = iter(loader)
    assert [next(items)["batch"], next(items)["batch"]] == [0, 1]
    document["stages"].append(make_stage(document, [PARTS, 0], 2, None, [8, 8], [0, 0]))

    def append():
        time.sleep(0.3)
        write_run(run + ".next", document)
        os.replace(os.path.join(run + ".next", "schedule.json"), os.path.join(run, "schedule.json"))

    thread = threading.Thread(target=append)
    thread.start()
    rest = list(items)
    thread.join()
    assert [(item["batch"], set(item["domains"].tolist())) for item in rest] == [(2, {0}), (3, {0})]


def test_labels_and_positions_keep_to_documents(tmp_path):
    run, shards, _ = make_two_domains(tmp_path, lookahead=1)
    item = next(iter(StepDataset(run, shards, position_ids=True, within_documents=True)))
    batch = Sampler(run, shards).batch(0)
    for row in range(8):
        ids, labels = item["input_ids"][row].tolist(), item["labels"][row].tolist()
        begins = batch.document_starts(row).tolist()
        assert ids == batch.tokens[row].tolist()
        assert labels == [IGNORED if i == 0 or i in begins else token for i, token in enumerate(ids)]
        assert item["position_ids"][row].tolist() == batch.position_ids(row).tolist()
    assert item["input_ids"].dtype == item["labels"].dtype == item["position_ids"].dtype == torch.int64
    plain = next(iter(StepDataset(run, shards)))
    assert plain["labels"] is plain["input_ids"] and "position_ids" not in plain


def test_single_rows_in_batches_of_any_size_are_the_run(tmp_path):
    run, shards, _ = make_two_domains(tmp_path, batches=5, lookahead=1)
    rows = RowDataset(run, shards)
    assert len(rows) == 40
    whole = np.concatenate([Sampler(run, shards).batch(k).tokens for k in range(5)]).tolist()
    assert [row["input_ids"].tolist() for row in rows] == whole
    for size, workers in ((8, 0), (3, 2), (20, 1)):
        loader = DataLoader(rows, batch_size=size, num_workers=workers)
        assert [row for item in loader for row in item["input_ids"].tolist()] == whole
    assert [row["input_ids"].tolist() for row in rows.__getitems__([39, 0, 8, 1])] == [whole[i] for i in (39, 0, 8, 1)]
    with pytest.raises(IndexError, match="rows 40 to 40 are not all in a run of 40"):
        rows[40]


def test_single_packed_rows_have_the_labels_of_their_steps(tmp_path):
    run, shards, _ = make_packed(tmp_path)
    singles = iter(RowDataset(run, shards)[i] for i in range(40))
    ignored = 0
    for step in StepDataset(run, shards):
        for ids, labels in zip(step["input_ids"].tolist(), step["labels"].tolist()):
            single = next(singles)
            assert (single["input_ids"].tolist(), single["labels"].tolist()) == (ids, labels)
            ignored += labels[1:].count(IGNORED)
    assert ignored > 0 and next(singles, None) is None


def test_single_rows_of_a_run_without_a_decided_end_are_refused(tmp_path):
    run, shards, document = make_two_domains(tmp_path)
    with pytest.raises(HeadraceError, match="the run has no end, .*; use StepDataset  .ERR_UNDECIDED."):
        RowDataset(run, shards)
    run, shards, document = make_two_domains(tmp_path, until_batch=2, batches=4)
    with pytest.raises(HeadraceError, match="the run is decided for 2 batches only"):
        RowDataset(parse_schedule(document), shards)
