"""What a trace consists of: calls, and the values that they take and make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "Ref", "TraceError", "refs", "walk"]


class TraceError(RuntimeError):
    """What a traced piece of code does that a trace cannot hold, and what to do about it."""


@dataclass(frozen=True)
class Ref:
    """A value of the trace, by its number."""

    id: int


@dataclass
class Call:
    """One call.

    Attributes:
        kind: ``"ufunc"`` (``target`` is the ufunc, ``name`` its method), ``"function"`` (``target``
            is NumPy's function), ``"method"`` (``name``), ``"getitem"``, ``"setitem"``, ``"bool"``
            (a condition: ``kwargs["expected"]``), ``"kernel"`` (``name``: several calls that were
            noted down as one), ``"draw"`` (random numbers: ``target`` is the generator, ``name``
            its method) or ``"opaque"`` (``target`` is called as it is, outside of the trace).
        args, kwargs: as given, with a `Ref` in place of every array.
        results: the values that were made; what was written into is among ``writes`` instead.
        writes: the values that were written into.
        module: the dotted name of the module whose forward made the call.
        note: what the call belongs to, for readers.
        errors: how NumPy treated floating point errors, where that was not as usual.
    """

    kind: str
    name: str
    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[int, ...]
    writes: tuple[int, ...]
    module: str
    note: str = ""
    errors: dict[str, Any] | None = None


def walk(value: Any, change: Callable[[Any], Any]) -> Any:
    """``value`` with ``change`` applied to everything in its tuples, lists, dicts and slices."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(walk(part, change) for part in value))
    if isinstance(value, (tuple, list)):
        return type(value)(walk(part, change) for part in value)
    if isinstance(value, dict):
        return {name: walk(part, change) for name, part in value.items()}
    if isinstance(value, slice):
        return slice(*(walk(part, change) for part in (value.start, value.stop, value.step)))
    return change(value)


def refs(value: Any) -> list[Ref]:
    """Every `Ref` in nested tuples, lists, dicts and slices."""
    found: list[Ref] = []
    walk(value, lambda part: found.append(part) if isinstance(part, Ref) else None)
    return found
