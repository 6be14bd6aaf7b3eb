"""What a learner writes into a blank: read, and compared with what is right.

Two formulas are the same when they have the same value for the same random matrices in place of
their symbols. ``page.js`` does the same in the browser; tests compare the two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np

__all__ = ["NotAFormula", "is_same", "number_of", "plain"]

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SPELT = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "epsilon": "ε",
    "lambda": "λ", "mu": "μ", "sigma": "σ", "sigmoid": "σ", "exp": "exp", "log": "ln",
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "σ": lambda x: 1 / (1 + np.exp(-x)),
    "exp": np.exp, "ln": np.log, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "sinh": np.sinh, "cosh": np.cosh, "sqrt": np.sqrt, "√": np.sqrt, "abs": np.abs,
    "sign": np.sign,
}  # fmt: skip
_TOKEN = re.compile(
    r"(?P<number>\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)"
    r"|(?P<gradient>∂L/∂(?P<of>[A-Za-zα-ω][\u0302\u0304]?\d*′?))"
    r"|(?P<word>exp|ln|tanh|sinh|sin|cosh|cos|tan|sqrt|abs|sign)(?![a-z])"
    r"|(?P<symbol>[A-Za-zα-ωΦ][\u0302\u0304]?\d*[ᵢⱼₖₘₙₛₜᵥ]?′?)"
    r"|(?P<other>\S)"
)
_SIZE = 3
_SIZE_OF_REST = 1e-9


class NotAFormula(ValueError):
    """The text cannot be read as a formula."""


def plain(text: str) -> str:
    """A formula in one spelling: ``dL/dz_1`` is ``∂L/∂z1``, ``x.T`` is ``xᵀ``.

    >>> plain("(dL/dz_1).T @ x₂")
    '(∂L/∂z1)ᵀ·x2'
    """
    text = text.strip().translate(_SUBSCRIPTS)
    text = re.sub(r"(?<![A-Za-z])[A-Za-z]{2,}(?![a-z])", _spelling, text)
    text = re.sub(r"[d∂]\s*L\s*/\s*[d∂]\s*", "∂L/∂", text)
    text = re.sub(r"([A-Za-zα-ω])_\{?(\d+)\}?", r"\1\2", text)
    text = re.sub(r"\.T\b|\^\{?T\}?(?![A-Za-z])", "ᵀ", text)
    text = text.replace("−", "-").replace("**", "^").replace("²", "^2").replace("³", "^3")
    text = re.sub(r"\s*[*@×⋅·]\s*", "·", text)
    return re.sub(r"\s+", " ", text)


def _spelling(word: re.Match[str]) -> str:
    return _SPELT.get(word.group(), word.group())


def number_of(text: str) -> float:
    """The value of a number, a fraction or a calculation: ``-0.5``, ``1/3``, ``0.5 * 0.25``.

    Raises:
        NotAFormula: it is none.
    """
    spelt = re.sub(r"(?<=\d),(?=\d)", ".", text)
    value = _Reader(plain(spelt), ordered=False, symbols=False).value()
    return float(value)


def is_same(given: str, right: str, *, ordered: bool) -> bool:
    """Whether a formula says the same as the right one.

    Args:
        given: what the learner wrote.
        right: the right formula.
        ordered: whether products are matrix products, in which the order counts; else they are
            taken element by element.

    >>> is_same("a1 - a1^2", "a₁ (1 - a₁)", ordered=False)
    True
    >>> is_same("x W", "W x", ordered=True)
    False
    """
    given, right = plain(given), plain(right)
    try:
        expected = _Reader(right, ordered).value()
    except NotAFormula:
        return re.sub(r"\s", "", given) == re.sub(r"\s", "", right)
    try:
        found = _Reader(given, ordered).value()
    except NotAFormula:
        return False
    return bool(np.allclose(found, expected, rtol=_SIZE_OF_REST, atol=_SIZE_OF_REST))


class _Reader:
    """Works out a formula, with random matrices for its symbols, while it reads it."""

    def __init__(self, text: str, ordered: bool, symbols: bool = True) -> None:
        self.text = text
        self.tokens = list(_TOKEN.finditer(text))
        self.place = 0
        self.ordered = ordered
        self.symbols = symbols

    def value(self) -> Any:
        with np.errstate(all="ignore"):
            try:
                found = self._sum()
            except (ArithmeticError, RecursionError, ValueError) as error:
                raise NotAFormula(f"{self.text!r}: {error}") from error
        if self._peek() is not None:
            raise NotAFormula(f"{self.text!r}: {self._peek()!r} is not expected")
        return found

    def _peek(self) -> str | None:
        return self.tokens[self.place].group() if self.place < len(self.tokens) else None

    def _take(self, *wanted: str) -> str | None:
        found = self._peek()
        if found not in wanted:
            return None
        self.place += 1
        return found

    def _sum(self) -> Any:
        found = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            found = found + other if sign == "+" else found - other
        return found

    def _product(self) -> Any:
        found = self._signed()
        while True:
            following = self._peek()
            if following is None or following in ("+", "-", ")", "]", "^", "ᵀ"):
                return found
            sign = self._take("·", "/")
            other = self._signed()
            if sign == "/":
                found = found / other
            elif self.ordered and np.ndim(found) and np.ndim(other):
                found = found @ other
            else:
                found = found * other

    def _signed(self) -> Any:
        if self._take("-"):
            return -self._signed()
        if self._take("+"):
            return self._signed()
        return self._power()

    def _power(self) -> Any:
        found = self._atom()
        while mark := self._take("^", "ᵀ"):
            found = np.transpose(found) if mark == "ᵀ" else found ** self._signed()
        return found

    def _atom(self) -> Any:
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token is None:
            raise NotAFormula(f"{self.text!r} ends too early")
        self.place += 1
        found = token.group()
        if token.lastgroup == "number":
            return float(found)
        if found in ("(", "["):
            inner = self._sum()
            if self._take(")" if found == "(" else "]") is None:
                raise NotAFormula(f"{self.text!r}: a bracket is not closed")
            return inner
        if found in _FUNCTIONS and (found != "σ" or self._peek() == "("):
            return _FUNCTIONS[found](self._power())
        if found == "e" and self._take("^"):
            return np.exp(self._signed())
        if found == "π":
            return math.pi
        if self.symbols and (token["gradient"] or token["symbol"]):
            return _matrix_for(found)
        raise NotAFormula(f"{self.text!r}: {found!r} is not expected")


def _matrix_for(symbol: str) -> Any:
    """A random matrix of positive numbers, the same for the same symbol."""
    return np.random.default_rng(crc32(symbol.encode())).uniform(0.5, 1.5, (_SIZE, _SIZE))
