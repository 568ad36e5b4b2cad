"""Opening 60,000 shards of 600 B tokens, and reaching any batch of a 200 B-token run over them.

    python bench/scale.py [--shards 60000] [--domains 7 100]

The shards are a manifest of that size alone: what is timed reads no other file. Each figure comes from a process of its own, so that
memory is what opening adds to a Python that has numpy. `seek` is a plan made from nothing and asked for one batch of 1,024 rows of
4,096 tokens: median and worst of 40 batches all over the run, under one stage (static) and under 80 (dynamic). `json.loads` of the same
text is the least any reader must do. Prints one JSON line for each number of domains.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "tests")]

import numpy as np  # noqa: E402
from making import make_header, make_stage  # noqa: E402

from headrace.keys import hash_of  # noqa: E402
from headrace.mixture import settle, weight_parts  # noqa: E402
from headrace.plan import Plan  # noqa: E402
from headrace.reader import ShardReader  # noqa: E402
from headrace.schedule import parse_schedule, state_after  # noqa: E402

TOKENS = 10_000_000
"""Tokens of a shard, in two record batches."""
ROW, BATCH = 4096, 1024
RUN = 200_000_000_000 // ROW // BATCH
"""Batches of the run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shards", type=int, default=60_000)
    parser.add_argument("--domains", type=int, nargs="+", default=[7, 100])
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    for domains in options.domains:
        with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
            write_manifest(folder, options.shards, domains)
            command = [sys.executable, os.path.abspath(__file__), "--measure", folder]
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            machine = f"{platform.machine()}, {os.cpu_count()} cores"
            print(json.dumps({"shards": options.shards, "domains": domains, **found, "machine": machine}))


def write_manifest(folder: str, shards: int, domains: int) -> None:
    """A manifest of `shards` shards of 10 M tokens, spread evenly over the domains."""
    names = [f"d{i}" for i in range(domains)]
    records = []
    for i in range(shards):
        domain = names[i * domains // shards]
        place = {"path": f"train/{domain}/{i:05d}.arrow", "split": "train", "domain": domain}
        half = {"documents": 5000, "tokens": TOKENS // 2}
        batches = [{**half, "offsetsAt": at, "tokensAt": at + 20_480} for at in (512, TOKENS + 41_472)]
        counts = {"documents": 10_000, "tokens": TOKENS, "bytes": 2 * TOKENS + 100_000}
        records.append({**place, **counts, "sha256": f"{i:064x}", "batches": batches})
    tokenizer = {"name": "llama-2", "sha256": "0" * 64, "vocabularySize": 32_000}
    manifest = {
        "format": "headrace-shards/1",
        "tokenizer": tokenizer,
        "tokenType": "uint16",
        "domains": names,
        "shards": records,
    }
    fields = ("path", "split", "domain", "documents", "tokens", "sha256")
    identity = {**manifest, "shards": [{name: record[name] for name in fields} for record in records]}
    with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump({**manifest, "fingerprint": hash_of(identity)}, file)


def measure(folder: str) -> dict:
    """The figures of one folder, in a fresh process."""
    before = resident()
    began = time.perf_counter()
    reader = ShardReader(folder)
    opened = time.perf_counter() - began
    grown = resident() - before
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        text = file.read()
    began = time.perf_counter()
    json.loads(text)
    least = time.perf_counter() - began
    static, dynamic = seeks(reader, 1), seeks(reader, 80)
    return {
        "openSeconds": round(opened, 2),
        "jsonLoadsSeconds": round(least, 2),
        "openedMegabytes": round(grown / 1e6),
        "seekMilliseconds": static,
        "seekMillisecondsDynamic": dynamic,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def seeks(reader: ShardReader, stages: int) -> dict:
    """Milliseconds to one batch anywhere in the run, from a schedule in hand."""
    rng = random.Random(1)
    header = make_header(dict(zip(reader.domains, reader.tokens)), rowTokens=ROW, batchRows=BATCH, batches=RUN)
    document = {"header": header, "stages": []}
    parsed = []
    for i in range(stages):
        # No weight under a row a batch, as the guard rails keep them.
        drawn = [max(rng.random(), 4 * len(reader.domains) / BATCH) for _ in reader.domains]
        weights = weight_parts([x / sum(drawn) for x in drawn])
        first, until = i * RUN // stages, None if i == stages - 1 else (i + 1) * RUN // stages
        start = state_after(parsed[-1] if parsed else None, first, len(weights))
        make = dict(served=list(start.served), carry=settle(start.deficits, weights))
        document["stages"].append(make_stage(document, weights, first, until, **make))
        parsed = list(parse_schedule(document).stages)
    schedule = parse_schedule(document)
    milliseconds = []
    for batch in [RUN - 1, *(rng.randrange(RUN) for _ in range(39))]:
        began = time.perf_counter()
        Plan(schedule).batch(batch)
        milliseconds.append(1000 * (time.perf_counter() - began))
    return {"median": round(statistics.median(milliseconds), 1), "worst": round(max(milliseconds), 1)}


def resident() -> int:
    """Bytes of the process in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
