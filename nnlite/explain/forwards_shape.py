"""Forward formulas of operations that put elements elsewhere: views, slices, joins, lookups.

What stands outside of an array counts as 0, so a join is a sum of parts that are moved.
"""

from __future__ import annotations

from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from nnlite.explain.facts import Formula, lasts, numbered, regrouped, shifted, summed, unravelled
from nnlite.explain.forwards_facts import Maker, Result

__all__ = ["SHAPES"]


def _view(f: Result) -> Formula:
    """The same elements in the same order."""
    return f.gives(f.at("x", regrouped(f.places, f.y, f.x)))


def _permute(f: Result) -> Formula:
    return f.gives(f.at("x", (f.places[f.meta.index(axis)] for axis in range(len(f.x)))))


def _same(f: Result) -> Formula:
    return Formula("x")


def _basic(f: Result, index: Any = None) -> Formula:
    """A part that slices and numbers choose."""
    index = f.meta[1] if index is None else index
    items = list(index) if isinstance(index, tuple) else [index]
    used = sum(item is not None and item is not Ellipsis for item in items)
    if Ellipsis not in items:
        items.append(Ellipsis)
    at = items.index(Ellipsis)
    items[at : at + 1] = [slice(None)] * (len(f.x) - used)
    sizes, names = iter(f.x), iter(f.places)
    places = []
    for item in items:
        if item is None:
            next(names)
            continue
        n = next(sizes)
        if not isinstance(item, slice):
            places.append(str(int(item) % n))
            continue
        start, _, step = item.indices(n)
        name = next(names)
        way = name if abs(step) == 1 else f"{abs(step)} {name}"
        places.append(f"{start} - {way}" if step < 0 else f"{start} + {way}" if start else way)
    return f.gives(f.at("x", places))


def _roll(f: Result) -> Formula:
    shifts, axes = f.meta
    if axes is None:
        total = prod(f.x)
        shift = shifts if isinstance(shifts, int) else sum(shifts)
        number = f"({numbered(f.places, f.y)} + {-shift % total}) mod {total}"
        return f.gives(f.at("x", unravelled(number, f.x)))
    moved = dict.fromkeys(range(len(f.x)), 0)
    for shift, axis in zip(*([v] if isinstance(v, int) else v for v in (shifts, axes))):
        moved[axis % len(f.x)] += shift
    return f.gives(f.at("x", (
        f"({name} + {-by % n}) mod {n}" if by % n else name
        for name, n, by in zip(f.places, f.x, moved.values())
    )))  # fmt: skip


def _pad(f: Result) -> Formula:
    around, value = f.meta
    inner = f.at("x", (shifted(name, low) for name, (low, _) in zip(f.places, around)))
    if not value:
        return f.gives(inner)
    ends = [
        f"{low} ≤ {name} < {low + n}"
        for name, n, (low, high) in zip(f.places, f.x, around)
        if low or high
    ]
    return f.gives(f"{inner} if {' and '.join(ends)} else {f.number(value)}")


def _pad_copies(f: Result) -> Formula:
    sources = f.meta[1]
    start = len(f.x) - len(sources)
    places, data = f.places[:start], {}
    for axis, source in enumerate(sources):
        letter = f.own("k" if len(sources) == 1 else f"k{'₁₂₃'[axis]}")
        data[letter] = (f"which place along axis {start + axis} of x was copied", source)
        places = [*places, f"{letter}[{f.places[start + axis]}]"]
    return f.gives(f.at("x", places), data=data)


def _cat(f: Result) -> Formula:
    axis, sizes = f.meta
    axis %= len(f.y)
    offsets = [0, *accumulate(sizes)]
    return f.gives(" + ".join(
        f.at(role, (shifted(n, offset if a == axis else 0) for a, n in enumerate(f.places)))
        for role, offset, size in zip(f.roles, offsets, sizes) if size
    ) or "0")  # fmt: skip


def _stack(f: Result) -> Formula:
    axis = f.meta % len(f.y)
    own = f.places[axis]
    rest = [n for a, n in enumerate(f.places) if a != axis]
    terms = (f"{f.at(role, rest)} [{own} = {place}]" for place, role in enumerate(f.roles))
    return f.gives(" + ".join(terms))


