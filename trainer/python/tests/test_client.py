import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from hosting import TOKEN, StubHost, minding, welcome_of
from making import make_schedule, make_shards, write_run
from test_reweighting import POLICY

from headrace import loop
from headrace.client import connect, parse_address
from headrace.errors import HeadraceError
from headrace.losses import LossSum
from headrace.schedule import read_schedule


@pytest.mark.parametrize("tcp", [False, True])
def test_a_conversation_says_what_the_page_says(tmp_path, tcp):
    stage = {"type": "stage", "stages": 2, "hash": "h", "decidedUntil": None}
    with StubHost(str(tmp_path), welcome_of(), lambda m: [stage] if m["type"] == "report" else [], tcp) as host:
        client = connect("test/1", host.address, TOKEN)
        assert (client.welcome.mode, client.welcome.every_batches, client.welcome.row_tokens) == ("train", 2, 8)
        client.ready(0, 1, "g")
        client.acknowledge(0, "0123456789abcdef", loss=2.5, tokens=12)
        answer = client.report({"format": "headrace-report/1"})
        assert (answer.stages, answer.hash, answer.decided_until) == (2, "h", None)
        client.checkpoint(1)
        client.done(1)
        host.join()
    assert host.heard == [
        {
            "type": "hello",
            "protocol": 1,
            "token": TOKEN,
            "rank": 0,
            "world": 1,
            "client": "test/1",
            "host": socket.gethostname(),
        },
        {"type": "ready", "batch": 0, "stages": 1, "hash": "g"},
        {"type": "ack", "batch": 0, "served": "0123456789abcdef", "loss": 2.5, "tokens": 12},
        {"type": "report", "report": {"format": "headrace-report/1"}},
        {"type": "checkpoint", "batch": 1},
        {"type": "done", "batch": 1},
    ]


def test_a_silent_host_ends_the_wait_with_a_clear_error(tmp_path):
    with StubHost(str(tmp_path), welcome_of(heartbeatSeconds=0.05, timeoutSeconds=0.2)) as host:
        client = connect("test/1", host.address, TOKEN)
        with pytest.raises(
            HeadraceError,
            match="headrace is gone: nothing was heard from it for 0.2 s; the newest checkpoint stands, start headrace train again  .ERR_TRAINER.",
        ):
            client.report({})
        with pytest.raises(HeadraceError, match="nothing was heard"):
            client.ready(0, 0, "")
    assert host.said("heartbeat")


def test_heartbeats_keep_a_slow_conversation_alive_both_ways(tmp_path):
    def answer(message):
        return [{"type": "heartbeat"}] if message["type"] == "heartbeat" else []

    with StubHost(str(tmp_path), welcome_of(heartbeatSeconds=0.05, timeoutSeconds=0.4), answer) as host:
        client = connect("test/1", host.address, TOKEN)
        deadline = time.monotonic() + 0.8
        while time.monotonic() < deadline:
            assert client.stopped is None
            time.sleep(0.05)
        client.done(0)
    assert len(host.said("heartbeat")) > 3


def test_a_host_that_closes_or_ends_the_run_ends_the_client(tmp_path):
    with StubHost(str(tmp_path), welcome_of()) as host:
        client = connect("test/1", host.address, TOKEN)
        host.send({"type": "error", "code": "ERR_LOSS", "message": "no loss for book"})
        with pytest.raises(HeadraceError, match="headrace ended the run: no loss for book  .ERR_LOSS.  .ERR_TRAINER."):
            client.stage()
    (tmp_path / "two").mkdir()
    with StubHost(str(tmp_path / "two"), welcome_of()) as host:
        client = connect("test/1", host.address, TOKEN)
        host.connection.shutdown(2)
        with pytest.raises(HeadraceError, match="headrace is gone: it closed the connection"):
            client.stage()


