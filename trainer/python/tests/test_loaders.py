"""The loaders for torchtitan and Megatron, against those projects' published interfaces: neither is installed here."""

import pytest
from making import make_two_domains
from runs import example, make_run, require_packages

from headrace.errors import HeadraceError
from headrace.sampler import Sampler
from headrace.schedule import read_schedule

require_packages("torch")

import torch  # noqa: E402

from headrace.megatron import RunIterator  # noqa: E402
from headrace.torch_losses import IGNORED  # noqa: E402
from headrace.torchtitan import RunDataLoader, domains_of  # noqa: E402


@pytest.mark.parametrize("lookahead", [0, 1])
def test_torchtitan_is_given_inputs_positions_and_shifted_labels(tmp_path, lookahead):
    run, shards, _ = make_two_domains(tmp_path, batches=3, lookahead=lookahead)
    loader = RunDataLoader(run, shards, dp_world_size=2, dp_rank=1, seq_len=4, local_batch_size=2, tokenizer=None)
    sampler = Sampler(run, shards, 1, 2, 2)
    for k, (inputs, labels) in enumerate(loader):
        rows = sampler.step(k // 2, k % 2)
        assert inputs["input"].tolist() == rows.tokens[:, :4].tolist()
        assert inputs["positions"].tolist() == [rows.position_ids(row)[:4].tolist() for row in range(2)]
        expected = [[*row[1:].tolist()] + [IGNORED] * (1 - lookahead) for row in rows.tokens]
        assert labels.tolist() == expected
        assert domains_of(loader).tolist() == rows.domains.tolist()
    assert k == 5
    with pytest.raises(HeadraceError, match="seq_len is 8, the run has rows of 4 tokens"):
        RunDataLoader(run, shards, dp_world_size=1, dp_rank=0, seq_len=8)


def test_torchtitans_state_goes_on_in_another_world(tmp_path):
    run, shards, _ = make_two_domains(tmp_path, batches=4)
    one = RunDataLoader(run, shards, dp_world_size=1, dp_rank=0, local_batch_size=4)
    taken = [item for _, item in zip(range(4), one)]
    assert len(taken) == 4
    halves = []
    for rank in (0, 1):
        half = RunDataLoader(run, shards, dp_world_size=2, dp_rank=rank)
        half.load_state_dict({})
        half.load_state_dict(one.state_dict())
        halves.append([inputs["input"].tolist() for inputs, _ in half])
    whole = [Sampler(run, shards).batch(k).tokens.tolist() for k in (2, 3)]
    assert [a + b for a, b in zip(*halves)] == whole


def test_megatron_is_given_tokens_labels_mask_and_positions_from_its_consumed_samples(tmp_path):
    run, shards, _ = make_two_domains(tmp_path, batches=4)
    rows = RunIterator(run, shards, 0, 2, 2, consumed_samples=16)
    sampler = Sampler(run, shards, 0, 2, 2)
    seen = list(rows)
    assert len(seen) == 4 and iter(rows) is rows
    for k, batch in enumerate(seen):
        step = sampler.step(2 + k // 2, k % 2)
        assert batch["tokens"].tolist() == step.tokens.tolist()
        assert batch["labels"].tolist() == [[*row[1:].tolist(), 0] for row in step.tokens]
        assert batch["loss_mask"].tolist() == [[1, 1, 1, 0]] * 2 and batch["loss_mask"].dtype == torch.float32
        assert batch["position_ids"].tolist() == [step.position_ids(row).tolist() for row in range(2)]
    with pytest.raises(HeadraceError, match="20 samples were consumed, which end at row 4 of batch 2; "):
        RunIterator(run, shards, 0, 2, 2, consumed_samples=20)


def served(folder):
    return (folder / "run" / "served.log").read_text()


def test_torchtitans_loop_moves_the_weights_and_a_killed_one_goes_on_to_the_same_end(tmp_path):
    (tmp_path / "killed").mkdir()
    loop = example("torchtitan_loader").main

    def call(folder, *flags):
        return loop(
            [str(folder / "run"), str(folder / "shards"), str(folder / "c.pt"), "--local-batch-size", "2", *flags]
        )

    make_run(tmp_path, lag=0)
    end = call(tmp_path)
    stages = read_schedule(tmp_path / "run").stages
    assert [(s.from_batch, s.measured_at) for s in stages] == [(0, None), (3, 3), (6, 6), (9, 9)]
    assert stages[1].weights != stages[0].weights
    make_run(tmp_path / "killed", lag=0)
    call(tmp_path / "killed", "--until", "5")
    assert call(tmp_path / "killed") == end
    assert served(tmp_path / "killed") == served(tmp_path)


def test_megatrons_loop_serves_the_run(tmp_path):
    make_run(tmp_path, lag=0)
    arguments = [str(tmp_path / "run"), str(tmp_path / "shards"), "--micro-batch-size", "4"]
    end = example("megatron_provider").main(arguments)
    stages = read_schedule(tmp_path / "run").stages
    assert [s.from_batch for s in stages] == [0, 3, 6, 9] and end.split()[0] == stages[-1].hash
    with Sampler(tmp_path / "run", tmp_path / "shards") as sampler:
        assert served(tmp_path) == "".join(f"{k} {sampler.batch(k).served}\n" for k in range(10))