def _split(f: Result) -> Formula:
    axis, shapes = f.meta[:2]
    offset = sum(shape[axis] for shape in shapes[: f.which])
    places = (shifted(n, -offset if a == axis else 0) for a, n in enumerate(f.places))
    return f.gives(f.at("x", places))


def _unbind(f: Result) -> Formula:
    axis = f.meta[0] % len(f.x)
    return f.gives(f.at("x", [*f.places[:axis], str(f.which), *f.places[axis:]]))


def _triangle(sign: str) -> Maker:
    def make(f: Result) -> Formula:
        row, column = f.places[-2:]
        return f.gives(f"{f.at('x', f.places)} [{column} {sign} {shifted(row, -f.meta)}]")

    return make


def _trace(f: Result) -> Formula:
    (name,) = f.letters(1)
    return f.gives(f"Σ_{{{name}<{min(f.x)}}} x[{name}, {name}]")


def _diag_embed(f: Result) -> Formula:
    _, rows, columns = f.meta
    *others, row, column = f.places
    name = shifted(row, int(rows[0]))
    return f.gives(f"{f.at('x', [*others, name])} [{name} = {shifted(column, int(columns[0]))}]")


def _expand(f: Result) -> Formula:
    return f.gives(f.at("x", lasts(f.places, f.x, f.y)))


def _repeat(f: Result) -> Formula:
    names = f.places[len(f.y) - len(f.x) :]
    full = f.y[len(f.y) - len(f.x) :]
    return f.gives(f.at("x", (
        name if n == m else "0" if n == 1 else f"{name} mod {n}"
        for name, n, m in zip(names, f.x, full)
    )))  # fmt: skip


def _read(f: Result) -> Formula:
    """y = x[index], with arrays for an index."""
    index = f.meta[1] if isinstance(f.meta[1], tuple) else (f.meta[1],)
    letter = f.own("k")
    arrays = [a for a, part in enumerate(index) if hasattr(part, "dtype")]
    plain = all(hasattr(p, "dtype") or p == slice(None) for p in index)
    if len(arrays) == 1 and plain and index[arrays[0]].dtype.kind == "i":
        (axis,) = arrays
        chosen = index[axis]
        chosen = np.where(chosen < 0, chosen + f.x[axis], chosen)
        end = axis + chosen.ndim
        place = f.at(letter, f.places[axis:end])
        about = f"which place along axis {axis} of x was read"
        places = [*f.places[:axis], place, *f.places[end:]]
        return f.gives(f.at("x", places), data={letter: (about, chosen)})
    numbers = np.arange(prod(f.x)).reshape(f.x)[index]
    about = "the number of the element of x that was read, counted row by row from 0"
    places = unravelled(f.at(letter, f.places), f.x)
    return f.gives(f.at("x", places), data={letter: (about, numbers)})


def _written(f: Result) -> Formula:
    """y = x with v at some places; of what was written twice the last stays."""
    kind = type(f.step.derivative).__name__
    first, second = [*f.roles, "v"][:2]
    steps = f.meta[0] if kind == "CopySlices" else (f.meta[0],)
    numbers = np.arange(prod(f.y)).reshape(f.y)
    for step in steps:
        numbers = numbers[step]
    letter = f.own("k")
    about = "the number of the place in y, counted row by row from 0"
    shape: tuple[int, ...] = () if not f.has(1) else f.shape(1)
    names = f.letters(numbers.ndim)
    own = names[max(numbers.ndim - len(shape), 0) :]
    extra = ["0"] * max(len(shape) - numbers.ndim, 0)
    full = numbers.shape[max(numbers.ndim - len(shape), 0) :]
    own_sizes = shape[len(extra) :]
    places = [*extra, *("0" if n == 1 and m != 1 else c for c, n, m in zip(own, own_sizes, full))]
    over = [f"{name}<{n}" for name, n in zip(names, numbers.shape)]
    here = f"[{f.at(letter, names)} = {numbered(f.places, f.y)}]"
    if "Add" in kind:
        factor = ""
        if kind.startswith("IndexAdd") and f.meta[1] != 1:
            factor = f"{f.number(f.meta[1])} "
        right = f"{f.at(first, f.places)} + {factor}{summed(over, f.at(second, places))} {here}"
        return f.gives(right, data={letter: (about, numbers)})
    flat = numbers.reshape(-1)
    last = np.full(prod(f.y), -1)
    last[flat] = np.arange(flat.size)
    again = last[flat] != np.arange(flat.size)
    if again.any():
        about += " (-1: it was written again)"
    kept = np.where(again, -1, flat).reshape(numbers.shape)
    mask = f.own("m")
    data = {
        mask: ("1 where x was overwritten", (last >= 0).astype(np.int64).reshape(f.y)),
        letter: (about, kept),
    }
    term = f.at(second, places)
    if not f.has(1):
        value = f.operand("value", "src")
        return f.gives(f"{value} if {f.at(mask, f.places)} else {f.at(first, f.places)}",
                       data={mask: data[mask]})  # fmt: skip
    right = f"{f.at(first, f.places)} (1 - {f.at(mask, f.places)}) + {summed(over, term)} {here}"
    return f.gives(right, data=data)


