import os
import re
import subprocess
import sys
import time

from runs import ROOT, require_packages

from headrace.ranks import Sighting, Sightings, Watch


def seen(batches, places=None, silent=10, stall=30, until=100.0):
    """Ranks that beat, and showed these batches and places from 0 s on: the fault at `until`."""
    ranks = list(range(len(batches)))
    sightings = Sightings(ranks, 0.0, silent, stall)
    for at, beat in ((0.0, 1), (until, 2)):
        for rank, batch in enumerate(batches):
            if batch is not None:
                place = places[rank] if places else "collectives.py all_reduce:7"
                sightings.see(rank, Sighting(f"node{rank}", batch, place, beat), at)
    return sightings.fault(until)


def test_ranks_that_move_are_let_alone():
    sightings = Sightings([0, 1], 0.0, 10, 30)
    for second in range(0, 200, 5):
        for rank in (0, 1):
            sightings.see(rank, Sighting("n", second // 25 + rank % 2, "x.py f:1", second), float(second))
        assert sightings.fault(float(second)) is None


def test_a_rank_that_dies_is_named():
    sightings = Sightings([0, 1, 2], 0.0, 10, 30)
    for second in range(0, 12):
        for rank in (0, 2) if second else (0, 1, 2):
            sightings.see(rank, Sighting(f"node{rank}", 5, "x.py f:1", second), float(second))
    assert sightings.fault(11.0) == (
        "rank 1 on node1 (after 5 batches, at x.py f:1) was silent for 10 s; the process is dead or frozen, or its machine is gone"
    )


def test_a_rank_that_hangs_is_told_from_those_that_wait_for_it():
    places = ["collectives.py all_reduce:7"] * 4
    places[2] = "data.py read:31"
    assert seen([5] * 4, places) == (
        "no batch for 30 s; held up by rank 2 on node2 (after 5 batches, at data.py read:31); the others wait in collectives.py all_reduce"
    )
    assert seen([5, 5], ["a.py f:1", "b.py g:2"]).startswith("no batch for 30 s; ranks stand at: rank 0 on node0 (")


def test_a_rank_that_lags_and_one_that_never_came_are_named():
    assert seen([6, 4, 6]) == (
        "no batch for 30 s; behind: rank 1 on node1 (after 4 batches, at collectives.py all_reduce:7)"
    )
    assert seen([0, None, 0]) == "rank 1 did not come within 30 s"
    assert seen([7] + [1] * 20).endswith("and 12 more")


class Store(dict):
    """A store as torch.distributed's, in this process."""

    def set(self, key, value):
        self[key] = value

    def get(self, key):
        return self[key].encode("utf-8")

    def check(self, keys):
        return all(key in self for key in keys)


def test_a_watch_shows_where_its_rank_stands_and_ends_when_it_is_closed():
    store, faults = Store(), []
    watches = [Watch(rank, 2, store, 5, 0.5, 0.02, faults.append) for rank in (0, 1)]
    for batch in range(30):
        for watch in watches:
            watch.at(batch)
        time.sleep(0.03)
    assert faults == [] and '"test_ranks.py test_a_watch' in store["headrace/rank/1"]
    time.sleep(0.8)
    for watch in watches:
        watch.close()
    assert len(faults) == 2 and "no batch for 0.5 s; ranks stand at: " in str(faults[0])


def test_of_four_ranks_the_one_that_hangs_is_named_and_the_job_ends():
    require_packages("torch")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4"]
    environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    child = os.path.join(ROOT, "tests", "hanging_rank.py")
    began = time.monotonic()
    done = subprocess.run([*command, child], capture_output=True, text=True, env=environment, timeout=110)
    assert done.returncode != 0 and time.monotonic() - began < 100
    found = re.search(
        r"no batch for 2 s; held up by (rank 2 on \S+ \(after 3 batches, at hanging_rank.py fall_asleep:\d+\)); the others wait in (.*?);",
        done.stderr,
    )
    assert found, done.stderr
