import math
import multiprocessing
import os
import socket
from contextlib import contextmanager

import numpy as np
import pytest
from hosting import TOKEN, StubHost, minding, welcome_of
from making import make_schedule, make_shards, write_run
from test_pack import make_packed
from test_reweighting import POLICY

torch = pytest.importorskip("torch")

from headrace.errors import HeadraceError  # noqa: E402
from headrace.sampler import Sampler  # noqa: E402
from headrace.schedule import read_schedule  # noqa: E402
from headrace.torch_llama import Llama, Shape, hidden_of  # noqa: E402
from headrace.train import Settings, TorchTrainer, learning_rate, main  # noqa: E402

SHAPE = Shape(vocabulary=64, dim=16, layers=2, heads=2, kv_heads=1, hidden=32)
FLAGS = [
    "--dim",
    "16",
    "--layers",
    "2",
    "--heads",
    "2",
    "--kv-heads",
    "1",
    "--hidden",
    "32",
    "--device",
    "cpu",
    "--threads",
    "1",
    "--lr",
    "0.01",
]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_the_learning_rate_is_llama_moes():
    settings = Settings(peak=2e-4, warmup=100, batches=13_623)
    published = {
        0: 0,
        50: 1e-4,
        100: 2e-4,
        1000: 1.97822e-4,
        5000: 1.41910e-4,
        6811: 1.01173e-4,
        10_000: 3.33786e-5,
        10_856: 2e-5,
        13_622: 2e-5,
    }
    for batch, rate in published.items():
        assert math.isclose(learning_rate(settings, batch), rate, rel_tol=3e-6)


def direct_loss(model, rows):
    logits = model.output(model(rows[:, :-1])).double()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum")


@pytest.mark.parametrize("tied", [False, True])
def test_the_loss_by_stretches_has_the_value_and_the_gradient_of_the_whole(tied):
    torch.manual_seed(0)
    model = Llama(Shape(vocabulary=50, dim=16, layers=1, heads=2, kv_heads=2, hidden=32, tied=tied))
    for parameter in model.parameters():
        parameter.data *= 5
    # 2 x 299 targets: three stretches, the last one short.
    rows = torch.randint(0, 50, (2, 300))
    total, tokens, balance = model.loss_sum(rows)
    total.backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    expected = direct_loss(model, rows)
    expected.backward()
    assert (tokens, float(balance)) == (598, 0)
    assert math.isclose(float(total.detach()), float(expected.detach()), rel_tol=1e-6)
    for name, parameter in model.named_parameters():
        assert torch.allclose(found[name], parameter.grad, rtol=1e-4, atol=1e-4), name
    with torch.no_grad():
        assert float(model.loss_sum(rows).nats) == float(total)


def test_masked_tokens_count_for_nothing():
    torch.manual_seed(0)
    model = Llama(SHAPE)
    rows = torch.randint(0, 64, (3, 20))
    mask = torch.rand(3, 20) < 0.6
    total, tokens, _ = model.loss_sum(rows, mask)
    labels = rows.masked_fill(~mask, -100)[:, 1:].flatten()
    logits = model.output(model(rows[:, :-1])).double()
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels, reduction="sum")
    assert tokens == int(mask[:, 1:].sum())
    assert math.isclose(float(total.detach()), float(expected.detach()), rel_tol=1e-6)


def test_a_packed_batch_trains_on_its_targets_alone(tmp_path):
    run, shards, _ = make_packed(tmp_path)
    trainer = TorchTrainer(SHAPE, Settings(peak=1e-2, warmup=1, batches=8), seed=1)
    with Sampler(run, shards) as sampler:
        batch = sampler.batch(0)
        masks = torch.from_numpy(batch.loss_masks())
        rows = torch.from_numpy(batch.tokens.astype(np.int64))
        with torch.no_grad():
            total, tokens, _ = trainer.model.loss_sum(rows, masks)
        assert tokens < masks.numel() - len(masks)
        assert trainer.train(batch) == (pytest.approx(float(total) / tokens, rel=1e-6), tokens)


def test_a_token_sees_those_before_it_and_not_those_after():
    torch.manual_seed(0)
    model = Llama(SHAPE)
    rows = torch.randint(0, 64, (1, 12))
    other = rows.clone()
    other[0, 7:] = (other[0, 7:] + 1) % 64
    assert torch.equal(model(rows)[0, :7], model(other)[0, :7])
    assert not torch.equal(model(rows)[0, 7:], model(other)[0, 7:])


