"""One tokenizer of another project, measured in a process of its own: python peer-tokenizer.py ENGINE TEXTS FOLDER|FILE PASSES.

TEXTS is a JSON list of texts, FOLDER has LLaMA-2's tokenizer.model and tokenizer.json, FILE is another tokenizer.json. Texts go through the
library's own batch call, 256 at a time, one thread; what it returns is not converted inside the timed part. Prints one JSON object, the
same as bench/tokenize.ts prints for ours.
"""

import hashlib
import json
import os
import resource
import sys
import time
from importlib.metadata import version

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
BATCH = 256


def json_of(path):
    return path if path.endswith(".json") else f"{path}/tokenizer.json"


def model_of(path):
    if path.endswith(".json"):
        sys.exit("it reads no tokenizer.json")
    return f"{path}/tokenizer.model"


def sentencepiece(path):
    import sentencepiece as library

    tokenizer = library.SentencePieceProcessor(model_file=model_of(path))
    return (lambda texts: tokenizer.encode(texts, num_threads=1)), list


def tokenizers(path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(json_of(path))
    tokenizer.encode_special_tokens = path.endswith(".json")
    return (lambda texts: tokenizer.encode_batch(texts, add_special_tokens=False)), lambda batch: [one.ids for one in batch]


def tokenizers_fast(path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(json_of(path))
    tokenizer.encode_special_tokens = path.endswith(".json")
    return (lambda texts: tokenizer.encode_batch_fast(texts, add_special_tokens=False)), lambda batch: [one.ids for one in batch]


def gigatoken(path):
    import awkward
    import gigatoken as library

    if path.endswith(".json"):
        with open(path, "rb") as stream:
            tokenizer = library.Tokenizer.from_json(stream.read())
    else:
        tokenizer = library.Tokenizer.from_sentencepiece(model_of(path))
    return (lambda texts: tokenizer.encode_batch(texts, parallel=False)), awkward.to_list


def fastokens(path):
    import fastokens as library
    import numpy

    tokenizer = library.Tokenizer.from_file(json_of(path))

    def lists(batch):
        ids, offsets = numpy.frombuffer(batch[0], numpy.uint32), numpy.frombuffer(batch[1], numpy.uint64).astype(numpy.int64)
        return [ids[a:b].tolist() for a, b in zip(offsets, offsets[1:])]

    return tokenizer.encode_batch_flat, lists


def kitoken(path):
    from kitoken import Kitoken

    tokenizer = Kitoken.from_sentencepiece_file(model_of(path))
    return (lambda texts: tokenizer.encode_all(texts, False)), list


def splintr(path):
    import splintr as library

    tokenizer = library.from_json(json_of(path))
    return (lambda texts: [tokenizer.encode_raw(text) for text in texts]), list


def tuetoken(path):
    import tuetoken as library

    tokenizer = library.Tokenizer(json_of(path))
    return (lambda texts: tokenizer.encode_ordinary_batch(texts, num_threads=1)), list


ENGINES = {  # name: (package, opens it: a batch call, and from what that returns to lists of ids)
    "sentencepiece": ("sentencepiece", sentencepiece),
    "tokenizers": ("tokenizers", tokenizers),
    "tokenizers-fast": ("tokenizers", tokenizers_fast),
    "gigatoken": ("gigatoken", gigatoken),
    "fastokens": ("fastokens", fastokens),
    "kitoken": ("kitoken", kitoken),
    "splintr": ("splintr-rs", splintr),
    "tuetoken": ("tuetoken", tuetoken),
}


def short_hash(ids):
    """The first 16 hex digits of SHA-256 over the ids as little-endian uint32, and they alone."""
    return hashlib.sha256(b"".join(int(one).to_bytes(4, "little") for one in ids)).hexdigest()[:16]


def main():
    engine, file, path, passes = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    package, opened = ENGINES[engine]
    with open(file, encoding="utf-8") as stream:
        texts = json.load(stream)
    batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
    start = time.perf_counter()
    encode, lists = opened(path)
    load = time.perf_counter() - start
    encode(["warm"])
    seconds = []
    for _ in range(passes):
        wall, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            encode(batch)
        seconds.append([time.perf_counter() - wall, time.process_time() - cpu])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    hashes, tokens = [], 0
    for batch in batches:
        for ids in lists(encode(batch)):
            tokens += len(ids)
            hashes.append(short_hash(ids))
    report = {"engine": engine, "version": version(package), "loadSeconds": load, "passes": seconds}
    print(json.dumps(report | {"hashes": hashes, "tokens": tokens, "peakMegabytes": peak}))


main()
