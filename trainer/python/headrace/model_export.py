"""`python -m headrace model-export CHECKPOINTS --out FOLDER`: the torch trainer's newest checkpoint as a model's folder in Hugging Face's layout."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Optional, Sequence

from .errors import HeadraceError
from .model_folder import write_model
from .routing import load_any


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Does what the command line says and prints one JSON line; an error is one line and status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m headrace model-export", description="A checkpoint as a model's folder."
    )
    parser.add_argument("checkpoints", help="folder of checkpoints of a run of the torch trainer")
    parser.add_argument("--out", required=True, help="folder for the model, new or empty")
    parser.add_argument("--like", help="folder of the model that training began with: its tokenizer goes along")
    options = parser.parse_args(arguments)
    try:
        model = load_any(options.checkpoints)
        parameters = ((name, parameter.detach()) for name, parameter in model.named_parameters())
        count = write_model(options.out, model.shape, parameters, like=options.like)
    except HeadraceError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"out": options.out, "parameters": count}))
    return 0
