"""Rules of normalisations: softmax, norms of vectors, batches, layers and groups."""

from __future__ import annotations

from math import prod

import numpy as np

from nnlite.explain.facts import (
    Facts,
    Formula,
    Maker,
    reduced,
    summed,
)
from nnlite.explain.windows import plus, scaled

__all__ = ["NORMS"]

Shape = tuple[int, ...]


def _softmax(f: Facts) -> Formula:
    return _along(f, "{y} ({g} - {sum})", "{g} {y}")


def _log_softmax(f: Facts) -> Formula:
    return _along(f, "{g} - e^({y}) {sum}", "{g}")


def _along(f: Facts, text: str, term: str) -> Formula:
    """A rule with a sum along one axis."""
    if not f.x:
        return Formula(text.format(g="g", y="y", sum=term.format(g="g", y="y")))
    axis = f.meta % len(f.x)
    (name,) = f.letters(1)
    places = [name if a == axis else n for a, n in enumerate(f.indices)]
    inner = summed([name], term.format(g=f.at("g", places), y=f.at("y", places)))
    return f.made(text.format(g=f.at("g", f.indices), y=f.at("y", f.indices), sum=inner))


def _logsumexp(f: Facts) -> Formula:
    kept, _ = reduced(f, f.meta[1], f.meta[2])
    return f.made(f"{f.at('g', kept)} e^({f.at('x', f.indices)} - {f.at('y', kept)})")


def _vector_norm(f: Facts) -> Formula:
    p = float(f.meta[0])
    kept, axes = reduced(f, f.meta[2], f.meta[3])
    g, x, y = f.at("g", kept), f.at("x", f.indices), f.at("y", kept)
    if p == 0:
        return f.made("0")
    if np.isinf(p):
        names = f.letters(len(axes))
        places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
        count = summed(names, f"[|{f.at('x', places)}| = {y}]")
        return f.made(f"{g} sign({x}) [|{x}| = {y}] / ({count})")
    if p == 1:
        return f.made(f"{g} sign({x})")
    if p == 2:
        return f.made(f"{g} {x} / {y}")
    return f.made(f"{g} sign({x}) (|{x}| / {y})^({p - 1:.6g})")


def _normed(f: Facts, rest: list[str], axes: list[int], gamma: str, eps: float) -> Formula:
    """The rule of a normalisation.

    Args:
        rest: the indices that a mean keeps; axes: those that it runs over.
        gamma: the weight at an element; empty without one.
    """
    mean, spread, centred = f.own("μ"), f.own("r"), "x̂"
    count = prod(f.x[a] for a in axes)

    def along(letter: str) -> str:
        names = f.letters(len(axes))
        places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
        text = letter.replace("…", ", ".join(places))
        if gamma:
            text = text.replace("γ", gamma_at(places))
        return f"{summed(names, text)} / {count}"

    def gamma_at(places: list[str]) -> str:
        found = gamma
        for name, place in zip(f.indices, places):
            found = found.replace(f"[{name}]", f"[{place}]").replace(f"[{name},", f"[{place},")
            found = found.replace(f", {name}]", f", {place}]").replace(f", {name},", f", {place},")
        return found

    m, r, x = f.at(mean, rest), f.at(spread, rest), f.at("x", f.indices)
    where = [
        f"{m} = {along('x[…]')}",
        f"{r} = 1/√({along(f'(x[…] - {m})²')} + {eps:.6g})",
        f"{f.at(centred, f.indices)} = ({x} - {m}) {r}",
    ]
    factor = f"{gamma} " if gamma else ""
    weight = "γ " if gamma else ""
    return f.made(
        f"{r} ({factor}{f.at('g', f.indices)} - {along(f'{weight}g[…]')} - "
        f"{f.at(centred, f.indices)} {along(f'{weight}g[…] x̂[…]')})",
        where,
    )


def _standardised(f: Facts, axes: list[int], eps: float, x: Shape) -> list[str]:
    """The equations of x̂, for the gradient of the weight."""
    names = f.letters(len(x))
    rest = [names[a] for a in range(len(x)) if a not in axes]
    mean, spread = f.own("μ"), f.own("r")
    count = prod(x[a] for a in axes)
    inner = f.letters(len(axes))
    places = [inner[axes.index(a)] if a in axes else n for a, n in enumerate(names)]
    m, r = f.at(mean, rest), f.at(spread, rest)
    inside = f.at("x", places)
    return [
        f"{m} = {summed(inner, inside)} / {count}",
        f"{r} = 1/√({summed(inner, f'({inside} - {m})²')} / {count} + {eps:.6g})",
        f"{f.at('x̂', names)} = ({f.at('x', names)} - {m}) {r}",
    ]


def _weight_of_norm(f: Facts, kept: list[int], where: list[str]) -> Formula:
    """∂γ = Σ g x̂ and ∂β = Σ g, over all axes but those of the weight."""
    names = f.letters(len(f.y) - len(kept))
    others = iter(names)
    own = dict(zip(kept, f.indices))
    places = [own[a] if a in own else next(others) for a in range(len(f.y))]
    term = f.at("g", places)
    if f.role == "γ":
        term += f" {f.at('x̂', places)}"
    return f.made(summed(names, term), where if f.role == "γ" else ())


