"""A model's folder in Hugging Face's layout: config.json and safetensors, dense LLaMA or with experts, to and from `torch_llama.Llama`.

Refuses by name what the model does not do (scaled rotary angles, biases, quantized weights). Published LLaMA-MoE checkpoints are read as well,
whose experts are matrices of their own. Needs torch and safetensors.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import torch
from torch import Tensor

from .commit import sync_folder
from .errors import HeadraceError
from .moe_layer import MoeShape
from .schedule import PathLike
from .torch_llama import Llama, Shape

try:
    from safetensors import safe_open
    from safetensors.torch import save_file
except ImportError as cause:
    raise HeadraceError("ERR_RUNTIME", "a model's folder needs safetensors; run pip install safetensors") from cause

FILE_BYTES = 5_000_000_000
"""Bytes of weights of a file at most, as transformers writes them; a tensor is never divided."""

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
)

_LAYER = {
    "self_attn.q_proj.weight": "query.weight",
    "self_attn.k_proj.weight": "key.weight",
    "self_attn.v_proj.weight": "value.weight",
    "self_attn.o_proj.weight": "out.weight",
    "input_layernorm.weight": "attention_norm.weight",
    "post_attention_layernorm.weight": "mlp_norm.weight",
    "mlp.gate_proj.weight": "gate.weight",
    "mlp.up_proj.weight": "up.weight",
    "mlp.down_proj.weight": "down.weight",
}
_MODEL = {
    "model.embed_tokens.weight": "embedding.weight",
    "model.norm.weight": "norm.weight",
    "lm_head.weight": "output.weight",
}


def folder_name(name: str) -> str:
    """What a parameter of `Llama` is called in a folder."""
    if name.startswith("blocks."):
        _, layer, rest = name.split(".", 2)
        if rest.startswith("moe."):
            return f"model.layers.{layer}.mlp.{rest[4:]}"
        return f"model.layers.{layer}.{_inverse(_LAYER)[rest]}"
    return _inverse(_MODEL)[name]


def _inverse(names: Dict[str, str]) -> Dict[str, str]:
    return {ours: theirs for theirs, ours in names.items()}


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


class Weights:
    """The tensors of a folder by name, read when they are asked for. Close it, or use it in a `with`."""

    def __init__(self, folder: PathLike) -> None:
        """Opens the files. Raises ERR_INPUT where there are none or one is broken."""
        self.folder = os.fspath(folder)
        self._stack = ExitStack()
        self._files: Dict[str, Any] = {}
        try:
            for path in self._paths():
                file = self._stack.enter_context(safe_open(path, framework="pt"))
                for name in file.keys():  # noqa: SIM118 (no mapping)
                    self._files[name] = file
        except Exception as cause:
            self.close()
            if isinstance(cause, HeadraceError):
                raise
            raise HeadraceError("ERR_INPUT", f"the weights of {folder} cannot be read: {cause}") from cause

    def _paths(self) -> List[str]:
        index = os.path.join(self.folder, "model.safetensors.index.json")
        whole = os.path.join(self.folder, "model.safetensors")
        if os.path.exists(index):
            with open(index, encoding="utf-8") as file:
                names = sorted(set(json.load(file)["weight_map"].values()))
            return [os.path.join(self.folder, name) for name in names]
        if os.path.exists(whole):
            return [whole]
        raise HeadraceError(
            "ERR_INPUT",
            f"{self.folder} has no model.safetensors and no model.safetensors.index.json; save the model with save_pretrained",
        )

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files."""
        self._stack.close()

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __getitem__(self, name: str) -> Tensor:
        """Raises ERR_TRAINER where it is missing."""
        if name not in self._files:
            raise HeadraceError(
                "ERR_TRAINER", f"{self.folder} has no tensor {name}; it is not the model that its config.json says"
            )
        tensor: Tensor = self._files[name].get_tensor(name)
        return tensor

    @property
    def type(self) -> torch.dtype:
        """The type that the embedding is stored in."""
        return self["model.embed_tokens.weight"].dtype


def parameters_of(folder: PathLike, shape: Shape) -> Iterator[Tuple[str, Tensor]]:
    """Each parameter of `Llama(shape)` by its name there, out of a folder, one at a time. Raises ERR_TRAINER where one is missing or has another size."""
    with torch.device("meta"):
        expected = Llama(shape)
    with Weights(folder) as weights:
        for name, parameter in expected.named_parameters():
            tensor = _published(weights, name, shape)
            if tensor is None:
                tensor = weights[folder_name(name)]
            if tensor.shape != parameter.shape:
                raise HeadraceError(
                    "ERR_TRAINER",
                    f"{folder_name(name)} of {weights.folder} is {tuple(tensor.shape)}, and its config.json asks for {tuple(parameter.shape)}",
                )
            yield name, tensor


