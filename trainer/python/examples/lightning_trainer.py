"""A small model under Lightning, on a headrace run: losses by domain move the weights, and checkpoints resume with the same rows.

    headrace begin shards --out run --policy dynamic-uniform --reference reference.json --row 512 --batch 64 --tokens 10M --every 1M --lag 1
    python lightning_trainer.py run shards checkpoints --accumulation 4 --devices 4

Two things are headrace's: the data module and the callback. The lag is at least the item that Lightning fetches ahead. `--resume PATH` goes on from a checkpoint.
"""

from __future__ import annotations

import argparse
from typing import Any, Dict, List, Optional

import lightning.pytorch as pl
import torch

from headrace import read_manifest, read_schedule
from headrace.lightning import RunCallback, RunData
from headrace.torch_losses import row_nats


class Bigram(pl.LightningModule):
    """A token's own logits for the next."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(vocabulary, vocabulary)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids)

    def training_step(self, batch: Dict[str, Any], index: int) -> Dict[str, torch.Tensor]:
        nats, tokens = row_nats(self(batch["input_ids"]), batch["labels"])
        # Nats and tokens by row are for RunCallback(losses="training"); the loss is the mean of the tokens.
        return {"loss": (nats.sum() / tokens.sum()).float(), "nats": nats.detach(), "tokens": tokens}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


def main(arguments: Optional[List[str]] = None) -> str:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("shards")
    parser.add_argument("checkpoints")
    parser.add_argument("--accumulation", type=int, default=1)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--losses", default="validation", choices=("validation", "training"))
    parser.add_argument("--save-steps", type=int, default=5)
    parser.add_argument("--until", type=int, help="stop after this many batches, as a job that is killed")
    parser.add_argument("--resume", help="a checkpoint")
    options = parser.parse_args(arguments)

    pl.seed_everything(0)
    model = Bigram(read_manifest(options.shards).tokenizer["vocabularySize"])
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=options.devices,
        strategy="ddp" if options.devices > 1 else "auto",
        max_steps=options.until or read_schedule(options.run).header.batches,
        max_epochs=-1,
        accumulate_grad_batches=options.accumulation,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            RunCallback(options.losses),
            pl.callbacks.ModelCheckpoint(
                options.checkpoints, "{step}", every_n_train_steps=options.save_steps, save_top_k=-1
            ),
        ],
    )
    data = RunData(options.run, options.shards, {"num_workers": options.workers})
    trainer.fit(model, datamodule=data, ckpt_path=options.resume)
    return f"{read_schedule(options.run).hash} {float(model.table.weight.detach().double().sum()):.9f}"


if __name__ == "__main__":
    print(main())
