"""python -m headrace: what a job script may need of the run folder, without Node."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Dict, Optional, Sequence

from .errors import HeadraceError
from .keys import canonical_json, parse_json
from .reweighting import reweight


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Does what the command line says and prints one JSON line; an error is one line and status 1."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["moe-convert"]:
        from .moe_convert import main as moe_convert  # needs torch, which the others do without

        return moe_convert(given[1:])
    if given[:1] == ["routing"]:
        from .routing import main as routing

        return routing(given[1:])
    if given[:1] == ["model-export"]:
        from .model_export import main as model_export

        return model_export(given[1:])
    parser = argparse.ArgumentParser(
        prog="python -m headrace",
        description="The Python half of headrace.",
        epilog="moe-convert: a LLaMA-MoE out of a dense LLaMA; routing: how domains use its experts; model-export: a checkpoint as a folder for transformers (all need torch and safetensors)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("reweight", help="append the stage that a loss report leads to")
    command.add_argument("run", help="run folder, with schedule.json")
    command.add_argument("--report", required=True, help="loss report (headrace-report/1), a file")
    options = parser.parse_args(given)
    try:
        print(canonical_json(_reweight(options.run, options.report)))
    except HeadraceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _reweight(run: str, path: str) -> Dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            report = parse_json(file.read(), path)
    except OSError as cause:
        raise HeadraceError("ERR_INPUT", f"cannot read the loss report {path}: {cause.strerror}") from cause
    schedule, stage, _, appended = reweight(run, report)
    from_batch = stage.from_batch if stage else None
    return {"appended": appended, "stages": len(schedule.stages), "hash": schedule.hash, "fromBatch": from_batch}


if __name__ == "__main__":
    sys.exit(main())
