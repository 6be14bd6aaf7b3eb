"""Formulas as trees, and their values.

The grammar is the one of the equations in ``nnlite.ops``: two things side by side are a product
(``x σ(x)``), capital letters side by side one of matrices (``X Wᵀ``), and a formula may go on with
definitions (``y = x t, t = tanh x``). Elements are written ``x[i, j]``, sums and products over
indices ``Σ_{k} g[i, k] y[k, j]`` and ``Π_{k≠i} x[k]``, and sums over whole axes
``Σ g x over the rows``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = [
    "NotAFormula",
    "Tree",
    "definition_texts",
    "definitions",
    "evaluate",
    "letters",
    "parse",
]

Tree = tuple[Any, ...]


class NotAFormula(ValueError):
    """The text has words in it, or sums over indices: it is for reading only."""


_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵃᵇⁿᵖˣᵗ", "0123456789+-abnpxt")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?|½)"
    r"|(?P<name>arccos|arcosh|arcsin|arctan|arsinh|artanh|cosh|cos|sinh|sin|tanh|tan|ln|log₂|log₁₀"
    r"|sign|trunc|round|min|max|if|else|where|or|and|not|mod|lo|hi|threshold|NaN|inf)(?![A-Za-z])"
    r"|(?P<over>over the rows|over ax[ei]s (?:\d+, )*\d+)"
    r"|(?P<sum>[ΣΠ])"
    r"|(?P<letter>(?:∂L/∂)?[A-Za-zα-ωΑ-Ω∂][\u0302\u0304]?[₀-₉]*ₙ?′?)"
    r"|(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵃᵇⁿᵖˣ]+)"
    r"|(?P<mark>ᵀ)"
    r"|(?P<sign>_\{|[-+·/^()\[\]|⌊⌋⌈⌉√,=≤≥<>≠}:∞]))"
)
# What looks like letters side by side but is a word.
_WORD = re.compile(r"\s*(?:[A-Za-z]{3,}|(?:of|at|is|on|in|as|by|no|to|it)\b)")
_KEYWORDS = frozenset(("if", "else", "where", "or", "and", "not"))
_CALLS = frozenset(("σ", "Φ", "φ"))


def _normal(x: Any) -> Any:
    """Φ, to the last digits in its tails, too."""
    below = np.vectorize(math.erfc, otypes=[float])
    return 0.5 * below(np.asarray(x, dtype=np.float64) / -math.sqrt(2))


FUNCTIONS: dict[str, Any] = {
    "σ": lambda x: np.exp(-np.logaddexp(0.0, -x)),
    "Φ": _normal,
    "φ": lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "ln": np.log, "log₂": np.log2, "log₁₀": np.log10, "sign": np.sign, "trunc": np.trunc,
    "round": np.rint,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan, "arsinh": np.arcsinh,
    "arcosh": np.arccosh, "artanh": np.arctanh, "√": np.sqrt, "|": np.abs, "⌊": np.floor,
    "⌈": np.ceil, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


def definitions(text: str) -> list[tuple[str, Tree]]:
    """The equations of a text: ``y = x t, t = tanh x``, in the order of the text.

    Of ``y = σ(x) = 1 / (1 + e⁻ˣ)`` the first right side counts.
    """
    return [(letter, parse(right)) for letter, right in definition_texts(text)]


def definition_texts(text: str) -> list[tuple[str, str]]:
    """The letters and the right sides of the equations of a text."""
    found: list[tuple[str, str]] = []
    for part in _split(text, ","):
        sides = part.split("=")
        if len(sides) < 2 or not re.fullmatch(r"\s*\S\u0302?\s*", sides[0]):
            raise NotAFormula(text)
        found.append((sides[0].strip(), sides[1].strip()))
    return found


def _split(text: str, mark: str) -> list[str]:
    """The parts between the marks that stand outside of brackets, and before no ``else``."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == mark and depth == 0 and re.match(r",\s+\S\u0302?\s*=", text[place:]):
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def parse(text: str, numbers: Mapping[str, float] | None = None) -> Tree:
    """The tree of a formula.

    Args:
        text: the formula.
        numbers: the values of numbers that stand in it rounded to six digits.

    Raises:
        NotAFormula: when there are words or running indices in it.

    >>> float(evaluate(parse("g y (1 - y)"), {"g": 2.0, "y": 0.25}))
    0.375
    """
    parser = _Parser(text, numbers or {})
    tree = parser.choice()
    if parser.next() is not None:
        raise NotAFormula(text)
    return tree


