import os
import subprocess
import sys

import pytest
from runs import ROOT, example_path, make_run, require_packages

from headrace.schedule import read_schedule

require_packages("torch")

EXAMPLE = example_path("plain_loop")


def plain_loop(run, shards, *flags, ranks=1):
    launcher = (
        [
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            str(ranks),
        ]
        if ranks > 1
        else []
    )
    environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, EXAMPLE, run, shards, *flags]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_plain_loop_moves_the_weights_and_a_killed_one_goes_on_to_the_same_end(tmp_path):
    (tmp_path / "killed").mkdir()
    undisturbed = plain_loop(*make_run(tmp_path))
    stages = read_schedule(tmp_path / "run").stages
    assert [stage.from_batch for stage in stages] == [0, 4, 7]
    assert [stage.measured_at for stage in stages] == [None, 3, 6]
    assert stages[1].weights != stages[0].weights
    run, shards = make_run(tmp_path / "killed")
    plain_loop(run, shards, "--until", "5", "--workers", "1")
    assert plain_loop(run, shards, "--workers", "1") == undisturbed


def test_four_ranks_train_on_the_batches_of_one(tmp_path):
    (tmp_path / "four").mkdir()
    one = plain_loop(*make_run(tmp_path))
    four = plain_loop(*make_run(tmp_path / "four"), "--micro-batch", "1", ranks=4)
    # Sums over ranks are rounded in another order, so weights may differ in their last parts; where they apply may not.
    assert float(four[1]) == pytest.approx(float(one[1]), rel=1e-4)
    stages = [read_schedule(folder / "run").stages for folder in (tmp_path, tmp_path / "four")]
    assert [s.from_batch for s in stages[0]] == [s.from_batch for s in stages[1]]
    for mine, theirs in zip(*stages):
        assert mine.weights == pytest.approx(theirs.weights, rel=1e-4)
