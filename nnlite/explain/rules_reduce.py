"""Rules of sums, extremes, and products of vectors: what many elements become one in."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnlite.explain.facts import (
    Facts,
    Formula,
    Maker,
    arrived,
    reduced,
    summed,
)
from nnlite.explain.reasons import over, summed_axes

__all__ = ["REDUCTIONS"]

Shape = tuple[int, ...]


def _sum(f: Facts) -> Formula:
    kept, _ = reduced(f, f.meta[1], f.meta[2])
    return f.made(f.at("g", kept))


def _mean(f: Facts) -> Formula:
    kept, _ = reduced(f, f.meta[1], f.meta[2])
    return f.made(f"{f.at('g', kept)} / {f.meta[3]}")


def _expand(f: Facts) -> Formula:
    start = len(f.y) - len(f.x)
    over = f.letters(start)
    places = list(over)
    for axis, name in enumerate(f.indices):
        if f.x[axis] != f.y[start + axis]:
            over += f.letters(1)
            name = over[-1]
        places.append(name)
    return f.made(summed(over, f.at("g", places)))


def _repeat(f: Facts) -> Formula:
    start = len(f.y) - len(f.x)
    over, places = [], []
    for axis, times in enumerate(n // m for n, m in zip(f.y, (1,) * start + f.x)):
        (name,) = f.letters(1) if times > 1 else ("",)
        own = f.indices[axis - start] if axis >= start else ""
        by = "" if not name else f"{f.x[axis - start]} {name}" if own else name
        places.append(" + ".join(filter(None, (own, by))) or "0")
        over += [f"{name}<{times}"] * bool(name)
    return f.made(summed(over, f.at("g", places)))


def _cumsum(f: Facts) -> Formula:
    if not f.x:
        return Formula("g")
    axis = f.meta % len(f.x)
    (name,) = f.letters(1)
    places = [name if a == axis else n for a, n in enumerate(f.indices)]
    return f.made(f"Σ_{{{name}≥{f.indices[axis]}}} {f.at('g', places)}")


def _cumprod(f: Facts) -> Formula:
    if not f.x:
        return Formula("g")
    axis = f.meta % len(f.x)
    own = f.indices[axis]
    last, factor = f.letters(2)
    g = f.at("g", (last if a == axis else n for a, n in enumerate(f.indices)))
    x = f.at("x", (factor if a == axis else n for a, n in enumerate(f.indices)))
    return f.made(
        f"Σ_{{{last}≥{own}}} {g} Π_{{{factor} : {factor} ≤ {last} and {factor} ≠ {own}}} {x}"
    )


def _prod(f: Facts) -> Formula:
    kept, axes = reduced(f, f.meta[1], f.meta[2])
    names = f.letters(len(axes))
    if not names:
        return Formula("g")
    places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
    others = " or ".join(f"{name} ≠ {f.indices[a]}" for name, a in zip(names, axes))
    return f.made(f"{f.at('g', kept)} Π_{{{', '.join(names)} : {others}}} {f.at('x', places)}")


def _averaged(f: Facts, axis: Any, keepdims: bool) -> tuple[list[str], str, str, int]:
    """The indices of a result, the mean of x and its equation, and over how many it is."""
    kept, axes = reduced(f, axis, keepdims)
    rest = [n for a, n in enumerate(f.indices) if a not in axes]
    names = f.letters(len(axes))
    places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
    count = prod(f.x[a] for a in axes)
    mean = f.at("x̄", rest)
    return kept, mean, f"{mean} = {summed(names, f.at('x', places))} / {count}", count


def _var(f: Facts) -> Formula:
    _, axis, keepdims, divisor = f.meta
    kept, mean, line, _ = _averaged(f, axis, keepdims)
    x = f.at("x", f.indices)
    return f.made(f"2 {f.at('g', kept)} ({x} - {mean}) / {divisor}", [line])


def _std(f: Facts) -> Formula:
    _, axis, keepdims, divisor = f.meta
    kept, mean, line, _ = _averaged(f, axis, keepdims)
    x, y = f.at("x", f.indices), f.at("y", kept)
    return f.made(f"{f.at('g', kept)} ({x} - {mean}) / ({divisor} {y})", [line])


def _and_mean(f: Facts) -> Formula:
    """Variance or standard deviation, and the mean."""
    _, axis, keepdims, divisor = f.meta
    kept, mean, line, count = _averaged(f, axis, keepdims)
    x = f.at("x", f.indices)
    where = [line]
    terms = []
    spread = f.own("d")
    for which, g in arrived(f):
        if which == 1:
            terms.append(f"{f.at(g, kept)} / {count}")
        elif type(f.step._node).__name__.startswith("Var"):
            terms.append(f"2 {f.at(g, kept)} ({x} - {mean}) / {divisor}")
        else:
            rest, axes = reduced(f, axis, False)
            names = f.letters(len(axes))
            places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
            inner = f"({f.at('x', places)} - {mean})²"
            own = f.at(spread, rest)
            terms.append(f"{f.at(g, kept)} ({x} - {mean}) / ({divisor} {own})")
            where.append(f"{own} = √({summed(names, inner)} / {divisor})")
    return f.made(" + ".join(terms), where)


def _extreme(f: Facts) -> Formula:
    kept, axes = reduced(f, f.meta[1], f.meta[2])
    names = f.letters(len(axes))
    places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
    if not names:
        return Formula("g")
    y = f.at("y", kept)
    count = summed(names, f"[{f.at('x', places)} = {y}]")
    return f.made(f"{f.at('g', kept)} [{f.at('x', f.indices)} = {y}] / ({count})")


def _extreme_at(f: Facts) -> Formula:
    if not f.x:
        return Formula("g")
    kept, (axis,) = reduced(f, f.meta[1], f.meta[2])
    letter = f.own("k")
    about = f"where along axis {axis} the {'largest' if f.step.name == 'Max' else 'smallest'} is"
    index = f.saved[0]
    places = kept if index.ndim == len(kept) else [n for n in f.indices if n != f.indices[axis]]
    right = f"{f.at('g', kept)} [{f.indices[axis]} = {f.at(letter, places)}]"
    return f.made(right, data={letter: (about, index)})


def _median(f: Facts) -> Formula:
    letter = f.own("m")
    names = f.letters(len(f.x))
    right = f"g {f.at(letter, f.indices)} / ({summed(names, f.at(letter, names))})"
    mask = f.saved[0].astype(np.int64)
    return f.made(right, data={letter: ("1 where x is the median", mask)})


def _einsum(f: Facts) -> Formula:
    inputs, output = f.meta
    shapes = [f.shape(i) for i in range(len(inputs))]
    size: dict[str, int] = {}
    for names, shape in zip((*inputs, output), (*shapes, f.y)):
        for name, n in zip(names, shape):
            size[name] = max(size.get(name, 1), n)
    letters = dict(zip(size, f.letters(len(size))))
    own = inputs[f.position]
    used = [name for name, n in zip(own, f.x) if n == size[name]]
    f.indices = [letters[name] if n == size[name] else f.letters(1)[0] for name, n in zip(own, f.x)]

    def at(letter: str, names: str, shape: Shape) -> str:
        return f.at(letter, (letters[m] if n == size[m] else "0" for m, n in zip(names, shape)))

    roles = [given.role for given in f.step.inputs]
    terms = [at("g", output, f.y)]
    terms += [at(roles[i], inputs[i], shapes[i]) for i in range(len(inputs)) if i != f.position]
    over = [letters[name] for name in size if name not in used]
    over = [name for name in over if any(f"{name}," in t or f"{name}]" in t for t in terms)]
    return f.made(summed(over, " ".join(terms)))


def _outer(f: Facts) -> Formula:
    """Products with vectors: y = A x, y = xᵀ B, and y = β c + α A x."""
    kind = type(f.step._node).__name__
    beta, alpha = f.meta[1:] if kind.startswith("Addmv") else (1, 1)
    factor = "" if alpha == 1 else "α "
    if f.role == "c":
        axes = summed_axes(f.x, f.y)
        term = "g" if beta == 1 else "β g"
        return Formula(f"Σ {term} {over(axes, f.y)}" if axes else term)
    if kind.startswith("Vm"):
        if f.role == "B":
            return f.made(f"x[{f.indices[0]}] g[{f.indices[1]}]")
        (name,) = f.letters(1)
        return f.made(f"Σ_{{{name}}} B[{f.indices[0]}, {name}] g[{name}]")
    if f.role == "A":
        return f.made(f"{factor}g[{f.indices[0]}] x[{f.indices[1]}]")
    (name,) = f.letters(1)
    return f.made(f"{factor}Σ_{{{name}}} A[{name}, {f.indices[0]}] g[{name}]")


REDUCTIONS: dict[str, Maker] = {
    "AddmvBackward0": _outer,
    "AmaxBackward0": _extreme,
    "AminBackward0": _extreme,
    "CumprodBackward0": _cumprod,
    "CumsumBackward0": _cumsum,
    "EinsumBackward": _einsum,
    "ExpandBackward0": _expand,
    "MaxBackward0": _extreme_at,
    "MaxBackward1": _extreme,
    "MeanBackward0": _mean,
    "MeanBackward1": _mean,
    "MedianBackward0": _median,
    "MinBackward0": _extreme_at,
    "MinBackward1": _extreme,
    "MvBackward0": _outer,
    "ProdBackward0": _prod,
    "ProdBackward1": _prod,
    "RepeatBackward0": _repeat,
    "StdBackward0": _std,
    "StdMeanBackward0": _and_mean,
    "SumBackward0": _sum,
    "SumBackward1": _sum,
    "VarBackward0": _var,
    "VarMeanBackward0": _and_mean,
    "VmBackward0": _outer,
}
