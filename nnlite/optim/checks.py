"""Checks of the options of an optimizer."""

from __future__ import annotations

from typing import Any

__all__ = ["check_betas", "check_choice", "check_number"]


def check_number(
    owner: str,
    name: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> None:
    """Raise unless the option ``name`` is a number in its range.

    Args:
        owner: the class whose option it is.
        name: the option's name.
        value: the option's value.
        least: the smallest that is allowed.
        most: the largest that is allowed.
        below: the number that all allowed ones are smaller than.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{owner}: {name} must be a Python number, got {value!r}")
    too_small = least is not None and not value >= least
    too_large = (most is not None and not value <= most) or (below is not None and value >= below)
    if value != value or too_small or too_large:
        if below is not None:
            limit = f" of at least {least} and below {below}"
        elif most is not None:
            limit = f" in [{least}, {most}]"
        else:
            limit = "" if least is None else f" of at least {least}"
        raise ValueError(f"{owner}: {name} must be a number{limit}, got {value!r}")


def check_betas(owner: str, betas: Any) -> None:
    """Raise unless ``betas`` are two numbers in [0, 1)."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"{owner}: betas must be two numbers in [0, 1), got {betas!r}")
    for i, beta in enumerate(betas):
        check_number(owner, f"betas[{i}]", beta, least=0, below=1)


def check_choice(owner: str, name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise unless ``value`` is one of ``choices``."""
    if value not in choices:
        wanted = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{owner}: {name} must be {wanted}, got {value!r}")
