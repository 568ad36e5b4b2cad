"""`python -m headrace moe-convert`: a dense LLaMA's folder to a LLaMA-MoE's, whose experts are its neurons.

Seeded and deterministic. One layer is in memory at a time, but for the methods that share neurons, which run the whole model.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from .errors import HeadraceError
from .model_config import read_shape
from .model_folder import load_model, parameters_of, write_model
from .moe_importance import group_rows, importance_of, sample_rows
from .moe_layer import MoeShape
from .moe_split import METHODS, Split, clustered_split, expert_size, inner_split, inter_split, random_split
from .reader import ShardReader
from .schedule import PathLike
from .torch_llama import Llama, Shape

_DEVIATION = 0.02
"""Of a new router's weights (smoe/models/llama_moe/modeling_llama_moe.py: the initialiser of transformers)."""


def moe_shape_of(
    shape: Shape, experts: int, select: int, method: str, scale: Optional[float] = None, **more: Any
) -> MoeShape:
    """The experts that `method` makes of a dense shape, `select` of `experts` active, residual ones included. Raises ERR_ARGUMENT.

    sharing-inter makes half of the active experts residual (published: 16 experts, 4 active, are 14 of which 2, and 2 for all). `scale` is
    routed experts over selected ones unless it is given, as LLaMA-MoE has it; that of residual experts is their number, so that their gate,
    which begins uniform, gives the sum that the dense layer has.
    """
    if shape.moe is not None:
        raise HeadraceError("ERR_ARGUMENT", "the model has experts already; name a dense one")
    size = expert_size(shape.hidden, experts)
    if not 1 <= select <= experts:
        raise HeadraceError("ERR_ARGUMENT", f"{select} of {experts} experts cannot be selected; choose 1 to {experts}")
    residual = select // 2 if method == "sharing-inter" else 0
    if method == "sharing-inter" and residual == 0:
        raise HeadraceError(
            "ERR_ARGUMENT", "sharing-inter needs 2 active experts or more, half of which are for all tokens"
        )
    routed, chosen = experts - residual, select - residual
    return MoeShape(
        experts=routed,
        select=chosen,
        size=size,
        scale=routed / chosen if scale is None else scale,
        residual=residual,
        residual_scale=float(max(1, residual)),
        **more,
    )


def parameter_count(shape: Shape) -> Tuple[int, int]:
    """Parameters of a model, and those that a token passes: all but the experts it is not sent to. Computed without memory."""
    with torch.device("meta"):
        model = Llama(shape)
    total = sum(parameter.numel() for parameter in model.parameters())
    moe = shape.moe
    if moe is None:
        return total, total
    idle = shape.layers * (moe.experts - moe.select) * 3 * moe.size * shape.dim
    noise = shape.layers * moe.experts * shape.dim if moe.noise else 0  # used in training alone
    return total, total - idle - noise


def convert(
    dense: PathLike,
    out: PathLike,
    experts: int,
    select: int,
    method: str,
    seed: int = 1227,
    importance: Optional[np.ndarray] = None,
    scale: Optional[float] = None,
    tokenizer: Optional[str] = None,
    **more: Any,
) -> Dict[str, Any]:
    """Converts a folder; a report. `tokenizer` is the hash of the model's, as manifests have it, for the trainer to compare. `importance` (layers, groups, neurons) is what the sharing methods go by, with a group a routed expert.

    Raises ERR_INPUT and ERR_TRAINER on what is no dense LLaMA, ERR_ARGUMENT, ERR_OUTPUT.
    """
    shape = read_shape(dense)
    moe = moe_shape_of(shape, experts, select, method, scale, **more)
    if method.startswith("sharing"):
        wanted = (shape.layers, moe.experts, shape.hidden)
        if importance is None or importance.shape != wanted:
            seen = None if importance is None else importance.shape
            raise HeadraceError("ERR_ARGUMENT", f"{method} needs importance of shape {wanted}, and it is {seen}")
    used = [0] * shape.layers
    converted = replace(shape, moe=moe)

    def splits(layer: int, up: Tensor) -> Split:
        if method == "independent-random":
            return random_split(shape.hidden, experts, seed, layer)
        if method == "independent-clustering":
            return clustered_split(up.float().numpy(), experts, seed, layer)
        assert importance is not None
        if method == "sharing-inner":
            return inner_split(importance[layer], moe.size)
        return inter_split(importance[layer], moe.size, moe.residual)

    def parameters() -> Iterator[Tuple[str, Tensor]]:
        feed: Dict[str, Tensor] = {}
        for name, tensor in parameters_of(dense, shape):
            kind = name.rsplit(".", 2)[-2]
            if kind not in ("gate", "up", "down"):
                yield name, tensor
                continue
            feed[kind] = tensor
            if len(feed) == 3:
                layer = int(name.split(".")[1])
                split = splits(layer, feed["up"])
                used[layer] = len(np.unique(np.concatenate([split.experts.ravel(), split.residual.ravel()])))
                prefix = f"blocks.{layer}.moe."
                yield from _experts(f"{prefix}experts.", split.experts, feed)
                if moe.residual:
                    yield from _experts(f"{prefix}residual.", split.residual, feed)
                yield from _routers(prefix, shape.dim, moe, seed, layer, tensor.dtype)
                feed = {}

    made = {"method": method, "seed": seed, "experts": experts, "select": select, "tokenizer": tokenizer}
    write_model(out, converted, parameters(), like=dense, more={"headrace_conversion": made})
    total, active = parameter_count(converted)
    return {
        **made,
        "out": str(out),
        "routed": moe.experts,
        "routedSelect": moe.select,
        "residual": moe.residual,
        "size": moe.size,
        "scale": moe.scale,
        "parameters": total,
        "active": active,
        "dense": parameter_count(shape)[0],
        "neurons": shape.hidden,
        "neuronsUsed": used,
    }


