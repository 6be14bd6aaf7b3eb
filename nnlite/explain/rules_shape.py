"""Rules of operations that put elements elsewhere: views, slices, joins, borders."""

from __future__ import annotations

from itertools import accumulate
from math import prod
from typing import Any

from nnlite.explain.facts import (
    Facts,
    Formula,
    Maker,
    arrived,
    numbered,
    regrouped,
    shifted,
    summed,
    unravelled,
)

__all__ = ["SHAPES"]


def _view(f: Facts) -> Formula:
    """The same elements in the same order."""
    return f.made(f.at("g", regrouped(f.indices, f.x, f.y)))


def _permute(f: Facts) -> Formula:
    return f.made(f.at("g", (f.indices[axis] for axis in f.meta)))


def _same(f: Facts) -> Formula:
    return Formula("g")


def _basic(f: Facts, index: Any = None) -> Formula:
    """A part that slices and numbers choose."""
    index = f.meta[1] if index is None else index
    items = list(index) if isinstance(index, tuple) else [index]
    used = sum(item is not None and item is not Ellipsis for item in items)
    if Ellipsis not in items:
        items.append(Ellipsis)
    at = items.index(Ellipsis)
    items[at : at + 1] = [slice(None)] * (len(f.x) - used)
    places, conditions = [], []
    axes = iter(zip(f.indices, f.x))
    for item in items:
        if item is None:
            places.append("0")
            continue
        name, n = next(axes)
        if not isinstance(item, slice):
            conditions.append(f" [{name} = {int(item) % n}]")
            continue
        start, _, step = item.indices(n)
        way = shifted(name, start) if step > 0 else f"{start} - {name}"
        places.append(way if abs(step) == 1 else f"({way})/{abs(step)}")
    return f.made(f.at("g", places) + "".join(conditions))


def _roll(f: Facts) -> Formula:
    shifts, axes = f.meta
    if axes is None:
        number = numbered(f.indices, f.x)
        total = prod(f.x)
        shift = shifts if isinstance(shifts, int) else sum(shifts)
        places = unravelled(f"({number} + {shift % total}) mod {total}", f.x)
        return f.made(f.at("g", places))
    moved = dict.fromkeys(range(len(f.x)), 0)
    for shift, axis in zip(*([v] if isinstance(v, int) else v for v in (shifts, axes))):
        moved[axis % len(f.x)] += shift
    return f.made(f.at("g", (
        f"({name} + {by % n}) mod {n}" if by % n else name
        for name, n, by in zip(f.indices, f.x, moved.values())
    )))  # fmt: skip


def _pad(f: Facts) -> Formula:
    return f.made(f.at("g", (shifted(n, -low) for n, (low, _) in zip(f.indices, f.meta[0]))))


def _pad_copies(f: Facts) -> Formula:
    """Borders that are copies: of each axis the place in x that an element was copied from."""
    _, sources = f.meta[:2]
    start = len(f.x) - len(sources)
    data = {}
    names = f.letters(len(sources))
    conditions = []
    for axis, (name, source) in enumerate(zip(names, sources)):
        letter = f.own("k" if len(sources) == 1 else f"k{'₁₂₃'[axis]}")
        data[letter] = (f"which place along axis {start + axis} of x was copied", source)
        conditions.append(f" [{letter}[{name}] = {f.indices[start + axis]}]")
    term = f.at("g", [*f.indices[:start], *names]) + "".join(conditions)
    return f.made(summed(names, term), data=data)


def _cat(f: Facts) -> Formula:
    axis, sizes = f.meta
    axis %= len(f.x)
    offset = sum(sizes[: f.position])
    places = (shifted(n, -offset if a == axis else 0) for a, n in enumerate(f.indices))
    return f.made(f.at("g", places))


def _stack(f: Facts) -> Formula:
    axis = f.meta % len(f.y)
    return f.made(f.at("g", [*f.indices[:axis], str(f.position), *f.indices[axis:]]))


def _split(f: Facts) -> Formula:
    axis, shapes = f.meta[:2]
    offsets = [0, *accumulate(shape[axis] for shape in shapes)]
    terms = [
        f.at(g, (shifted(n, offsets[which] if a == axis else 0) for a, n in enumerate(f.indices)))
        for which, g in arrived(f)
    ]
    return f.made(" + ".join(terms))


def _unbind(f: Facts) -> Formula:
    axis = f.meta[0] % len(f.x)
    others = [n for a, n in enumerate(f.indices) if a != axis]
    terms = [f"{f.at(g, others)} [{f.indices[axis]} = {which}]" for which, g in arrived(f)]
    return f.made(" + ".join(terms))


def _triangle(sign: str) -> Maker:
    def make(f: Facts) -> Formula:
        row, column = f.indices[-2:]
        return f.made(f"{f.at('g', f.indices)} [{column} {sign} {shifted(row, -f.meta)}]")

    return make


def _trace(f: Facts) -> Formula:
    return f.made(f"g [{f.indices[0]} = {f.indices[1]}]")


def _diag_embed(f: Facts) -> Formula:
    _, rows, columns = f.meta
    name = f.indices[-1]
    ends = (shifted(name, -int(places[0])) for places in (rows, columns))
    return f.made(f.at("g", [*f.indices[:-1], *ends]))


SHAPES: dict[str, Maker] = {
    "BasicIndexBackward0": _basic,
    "CatBackward0": _cat,
    "CloneBackward0": _same,
    "ConstantPadNdBackward0": _pad,
    "DiagEmbedBackward0": _diag_embed,
    "FlipBackward0": lambda f: _basic(f, f.meta),
    "PadBackward0": _pad_copies,
    "PermuteBackward0": _permute,
    "RollBackward0": _roll,
    "SplitBackward0": _split,
    "SplitWithSizesBackward0": _split,
    "SqueezeBackward0": _view,
    "SqueezeBackward1": _view,
    "SqueezeBackward2": _view,
    "StackBackward0": _stack,
    "TBackward0": _permute,
    "ToCopyBackward0": _same,
    "TraceBackward0": _trace,
    "TransposeBackward0": _permute,
    "TrilBackward0": _triangle("≤"),
    "TriuBackward0": _triangle("≥"),
    "UnbindBackward0": _unbind,
    "UnsafeViewBackward0": _view,
    "UnsqueezeBackward0": _view,
    "ViewBackward0": _view,
}
