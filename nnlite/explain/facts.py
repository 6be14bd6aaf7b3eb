"""What rules in index notation are made from: facts of an operation, and letters for indices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.explain.reasons import over, summed_axes

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = [
    "Facts",
    "Formula",
    "Maker",
    "arrived",
    "inverse",
    "lasts",
    "numbered",
    "over_axes",
    "reduced",
    "regrouped",
    "shifted",
    "summed",
    "unravelled",
]

Array = Any
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Formula:
    """The right side of a rule, in the letters of the operation's equation.

    Attributes:
        right: ``Σ_{k} g[i, k]``.
        places: the indices of the left side: ``[i, j]``; empty for a formula of whole arrays.
        where: equations for symbols on the way, those used first come first.
        data: arrays that stand in it and are no inputs: what each is, and its numbers.
    """

    right: str
    places: str = ""
    where: tuple[str, ...] = ()
    data: dict[str, tuple[str, Array]] = field(default_factory=dict)


class Facts:
    """What a rule is made from.

    Attributes:
        x, y: the shapes of the input and of the (first) output.
        role: the letter of the input.
        position: which input it is.
        meta, saved: of the derivative's node.
    """

    def __init__(self, step: Step, position: int) -> None:
        self.step = step
        self.position = position
        self.role = step.inputs[position].role
        self.x: Shape = step.inputs[position].value.shape
        self.y: Shape = step.output.shape
        node = step.derivative
        self.meta: Any = node.meta
        self.saved = step.saved
        taken = {given.value.symbol[:1] for given in step.inputs}
        taken |= {value.symbol[:1] for value in step.outputs.values()}
        taken |= {given.role for given in step.inputs} | {"e", "g", step.equation.output}
        taken |= set(step.constants) | {s for s in step.symbols_in_use if len(s) == 1}
        self._free: Iterator[str] = (c for c in _LETTERS if c not in taken)
        self.taken = taken

    @cached_property
    def indices(self) -> list[str]:
        """Letters for the axes of the input."""
        return self.letters(len(self.x))

    def shape(self, position: int) -> Shape:
        """The shape of another input."""
        return self.step.inputs[position].value.shape

    def has(self, position: int) -> bool:
        """Whether an input was given."""
        given = self.step.inputs
        return position < len(given) and given[position].value.dtype is not None

    def letters(self, count: int) -> list[str]:
        """Letters for indices that nothing else has."""
        found = [next(self._free) for _ in range(count)]
        self.taken.update(found)
        return found

    def own(self, letter: str) -> str:
        """A letter for a symbol on the way, with a prime where something else is called so."""
        while letter in self.taken:
            letter += "′"
        self.taken.add(letter)
        self._free = iter([c for c in self._free if c != letter])
        return letter

    def at(self, letter: str, places: Iterable[str]) -> str:
        """``x[i, j]``; the letter alone for a number."""
        inside = ", ".join(places)
        return f"{letter}[{inside}]" if inside else letter

    def made(
        self, right: str, where: Sequence[str] = (), data: dict[str, Any] | None = None
    ) -> Formula:
        """A formula for every element of the input."""
        places = f"[{', '.join(self.indices)}]" if self.indices else ""
        return Formula(right, places, tuple(where), data or {})


_LETTERS = "ijklmnpqrstuvwohdfyxabczIJKNOR"
Maker = Callable[[Facts], Formula]


def lasts(letters: Sequence[str], shape: Shape, full: Shape) -> list[str]:
    """The indices of an array that was broadcast to ``full``, whose indices are ``letters``."""
    start = len(full) - len(shape)
    return [
        "0" if n == 1 and full[start + axis] != 1 else letters[start + axis]
        for axis, n in enumerate(shape)
    ]


def summed(names: Sequence[str], term: str) -> str:
    """``Σ_{j, k} term``; the term alone without indices."""
    return f"Σ_{{{', '.join(names)}}} {term}" if names else term


def inverse(share: Any) -> str:
    """What 1 is divided by to give a share: ``3``, also of a third that has been rounded."""
    count = 1 / float(share)
    whole = round(count)
    eps = float(np.finfo(share.dtype).eps)
    return f"{whole if abs(count - whole) <= eps * count else count:.10g}"


def reduced(f: Facts, axis: Any, keepdims: bool) -> tuple[list[str], list[int]]:
    """The indices of what was reduced over an axis, some, or all; and these axes."""
    count = len(f.x)
    axes = list(range(count)) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    axes = [a % count for a in axes] if count else []
    kept = [
        "0" if a in axes else name for a, name in enumerate(f.indices) if keepdims or a not in axes
    ]
    return kept, axes


def numbered(letters: Sequence[str], shape: Shape) -> str:
    """The number of an element, counted row by row: ``3 i + j``."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    parts = [
        letter if stride == 1 else f"{stride} {letter}"
        for letter, stride, n in zip(letters, strides, shape)
        if n > 1
    ]
    return " + ".join(parts) or "0"


def unravelled(text: str, shape: Shape) -> list[str]:
    """The indices of the element with a number."""
    simple = text.isalnum()
    text = text if simple else f"({text})"
    found = []
    for axis, n in enumerate(shape):
        stride = prod(shape[axis + 1 :])
        place = text if stride == 1 else f"⌊{text}/{stride}⌋"
        first = axis == 0 or prod(shape[:axis]) == 1
        found.append("0" if n == 1 else place if first else f"{place} mod {n}")
    return [t[1:-1] if t.startswith("(") and t.endswith(")") and not simple else t for t in found]


def regrouped(letters: Sequence[str], shape: Shape, other: Shape) -> list[str]:
    """The indices in an array of another shape of the element that has ``letters`` in one of
    ``shape``, in the same order: only the axes that were split or joined are numbered."""
    here = [(name, n) for name, n in zip(letters, shape) if n != 1]
    there = [n for n in other if n != 1]
    found: list[str] = []
    while here or there:
        left, right = [here.pop(0)], [there.pop(0)]
        while (a := prod(n for _, n in left)) != (b := prod(right)):
            if a < b:
                left.append(here.pop(0))
            else:
                right.append(there.pop(0))
        number = numbered([name for name, _ in left], tuple(n for _, n in left))
        found += unravelled(number, tuple(right)) if len(right) > 1 else [number]
    return ["0" if n == 1 else found.pop(0) for n in other]


def shifted(name: str, by: int) -> str:
    """``i - 2``"""
    return name if not by else f"{name} {'-' if by > 0 else '+'} {abs(by)}"


def arrived(f: Facts) -> Iterator[tuple[int, str]]:
    """The outputs that a gradient has arrived at, and the letters of these gradients."""
    for which in f.step.outputs:
        yield which, f.step.gradient_letter(which)


def over_axes(f: Facts, term: str, data: dict[str, Any]) -> Formula:
    """The sum over the axes along which the input was repeated."""
    axes = summed_axes(f.x, f.y)
    return Formula(f"Σ ({term}) {over(axes, f.y)}" if axes else term, data=data)
