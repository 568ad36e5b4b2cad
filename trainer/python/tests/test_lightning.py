import pytest
from runs import example, make_run, require_packages

from headrace.errors import HeadraceError
from headrace.sampler import Sampler
from headrace.schedule import read_schedule

require_packages("torch", "lightning")

EXAMPLE = example("lightning_trainer")


def trained(folder, *flags, lag=1):
    """The example in this process, on a run of its own unless there is one: its stages' hash and the sum of its weights."""
    if not (folder / "run").exists():
        make_run(folder, lag=lag)
    return EXAMPLE.main([str(folder / name) for name in ("run", "shards", "checkpoints")] + [*flags])


def served(folder):
    return (folder / "run" / "served.log").read_text()


@pytest.mark.parametrize("losses, workers", [("validation", "0"), ("training", "1")])
def test_a_run_that_was_killed_and_resumed_from_a_checkpoint_ends_as_one_that_was_not(tmp_path, losses, workers):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    flags = ["--losses", losses, "--accumulation", "4"]
    end = trained(whole, *flags)
    stages = read_schedule(whole / "run").stages
    assert [(stage.from_batch, stage.measured_at) for stage in stages] == [(0, None), (4, 3), (7, 6)]
    assert stages[1].weights != stages[0].weights
    with Sampler(whole / "run", whole / "shards") as sampler:
        assert served(whole) == "".join(f"{k} {sampler.batch(k).served}\n" for k in range(10))
    trained(killed, *flags, "--until", "8")
    # Killed after batch 8: the newest checkpoint is the one after batch 5, two batches into an interval and before a recorded stage.
    checkpoint = str(killed / "checkpoints" / "step=5.ckpt")
    assert trained(killed, *flags, "--workers", workers, "--resume", checkpoint) == end
    assert served(killed) == served(whole)


def test_what_would_not_be_the_run_is_refused(tmp_path):
    make_run(tmp_path, lag=0)
    with pytest.raises(HeadraceError, match="the run has lag 0, and Lightning fetches ahead .* --lag 1 or more"):
        trained(tmp_path)
    with pytest.raises(HeadraceError, match="choose factors among its divisors 1, 2, 4, 8  .ERR_WORLD."):
        trained(tmp_path, "--accumulation", "3")


def test_a_run_that_stops_early_ends_the_trainer(tmp_path):
    make_run(tmp_path, exhaustion={"policy": "stop", "epochs": 1}, row_tokens=64)
    trained(tmp_path)
    last = read_schedule(tmp_path / "run").stages[-1]
    assert last.stops and len(served(tmp_path).splitlines()) == last.from_batch < 10
