"""The equation of a derivative with the symbols of this pass in the place of its letters."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nnlite.autograd.equation import equation
from nnlite.autograd.node import Node

__all__ = ["Equation", "bare", "subscript"]

_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_LETTERS = dict(zip("ᵃᵇⁿᵖˣ", "abnpx"))
_MARKS = "ᵢⱼₖₘₙₛₜᵥ₀₁₂₃₄₅₆₇₈₉₊₋"
_TOKEN = re.compile(
    r"(?P<word>[A-Za-z]{3,}|\b(?:ln|of|at|is|or|on|in|as|by|if|no|to|it)\b)"
    r"|(?P<symbol>∂?(?:lo|hi|[A-Za-zα-ωΑ-Ω])[\u0302\u0304]?)"
    rf"(?P<marks>[{_MARKS}]*)"
    r"|(?P<raised>⁻?[ᵃᵇⁿᵖˣ](?:⁻¹)?)"
    r"|(?P<other>.)"
)
# What is said of a special case in brackets behind a rule.
_REMARK = r"\s\(((?:0 where|∂x = 0 where|of NaNs|g where)(?:[^()]|\([^()]*\))*)\)"

# The letters of an operation's inputs where the order in which its equation names them is another.
_ROLES = {
    "NativeBatchNormBackward0": "x γ β",
    "NativeGroupNormBackward0": "x γ β",
    "NativeLayerNormBackward0": "x γ β",
    "RmsNormBackward0": "x γ",
    "ScaledDotProductAttentionBackward0": "Q K V M",
    "LstmBackward0": "x h c W U b d",
    "GruBackward0": "x h W U b c",
    "RnnBackward0": "x h W U b c",
    "NllLossBackward0": "x",
    "ClampBackward0": "x lo hi",
    "LinearBackward0": "X W b",
    "RsubBackward1": "c x",
    "XlogyBackward1": "c y",
    "XlogyBackward2": "x c",
    "MulBackward0": "a b",
}


def subscript(number: int) -> str:
    """A number in subscript digits."""
    return str(number).translate(_SUBSCRIPT)


class Equation:
    """The equation of an operation's derivative, taken apart.

    Args:
        kind: the derivative's class.
        inputs: how many inputs the operation has.
        text: the equation; default: the docstring's.

    Attributes:
        forward: what is computed: ``y = x σ(x)``.
        output: the letter of the result: ``y``.
        rules: for each letter the right side of its gradient: ``{"x": "g σ(x) …"}``. Letters that
            are no inputs are steps on the way.
        roles: the letter of each input.
        remark: what follows the equations, in words.

    >>> from nnlite.ops.linalg import LinearBackward0
    >>> found = Equation(LinearBackward0, 3)
    >>> found.forward, found.rules["W"], found.roles
    ('Y = X Wᵀ + b', 'Gᵀ X', ['X', 'W', 'b'])
    """

    def __init__(self, kind: type[Node], inputs: int, text: str | None = None) -> None:
        text = equation(kind) if text is None else text
        text = re.sub(_REMARK, r"; \1", text)
        self.forward, _, rest = text.partition(":")
        self.forward = self.forward.strip()
        self.output = _first_letter(self.forward)
        self.rules: dict[str, str] = {}
        remarks = []
        for part in re.split(r",\s+(?=∂)|;\s+|\s+(?=\(summed|\(without)", rest.strip()):
            found = re.match(r"∂([^\s=]+)\s*=\s*(.*)", part)
            if found is None:
                remarks.append(part)
            else:
                letter, right = found[1], found[2]
                other = re.match(r"∂(\S+) = ", right)  # ∂b = ∂c = Σ …
                if other is not None:
                    right = right[other.end() :]
                    self.rules.setdefault(other[1], right)
                self.rules.setdefault(letter, right)
        self.remark = "; ".join(r for r in remarks if r)
        self.roles = self._roles(kind, inputs)

    def _roles(self, kind: type[Node], inputs: int) -> list[str]:
        given = next((_ROLES[k.__name__] for k in kind.__mro__ if k.__name__ in _ROLES), None)
        named = given.split() if given else [bare(letter) for letter in self.rules]
        if len(named) >= inputs:
            return named[:inputs]
        letter = named[0] if len(named) == 1 else "x"  # as many as there are: x₁, x₂, …
        return [f"{letter}{subscript(i + 1)}" for i in range(inputs)]

    def rule_of(self, role: str) -> str:
        """The right side of the gradient of an input; empty when the equation does not say."""
        if role in self.rules:
            return self.rules[role]
        wanted = bare(role).rstrip("₀₁₂₃₄₅₆₇₈₉′")
        for letter, right in self.rules.items():
            if bare(letter) == wanted:
                return right
        return ""


def bare(letter: str) -> str:
    """A letter without its running index: ``xᵢ`` and ``xₙ[c]`` are x."""
    return re.sub(r"\[.*\]$", "", letter).rstrip("ᵢⱼₖₙₜ")


def _first_letter(text: str) -> str:
    found = re.search(r"[A-Za-zα-ω][\u0302]?", text)
    return found.group() if found else "y"


def written(text: str, symbols: Mapping[str, str], gradient: str, alone: bool = False) -> str:
    """An equation's text with symbols for its letters, and ``gradient`` for g.

    Args:
        text: a formula of a docstring.
        symbols: for each letter what stands for it.
        gradient: ``∂L/∂z₁``.
        alone: whether the text may be a bare g, which needs no brackets.

    >>> written("Gᵀ X", {"X": "x", "W": "W₁"}, "∂L/∂z₁")
    '(∂L/∂z₁)ᵀ x'
    >>> written("g y (1 - y)", {"x": "z₁", "y": "a₁"}, "∂L/∂a₁")
    '(∂L/∂a₁) a₁ (1 - a₁)'
    """
    start = re.match(r"\s*[gG](?=\s*(?:,|$))", text) if alone else None
    if start is not None:
        return gradient + written(text[start.end() :], symbols, gradient)
    parts: list[str] = []
    for token in _TOKEN.finditer(text):
        parts.append(_token(token, symbols, gradient))
    return "".join(parts).replace(f"(({gradient}))", f"({gradient})")


def _token(token: re.Match[str], symbols: Mapping[str, str], gradient: str) -> str:
    found = token.group()
    kind = token.lastgroup
    if kind in ("symbol", "marks"):
        letter, marks = token["symbol"], token["marks"]
        if letter in ("g", "G") and letter not in symbols and letter + marks not in symbols:
            return f"({gradient}{marks})" if marks == "ₙ" else f"({gradient}){marks}"
        if letter.startswith("∂"):
            inner = symbols.get(letter[1:] + marks) or symbols.get(letter[1:])
            return (
                found
                if inner is None
                else f"(∂L/∂{inner}){'' if letter[1:] + marks in symbols else marks}"
            )
        if letter + marks in symbols:
            return symbols[letter + marks]
        inner = symbols.get(letter)
        return found if inner is None else _placed(inner, token) + marks
    if kind == "raised":
        letters = found.strip("⁻¹")
        inner = symbols.get(_LETTERS.get(letters, ""))
        if inner is None:
            return found
        sign = "-" if found.startswith("⁻") else ""
        less = " - 1" if found.endswith("⁻¹") else ""
        simple = not sign and not less and re.fullmatch(r"\w[₀-₉]*", inner)
        return f"^{inner}" if simple else f"^({sign}{inner}{less})"
    return found


def _placed(inner: str, token: re.Match[str]) -> str:
    """A symbol that is more than a letter gets brackets where it would run into its neighbours."""
    before, after = token.string[: token.start()], token.string[token.end() :]
    if re.fullmatch(r"\w[\u0302\u0304]?[₀₁₂₃₄₅₆₇₈₉]*′?", inner):
        return inner
    if re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", inner):
        product = before[-1:] not in ("", "(", "[", "^", "/") and re.search(r"[\w)\]²³]\s$", before)
        follows = re.match(r"\s[\w(√]", after) and not re.match(r"\s(if|else|where)", after)
        return (
            ("· " if product else "")
            + (f"({inner})" if inner[0] == "-" else inner)
            + (" ·" if follows else "")
        )
    return f"({inner})" if re.match(r"[²³ᵀⁿᵖ]", after) or before[-1:] == "^" else inner