def test_rotary_positions_make_attention_depend_on_distance_alone():
    from headrace.torch_llama import _rotated, _rotation

    rotation = _rotation(40, 8, 10_000.0, torch.device("cpu"))
    query, key = torch.randn(2, 1, 1, 1, 8, dtype=torch.float32)
    dots = (
        _rotated(query.expand(1, 1, 40, 8), rotation)[0, 0] @ _rotated(key.expand(1, 1, 40, 8), rotation)[0, 0].T
    ).numpy()
    for distance in (0, 3, 17):
        diagonal = np.diagonal(dots, -distance)
        assert np.allclose(diagonal, diagonal[0], atol=1e-4)
    assert not np.allclose(dots[:, 0], dots[0, 0], atol=1e-3)


def test_the_norms_have_no_weight_decay():
    trainer = TorchTrainer(SHAPE, Settings(1e-3, 2, 10), seed=0)
    decayed, free = trainer.optimizer.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert len(free["params"]) == 2 * SHAPE.layers + 1
    assert {p.dim() for p in free["params"]} == {1} and {p.dim() for p in decayed["params"]} == {2}


def test_sizes_that_do_not_fit_are_refused():
    for sizes, message in (
        ({"dim": 30, "heads": 4}, "dim 30 over 4 heads is not an even whole number"),
        ({"heads": 4, "kv_heads": 3}, "3 kv-heads do not divide 4 heads"),
        ({"layers": 0}, "a size below 1"),
    ):
        with pytest.raises(HeadraceError, match=message):
            Shape(vocabulary=10, **sizes).check()
    assert [hidden_of(dim) for dim in (32, 64, 4096)] == [96, 192, 10944]


def make_run(folder, batches=8):
    """Shards that can be learnt (each domain counts in its own steps), and a run over them: 8 rows of 16 tokens a batch, a report each 2, one batch of lag."""
    made = {}
    for split, length in (("train", 1500), ("validation", 100)):
        made[split] = {
            name: [[[[(i * step + step) % 64 for i in range(length)]]]] for name, step in (("a", 1), ("b", 3), ("c", 5))
        }
    manifest = make_shards(str(folder / "shards"), made)
    policy = {**POLICY, "everyBatches": 2}
    document = make_schedule(
        {"a": 1500, "b": 1500, "c": 1500},
        [0.5, 0.25, 0.25],
        3,
        batches=batches,
        rowTokens=16,
        policy=policy,
        shards=manifest["fingerprint"],
    )
    run = write_run(str(folder / "run"), document)
    evaluation = {"rowTokens": 16, "tokensPerDomain": 64}
    return run, welcome_of(
        run=run,
        shards=str(folder / "shards"),
        checkpoints=str(folder / "run/checkpoints"),
        batches=batches,
        evaluation=evaluation,
    )


@contextmanager
def environment(**variables):
    old = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in old.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def serve(folder, welcome, flags=FLAGS, start=main):
    """Runs the trainer against a host; the host and the exit status."""
    folder.mkdir()
    with StubHost(str(folder), welcome, minding(welcome["run"])) as host:
        with environment(HEADRACE_ADDRESS=host.address, HEADRACE_TOKEN=TOKEN):
            status = start(flags)
        host.join()
    return host, status


