"""Who holds a data-parallel job up: every rank shows where it stands, and one that dies, hangs or lags is named within a time-out, with machine, batch and line.

The ranks meet in torch.distributed's own store, so nothing is opened and no clock is compared: what counts is how long a rank has shown the same. Judging is
pure (`Sightings`); `Watch` does it in a thread and, since a rank that waits in a collective can be woken by nothing, ends the process, so that the launcher
ends the job. Needs torch for `Watch`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .errors import HeadraceError
from .loop import Group

SHOWN = 8
"""Ranks named in an error; the rest are counted."""


class Sighting(NamedTuple):
    """What a rank shows."""

    host: str
    batch: int
    """Batches trained on."""
    place: str
    """File and function that its main thread is in, and the line."""
    beat: int


class Sightings:
    """What was seen of the ranks, and since when each has shown the same. `now` is any clock's seconds."""

    def __init__(self, ranks: List[int], now: float, silent_seconds: float, stall_seconds: float) -> None:
        """`silent_seconds` without a beat mean that a process is dead or frozen, `stall_seconds` without a batch of any rank that the job hangs."""
        self.silent_seconds = silent_seconds
        self.stall_seconds = stall_seconds
        self._last: Dict[int, Optional[Sighting]] = {rank: None for rank in ranks}
        self._beat_at = {rank: now for rank in ranks}
        self._moved_at = now
        self._furthest = -1

    def see(self, rank: int, sighting: Sighting, now: float) -> None:
        """Takes what a rank shows now."""
        before = self._last[rank]
        if before is None or before.beat != sighting.beat:
            self._beat_at[rank] = now
        self._last[rank] = sighting
        if sighting.batch > self._furthest:
            self._furthest, self._moved_at = sighting.batch, now

    def fault(self, now: float) -> Optional[str]:
        """What is wrong, naming the ranks; None if nothing is."""
        absent = [f"rank {rank}" for rank, last in self._last.items() if last is None]
        if absent and now - self._moved_at > self.stall_seconds:
            return f"{_listed(absent)} did not come within {self.stall_seconds:g} s"
        silent = [rank for rank, at in self._beat_at.items() if self._last[rank] and now - at > self.silent_seconds]
        if silent:
            named = _listed([self._named(rank) for rank in silent])
            return f"{named} was silent for {self.silent_seconds:g} s; the process is dead or frozen, or its machine is gone"
        if now - self._moved_at <= self.stall_seconds:
            return None
        return f"no batch for {self.stall_seconds:g} s; {self._behind()}"

    def _behind(self) -> str:
        """The ranks that have come least far, or that stand elsewhere than most."""
        seen = {rank: last for rank, last in self._last.items() if last is not None}
        least = [rank for rank, last in seen.items() if last.batch < self._furthest]
        if least:
            return f"behind: {_listed([self._named(rank) for rank in least])}"
        places = Counter(_code(last) for last in seen.values())
        usual, count = places.most_common(1)[0]
        odd = [rank for rank, last in seen.items() if _code(last) != usual]
        if odd and 2 * count > len(seen):
            return f"held up by {_listed([self._named(rank) for rank in odd])}; the others wait in {usual}"
        return f"ranks stand at: {_listed([self._named(rank) for rank in seen])}"

    def _named(self, rank: int) -> str:
        last = self._last[rank]
        return (
            f"rank {rank}"
            if last is None
            else f"rank {rank} on {last.host} (after {last.batch} batches, at {last.place})"
        )


class Watch:
    """Shows where this rank stands and watches over the others: rank 0 over all, the others over rank 0. Close it when training is over."""

    def __init__(
        self,
        rank: int,
        world: int,
        store: Any = None,
        silent_seconds: float = 60,
        stall_seconds: float = 600,
        beat_seconds: float = 5,
        on_fault: Optional[Callable[[HeadraceError], None]] = None,
    ) -> None:
        """`store` is a torch.distributed store, by default that of the process group. `on_fault` is called in the watching thread; by default the error is printed and
        the process ends with status 1."""
        if store is None:
            import torch.distributed as distributed

            store = distributed.distributed_c10d._get_default_store()
        self._store = store
        self._rank = rank
        self._others = list(range(world)) if rank == 0 else [0]
        self._beat_seconds = beat_seconds
        self._on_fault = on_fault or _end_process
        self._main = threading.get_ident()
        self._batch = 0
        self._beats = 0
        self._closed = threading.Event()
        self._seen = Sightings(self._others, time.monotonic(), silent_seconds, stall_seconds)
        self._thread = threading.Thread(target=self._run, name="headrace-watch", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, group: Group, stall_seconds: Optional[float]) -> Optional[Watch]:
        """A watch over a group of several ranks where a time is given, else None."""
        if stall_seconds is None or group.world == 1:
            return None
        return cls(group.rank, group.world, stall_seconds=stall_seconds)

    def at(self, batch: int) -> None:
        """This rank has trained on `batch` batches."""
        self._batch = batch

    def close(self) -> None:
        """Shows and watches no more."""
        self._closed.set()
        self._thread.join(timeout=2 * self._beat_seconds)

    def _run(self) -> None:
        while not self._closed.wait(self._beat_seconds if self._beats else 0):
            try:
                self._show()
                self._look()
            except Exception as cause:
                if self._closed.is_set():
                    return
                self._on_fault(
                    HeadraceError(
                        "ERR_TRAINER", f"rank {self._rank} cannot reach the ranks' store, which rank 0 keeps: {cause}"
                    )
                )
                return
            fault = self._seen.fault(time.monotonic())
            if fault is not None and not self._closed.is_set():
                self._on_fault(
                    HeadraceError("ERR_TRAINER", f"{fault}; the newest checkpoint stands, start the job again")
                )
                return

    def _show(self) -> None:
        self._beats += 1
        sighting = Sighting(socket.gethostname(), self._batch, _place_of(self._main), self._beats)
        self._store.set(_key(self._rank), json.dumps(sighting))

    def _look(self) -> None:
        now = time.monotonic()
        for rank in self._others:
            if self._store.check([_key(rank)]):
                self._seen.see(rank, Sighting(*json.loads(self._store.get(_key(rank)))), now)


def _key(rank: int) -> str:
    return f"headrace/rank/{rank}"


def _place_of(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    if frame is None:
        return "its end"
    return f"{os.path.basename(frame.f_code.co_filename)} {frame.f_code.co_name}:{frame.f_lineno}"


def _code(sighting: Sighting) -> str:
    """The place without its line."""
    return sighting.place.rsplit(":", 1)[0]


def _listed(names: List[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _end_process(error: HeadraceError) -> None:
    print(error, file=sys.stderr, flush=True)
    os._exit(1)
