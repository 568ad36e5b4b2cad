"""config.json of a model's folder in Hugging Face's layout: which shape it gives, and what a shape writes. Refuses by name what `Llama` does not do."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, Optional

from .errors import HeadraceError
from .moe_layer import MoeShape
from .schedule import PathLike
from .torch_llama import Shape


def read_shape(folder: PathLike) -> Shape:
    """The shape that a folder's config.json gives. Raises ERR_INPUT without one, ERR_TRAINER on a model that is no LLaMA as `Llama` has it."""
    return shape_from(read_config(folder), os.path.join(folder, "config.json"))


def read_config(folder: PathLike) -> Dict[str, Any]:
    """A folder's config.json. Raises ERR_INPUT."""
    path = os.path.join(folder, "config.json")
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except (OSError, ValueError) as cause:
        raise HeadraceError(
            "ERR_INPUT", f"{folder} is no folder of a model: config.json cannot be read ({cause})"
        ) from cause
    if not isinstance(config, dict):
        raise HeadraceError("ERR_INPUT", f"{path} is no object")
    return config


def shape_from(config: Dict[str, Any], subject: str) -> Shape:
    """The shape of a config. Raises ERR_TRAINER naming the field, and ERR_ARGUMENT where sizes do not fit."""

    def refuse(what: str) -> HeadraceError:
        return HeadraceError("ERR_TRAINER", f"{subject}: {what}; name the folder of a LLaMA")

    kind = config.get("model_type")
    if kind not in ("llama", "llama_moe"):
        raise refuse(f"model_type is {json.dumps(kind)}, and llama or llama_moe is known")
    for field in ("attention_bias", "mlp_bias", "quantization_config"):
        if config.get(field):
            raise refuse(f"{field} is {json.dumps(config[field])[:80]}, which this model does not have")
    if config.get("hidden_act", "silu") != "silu":
        raise refuse(f"hidden_act is {json.dumps(config['hidden_act'])}, and silu is known")
    # transformers 5 writes `rope_parameters`; before it were `rope_theta` and `rope_scaling`.
    rope = config.get("rope_parameters") or {
        "rope_theta": config.get("rope_theta"),
        "rope_type": (config.get("rope_scaling") or {"type": "default"}).get(
            "rope_type", (config.get("rope_scaling") or {"type": "default"}).get("type")
        ),
    }
    if rope.get("rope_type", "default") != "default":
        raise refuse(f"its rotary angles are scaled ({json.dumps(rope)[:80]}), which this model does not do")
    try:
        heads = config["num_attention_heads"]
        shape = Shape(
            vocabulary=config["vocab_size"],
            dim=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            hidden=config["intermediate_size"],
            tied=bool(config.get("tie_word_embeddings", False)),
            theta=float(rope.get("rope_theta") or 10_000.0),
            eps=float(config.get("rms_norm_eps", 1e-6)),
            moe=_moe_from(config, refuse) if kind == "llama_moe" else None,
        )
    except KeyError as cause:
        raise refuse(f"it has no {cause.args[0]}") from cause
    if config.get("head_dim") not in (None, shape.dim // shape.heads):
        raise refuse(f"head_dim is {config['head_dim']}, and {shape.dim} over {shape.heads} heads is needed")
    shape.check()
    return shape


def _moe_from(config: Dict[str, Any], refuse: Callable[[str], HeadraceError]) -> MoeShape:
    sizes = config["size_experts"]
    if isinstance(sizes, list):
        # Published configs list the sizes of each layer's experts.
        flat = {size for layer in sizes for size in (layer if isinstance(layer, list) else [layer])}
        if len(flat) != 1:
            raise refuse(f"its experts have sizes {sorted(flat)[:4]}, and one size is known")
        (sizes,) = flat
    scale = config.get("score_scale_factor", 1.0)
    if isinstance(scale, list):
        if len(set(scale)) != 1:
            raise refuse(f"its layers have scales {scale[:4]}, and one scale is known")
        scale = scale[0]
    return MoeShape(
        experts=config["num_experts"],
        select=config["num_selects"],
        size=sizes,
        scale=float(scale),
        residual=config.get("num_experts_residual", 0),
        residual_scale=float(config.get("score_scale_factor_residual", 1.0)),
        gate=config.get("gate_network", "mlp"),
        noise=config.get("gate_add_noise", True),
        balance=config.get("gate_balance_loss_weight", 0.01),
        load=config.get("gate_load", "logit"),
    )


def config_of(shape: Shape, more: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """The config.json of a shape, as `transformers` reads it; fields of `more` (a dense config) that it does not decide are kept."""
    config = {
        **(more or {}),
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.dim,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "intermediate_size": shape.hidden,
        "hidden_act": "silu",
        "tie_word_embeddings": shape.tied,
        "rms_norm_eps": shape.eps,
        "rope_theta": shape.theta,
    }
    moe = shape.moe
    if moe is None:
        return config
    return {
        **config,
        "architectures": ["LlamaMoeForCausalLM"],
        "model_type": "llama_moe",
        "auto_map": {
            "AutoConfig": "modeling_llama_moe.LlamaMoeConfig",
            "AutoModelForCausalLM": "modeling_llama_moe.LlamaMoeForCausalLM",
        },
        "num_experts": moe.experts,
        "num_selects": moe.select,
        "size_experts": moe.size,
        "score_scale_factor": moe.scale,
        "num_experts_residual": moe.residual,
        "score_scale_factor_residual": moe.residual_scale,
        "gate_network": moe.gate,
        "gate_add_noise": moe.noise,
        "gate_balance_loss_weight": moe.balance,
        "gate_load": moe.load,
    }
