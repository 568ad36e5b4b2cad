"""Reads texts as a JSON list from a file, prints their NFC according to `tokenizers` as a JSON list."""
import json
import sys

from tokenizers import normalizers

normalize = normalizers.NFC().normalize_str
json.dump([normalize(text) for text in json.load(open(sys.argv[1], encoding="utf-8"))], sys.stdout)
