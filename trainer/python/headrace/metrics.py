"""The live numbers of a run, written while it trains: JSON lines in the run folder always, TensorBoard events and Prometheus where asked for (docs/metrics.md).

They are for watching: nothing reads them back, and what cannot be written is warned of once and ends no training. Needs numpy alone.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
import warnings
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .live import Numbers, live_numbers
from .plan import Plan
from .schedule import PathLike


class Metrics:
    """What writes the numbers of one run. One process writes them (rank 0)."""

    def __init__(
        self,
        run: PathLike,
        losses: Optional[Mapping[str, float]] = None,
        seconds: float = 10,
        tensorboard: Optional[PathLike] = None,
        prometheus: Optional[PathLike] = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Lines go to `metrics.jsonl` of the run folder, `seconds` apart at least; the first batch of a process, each report and the end have one of their own.

        `losses` are those of the newest report. `tensorboard` is a folder for event files, `prometheus` a file in its text format that is replaced whole.
        """
        folder = os.path.abspath(run)
        self.problem: Optional[str] = None
        self._run = os.path.basename(folder)
        self._path = os.path.join(folder, "metrics.jsonl")
        self._losses = dict(losses or {})
        self._seconds = seconds
        self._prometheus = None if prometheus is None else os.fspath(prometheus)
        self._now = now
        self._loss: Optional[float] = None
        self._line: Optional[Dict[str, Any]] = None
        self._pending: Optional[Tuple[Plan, int]] = None
        self._events: Optional[str] = None
        if tensorboard is not None:
            name = f"events.out.tfevents.{int(now()):010d}.{socket.gethostname()}.{os.getpid()}.headrace"
            self._events = os.path.join(tensorboard, name)
            self._attempt(lambda: self._begin_events(os.fspath(tensorboard)))

    def batch(self, plan: Plan, batch: int, loss: Optional[float] = None) -> None:
        """A batch was trained on, `batch` of them so far; `loss` is its mean in nats a token. Writes a line if one is due."""
        self._loss = self._loss if loss is None else loss
        self._pending = (plan, batch)
        if self._line is None or self._now() - self._line["time"] >= self._seconds:
            self._write()

    def report(self, plan: Plan, batch: int, losses: Mapping[str, float]) -> None:
        """Losses were reported, mean nats a token; `plan` knows the stage that they led to. Writes a line."""
        self._losses = dict(losses)
        self._pending = (plan, batch)
        self._write()

    def close(self) -> None:
        """Writes what was not written yet."""
        self._write()

    def _write(self) -> None:
        if self._pending is None or self.problem is not None:
            return
        (plan, batch), self._pending = self._pending, None
        numbers: Numbers = live_numbers(plan, batch, self._losses)
        now, before = self._now(), self._line
        passed = now - before["time"] if before else 0
        rate = max(0, numbers["tokens"] - before["tokens"]) / passed if before and passed > 0 else None
        self._line = {"time": now, **numbers, "loss": self._loss, "tokensPerSecond": rate}
        self._attempt(self._put)

    def _put(self) -> None:
        line = self._line or {}
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._events is not None:
            with open(self._events, "ab") as events:
                events.write(scalars_record(line["time"], line["batch"], scalars_of(line)))
        if self._prometheus is not None:
            with open(f"{self._prometheus}.tmp", "w", encoding="utf-8") as file:
                file.write(prometheus_text(self._run, line))
            os.replace(f"{self._prometheus}.tmp", self._prometheus)

    def _begin_events(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        with open(str(self._events), "ab") as events:
            events.write(_record(_double(1, self._now()) + _bytes(3, b"brain.Event:2")))

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as cause:
            self.problem = f"live numbers are written no more: {cause}"
            warnings.warn(self.problem, RuntimeWarning, stacklevel=3)


def scalars_of(line: Mapping[str, Any]) -> Dict[str, float]:
    """The scalars of a line by TensorBoard tag: `loss`, `weight/c4`, ...; what is unknown is left out."""
    scalars = {field: line[field] for field in ("tokens", "stage", "loss", "tokensPerSecond")}
    for domain, numbers in line["domains"].items():
        scalars.update({f"{field}/{domain}": value for field, value in numbers.items()})
    return {tag: value for tag, value in scalars.items() if value is not None}


_RUN = (
    ("batch", "batch", "Batches served."),
    ("tokens", "tokens", "Tokens served."),
    ("stage", "stage", "Stage that governs the next batch."),
    ("loss", "loss", "Mean loss of the last batch that said so, nats a token."),
    ("tokens_per_second", "tokensPerSecond", "Tokens a second since the last line."),
)
_DOMAIN = (
    ("weight", "weight", "Weight asked for in the next batch."),
    ("share", "share", "Rows served over all rows served."),
    ("loss", "loss", "Mean loss in the newest report, nats a token."),
    ("epochs", "epochs", "Passes over the domain so far."),
    ("tokens_left", "tokensLeft", "Tokens not served yet."),
    ("dry_batch", "dryBatch", "Batch by which no unseen row is left, predicted."),
    ("dry_tokens", "dryTokens", "Tokens of the run by which no unseen row is left, predicted."),
)


def prometheus_text(run: str, line: Mapping[str, Any]) -> str:
    """A line in Prometheus' text format 0.0.4; what is unknown (None) is left out. `run` is the label that tells runs apart."""
    out: List[str] = []

    def gauge(name: str, about: str, samples: Sequence[Tuple[str, Any]]) -> None:
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            out.extend((f"# HELP headrace_{name} {about}", f"# TYPE headrace_{name} gauge"))
            out.extend(f"headrace_{name}{{{labels}}} {value}" for labels, value in known)

    label = f'run="{_escaped(run)}"'
    for name, field, about in _RUN:
        gauge(name, about, [(label, line[field])])
    for name, field, about in _DOMAIN:
        rows = [(f'{label},domain="{_escaped(domain)}"', numbers[field]) for domain, numbers in line["domains"].items()]
        gauge(f"domain_{name}", about, rows)
    return "\n".join(out) + "\n"


def scalars_record(seconds: float, step: int, scalars: Mapping[str, float]) -> bytes:
    """Scalars at a step as one record of a TensorBoard event file: a TFRecord around a protobuf Event (trainer/metrics/events.ts names the formats)."""
    values = b"".join(_bytes(1, _bytes(1, tag.encode("utf-8")) + _float(2, value)) for tag, value in scalars.items())
    return _record(_double(1, seconds) + b"\x10" + _varint(step) + _bytes(5, values))


def masked_crc(data: bytes) -> int:
    """CRC-32C as TFRecord masks it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _table_entry(crc: int) -> int:
    for _ in range(8):
        crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc


_TABLE = [_table_entry(i) for i in range(256)]


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def _bytes(field: int, data: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(data)) + data


def _double(field: int, value: float) -> bytes:
    return struct.pack("<Bd", field << 3 | 1, value)


def _float(field: int, value: float) -> bytes:
    return struct.pack("<Bf", field << 3 | 5, value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
