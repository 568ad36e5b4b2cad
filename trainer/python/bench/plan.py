"""Milliseconds a batch plan takes, and a seek from nothing: LLaMA-MoE's run (3,584 rows of 4,096 tokens, 13,623 batches, seven domains of SlimPajama's size).

    python bench/plan.py

One thread; the median of 200 batches. Prints one JSON line.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "tests")]

from making import make_schedule  # noqa: E402

from headrace.plan import Plan  # noqa: E402
from headrace.schedule import parse_schedule  # noqa: E402

TOKENS = [
    327_300_000_000,
    167_400_000_000,
    32_600_000_000,
    23_800_000_000,
    26_300_000_000,
    28_800_000_000,
    20_700_000_000,
]
WEIGHTS = [0.361, 0.492, 0.008, 0.031, 0.091, 0.007, 0.01]


def milliseconds(act, times: int) -> float:
    """The median time of an act that is told its number."""
    seconds = []
    for i in range(times):
        began = time.perf_counter()
        act(i)
        seconds.append(time.perf_counter() - began)
    return round(1000 * statistics.median(seconds), 3)


def main() -> None:
    """Prints the figures."""
    streams = {f"d{i}": tokens for i, tokens in enumerate(TOKENS)}
    schedule = parse_schedule(make_schedule(streams, WEIGHTS, rowTokens=4096, batchRows=3584, batches=13_623))
    plan = Plan(schedule)
    small = Plan(parse_schedule(make_schedule(streams, WEIGHTS, rowTokens=4096, batchRows=32, batches=1_525_878)))
    print(
        json.dumps(
            {
                "millisecondsABatch": milliseconds(lambda i: plan.batch(5000 + i), 200),
                "millisecondsARankOf112": milliseconds(lambda i: plan.rank(5000 + i, 3, 112, 8, 4), 200),
                "millisecondsABatchOf32AmongMany": round(
                    milliseconds(lambda i: small.block(5000 + 128 * i, 128), 20) / 128, 4
                ),
                "millisecondsASeek": milliseconds(lambda i: Plan(schedule).batch(13_622 - i), 50),
                "numpy": np.__version__,
                "python": platform.python_version(),
                "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            }
        )
    )


if __name__ == "__main__":
    main()
