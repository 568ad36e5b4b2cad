import random
from fractions import Fraction

import pytest

from headrace.errors import HeadraceError
from headrace.mixture import PARTS, Counters, advance, allocate, settle, weight_parts

SHEARED = [0.361, 0.492, 0.008, 0.031, 0.091, 0.007, 0.01]
LLAMA = [0.67, 0.15, 0.045, 0.045, 0.045, 0.025, 0.02]
SHEARED_PARTS = [6056575, 8254389, 134218, 520094, 1526727, 117441, 167772]
LLAMA_PARTS = [11240735, 2516582, 754975, 754975, 754975, 419430, 335544]


def batches(weights, rows, count):
    deficits = [0] * len(weights)
    given = []
    for _ in range(count):
        counts, deficits = allocate(deficits, weights, rows)
        given.append(counts)
    return given


def test_published_weights_become_the_published_parts():
    assert weight_parts(SHEARED) == SHEARED_PARTS
    assert weight_parts(LLAMA) == LLAMA_PARTS
    assert weight_parts([1 / 3] * 3) == [5592406, 5592405, 5592405]
    with pytest.raises(HeadraceError, match="do not sum to 1"):
        weight_parts([0.0, 1.5, 1.5])


def test_the_first_batches_are_the_published_vectors():
    assert batches(SHEARED_PARTS, 3584, 3) == [
        [1294, 1763, 29, 111, 326, 25, 36],
        [1294, 1764, 28, 111, 326, 25, 36],
        [1294, 1763, 29, 111, 326, 25, 36],
    ]
    assert batches(LLAMA_PARTS, 3584, 3) == [
        [2401, 538, 161, 161, 161, 90, 72],
        [2402, 537, 162, 162, 161, 89, 71],
        [2401, 538, 161, 161, 162, 89, 72],
    ]
    assert batches(SHEARED_PARTS, 64, 2) == [[23, 31, 1, 2, 6, 0, 1], [23, 32, 0, 2, 6, 1, 0]]


def one_at_a_time(deficits, weights, rows):
    deficits = [d + a * rows for d, a in zip(deficits, weights)]
    counts = [0] * len(weights)
    for _ in range(rows):
        i = max((i for i in range(len(weights)) if weights[i]), key=lambda i: (deficits[i], -i))
        counts[i] += 1
        deficits[i] -= PARTS
    return counts, deficits


def random_weights(rng, domains):
    raw = [rng.random() ** rng.choice([1, 8, 30]) if rng.random() > 0.2 else 0.0 for _ in range(domains)]
    raw[rng.randrange(domains)] = 1.0
    return weight_parts([w / sum(raw) for w in raw])


def test_the_rule_hands_out_rows_one_at_a_time_to_the_largest_deficit():
    rng = random.Random(0)
    for _ in range(300):
        domains, rows = rng.randint(1, 9), rng.randint(1, 40)
        deficits = [0] * domains
        for _ in range(10):
            weights = random_weights(rng, domains)
            deficits = settle(deficits, weights)
            expected = one_at_a_time(deficits, weights, rows)
            counts, rest = allocate(deficits, weights, rows)
            assert (counts, rest) == expected
            deficits = rest


def test_both_bounds_hold_across_random_weight_changes_and_settling():
    rng = random.Random(1)
    for domains in (2, 5, 7, 22):
        ahead = Fraction(domains - 1, domains)
        behind = sum(Fraction(1, i) for i in range(2, domains + 1))
        deficits = [0] * domains
        for _ in range(400):
            rows = rng.choice([1, 7, 64])
            weights = random_weights(rng, domains)
            counts, deficits = allocate(settle(deficits, weights), weights, rows)
            assert sum(counts) == rows and sum(deficits) == 0
            assert all(weight or not count for weight, count in zip(weights, counts))
            assert -ahead <= Fraction(min(deficits), PARTS) and Fraction(max(deficits), PARTS) <= behind


def test_settling_levels_the_lowest_with_what_withdrawn_domains_are_owed_and_the_highest_with_what_they_had_too_much():
    third = PARTS // 3
    assert settle([9, -6, -3], [0, third, third]) == [0, 0, 0]
    assert settle([5, -8, 1, 2], [0, third, third, third]) == [0, -3, 1, 2]
    assert settle([11, -8, -4, 1], [0, third, third, third]) == [0, 0, -1, 1]
    assert settle([-5, 8, -1, -2], [0, third, third, third]) == [0, 3, -1, -2]
    assert settle([-11, 8, 4, -1], [0, third, third, third]) == [0, 0, 1, -1]
    assert settle([5, -5], [PARTS // 2, PARTS // 2]) == [5, -5]
    assert settle([5, -5], [0, 0]) == [0, 0]


def test_settling_is_unit_by_unit():
    rng = random.Random(3)
    for _ in range(500):
        domains = rng.randint(2, 7)
        deficits = [rng.randint(-12, 12) for _ in range(domains - 1)]
        deficits.append(-sum(deficits))
        weights = random_weights(rng, domains)
        expected = [deficit if weight else 0 for deficit, weight in zip(deficits, weights)]
        owed = sum(deficit for deficit, weight in zip(deficits, weights) if not weight)
        sign = 1 if owed > 0 else -1
        for _ in range(abs(owed)):
            i = min((i for i in range(domains) if weights[i]), key=lambda i: sign * expected[i])
            expected[i] += sign
        assert settle(deficits, weights) == expected


def test_a_jump_over_many_batches_is_the_walk():
    rng = random.Random(2)
    jumped = 0
    for _ in range(400):
        domains, rows = rng.randint(1, 8), rng.choice([8, 64, 300])
        start = Counters((0,) * domains, (0,) * domains)
        for _ in range(3):
            weights = random_weights(rng, domains)
            start = Counters(start.served, tuple(settle(start.deficits, weights)))
            count = rng.randint(1, 60)
            walked = start
            for _ in range(count):
                counts, rest = allocate(walked.deficits, weights, rows)
                walked = Counters(tuple(x + q for x, q in zip(walked.served, counts)), tuple(rest))
            jumped += all(a == 0 or a * rows >= PARTS for a in weights)
            assert advance(start, weights, rows, count) == walked
            start = walked
    assert jumped > 100
