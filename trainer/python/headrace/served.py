"""The served log of a run: one line an acknowledged batch, as `headrace train` writes it (docs/format.md 4, samplers/served.ts).

A line survives the death of the process; `sync` makes it survive that of the machine.
"""

from __future__ import annotations

import os
import re
from typing import List

from .errors import HeadraceError

_LINE = re.compile(rb"(0|[1-9]\d{0,14}) ([0-9a-f]{16})")


class ServedLog:
    """A served log, open for appending. One process writes it."""

    def __init__(self, path: str) -> None:
        """Opens or creates it, and cuts off a line that a crash left unfinished. Raises ERR_REPLAY when a whole line is out of place."""
        self.path = path
        self._file = open(path, "a+b", buffering=0)  # noqa: SIM115
        self._file.seek(0)
        text = self._file.read()
        whole = text.rfind(b"\n") + 1
        self._hashes: List[str] = []
        for line in text[:whole].splitlines():
            match = _LINE.fullmatch(line)
            if match is None or int(match.group(1)) != len(self._hashes):
                self._file.close()
                raise HeadraceError(
                    "ERR_REPLAY",
                    f"{path} line {len(self._hashes) + 1} is {line[:80]!r}; expected batch {len(self._hashes)} and 16 hex digits; "
                    "restore the file, or start a new run",
                )
            self._hashes.append(match.group(2).decode("ascii"))
        if whole < len(text):
            self._file.truncate(whole)

    @property
    def next(self) -> int:
        """Batches acknowledged, which is the next batch to be."""
        return len(self._hashes)

    def append(self, batch: int, served: str) -> bool:
        """Writes a batch's line. One that is there must have the same hash and is not written twice (False). Raises ERR_REPLAY on another hash or a gap."""
        if batch < len(self._hashes):
            if self._hashes[batch] != served:
                raise HeadraceError(
                    "ERR_REPLAY",
                    f"batch {batch} has served hash {self._hashes[batch]} in {self.path}, now {served}; it was served other rows before",
                )
            return False
        if batch > len(self._hashes):
            raise HeadraceError(
                "ERR_REPLAY",
                f"batch {batch} is acknowledged, {self.path} ends at {len(self._hashes)}; no batch may be left out",
            )
        self._file.write(f"{batch} {served}\n".encode("ascii"))
        self._hashes.append(served)
        return True

    def sync(self) -> None:
        """Makes what was written durable."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Makes it durable and closes."""
        if not self._file.closed:
            self.sync()
            self._file.close()
