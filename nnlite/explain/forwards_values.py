"""Forward formulas of sums, extremes, norms, normalisations, losses, and functions of a number."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnlite.explain.facts import Formula, inverse, lasts, summed
from nnlite.explain.forwards_facts import Maker, Result
from nnlite.explain.windows import plus, scaled

__all__ = ["VALUES"]

_NAN_PASSED_OVER = "a if b ≠ b, b if a ≠ a, else "


def _text(text: str) -> Maker:
    return lambda f: Formula(text)


def _reduced(f: Result, axis: Any, keepdims: bool) -> tuple[list[str], list[str], list[int]]:
    """The indices of x, those of them that a reduction runs over, and its axes."""
    count = len(f.x)
    given = range(count) if axis is None else [axis] if isinstance(axis, int) else axis
    axes = sorted(a % count for a in given) if count else []
    names = f.letters(len(axes))
    own = iter([n for a, n in enumerate(f.places) if not keepdims or a not in axes])
    inner = iter(names)
    return [next(inner) if a in axes else next(own) for a in range(count)], names, axes


def _series(mark: str, names: list[str], term: str) -> str:
    return f"{mark}_{{{', '.join(names)}}} {term}" if names else term


def _folded(mark: str) -> Maker:
    """Σ, Π, max or min of x over some axes."""

    def make(f: Result) -> Formula:
        places, names, _ = _reduced(f, f.meta[1], f.meta[2])
        return f.gives(_series(mark, names, f.at("x", places)))

    return make


def _mean(f: Result) -> Formula:
    places, names, _ = _reduced(f, f.meta[1], f.meta[2])
    return f.gives(f"{summed(names, f.at('x', places))} / {f.meta[3]}")


def _running(mark: str) -> Maker:
    def make(f: Result) -> Formula:
        if not f.x:
            return Formula("x")
        axis = f.meta % len(f.x)
        (name,) = f.letters(1)
        places = [name if a == axis else n for a, n in enumerate(f.places)]
        return f.gives(f"{mark}_{{{name}≤{f.places[axis]}}} {f.at('x', places)}")

    return make


def _spread(f: Result) -> Formula:
    """Variance, standard deviation, and what comes with their mean."""
    kind = type(f.step.derivative).__name__
    _, axis, keepdims, divisor = f.meta
    places, names, axes = _reduced(f, axis, keepdims)
    rest = [n for a, n in enumerate(places) if a not in axes]
    mean = f.at("x̄", rest)
    average = f"{summed(names, f.at('x', places))} / {prod(f.x[a] for a in axes)}"
    if f.which == 1:
        return f.gives(average)
    inner = f"({f.at('x', places)} - {mean})²"
    variance = f"{summed(names, inner)} / {divisor}"
    right = variance if kind.startswith("Var") else f"√({variance})"
    return f.gives(right, [f"{mean} = {average}"])


def _median(f: Result) -> Formula:
    letter = f.own("m")
    names = f.letters(len(f.x))
    m = f.at(letter, names)
    mask = f.saved[0].astype(np.int64)
    right = f"({summed(names, f.at('x', names) + ' ' + m)}) / ({summed(names, m)})"
    return f.gives(right, data={letter: ("1 where x is the median", mask)})


def _einsum(f: Result) -> Formula:
    inputs, output = f.meta
    shapes = [f.shape(i) for i in range(len(inputs))]
    size: dict[str, int] = {}
    for names, shape in zip(inputs, shapes):
        for name, n in zip(names, shape):
            size[name] = max(size.get(name, 1), n)
    letters = dict(zip(output, f.places))
    over = [name for name in size if name not in letters]
    letters.update(zip(over, f.letters(len(over))))
    terms = (
        f.at(role, (letters[m] if n == size[m] else "0" for m, n in zip(names, shape)))
        for role, names, shape in zip(f.roles, inputs, shapes)
    )
    return f.gives(summed([letters[name] for name in over], " ".join(terms)))


def _dot(f: Result) -> Formula:
    (name,) = f.letters(1)
    return f.gives(f"Σ_{{{name}}} a[{name}] b[{name}]")


def _vector_matrix(f: Result) -> Formula:
    (name,) = f.letters(1)
    return f.gives(f"Σ_{{{name}}} x[{name}] B[{name}, {f.places[0]}]")


def _along(f: Result, number: str, text: str) -> Formula:
    if not f.x:
        return Formula(number)
    axis = f.meta % len(f.x)
    (name,) = f.letters(1)
    other = f.at("x", [name if a == axis else n for a, n in enumerate(f.places)])
    return f.gives(text.format(x=f.at("x", f.places), sum=f"Σ_{{{name}}} e^({other})"))


def _softmax(f: Result) -> Formula:
    return _along(f, "x / x if x ≠ 0 else 1", "e^({x}) / ({sum})")


def _log_softmax(f: Result) -> Formula:
    return _along(f, "x - x", "{x} - ln({sum})")


def _logsumexp(f: Result) -> Formula:
    places, names, _ = _reduced(f, f.meta[1], f.meta[2])
    return f.gives(f"ln({summed(names, 'e^(' + f.at('x', places) + ')')})")


def _vector_norm(f: Result) -> Formula:
    p = float(f.meta[0])
    places, names, _ = _reduced(f, f.meta[2], f.meta[3])
    x = f.at("x", places)
    if p == 0:
        return f.gives(summed(names, f"[{x} ≠ 0]"))
    if np.isinf(p):
        return f.gives(_series("max" if p > 0 else "min", names, f"|{x}|"))
    if p == 1:
        return f.gives(summed(names, f"|{x}|"))
    if p == 2:
        return f.gives(f"√({summed(names, f'{x}²')})")
    return f.gives(f"({summed(names, f'|{x}|^{p:.6g}')})^(1/{p:.6g})")


def _affine(f: Result, text: str, axes: list[int]) -> str:
    """With the weight and the bias, where there are any."""
    places = [f.places[a] for a in axes]
    if f.has(1):
        text = f"{f.at('γ', places)} {text}"
    return f"{text} + {f.at('β', places)}" if f.has(2) else text


def _normal(f: Result, axes: list[int], eps: float, weight: list[int]) -> Formula:
    """y = γ (x - μ) r + β, the mean and the spread being those over some axes."""
    names = f.letters(len(axes))
    inner = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.places)]
    rest = [n for a, n in enumerate(f.places) if a not in axes]
    m, r = f.at(f.own("μ"), rest), f.at(f.own("r"), rest)
    count = prod(f.x[a] for a in axes)
    x = f.at("x", inner)
    where = [
        f"{m} = {summed(names, x)} / {count}",
        f"{r} = 1/√({summed(names, f'({x} - {m})²')} / {count} + {eps:.6g})",
    ]
    return f.gives(_affine(f, f"({f.at('x', f.places)} - {m}) {r}", weight), where)


def _batch_norm(f: Result) -> Formula:
    training, eps = f.meta
    if training:
        return _normal(f, [0, *range(2, len(f.x))], eps, [1])
    mean, variance, channel = f.own("μ"), f.own("v"), f.places[1]
    data = {
        mean: ("the running mean", f.saved[2]),
        variance: ("the running variance", f.saved[3]),
    }
    text = f"({f.at('x', f.places)} - {mean}[{channel}]) / √({variance}[{channel}] + {eps:.6g})"
    return f.gives(_affine(f, text, [1]), data=data)


def _layer_norm(f: Result) -> Formula:
    dims, eps = f.meta
    axes = list(range(len(f.x) - dims, len(f.x)))
    return _normal(f, axes, eps, axes)


def _rms_norm(f: Result) -> Formula:
    dims, eps = f.meta
    axes = list(range(len(f.x) - dims, len(f.x)))
    names = f.letters(dims)
    rest = f.places[: len(f.x) - dims]
    r = f.at(f.own("r"), rest)
    squares = summed(names, f"{f.at('x', [*rest, *names])}²")
    where = [f"{r} = 1/√({squares} / {prod(f.x[a] for a in axes)} + {eps:.6g})"]
    return f.gives(_affine(f, f"{f.at('x', f.places)} {r}", axes), where)


def _group_norm(f: Result) -> Formula:
    """Channel c is one of the group ⌊c/2⌋."""
    groups, eps = f.meta
    each = f.x[1] // groups
    count = each * prod(f.x[2:])
    sample, channel, *places = f.places
    (name,) = f.letters(1)
    inner, *others = f.letters(1 + len(places))
    mean, spread = f.own("μ"), f.own("r")
    own = plus(scaled(name, each), inner) if each > 1 else name
    over = [*([f"{inner}<{each}"] if each > 1 else []), *others]
    x = f.at("x", [sample, own, *others])
    m, r = f"{mean}[{sample}, {name}]", f"{spread}[{sample}, {name}]"
    group = f"⌊{channel}/{each}⌋" if each > 1 else channel
    where = [
        f"{mean}[{sample}, {name}<{groups}] = {summed(over, x)} / {count}",
        f"{spread}[{sample}, {name}<{groups}] = "
        f"1/√({summed(over, f'({x} - {m})²')} / {count} + {eps:.6g})",
    ]
    here = [t.replace(f", {name}]", f", {group}]") for t in (m, r)]
    return f.gives(_affine(f, f"({f.at('x', f.places)} - {here[0]}) {here[1]}", [1]), where)


def _nll(f: Result) -> Formula:
    """The weights of the classes are constants."""
    (pull,) = f.saved
    axis = 1 if pull.ndim > 1 else 0
    used = np.abs(pull)
    per_row = bool(f.meta[0])
    rows = list(f.places) if per_row else f.letters(pull.ndim - 1)
    over = [] if per_row else rows
    if ((used != 0).sum(axis=axis) > 1).any() or (pull > 0).any():
        letter = f.own("p")
        (channel,) = f.letters(1)
        places = [*rows[:axis], channel, *rows[axis:]]
        data = {letter: ("the share of each class in the target, with its weight", -pull)}
        term = f"{f.at('x', places)} {f.at(letter, places)}"
        return f.gives(f"-{summed([*over, channel], term)}", data=data)
    letter, share = f.own("t"), f.own("w")
    target = np.where(used.any(axis=axis), used.argmax(axis=axis), -1)
    weights = used.sum(axis=axis)
    ignored = " (-1: it does not count)" if (target < 0).any() else ""
    data = {letter: (f"the class of each row{ignored}", target)}
    x = f.at("x", [*rows[:axis], f.at(letter, rows), *rows[axis:]])
    sizes = weights[weights != 0]
    if sizes.size and (sizes == sizes.flat[0]).all():
        count = inverse(sizes.flat[0])
        end = "" if count == "1" else f" / {count}"
        return f.gives(f"-{summed(over, x)}{end}", data=data)
    data[share] = ("the weight of its class, over the sum of all", weights)
    return f.gives(f"-{summed(over, f'{f.at(share, rows)} {x}')}", data=data)


def _nan_to_num(f: Result) -> Formula:
    """Without numbers given these are 0 and the largest of the dtype."""
    largest = np.finfo(f.step.output.dtype).max
    values = (f.option("nan") or 0.0, f.option("posinf"), f.option("neginf"))
    numbers = (values[0], largest if values[1] is None else values[1],
               -largest if values[2] is None else values[2])  # fmt: skip
    letters = [f.own(letter) for letter in "nkl"]
    about = ("what NaN becomes", "what ∞ becomes", "what -∞ becomes")
    data = {c: (what, np.float64(v)) for c, what, v in zip(letters, about, numbers)}
    n, high, low = letters
    return Formula(f"{n} if x ≠ x, {high} if x = ∞, {low} if x = -∞, else x", data=data)


def _rounded_quotient(f: Result) -> Formula:
    ratio = f"a / {'b' if f.has(1) else f.operand('other')}"
    return Formula(f"⌊{ratio}⌋" if f.option("rounding_mode") == "floor" else f"trunc({ratio})")


def _rounded(f: Result) -> Formula:
    power = f.number(10.0 ** (f.option("decimals") or 0))
    return Formula("round(x)" if power == "1" else f"round({power} x) / {power}")


def _glu(f: Result) -> Formula:
    axis = f.meta % len(f.x)
    gate = f.at("x", (plus(n, f.y[axis]) if a == axis else n for a, n in enumerate(f.places)))
    role = f.roles[0]
    text = f"{f.at('x', f.places)} σ({gate})"
    return f.gives(text.replace("x[", f"{role}["))


def _batched(f: Result) -> Formula:
    """Products of the matrices of two batches."""
    (name,) = f.letters(1)
    first, second = f.roles[-2:]
    *batch, row, column = f.places
    a, b = f.shape(len(f.roles) - 2), f.shape(len(f.roles) - 1)
    left = f.at(first, [*lasts(batch, a[:-2], f.y[:-2]), row, name])
    right = f.at(second, [*lasts(batch, b[:-2], f.y[:-2]), name, column])
    text = f"Σ_{{{name}}} {left} {right}"
    if len(f.roles) < 3:
        return f.gives(text)
    _, beta, alpha = f.meta
    text = text if alpha == 1 else f"{f.number(alpha)} {text}"
    added = f.at(f.roles[0], lasts(f.places, f.shape(0), f.y))
    return f.gives(f"{'' if beta == 1 else f.number(beta) + ' '}{added} + {text}")


VALUES: dict[str, Maker] = {
    "AmaxBackward0": _folded("max"),
    "AminBackward0": _folded("min"),
    "Atan2Backward0": _text("arctan(a / b) + π (1 - 2 [a < 0]) [b < 0]"),
    "BaddbmmBackward0": _batched,
    "BatchedMatmulBackward0": _batched,
    "BmmBackward0": _batched,
    "CumprodBackward0": _running("Π"),
    "CumsumBackward0": _running("Σ"),
    "DivBackward2": _rounded_quotient,
    "DotBackward0": _dot,
    "EinsumBackward": _einsum,
    "ErfBackward0": _text("2 Φ(√2 x) - 1"),
    "FmaxBackward0": _text(f"{_NAN_PASSED_OVER}max(a, b)"),
    "FminBackward0": _text(f"{_NAN_PASSED_OVER}min(a, b)"),
    "GluBackward0": _glu,
    "LinalgVectorNormBackward0": _vector_norm,
    "LogSoftmaxBackward0": _log_softmax,
    "LogsumexpBackward0": _logsumexp,
    "MaxBackward0": _folded("max"),
    "MaxBackward1": _folded("max"),
    "MeanBackward0": _mean,
    "MeanBackward1": _mean,
    "MedianBackward0": _median,
    "MinBackward0": _folded("min"),
    "MinBackward1": _folded("min"),
    "NanToNumBackward0": _nan_to_num,
    "NativeBatchNormBackward0": _batch_norm,
    "NativeGroupNormBackward0": _group_norm,
    "NativeLayerNormBackward0": _layer_norm,
    "NllLossBackward0": _nll,
    "NormBackward1": _vector_norm,
    "ProdBackward0": _folded("Π"),
    "ProdBackward1": _folded("Π"),
    "RmsNormBackward0": _rms_norm,
    "RoundBackward0": _text("round(x)"),
    "RoundBackward1": _rounded,
    "SoftmaxBackward0": _softmax,
    "StdBackward0": _spread,
    "StdMeanBackward0": _spread,
    "SumBackward0": _folded("Σ"),
    "SumBackward1": _folded("Σ"),
    "TruncBackward0": _text("trunc(x)"),
    "VarBackward0": _spread,
    "VarMeanBackward0": _spread,
    "VmBackward0": _vector_matrix,
    "XlogyBackward0": _text("0 if x = 0 else x ln y"),
    "ZeroBackward0": _text("0"),
}
