import hashlib
import math

import numpy as np
import pytest

from headrace.errors import HeadraceError
from headrace.keys import canonical_json, chain_hash, hash_of, key_of, keys_of, mix32, offset_of, parse_json, words


@pytest.mark.parametrize(
    "number, text",
    [
        # RFC 8785, appendix B, by the IEEE 754 bits it lists; then the corners of ECMAScript's layout.
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (-5e-324, "-5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (-9007199254740992.0, "-9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1.0000000000000001e23, "1.0000000000000001e+23"),
        (999999999999999700000.0, "999999999999999700000"),
        (999999999999999900000.0, "999999999999999900000"),
        (1e21, "1e+21"),
        (9.999999999999997e-7, "9.999999999999997e-7"),
        (0.000001, "0.000001"),
        (333333333.3333332, "333333333.3333332"),
        (333333333.33333325, "333333333.33333325"),
        (333333333.3333334, "333333333.3333334"),
        (333333333.3333333, "333333333.3333333"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"),
        (1424953923781206.2, "1424953923781206.2"),
        (1.0, "1"),
        (1e-7, "1e-7"),
        (123e-20, "1.23e-18"),
        (100.5, "100.5"),
        (2**53 - 1, "9007199254740991"),
        (2**60, "1152921504606847000"),
        (10**22, "1e+22"),
    ],
)
def test_numbers_are_written_as_ecmascript_writes_them(number, text):
    assert canonical_json(number) == text


def test_every_double_that_is_written_reads_back():
    bits = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64)
    for number in bits[np.isfinite(bits)].tolist():
        assert float(canonical_json(number)) == number


def test_numbers_that_json_cannot_hold_are_refused():
    for number in (math.nan, math.inf):
        with pytest.raises(TypeError):
            canonical_json([number])
    with pytest.raises(HeadraceError, match="x is not JSON: NaN is not JSON  .ERR_PARSE."):
        parse_json("[NaN]", "x")


def test_strings_are_escaped_and_keys_sorted_by_utf16_as_in_rfc_8785():
    # RFC 8785, section 3.2.3: the order of code points would put the emoji last.
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert canonical_json(keys) == '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'
    assert canonical_json('\u20ac$\u000f\nA\'B"\\\\"/\u2028\x7f') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\u2028\x7f"'
    assert canonical_json("\ud83d") == '"\\ud83d"'
    assert canonical_json({"b": [True, None, {}], "a": ()}) == '{"a":[],"b":[true,null,{}]}'


def test_whole_numbers_past_2_53_are_read_as_doubles():
    assert canonical_json(parse_json("[9007199254740993, 1e2, 10.0]", "x")) == "[9007199254740992,100,10]"


def test_hashes_chain_the_canonical_text():
    assert hash_of({"b": 1, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()
    assert chain_hash("00", [1]) == hashlib.sha256(b"00\n[1]").hexdigest()


def test_a_key_is_the_words_of_a_sha256():
    digest = hashlib.sha256(b"order\x001227\x00c4\x000").digest()
    assert list(key_of("order", 1227, "c4", 0)) == np.frombuffer(digest, "<u4").tolist()


def scalar_mix32(x):
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


def test_words_are_mixed_as_the_page_says():
    values = [0, 1, 0x80000000, 0xFFFFFFFF, 12345]
    assert mix32(np.array(values, dtype=np.uint32)).tolist() == [scalar_mix32(x) for x in values]
    key = key_of("batch", 7, 3)
    expected = [scalar_mix32(scalar_mix32((i + key.k0) % 2**32) ^ key.k1) for i in range(50)]
    assert words(key, 50).tolist() == expected
    assert offset_of(key, 1000) == ((key.k6 >> 11) * 2**32 + key.k7) % 1000


def test_keys_of_many_numbers_are_those_of_each():
    assert keys_of("batch", 1227, (0, 7, 2**40)) == [key_of("batch", 1227, n) for n in (0, 7, 2**40)]
