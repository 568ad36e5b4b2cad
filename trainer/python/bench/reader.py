"""Rows a second out of mapped shards, and beside it the least that any reader must do: a memmap slice and a copy a row.

    python bench/reader.py [--gigabytes 1] [--row 4096] [--batch 3584] [--domains 7] [--shards 4]

Makes a shard folder of random tokens under the temporary folder, reads it once so that it lies in the page cache, then times both
in turn over the batches of one plan, best of five. One thread. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "tests")]

from making import make_schedule, make_shards  # noqa: E402

from headrace.plan import Plan  # noqa: E402
from headrace.reader import ShardReader  # noqa: E402
from headrace.schedule import parse_schedule  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--row", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=3584)
    parser.add_argument("--domains", type=int, default=7)
    parser.add_argument("--shards", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        print(json.dumps(measure(folder, options)))


def measure(folder: str, options: argparse.Namespace) -> dict:
    rng = np.random.default_rng(0)
    per_piece = int(options.gigabytes * 2**29 / options.domains / options.shards / 2)
    domains = {
        f"d{d}": [
            [[rng.integers(0, 32_000, per_piece, dtype=np.uint16)] for _ in range(2)] for _ in range(options.shards)
        ]
        for d in range(options.domains)
    }
    manifest = make_shards(folder, {"train": domains})
    del domains
    reader = ShardReader(folder)
    weights = [1 / options.domains] * options.domains
    plan = Plan(
        parse_schedule(
            make_schedule(
                dict(zip(reader.domains, reader.tokens)), weights, rowTokens=options.row, batchRows=options.batch
            )
        )
    )
    batches = [plan.batch(k) for k in range(8)]

    # The bare gather knows where each row lies beforehand and maps each file by itself: no search, no ring, no order.
    maps = [np.memmap(os.path.join(folder, shard["path"]), dtype=np.uint16, mode="r") for shard in manifest["shards"]]
    plain = [np.asarray(mapped) for mapped in maps]
    addresses = []
    for rows in batches:
        piece = rows.starts // per_piece
        place = np.minimum(rows.starts % per_piece, per_piece - options.row)
        files = rows.domains * options.shards + piece // 2
        first = [manifest["shards"][f]["batches"][p % 2]["tokensAt"] // 2 for f, p in zip(files, piece)]
        addresses.append((files.tolist(), (np.array(first) + place).tolist()))
    out = np.empty((options.batch, options.row), dtype=np.uint16)

    def bare(arrays) -> float:
        began = time.perf_counter()
        for files, places in addresses:
            for i, (file, place) in enumerate(zip(files, places)):
                out[i] = arrays[file][place : place + options.row]
        return time.perf_counter() - began

    def ours() -> float:
        began = time.perf_counter()
        for rows in batches:
            reader.gather(rows.domains, rows.starts, options.row, out)
        return time.perf_counter() - began

    def planned() -> float:
        began = time.perf_counter()
        for k in range(len(batches)):
            rows = plan.batch(1000 + k)
            reader.gather(rows.domains, rows.starts, options.row, out)
        return time.perf_counter() - began

    for array in plain:
        int(array.view(np.uint8)[::4096].sum())
    work = {
        "bare memmap": lambda: bare(maps),
        "bare ndarray": lambda: bare(plain),
        "reader": ours,
        "plan and reader": planned,
    }
    best = {name: min(times) for name, times in zip(work, zip(*[[run() for run in work.values()] for _ in range(5)]))}
    rates = {name: round(len(batches) * options.batch / seconds) for name, seconds in best.items()}
    return {
        "rowTokens": options.row,
        "rowsPerSecond": rates,
        "readerToBare": round(rates["reader"] / rates["bare memmap"], 2),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


if __name__ == "__main__":
    main()
