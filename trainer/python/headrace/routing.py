"""How a model's experts are used by each domain: counts by layer, how far domains are apart, how that changes with depth (LLaMA-MoE, section 5.5;
smoe/entrypoint/analysis/gate_load_vis.py). `python -m headrace routing MODEL SHARDS --out DIR`.

Evaluation mode, no noise; deterministic on the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import torch

from .commit import write_whole
from .errors import HeadraceError
from .evaluate import evaluation_rows, measurable
from .loop import list_checkpoints
from .reader import ShardReader
from .routing_plot import plot
from .schedule import PathLike
from .torch_llama import Llama, shape_of

FORMAT = "headrace-routing/1"


def load_any(path: PathLike) -> Llama:
    """The model of a folder in Hugging Face's layout, or of the newest checkpoint in a folder of the torch trainer's. Raises ERR_INPUT, ERR_TRAINER."""
    checkpoints = list_checkpoints(os.fspath(path), ".pt")
    if checkpoints:
        content = torch.load(checkpoints[0], map_location="cpu", weights_only=True)
        model = Llama(shape_of(content["shape"]))
        model.load_state_dict(content["model"])
        return model
    from .model_folder import load_model  # needs safetensors

    return load_model(path)


def loads_of(model: Llama, reader: ShardReader, domain: str, row_tokens: int, tokens: int) -> np.ndarray:
    """Tokens that each expert gets of a domain's validation rows, (layers, experts) int64; each layer's sum to tokens x selected.

    Raises ERR_ARGUMENT for a dense model.
    """
    if model.shape.moe is None:
        raise HeadraceError("ERR_ARGUMENT", "a dense model has no routing; name one with experts")
    total = np.zeros((model.shape.layers, model.shape.moe.experts), dtype=np.int64)
    model.eval()
    with torch.no_grad():
        for rows in evaluation_rows(reader, domain, row_tokens, tokens, 4):
            loads = model.states(torch.from_numpy(rows.astype(np.int64))).loads
            assert loads is not None
            total += loads.numpy()
    return total


def distances(shares: np.ndarray) -> np.ndarray:
    """How far domains are apart in one layer, (domains, domains): the L2 norm between their loads (domains, experts), each scaled from its least to 0
    and its greatest to 1, as published. A domain whose loads are all equal counts as zeros."""
    low = shares.min(axis=1, keepdims=True)
    width = shares.max(axis=1, keepdims=True) - low
    scaled = np.divide(shares - low, width, out=np.zeros_like(shares), where=width > 0)
    apart: np.ndarray = np.sqrt(((scaled[:, None] - scaled[None]) ** 2).sum(axis=2))
    return apart


def variance_by_layer(shares: np.ndarray) -> np.ndarray:
    """Preference of domains by depth, (layers,): the variance across domains of each expert's share of a domain's tokens, (domains, layers, experts),
    summed over experts. The published figure takes raw counts, which are comparable only where all domains have as many tokens."""
    spread: np.ndarray = shares.var(axis=0).sum(axis=1)
    return spread


def rank_trend(values: np.ndarray) -> float:
    """Kendall's tau-a between depth and value: 1 where each layer has more than the one before it, 0 where there is no trend. Needs 2 layers."""
    n = len(values)
    signs = [np.sign(values[j] - values[i]) for i in range(n) for j in range(i + 1, n)]
    return float(np.sum(signs) / max(1, len(signs)))


def analyse(model: Llama, shards: PathLike, row_tokens: int, tokens: int) -> Dict[str, Any]:
    """The whole analysis as a JSON object. Raises ERR_ARGUMENT, ERR_TRAINER where the shards have more token ids than the model."""
    moe = model.shape.moe
    if moe is None:
        raise HeadraceError("ERR_ARGUMENT", "a dense model has no routing; name one with experts")
    with ShardReader(shards, "validation") as reader:
        ids = reader.manifest.tokenizer["vocabularySize"]
        if ids > model.shape.vocabulary:
            raise HeadraceError(
                "ERR_TRAINER",
                f"the model has {model.shape.vocabulary} token ids and the tokenizer of {shards} {ids}; build shards with the model's tokenizer",
            )
        names = measurable(reader, reader.domains)
        loads = np.stack([loads_of(model, reader, name, row_tokens, tokens) for name in names])
    counts = loads.sum(axis=2)[:, 0] // moe.select
    shares = loads / counts[:, None, None]
    by_layer = np.stack([distances(shares[:, layer]) for layer in range(model.shape.layers)])
    variance = variance_by_layer(shares)
    return {
        "format": FORMAT,
        "domains": list(names),
        "tokens": counts.tolist(),
        "experts": moe.experts,
        "select": moe.select,
        "loads": loads.tolist(),
        "distances": {"last": by_layer[-1].tolist(), "mean": by_layer.mean(axis=0).tolist()},
        "variance": variance.tolist(),
        "trend": rank_trend(variance),
    }


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Writes DIR/routing.json and DIR/routing.svg and prints a summary; an error is one line and status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m headrace routing", description="How domains use a model's experts."
    )
    parser.add_argument("model", help="folder of a model with experts, or a run's checkpoints")
    parser.add_argument("shards", help="folder of shards, whose validation rows are routed")
    parser.add_argument("--out", required=True, help="folder for routing.json and routing.svg")
    parser.add_argument("--row", type=int, default=4096, help="tokens of a row (4096)")
    parser.add_argument("--tokens", type=int, default=65_536, help="of each domain at most (65536)")
    options = parser.parse_args(arguments)
    try:
        found = analyse(load_any(options.model), options.shards, options.row, options.tokens)
        for name, text in (("routing.json", json.dumps(found, indent=1) + "\n"), ("routing.svg", plot(found))):
            with write_whole(os.path.join(options.out, name)) as file:
                file.write(text.encode("utf-8"))
    except HeadraceError as error:
        print(error, file=sys.stderr)
        return 1
    for line in summary(found):
        print(line)
    return 0


def summary(found: Dict[str, Any]) -> List[str]:
    """What a person wants to know first, in lines."""
    last = np.array(found["distances"]["last"])
    names = found["domains"]
    lines = [
        f"{found['select']} of {found['experts']} experts in {len(found['variance'])} layers, {sum(found['tokens']):,} tokens"
    ]
    if len(names) > 1:
        pairs = [(last[a, b], names[a], names[b]) for a in range(len(names)) for b in range(a)]
        near, far = min(pairs), max(pairs)
        lines.append(
            f"last layer: {near[1]} and {near[2]} are nearest ({near[0]:.2f}), {far[1]} and {far[2]} furthest ({far[0]:.2f})"
        )
    first, deep = found["variance"][0], found["variance"][-1]
    lines.append(
        f"preference by depth: {first:.2e} in the first layer, {deep:.2e} in the last, trend {found['trend']:+.2f} (1: every deeper layer prefers more)"
    )
    return lines
