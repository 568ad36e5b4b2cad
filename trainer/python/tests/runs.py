"""Runs that the examples and the adapters train on in the tests, and the packages that those need."""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType
from typing import Any, Tuple

import pytest
from making import make_schedule, make_shards, write_run

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def require_packages(*names: str) -> None:
    """Skips the tests of a file by name where a package is missing; under HEADRACE_REQUIRE=1 that is a failure."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("HEADRACE_REQUIRE") == "1":
        raise RuntimeError(f"{', '.join(missing)} cannot be imported, and HEADRACE_REQUIRE=1 asks for it")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}", allow_module_level=True)


def example_path(name: str) -> str:
    """Where an example lies."""
    return os.path.join(ROOT, "examples", f"{name}.py")


def example(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, example_path(name))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


POLICY = {
    "kind": "loss-driven",
    "name": "custom",
    "rule": "softmax",
    "eta": 1,
    "smoothing": 1e-4,
    "initial": {"a": 0.5, "b": 0.5},
    "reference": {"source": "a test", "losses": {"a": 1, "b": 2}},
    "everyTokens": 1,
    "everyBatches": 3,
    "rails": {"floorRows": 1, "ceiling": 0.9, "step": 2},
}


def make_run(folder: Any, lag: int = 1, row_tokens: int = 16, **changes: Any) -> Tuple[str, str]:
    """Shards of two domains that can be learnt, and a run of 10 batches of 8 rows: a report each 3, `lag` batches before its stage.

    Returns the run's folder and the shards'; `changes` replace header fields.
    """
    made = {name: [[[[(i * step) % 64 for i in range(1500)]]]] for name, step in (("a", 1), ("b", 3))}
    held_out = {name: [[[batch[0][0][:200]]] for batch in shards] for name, shards in made.items()}
    manifest = make_shards(str(folder / "shards"), {"train": made, "validation": held_out})
    document = make_schedule(
        {"a": 1500, "b": 1500},
        [0.5, 0.5],
        3 + lag,
        **{"batches": 10, "rowTokens": row_tokens, "policy": POLICY, "shards": manifest["fingerprint"], **changes},
    )
    run = write_run(str(folder / "run"), document)
    os.makedirs(os.path.join(run, "checkpoints"))
    return run, str(folder / "shards")
