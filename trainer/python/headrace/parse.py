"""The border where outside JSON becomes typed values: each function returns the value, or raises ERR_PARSE naming the field, what was seen and what was expected."""

from __future__ import annotations

import json
import math
from typing import Any, Dict, List, NoReturn, Optional, Union

from .errors import HeadraceError
from .keys import EXACT


def mismatch(at: str, value: Any, expected: str) -> NoReturn:
    """Raises ERR_PARSE."""
    shown = json.dumps(value, default=str)
    shown = f"{shown[:77]}..." if len(shown) > 80 else shown
    raise HeadraceError("ERR_PARSE", f"{at} is {shown}; expected {expected}")


def fields(value: Any, at: str, *names: str) -> Dict[str, Any]:
    """An object that has at least the fields `names`."""
    if not isinstance(value, dict):
        mismatch(at, value, "an object")
    for name in names:
        if name not in value:
            raise HeadraceError("ERR_PARSE", f"{at}.{name} is absent")
    return value


def items(value: Any, at: str) -> List[Any]:
    """A list."""
    return value if isinstance(value, list) else mismatch(at, value, "a list")


def string(value: Any, at: str) -> str:
    """Any string."""
    return value if isinstance(value, str) else mismatch(at, value, "a string")


def one_of(value: Any, at: str, *allowed: Union[str, int]) -> Any:
    """One of the given strings or numbers."""
    if isinstance(value, bool) or value not in allowed:
        mismatch(at, value, f"one of {', '.join(map(str, allowed))}")
    return value


def whole(value: Any, at: str, least: int = 0, most: int = EXACT) -> int:
    """A whole number in [least, most]; 5.0 is 5, as in ECMAScript."""
    number = value if not isinstance(value, bool) else None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or not least <= number <= most:
        mismatch(at, value, f"a whole number from {least} to {most}")
    return number


def wholes(value: Any, at: str, length: int, least: int = 0) -> List[int]:
    """A list of `length` whole numbers."""
    numbers = items(value, at)
    if len(numbers) != length:
        mismatch(at, value, f"a list of {length}, one a domain")
    return [whole(number, f"{at}[{i}]", least) for i, number in enumerate(numbers)]


def real(value: Any, at: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        mismatch(at, value, "a finite number")
    return value


def optional_whole(value: Any, at: str, least: int = 0) -> Optional[int]:
    """null, or a whole number of at least `least`."""
    return None if value is None else whole(value, at, least)
