"""Rules of convolutions, pooling, and whatever else slides a window over an image."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnlite.explain.facts import (
    Facts,
    Formula,
    Maker,
    summed,
)
from nnlite.explain.windows import plus, scaled
from nnlite.ops.pool import _index_of_maxima

__all__ = ["WINDOWS"]

Array = Any
Shape = tuple[int, ...]


def _window(window: str, position: str, windows: Any, axis: int) -> str:
    """The place of x at a position of a window: ``2 p + u - 1``."""
    stride, padding, dilation = (values[axis] for values in windows)
    return plus(scaled(window, stride), scaled(position, dilation), -padding)


def _window_of(place: str, position: str, windows: Any, axis: int) -> str:
    """The window in which a place of x has a position: ``(i + 1 - u)/2``."""
    stride, padding, dilation = (values[axis] for values in windows)
    inside = f"{plus(place, padding)} - {scaled(position, dilation)}"
    return inside if stride == 1 else f"({inside})/{stride}"


def _group(name: str, size: int) -> str:
    """Where the channels of the group of a channel begin: ``2 ⌊c/3⌋``."""
    return f"⌊{name}/{size}⌋"


def _convolution(f: Facts) -> Formula:
    """y[n, o, p] = Σ w[o, c, u] x[n, c, s p + d u - padding] + b[o]"""
    windows, groups = f.meta[:2]
    return _convolved(f, windows, groups, "x", f.role, f.shape(0), f.y)


def _transposed(f: Facts) -> Formula:
    """y[n, o, s p + d u - padding] = Σ w[c, o, u] x[n, c, p] + b[o]"""
    windows, groups = f.meta[:2]
    if f.role == "b":
        return _bias(f)
    w = f.shape(1)
    spatial = range(len(w) - 2)
    if f.role == "w":
        own, other, *kernel = f.indices
        sample, *places = f.letters(1 + len(kernel))
        channel = other
        if groups > 1:
            channel = f"{scaled(_group(own, w[0] // groups), w[1])} + {other}"
        ends = (_window(places[a], kernel[a], windows, a) for a in spatial)
        g = f.at("g", [sample, channel, *ends])
        return f.made(summed([sample, *places], f"{g} {f.at('x', [sample, own, *places])}"))
    sample, own, *places = f.indices
    other, *kernel = f.letters(1 + len(places))
    channel = other
    if groups > 1:
        channel = f"{scaled(_group(own, w[0] // groups), w[1])} + {other}"
    ends = (_window(places[a], kernel[a], windows, a) for a in spatial)
    g = f.at("g", [sample, channel, *ends])
    return f.made(summed([other, *kernel], f"{g} {f.at('w', [own, other, *kernel])}"))


def _bias(f: Facts) -> Formula:
    (channel,) = f.indices
    sample, *places = f.letters(len(f.y) - 1)
    return f.made(summed([sample, *places], f.at("g", [sample, channel, *places])))


def _convolved(
    f: Facts, windows: Any, groups: int, x: str, role: str, full: Shape, y: Shape
) -> Formula:
    if role == "b":
        return _bias(f)
    w = f.shape(1)
    spatial = range(len(w) - 2)
    if role == "w":
        out, own, *kernel = f.indices
        sample, *places = f.letters(1 + len(kernel))
        channel = own
        if groups > 1:
            channel = f"{scaled(_group(out, w[0] // groups), w[1])} + {own}"
        ends = (_window(places[a], kernel[a], windows, a) for a in spatial)
        g = f.at("g", [sample, out, *places])
        return f.made(summed([sample, *places], f"{g} {f.at(x, [sample, channel, *ends])}"))
    sample, own, *places = f.indices
    out, *kernel = f.letters(1 + len(places))
    ends = (_window_of(places[a], kernel[a], windows, a) for a in spatial)
    if groups == 1:
        g = f.at("g", [sample, out, *ends])
        return f.made(summed([out, *kernel], f"{g} {f.at('w', [out, own, *kernel])}"))
    each = w[0] // groups
    channel = f"{scaled(_group(own, w[1]), each)} + {out}"
    g = f.at("g", [sample, channel, *ends])
    inner = f.at("w", [channel, "0" if w[1] == 1 else f"{own} mod {w[1]}", *kernel])
    return f.made(summed([f"{out}<{each}", *kernel], f"{g} {inner}"))


def _avg_pool(f: Facts) -> Formula:
    windows, _, kernel, _, divisor = f.meta
    *others, row, column = f.indices
    u, v = f.letters(2)
    ends = (_window_of(row, u, windows, 0), _window_of(column, v, windows, 1))
    over = [f"{u}<{kernel[0]}", f"{v}<{kernel[1]}"]
    term = f.at("g", [*others, *ends])
    counts = np.asarray(divisor, dtype=np.float64)
    if (counts == counts.flat[0]).all():
        return f.made(f"{summed(over, term)} / {float(counts.flat[0]):.6g}")
    letter = f.own("q")
    data = {letter: ("one over the number of elements of each window", 1 / counts)}
    return f.made(summed(over, f"{term} {f.at(letter, ends)}"), data=data)


def _max_pool(f: Facts) -> Formula:
    *others, row, column = f.indices
    letter = f.own("k")
    names = f.letters(2)
    index = _index_of_maxima(f.saved, f.meta)
    places = [*others, *names]
    width = f.x[-1]
    number = column if f.x[-2] == 1 else f"{scaled(row, width)} + {column}"
    term = f"{f.at('g', places)} [{f.at(letter, places)} = {number}]"
    about = "where the maximum is in its plane, counted row by row from 0"
    return f.made(summed(names, term), data={letter: (about, index.reshape(f.y))})


def _two_sided(f: Facts, matrices: list[Array], about: str) -> Formula:
    """y = A x Bᵀ: every row of A and of B has the weights of one element of y."""
    count = len(matrices)
    others, own = f.indices[:-count], f.indices[-count:]
    names = f.letters(count)
    letters = [f.own(letter) for letter in "ABD"[:count]]
    data = {letter: (about, matrix) for letter, matrix in zip(letters, matrices)}
    factors = (f.at(m, [name, place]) for m, name, place in zip(letters, names, own))
    term = " ".join([f.at("g", [*others, *names]), *factors])
    return f.made(summed(names, term), data=data)


def _adaptive(f: Facts) -> Formula:
    return _two_sided(f, list(f.saved), "the share of each element in each mean")


def _upsample(f: Facts) -> Formula:
    return _two_sided(f, list(f.meta[0]), "the weights of the old elements in each new one")


def _im2col(f: Facts) -> Formula:
    """Column 3 p + q has the window (p, q), row 4 c + 2 u + v its position (u, v)."""
    windows, _, _, kernel, places = f.meta
    *sample, channel, row, column = f.indices
    u, v, p, q = f.letters(4)
    line = plus(scaled(channel, prod(kernel)), scaled(u, kernel[1]), v)
    g = f.at("g", [*sample, line, plus(scaled(p, places[1]), q)])
    over = [f"{n}<{m}" for n, m in zip((u, v, p, q), (*kernel, *places))]
    first, second = _window(p, u, windows, 0), _window(q, v, windows, 1)
    return f.made(summed(over, f"{g} [{row} = {first}] [{column} = {second}]"))


def _col2im(f: Facts) -> Formula:
    windows, _, _, kernel, places = f.meta
    *sample, line, column = f.indices
    size = prod(kernel)
    inner = f"({line} mod {size})"
    u = f"⌊{inner}/{kernel[1]}⌋"
    v = f"({line} mod {kernel[1]})"
    p, q = f"⌊{column}/{places[1]}⌋", f"({column} mod {places[1]})"
    ends = (_window(p, u, windows, 0), _window(q, v, windows, 1))
    return f.made(f.at("g", [*sample, f"⌊{line}/{size}⌋", *ends]))


def _shuffle(f: Facts) -> Formula:
    """y[c, r i + a, r j + b] = x[r² c + r a + b, i, j]"""
    r = f.meta
    *others, channel, row, column = f.indices
    inner = f"({channel} mod {r * r})"
    ends = (f"{scaled(row, r)} + ⌊{inner}/{r}⌋", f"{scaled(column, r)} + ({channel} mod {r})")
    return f.made(f.at("g", [*others, f"⌊{channel}/{r * r}⌋", *ends]))


def _unshuffle(f: Facts) -> Formula:
    r = f.meta
    *others, channel, row, column = f.indices
    number = f"{scaled(channel, r * r)} + {scaled(f'({row} mod {r})', r)} + {column} mod {r}"
    return f.made(f.at("g", [*others, number, f"⌊{row}/{r}⌋", f"⌊{column}/{r}⌋"]))


WINDOWS: dict[str, Maker] = {
    "AdaptiveAvgPool2DBackward0": _adaptive,
    "AdaptiveMaxPool2DBackward0": _max_pool,
    "AvgPool2DBackward0": _avg_pool,
    "Col2ImBackward0": _col2im,
    "ConvolutionBackward0": _convolution,
    "Im2ColBackward0": _im2col,
    "MaxPool2DWithIndicesBackward0": _max_pool,
    "PixelShuffleBackward0": _shuffle,
    "PixelUnshuffleBackward0": _unshuffle,
    "TransposedConvolutionBackward0": _transposed,
    "UpsampleBackward0": _upsample,
}
