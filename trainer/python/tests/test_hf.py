import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from runs import ROOT, example, make_run, require_packages

from headrace.errors import HeadraceError
from headrace.revising import resize, revise_run
from headrace.sampler import Sampler
from headrace.schedule import read_schedule

require_packages("torch", "transformers", "accelerate")

from transformers import Trainer, TrainingArguments  # noqa: E402

from headrace.hf import RowDataset, RunCallback  # noqa: E402

EXAMPLE = example("hf_trainer")


def trained(folder, *flags, lag=1):
    """The example in this process, on a run of its own unless there is one: its stages' hash and the sum of its weights."""
    if not (folder / "run").exists():
        make_run(folder, lag=lag)
    return EXAMPLE.main(
        [str(folder / name) for name in ("run", "shards", "checkpoints")] + ["--micro-batch", "2", *flags]
    )


def served(folder):
    return (folder / "run" / "served.log").read_text()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, trained(folder)


def test_losses_of_each_boundary_move_the_weights_and_every_batch_is_logged(undisturbed):
    folder, _ = undisturbed
    stages = read_schedule(folder / "run").stages
    assert [(stage.from_batch, stage.measured_at) for stage in stages] == [(0, None), (4, 3), (7, 6)]
    assert stages[1].weights != stages[0].weights
    with Sampler(folder / "run", folder / "shards") as sampler:
        assert served(folder) == "".join(f"{k} {sampler.batch(k).served}\n" for k in range(10))


@pytest.mark.parametrize("losses, workers", [("validation", "2"), ("training", "0")])
def test_a_run_that_was_killed_and_resumed_from_a_checkpoint_ends_as_one_that_was_not(
    tmp_path, undisturbed, losses, workers
):
    whole, end = undisturbed
    if losses == "training":
        whole = tmp_path / "whole"
        whole.mkdir()
        end = trained(whole, "--losses", losses)
    killed = tmp_path / "killed"
    killed.mkdir()
    trained(killed, "--losses", losses, "--until", "8")
    # Killed after batch 8: the newest checkpoint is the one after batch 5, two batches into an interval and before a recorded stage.
    shutil.rmtree(killed / "checkpoints" / "checkpoint-8")
    assert trained(killed, "--losses", losses, "--workers", workers, "--resume") == end
    assert served(killed) == served(whole)


def test_two_ranks_serve_the_batches_of_one(tmp_path, undisturbed):
    whole, end = undisturbed
    run, shards = make_run(tmp_path)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [EXAMPLE.__file__, run, shards, str(tmp_path / "checkpoints"), "--micro-batch", "2"]
    environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    # Sums over ranks are rounded in another order, so weights may differ in their last parts; where they apply may not.
    stages = [read_schedule(folder / "run").stages for folder in (whole, tmp_path)]
    assert [s.from_batch for s in stages[0]] == [s.from_batch for s in stages[1]]
    assert float(done.stdout.splitlines()[-1].split()[1]) == pytest.approx(float(end.split()[1]), rel=1e-3)
    for mine, theirs in zip(*stages):
        assert np.array(mine.weights) == pytest.approx(np.array(theirs.weights), rel=1e-4)


def trainer(folder, rows_of=None, **changes):
    """A Trainer over a run in `folder` (its rows, or those of another folder's run) with the example's model, and arguments changed."""
    run, shards = str(folder / "run"), str(folder / "shards")
    given = {"per_device_train_batch_size": 8, "max_steps": 10, "train_sampling_strategy": "sequential", **changes}
    return Trainer(
        EXAMPLE.small_model(shards, 16),
        TrainingArguments(str(folder / "out"), report_to="none", use_cpu=True, disable_tqdm=True, **given),
        train_dataset=RowDataset((rows_of or folder) / "run", shards, wait_seconds=1),
        callbacks=[RunCallback(run, shards)],
    )


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"train_sampling_strategy": "random"},
            'train_sampling_strategy is "random", .* to "sequential"  .ERR_ARGUMENT.',
        ),
        (
            {"per_device_train_batch_size": 3},
            "is 3, the batch has 8 rows; choose factors among its divisors 1, 2, 4, 8  .ERR_WORLD.",
        ),
        ({"max_steps": 30}, "Trainer would take 30 steps, the run has 10 batches; .*  .ERR_ARGUMENT."),
    ],
)
def test_what_would_not_be_the_run_is_refused(tmp_path, changes, message):
    make_run(tmp_path)
    with pytest.raises(HeadraceError, match=message):
        trainer(tmp_path, **changes).train()


def test_rows_that_are_not_the_plans_end_the_training_at_its_first_step(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    make_run(tmp_path)
    make_run(other, seed=5)
    with pytest.raises(HeadraceError, match="rank 0 was given other rows than the plan has for step 0 of batch 0; "):
        trainer(tmp_path, rows_of=other).train()


def test_a_run_without_lag_is_refused_before_the_trainer_waits_for_itself(tmp_path):
    make_run(tmp_path, lag=0)
    with pytest.raises(HeadraceError, match="the run has lag 0, and Trainer fetches 1 batch .* --lag 1 or more"):
        trainer(tmp_path).train()


def test_a_run_whose_batches_grow_is_refused_because_the_trainer_takes_as_many_rows_at_every_step(tmp_path):
    make_run(tmp_path)
    revise_run(tmp_path / "run", lambda schedule: resize(schedule, 2, 16), 2)
    with pytest.raises(HeadraceError, match="batches have 16 rows from batch 2 on and 8 before, .*  .ERR_WORLD."):
        trainer(tmp_path).train()


def test_a_checkpoint_of_another_run_is_refused(tmp_path, undisturbed):
    whole, _ = undisturbed
    make_run(tmp_path, seed=5)
    checkpoint = shutil.copytree(whole / "checkpoints" / "checkpoint-5", tmp_path / "checkpoint-5")
    with pytest.raises(HeadraceError, match="schedule has 1 stages, the state in hand knows 2; .*  .ERR_SCHEDULE."):
        trainer(tmp_path, per_device_train_batch_size=2, gradient_accumulation_steps=4).train(
            resume_from_checkpoint=str(checkpoint)
        )


def test_a_run_that_stops_early_ends_the_trainer(tmp_path):
    make_run(tmp_path, exhaustion={"policy": "stop", "epochs": 1}, row_tokens=64)
    # 1,500 tokens are 23 rows of 64, which the run serves within its 10 batches of 8 rows.
    end = trained(tmp_path)
    last = read_schedule(tmp_path / "run").stages[-1]
    assert last.stops and end.split()[0] == last.hash
    assert len(served(tmp_path).splitlines()) == last.from_batch < 10
