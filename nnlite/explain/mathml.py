"""MathML for the LaTeX of `nnlite.autograd.latex`: a browser typesets it with nothing else.

The subset: letters, numbers, operators, brackets, ``^{}`` and ``_{}``, ``\\sqrt{}``, ``\\hat{}``,
``\\bar{}``, ``\\operatorname{}``, ``\\mathrm{}`` and the commands that stand for one character.
"""

from __future__ import annotations

import re
from html import escape
from typing import NamedTuple

__all__ = ["from_text", "to_mathml"]

_TOKEN = re.compile(
    r"\\(?:operatorname|mathrm)\{(?P<upright>[^{}]*)\}"
    r"|\\(?P<command>[A-Za-z]+) ?"
    r"|(?P<space>(?:\\ |\s)+)"
    r"|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
    r"|(?P<letter>[A-Za-zα-ωΑ-Ω])"
    r"|(?P<other>.)"
)
_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "lambda": "λ",
    "mu": "μ", "pi": "π", "sigma": "σ", "varphi": "φ", "Phi": "Φ", "infty": "∞",
}  # fmt: skip
_OPERATORS = {
    "partial": "∂", "sum": "∑", "prod": "∏", "int": "∫", "leq": "≤", "geq": "≥", "neq": "≠",
    "pm": "±", "cdot": "·", "star": "⋆", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉",
    "ldots": "…",
}  # fmt: skip
_ACCENTS = {"hat": "^", "bar": "¯"}
_CLOSING = {"(": ")", "[": "]"}
_NAMESPACE = "http://www.w3.org/1998/Math/MathML"


class _Atom(NamedTuple):
    """A piece of a formula: what it is (operand, operator, ∂, space, …), and its MathML."""

    kind: str
    markup: str


def from_text(text: str, *, block: bool = False) -> str:
    """MathML for a formula in plain Unicode, as derivatives state it.

    Args:
        text: ``∂L/∂z₁ = g aᵀ``; it is kept too, as what a browser without MathML shows.
        block: whether it stands on a line of its own.

    >>> from_text("y = x²")[:48]
    '<math xmlns="http://www.w3.org/1998/Math/MathML"'
    """
    from nnlite.autograd.equation import to_latex

    return to_mathml(to_latex(text), block=block, alttext=text)


def to_mathml(latex: str, *, block: bool = False, alttext: str | None = None) -> str:
    """MathML for a formula in LaTeX.

    Args:
        latex: a formula in the subset above, without dollar signs.
        block: whether it stands on a line of its own.
        alttext: the formula in words or in plain text; default: the LaTeX.

    Raises:
        ValueError: a command that is not of the subset, or a brace that is not closed.

    >>> to_mathml("x^{2}").partition(">")[2]
    '<mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    """
    tokens = list(_TOKEN.finditer(latex))
    reader = _Reader(latex, tokens)
    body = _joined(reader.read(""))
    display = ' display="block"' if block else ""
    alt = escape(latex if alttext is None else alttext)
    return f'<math xmlns="{_NAMESPACE}"{display} alttext="{alt}">{body}</math>'