class _Parser:
    def __init__(self, text: str, numbers: Mapping[str, float]) -> None:
        self.text = text
        self.numbers = numbers
        self.tokens: list[tuple[str, str]] = []
        self.close: set[int] = set()  # where a bracket follows without a space: x[i]
        self.place = 0
        at = 0
        text = text.strip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            word = _WORD.match(text, at)
            if found is None or (word is not None and found.lastgroup not in ("name", "over")):
                raise NotAFormula(self.text)
            if found.group()[0] == "[":
                self.close.add(len(self.tokens))
            self.tokens.append((str(found.lastgroup), found.group().strip()))
            at = found.end()

    def next(self) -> str | None:
        return self.tokens[self.place][1] if self.place < len(self.tokens) else None

    def kind(self) -> str:
        return self.tokens[self.place][0] if self.place < len(self.tokens) else "end"

    def take(self, *wanted: str) -> str:
        found = self.next()
        if found is None or (wanted and found not in wanted):
            raise NotAFormula(self.text)
        self.place += 1
        return found

    def choice(self) -> Tree:
        """``a if c else b``, ``a if c, b if d, else e``, ``a where c, else b``"""
        value = self.sum()
        if self.next() not in ("if", "where"):
            return value
        self.take()
        condition = self.condition()
        if self.next() == ",":
            self.take()
        if self.next() == "else":
            self.take()
        elif self.next() in (None, ")"):
            raise NotAFormula(self.text)
        return ("if", condition, value, self.choice())

    def condition(self) -> Tree:
        tree = self.comparison()
        while self.next() in ("or", "and"):
            tree = (self.take(), tree, self.comparison())
        return tree

    def comparison(self) -> Tree:
        if self.next() == "not":
            self.take()
            return ("not", self.comparison())
        left = self.sum()
        trees = []
        while self.next() in ("≤", "≥", "<", ">", "=", "≠"):
            sign = self.take()
            right = self.sum()
            trees.append((sign, left, right))
            left = right
        tree: Tree = trees[0] if trees else left
        for other in trees[1:]:
            tree = ("and", tree, other)
        return tree

    def sum(self) -> Tree:
        tree = self.product()
        while self.next() in ("+", "-"):
            tree = (self.take(), tree, self.product())
        return tree

    def product(self) -> Tree:
        if self.next() == "-":
            self.take()
            return ("neg", self.product())
        if self.kind() == "sum":
            return self.series()
        tree = self.power()
        while True:
            following = self.next()
            if self.kind() == "sum":
                return ("*", tree, self.series())
            if following == "mod":
                self.take()
                tree = ("mod", tree, self.power())
            elif following in ("·", "/"):
                self.take()
                tree = ("/" if following == "/" else "*", tree, self.power())
            elif self._starts_a_factor(following):
                tree = ("*", tree, self.power())
            else:
                return tree

    def series(self) -> Tree:
        """``Σ_{j, k<2, m≠i : condition} term``, or ``Σ term over axis 0``"""
        mark = self.take()
        if self.next() != "_{":
            term = self.product()
            if self.kind() != "over" or mark != "Σ":
                raise NotAFormula(self.text)
            found = self.take()
            axes = [0] if found.endswith("rows") else map(int, re.findall(r"\d+", found))
            return ("over", tuple(axes), term)
        names: list[str] = []
        bounds: list[tuple[str, int]] = []
        conditions: list[Tree] = []
        while self.take("_{", ",", ":", "}") != "}":
            if self.tokens[self.place - 1][1] == ":":
                conditions.append(self.condition())
                continue
            condition = self.comparison()
            letter = condition if condition[0] == "letter" else condition[1]
            if letter[0] != "letter":
                raise NotAFormula(self.text)
            names.append(letter[1])
            if condition[0] == "<" and condition[2][0] == "number":
                bounds.append((letter[1], int(condition[2][1])))
            elif condition[0] != "letter":
                conditions.append(condition)
        return (mark, tuple(names), tuple(bounds), tuple(conditions), self.product())

    def _starts_a_factor(self, following: str | None) -> bool:
        if following is None or following in _KEYWORDS or following == "mod":
            return False
        if following == "|":
            return self.bars == 0
        return self.kind() in ("number", "name", "letter") or following in ("(", "[", "√", "⌊", "⌈")

    bars = 0

    def power(self) -> Tree:
        tree = self.atom()
        while True:
            if self.next() == "[" and self.is_close():
                tree = ("at", tree, *self.subscripts())
            elif self.kind() == "raised":
                tree = ("^", tree, parse(self.take().translate(_RAISED)))
            elif self.kind() == "mark":
                self.take()
                tree = ("ᵀ", tree)
            elif self.next() == "^":
                self.take()
                tree = ("^", tree, self.atom())
            else:
                return tree

    def is_close(self) -> bool:
        """Whether the next token stands right behind the one before."""
        return self.place in self.close

    def subscripts(self) -> list[Tree]:
        """``[n, 2 i - 1]``"""
        self.take("[")
        found = [self.sum()]
        while self.next() == ",":
            self.take()
            found.append(self.sum())
        self.take("]")
        return found

    def atom(self) -> Tree:
        kind, found = self.kind(), self.take()
        if kind == "number":
            return ("number", 0.5 if found == "½" else self.numbers.get(found, float(found)))
        if found == "(":
            inside = self._inside()
            self.take(")")
            return inside
        if found == "[":
            inside = self.condition()
            self.take("]")
            return ("[", inside)
        if found == "|":
            self.bars += 1
            inside = self.sum()
            self.bars -= 1
            self.take("|")
            return ("call", "|", inside)
        if found in ("⌊", "⌈"):
            inside = self.sum()
            self.take("⌋" if found == "⌊" else "⌉")
            return ("call", found, inside)
        if found == "√":
            return ("call", "√", self.atom())
        if kind == "letter" and found in _CALLS and self.next() == "(":
            return ("call", found, self.atom())
        if found in ("min", "max") and self.next() == "_{":
            self.place -= 1
            return self.series()
        if kind == "name" and found in FUNCTIONS:
            if found in ("min", "max"):
                self.take("(")
                first = self.choice()
                self.take(",")
                second = self.choice()
                self.take(")")
                return ("call", found, first, second)
            return ("call", found, self.power())
        if found == "∞":
            return ("letter", "inf")
        if kind in ("letter", "name") and found not in _KEYWORDS:
            return ("letter", found.removesuffix("ₙ"))
        raise NotAFormula(self.text)

    def _inside(self) -> Tree:
        bars, self.bars = self.bars, 0
        tree = self.choice()
        self.bars = bars
        return tree


