import json

import numpy as np
import pytest
from making import make_two_domains
from runs import require_packages

from headrace.metrics import Metrics, masked_crc, prometheus_text, scalars_of
from headrace.plan import Plan
from headrace.schedule import parse_schedule


def written(folder, **options):
    """Metrics of a run under a clock that the caller moves, and its plan."""
    run, _, document = make_two_domains(folder)
    clock = [1000.0]
    return Metrics(run, now=lambda: clock[0], **options), Plan(parse_schedule(document)), clock, folder / "run"


def lines_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_the_first_batch_an_interval_each_report_and_the_end_have_a_line(tmp_path):
    metrics, plan, clock, run = written(tmp_path)
    for k in range(1, 26):
        metrics.batch(plan, k, float(k))
        if k == 13:
            metrics.report(plan, k, {"a": 1.5})
        clock[0] += 1
    metrics.close()
    lines = lines_of(run)
    assert [(line["batch"], line["loss"], line["tokensPerSecond"]) for line in lines] == [
        (1, 1, None),
        (11, 11, 32),
        (13, 13, 32),
        (23, 23, 32),
        (25, 25, pytest.approx(64 / 3)),
    ]
    assert [lines[2]["domains"][name]["loss"] for name in "ab"] == [1.5, None]


def test_prometheus_has_the_last_line_and_what_cannot_be_written_ends_no_training(tmp_path):
    path = tmp_path / "run.prom"
    metrics, plan, _, run = written(tmp_path, prometheus=path, seconds=0)
    metrics.batch(plan, 1)
    metrics.batch(plan, 2)
    assert path.read_text() == prometheus_text("run", lines_of(run)[-1])
    path.unlink()
    path.mkdir()
    with pytest.warns(RuntimeWarning, match="live numbers are written no more: "):
        metrics.batch(plan, 3)
    metrics.batch(plan, 4)
    assert [line["batch"] for line in lines_of(run)] == [1, 2, 3]


def test_the_checksum_is_crc_32c():
    crc = 0xE3069283  # reveng.sourceforge.io, CRC-32/ISCSI, of "123456789"
    assert masked_crc(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def test_tensorboards_own_reader_reads_every_scalar(tmp_path):
    require_packages("tensorboard")
    from metrics_answers import events

    metrics, plan, _, run = written(tmp_path, tensorboard=tmp_path / "events", seconds=0)
    for k in (1, 200, 70_000):
        metrics.batch(plan, k, 2.5)
    expected = [
        [line["batch"], tag, float(np.float32(value))]
        for line in lines_of(run)
        for tag, value in scalars_of(line).items()
    ]
    assert events(str(tmp_path / "events")) == expected
