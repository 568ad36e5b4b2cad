import os
import subprocess
import sys

import pytest
from making import make_schedule, make_shards, write_run

from headrace.schedule import read_schedule

pytest.importorskip("torch", reason="the examples train with torch")

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLE = os.path.join(ROOT, "examples", "plain_loop.py")
POLICY = {
    "kind": "loss-driven",
    "name": "custom",
    "rule": "softmax",
    "eta": 1,
    "smoothing": 1e-4,
    "initial": {"a": 0.5, "b": 0.5},
    "reference": {"source": "a test", "losses": {"a": 1, "b": 2}},
    "everyTokens": 1,
    "everyBatches": 3,
    "rails": {"floorRows": 1, "ceiling": 0.9, "step": 2},
}


def make(folder):
    """Shards of two domains that can be learnt, and a run of 10 batches of 8 rows of 16 tokens: a report each 3, one batch of lag."""
    made = {name: [[[[(i * step) % 64 for i in range(1500)]]]] for name, step in (("a", 1), ("b", 3))}
    manifest = make_shards(str(folder / "shards"), {"train": made})
    document = make_schedule(
        {"a": 1500, "b": 1500}, [0.5, 0.5], 4, batches=10, rowTokens=16, policy=POLICY, shards=manifest["fingerprint"]
    )
    run = write_run(str(folder / "run"), document)
    os.makedirs(os.path.join(run, "checkpoints"))
    return run, str(folder / "shards")


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
    undisturbed = plain_loop(*make(tmp_path))
    stages = read_schedule(tmp_path / "run").stages
    assert [stage.from_batch for stage in stages] == [0, 4, 7]
    assert [stage.measured_at for stage in stages] == [None, 3, 6]
    assert stages[1].weights != stages[0].weights
    run, shards = make(tmp_path / "killed")
    plain_loop(run, shards, "--until", "5", "--workers", "1")
    assert plain_loop(run, shards, "--workers", "1") == undisturbed


def test_four_ranks_train_on_the_batches_of_one(tmp_path):
    (tmp_path / "four").mkdir()
    one = plain_loop(*make(tmp_path))
    four = plain_loop(*make(tmp_path / "four"), "--micro-batch", "1", ranks=4)
    # Sums over ranks are rounded in another order, so weights may differ in their last parts; where they apply may not.
    assert float(four[1]) == pytest.approx(float(one[1]), rel=1e-4)
    stages = [read_schedule(folder / "run").stages for folder in (tmp_path, tmp_path / "four")]
    assert [s.from_batch for s in stages[0]] == [s.from_batch for s in stages[1]]
    for mine, theirs in zip(*stages):
        assert mine.weights == pytest.approx(theirs.weights, rel=1e-4)
