"""Formulas written with numbers in the place of their letters."""

from __future__ import annotations

from collections.abc import Mapping

from nnlite.explain.numbers import digits_for, number
from nnlite.explain.parse import Tree, evaluate

__all__ = ["show"]

# How strongly an operation binds: what binds less gets brackets inside.
_BINDS = {"if": 0, "or": 1, "and": 1, "not": 1, "+": 3, "-": 3, "neg": 4, "*": 5, "/": 5, "^": 7}
_COMPARISONS = frozenset("≤≥<>=≠")


def show(tree: Tree, values: Mapping[str, float]) -> str:
    """A formula with numbers for its letters, products written with a dot.

    The numbers have six digits, or as many more as it takes to get the same result from them.

    >>> from nnlite.explain.parse import parse
    >>> show(parse("g (σ(x) - y) / 4"), {"g": 1.0, "x": -0.5, "y": 1.0})
    '1 · (σ(-0.5) - 1) / 4'
    >>> show(parse("1 - a²"), {"a": 0.9999983})
    '1 - 0.9999983^2'
    """

    def spelt(digits: int) -> dict[str, str]:
        return {letter: number(float(value), digits) for letter, value in values.items()}

    def result(digits: int) -> float:
        return float(evaluate(tree, {k: float(text) for k, text in spelt(digits).items()}))

    return _show(tree, spelt(digits_for(result, float(evaluate(tree, values)))), 0)


def _show(tree: Tree, values: Mapping[str, str], outer: int) -> str:
    kind, *rest = tree
    if kind in ("number", "letter"):
        text = f"{float(rest[0]):.6g}" if kind == "number" else values.get(rest[0], "")
        if not text:
            return str(rest[0])
        return f"({text})" if text.startswith("-") and outer > 0 else text
    if kind == "call":
        name, *arguments = rest
        inside = ", ".join(_show(t, values, 0) for t in arguments)
        closing = {"|": "|", "⌊": "⌋", "⌈": "⌉"}.get(name)
        return f"{name}{inside}{closing}" if closing else f"{name}({inside})"
    if kind == "[":
        return f"[{_show(rest[0], values, 0)}]"
    binds = 2 if kind in _COMPARISONS else _BINDS.get(kind, 6)
    if kind == "if":
        condition, yes, no = (_show(t, values, 1) for t in rest)
        text = f"{yes} if {condition} else {no}"
    elif kind == "neg":
        text = f"-{_show(rest[0], values, binds + 1)}"
    elif kind == "not":
        text = f"not {_show(rest[0], values, 2)}"
    elif kind == "ᵀ":
        text = f"{_show(rest[0], values, 8)}ᵀ"
    elif kind == "^":
        base = "e" if rest[0] == ("letter", "e") else _show(rest[0], values, 8)
        power = _show(rest[1], values, 8)
        text = f"{base}^{power}"
    else:
        sign = {"*": "·"}.get(kind, kind)
        right = binds if kind in ("or", "and") else max(binds + (kind in "-/"), 4)
        text = f"{_show(rest[0], values, binds)} {sign} {_show(rest[1], values, right)}"
    return f"({text})" if binds < outer else text
