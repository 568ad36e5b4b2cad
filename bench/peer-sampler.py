"""Loaders that mix domains, each measured in a process of its own: python peer-sampler.py make FORMAT FOLDER | python peer-sampler.py ENGINE FOLDER.

`make` lays the same rows of random ids out as FORMAT reads them: u16 (raw), megatron (what `headrace import` reads), mds, arrow, litdata. ENGINE then
gives ROWS rows of 4,096 tokens in batches of 8, in the weights of Sheared-LLaMA, and prints one JSON object: the seconds to the first batch with
construction (imports apart), rows a second by wall and by the CPU of this process, the bytes of a state, the farthest that any domain was from
its share at a batch's end, in rows, and for a state at 10, 50 and 90 % the seconds to the next batch and whether the rows go on as they would have.
"""

import hashlib
import json
import os
import sys
import time
from importlib.metadata import version
from itertools import islice

import numpy as np

WEIGHTS = {"cc": 0.361, "c4": 0.492, "github": 0.008, "wikipedia": 0.031, "book": 0.091, "arxiv": 0.007, "stack": 0.01}
"""Sheared-LLaMA's, over its set names (arXiv 2310.06694, table 6)."""
NAMES, SHARES = list(WEIGHTS), list(WEIGHTS.values())
ROW, BATCH, ROWS, SEED = 4096, 8, 8000, 17
MARKS = (10, 50, 90)
FOLLOWING = 32
"""Rows after a mark that must be those of the undisturbed run."""


def rows_of(number):
    """The rows of a domain: more than its share of ROWS draws takes, so that none repeats."""
    rng = np.random.default_rng(number)
    return rng.integers(3, 32_000, (int(ROWS * SHARES[number] * 1.15) + 160, ROW), dtype=np.uint16)


def make(form, folder):
    for number, name in enumerate(NAMES):
        rows, out = rows_of(number), f"{folder}/{form}/{name}"
        os.makedirs(os.path.dirname(out), exist_ok=True)
        if form == "u16":
            rows.tofile(f"{out}.u16")
        elif form == "megatron":
            write_megatron(out, rows)
        elif form == "mds":
            from streaming import MDSWriter

            with MDSWriter(out=out, columns={"tokens": f"ndarray:uint16:{ROW}", "set": "int"}, compression=None) as writer:
                for row in rows:
                    writer.write({"tokens": row, "set": number})
        elif form == "arrow":
            import datasets
            import pyarrow as pa

            ids = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), ROW)
            table = pa.table({"tokens": ids, "set": pa.array(np.full(len(rows), number, np.int8))})
            datasets.Dataset(table).save_to_disk(out, num_shards=4)
        else:
            write_litdata(out, rows, number)


def write_megatron(out, rows):
    """One document a row (megatron-core's indexed_dataset: magic, version 1, type 8 = uint16, counts, lengths, positions, document ends)."""
    rows.tofile(f"{out}.bin")
    with open(f"{out}.idx", "wb") as file:
        file.write(b"MMIDIDX\x00\x00" + np.array([1], "<u8").tobytes() + b"\x08")
        file.write(np.array([len(rows), len(rows) + 1], "<u8").tobytes())
        file.write(np.full(len(rows), ROW, "<i4").tobytes())
        file.write((np.arange(len(rows), dtype="<i8") * ROW * 2).tobytes())
        file.write(np.arange(len(rows) + 1, dtype="<i8").tobytes())


def write_litdata(out, rows, number):
    from litdata.streaming import Cache

    cache = Cache(out, chunk_bytes="64MB")
    for i, row in enumerate(rows):
        cache[i] = {"tokens": row, "set": number}
    cache.done()
    cache.merge()


class Stateful:
    """An engine whose library keeps its state itself, in what `keeper` names."""

    keeper = "loader"

    def state(self, given):
        return getattr(self, self.keeper).state_dict()

    def load(self, state):
        getattr(self, self.keeper).load_state_dict(state)


class Headrace(Stateful):
    """Ours: `Sampler`, rows as they lie in the shards."""

    package = "headrace"
    keeper = "sampler"

    def __init__(self, folder):
        from headrace import Sampler

        self.sampler = Sampler(f"{folder}/run", f"{folder}/shards")
        self.number = np.array([NAMES.index(name) for name in self.sampler.domains])

    def batches(self):
        for batch in self.sampler:
            yield self.number[batch.domains].tolist(), batch.tokens