def _copied(f: Result) -> Formula:
    return f.gives(f.at("v", lasts(f.places, f.shape(1), f.y)))


def _embedding(f: Result) -> Formula:
    letter = f.own("k")
    *names, column = f.places
    data = {letter: ("the row that was looked up", f.saved[0])}
    return f.gives(f.at(f.role, [f.at(letter, names), column]), data=data)


def _where(f: Result) -> Formula:
    letter = f.own("c")
    first, second = (
        role if f.has(place) else f.operand(name)
        for place, (role, name) in enumerate((("a", "input"), ("b", "other")))
    )
    data = {letter: ("the condition", f.saved[0])}
    return Formula(f"{first} if {letter} else {second}", data=data)


def _masked_fill(f: Result) -> Formula:
    letter = f.own("m")
    value = "v" if f.has(1) else f.operand("value")
    data = {letter: ("where x was replaced", f.saved[0])}
    return Formula(f"{value} if {letter} else x", data=data)


SHAPES: dict[str, Maker] = {
    "BasicIndexBackward0": _basic,
    "CatBackward0": _cat,
    "CloneBackward0": _same,
    "ConstantPadNdBackward0": _pad,
    "CopyBackwards": _copied,
    "CopySlices": _written,
    "DiagEmbedBackward0": _diag_embed,
    "DiagonalBackward0": _read,
    "DiagonalCopyBackward": _read,
    "EmbeddingBackward0": _embedding,
    "ExpandBackward0": _expand,
    "FlipBackward0": lambda f: _basic(f, f.meta),
    "GatherBackward0": _read,
    "IndexAddBackward0": _written,
    "IndexBackward0": _read,
    "IndexSelectBackward0": _read,
    "MaskedFillBackward0": _masked_fill,
    "MaskedFillBackward1": _masked_fill,
    "MaskedSelectBackward0": _read,
    "MedianBackward1": _read,
    "PadBackward0": _pad_copies,
    "PermuteBackward0": _permute,
    "RepeatBackward0": _repeat,
    "RollBackward0": _roll,
    "ScatterAddBackward0": _written,
    "ScatterBackward0": _written,
    "ScatterBackward1": _written,
    "SortBackward0": _read,
    "SortBackward1": _read,
    "SplitBackward0": _split,
    "SplitWithSizesBackward0": _split,
    "SqueezeBackward0": _view,
    "SqueezeBackward1": _view,
    "SqueezeBackward2": _view,
    "StackBackward0": _stack,
    "TBackward0": _permute,
    "ToCopyBackward0": _same,
    "TopkBackward0": _read,
    "TraceBackward0": _trace,
    "TransposeBackward0": _permute,
    "TrilBackward0": _triangle("≤"),
    "TriuBackward0": _triangle("≥"),
    "UnbindBackward0": _unbind,
    "UnsafeViewBackward0": _view,
    "UnsqueezeBackward0": _view,
    "ViewBackward0": _view,
    "WhereBackward0": _where,
}
