"""The equation of a derivative: as text, and as LaTeX made from the same text.

Every derivative states its equation once, in the first paragraph of its docstring, in plain
Unicode: ``y = eˣ:   ∂x = g y``, where g is ∂L/∂y and ∂x is ∂L/∂x. LaTeX is derived from that.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnlite.autograd.node import Node

__all__ = ["equation", "latex", "to_latex"]

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵃᵇⁿᵖˣᵀ", "0123456789+-abnpxT"))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼₖₘₙₛₜᵥ", "0123456789+-ijkmnstv"))
_ACCENTS = {"\u0302": "hat", "\u0304": "bar"}
_SYMBOLS = {
    "∂": r"\partial ", "Σ": r"\sum ", "Π": r"\prod ", "∫": r"\int ", "√": r"\sqrt", "∞": r"\infty ",
    "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ",
    "λ": r"\lambda ", "μ": r"\mu ", "π": r"\pi ", "σ": r"\sigma ", "φ": r"\varphi ", "Φ": r"\Phi ",
    "≤": r"\leq ", "≥": r"\geq ", "≠": r"\neq ", "±": r"\pm ", "·": r"\cdot ", "⋆": r"\star ",
    "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "…": r"\ldots ", "′": "'",
}  # fmt: skip
_FUNCTIONS = frozenset(
    [
        "arccos",
        "arcosh",
        "arcsin",
        "arctan",
        "arsinh",
        "artanh",
        "cos",
        "cosh",
        "ln",
        "log",
        "max",
        "mean",
        "min",
        "sign",
        "sin",
        "sinh",
        "softmax",
        "tan",
        "tanh",
        "trunc",
    ]
)

# Two letters side by side are a product (cx), except for these words.
_WORD = r"(?:[A-Za-z]{3,}|\b(?:ln|lo|hi|of|at|is|or|on|in|as|by|if|no|to|it)\b)"

_TOKEN = (  # compiled when it is first used
    rf"(?P<words>{_WORD}(?:\s+{_WORD})*)"
    rf"|(?P<raised>[{''.join(_SUPERSCRIPTS)}]+)"
    rf"|(?P<lowered>[{''.join(_SUBSCRIPTS)}]+)"
    r"|(?P<accented>.[\u0302\u0304])"
    r"|(?P<space>\s+)"
    r"|(?P<other>.)"
)


def equation(node: Node | type[Node]) -> str:
    """The equation of a derivative in one line of text.

    Args:
        node: a node of a graph (``tensor.grad_fn``) or its class.

    >>> import nnlite
    >>> x = nnlite.ones(2, requires_grad=True)
    >>> nnlite.autograd.equation(x.exp().grad_fn)
    'y = eˣ: ∂x = g y'
    """
    kind = node if isinstance(node, type) else type(node)
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def latex(node: Node | type[Node]) -> str:
    """The equation of a derivative in LaTeX, for use within a formula.

    >>> import nnlite
    >>> x = nnlite.ones(2, requires_grad=True)
    >>> nnlite.autograd.latex(x.exp().grad_fn)
    'y = e^{x}: \\\\partial x = g y'
    """
    return to_latex(equation(node))


def to_latex(text: str) -> str:
    """LaTeX for a formula in plain Unicode.

    >>> to_latex("∂L/∂z₁ = g aᵀ")
    '\\\\partial L/\\\\partial z_{1} = g a^{T}'
    """
    text = "".join(map(_convert, re.finditer(_TOKEN, text)))
    for command in ("^", r"\sqrt"):
        text = _brace(text, command)
    return text.replace(r"\ :", ":").strip()


def _convert(token: re.Match[str]) -> str:
    found = token.group()
    if token.lastgroup == "words":
        return _words(found.split())
    if token.lastgroup == "raised":
        return "^{" + "".join(_SUPERSCRIPTS[letter] for letter in found) + "}"
    if token.lastgroup == "lowered":
        return "_{" + "".join(_SUBSCRIPTS[letter] for letter in found) + "}"
    if token.lastgroup == "accented":
        return f"\\{_ACCENTS[found[1]]}{{{found[0]}}}"
    return " " if token.lastgroup == "space" else _SYMBOLS.get(found, found)


def _words(words: list[str]) -> str:
    """Words in upright letters: names of functions, or text between spaces."""
    parts = []
    for is_function, run in groupby(words, _FUNCTIONS.__contains__):
        if is_function:
            parts += [rf"\operatorname{{{word}}}" for word in run]
        else:
            parts.append("\\mathrm{\\ " + "\\ ".join(run) + "\\ }")
    return " ".join(parts)


def _brace(text: str, command: str) -> str:
    """Braces around the argument of ``command``: a parenthesis becomes them."""
    place = text.rfind(command)
    while place >= 0:
        start = place + len(command)
        rest = text[start:]
        if rest.startswith("("):
            end = _closing(rest)
            text = f"{text[:start]}{{{rest[1:end]}}}{rest[end + 1 :]}"
        elif not rest.startswith("{"):
            match = re.match(r"(?:\\(?:hat|bar)\{.\}|\\?[A-Za-z0-9]+\s?)(?:_\{\w+\})?|.", rest)
            end = match.end() if match else 0
            text = f"{text[:start]}{{{rest[:end].strip()}}}{rest[end:]}"
        place = text.rfind(command, 0, place)
    return text


def _closing(text: str) -> int:
    """The place of the parenthesis that closes the one at the start."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place
    raise ValueError(f"latex: a parenthesis is not closed in {text!r}")
