"""Reads [{"file": path, "parse": bool, "texts": [...]}, ...] as JSON from a file, prints for each what `tokenizers` makes of it as JSON:
{"ids": lists of ids, "decoded": the texts of those ids without special tokens}."""
import json
import sys

from tokenizers import Tokenizer

answer = []
for job in json.load(open(sys.argv[1], encoding="utf-8")):
    tokenizer = Tokenizer.from_file(job["file"])
    tokenizer.encode_special_tokens = not job["parse"]
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in job["texts"]]
    answer.append({"ids": ids, "decoded": [tokenizer.decode(each, skip_special_tokens=True) for each in ids]})
json.dump(answer, sys.stdout)