def test_rubbish_from_the_host_is_named(tmp_path):
    for number, (message, error) in enumerate(
        [
            ({"type": "dance"}, 'of type "dance", which this client does not know'),
            ({"type": "stage", "stages": -1, "hash": "h", "decidedUntil": 1}, "stage.stages is -1"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with StubHost(str(folder), welcome_of()) as host:
            client = connect("test/1", host.address, TOKEN)
            host.send(message)
            with pytest.raises(HeadraceError, match=error):
                client.stage()


def test_a_client_without_a_host_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("HEADRACE_ADDRESS", raising=False)
    with pytest.raises(
        HeadraceError,
        match="HEADRACE_ADDRESS and HEADRACE_TOKEN are not set; start the trainer with headrace train --trainer",
    ):
        connect("test/1")
    with pytest.raises(HeadraceError, match="no headrace at unix:/nowhere/socket: .*; is it still running"):
        connect("test/1", "unix:/nowhere/socket", TOKEN)
    with (
        StubHost(str(tmp_path), welcome_of()) as host,
        pytest.raises(HeadraceError, match="headrace turned the client away: wrong token"),
    ):
        connect("test/1", host.address, "other")
    with pytest.raises(HeadraceError, match='address "tcp:x" is not unix:/absolute/path or tcp:host:port'):
        parse_address("tcp:x")
    assert parse_address("tcp:[::1]:80") == ("tcp", ("::1", 80))


class CountingTrainer(loop.Trainer):
    """A model that is the list of batches it was trained on; its loss in a domain falls with them."""

    def __init__(self, saved=None, die_at=None):
        self.batches = []
        self.saved = saved if saved is not None else {}
        self.die_at = die_at

    def load(self, checkpoints):
        if not self.saved:
            return None
        newest = max(self.saved)
        self.batches, state = list(self.saved[newest][0]), self.saved[newest][1]
        return state

    def train(self, batch):
        if batch.index == self.die_at:
            raise HeadraceError("ERR_LOSS", f"the loss of batch {batch.index} is nan; lower the learning rate")
        assert batch.index == len(self.batches)
        self.batches.append(batch.served)
        return loop.Trained(1.0, batch.tokens.size)

    def loss_of(self, rows):
        return LossSum(float(rows.sum()) / (1 + len(self.batches)), rows.shape[0] * (rows.shape[1] - 1))

    def save(self, checkpoints, state):
        self.saved[state["batch"]] = (list(self.batches), state)


def make_run(folder):
    """Three domains, 8 rows of 4 tokens a batch, 8 batches, a report each 2, one batch of lag."""
    documents = {name: [[[[base + i for i in range(100)]]]] for name, base in (("a", 0), ("b", 200), ("c", 400))}
    validation = {name: [[[[base + i for i in range(20)]]]] for name, base in (("a", 0), ("b", 200), ("c", 400))}
    manifest = make_shards(str(folder / "shards"), {"train": documents, "validation": validation})
    policy = {**POLICY, "everyBatches": 2}
    document = make_schedule(
        {"a": 100, "b": 100, "c": 100}, [0.5, 0.25, 0.25], 3, batches=8, policy=policy, shards=manifest["fingerprint"]
    )
    run = write_run(str(folder / "run"), document)
    return run, welcome_of(run=run, shards=str(folder / "shards"), checkpoints=str(folder / "run/checkpoints"))


def serve(folder, number, run, welcome, trainer):
    socket_folder = folder / f"socket{number}"
    socket_folder.mkdir()
    with StubHost(str(socket_folder), welcome, minding(run)) as host:
        client = connect("test/1", host.address, TOKEN)
        try:
            return host, loop.run(client, trainer)
        finally:
            host.join()


def test_a_run_trains_reports_and_takes_the_stages_that_follow(tmp_path):
    run, welcome = make_run(tmp_path)
    host, reached = serve(tmp_path, 0, run, welcome, CountingTrainer())
    assert reached == 8
    assert [m["batch"] for m in host.said("ack")] == list(range(8))
    assert [m["report"]["measuredAt"] for m in host.said("report")] == [2, 4, 6, 8]
    assert [m["batch"] for m in host.said("checkpoint")] == [2, 4, 6, 8]
    assert [m["batch"] for m in host.said("done")] == [8]
    stages = read_schedule(run).stages
    assert [stage.measured_at for stage in stages] == [None, 2, 4, 6]
    # 20 tokens in rows of 8: the first two rows, 14 losses.
    assert host.said("report")[0]["report"]["domains"]["b"] == {"lossSum": sum(range(200, 216)) / 3, "tokens": 14}


def test_a_run_that_died_goes_on_from_its_checkpoint_and_ends_as_if_it_had_not(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    run, welcome = make_run(tmp_path / "one")
    undisturbed = CountingTrainer()
    serve(tmp_path / "one", 0, run, welcome, undisturbed)

    other, welcome = make_run(tmp_path / "two")
    saved = {}
    with pytest.raises(HeadraceError, match="the loss of batch 5 is nan"):
        serve(tmp_path / "two", 0, other, welcome, CountingTrainer(saved, die_at=5))
    assert sorted(saved) == [2, 4]
    resumed = CountingTrainer(saved)
    host, _ = serve(tmp_path / "two", 1, other, welcome, resumed)
    assert host.said("ready")[0]["batch"] == 4
    assert [m["batch"] for m in host.said("ack")] == [4, 5, 6, 7]
    assert [m["report"]["measuredAt"] for m in host.said("report")] == [6, 8]
    assert resumed.batches == undisturbed.batches
    assert read_schedule(other).hash == read_schedule(run).hash


def test_a_boundary_that_was_not_reported_before_a_crash_is_reported_first(tmp_path):
    run, welcome = make_run(tmp_path)
    saved = {}
    trainer = CountingTrainer(saved, die_at=3)
    with pytest.raises(HeadraceError):
        serve(tmp_path, 0, run, welcome, trainer)
    (tmp_path / "run/reports/00000002.json").unlink()
    host, _ = serve(tmp_path, 1, run, welcome, CountingTrainer(saved))
    assert [m["report"]["measuredAt"] for m in host.said("report")] == [2, 4, 6, 8]


def test_the_host_hears_what_went_wrong(tmp_path):
    run, welcome = make_run(tmp_path)
    (tmp_path / "s").mkdir()
    with StubHost(str(tmp_path / "s"), welcome, minding(run)) as host:
        with pytest.raises(HeadraceError):
            loop.run(connect("test/1", host.address, TOKEN), CountingTrainer(die_at=1))
        assert host.wait_for("error")["message"] == "the loss of batch 1 is nan; lower the learning rate"


def test_a_host_that_asks_to_stop_gets_a_checkpoint_and_done(tmp_path):
    run, welcome = make_run(tmp_path)
    mind = minding(run)

    def answer(message):
        return mind(message) + (
            [{"type": "stop", "reason": "enough"}]
            if message == host.heard[-1] and message["type"] == "ack" and message["batch"] == 2
            else []
        )

    trainer = CountingTrainer()
    train = trainer.train
    trainer.train = lambda batch: (time.sleep(0.2), train(batch))[1]
    with StubHost(str(tmp_path), welcome, answer) as host:
        reached = loop.run(connect("test/1", host.address, TOKEN), trainer)
        host.join()
    assert 3 <= reached <= 4
    assert host.said("done")[0]["batch"] == reached == max(trainer.saved)


def test_a_stage_that_is_not_on_disk_is_refused(tmp_path):
    run, welcome = make_run(tmp_path)
    wrong = {"type": "stage", "stages": 1, "hash": "0" * 64, "decidedUntil": 3}
    with (
        StubHost(str(tmp_path), welcome, lambda m: [wrong] if m["type"] == "report" else []) as host,
        pytest.raises(HeadraceError, match="it belongs to another run or branch"),
    ):
        loop.run(connect("test/1", host.address, TOKEN), CountingTrainer())


def test_evaluate_mode_reports_every_domain_with_a_validation_stream_once(tmp_path):
    make_shards(
        str(tmp_path / "shards"), {"train": {"a": [[[[1, 2]]]], "b": [[[[3]]]]}, "validation": {"b": [[[[7, 8, 9]]]]}}
    )
    welcome = welcome_of(mode="evaluate", shards=str(tmp_path / "shards"), batches=0, everyBatches=None)
    stage = {"type": "stage", "stages": 0, "hash": "", "decidedUntil": 0}
    with StubHost(str(tmp_path), welcome, lambda m: [stage] if m["type"] == "report" else []) as host:
        assert loop.run(connect("test/1", host.address, TOKEN), CountingTrainer()) == 0
        host.join()
    assert [m["type"] for m in host.heard] == ["hello", "ready", "report", "done"]
    # 3 tokens are fewer than a row of 8: one short row, whose first token has no loss.
    assert host.said("report")[0]["report"] == {
        "format": "headrace-report/1",
        "measuredAt": 0,
        "kind": "validation",
        "domains": {"b": {"lossSum": 24.0, "tokens": 2}},
    }


def test_the_package_loads_numpy_and_not_torch():
    script = "import sys, headrace, headrace.client, headrace.loop, headrace.sampler, headrace.evaluate; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert result.stdout == "False\n", result.stderr


def test_the_ranks_share_what_rank_0_hears_and_its_errors():
    class Second(loop.Group):
        rank, world = 1, 2

        def share(self, value):
            return (None, "ERR_TRAINER", "headrace is gone")

    with pytest.raises(HeadraceError, match="headrace is gone  .ERR_TRAINER."):
        Second().lead(lambda: np.zeros(1))
