"""Rules of operations that read or write where arrays of indices or masks say."""

from __future__ import annotations

from math import prod

import numpy as np

from nnlite.explain.facts import (
    Facts,
    Formula,
    Maker,
    numbered,
    over_axes,
    summed,
    unravelled,
)

__all__ = ["LOOKUPS"]


def _read(f: Facts) -> Formula:
    """y = x[index], with arrays for an index."""
    index = f.meta[1] if isinstance(f.meta[1], tuple) else (f.meta[1],)
    letter = f.own("k")
    arrays = [a for a, part in enumerate(index) if hasattr(part, "dtype")]
    plain = all(hasattr(p, "dtype") or p == slice(None) for p in index)
    more = any(part is None or part is Ellipsis for part in index)
    if len(arrays) == 1 and plain and not more:
        (axis,) = arrays
        chosen = index[axis]
        if chosen.dtype.kind == "i" and len(index) <= len(f.x):
            names = f.letters(chosen.ndim)
            g = f.at("g", [*f.indices[:axis], *names, *f.indices[axis + 1 :]])
            chosen = np.where(chosen < 0, chosen + f.x[axis], chosen)
            about = f"which place along axis {axis} of x was read"
            term = f"{g} [{f.at(letter, names)} = {f.indices[axis]}]"
            return f.made(summed(names, term), data={letter: (about, chosen)})
    same = len(arrays) == len(index) == len(f.x) == len(f.y)
    same = same and all(part.shape == f.y for part in index)
    mesh = np.indices(f.y)
    moving = [a for a in arrays if same and not np.array_equal(index[a], mesh[a])]
    if same and len(moving) <= 1:
        axis = moving[0] if moving else len(f.x) - 1
        (name,) = f.letters(1)
        places = [name if a == axis else n for a, n in enumerate(f.indices)]
        about = f"which place along axis {axis} of x was read"
        term = f"{f.at('g', places)} [{f.at(letter, places)} = {f.indices[axis]}]"
        return f.made(summed([name], term), data={letter: (about, index[axis])})
    numbers = np.arange(prod(f.x)).reshape(f.x)[index]
    names = f.letters(numbers.ndim)
    term = f"{f.at('g', names)} [{f.at(letter, names)} = {numbered(f.indices, f.x)}]"
    about = "the number of the element of x that was read, counted row by row from 0"
    return f.made(summed(names, term), data={letter: (about, numbers)})


def _written(f: Facts) -> Formula:
    """y = x with v at some places."""
    kind = type(f.step._node).__name__
    letter = f.own("k")
    if f.position == 0:
        if "Add" in kind:
            return Formula("g")
        about = "1 where x was overwritten"
        return f.made(
            f"{f.at('g', f.indices)} (1 - {f.at(letter, f.indices)})",
            data={letter: (about, f.meta[1].astype(np.int64))},
        )
    steps = f.meta[0] if kind == "CopySlices" else (f.meta[0],)
    numbers = np.arange(prod(f.y)).reshape(f.y)
    for step in steps:
        numbers = numbers[step]
    full = numbers.shape
    names = list(f.indices)
    over: list[str] = []
    if kind in ("CopySlices", "IndexAddBackward0"):  # v was broadcast
        start = len(full) - len(f.x)
        over = f.letters(max(start, 0))
        names = [*over, *f.indices[max(-start, 0) :]]
        for axis, n in enumerate(full):
            own = f.x[axis - start] if axis >= start else n
            if own != n:
                names[axis] = f.letters(1)[0]
                over.append(names[axis])
    data = {letter: ("the number of the place in y, counted row by row from 0", numbers)}
    factor = ""
    if kind == "IndexAddBackward0" and f.meta[1] != 1:
        factor = f"{float(f.meta[1]):.6g} "
    # Where v is larger than what was read of it, k ends: nothing was written.
    extent = zip(names, full, f.x[max(len(f.x) - len(full), 0) :])
    bound = "".join(f" [{name} < {n}]" for name, n, own in extent if own > n)
    term = f.at("g", unravelled(f.at(letter, names), f.y)) + bound
    return f.made(factor + summed(over, term), data=data)


def _embedding(f: Facts) -> Formula:
    letter = f.own("k")
    (index,) = f.saved
    names = f.letters(index.ndim)
    row, column = f.indices
    padding = f.meta[1]
    term = f"{f.at('g', [*names, column])} [{f.at(letter, names)} = {row}]"
    term += "" if padding is None else f" [{row} ≠ {padding}]"
    return f.made(summed(names, term), data={letter: ("the row that was looked up", index)})


def _masked(about: str, inside: bool) -> Maker:
    def make(f: Facts) -> Formula:
        letter = f.own("m")
        kept = inside or f.position == 1
        right = f"g [{letter}]" if kept else f"g [not {letter}]"
        return over_axes(f, right, {letter: (about, f.saved[0])})

    return make


def _where(f: Facts) -> Formula:
    letter = f.own("c")
    data = {letter: ("the condition", f.saved[0])}
    return over_axes(f, f"g [{letter}]" if f.position == 0 else f"g [not {letter}]", data)


LOOKUPS: dict[str, Maker] = {
    "CopySlices": _written,
    "DiagonalBackward0": _read,
    "DiagonalCopyBackward": _read,
    "EmbeddingBackward0": _embedding,
    "GatherBackward0": _read,
    "IndexAddBackward0": _written,
    "IndexBackward0": _read,
    "IndexSelectBackward0": _read,
    "MaskedFillBackward0": _masked("where x was replaced", False),
    "MaskedFillBackward1": _masked("where x was replaced", False),
    "MaskedSelectBackward0": _read,
    "MedianBackward1": _read,
    "NanToNumBackward0": _masked("where x is finite", True),
    "ScatterAddBackward0": _written,
    "ScatterBackward0": _written,
    "ScatterBackward1": _written,
    "SortBackward0": _read,
    "SortBackward1": _read,
    "TopkBackward0": _read,
    "WhereBackward0": _where,
}