def on_two_ranks(flags):
    """Runs the trainer in two processes, as torchrun would; the greater exit status."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = []
    for rank in range(2):
        with environment(
            RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
        ):
            # A fork has torch imported already.
            ranks.append(multiprocessing.get_context("fork").Process(target=lambda: os._exit(main(flags))))
            ranks[-1].start()
    for process in ranks:
        process.join(120)
    return max(process.exitcode for process in ranks)


def losses_of(host):
    return {message["batch"]: message["loss"] for message in host.said("ack")}


def test_a_run_that_was_killed_ends_with_the_losses_of_one_that_was_not_to_the_last_bit(tmp_path, capsys):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    run, welcome = make_run(tmp_path / "one")
    undisturbed, status = serve(tmp_path / "s0", welcome)
    assert status == 0
    losses = losses_of(undisturbed)
    assert sorted(losses) == list(range(8))
    assert losses[7] < losses[0] - 0.1
    assert "batch 7  loss" in capsys.readouterr().out

    other, welcome = make_run(tmp_path / "two")
    real = TorchTrainer.train

    def dying(self, batch):
        if batch.index == 5:
            raise HeadraceError("ERR_TRAINER", "pulled the plug")
        return real(self, batch)

    TorchTrainer.train = dying
    try:
        first, status = serve(tmp_path / "s1", welcome)
    finally:
        TorchTrainer.train = real
    assert status == 1
    assert os.listdir(os.path.join(other, "checkpoints")) and first.said("error")
    second, status = serve(tmp_path / "s2", welcome)
    assert (status, second.said("ready")[0]["batch"]) == (0, 4)
    assert losses_of(first) == {k: losses[k] for k in range(5)}
    assert losses_of(second) == {k: losses[k] for k in range(4, 8)}
    assert second.said("report")[-1]["report"] == undisturbed.said("report")[-1]["report"]
    assert read_schedule(other).hash == read_schedule(run).hash
    assert sorted(os.listdir(os.path.join(other, "checkpoints"))) == ["00000006.pt", "00000008.pt"]


def test_accumulated_micro_batches_learn_what_the_whole_batch_does(tmp_path):
    _, welcome = make_run(tmp_path, batches=4)
    whole, _ = serve(tmp_path / "s0", welcome)
    (tmp_path / "again").mkdir()
    _, welcome = make_run(tmp_path / "again", batches=4)
    parts, _ = serve(tmp_path / "s1", welcome, [*FLAGS, "--micro-batch", "2"])
    assert losses_of(parts) == pytest.approx(losses_of(whole), rel=1e-5)


def test_a_loss_that_is_not_finite_ends_the_run_and_leaves_the_last_checkpoint_whole(tmp_path, capsys):
    run, welcome = make_run(tmp_path)
    real = TorchTrainer.train

    def exploding(self, batch):
        if batch.index == 3:
            self.model.norm.weight.data.fill_(math.nan)
        return real(self, batch)

    TorchTrainer.train = exploding
    try:
        host, status = serve(tmp_path / "s0", welcome)
    finally:
        TorchTrainer.train = real
    assert status == 1
    message = "the loss of batch 3 is nan and its gradient's norm nan; the model has diverged: lower --lr and start again, the last checkpoint is whole"
    assert host.said("error") == [{"type": "error", "message": message}]
    assert capsys.readouterr().err == f"{message}  [ERR_LOSS]\n"
    assert serve(tmp_path / "s1", welcome)[1] == 0


def make_trainer(run, shape=SHAPE, seed=0):
    return TorchTrainer(shape, Settings(1e-2, 1, 8), seed=seed, run=run)


def test_a_checkpoint_of_another_run_or_shape_is_refused(tmp_path):
    folder = str(tmp_path)
    make_trainer("a" * 64).save(folder, {"batch": 2, "stages": 1, "hash": "x"})
    assert make_trainer("a" * 64).load(folder) == {"batch": 2, "stages": 1, "hash": "x"}
    with pytest.raises(
        HeadraceError,
        match="00000002.pt belongs to the run aaaaaaaaaaaaaaaa…, this is bbbbbbbbbbbbbbbb…; move it away to train from the start  .ERR_TRAINER.",
    ):
        make_trainer("b" * 64).load(folder)
    with pytest.raises(
        HeadraceError,
        match='holds a model of .*"dim": 16.*, asked for is .*"dim": 32.*; give the flags that it was made with',
    ):
        make_trainer("a" * 64, Shape(vocabulary=64)).load(folder)


def test_of_checkpoints_that_were_cut_the_one_before_is_taken(tmp_path, capsys):
    folder = str(tmp_path)
    for batch in (2, 4, 6):
        make_trainer("a").save(folder, {"batch": batch, "stages": 1, "hash": "x"})
    assert sorted(os.listdir(folder)) == ["00000004.pt", "00000006.pt"]
    os.truncate(tmp_path / "00000006.pt", 1000)
    assert make_trainer("a").load(folder)["batch"] == 4
    assert "00000006.pt cannot be read" in capsys.readouterr().err
    os.truncate(tmp_path / "00000004.pt", 1000)
    with pytest.raises(HeadraceError, match="no checkpoint in .* can be read; remove them to train from the start"):
        make_trainer("a").load(folder)
    assert make_trainer("a").load(str(tmp_path / "absent")) is None


def test_evaluation_takes_the_shape_of_the_checkpoint_and_changes_nothing(tmp_path):
    trained = make_trainer("a", seed=5)
    trained.save(str(tmp_path), {"batch": 2, "stages": 1, "hash": "x"})
    other = make_trainer(None, Shape(vocabulary=64))
    other.load(str(tmp_path))
    rows = np.arange(60, dtype=np.uint16).reshape(3, 20)
    before = {name: value.clone() for name, value in other.model.state_dict().items()}
    assert other.loss_of(rows) == trained.loss_of(rows)
    assert all(torch.equal(before[name], value) for name, value in other.model.state_dict().items())


def test_the_same_seed_makes_the_same_model_and_another_another():
    rows = np.arange(60, dtype=np.uint16).reshape(3, 20)
    losses = [make_trainer("a", seed=seed).loss_of(rows).loss_sum for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    assert losses[0] / 57 == pytest.approx(math.log(64), abs=0.1)


def test_two_ranks_serve_the_same_batches_and_learn_the_same(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    run, welcome = make_run(tmp_path / "one", batches=4)
    alone, _ = serve(tmp_path / "s0", welcome)
    other, welcome = make_run(tmp_path / "two", batches=4)
    both, status = serve(tmp_path / "s1", welcome, start=on_two_ranks)
    assert status == 0
    assert [m["served"] for m in both.said("ack")] == [m["served"] for m in alone.said("ack")]
    assert losses_of(both) == pytest.approx(losses_of(alone), rel=1e-5)
    assert [m["batch"] for m in both.said("checkpoint")] == [2, 4]


def test_flags_may_stand_in_the_environment(tmp_path, monkeypatch):
    from headrace.train import parse_arguments

    monkeypatch.setenv("HEADRACE_MODEL", "--dim 128 --layers 3")
    options = parse_arguments(["--layers", "5"])
    assert (options.dim, options.layers) == (128, 5)


def test_without_a_host_the_trainer_says_what_to_do(monkeypatch, capsys):
    monkeypatch.delenv("HEADRACE_ADDRESS", raising=False)
    assert main(FLAGS) == 1
    assert "HEADRACE_ADDRESS and HEADRACE_TOKEN are not set" in capsys.readouterr().err


def write_moe(folder, vocabulary=512):
    """A model with experts, converted from a dense one of the tests' shape."""
    pytest.importorskip("safetensors")
    from headrace.model_folder import write_model
    from headrace.moe_convert import convert

    torch.manual_seed(3)
    shape = Shape(vocabulary=vocabulary, dim=16, layers=2, heads=2, kv_heads=1, hidden=32)
    write_model(folder / "dense", shape, ((name, p.detach()) for name, p in Llama(shape).named_parameters()))
    convert(folder / "dense", folder / "moe", 8, 2, "independent-random", tokenizer="0" * 64)
    return ["--from", str(folder / "moe"), "--device", "cpu", "--threads", "1", "--lr", "0.01", "--micro-batch", "4"]


