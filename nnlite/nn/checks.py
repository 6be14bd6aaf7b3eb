"""Checks of constructor arguments: an error names the argument, its value and what is allowed."""

from __future__ import annotations

from operator import index
from typing import Any


def whole_number(owner: str, name: str, value: Any, least: int = 1) -> int:
    """``value`` as an int.

    Raises:
        TypeError: when it is no whole number.
        ValueError: when it is below ``least``.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = index(value)
    except TypeError:
        raise TypeError(f"{owner}: {name} must be a whole number, got {value!r}") from None
    if number < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, got {number}")
    return number


def one_of(owner: str, name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """``value``, which must be one of ``allowed``.

    Raises:
        ValueError: when it is not.
    """
    if value not in allowed:
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{owner}: {name} must be one of {choices}, got {value!r}")
    return str(value)
