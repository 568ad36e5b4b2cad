"""Reads [{"model": path, "texts": [...]}, ...] as JSON from a file, prints the ids of every text as JSON lists."""
import json, sys
import sentencepiece

jobs = json.load(open(sys.argv[1], encoding="utf-8"))
answer = []
for job in jobs:
    processor = sentencepiece.SentencePieceProcessor(model_file=job["model"])
    answer.append([processor.encode(text) for text in job["texts"]])
json.dump(answer, sys.stdout)
