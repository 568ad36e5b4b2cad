"""Canonical JSON, hashes and keys: what both implementations must agree on to the byte (docs/format.md, section 2).

JSON numbers are doubles here as in ECMAScript: whole numbers past 2^53 are rounded when they are read.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Sequence, Union

import numpy as np

from .errors import HeadraceError

EXACT = 2**53 - 1
"""The largest whole number that every JSON reader holds exactly."""

_EIGHT_WORDS = struct.Struct("<8I").unpack
_SPACE = re.compile(r"[ \t\n\r]*")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Key(NamedTuple):
    """Eight 32-bit words of a key."""

    k0: int
    k1: int
    k2: int
    k3: int
    k4: int
    k5: int
    k6: int
    k7: int


def key_of(*parts: Union[str, int]) -> Key:
    """The key of a purpose and its parts: SHA-256 of their UTF-8 joined by U+0000, as eight little-endian words."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode("utf-8")).digest()
    return Key(*_EIGHT_WORDS(digest))


def keys_of(purpose: str, seed: int, numbers: Iterable[int]) -> List[Key]:
    """`key_of(purpose, seed, n)` of each number."""
    prefix = hashlib.sha256(f"{purpose}\0{seed}\0".encode())
    keys: List[Key] = []
    for n in numbers:
        digest = prefix.copy()
        digest.update(b"%d" % n)
        keys.append(Key(*_EIGHT_WORDS(digest.digest())))
    return keys


def mix32(x: np.ndarray) -> np.ndarray:
    """A bijection of 32-bit words (lowbias32, Ellis), of each element of a uint32 array; returns a new array."""
    h = x >> np.uint32(16)
    h ^= x
    return _mix32_rest(h, np.empty_like(h))


def _mix32_rest(h: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    h *= np.uint32(0x7FEB352D)
    np.right_shift(h, np.uint32(15), out=scratch)
    h ^= scratch
    h *= np.uint32(0x846CA68B)
    np.right_shift(h, np.uint32(16), out=scratch)
    h ^= scratch
    return h


def mix32_into(h: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """`mix32` in place of `h`, with `scratch` of the same shape, for loops that allocate nothing."""
    np.right_shift(h, np.uint32(16), out=scratch)
    h ^= scratch
    return _mix32_rest(h, scratch)


def words(key: Key, n: int) -> np.ndarray:
    """The words of a key at 0 .. n-1: mix32(mix32(i + k0) ^ k1), a uint32 array."""
    values: np.ndarray = words_of([key], n)[0]
    return values


def words_of(keys: Sequence[Key], n: int) -> np.ndarray:
    """The words of several keys at 0 .. n-1, a (keys, n) uint32 array."""
    parts = np.array([key[:2] for key in keys], dtype=np.uint32)
    h = np.arange(n, dtype=np.uint32) + parts[:, :1]
    scratch = np.empty_like(h)
    mix32_into(h, scratch)
    h ^= parts[:, 1:]
    return mix32_into(h, scratch)


def offset_of(key: Key, n: int) -> int:
    """A whole number in [0, n) from words 6 and 7 of a key."""
    return ((key.k6 >> 11) * 2**32 + key.k7) % n


def sha256(text: str) -> str:
    """SHA-256 of a string's UTF-8, as 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def hash_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value."""
    return sha256(canonical_json(value))


def chain_hash(previous: str, value: Any) -> str:
    """The next link of a hash chain: SHA-256 of the previous link, a line feed and the canonical JSON of the value."""
    return sha256(f"{previous}\n{canonical_json(value)}")


def canonical_json(value: Any) -> str:
    """RFC 8785 canonical JSON: keys in UTF-16 order, no white space, ECMAScript numbers. Raises TypeError on NaN and on other types."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return canonical_string(value)
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(canonical_json, value)) + "]"
    if isinstance(value, dict):
        fields = sorted(value.items(), key=lambda field: field[0].encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical_string(name)}:{canonical_json(field)}" for name, field in fields) + "}"
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def parse_json(text: str, subject: str) -> Any:
    """Reads JSON as ECMAScript does (no NaN, doubles past 2^53). Raises ERR_PARSE naming `subject`."""

    try:
        return _DECODER.decode(text)
    except ValueError as cause:
        raise HeadraceError("ERR_PARSE", f"{subject} is not JSON: {cause}") from cause


def parse_object(text: str, subject: str, field: str, take: Callable[[Any], None]) -> Any:
    """Reads JSON as `parse_json` does, handing the items of the top object's list `field` to `take` one after another instead of keeping them.

    Its value is then an empty list. The items' whole numbers come as Python's, not rounded past 2^53: whoever takes them checks their range,
    which is a third faster. Raises ERR_PARSE naming `subject`, and what `take` raises.
    """
    value: Dict[str, Any] = {}
    taken = False
    at = _past_space(text, 0)
    try:
        if text[at] != "{":
            raise StopIteration(at)
        at = _past_space(text, at + 1)
        while text[at] != "}":
            if text[at] != '"':
                raise StopIteration(at)
            name, at = _DECODER.raw_decode(text, at)
            at = _past_space(text, at)
            if text[at] != ":":
                raise StopIteration(at)
            at = _past_space(text, at + 1)
            if name == field and not taken and text[at] == "[":
                at, taken, value[name] = _take_items(text, at, take), True, []
            elif name == field and taken:
                raise HeadraceError("ERR_PARSE", f'{subject} has "{field}" twice; restore or rebuild it')
            else:
                value[name], at = _DECODER.raw_decode(text, at)
            at = _past_space(text, at)
            if text[at] == ",":
                at = _past_space(text, at + 1)
                if text[at] == "}":
                    raise StopIteration(at)
            elif text[at] != "}":
                raise StopIteration(at)
        if _past_space(text, at + 1) != len(text):
            raise StopIteration(at)
    except (StopIteration, IndexError, ValueError):
        # Not an object, or not JSON: the whole reader says what is wrong and where.
        return parse_json(text, subject)
    return value


def _take_items(text: str, at: int, take: Callable[[Any], None]) -> int:
    at = _past_space(text, at + 1)
    if text[at] == "]":
        return at + 1
    while True:
        item, at = _DECODER_OF_ITEMS.raw_decode(text, at)
        take(item)
        if text[at] != ",":
            at = _past_space(text, at)
            if text[at] == "]":
                return at + 1
            if text[at] != ",":
                raise StopIteration(at)
        at = _past_space(text, at + 1)


def _past_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def _integer(digits: str) -> Union[int, float]:
    value = int(digits)
    return value if -EXACT <= value <= EXACT else float(digits)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse)
_DECODER_OF_ITEMS = json.JSONDecoder(parse_constant=_refuse)


def canonical_string(value: str) -> str:
    """`canonical_json` of a string."""
    text = encode_basestring(value)
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _number(value: Union[int, float]) -> str:
    if isinstance(value, int) and -EXACT <= value <= EXACT:
        return str(int(value))
    value = float(value)
    if not math.isfinite(value):
        raise TypeError(f"{value} has no JSON form")
    if value == 0:
        return "0"
    # repr gives the shortest digits that read back, as ECMAScript does; only their layout differs.
    sign, digit_list, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, digit_list))
    point = len(digits) + int(exponent)
    digits = digits.rstrip("0")
    minus = "-" if sign else ""
    if len(digits) <= point <= 21:
        return minus + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    power = point - 1
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{minus}{mantissa}e{'+' if power > 0 else '-'}{abs(power)}"
