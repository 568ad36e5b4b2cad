"""A lock file that both implementations respect (core/lock.ts): created whole by a link, naming its holder.

The lock of a process that died on this machine is taken over; that of another machine is respected until a person removes it.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import time
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, Optional

from .errors import HeadraceError


@contextmanager
def holding(path: str, wait_seconds: float) -> Iterator[None]:
    """Holds the lock while the block runs, waiting at most `wait_seconds` for it. Raises ERR_LOCKED naming the holder."""
    mine = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": _start_of(os.getpid())})
    _acquire(path, mine, time.monotonic() + wait_seconds)
    try:
        yield
    finally:
        if _read(path) == mine:
            os.unlink(path)


def _acquire(path: str, mine: str, until: float) -> None:
    pending = f"{path}.{secrets.token_hex(6)}.tmp"
    while True:
        with open(pending, "w", encoding="utf-8") as file:
            file.write(mine)
        try:
            os.link(pending, path)
            return
        except FileExistsError:
            pass
        finally:
            os.unlink(pending)
        seen = _read(path)
        if seen is None:
            continue
        if _is_stale(seen):
            _take_away(path, seen, pending)
            continue
        if time.monotonic() >= until:
            raise HeadraceError(
                "ERR_LOCKED", f"{path} is held by {_describe(seen)}; wait for it to end, or remove the file if it has"
            )
        time.sleep(0.02 + 0.03 * random.random())


def _take_away(path: str, judged: str, aside: str) -> None:
    """Removes a stale lock by renaming it. A lock that another process took meanwhile is put back."""
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    if _read(aside) != judged:
        with suppress(FileExistsError):
            os.link(aside, path)
    os.unlink(aside)


def _is_stale(text: str) -> bool:
    holder = _parse(text)
    if holder is None or holder.get("host") != socket.gethostname():
        return False
    pid = holder["pid"]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    now = _start_of(pid)
    return holder.get("started") is not None and now is not None and holder["started"] != now


def _start_of(pid: int) -> Optional[str]:
    """When a process started, in clock ticks since boot, so that a number used again is not taken for its holder; None where the system does not say."""
    stat = _read(f"/proc/{pid}/stat")
    return None if stat is None else stat[stat.rindex(")") + 2 :].split(" ")[19]


def _describe(text: str) -> str:
    holder = _parse(text)
    return f"process {holder['pid']} on {holder.get('host')}" if holder else json.dumps(text[:80])


def _parse(text: str) -> Optional[Dict[str, Any]]:
    try:
        holder = json.loads(text)
    except ValueError:
        return None
    return holder if isinstance(holder, dict) and isinstance(holder.get("pid"), int) and holder["pid"] > 0 else None


def _read(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None
