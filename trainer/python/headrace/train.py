"""The reference trainer: a LLaMA, dense or with experts, that headrace drives. `python -m headrace.train`, alone or under torchrun; CPU or CUDA, the same code.

Optimiser and schedule are LLaMA-MoE's (arXiv 2406.16554, scripts/cpt): AdamW .9/.95, weight decay .1 off the norms, clip 1.0, linear warm-up,
cosine clamped at a tenth. On CPU a run that was killed ends with the losses, to the last bit, of one that was not (the same number of threads).
Flags may also stand in HEADRACE_MODEL; those of the command line win.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Dict, Optional, Sequence

# Both are read when torch is loaded: a deterministic cuBLAS, and threads that sleep at a barrier instead of spinning on a shared CPU.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import torch.distributed as distributed

from . import __version__, loop
from .batch import Batch
from .client import Client, Welcome, connect
from .commit import write_whole
from .errors import HeadraceError
from .keys import key_of
from .losses import LossSum
from .manifest import read_manifest
from .model_config import read_config, read_shape
from .schedule import read_schedule
from .torch_group import TorchGroup
from .torch_llama import Llama, Shape, hidden_of, shape_of

FORMAT = "headrace-torch/1"
SUFFIX = ".pt"


@dataclass(frozen=True)
class Settings:
    """How a model is trained."""

    peak: float
    """Highest learning rate."""
    warmup: int
    """Batches of linear warm-up from 0."""
    batches: int
    """Batches of the whole run."""
    decay: float = 0.1
    clip: float = 1.0
    least: float = 0.1
    """The cosine is clamped at this fraction of the peak."""


def learning_rate(settings: Settings, batch: int) -> float:
    """Learning rate of a batch: linear from 0, then a cosine over the whole run that is cut off, not rescaled, at `least` of the peak."""
    if batch < settings.warmup:
        return settings.peak * batch / max(1, settings.warmup)
    progress = (batch - settings.warmup) / max(1, settings.batches - settings.warmup)
    return settings.peak * max(settings.least, 0.5 * (1 + math.cos(math.pi * progress)))


def noise_seed(seed: int, batch: int, rank: int, step: int) -> int:
    """What torch's generator begins with for one step of one rank, 64 bits."""
    key = key_of("noise", seed, batch, rank, step)
    return key.k0 | key.k1 << 32


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether PyTorch says that a device, or the CPU's allocator, has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)


