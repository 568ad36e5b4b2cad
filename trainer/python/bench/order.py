"""What a local order costs and gives, beside the global one: rows from a cold page cache, files in use, and how far stream neighbours are served apart.

    python bench/order.py [--folder DIR] [--megabytes 768] [--batches 150] [--windows 4x256 16x256 16x1024] [--repeats 3]

First part: DIR (a disk's, not memory's) gets shards of 8 MB of tokens; each order serves its first batches of 64 rows of 4,096 tokens from a cache that
was emptied of these files (posix_fadvise, which asks and is obeyed where nothing else maps them). `read` is what the kernel fetched from the disk
(/proc/self/io) over the bytes of the rows: read-ahead fetches neighbours that a global order does not come to in time. Orders take turns.
Second part, from plans alone: a run of 2,000 batches of 1,024 rows over one domain of 600 B tokens in shards of 512 MB: files and blocks of 8 MB that 100
consecutive batches touch, and the median number of batches between two rows that are neighbours in the stream (the global order: a third of an epoch).
Prints one JSON line for each order.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "tests")]

import numpy as np  # noqa: E402
from making import make_schedule, make_shards, write_run  # noqa: E402

from headrace.plan import Plan  # noqa: E402
from headrace.sampler import Sampler  # noqa: E402
from headrace.schedule import parse_schedule  # noqa: E402

ROW, BATCH = 4096, 64
SHARD_TOKENS = 4 * 2**20
DOCUMENT = 2**15
LARGE_TOKENS, LARGE_BATCH, LARGE_SHARD = 600_000_000_000, 1024, 2**28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--megabytes", type=int, default=768)
    parser.add_argument("--batches", type=int, default=150)
    parser.add_argument("--windows", nargs="+", default=["4x256", "16x256", "16x1024"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    orders = {"global": {}, **{window: order_of(window) for window in options.windows}}
    with tempfile.TemporaryDirectory(prefix="headrace-bench-", dir=options.folder) as folder:
        shards = os.path.join(folder, "shards")
        runs = make_runs(folder, shards, options.megabytes, orders)
        served = {name: [] for name in runs}
        for _ in range(options.repeats):
            for name, run in runs.items():
                served[name].append(serve(run, shards, options.batches))
    for name, order in orders.items():
        medians = {key: statistics.median(one[key] for one in served[name]) for key in served[name][0]}
        print(json.dumps({"order": name, **medians, **planned(order)}))


def order_of(window: str) -> dict:
    """Header fields of BLOCKSxROWS."""
    blocks, rows = map(int, window.split("x"))
    return {"order": "local", "window": {"blockRows": rows, "blocks": blocks}}


def make_runs(folder: str, shards: str, megabytes: int, orders: dict) -> dict:
    """Shards of random ids, and a run folder for each order."""
    numbers = np.random.default_rng(0)
    count = max(2, megabytes * 2**19 // SHARD_TOKENS)
    documents = SHARD_TOKENS // DOCUMENT
    made = ([numbers.integers(0, 2**16, DOCUMENT, dtype=np.uint16) for _ in range(documents)] for _ in range(count))
    manifest = make_shards(shards, {"train": {"a": [[batch] for batch in made]}})
    runs = {}
    for name, order in orders.items():
        document = make_schedule(
            {"a": count * SHARD_TOKENS}, [1], rowTokens=ROW, batchRows=BATCH, shards=manifest["fingerprint"], **order
        )
        runs[name] = write_run(os.path.join(folder, name), document)
    os.sync()
    return runs


def serve(run: str, shards: str, batches: int) -> dict:
    """The first batches of a run from a cold cache."""
    forget(shards)
    before, began = bytes_read(), time.perf_counter()
    with Sampler(run, shards) as sampler:
        files = set()
        first = None
        for k in range(batches):
            batch = sampler.batch(k)
            first = first or time.perf_counter() - began
            files.update((sampler.plan_rows(k).starts // SHARD_TOKENS).tolist())
            assert len(batch.tokens) == BATCH
        seconds = time.perf_counter() - began
    rows = batches * BATCH
    return {
        "rowsPerSecond": round(rows / seconds),
        "firstBatchMilliseconds": round(1000 * (first or 0)),
        "read": round((bytes_read() - before) / (rows * ROW * 2), 2),
        "files": len(files),
    }


def forget(folder: str) -> None:
    """Asks the kernel to drop the pages of every file."""
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def bytes_read() -> int:
    """Bytes that this process made the system fetch from disks."""
    with open("/proc/self/io") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("read_bytes"))


def planned(order: dict) -> dict:
    """What a long run touches, by its plan."""
    document = make_schedule({"a": LARGE_TOKENS}, [1], rowTokens=ROW, batchRows=LARGE_BATCH, **order)
    plan = Plan(parse_schedule(document))
    batches = [plan.batch(k) for k in range(2000)]
    files, blocks = [], []
    for first in range(0, 2000, 100):
        starts = np.concatenate([rows.starts for rows in batches[first : first + 100]])
        files.append(len(np.unique(starts // LARGE_SHARD)))
        blocks.append(len(np.unique(starts // SHARD_TOKENS)))
    rows = np.concatenate([rows.rows for rows in batches])
    place = np.repeat(np.arange(2000), LARGE_BATCH)
    sorted_rows = np.argsort(rows)
    neighbours = np.flatnonzero(np.diff(rows[sorted_rows]) == 1)
    apart = np.abs(place[sorted_rows[neighbours + 1]] - place[sorted_rows[neighbours]])
    local = bool(order)
    return {
        "filesIn100Batches": statistics.median(files),
        "blocksIn100Batches": statistics.median(blocks),
        "batchesBetweenNeighbours": float(np.median(apart)) if local else round(LARGE_TOKENS / ROW / LARGE_BATCH / 3),
    }


if __name__ == "__main__":
    main()
