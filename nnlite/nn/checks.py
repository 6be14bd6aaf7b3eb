"""Checks of constructor arguments: an error names the argument, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import index
from typing import Any


def whole_number(owner: str, name: str, value: Any, least: int | None = 1) -> int:
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
    if least is not None and number < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, got {number}")
    return number


def whole_numbers(
    owner: str, name: str, value: Any, count: int, least: int | None = 1
) -> tuple[int, ...]:
    """``value``, one whole number or ``count`` of them, as ``count`` ints.

    Raises:
        TypeError: when they are no whole numbers.
        ValueError: when there is another number of them, or one is below ``least``.

    >>> whole_numbers("Conv2d", "stride", 2, 2)
    (2, 2)
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (whole_number(owner, name, value, least),) * count
    numbers = tuple(whole_number(owner, name, number, least) for number in value)
    if len(numbers) != count:
        raise ValueError(
            f"{owner}: {name} must be one whole number or a tuple of {count}, got {value!r}"
        )
    return numbers


def real_number(
    owner: str,
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
) -> Any:
    """``value``, which must be a number in [low, high], or above low with ``open_low``.

    A number of NumPy becomes one of Python, so that it converts no float32 array to float64.

    Raises:
        TypeError: when it is no number.
        ValueError: when it is out of the range, or NaN.
    """
    try:
        inside = (low < value if open_low else low <= value) and value <= high
    except TypeError:
        inside = None
    if inside is None or isinstance(value, (bool, str)) or hasattr(value, "__len__"):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}")
    if inside:
        return value.item() if hasattr(value, "item") else value
    if open_low:
        allowed = "be positive" if low == 0 else f"be more than {low}"
    elif math.isinf(low):
        allowed = f"be at most {high}" if high < math.inf else "be a number"
    else:
        allowed = f"be at least {low}" if math.isinf(high) else f"lie in [{low}, {high}]"
    raise ValueError(f"{owner}: {name} must {allowed}, got {value!r}")


def probability(owner: str, name: str, value: Any) -> Any:
    """``value``, which must lie in [0, 1].

    Raises:
        TypeError, ValueError: when it does not.
    """
    try:
        if 0 <= value <= 1:
            return value
    except TypeError:
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}") from None
    raise ValueError(f"{owner}: {name} must be a probability in [0, 1], got {value!r}")


def one_of(owner: str, name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """``value``, which must be one of ``allowed``.

    Raises:
        ValueError: when it is not.
    """
    if value not in allowed:
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{owner}: {name} must be one of {choices}, got {value!r}")
    return str(value)
