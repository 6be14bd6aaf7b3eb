"""Rules in index notation for layers and losses: convolutions, pooling, norms, attention."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnlite.explain.rules import Facts, Formula, Maker, lasts, reduced, summed

__all__ = ["LAYERS"]

Array = Any
Shape = tuple[int, ...]


def _scaled(name: str, factor: int) -> str:
    return name if factor == 1 else f"{factor} {name}"


def _plus(*parts: str | int) -> str:
    """A sum: ``2 p + u - 1``."""
    text = ""
    for part in parts:
        if isinstance(part, int) and part < 0:
            text += f" - {-part}" if text else str(part)
        elif part:
            text += f" + {part}" if text else str(part)
    return text or "0"


def _window(window: str, position: str, windows: Any, axis: int) -> str:
    """The place of x at a position of a window: ``2 p + u - 1``."""
    stride, padding, dilation = (values[axis] for values in windows)
    return _plus(_scaled(window, stride), _scaled(position, dilation), -padding)


def _window_of(place: str, position: str, windows: Any, axis: int) -> str:
    """The window in which a place of x has a position: ``(i + 1 - u)/2``."""
    stride, padding, dilation = (values[axis] for values in windows)
    inside = f"{_plus(place, padding)} - {_scaled(position, dilation)}"
    return inside if stride == 1 else f"({inside})/{stride}"


# ---- convolutions -------------------------------------------------------------------------------


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
            channel = f"{_scaled(_group(own, w[0] // groups), w[1])} + {other}"
        ends = (_window(places[a], kernel[a], windows, a) for a in spatial)
        g = f.at("g", [sample, channel, *ends])
        return f.made(summed([sample, *places], f"{g} {f.at('x', [sample, own, *places])}"))
    sample, own, *places = f.indices
    other, *kernel = f.letters(1 + len(places))
    channel = other
    if groups > 1:
        channel = f"{_scaled(_group(own, w[0] // groups), w[1])} + {other}"
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
            channel = f"{_scaled(_group(out, w[0] // groups), w[1])} + {own}"
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
    channel = f"{_scaled(_group(own, w[1]), each)} + {out}"
    g = f.at("g", [sample, channel, *ends])
    inner = f.at("w", [channel, "0" if w[1] == 1 else f"{own} mod {w[1]}", *kernel])
    return f.made(summed([f"{out}<{each}", *kernel], f"{g} {inner}"))


# ---- windows ------------------------------------------------------------------------------------


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
    index = f.saved[0]
    places = [*others, *names]
    width = f.x[-1]
    number = column if f.x[-2] == 1 else f"{_scaled(row, width)} + {column}"
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
    line = _plus(_scaled(channel, prod(kernel)), _scaled(u, kernel[1]), v)
    g = f.at("g", [*sample, line, _plus(_scaled(p, places[1]), q)])
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
    ends = (f"{_scaled(row, r)} + ⌊{inner}/{r}⌋", f"{_scaled(column, r)} + ({channel} mod {r})")
    return f.made(f.at("g", [*others, f"⌊{channel}/{r * r}⌋", *ends]))


def _unshuffle(f: Facts) -> Formula:
    r = f.meta
    *others, channel, row, column = f.indices
    number = f"{_scaled(channel, r * r)} + {_scaled(f'({row} mod {r})', r)} + {column} mod {r}"
    return f.made(f.at("g", [*others, number, f"⌊{row}/{r}⌋", f"⌊{column}/{r}⌋"]))


# ---- norms --------------------------------------------------------------------------------------


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
        own = _plus(_scaled(number, each), inner) if each > 1 else number
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


# ---- attention ----------------------------------------------------------------------------------


def _attention(f: Facts) -> Formula:
    """Y = P V, P = softmax(S), S = s Q Kᵀ + M; D is ∂L/∂S and E is ∂L/∂P."""
    q, k, v = f.shape(0), f.shape(1), f.shape(2)
    batch = list(f.y[:-2])
    names = f.letters(len(batch))
    i, j, other, d, e = f.letters(5)
    full = (*batch, q[-2], k[-2])

    def at(letter: str, shape: Shape, row: str, column: str) -> str:
        sizes = (*batch, *shape[-2:])
        return f.at(letter, lasts([*names, row, column], shape, sizes))

    def whole(letter: str, row: str, column: str) -> str:
        return f.at(letter, [*names, row, column])

    scores, weights, of_scores, of_weights = (f.own(letter) for letter in "SPDE")
    data: dict[str, Any] = {}
    line = f"s Σ_{{{d}}} {at('Q', q, i, d)} {at('K', k, j, d)}"
    if f.has(3):
        mask = f.shape(3)
        line += f" + {f.at('M', lasts([*names, i, j], mask, full))}"
    alive, keep = f.saved[4:6]

    def extra(letter: str, about: str, array: Array, column: str) -> str:
        letter = f.own(letter)
        data[letter] = (about, array)
        return f.at(letter, lasts([*names, i, column], np.shape(array), full)) + " "

    kept = ""
    hidden = ""
    if alive is not None:  # a row that sees nothing gets zeros
        hidden = " + " + extra("m", "1 where the mask hides all", 1 - alive.astype(np.int64), j)
    if keep is not None:
        kept = extra("q", "what dropout multiplies by", keep, j)
    total = f"Σ_{{{other}}} e^({whole(scores, i, other)}){hidden}"
    p, pd = whole(weights, i, j), whole(of_weights, i, j)
    inner = f"{whole(of_weights, i, other)} {whole(weights, i, other)}"
    g, values = whole("g", i, e), at("V", v, j, e)
    where = [
        f"{whole(scores, i, j)} = {line}",
        f"{p} = e^({whole(scores, i, j)}) / ({total.strip()})",
    ]
    if f.role != "V":
        where += [
            f"{pd} = {kept}Σ_{{{e}}} {g} {values}",
            f"{whole(of_scores, i, j)} = {p} ({pd} - Σ_{{{other}}} {inner})",
        ]
    roles = {"Q": (q, i, d), "K": (k, j, d), "V": (v, j, e), "M": (f.shape(3), i, j)}
    shape, row, column = roles[f.role]
    ds = whole(of_scores, i, j)
    terms = {
        "Q": ([j], f"{ds} {at('K', k, j, d)}"),
        "K": ([i], f"{ds} {at('Q', q, i, d)}"),
        "V": ([i], f"{kept}{p} {g}"),
        "M": ([], ds),
    }
    over, term = terms[f.role]
    # The indices of the input stand on the left; what was broadcast is summed over.
    sizes = (*batch, *shape[-2:]) if f.role != "M" else full
    all_names = [*names, row, column]
    start = len(sizes) - len(shape)
    over = [*all_names[:start], *over]
    for axis, n in enumerate(shape):
        if n == 1 and sizes[start + axis] != 1:
            over.append(all_names[start + axis])
        else:
            f.indices[axis] = all_names[start + axis]
    factor = "s " if f.role in "QK" else ""
    return f.made(factor + summed(over, term), where, data)


# ---- activations and losses ---------------------------------------------------------------------


def _glu(f: Facts) -> Formula:
    axis = f.meta % len(f.x)
    half = f.x[axis] // 2

    def at(letter: str, by: int) -> str:
        return f.at(letter, (
            _plus(n, by) if a == axis else n for a, n in enumerate(f.indices)
        ))  # fmt: skip

    role = f.role
    first = f"{at('g', 0)} σ({at(role, half)})"
    second = f"{at('g', -half)} {at(role, -half)} σ({at(role, 0)}) (1 - σ({at(role, 0)}))"
    return f.made(f"{first} + {second}")


def _nll(f: Facts) -> Formula:
    """The weights of the classes are constants: they stand in what pulls at x."""
    (pull,) = f.saved
    axis = 1 if pull.ndim > 1 else 0
    channel = f.indices[axis]
    rows = [*f.indices[:axis], *f.indices[axis + 1 :]]
    g = f.at("g", rows if f.meta[0] else [])
    used = np.abs(pull)
    if ((used != 0).sum(axis=axis) > 1).any() or (pull > 0).any():
        letter = f.own("p")
        data = {letter: ("the share of each class in the target, with its weight", -pull)}
        return f.made(f"-{g} {f.at(letter, f.indices)}", data=data)
    target = np.where(used.any(axis=axis), used.argmax(axis=axis), -1)
    weights = used.sum(axis=axis)
    letter = f.own("t")
    data = {letter: ("the class of each row (-1: it does not count)", target)}
    term = f"[{channel} = {f.at(letter, rows)}]"
    sizes = weights[weights != 0]
    if sizes.size and (sizes == sizes.flat[0]).all():
        count = 1 / float(sizes.flat[0])
        over = "" if count == 1 else f" / {count:.10g}"
        return f.made(f"-{g} {term}{over}", data=data)
    share = f.own("w")
    data[share] = ("the weight of its class, over the sum of all", weights)
    return f.made(f"-{g} {f.at(share, rows)} {term}", data=data)


LAYERS: dict[str, Maker] = {
    "AdaptiveAvgPool2DBackward0": _adaptive, "AdaptiveMaxPool2DBackward0": _max_pool,
    "AvgPool2DBackward0": _avg_pool, "Col2ImBackward0": _col2im,
    "ConvolutionBackward0": _convolution, "GluBackward0": _glu, "Im2ColBackward0": _im2col,
    "LinalgVectorNormBackward0": _vector_norm, "LogSoftmaxBackward0": _log_softmax,
    "LogsumexpBackward0": _logsumexp, "MaxPool2DWithIndicesBackward0": _max_pool,
    "NativeBatchNormBackward0": _batch_norm, "NativeGroupNormBackward0": _group_norm,
    "NativeLayerNormBackward0": _layer_norm, "NllLossBackward0": _nll,
    "NormBackward1": _vector_norm, "PixelShuffleBackward0": _shuffle,
    "PixelUnshuffleBackward0": _unshuffle, "RmsNormBackward0": _rms_norm,
    "ScaledDotProductAttentionBackward0": _attention, "SoftmaxBackward0": _softmax,
    "TransposedConvolutionBackward0": _transposed, "UpsampleBackward0": _upsample,
}  # fmt: skip