class TorchTrainer(loop.Trainer):
    """A LLaMA, its optimiser and its checkpoints."""

    def __init__(
        self,
        shape: Shape,
        settings: Settings,
        seed: int,
        device: str = "cpu",
        run: Optional[str] = None,
        group: Optional[loop.Group] = None,
        micro_batch: Optional[int] = None,
        checkpoint_batches: Optional[int] = None,
        origin: Optional[str] = None,
        recompute: bool = False,
    ) -> None:
        """`origin` is a model's folder to begin with instead of random weights; `recompute` trades time for memory (`Llama.recompute`). `run` is the hash of the schedule's header: checkpoints of another are refused; None takes any, with the shape it has."""
        self.settings = settings
        self.device = torch.device(device)
        self.run = run
        self.group = group or loop.Group()
        self.micro_batch = micro_batch
        self.checkpoint_batches = checkpoint_batches
        self.origin = origin
        self.recompute = recompute
        torch.use_deterministic_algorithms(True, warn_only=self.device.type == "cuda")
        self.seed = seed
        torch.manual_seed(seed)
        self._build(shape)

    def _build(self, shape: Shape) -> None:
        self.model = Llama(shape)
        if self.origin is not None:
            from .model_folder import load_into  # needs safetensors, which nothing else here does

            if shape == read_shape(self.origin):
                load_into(self.model, self.origin)
        self.model.recompute = self.recompute
        self.model.to(self.device)
        matrices = [parameter for parameter in self.model.parameters() if parameter.dim() > 1]
        others = [parameter for parameter in self.model.parameters() if parameter.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": self.settings.decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.settings.peak, betas=(0.9, 0.95), eps=1e-8)

    def train(self, batch: Batch) -> loop.Trained:
        """One optimiser step over the rank's micro-batches. Raises, before the model is changed, ERR_LOSS when the loss or the gradient is not
        finite, and ERR_TRAINER when memory does not suffice."""
        try:
            return self._train(batch)
        except RuntimeError as cause:
            if not is_out_of_memory(cause):
                raise
            rows, width = batch.steps.shape[1:]
            raise HeadraceError(
                "ERR_TRAINER",
                f"{self.device} has no memory for {rows} rows of {width} tokens in batch {batch.index}; lower --micro-batch or give --recompute, and run again: the last checkpoint is whole",
            ) from cause

    def _train(self, batch: Batch) -> loop.Trained:
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        steps = batch.steps
        masks = batch.loss_masks().reshape(steps.shape) if batch.is_packed else None
        tokens = self.group.world * steps.shape[0] * steps.shape[1] * (steps.shape[2] - 1)
        if masks is not None:
            tokens = sum(self.group.gather(int(np.count_nonzero(masks))))
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for step, rows in enumerate(steps):
            mask = None if masks is None else torch.from_numpy(masks[step]).to(self.device)
            # The noise of routing depends on the batch and the place in it alone, so a run that goes on makes the same.
            torch.manual_seed(noise_seed(self.seed, batch.index, self.group.rank, step))
            with self._precision():
                loss = self.model.loss_sum(self._on_device(rows), mask)
            # The balance losses are means over micro-batches and ranks, as they are in the published trainer.
            (loss.nats / tokens + loss.balance / (len(steps) * self.group.world)).backward()
            total += loss.nats.detach()
        if self.group.world > 1:
            distributed.all_reduce(total)
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    distributed.all_reduce(parameter.grad)
        mean = float(total) / tokens
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip))
        if not (math.isfinite(mean) and math.isfinite(norm)):
            raise HeadraceError(
                "ERR_LOSS",
                f"the loss of batch {batch.index} is {mean} and its gradient's norm {norm}; the model has diverged: lower --lr and start again, the last checkpoint is whole",
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, batch.index)
        self.optimizer.step()
        return loop.Trained(mean, tokens)

    def loss_of(self, rows: np.ndarray) -> LossSum:
        """The loss of rows (n, width)."""
        self.model.eval()
        with torch.no_grad(), self._precision():
            loss = self.model.loss_sum(self._on_device(rows))
        return LossSum(float(loss.nats), loss.tokens)

    def save(self, checkpoints: str, state: Dict[str, Any]) -> None:
        """Saves model, optimiser and sampler state whole, and deletes all but this checkpoint and the one before."""
        self.group.lead(lambda: self._save(checkpoints, state))

    def _save(self, checkpoints: str, state: Dict[str, Any]) -> None:
        content = {
            "format": FORMAT,
            "run": self.run,
            "shape": asdict(self.model.shape),
            "sampler": state,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        with write_whole(loop.checkpoint_path(checkpoints, state["batch"], SUFFIX)) as file:
            torch.save(content, file)
        for old in loop.list_checkpoints(checkpoints, SUFFIX)[2:]:
            os.unlink(old)

    def load(self, checkpoints: Optional[str]) -> Optional[Dict[str, Any]]:
        """Loads the newest checkpoint that is whole; its sampler state. Raises ERR_TRAINER on one of another run or shape."""
        path = self.group.lead(lambda: self._newest(checkpoints))
        if path is None:
            return None
        content = torch.load(path, map_location=self.device, weights_only=True)
        if self.run is None:
            self._build(shape_of(content["shape"]))
        elif content["run"] != self.run:
            raise HeadraceError(
                "ERR_TRAINER",
                f"checkpoint {path} belongs to the run {str(content['run'])[:16]}…, this is {self.run[:16]}…; move it away to train from the start",
            )
        elif shape_of(content["shape"]) != self.model.shape:
            raise HeadraceError(
                "ERR_TRAINER",
                f"checkpoint {path} holds a model of {_described(shape_of(content['shape']))}, asked for is {_described(self.model.shape)}; give the flags that it was made with",
            )
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        state: Dict[str, Any] = content["sampler"]
        return state

    def _newest(self, checkpoints: Optional[str]) -> Optional[str]:
        paths = loop.list_checkpoints(checkpoints, SUFFIX) if checkpoints else []
        for path in paths:
            try:
                content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
                if content["format"] == FORMAT:
                    return path
                problem: Any = f"its format is {content['format']}"
            except Exception as cause:
                problem = cause
            print(f"checkpoint {path} cannot be read ({problem}); trying the one before", file=sys.stderr)
        if paths:
            raise HeadraceError(
                "ERR_TRAINER", f"no checkpoint in {checkpoints} can be read; remove them to train from the start"
            )
        return None

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda")

    def _on_device(self, rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(rows.astype(np.int64)).to(self.device)


class Told(TorchTrainer):
    """A trainer that prints a line now and then, for the log."""

    _began = 0.0

    def train(self, batch: Batch) -> loop.Trained:
        """As TorchTrainer's, and a line each 10 batches."""
        began = time.perf_counter()
        trained = super().train(batch)
        if self.group.rank == 0 and (batch.index % 10 == 0 or batch.index + 1 == self.settings.batches):
            rate = trained.tokens / (time.perf_counter() - began)
            print(
                f"batch {batch.index}  loss {trained.loss:.4f}  lr {learning_rate(self.settings, batch.index):.2e}  stage {batch.stage}  {rate:,.0f} tokens/s",
                flush=True,
            )
        return trained


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The flags of HEADRACE_MODEL and of the command line."""
    parser = argparse.ArgumentParser(prog="python -m headrace.train", description="Train a small LLaMA under headrace.")
    parser.add_argument("--dim", type=int, default=32, help="width of the model (32)")
    parser.add_argument("--layers", type=int, default=4, help="blocks (4)")
    parser.add_argument("--heads", type=int, default=4, help="attention heads (4)")
    parser.add_argument("--kv-heads", type=int, help="heads of keys and values (as many as heads)")
    parser.add_argument("--hidden", type=int, help="width of the SwiGLU layer (8/3 of dim, in 32s)")
    parser.add_argument("--tied", action="store_true", help="one matrix for input and output embeddings")
    parser.add_argument("--lr", type=float, default=1e-2, help="peak learning rate (0.01, for the size above)")
    parser.add_argument("--warmup", type=int, help="batches of warm-up (100, at most a tenth of the run)")
    parser.add_argument(
        "--seed", type=int, default=1227, help="seed of the first weights, and of the noise of routing (1227)"
    )
    parser.add_argument(
        "--from",
        dest="origin",
        metavar="FOLDER",
        help="begin with a model in Hugging Face's layout, dense or of moe-convert; sizes are its own",
    )
    parser.add_argument(
        "--recompute", action="store_true", help="compute blocks again in the backward pass: less memory, more time"
    )
    parser.add_argument("--micro-batch", type=int, help="rows of one step of one rank (its whole share)")
    parser.add_argument(
        "--checkpoint-batches", type=int, help="batches between checkpoints, beside those at each report"
    )
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (cuda where there is one)"
    )
    parser.add_argument("--threads", type=int, help="threads of the CPU (torch's default)")
    return parser.parse_args([*shlex.split(os.environ.get("HEADRACE_MODEL", "")), *arguments])


def make_trainer(options: argparse.Namespace, welcome: Welcome, group: loop.Group) -> TorchTrainer:
    """The trainer that flags and the host ask for. Raises ERR_ARGUMENT."""
    tokenizer = read_manifest(welcome.shards).tokenizer
    shape = sizes(options, tokenizer["vocabularySize"])
    if options.origin is not None:
        check_tokenizer(options.origin, tokenizer, welcome.shards)
    warmup = min(100, welcome.batches // 10) if options.warmup is None else options.warmup
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if options.device == "cuda" else options.device
    return Told(
        shape,
        Settings(peak=options.lr, warmup=warmup, batches=welcome.batches),
        seed=options.seed,
        device=device,
        run=read_schedule(welcome.run).header.hash if welcome.run else None,
        group=group,
        micro_batch=options.micro_batch,
        checkpoint_batches=options.checkpoint_batches,
        origin=options.origin,
        recompute=options.recompute,
    )


def sizes(options: argparse.Namespace, vocabulary: int) -> Shape:
    """The shape of a model's folder, or of the flags for sizes."""
    if options.origin is not None:
        return read_shape(options.origin)
    shape = Shape(
        vocabulary=vocabulary,
        dim=options.dim,
        layers=options.layers,
        heads=options.heads,
        kv_heads=options.kv_heads or options.heads,
        hidden=options.hidden or hidden_of(options.dim),
        tied=options.tied,
    )
    shape.check()
    return shape


def check_tokenizer(folder: str, tokenizer: Dict[str, Any], shards: str) -> None:
    """Whether a model's folder and shards go by one tokenizer: as many ids, or, where moe-convert recorded it, the same hash and enough ids. Raises ERR_TRAINER."""
    config = read_config(folder)
    size, sha256 = config.get("vocab_size"), (config.get("headrace_conversion") or {}).get("tokenizer")
    wrong = None
    if size < tokenizer["vocabularySize"] or (sha256 is None and size != tokenizer["vocabularySize"]):
        wrong = f"has {size} token ids and the tokenizer of {shards} {tokenizer['vocabularySize']}"
    elif sha256 is not None and sha256 != tokenizer["sha256"]:
        wrong = f"was converted with the tokenizer {sha256[:12]}… and {shards} was built with {tokenizer['name']} ({tokenizer['sha256'][:12]}…)"
    if wrong:
        raise HeadraceError(
            "ERR_TRAINER", f"the model in {folder} {wrong}; build the shards with the model's tokenizer"
        )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Connects to headrace and does what it asks; an error is one line and status 1."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    client: Optional[Client] = None
    group = loop.Group()
    try:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            if options.device == "cuda":
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            distributed.init_process_group("nccl" if options.device == "cuda" else "gloo")
            group = TorchGroup()
        if group.rank == 0:
            client = connect(f"headrace-torch/{__version__}")
        welcome = group.share(client.welcome if client else None)
        try:
            trainer = make_trainer(options, welcome, group)
        except HeadraceError as error:
            if client is not None:
                client.fail(error.args[0])
            raise
        loop.run(client, trainer, group)
    except HeadraceError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    finally:
        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


def _described(shape: Shape) -> str:
    return json.dumps(asdict(shape))


if __name__ == "__main__":
    sys.exit(main())
