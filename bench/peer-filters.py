"""A classifier of another project on the folds of ours: python peer-filters.py fasttext|minilm INPUT [MODEL].

INPUT is a JSON object: `texts`, and `filters` by name with `folds` and `sought`, one entry a text. MODEL is the folder of all-MiniLM-L6-v2
(config.json, model.safetensors, tokenizer files). Every text is scored by a model of the other folds. Prints one JSON object: `version`, `scores` by filter,
and the seconds of scoring all texts once, on one thread, in `seconds`.

fastText: supervised, dim 25, 15 epochs of single words, lr 0.1, or the next lower one of four at which it does not meet NaN. At the lower ones it learns
little (what it met is on standard error): not a fair peer then.
MiniLM: mean of the last layer over 256 pieces, scaled to length 1; logistic regression, L2, inverse strength 10, by L-BFGS.
"""

import json
import math
import os
import sys
import tempfile
import time
from importlib.metadata import version

os.environ["OMP_NUM_THREADS"] = "1"


def fasttext_model(fasttext, path):
    for rate in (0.1, 0.05, 0.02, 0.01):
        try:
            return fasttext.train_supervised(
                path,
                lr=rate,
                epoch=15,
                wordNgrams=1,
                dim=25,
                thread=1,
                seed=1,
                verbose=0,
            )
        except RuntimeError as error:
            print(f"lr {rate}: {error}", file=sys.stderr)
    sys.exit("fastText does not train on these labels")


def fasttext_scores(texts, folds, sought):
    import fasttext

    flat = [" ".join(text.split()) for text in texts]
    scores = [0.0] * len(flat)
    seconds = 0.0
    for fold in range(5):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            for text, at, is_sought in zip(flat, folds, sought, strict=True):
                if at != fold:
                    file.write(f"__label__{int(is_sought)} {text}\n")
            file.flush()
            model = fasttext_model(fasttext, file.name)
        begun = time.perf_counter()
        for i, text in enumerate(flat):
            if folds[i] == fold:
                found = {
                    label: p
                    for p, label in model.f.predict(text + "\n", 2, 0.0, "strict")
                }
                p = min(max(found.get("__label__1", 0.0), 1e-9), 1 - 1e-9)
                scores[i] = math.log(p / (1 - p))
        seconds += time.perf_counter() - begun
    return scores, seconds


def embeddings(texts, folder):
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    rows = torch.zeros(len(texts), model.config.hidden_size)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    begun = time.perf_counter()
    for start in range(0, len(order), 32):
        at = order[start : start + 32]
        batch = tokenizer(
            [texts[i] for i in at],
            padding=True,
            truncation=True,
            max_length=256,
            return_tensors="pt",
        )
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        mean = (hidden * mask).sum(1) / mask.sum(1)
        rows[at] = torch.nn.functional.normalize(mean, dim=1)
    return rows, time.perf_counter() - begun


def regression_scores(rows, folds, sought):
    import torch

    fold_of = torch.tensor(folds)
    targets = torch.tensor(sought, dtype=torch.float64)
    rows = rows.double()
    scores = torch.zeros(len(folds), dtype=torch.float64)
    for fold in range(5):
        train = fold_of != fold
        weights = torch.zeros(
            rows.shape[1] + 1, dtype=torch.float64, requires_grad=True
        )
        optimizer = torch.optim.LBFGS(
            [weights], max_iter=200, line_search_fn="strong_wolfe"
        )

        def loss(train=train, weights=weights, optimizer=optimizer):
            optimizer.zero_grad()
            logits = rows[train] @ weights[:-1] + weights[-1]
            fit = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, targets[train], reduction="sum"
            )
            value = weights[:-1].square().sum() / 2 + 10 * fit
            value.backward()
            return value

        optimizer.step(loss)
        with torch.no_grad():
            scores[~train] = rows[~train] @ weights[:-1] + weights[-1]
    return scores.tolist()


def main():
    engine, path = sys.argv[1:3]
    with open(path) as file:
        given = json.load(file)
    scores = {}
    seconds = 0.0
    if engine == "fasttext":
        names = ("fasttext-numpy2-wheel", "fasttext-wheel", "fasttext")
        for name, of in given["filters"].items():
            scores[name], seconds = fasttext_scores(
                given["texts"], of["folds"], of["sought"]
            )
    else:
        names = ("torch",)
        rows, seconds = embeddings(given["texts"], sys.argv[3])
        for name, of in given["filters"].items():
            scores[name] = regression_scores(rows, of["folds"], of["sought"])
    for name in names:
        try:
            found = f"{name} {version(name)}"
            break
        except ImportError:
            continue
    print(json.dumps({"version": found, "scores": scores, "seconds": seconds}))


main()
