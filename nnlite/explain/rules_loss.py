"""Rules of attention, of gated units, and of losses of classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.explain.facts import (
    Facts,
    Formula,
    Maker,
    inverse,
    lasts,
    summed,
)
from nnlite.explain.windows import plus

__all__ = ["LOSSES"]

Array = Any
Shape = tuple[int, ...]


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


def _glu(f: Facts) -> Formula:
    axis = f.meta % len(f.x)
    half = f.x[axis] // 2

    def at(letter: str, by: int) -> str:
        return f.at(letter, (
            plus(n, by) if a == axis else n for a, n in enumerate(f.indices)
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
    ignored = " (-1: it does not count)" if (target < 0).any() else ""
    data = {letter: (f"the class of each row{ignored}", target)}
    term = f"[{channel} = {f.at(letter, rows)}]"
    sizes = weights[weights != 0]
    if sizes.size and (sizes == sizes.flat[0]).all():
        count = inverse(sizes.flat[0])
        over = "" if count == "1" else f" / {count}"
        return f.made(f"-{g} {term}{over}", data=data)
    share = f.own("w")
    data[share] = ("the weight of its class, over the sum of all", weights)
    return f.made(f"-{g} {f.at(share, rows)} {term}", data=data)


LOSSES: dict[str, Maker] = {
    "GluBackward0": _glu,
    "NllLossBackward0": _nll,
    "ScaledDotProductAttentionBackward0": _attention,
}
