"""The published rules against the vectors of LLaMA-MoE's and LLM-Shearing's code, recomputed in float64; order cc c4 github wiki book arxiv stack."""

import math
import random

import pytest

from headrace.mixture import PARTS
from headrace.policy import Rails, apply_rails
from headrace.rules import clamp_rule, softmax_rule

NAMES = ["commoncrawl", "c4", "github", "wikipedia", "book", "arxiv", "stackexchange"]
LLAMA = [0.67, 0.15, 0.045, 0.045, 0.045, 0.025, 0.02]
SHEARED = [0.361, 0.492, 0.008, 0.031, 0.091, 0.007, 0.01]
REFERENCE = [
    1.6916865110397339,
    2.074881076812744,
    0.6984495520591736,
    1.5899001359939575,
    1.925248146057129,
    1.2408167123794556,
    1.4974864721298218,
]
T1_LOSSES = [1.728, 2.117, 0.705, 1.572, 2.071, 1.287, 1.491]
RAILS = Rails(floor_rows=1, ceiling=0.9, step=2)


def named(values):
    return dict(zip(NAMES, values))


def close(weights, expected, tolerance=1e-12):
    return all(abs(a - b) < tolerance for a, b in zip(weights.values(), expected))


def test_the_rule_that_was_run_gives_the_published_example():
    expected = [
        0.668747965381,
        0.150602478271,
        0.043612126682,
        0.042559060516,
        0.050123706800,
        0.025214532935,
        0.019140129414,
    ]
    assert close(softmax_rule(named(LLAMA), named(T1_LOSSES), named(REFERENCE)), expected)


def test_the_paper_rule_gives_the_published_example():
    expected = [
        0.668203876468,
        0.150468889300,
        0.043563300647,
        0.043278874092,
        0.050069721977,
        0.025180282365,
        0.019235055152,
    ]
    assert close(clamp_rule(named(LLAMA), named(T1_LOSSES), named(REFERENCE)), expected)


def test_three_updates_in_a_row_give_the_vectors():
    weights = named([1 / 7] * 7)
    assert close(
        clamp_rule(weights, named([2.05, 2.45, 0.95, 1.80, 2.30, 1.55, 1.78]), named(REFERENCE)),
        [
            0.149844926500,
            0.152384414388,
            0.134671421250,
            0.129203323027,
            0.152328489021,
            0.142660935540,
            0.138906490275,
        ],
    )
    for losses, expected in (
        (
            [2.05, 2.45, 0.95, 1.80, 2.30, 1.55, 1.78],
            [
                0.149844227722,
                0.152383461661,
                0.134672239822,
                0.129204688409,
                0.152327541886,
                0.142660955161,
                0.138906885340,
            ],
        ),
        (
            [1.95, 2.32, 0.84, 1.70, 2.20, 1.43, 1.66],
            [
                0.158451624285,
                0.159024502165,
                0.126717041110,
                0.117809442440,
                0.163746843334,
                0.140780938282,
                0.133469608384,
            ],
        ),
        (
            [1.90, 2.26, 0.79, 1.66, 2.15, 1.38, 1.61],
            [
                0.167087934372,
                0.163847531114,
                0.118901935167,
                0.108199011239,
                0.175532943587,
                0.138540591304,
                0.127890053218,
            ],
        ),
    ):
        weights = softmax_rule(weights, named(losses), named(REFERENCE))
        assert close(weights, expected)


def test_a_zero_weight_comes_back_at_the_floor_under_softmax_and_never_under_clamp():
    start = named([0.715, 0.15, 0, 0.045, 0.045, 0.025, 0.02])
    expected = [
        0.712724104568,
        0.150404378517,
        0.000014285714,
        0.042503092586,
        0.050057787529,
        0.025181381845,
        0.019114969241,
    ]
    assert close(softmax_rule(start, named(T1_LOSSES), named(REFERENCE)), expected)
    assert clamp_rule(start, named(T1_LOSSES), named(REFERENCE))["github"] == 0


def test_losses_below_every_reference_leave_clamp_as_it_is_and_softmax_only_smoothed():
    lower = named([r - 0.1 for r in REFERENCE])
    assert close(clamp_rule(named(SHEARED), lower, named(REFERENCE)), SHEARED)
    expected = [
        0.360978185714,
        0.491965085714,
        0.008013485714,
        0.031011185714,
        0.091005185714,
        0.007013585714,
        0.010013285714,
    ]
    assert close(softmax_rule(named(SHEARED), lower, named(REFERENCE)), expected)


def test_a_lasting_gap_collapses_the_mix_as_published_and_not_under_the_rails():
    weights = named([1 / 7] * 7)
    railed = dict(weights)
    losses = named([r + (0.1 if i == 0 else 0) for i, r in enumerate(REFERENCE)])
    for _ in range(80):
        weights = softmax_rule(weights, losses, named(REFERENCE))
        railed, _ = apply_rails(softmax_rule(railed, losses, named(REFERENCE)), railed, RAILS, 3584)
    assert close(weights, [0.997084765837] + [0.000485872361] * 6)
    assert math.isclose(railed["commoncrawl"], 0.9, rel_tol=1e-9)


def test_rails_keep_every_bound_and_list_what_they_changed():
    rng = random.Random(0)
    for _ in range(300):
        names = NAMES[: rng.randint(2, 7)]
        rows = rng.choice([64, 3584])
        raw = [rng.random() ** rng.choice([1, 6]) for _ in names]
        previous = {name: w / sum(raw) for name, w in zip(names, raw)}
        raw = [w * rng.choice([0.01, 1, 50]) for w in raw]
        asked = {name: w / sum(raw) for name, w in zip(names, raw)}
        weights, actions = apply_rails(asked, previous, RAILS, rows)
        floor = min(math.ceil(PARTS / rows) / PARTS, 1 / (2 * len(names)))
        assert abs(sum(weights.values()) - 1) < 1e-12
        assert all(floor - 1e-12 <= w <= 0.9 + 1e-12 for w in weights.values())
        changed = {action["domain"] for action in actions}
        free = [name for name in names if name not in changed]
        ratios = [weights[name] / max(asked[name], 1 / PARTS) for name in free]
        assert all(math.isclose(ratio, ratios[0], rel_tol=1e-9) for ratio in ratios)
        if not actions:
            assert all(math.isclose(weights[name], asked[name], rel_tol=1e-12) for name in names)


def test_closed_domains_get_nothing():
    weights, actions = apply_rails({"a": 0.5, "b": 0.25, "c": 0.25}, {"a": 0.5, "b": 0.25, "c": 0.25}, RAILS, 64, ["c"])
    assert weights == pytest.approx({"a": 2 / 3, "b": 1 / 3, "c": 0})
    assert actions == [{"rail": "repeat", "domain": "c", "from": 0.25, "to": 0}]
