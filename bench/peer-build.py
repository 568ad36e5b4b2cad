"""One curation pipeline of another project, in a process of its own: python peer-build.py TOOL SET-UP INPUT OUT PEERS TOKENIZER.

TOOL is datatrove or dolma, run by the Python of the virtual environment that has it; SET-UP is `classifier` or `rules`, which has the rule sets as well.
INPUT is a folder `documents` of .jsonl.zst files whose records have id, text, source and added, and of the same as .jsonl.gz, since dolma 1.2.1 opens no .zst
(its smart_open asks for the Python 3.14 module backports.zstd). One worker. PEERS/ft/small.bin is a fastText
model with the labels c4 and book, TOKENIZER a tokenizer.json. Prints one JSON object: version, CPU seconds and peak memory of this process and its
children, tokens written. This file is also the module that gives dolma a tagger with that model.
"""

import json
import os
import resource
import subprocess
import sys
from glob import glob
from importlib.metadata import version

MODEL = "HEADRACE_PEER_FASTTEXT"

# Of dolma's attributes, what the published Gopher rules and C4's page rules drop: attribute, sign, bound.
GOPHER = [
    ("word_count", "<", 50),
    ("word_count", ">", 100_000),
    ("median_word_length", "<", 3),
    ("median_word_length", ">", 10),
    ("symbol_to_word_ratio", ">", 0.1),
    ("fraction_of_words_with_alpha_character", "<", 0.8),
    ("required_word_count", "<", 2),
    ("fraction_of_lines_starting_with_bullet_point", ">", 0.9),
    ("fraction_of_lines_ending_with_ellipsis", ">", 0.3),
    ("fraction_of_duplicate_lines", ">", 0.3),
    ("fraction_of_characters_in_duplicate_lines", ">", 0.2),
    *((f"fraction_of_characters_in_most_common_{n}grams", ">", bound) for n, bound in ((2, 0.2), (3, 0.18), (4, 0.16))),
    *((f"fraction_of_characters_in_duplicate_{n}grams", ">", bound) for n, bound in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))),
]
C4 = [("has_curly_brace", ">", 0), ("has_lorem_ipsum", ">", 0), ("line_count", "<", 3)]
KEPT_LABELS = [("c4", 0.1), ("book", 0.1)]


def datatrove(setup, documents, out, model, tokenizer):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.filters import C4QualityFilter, FastTextClassifierFilter, GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer

    # In the order of FineWeb's own script; a document that one filter drops does not reach the next.
    rules = [GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False)]
    steps = [
        JsonlReader(documents, glob_pattern="*.zst"),
        FastTextClassifierFilter(model, keep_labels=KEPT_LABELS, newline_replacement=" "),
        *(rules if setup == "rules" else []),
        DocumentTokenizer(f"{out}/tokens", tokenizer_name_or_path=tokenizer, eos_token="</s>", shuffle_documents=False),
    ]
    LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=f"{out}/logs").run()
    return sum(os.path.getsize(path) // 2 for path in glob(f"{out}/tokens/*.ds"))


def dolma(setup, documents, out, model, tokenizer):
    taggers = ["headrace_ft", *(["gopher_v2", "c4_v2"] if setup == "rules" else [])]
    attributes = f"{os.path.dirname(documents)}/attributes"
    rules = [*(("gopher_v2", *rule) for rule in GOPHER), *(("c4_v2", *rule) for rule in C4)] if setup == "rules" else []
    drops = [("headrace_ft", label, "<", bound) for label, bound in KEPT_LABELS[:1]] + rules
    names = [(f"bench__{tagger}__{name}", sign, bound) for tagger, name, sign, bound in drops]
    exclude = [f"$.attributes[?(@.{name} && @.{name}[0] && @.{name}[0][2] {sign} {bound})]" for name, sign, bound in names]
    stream = {
        "name": "mixed",
        "documents": [f"{documents}/*.gz"],
        "attributes": ["bench"],
        "output": {"path": f"{out}/mixed", "max_size_in_bytes": 1 << 30},
        "filter": {"include": [], "exclude": exclude},
    }
    with open(f"{out}/mix.json", "w") as file:
        json.dump({"streams": [stream], "processes": 1}, file)
    command = os.path.join(os.path.dirname(sys.executable), "dolma")
    env = os.environ | {MODEL: model, "RAYON_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    run = lambda *arguments: subprocess.run([command, *arguments], env=env, check=True, stdout=sys.stderr)
    run("tag", "--documents", f"{documents}/*.gz", "--experiment", "bench", "--taggers", *taggers, "--tagger_modules", __file__, "--processes", "1", "--ignore_existing")
    run("-c", f"{out}/mix.json", "mix")
    run("tokens", "--documents", f"{out}/mixed/*", "--destination", f"{out}/tokens", "--tokenizer.name_or_path", tokenizer, "--tokenizer.eos_token_id", "2",
        "--tokenizer.pad_token_id", "0", "--processes", "1", "--dtype", "uint16", "--seed", "1")  # fmt: skip
    subprocess.run(["rm", "-r", attributes], check=True)
    return sum(os.path.getsize(path) // 2 for path in glob(f"{out}/tokens/**/*.npy", recursive=True))


def main():
    tool, setup, documents, out, peers, tokenizer = sys.argv[1:]
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["LOGURU_LEVEL"] = "WARNING"
    os.makedirs(out)
    tokens = {"datatrove": datatrove, "dolma": dolma}[tool](setup, documents, out, f"{peers}/ft/small.bin", tokenizer)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    report = {
        "version": version(tool),
        "cpuSeconds": sum(one.ru_utime + one.ru_stime for one in used),
        "peakMegabytes": max(one.ru_maxrss for one in used) / 1024,
        "tokens": tokens,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
elif MODEL in os.environ:
    from dolma import add_tagger
    from dolma.core.ft_tagger import BaseFastTextTagger, Prediction

    @add_tagger("headrace_ft")
    class Tagger(BaseFastTextTagger):
        def __init__(self):
            super().__init__(model_path=os.environ[MODEL], model_mode=self.DOCUMENT_LEVEL_TAGGER)

        def predict_slice(self, text_slice):
            labels, odds = self.classifier.predict(text_slice.text.replace("\n", " "), k=-1)
            return [Prediction(label=label.removeprefix("__label__"), score=float(one)) for label, one in zip(labels, odds)]
