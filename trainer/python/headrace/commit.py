"""Files that are there whole or not at all: written under a temporary name, flushed to the disk, renamed, and the folder flushed."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import IO, Iterator

from .errors import HeadraceError


@contextmanager
def write_whole(path: str) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of `path` when the block ends, and is deleted when it raises. Raises ERR_OUTPUT."""
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(6)}.tmp")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(folder)
    except OSError as cause:
        raise HeadraceError(
            "ERR_OUTPUT",
            f"cannot write {path}: {cause.strerror or cause}; free space or permit writing there, then run again",
        ) from cause
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def sync_folder(folder: str) -> None:
    """Flushes a folder's list of names, without which a renamed file may be gone after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