def evaluate(tree: Tree, values: Mapping[str, Any]) -> Any:
    """The value of a formula, element by element.

    Args:
        tree: from ``parse``.
        values: numbers or arrays for its letters.

    Raises:
        NotAFormula: when a letter has no value.
    """
    kind, *rest = tree
    if kind == "number":
        return rest[0]
    if kind == "letter":
        letter = rest[0]
        if letter in values:
            return values[letter]
        if letter in ("e", "π", "inf"):
            return {"e": math.e, "π": math.pi, "inf": math.inf}[letter]
        raise NotAFormula(letter)
    if kind == "call":
        return FUNCTIONS[rest[0]](*(evaluate(t, values) for t in rest[1:]))
    if kind == "-" and rest[0] == ("number", 1.0) and rest[1][:2] == ("call", "σ"):
        return FUNCTIONS["σ"](-evaluate(rest[1][2], values))  # 1 - σ(x), not rounded to 0
    parts = [evaluate(t, values) for t in rest]
    if kind == "if":
        return np.where(*parts)
    if kind == "*" and any(map(_is_matrix, rest)) and all(np.ndim(p) for p in parts):
        return parts[0] @ parts[1]
    return _OPERATIONS[kind](*parts)


def letters(tree: Tree) -> set[str]:
    """The letters in a formula.

    >>> sorted(letters(parse("g y (1 - y)")))
    ['g', 'y']
    """
    if tree[0] == "letter":
        return {tree[1]}
    found: set[str] = set()
    if tree[0] in ("Σ", "Π") or (tree[0] in ("min", "max") and len(tree) == 5):
        inner = found.union(letters(tree[4]), *map(letters, tree[3]))
        return inner - set(tree[1])
    return found.union(*(letters(part) for part in tree[1:] if isinstance(part, tuple) and part))


_OPERATIONS: dict[str, Any] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "neg": np.negative,
    "^": lambda a, b: np.exp(b) if a is math.e else np.power(a, b),
    "ᵀ": lambda a: a if np.ndim(a) < 2 else np.swapaxes(a, -1, -2),
    "[": lambda a: np.asarray(a, dtype=np.float64),
    "≤": np.less_equal, "≥": np.greater_equal, "<": np.less, ">": np.greater, "=": np.equal,
    "≠": np.not_equal, "mod": np.mod, "or": np.logical_or, "and": np.logical_and,
    "not": np.logical_not,
}  # fmt: skip


def _is_matrix(tree: Tree) -> bool:
    if tree[0] == "letter":
        return "A" <= str(tree[1])[0] <= "Z"
    return tree[0] in ("ᵀ", "*") and any(_is_matrix(t) for t in tree[1:])
