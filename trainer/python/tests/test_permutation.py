import numpy as np
import pytest
from test_keys import scalar_mix32

from headrace.errors import HeadraceError
from headrace.keys import key_of
from headrace.permutation import networks, permute, table, walk


def scalar_network(key, n, x):
    bits = (n - 1).bit_length()
    high = bits // 2
    low = bits - high
    while True:
        left, right = x >> low, x & (2**low - 1)
        width_left, width_right = high, low
        for round in range(6):
            mixed = scalar_mix32((right + key[round]) % 2**32) & (2**width_left - 1)
            left, right = right, left ^ mixed
            width_left, width_right = width_right, width_left
        x = left << low | right
        if x < n:
            return x


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 100, 4095, 4096, 4097, 8192, 8193, 65_537, 300_001])
def test_every_value_is_taken_once(n):
    values = permute(key_of("order", 1, "c4", n), n, np.arange(n))
    assert np.array_equal(np.sort(values), np.arange(n))


@pytest.mark.parametrize("n", [4097, 65_536, 65_537, 1_048_577, 150_000_000, 2**31 + 1, 2**32 - 1, 2**32])
def test_the_network_is_the_one_of_the_page_at_every_width(n):
    key = key_of("order", 2, "book", n)
    positions = np.random.default_rng(n).integers(0, n, 200)
    assert permute(key, n, positions).tolist() == [scalar_network(key, n, x) for x in positions.tolist()]


def test_the_table_sorts_by_word_and_breaks_ties_by_index():
    from headrace.keys import words

    key = key_of("batch", 0, 0)
    assert table(key, 3000).tolist() == sorted(range(3000), key=lambda i: (int(words(key, 3000)[i]), i))
    assert table(key, 1).tolist() == [0]


def test_networks_side_by_side_give_what_each_gives_alone():
    sizes = [4097, 1_000_003, 150_000_000]
    keys = [key_of("order", 5, "c4", e) for e in range(3)]
    which = np.random.default_rng(0).integers(0, 3, 500)
    positions = np.random.default_rng(1).integers(0, 4097, 500)
    together = walk(networks(keys, sizes), which, positions)
    for s in range(3):
        assert np.array_equal(together[which == s], permute(keys[s], sizes[s], positions[which == s]))


def test_more_rows_than_32_bits_number_are_refused():
    with pytest.raises(
        HeadraceError, match="a permutation of 4294967297 elements is not in .1, 2.32.; use longer rows"
    ):
        permute(key_of("x"), 2**32 + 1, np.array([0]))
