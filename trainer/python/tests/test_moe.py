"""Experts against the formulas of LLaMA-MoE, written out token by token; splits, conversion, training."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from headrace.errors import HeadraceError  # noqa: E402
from headrace.model_config import read_shape  # noqa: E402
from headrace.model_folder import folder_name, load_model, parameters_of, write_model  # noqa: E402
from headrace.moe_convert import convert, moe_shape_of, parameter_count  # noqa: E402
from headrace.moe_layer import Experts, MoeLayer, MoeShape, Router, squared_variation  # noqa: E402
from headrace.moe_split import (  # noqa: E402
    balanced_clusters,
    clustered_split,
    exchange,
    fill,
    inner_split,
    inter_split,
    random_split,
)
from headrace.torch_llama import Llama, Shape  # noqa: E402

SHAPE = Shape(vocabulary=64, dim=16, layers=2, heads=2, kv_heads=1, hidden=32, eps=1e-6)
LLAMA_2_7B = Shape(vocabulary=32_000, dim=4096, layers=32, heads=32, kv_heads=32, hidden=11_008)


def made(shape=SHAPE, seed=0):
    torch.manual_seed(seed)
    model = Llama(shape)
    for parameter in model.parameters():
        parameter.data *= 4
    return model


def dense_folder(path, shape=SHAPE):
    write_model(path, shape, ((name, p.detach()) for name, p in made(shape).named_parameters()))
    return path


def feed_forward(block, x):
    return block.down(torch.nn.functional.silu(block.gate(x)) * block.up(x))


def plain_layer(layer, x):
    """A layer of experts out of the formulas, token by token; no noise."""
    shape, rows = layer.router.shape, []
    for token in x:
        first, last = layer.router.gate[0].weight, layer.router.gate[2].weight
        logits = last @ torch.tanh(first @ token)
        best = sorted(range(shape.experts), key=lambda e: -float(logits[e]))[: shape.select]
        odds = [math.exp(float(logits[e])) for e in best]
        y = torch.zeros_like(token)
        for e, odd in zip(best, odds):
            y += shape.scale * odd / sum(odds) * neurons(layer.experts, e, token)
        if layer.residual is not None:
            odds = [math.exp(float(z)) for z in layer.residual_gate.weight @ token]
            for e, odd in enumerate(odds):
                y += layer.residual_scale * odd / sum(odds) * neurons(layer.residual, e, token)
        rows.append(y)
    return torch.stack(rows)


def neurons(experts, e, token):
    y = torch.zeros_like(token)
    for j in range(experts.gate.shape[1]):
        g = float(experts.gate[e, j].detach() @ token)
        y += g / (1 + math.exp(-g)) * float(experts.up[e, j].detach() @ token) * experts.down[e, :, j].detach()
    return y


@pytest.mark.parametrize("residual", [0, 2])
def test_a_layer_is_the_formula_token_by_token(residual):
    torch.manual_seed(1)
    layer = MoeLayer(6, MoeShape(experts=5, select=2, size=3, scale=2.5, residual=residual, residual_scale=2.0))
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    layer.eval()
    x = torch.randn(11, 6)
    with torch.no_grad():
        mixed = layer(x.view(1, 11, 6))
        assert torch.allclose(mixed.hidden[0], plain_layer(layer, x), atol=1e-4)
    assert mixed.load.sum() == 22


@pytest.mark.parametrize("load", ["logit", "noise"])
def test_the_router_in_training_is_the_formula_with_and_without_the_published_test_of_the_noise(load):
    torch.manual_seed(2)
    shape = MoeShape(experts=6, select=2, size=1, scale=3.0, balance=0.5, load=load)
    router = Router(4, shape)
    for parameter in router.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(9, 4)
    torch.manual_seed(7)
    routing = router(x)
    torch.manual_seed(7)
    noise = torch.randn(9, 6)
    importance, smooth = [0.0] * 6, [0.0] * 6
    for t in range(9):
        clean = router.gate(x)[t]
        deviation = [math.log1p(math.exp(float(z))) + 1e-2 for z in router.noise.weight.detach() @ x[t]]
        noisy = [float(c) + float(n) * d for c, n, d in zip(clean, noise[t], deviation)]
        order = sorted(range(6), key=lambda e: -noisy[e])
        odds = [math.exp(noisy[e]) for e in order[:2]]
        assert routing.experts[t].tolist() == order[:2]
        for e, odd in zip(order, odds):
            importance[e] += odd / sum(odds)
        for e in range(6):
            inside, outside = noisy[order[2]], noisy[order[1]]
            tested = noisy[e] if load == "logit" else float(noise[t, e]) * deviation[e]
            threshold = inside if tested > inside else outside
            smooth[e] += 0.5 * (1 + math.erf((float(clean[e]) - threshold) / deviation[e] / math.sqrt(2)))
    variation = [np.var(v, ddof=1) / (np.mean(v) ** 2 + 1e-10) for v in (importance, smooth)]
    assert math.isclose(float(routing.balance), 0.5 * sum(variation), rel_tol=1e-5)
    assert routing.balance.requires_grad
    router.eval()
    quiet = router(x)
    counts = np.bincount(quiet.experts.flatten().numpy(), minlength=6)
    assert quiet.load.tolist() == counts.tolist()
    expected = 0.5 * (np.var(counts, ddof=1) / np.mean(counts) ** 2)
    hard = float(quiet.balance) - 0.5 * float(squared_variation(importance_of_scores(quiet, 6)))
    assert math.isclose(hard, expected, rel_tol=1e-5)


def importance_of_scores(routing, experts):
    return torch.zeros(len(routing.scores), experts).scatter(1, routing.experts, routing.scores).sum(dim=0)


def test_a_new_router_has_noise_of_log_2_and_sends_tokens_anywhere():
    torch.manual_seed(3)
    router = Router(16, MoeShape(experts=8, select=2, size=1, scale=4.0))
    for linear in (router.gate[0], router.gate[2]):
        torch.nn.init.normal_(linear.weight, std=0.02)
    load = router(torch.randn(8000, 16)).load.numpy()
    assert not router.noise.weight.any()
    assert load.sum() == 16_000 and np.abs(load / 2000 - 1).max() < 0.1


@pytest.mark.parametrize("method", ["independent-random", "independent-clustering"])
def test_disjoint_experts_all_selected_with_scores_of_one_are_the_dense_layer(tmp_path, method):
    dense = load_model(dense_folder(tmp_path / "dense"))
    report = convert(tmp_path / "dense", tmp_path / "moe", experts=4, select=4, method=method)
    assert report["neuronsUsed"] == [32, 32]
    moe = load_model(tmp_path / "moe")
    x = torch.randn(50, 16)
    everyone = torch.arange(4).expand(50, -1)
    for before, after in zip(dense.blocks, moe.blocks):
        with torch.no_grad():
            y = after.moe.experts(x, everyone, torch.ones(50, 4))
            assert torch.allclose(y, feed_forward(before, x), atol=1e-5)


@pytest.mark.parametrize(
    ("experts", "select", "noisy", "without", "active"),
    [
        (8, 2, 6_740_514_816, 6_739_466_240, 3_493_074_944),
        (16, 4, 6_742_618_112, 6_740_520_960, 3_494_129_664),
        (16, 2, 6_742_618_112, 6_740_520_960, 2_953_064_448),
    ],
)
def test_parameters_are_the_published_ones(experts, select, noisy, without, active):
    for noise, total in ((True, noisy), (False, without)):
        moe = moe_shape_of(LLAMA_2_7B, experts, select, "independent-random", noise=noise)
        assert parameter_count(replace(LLAMA_2_7B, moe=moe)) == (total, active)
        assert (moe.size, moe.scale) == (11_008 // experts, experts / select)
    assert parameter_count(LLAMA_2_7B) == (6_738_415_616, 6_738_415_616)


def test_sharing_inter_is_the_published_division():
    moe = moe_shape_of(LLAMA_2_7B, 16, 4, "sharing-inter")
    assert (moe.experts, moe.select, moe.residual, moe.scale) == (14, 2, 2, 7.0)
    moe = moe_shape_of(LLAMA_2_7B, 8, 2, "sharing-inter")
    assert (moe.experts, moe.select, moe.residual) == (7, 1, 1)


def test_random_experts_are_a_partition_that_seed_and_layer_decide():
    splits = [random_split(32, 4, seed, layer).experts for seed, layer in ((1, 0), (1, 0), (1, 1), (2, 0))]
    for experts in splits:
        assert sorted(experts.ravel().tolist()) == list(range(32))
    assert (splits[0] == splits[1]).all()
    assert not (splits[0] == splits[2]).all() and not (splits[0] == splits[3]).all()
    with pytest.raises(
        HeadraceError, match="32 neurons do not divide by 5 experts; those that do up to 64: 2, 4, 8, 16, 32"
    ):
        random_split(32, 5, 1, 0)


def test_clusters_are_equal_and_their_assignment_within_a_hundredth_of_the_best():
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(0)
    for _ in range(5):
        costs = rng.normal(size=(120, 1)) + rng.exponential(size=(120, 6))
        labels = exchange(costs, fill(costs))
        assert np.bincount(labels).tolist() == [20] * 6
        rows, columns = optimize.linear_sum_assignment(np.repeat(costs, 20, axis=1))
        best = costs[rows, columns // 20].sum()
        found = costs[np.arange(120), labels].sum()
        spread = np.abs(costs - costs.min(axis=1, keepdims=True)).mean() * 120
        assert best - 1e-9 <= found <= best + 0.01 * spread


def test_clusters_find_groups_that_are_there():
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(4, 12)) * 6
    truth = np.repeat(np.arange(4), 8)
    points = centres[truth] + rng.normal(size=(32, 12)) * 0.1
    labels = balanced_clusters(points, 4, 5, 0)
    assert len({(a, b) for a, b in zip(truth.tolist(), labels.tolist())}) == 4
    split = clustered_split(points, 4, 5, 0)
    assert sorted(split.experts.ravel().tolist()) == list(range(32))


def test_shared_neurons_go_where_they_matter():
    # Neuron 0 matters to all three groups, 1 and 2 to the first two, each group has one of its own.
    importance = np.array([[9.0, 8, 2, 7, 0, 0], [9, 8, 2, 0, 7, 0], [9, 0, 2, 0, 0, 7]])
    assert inner_split(importance, 2).experts.tolist() == [[0, 1], [0, 1], [0, 5]]
    split = inter_split(importance, 2, 1)
    assert split.residual.tolist() == [[0, 1]]
    assert split.experts.tolist() == [[2, 3], [2, 4], [2, 5]]


@pytest.mark.parametrize("method", ["sharing-inner", "sharing-inter"])
def test_sharing_methods_convert_by_importance(tmp_path, method):
    dense_folder(tmp_path / "dense")
    routed = 6 if method == "sharing-inter" else 8
    importance = np.random.default_rng(0).random((2, routed, 32))
    report = convert(tmp_path / "dense", tmp_path / "moe", 8, 4, method, importance=importance)
    assert all(4 < used <= 32 for used in report["neuronsUsed"])
    dense, moe = load_model(tmp_path / "dense"), load_model(tmp_path / "moe")
    split = inter_split(importance[1], 4, 2) if routed == 6 else inner_split(importance[1], 4)
    gates = moe.blocks[1].moe.experts.gate
    for e, chosen in enumerate(split.experts.tolist()):
        assert torch.equal(gates[e], dense.blocks[1].gate.weight[chosen])
        assert torch.equal(moe.blocks[1].moe.experts.down[e], dense.blocks[1].down.weight[:, chosen])
    if routed == 6:
        assert torch.equal(moe.blocks[1].moe.residual.up[1], dense.blocks[1].up.weight[split.residual[1]])
    with pytest.raises(HeadraceError, match="needs importance of shape"):
        convert(tmp_path / "dense", tmp_path / "other", 8, 4, method)


def test_experts_are_a_loop_over_tokens_whatever_the_routing():
    torch.manual_seed(4)
    experts = Experts(5, 8, 4)
    for parameter in experts.parameters():
        torch.nn.init.normal_(parameter)
    # Expert 3 gets nothing, expert 0 every token.
    chosen = torch.tensor([[0, 1], [0, 2], [4, 0], [0, 4]])
    scores = torch.rand(4, 2)
    x = torch.randn(4, 8, requires_grad=True)
    y = experts(x, chosen, scores)
    expected = torch.stack(
        [sum(scores[t, i] * neurons(experts, int(chosen[t, i]), x[t].detach()) for i in range(2)) for t in range(4)]
    )
    assert torch.allclose(y, expected, atol=1e-4)
    y.pow(2).sum().backward()
    assert not experts.gate.grad[3].any() and experts.gate.grad[0].any()


def test_recomputing_blocks_changes_neither_loss_nor_gradient():
    shape = replace(SHAPE, moe=moe_shape_of(SHAPE, 8, 2, "independent-random"))
    rows = torch.randint(0, 64, (2, 12))
    found = []
    for recompute in (False, True):
        model = made(shape)
        model.recompute = recompute
        torch.manual_seed(5)
        loss = model.loss_sum(rows)
        (loss.nats + loss.balance).backward()
        found.append((float(loss.nats), float(loss.balance), [p.grad for p in model.parameters()]))
    assert found[0][:2] == found[1][:2]
    assert all(torch.equal(a, b) for a, b in zip(found[0][2], found[1][2]))


def test_a_folder_of_transformers_is_read_and_written_and_gives_the_same_loss(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(6)
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=32,
        rope_theta=5000.0,
        rms_norm_eps=1e-5,
    )
    theirs = transformers.LlamaForCausalLM(config)
    for parameter in theirs.parameters():
        parameter.data *= 4
    theirs.save_pretrained(tmp_path / "dense")
    rows = torch.randint(0, 64, (3, 20))
    with torch.no_grad():
        expected = float(theirs(rows, labels=rows).loss)
        ours = load_model(tmp_path / "dense")
        found = ours.loss_sum(rows)
        assert math.isclose(float(found.nats) / found.tokens, expected, rel_tol=1e-5)
    convert(tmp_path / "dense", tmp_path / "moe", 8, 2, "independent-random")
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "moe", trust_remote_code=True)
    moe = load_model(tmp_path / "moe").eval()
    with torch.no_grad():
        found = moe.loss_sum(rows)
        expected = float(loaded.eval()(rows, labels=rows).loss)
        assert math.isclose(float(found.nats) / found.tokens, expected, rel_tol=1e-5)
    loaded.train()
    torch.manual_seed(8)
    loss = loaded(rows, labels=rows).loss
    moe.train()
    torch.manual_seed(8)
    # transformers' model runs all tokens of a row, ours all but the last: the noise is not the same, the balance losses are near.
    assert float(loss) > 0 and math.isfinite(float(moe.loss_sum(rows).balance))
    loaded.save_pretrained(tmp_path / "again")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "again", trust_remote_code=True)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), loaded.parameters()))


def test_a_published_checkpoint_with_a_matrix_an_expert_is_read(tmp_path):
    from safetensors.torch import save_file

    dense_folder(tmp_path / "dense")
    convert(tmp_path / "dense", tmp_path / "moe", 4, 2, "independent-random")
    tensors = {}
    shape = read_shape(tmp_path / "moe")
    for name, tensor in parameters_of(tmp_path / "moe", shape):
        if ".moe." not in name:
            tensors[folder_name(name)] = tensor
            continue
        block, rest = name.split(".moe.")
        prefix = f"model.layers.{block.split('.')[1]}.mlp"
        if rest.startswith("experts."):
            for e in range(4):
                tensors[f"{prefix}.calculator.experts.weight_{rest[8:]}.{e}"] = tensor[e].clone()
        else:
            published = {
                "router.gate.0.weight": "gate.gate_network.0.weight",
                "router.gate.2.weight": "gate.gate_network.2.weight",
            }
            tensors[f"{prefix}.{published.get(rest, 'gate.weight_noise.weight')}"] = tensor
    config = (
        (tmp_path / "moe" / "config.json")
        .read_text()
        .replace('"size_experts": 8', '"size_experts": [[8, 8, 8, 8], [8, 8, 8, 8]]')
    )
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "config.json").write_text(config)
    save_file(tensors, tmp_path / "published" / "model.safetensors")
    ours, theirs = load_model(tmp_path / "moe"), load_model(tmp_path / "published")
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters()))


def test_folders_that_are_no_llama_are_refused_by_name(tmp_path):
    import json

    folder = dense_folder(tmp_path / "dense")
    config = json.loads((folder / "config.json").read_text())

    def refused(change, message):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(HeadraceError, match=message):
            convert(folder, tmp_path / "out", 4, 2, "independent-random")
        assert not (tmp_path / "out").exists()

    refused({"model_type": "gpt2"}, 'model_type is "gpt2", and llama or llama_moe is known')
    refused({"attention_bias": True}, "attention_bias is true")
    refused({"hidden_act": "gelu"}, 'hidden_act is "gelu"')
    refused({"rope_scaling": {"rope_type": "llama3", "factor": 8}}, "its rotary angles are scaled")
    refused({"head_dim": 4}, "head_dim is 4, and 16 over 2 heads is needed")
    refused({"intermediate_size": 64}, r"gate_proj.weight of .* is \(32, 16\), and its config.json asks for \(64, 16\)")
    refused({"num_hidden_layers": 3}, "has no tensor model.layers.2")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(HeadraceError, match="32 neurons do not divide by 5 experts"):
        convert(folder, tmp_path / "out", 5, 2, "independent-random")
    with pytest.raises(HeadraceError, match="9 of 8 experts cannot be selected"):
        convert(folder, tmp_path / "out", 8, 9, "independent-random")
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{broken}")
    with pytest.raises(HeadraceError, match="the weights of .* cannot be read"):
        convert(folder, tmp_path / "out", 4, 2, "independent-random")
    (folder / "model.safetensors").unlink()
    with pytest.raises(HeadraceError, match="has no model.safetensors"):
        convert(folder, tmp_path / "out", 4, 2, "independent-random")
    with pytest.raises(HeadraceError, match="is no folder of a model: config.json cannot be read"):
        convert(tmp_path / "nowhere", tmp_path / "out", 4, 2, "independent-random")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    dense_folder(tmp_path / "good")
    with pytest.raises(HeadraceError, match="is there and not empty"):
        convert(tmp_path / "good", tmp_path / "full", 4, 2, "independent-random")


def test_routing_counts_every_token_and_the_distances_are_the_published_formula(tmp_path, capsys):
    import json

    from making import make_shards

    from headrace.routing import analyse, distances, main, rank_trend, variance_by_layer

    documents = {name: [[[[(i * step + step) % 64 for i in range(100)]]]] for name, step in (("a", 1), ("b", 5))}
    make_shards(str(tmp_path / "shards"), {"train": documents, "validation": documents})
    dense_folder(tmp_path / "dense", replace(SHAPE, vocabulary=512))
    convert(tmp_path / "dense", tmp_path / "moe", 8, 2, "independent-random")
    assert (
        main(
            [
                str(tmp_path / "moe"),
                str(tmp_path / "shards"),
                "--out",
                str(tmp_path / "out"),
                "--row",
                "20",
                "--tokens",
                "60",
            ]
        )
        == 0
    )
    assert "2 of 8 experts in 2 layers, 120 tokens" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "routing.json").read_text())
    loads = np.array(found["loads"])
    assert found["tokens"] == [60, 60] and (loads.sum(axis=2) == 120).all()
    # By hand: the rows of domain b, and the last layer's distance.
    moe = load_model(tmp_path / "moe").eval()
    rows = torch.tensor([[(i * 5 + 5) % 64 for i in range(20 * r, 20 * r + 20)] for r in range(3)])
    with torch.no_grad():
        assert moe.states(rows).loads.tolist() == loads[1].tolist()
    scaled = [(v - v.min()) / (v.max() - v.min()) for v in loads[:, 1] / 60]
    assert math.isclose(found["distances"]["last"][0][1], math.dist(*scaled), rel_tol=1e-12)
    assert math.isclose(found["variance"][0], sum(np.var(loads[:, 0, e] / 60) for e in range(8)), rel_tol=1e-9)
    svg = (tmp_path / "out" / "routing.svg").read_text()
    assert svg.startswith("<svg") and "layer 2 of 2" in svg
    assert distances(np.array([[1.0, 1, 1], [0, 1, 2]])).tolist() == [[0, math.sqrt(1.25)], [math.sqrt(1.25), 0]]
    assert (rank_trend(np.array([1.0, 2, 3])), rank_trend(np.array([3.0, 2, 1]))) == (1, -1)
    assert variance_by_layer(np.ones((3, 2, 4))).tolist() == [0, 0]
    assert main([str(tmp_path / "dense"), str(tmp_path / "shards"), "--out", str(tmp_path / "out")]) == 1
    assert "a dense model has no routing" in capsys.readouterr().err
    with pytest.raises(HeadraceError, match="the model has 64 token ids and the tokenizer of"):
        small = made(replace(SHAPE, moe=moe_shape_of(SHAPE, 8, 2, "independent-random")))
        analyse(small, tmp_path / "shards", 20, 60)


def test_a_checkpoint_becomes_a_folder(tmp_path, capsys):
    from headrace.model_export import main
    from headrace.train import Settings, TorchTrainer

    shape = replace(SHAPE, moe=moe_shape_of(SHAPE, 8, 2, "independent-random"))
    trainer = TorchTrainer(shape, Settings(1e-2, 1, 8), seed=3, run="a")
    trainer.save(str(tmp_path / "checkpoints"), {"batch": 2, "stages": 1, "hash": "x"})
    assert main([str(tmp_path / "checkpoints"), "--out", str(tmp_path / "model")]) == 0
    model = load_model(tmp_path / "model")
    assert model.shape == shape
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), trainer.model.parameters()))
    assert main([str(tmp_path / "nothing"), "--out", str(tmp_path / "other")]) == 1
    assert "is no folder of a model" in capsys.readouterr().err