_PUBLISHED = {
    "router.gate.0.weight": "gate.gate_network.0.weight",
    "router.gate.2.weight": "gate.gate_network.2.weight",
    "router.gate.weight": "gate.gate_network.weight",
    "router.noise.weight": "gate.weight_noise.weight",
}


def _published(weights: Weights, name: str, shape: Shape) -> Optional[Tensor]:
    """A parameter out of a checkpoint of LLaMA-MoE's own code, where the folder is one."""
    if shape.moe is None or ".moe." not in name:
        return None
    block, rest = name.split(".moe.")
    prefix = f"model.layers.{block.split('.')[1]}.mlp"
    if f"{prefix}.calculator.experts.weight_up.0" not in weights:
        return None
    if rest in _PUBLISHED:
        return weights[f"{prefix}.{_PUBLISHED[rest]}"]
    kind = rest.split(".")[1]
    return torch.stack([weights[f"{prefix}.calculator.experts.weight_{kind}.{e}"] for e in range(shape.moe.experts)])


def load_model(folder: PathLike) -> Llama:
    """A folder's model in float32 on the CPU. Raises as `read_shape` and `parameters_of`."""
    shape = read_shape(folder)
    model = Llama(shape)
    load_into(model, folder)
    return model


def load_into(model: Llama, folder: PathLike) -> None:
    """Fills a model of a folder's shape with its weights. Raises as `parameters_of`."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in parameters_of(folder, model.shape):
            parameters[name].copy_(tensor)


def write_model(
    out: PathLike,
    shape: Shape,
    parameters: Iterable[Tuple[str, Tensor]],
    like: Optional[PathLike] = None,
    more: Optional[Dict[str, Any]] = None,
) -> int:
    """Writes a folder whole or not at all, and returns the parameters in it. `like` is a folder whose tokenizer, and fields of whose config, go along.

    Memory is one file of weights. Raises ERR_OUTPUT where `out` holds anything.
    """
    place = os.path.abspath(os.fspath(out))
    if os.path.exists(place) and (not os.path.isdir(place) or os.listdir(place)):
        raise HeadraceError("ERR_OUTPUT", f"{out} is there and not empty; delete it or choose another --out")
    pending = f"{place}.{os.getpid()}.tmp"
    os.makedirs(pending)
    try:
        count = _write_weights(pending, parameters)
        config = {**config_of(shape, read_config(like) if like is not None else None), **(more or {})}
        _write_json(os.path.join(pending, "config.json"), config)
        for name in _TOKENIZER_FILES:
            if like is not None and os.path.exists(os.path.join(like, name)):
                shutil.copyfile(os.path.join(like, name), os.path.join(pending, name))
        if shape.moe is not None:
            for name in ("moe_layer.py", "modeling_llama_moe.py"):
                shutil.copyfile(os.path.join(os.path.dirname(__file__), name), os.path.join(pending, name))
        sync_folder(pending)
        if os.path.isdir(place):
            os.rmdir(place)
        os.rename(pending, place)
        sync_folder(os.path.dirname(place))
        return count
    except OSError as cause:
        raise HeadraceError("ERR_OUTPUT", f"cannot write {out}: {cause}") from cause
    finally:
        shutil.rmtree(pending, ignore_errors=True)


def _write_weights(folder: str, parameters: Iterable[Tuple[str, Tensor]]) -> int:
    """The weights in files of at most FILE_BYTES, and the index where they are several."""
    files: List[Tuple[str, List[str]]] = []
    held: Dict[str, Tensor] = {}
    size = total = count = 0

    def flush() -> None:
        nonlocal held, size
        path = os.path.join(folder, f"{len(files)}.safetensors")
        save_file(held, path, metadata={"format": "pt"})
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        files.append((path, list(held)))
        held, size = {}, 0

    for name, tensor in parameters:
        tensor_bytes = tensor.numel() * tensor.element_size()
        if held and size + tensor_bytes > FILE_BYTES:
            flush()
        held[folder_name(name)] = tensor.contiguous()
        size += tensor_bytes
        total += tensor_bytes
        count += tensor.numel()
    flush()
    if len(files) == 1:
        os.rename(files[0][0], os.path.join(folder, "model.safetensors"))
        return count
    places: Dict[str, str] = {}
    for i, (path, names) in enumerate(files):
        final = f"model-{i + 1:05d}-of-{len(files):05d}.safetensors"
        os.rename(path, os.path.join(folder, final))
        places.update({name: final for name in names})
    _write_json(
        os.path.join(folder, "model.safetensors.index.json"),
        {"metadata": {"total_size": total}, "weight_map": places},
    )
    return count


def _write_json(path: str, value: Union[Dict[str, Any], List[Any]]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
