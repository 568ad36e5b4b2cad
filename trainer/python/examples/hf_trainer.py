"""A small LLaMA under Hugging Face's Trainer, on a headrace run: losses by domain move the weights, and checkpoints resume with the same rows.

    headrace begin shards --out run --policy dynamic-uniform --reference reference.json --row 512 --batch 64 --tokens 10M --every 1M --lag 1
    torchrun --nproc-per-node 4 hf_trainer.py run shards checkpoints --micro-batch 4

Three things are headrace's: the dataset, the callback, and train_sampling_strategy="sequential" (the plan has shuffled already). The lag is at least the
one batch that accelerate fetches ahead. `--resume` goes on from the newest checkpoint.
"""

from __future__ import annotations

import argparse
import os
from typing import List, Optional

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from headrace import read_manifest, read_schedule
from headrace.hf import RowDataset, RunCallback


def small_model(shards: str, row_tokens: int) -> LlamaForCausalLM:
    """A random LLaMA over the shards' vocabulary."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=read_manifest(shards).tokenizer["vocabularySize"],
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=row_tokens + 1,
        )
    )


def main(arguments: Optional[List[str]] = None) -> str:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("shards")
    parser.add_argument("checkpoints")
    parser.add_argument("--micro-batch", type=int, required=True)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--losses", default="validation", choices=("validation", "training"))
    parser.add_argument("--save-steps", type=int, default=5)
    parser.add_argument("--until", type=int, help="stop after this many batches, as a job that is killed")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args(arguments)

    header = read_schedule(options.run).header
    trainer = Trainer(
        model=small_model(options.shards, header.row_tokens),
        args=TrainingArguments(
            output_dir=options.checkpoints,
            max_steps=options.until or header.batches,
            per_device_train_batch_size=options.micro_batch,
            gradient_accumulation_steps=header.batch_rows
            // (options.micro_batch * int(os.environ.get("WORLD_SIZE", "1"))),
            train_sampling_strategy="sequential",
            dataloader_num_workers=options.workers,
            learning_rate=1e-2,
            lr_scheduler_type="constant",
            save_steps=options.save_steps,
            report_to="none",
            use_cpu=not torch.cuda.is_available(),
            disable_tqdm=True,
        ),
        train_dataset=RowDataset(options.run, options.shards),
        callbacks=[RunCallback(options.run, options.shards, options.losses)],
    )
    trainer.train(resume_from_checkpoint=options.resume)
    weights = sum(parameter.detach().double().sum() for parameter in trainer.model.parameters())
    return f"{read_schedule(options.run).hash} {float(weights):.9f}"


if __name__ == "__main__":
    told = main()
    if os.environ.get("RANK", "0") == "0":
        print(told)