def test_experts_learn_and_a_killed_run_of_them_ends_with_the_same_losses(tmp_path, monkeypatch):
    flags = write_moe(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    _, welcome = make_run(tmp_path / "one")
    undisturbed, status = serve(tmp_path / "s0", welcome, flags)
    losses = losses_of(undisturbed)
    assert status == 0 and losses[7] < losses[0] - 0.1

    _, welcome = make_run(tmp_path / "two")
    real = TorchTrainer.train

    def dying(self, batch):
        if batch.index == 5:
            raise HeadraceError("ERR_TRAINER", "pulled the plug")
        return real(self, batch)

    monkeypatch.setattr(TorchTrainer, "train", dying)
    assert serve(tmp_path / "s1", welcome, flags)[1] == 1
    monkeypatch.undo()
    # What is computed again in the backward pass changes nothing.
    second, status = serve(tmp_path / "s2", welcome, [*flags, "--recompute"])
    assert status == 0
    assert losses_of(second) == {k: losses[k] for k in range(4, 8)}
    assert second.said("report")[-1]["report"] == undisturbed.said("report")[-1]["report"]


def test_a_model_of_another_tokenizer_and_a_device_that_is_full_end_in_one_line(tmp_path, capsys, monkeypatch):
    flags = write_moe(tmp_path, vocabulary=100)
    (tmp_path / "one").mkdir()
    run, welcome = make_run(tmp_path / "one")
    assert serve(tmp_path / "s0", welcome, flags)[1] == 1
    assert "has 100 token ids and the tokenizer of" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    flags = write_moe(tmp_path / "other")
    path = tmp_path / "other" / "moe" / "config.json"
    path.write_text(path.read_text().replace("0" * 64, "1" * 64))
    assert serve(tmp_path / "s1", welcome, flags)[1] == 1
    assert "was converted with the tokenizer 111111111111… and" in capsys.readouterr().err

    def full(self, batch):
        if batch.index == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, batch)

    real = TorchTrainer._train
    monkeypatch.setattr(TorchTrainer, "_train", full)
    assert serve(tmp_path / "s2", welcome)[1] == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "cpu has no memory for 8 rows of 16 tokens in batch 3; lower --micro-batch or give --recompute"
    )
    assert error.count("\n") == 1
    assert os.listdir(os.path.join(run, "checkpoints")) == ["00000002.pt"]