class _Reader:
    """Reads tokens up to a closing bracket, into atoms."""

    def __init__(self, latex: str, tokens: list[re.Match[str]]) -> None:
        self.latex = latex
        self.tokens = tokens
        self.place = 0

    def read(self, closing: str) -> list[_Atom]:
        """The atoms up to the closing bracket, which is not among them."""
        atoms: list[_Atom] = []
        while self.place < len(self.tokens):
            token = self.tokens[self.place]
            self.place += 1
            found = token.group()
            if found == closing:
                return atoms
            if found in ("^", "_"):
                self._script(atoms, found)
            elif found == "{":
                atoms.append(_Atom("operand", _joined(self.read("}"))))
            elif found in _CLOSING and self._is_closed(found):
                inner = _joined(self.read(_CLOSING[found]))
                atoms.append(_Atom("group", _fenced(found, inner, _CLOSING[found])))
            else:
                atoms.append(self._atom(token, atoms))
        if closing:
            raise ValueError(f"to_mathml: {closing!r} is missing in {self.latex!r}")
        return atoms

    def _is_closed(self, bracket: str) -> bool:
        """Whether a bracket that has just been opened is closed within its group."""
        depth = 0
        for token in self.tokens[self.place :]:
            found = token.group()
            if depth == 0 and found == _CLOSING[bracket]:
                return True
            depth += (found in ("(", "[", "{")) - (found in (")", "]", "}"))
            if depth < 0:
                return False
        return False

    def _argument(self) -> str:
        """The group in braces, or the one token, that follows."""
        token = self.tokens[self.place]
        self.place += 1
        if token.group() == "{":
            return _joined(self.read("}"))
        return self._atom(token, []).markup

    def _script(self, atoms: list[_Atom], mark: str) -> None:
        script = self._argument()
        while atoms and atoms[-1].kind == "space":
            atoms.pop()
        base = atoms.pop() if atoms else _Atom("operand", "<mrow></mrow>")
        opened = re.match(r"<(msub|munder)>(.*)</\1>$", base.markup)
        if mark == "^" and opened:  # both at once: xᵢ²
            tag, inside = opened.group(1) + ("sup" if opened[1] == "msub" else "over"), opened[2]
            markup = f"<{tag}>{inside}{script}</{tag}>"
        else:
            tag = "msup" if mark == "^" else "msub"
            markup = f"<{tag}>{base.markup}{script}</{tag}>"
        atoms.append(_Atom(base.kind, markup))

    def _atom(self, token: re.Match[str], before: list[_Atom]) -> _Atom:
        if token.lastgroup == "upright":
            return _upright(token["upright"])
        if token.lastgroup == "command":
            return self._command(token["command"])
        if token.lastgroup == "space":
            return _Atom("space", '<mspace width="0.2em"></mspace>')
        if token.lastgroup == "number":
            return _Atom("operand", f"<mn>{token['number']}</mn>")
        if token.lastgroup == "letter":
            return _Atom("operand", f"<mi>{token['letter']}</mi>")
        found = token.group()
        if found == "'":
            return _Atom("operator", "<mo>′</mo>")
        if found == "/":
            return _Atom("/", '<mo lspace="0.1em" rspace="0.1em" stretchy="false">/</mo>')
        if found == "|":
            return _Atom("operand", '<mo lspace="0.05em" rspace="0.05em" stretchy="false">|</mo>')
        if found == "-":
            last = next((a for a in reversed(before) if a.kind != "space"), None)
            is_sign = last is None or last.kind == "operator"
            form = ' form="prefix"' if is_sign else ""
            return _Atom("operator", f"<mo{form}>−</mo>")
        if found in "()[]":
            return _Atom("operator", f'<mo stretchy="false">{found}</mo>')
        return _Atom("operator", f"<mo>{escape(found)}</mo>")

    def _command(self, name: str) -> _Atom:
        if name in _LETTERS:
            kind = "function" if name in ("sigma", "varphi", "Phi", "delta") else "operand"
            return _Atom(kind, f"<mi>{_LETTERS[name]}</mi>")
        if name == "partial":
            return _Atom("∂", '<mo lspace="0" rspace="0">∂</mo>')
        if name in _OPERATORS:
            kind = "operand" if name in ("ldots", "rfloor", "rceil") else "operator"
            large = ' largeop="false"' if name in ("sum", "prod") else ""
            return _Atom(kind, f"<mo{large}>{_OPERATORS[name]}</mo>")
        if name == "sqrt":
            return _Atom("operand", f"<msqrt>{self._argument()}</msqrt>")
        if name in _ACCENTS:
            accent = f'<mo stretchy="false">{_ACCENTS[name]}</mo>'
            return _Atom("operand", f'<mover accent="true">{self._argument()}{accent}</mover>')
        raise ValueError(f"to_mathml: \\{name} in {self.latex!r} is not known")


def _upright(text: str) -> _Atom:
    if not text.startswith("\\ "):
        return _Atom("function", f"<mi>{escape(text)}</mi>")
    return _Atom("words", f"<mtext>{escape(text.replace(chr(92) + ' ', chr(160)))}</mtext>")


def _fenced(opening: str, inner: str, closing: str) -> str:
    sign = "<mo>{}</mo>" if "<mfrac>" in inner else '<mo stretchy="false">{}</mo>'
    return f"<mrow>{sign.format(opening)}{inner}{sign.format(closing)}</mrow>"


def _joined(atoms: list[_Atom]) -> str:
    """Atoms side by side; ∂L/∂z becomes a fraction, spaces stay between factors only."""
    atoms = _spaced(_fractions(atoms))
    if len(atoms) == 1 and re.fullmatch(r"<(m[in])>[^<]*</\1>", atoms[0].markup):
        return atoms[0].markup
    return f"<mrow>{''.join(atom.markup for atom in atoms)}</mrow>"


def _fractions(atoms: list[_Atom]) -> list[_Atom]:
    found: list[_Atom] = []
    place = 0
    while place < len(atoms):
        kinds = [atom.kind for atom in atoms[place : place + 5]]
        if kinds == ["∂", "operand", "/", "∂", "operand"]:
            above, below = atoms[place : place + 2], atoms[place + 3 : place + 5]
            found.append(_Atom("operand", f"<mfrac>{_row(above)}{_row(below)}</mfrac>"))
            place += 5
        else:
            found.append(atoms[place])
            place += 1
    return found


def _row(atoms: list[_Atom]) -> str:
    return f"<mrow>{''.join(atom.markup for atom in atoms)}</mrow>"


_FACTORS = ("operand", "group", "function", "∂")


def _spaced(atoms: list[_Atom]) -> list[_Atom]:
    """Without the spaces that the operators bring along themselves."""
    found: list[_Atom] = []
    for place, atom in enumerate(atoms):
        if atom.kind != "space":
            found.append(atom)
            continue
        after = next((a for a in atoms[place:] if a.kind != "space"), None)
        if found and after and found[-1].kind in _FACTORS and after.kind in _FACTORS:
            found.append(atom)
    return found