def _experts(prefix: str, neurons: np.ndarray, feed: Dict[str, Tensor]) -> Iterator[Tuple[str, Tensor]]:
    index = torch.from_numpy(neurons)
    yield f"{prefix}gate", feed["gate"][index]
    yield f"{prefix}up", feed["up"][index]
    yield f"{prefix}down", feed["down"].t()[index].transpose(1, 2).contiguous()


def _routers(
    prefix: str, dim: int, moe: MoeShape, seed: int, layer: int, kind: torch.dtype
) -> Iterator[Tuple[str, Tensor]]:
    """A layer's new gates: normal weights by seed and layer, and no noise yet."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + layer)

    def normal(*sizes: int) -> Tensor:
        return (torch.randn(*sizes, generator=generator) * _DEVIATION).to(kind)

    if moe.gate == "linear":
        yield f"{prefix}router.gate.weight", normal(moe.experts, dim)
    else:
        yield f"{prefix}router.gate.0.weight", normal(moe.experts, dim)
        yield f"{prefix}router.gate.2.weight", normal(moe.experts, moe.experts)
    if moe.noise:
        yield f"{prefix}router.noise.weight", torch.zeros(moe.experts, dim, dtype=kind)
    if moe.residual:
        yield f"{prefix}residual_gate.weight", normal(moe.residual, dim)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Does what the command line says and prints one JSON line; an error is one line and status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m headrace moe-convert", description="A LLaMA-MoE out of a dense LLaMA."
    )
    parser.add_argument("dense", help="folder of a dense LLaMA: config.json and safetensors")
    parser.add_argument("--out", required=True, help="folder for the model with experts, new or empty")
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--select", type=int, default=4, help="experts that a token passes, residual ones included")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0])
    parser.add_argument("--seed", type=int, default=1227)
    parser.add_argument("--scale", type=float, help="of routed outputs (routed experts over selected ones)")
    parser.add_argument("--gate", choices=("mlp", "linear"), default="mlp")
    parser.add_argument("--no-noise", action="store_true", help="a router without learnt noise")
    parser.add_argument("--balance", type=float, default=0.01, help="weight of the balance losses")
    parser.add_argument(
        "--load",
        choices=("logit", "noise"),
        default="logit",
        help="noise: the smooth load as the published code has it",
    )
    parser.add_argument("--shards", help="folder of shards whose texts say how much neurons matter (sharing methods)")
    parser.add_argument("--tokenizer-sha256", help="hash of the model's tokenizer, as manifests have it")
    parser.add_argument("--importance-rows", type=int, default=256)
    parser.add_argument("--importance-row", type=int, default=512, help="tokens of a row")
    try:
        print(json.dumps(_run(parser.parse_args(arguments))))
    except HeadraceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> Dict[str, Any]:
    importance = None
    if options.method.startswith("sharing"):
        if options.shards is None:
            raise HeadraceError(
                "ERR_ARGUMENT", f"{options.method} goes by how much neurons matter to texts; name shards with --shards"
            )
        moe = moe_shape_of(read_shape(options.dense), options.experts, options.select, options.method)
        model = load_model(options.dense)
        with ShardReader(options.shards) as shards:
            vocabulary = shards.manifest.tokenizer["vocabularySize"]
            if vocabulary != model.shape.vocabulary:
                raise HeadraceError(
                    "ERR_TRAINER",
                    f"the model has {model.shape.vocabulary} token ids and the tokenizer of {options.shards} {vocabulary}; build shards with the model's tokenizer",
                )
            rows = sample_rows(shards, options.importance_rows, options.importance_row)
        labels = group_rows(rows, moe.experts, options.seed)
        importance = importance_of(model, rows, labels, moe.experts, _progress)
    return convert(
        options.dense,
        options.out,
        options.experts,
        options.select,
        options.method,
        options.seed,
        importance,
        options.scale,
        options.tokenizer_sha256,
        gate=options.gate,
        noise=not options.no_noise,
        balance=options.balance,
        load=options.load,
    )


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty() or done == of:
        print(f"\rimportance: {done} of {of} rows", end="\n" if done == of else "", file=sys.stderr, flush=True)