def _batch_norm(f: Facts) -> Formula:
    training, eps = f.meta
    x = f.shape(0)
    axes = [0, *range(2, len(x))]
    names = f.indices if f.role == "x" else f.letters(len(x))
    channel = names[1]
    data = {}
    if training:
        where = [] if f.role == "x" else _standardised(f, axes, eps, x)
    else:
        mean, variance, spread = f.own("μ"), f.own("v"), f.own("r")
        data = {
            mean: ("the running mean", f.saved[2]),
            variance: ("the running variance", f.saved[3]),
        }
        where = [
            f"{spread}[{channel}] = 1/√({variance}[{channel}] + {eps:.6g})",
            f"{f.at('x̂', names)} = ({f.at('x', names)} - {mean}[{channel}]) {spread}[{channel}]",
        ]
    if f.role == "β":
        return _weight_of_norm(f, [1], [])
    if f.role == "γ":
        found = _weight_of_norm(f, [1], where)
        return Formula(found.right, found.places, found.where, data)
    gamma = f"γ[{channel}]" if f.has(1) else ""
    if training:
        return _normed(f, [channel], axes, gamma, eps)
    factor = f"{gamma} " if gamma else ""
    return f.made(f"{factor}{spread}[{channel}] {f.at('g', f.indices)}", where[:1], data)


def _layer_norm(f: Facts) -> Formula:
    dims, eps = f.meta
    x = f.shape(0)
    start = len(x) - dims
    axes = list(range(start, len(x)))
    if f.role == "β":
        return _weight_of_norm(f, axes, [])
    if f.role == "γ":
        return _weight_of_norm(f, axes, _standardised(f, axes, eps, x))
    gamma = f.at("γ", f.indices[start:]) if f.has(1) else ""
    return _normed(f, f.indices[:start], axes, gamma, eps)


def _rms_norm(f: Facts) -> Formula:
    dims, eps = f.meta
    x = f.shape(0)
    start = len(x) - dims
    axes = list(range(start, len(x)))
    names = f.indices if f.role == "x" else f.letters(len(x))
    inner = f.letters(dims)
    spread = f.own("r")
    rest = names[:start]
    count = prod(x[start:])
    r = f.at(spread, rest)
    squares = summed(inner, f"{f.at('x', [*rest, *inner])}²")
    where = [
        f"{r} = 1/√({squares} / {count} + {eps:.6g})",
        f"{f.at('x̂', names)} = {f.at('x', names)} {r}",
    ]
    if f.role == "γ":
        return _weight_of_norm(f, axes, where)
    gamma = f"{f.at('γ', names[start:])} " if f.has(1) else ""
    inside = f"{f.at('γ', inner)} " if f.has(1) else ""
    product = f"{inside}{f.at('g', [*rest, *inner])} {f.at('x̂', [*rest, *inner])}"
    return f.made(
        f"{r} ({gamma}{f.at('g', names)} - {f.at('x̂', names)} {summed(inner, product)} / {count})",
        where,
    )


def _group_norm(f: Facts) -> Formula:
    """Channel c is one of the group ⌊c/2⌋."""
    groups, eps = f.meta
    x = f.shape(0)
    each = x[1] // groups
    count = each * prod(x[2:])
    if f.role == "β":
        return _weight_of_norm(f, [1], [])
    sample, channel, *places = f.indices if f.role == "x" else f.letters(len(x))
    mean, spread = f.own("μ"), f.own("r")
    group = f"⌊{channel}/{each}⌋" if each > 1 else channel

    def along(term: str, number: str) -> str:
        """The mean of a term over the channels of a group and all places."""
        inner, *others = f.letters(1 + len(places))
        own = plus(scaled(number, each), inner) if each > 1 else number
        at = ", ".join([sample, own, *others])
        over = [*([f"{inner}<{each}"] if each > 1 else []), *others]
        text = term.replace("…", at).replace("¤", own)
        return f"{summed(over, text)} / {count}" if over else f"{text} / {count}"

    (name,) = f.letters(1)
    size = f.own("N")
    # So far the groups go: an index runs over an axis of an array.
    data = {size: ("the number of each group", np.arange(groups))}
    m, r = f"{mean}[{sample}, {name}]", f"{spread}[{sample}, {name}]"
    here_m, here_r = f"{mean}[{sample}, {group}]", f"{spread}[{sample}, {group}]"
    number = f"{size}[{name}]"
    at = ", ".join([sample, channel, *places])
    where = [
        f"{m} = {along('x[…]', number)}",
        f"{r} = 1/√({along(f'(x[…] - {m})²', number)} + {eps:.6g})",
        f"x̂[{at}] = (x[{at}] - {here_m}) {here_r}",
    ]
    # The sample runs as far as x has samples: it stands alone in x.
    if f.role == "γ":
        found = _weight_of_norm(f, [1], where)
        return Formula(found.right, found.places, found.where, data)
    gamma = f"γ[{channel}] " if f.has(1) else ""
    inner_gamma = "γ[¤] " if f.has(1) else ""
    g = f.at("g", f.indices)
    return f.made(
        f"{here_r} ({gamma}{g} - {along(f'{inner_gamma}g[…]', group)} - x̂[{at}] "
        f"{along(f'{inner_gamma}g[…] x̂[…]', group)})",
        where,
        data,
    )


NORMS: dict[str, Maker] = {
    "LinalgVectorNormBackward0": _vector_norm,
    "LogSoftmaxBackward0": _log_softmax,
    "LogsumexpBackward0": _logsumexp,
    "NativeBatchNormBackward0": _batch_norm,
    "NativeGroupNormBackward0": _group_norm,
    "NativeLayerNormBackward0": _layer_norm,
    "NormBackward1": _vector_norm,
    "RmsNormBackward0": _rms_norm,
    "SoftmaxBackward0": _softmax,
}
