"""Forward formulas of convolutions, pooling, attention and recurrent layers."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnlite.explain.facts import Formula, lasts, summed
from nnlite.explain.forwards_facts import Maker, Result
from nnlite.explain.rules_conv import _window, _window_of
from nnlite.explain.rules_recurrent import layer_lines
from nnlite.explain.windows import plus, scaled
from nnlite.ops.pool import _index_of_maxima

__all__ = ["LAYERS"]


def _bias(f: Result) -> str:
    return f" + b[{f.places[1]}]" if f.has(2) else ""


def _convolution(f: Result) -> Formula:
    windows, groups = f.meta[:2]
    w = f.shape(1)
    sample, out, *places = f.places
    own, *kernel = f.letters(1 + len(places))
    ends = [_window(places[a], kernel[a], windows, a) for a in range(len(places))]
    channel = own
    if groups > 1:
        channel = plus(scaled(f"⌊{out}/{w[0] // groups}⌋", w[1]), own)
    term = f"{f.at('w', [out, own, *kernel])} {f.at('x', [sample, channel, *ends])}"
    return f.gives(f"{summed([own, *kernel], term)}{_bias(f)}")


def _transposed(f: Result) -> Formula:
    windows, groups = f.meta[:2]
    w = f.shape(1)
    sample, out, *places = f.places
    own, *kernel = f.letters(1 + len(places))
    ends = [_window_of(places[a], kernel[a], windows, a) for a in range(len(places))]
    if groups == 1:
        term = f"{f.at('w', [own, out, *kernel])} {f.at('x', [sample, own, *ends])}"
        return f.gives(f"{summed([own, *kernel], term)}{_bias(f)}")
    each = w[0] // groups
    channel = plus(scaled(f"⌊{out}/{w[1]}⌋", each), own)
    inner = "0" if w[1] == 1 else f"{out} mod {w[1]}"
    term = f"{f.at('w', [channel, inner, *kernel])} {f.at('x', [sample, channel, *ends])}"
    return f.gives(f"{summed([f'{own}<{each}', *kernel], term)}{_bias(f)}")


def _avg_pool(f: Result) -> Formula:
    windows, _, kernel, _, divisor = f.meta
    *others, row, column = f.places
    u, v = f.letters(2)
    x = f.at("x", [*others, _window(row, u, windows, 0), _window(column, v, windows, 1)])
    text = summed([f"{u}<{kernel[0]}", f"{v}<{kernel[1]}"], x)
    counts = np.asarray(divisor, dtype=np.float64)
    if (counts == counts.flat[0]).all():
        return f.gives(f"{text} / {float(counts.flat[0]):.6g}")
    letter = f.own("q")
    data = {letter: ("the number of elements of each window", counts)}
    return f.gives(f"({text}) / {f.at(letter, [row, column])}", data=data)


def _max_pool(f: Result) -> Formula:
    letter = f.own("k")
    place = f.at(letter, f.places)
    width = f.x[-1]
    index = _index_of_maxima(f.saved, f.meta).reshape(f.y)
    about = "where the maximum is in its plane, counted row by row from 0"
    x = f.at("x", [*f.places[:-2], f"⌊{place}/{width}⌋", f"{place} mod {width}"])
    return f.gives(x, data={letter: (about, index)})


def _two_sided(f: Result, matrices: list[Any], about: str) -> Formula:
    """y = A x Bᵀ: every row of A and of B has the weights of one element of y."""
    count = len(matrices)
    names = f.letters(count)
    letters = [f.own(letter) for letter in "ABD"[:count]]
    factors = (f.at(m, [place, name]) for m, name, place in zip(letters, names, f.places[-count:]))
    term = " ".join([*factors, f.at("x", [*f.places[:-count], *names])])
    return f.gives(summed(names, term), data={c: (about, m) for c, m in zip(letters, matrices)})


def _adaptive(f: Result) -> Formula:
    return _two_sided(f, list(f.saved), "the share of each element in each mean")


def _upsample(f: Result) -> Formula:
    return _two_sided(f, list(f.meta[0]), "the weights of the old elements in each new one")


def _im2col(f: Result) -> Formula:
    windows, _, _, kernel, places = f.meta
    *sample, line, column = f.places
    size = prod(kernel)
    u, v = f"⌊({line} mod {size})/{kernel[1]}⌋", f"({line} mod {kernel[1]})"
    p, q = f"⌊{column}/{places[1]}⌋", f"({column} mod {places[1]})"
    ends = (_window(p, u, windows, 0), _window(q, v, windows, 1))
    return f.gives(f.at("x", [*sample, f"⌊{line}/{size}⌋", *ends]))


def _col2im(f: Result) -> Formula:
    windows, _, _, kernel, places = f.meta
    *sample, channel, row, column = f.places
    u, v, p, q = f.letters(4)
    line = plus(scaled(channel, prod(kernel)), scaled(u, kernel[1]), v)
    x = f.at("x", [*sample, line, plus(scaled(p, places[1]), q)])
    over = [f"{n}<{m}" for n, m in zip((u, v, p, q), (*kernel, *places))]
    first, second = _window(p, u, windows, 0), _window(q, v, windows, 1)
    return f.gives(summed(over, f"{x} [{row} = {first}] [{column} = {second}]"))


def _shuffle(f: Result) -> Formula:
    r = f.meta
    *others, channel, row, column = f.places
    number = f"{scaled(channel, r * r)} + {scaled(f'({row} mod {r})', r)} + {column} mod {r}"
    return f.gives(f.at("x", [*others, number, f"⌊{row}/{r}⌋", f"⌊{column}/{r}⌋"]))


def _unshuffle(f: Result) -> Formula:
    r = f.meta
    *others, channel, row, column = f.places
    inner = f"({channel} mod {r * r})"
    ends = (f"{scaled(row, r)} + ⌊{inner}/{r}⌋", f"{scaled(column, r)} + ({channel} mod {r})")
    return f.gives(f.at("x", [*others, f"⌊{channel}/{r * r}⌋", *ends]))


def _attention(f: Result) -> Formula:
    """Y = P V, P = softmax(S), S = s Q Kᵀ + M; dropout acts on P."""
    q, k, v = f.shape(0), f.shape(1), f.shape(2)
    *names, i, e = f.places
    batch = f.y[:-2]
    j, other, d = f.letters(3)
    full = (*batch, q[-2], k[-2])

    def at(letter: str, shape: tuple[int, ...], row: str, column: str) -> str:
        return f.at(letter, lasts([*names, row, column], shape, (*batch, *shape[-2:])))

    scores, weights = f.own("S"), f.own("P")
    line = f"s Σ_{{{d}}} {at('Q', q, i, d)} {at('K', k, j, d)}"
    if f.has(3):
        line += f" + {f.at('M', lasts([*names, i, j], f.shape(3), full))}"
    data: dict[str, Any] = {}
    alive, keep = f.saved[4:6]
    hidden = kept = ""
    if alive is not None:  # a row that sees nothing gets zeros
        letter = f.own("m")
        data[letter] = ("1 where the mask hides all", 1 - alive.astype(np.int64))
        hidden = f" + {f.at(letter, lasts([*names, i, j], np.shape(alive), full))}"
    if keep is not None:
        letter = f.own("q")
        data[letter] = ("what dropout multiplies by", keep)
        kept = f"{f.at(letter, lasts([*names, i, j], np.shape(keep), full))} "
    s, p = (f.at(letter, [*names, i, j]) for letter in (scores, weights))
    total = f"Σ_{{{other}}} e^({f.at(scores, [*names, i, other])}){hidden}"
    where = [f"{s} = {line}", f"{p} = e^({s}) / ({total})"]
    return f.gives(summed([j], f"{kept}{p} {at('V', v, j, e)}"), where, data)


def _recurrent(f: Result) -> Formula:
    """The state of every step, worked out step by step."""
    f.letters(3)
    where, states = layer_lines(f)
    return f.gives(f.at(states[f.which], f.places), where)


LAYERS: dict[str, Maker] = {
    "AdaptiveAvgPool2DBackward0": _adaptive,
    "AdaptiveMaxPool2DBackward0": _max_pool,
    "AvgPool2DBackward0": _avg_pool,
    "Col2ImBackward0": _col2im,
    "ConvolutionBackward0": _convolution,
    "GruBackward0": _recurrent,
    "Im2ColBackward0": _im2col,
    "LstmBackward0": _recurrent,
    "MaxPool2DWithIndicesBackward0": _max_pool,
    "PixelShuffleBackward0": _shuffle,
    "PixelUnshuffleBackward0": _unshuffle,
    "RnnBackward0": _recurrent,
    "ScaledDotProductAttentionBackward0": _attention,
    "TransposedConvolutionBackward0": _transposed,
    "UpsampleBackward0": _upsample,
}
