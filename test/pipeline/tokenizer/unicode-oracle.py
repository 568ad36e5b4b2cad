"""Prints what `tokenizers` holds each code point to be: a JSON object of all members of each class as one string."""
import json

from tokenizers import Regex, pre_tokenizers

POINTS = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
STEP = 4096
members = {}
for name, regex in {
    "letter": r"\p{L}",
    "number": r"\p{N}",
    "space": r"\s",
    "other": r"[^\s\p{L}\p{N}]",
    "upper": r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
    "lower": r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
}.items():
    split = pre_tokenizers.Split(Regex(regex + "+"), "removed", invert=True)
    parts = ("".join(POINTS[at : at + STEP]) for at in range(0, len(POINTS), STEP))
    members[name] = "".join(piece for part in parts for piece, _ in split.pre_tokenize_str(part))
digits = pre_tokenizers.Digits(individual_digits=False)
parts = ("".join(POINTS[at : at + STEP]) for at in range(0, len(POINTS), STEP))
runs = [piece for part in parts for piece, _ in digits.pre_tokenize_str(part)]
# A run is all numeric or not at all, so its first character tells.
numeric = pre_tokenizers.Digits(individual_digits=True)
members["numeric"] = "".join(run for run in runs if len(numeric.pre_tokenize_str("a" + run[0] + "a")) == 3)
print(json.dumps(members))
