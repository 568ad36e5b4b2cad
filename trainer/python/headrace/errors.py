"""One error class with a code a program can match; the codes are those of core/errors.ts."""

from __future__ import annotations


class HeadraceError(Exception):
    """An error with a code and a one-line message that names the subject, the value seen and the way out."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return f"{self.args[0]}  [{self.code}]"