class HeadraceLoader(Stateful):
    """Ours: `StepLoader`, int64 tensors."""

    package = "headrace"
    workers = 0

    def __init__(self, folder):
        from headrace.torch_data import StepDataset, StepLoader

        steps = StepDataset(f"{folder}/run", f"{folder}/shards")
        self.loader = StepLoader(steps, num_workers=self.workers)
        self.number = [NAMES.index(name) for name in steps.domains]

    def batches(self):
        for item in self.loader:
            yield [self.number[domain] for domain in item["domains"].tolist()], item["input_ids"]

class HeadraceLoader2(HeadraceLoader):
    workers = 2


class Memmap:
    """The least that does the job: a memmap a domain, a seeded generator, one copy a row."""

    package = "numpy"

    def __init__(self, folder):
        self.rows = [np.memmap(f"{folder}/u16/{name}.u16", dtype=np.uint16, mode="r").reshape(-1, ROW) for name in NAMES]
        self.orders = [np.random.default_rng(SEED + i).permutation(len(rows)) for i, rows in enumerate(self.rows)]
        self.rng, self.used = np.random.default_rng(SEED), [0] * len(NAMES)

    def batches(self):
        while True:
            sets = self.rng.choice(len(NAMES), BATCH, p=SHARES).tolist()
            out = np.empty((BATCH, ROW), np.uint16)
            for i, number in enumerate(sets):
                rows = self.rows[number]
                out[i] = rows[self.orders[number][self.used[number] % len(rows)]]
                self.used[number] += 1
            yield sets, out

    def state(self, given):
        return {"rng": self.rng.bit_generator.state, "used": list(self.used)}

    def load(self, state):
        self.rng.bit_generator.state = state["rng"]
        self.used = list(state["used"])


class Mosaic:
    """MosaicML Streaming: a stream a domain, its own iterator."""

    package = "mosaicml-streaming"

    def __init__(self, folder):
        from streaming import Stream, StreamingDataset
        from streaming.base.util import clean_stale_shared_memory

        clean_stale_shared_memory()
        streams = [Stream(local=f"{folder}/mds/{name}", proportion=share) for name, share in WEIGHTS.items()]
        self.data = StreamingDataset(
            streams=streams, epoch_size=ROWS, shuffle=True, shuffle_seed=SEED, batch_size=BATCH, num_canonical_nodes=1
        )

    def batches(self):
        rows = iter(self.data)
        while batch := list(islice(rows, BATCH)):
            yield [row["set"] for row in batch], [row["tokens"] for row in batch]

    def state(self, given):
        return self.data.state_dict(given, True)

    def load(self, state):
        self.data.load_state_dict(state)


class Mosaic2(Stateful, Mosaic):
    """With its DataLoader and two workers."""

    def __init__(self, folder):
        from streaming import StreamingDataLoader

        super().__init__(folder)
        self.loader = StreamingDataLoader(self.data, batch_size=BATCH, num_workers=2, drop_last=True)

    def batches(self):
        for batch in self.loader:
            yield batch["set"].tolist(), batch["tokens"]

class MapStyle:
    """datasets: `interleave_datasets` over folders on disk, by index; a trainer that skips to a batch needs no other state."""

    package = "datasets"
    workers = None

    def __init__(self, folder):
        import datasets

        sets = [datasets.load_from_disk(f"{folder}/arrow/{name}") for name in NAMES]
        mixed = datasets.interleave_datasets(sets, probabilities=SHARES, seed=SEED, stopping_strategy="first_exhausted")
        self.data = mixed.with_format("numpy" if self.workers is None else "torch")
        self.at = 0

    def batches(self):
        if self.workers is None:
            for i in range(self.at, len(self.data) - BATCH, BATCH):
                batch = self.data[i : i + BATCH]
                yield batch["set"].tolist(), batch["tokens"]
            return
        from torch.utils.data import DataLoader, Subset

        rest = Subset(self.data, range(self.at, len(self.data)))
        for batch in DataLoader(rest, batch_size=BATCH, num_workers=self.workers, drop_last=True):
            yield batch["set"].tolist(), batch["tokens"]

    def state(self, given):
        return {"at": given}

    def load(self, state):
        self.at = state["at"]


class MapStyle2(MapStyle):
    workers = 2


class Iterable(Stateful):
    """datasets: `interleave_datasets` over iterable datasets with a shuffle buffer."""

    package = "datasets"
    keeper = "data"

    def __init__(self, folder):
        import datasets

        sets = [
            datasets.load_from_disk(f"{folder}/arrow/{name}").to_iterable_dataset(num_shards=4).shuffle(seed=SEED, buffer_size=64)
            for name in NAMES
        ]
        mixed = datasets.interleave_datasets(sets, probabilities=SHARES, seed=SEED, stopping_strategy="first_exhausted")
        self.data = mixed.with_format("numpy")

    def batches(self):
        rows = iter(self.data)
        while batch := list(islice(rows, BATCH)):
            yield [int(row["set"]) for row in batch], [row["tokens"] for row in batch]

