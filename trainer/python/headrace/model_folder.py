"""A model's folder in Hugging Face's layout: config.json and safetensors, dense LLaMA or with experts, to and from `torch_llama.Llama`.

Published LLaMA-MoE checkpoints are read as well,
whose experts are matrices of their own. Needs torch and safetensors.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import torch
from torch import Tensor

from .commit import sync_folder
from .errors import HeadraceError
from .model_config import config_of, read_config, read_shape
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