class Litdata(Stateful):
    """litdata: `CombinedStreamingDataset` and its DataLoader."""

    package = "litdata"
    workers = 0

    def __init__(self, folder):
        from litdata import CombinedStreamingDataset, StreamingDataLoader, StreamingDataset

        sets = [StreamingDataset(f"{folder}/litdata/{name}", shuffle=True, seed=SEED) for name in NAMES]
        mixed = CombinedStreamingDataset(sets, weights=SHARES, seed=SEED, iterate_over_all=False)
        self.loader = StreamingDataLoader(mixed, batch_size=BATCH, num_workers=self.workers, drop_last=True)

    def batches(self):
        for batch in self.loader:
            yield batch["set"].tolist(), batch["tokens"]

class Litdata2(Litdata):
    workers = 2


ENGINES = {
    "headrace": Headrace,
    "headrace-loader": HeadraceLoader,
    "headrace-loader-2": HeadraceLoader2,
    "memmap": Memmap,
    "mosaic": Mosaic,
    "mosaic-2": Mosaic2,
    "map-style": MapStyle,
    "map-style-2": MapStyle2,
    "iterable": Iterable,
    "litdata": Litdata,
    "litdata-2": Litdata2,
}


def prints(tokens):
    """A short hash of each row."""
    return [hashlib.md5(np.asarray(row).astype(np.uint16).tobytes()).hexdigest()[:12] for row in tokens]


def as_json(state):
    return json.loads(json.dumps(state, default=lambda value: value.tolist() if hasattr(value, "tolist") else str(value)))


def rate(engine, folder):
    """Seconds to the first batch, and the rows a second of the rest by wall and CPU time."""
    began = time.perf_counter()
    batches = engine(folder).batches()
    next(batches)
    first = time.perf_counter() - began
    wall, cpu, given = time.perf_counter(), time.process_time(), 0
    for sets, _ in islice(batches, ROWS // BATCH - 2):
        given += len(sets)
    return first, given / (time.perf_counter() - wall), given / (time.process_time() - cpu)


def walk(engine, folder):
    """The states at the marks, what follows each, and the farthest any domain was from its share at a batch's end, in rows."""
    states, following = {}, {}
    loader, counts, given, farthest = engine(folder), [0] * len(NAMES), 0, 0.0
    for sets, tokens in loader.batches():
        for mark, hashes in following.items():
            if len(hashes) < FOLLOWING:
                following[mark] = hashes + prints(tokens)
        for number in sets:
            counts[number] += 1
        given += len(sets)
        farthest = max(farthest, *(abs(count - given * share) for count, share in zip(counts, SHARES)))
        for mark in MARKS:
            if given == ROWS * mark // 100 // BATCH * BATCH:
                states[mark], following[mark] = as_json(loader.state(given)), []
        if given >= ROWS - 2 * BATCH:
            break
    return states, following, farthest


def resume(engine, folder, state, expected):
    """Seconds from nothing but the state to the next batch, and whether what follows is what would have followed."""
    began = time.perf_counter()
    loader = engine(folder)
    loader.load(state)
    batches = loader.batches()
    _, tokens = next(batches)
    seconds = time.perf_counter() - began
    hashes = prints(tokens)
    while len(hashes) < FOLLOWING:
        hashes += prints(next(batches)[1])
    return {"seconds": seconds, "exact": hashes == expected}


def main():
    if sys.argv[1] == "make":
        return make(sys.argv[2], sys.argv[3])
    name, folder = sys.argv[1:]
    engine = ENGINES[name]
    if engine is not Memmap:
        import torch

        torch.set_num_threads(1)
    engine(folder)
    first, by_wall, by_cpu = rate(engine, folder)
    states, following, farthest = walk(engine, folder)
    found = {
        "version": version(engine.package),
        "firstSeconds": first,
        "rowsPerSecond": by_wall,
        "rowsPerCpuSecond": by_cpu,
        "farthestRows": farthest,
        "stateBytes": len(json.dumps(states[MARKS[-1]])),
        "resumed": {mark: resume(engine, folder, states[mark], following[mark][:FOLLOWING]) for mark in MARKS},
    }
    print("\n" + json.dumps(found), flush=True)
    # Loaders leave threads and workers behind that would be waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
