"""Lesson mode: blanks in the equations of a pass, and a check of what is filled in.

A blank is a factor of a rule (which symbol stands there?) or a number of the chain rule for one
element. The page shows the same questions with fields to fill in.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nnlite.explain.answer import NotAFormula, is_same, number_of
from nnlite.explain.model import Rule
from nnlite.explain.numbers import TERMS, factor, index_text, number, shape_text, wrapped

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation
    from nnlite.explain.step import Step

__all__ = ["BLANK", "Question", "Quiz", "Score"]

BLANK = "□"

_QUESTIONS = 40  # a quiz asks at most so many
_TRIES = 3
_PRECISION = 0.01  # of a number: so far off it may be, relative to it
_ROUNDING = 1e-5  # and so far relative to its terms, which are shown with six digits
_WORDS = r"[A-Za-z]{3,}|\b(?:ln|of|at|is|or|on|in|as|by|if|no|to|it|lo|hi)\b"
_FACTOR = re.compile(
    r"(?P<gradient>\(∂L/∂[^()\s]+\)ᵀ?|∂L/∂[^()\s]+)"
    rf"|(?P<word>{_WORDS})"
    r"|(?P<call>[σΦφ]\s?\([^()]*\))"
    r"|(?P<group>\((?!∂)[^()]*[^()\s]\)[ᵀ²³]?)"
    r"|(?P<symbol>[A-Za-zα-ω][\u0302\u0304]?[₀-₉ᵢⱼₖₘₙₛₜᵥ]*′?ᵀ?)(?![\w(\[]|(?<=e)\^)"
)


@dataclass(eq=False)
class Question:
    """An equation with a blank.

    Attributes:
        step: the operation that it belongs to.
        rule: and its rule.
        kind: "symbol" or "number".
        before, after: the equation around the blank.
        answer: what belongs there.
        value, tolerance: of a number.
        ordered: whether the order of a product counts.
        hints: from the gentle to the telling.
    """

    step: Step
    rule: Rule
    kind: str
    before: str
    after: str
    answer: str
    value: float = 0.0
    tolerance: float = 0.0
    ordered: bool = False
    hints: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The equation, with the blank in it."""
        return f"{self.before}{BLANK}{self.after}"

    @property
    def whole(self) -> str:
        """The equation with the answer in it."""
        return f"{self.before}{self.answer}{self.after}"

    def is_right(self, given: str) -> bool:
        """Whether an answer is right, in whatever form it is written.

        Args:
            given: a formula, or a number (a fraction or a calculation will do).
        """
        if self.kind == "symbol":
            return is_same(given, self.answer, ordered=self.ordered)
        try:
            return abs(number_of(given) - self.value) <= self.tolerance
        except NotAFormula:
            return False

    def remark(self, given: str) -> str:
        """What is wrong with a wrong answer, where that can be told; else empty."""
        if self.kind == "number":
            try:
                found = number_of(given)
            except NotAFormula:
                return "That is no number."
            return "Only the sign is wrong." if abs(found + self.value) <= self.tolerance else ""
        if self.ordered and is_same(f"({given})ᵀ", self.answer, ordered=True):
            return "Only the transpose is wrong: compare the shapes."
        return ""


@dataclass
class Score:
    """How a quiz went.

    Attributes:
        right: answered at the first try, without a hint.
        helped: answered after a hint or another try.
        shown: the answer was shown.
        total: how many questions there were.
    """

    right: int = 0
    helped: int = 0
    shown: int = 0
    total: int = 0

    @property
    def points(self) -> float:
        """One for each right answer, half a point for one with help."""
        return self.right + self.helped / 2

    def __str__(self) -> str:
        asked = self.right + self.helped + self.shown
        text = f"{self.points:g} of {self.total} points: {self.right} right at once"
        text += f", {self.helped} with help, {self.shown} shown"
        return text + (f", {self.total - asked} left out" if asked < self.total else "")


class Quiz:
    """The questions on an explanation.

    Args:
        explanation: what is asked about.
        seed: another number leaves other blanks.

    Attributes:
        questions: in the order of backward, at most 40.
    """

    def __init__(self, explanation: Explanation, seed: int = 0) -> None:
        self.questions: list[Question] = []
        for step in explanation.steps:
            if len(self.questions) >= _QUESTIONS:
                break
            for rule in step.rules:
                if rule.check.status != "wrong":
                    chance = random.Random(f"{seed} {step.number} {rule.role}")
                    self.questions += _questions_on(step, rule, chance)
        del self.questions[_QUESTIONS:]

    def __str__(self) -> str:
        lines = [f"{len(self.questions)} blanks to fill in; ask with quiz():"]
        for place, question in enumerate(self.questions, 1):
            lines.append(f"{place:3}  {_title(question)}: {question.text}")
        return "\n".join(lines)

    def ask(
        self, read: Callable[[str], str] = input, say: Callable[[str], object] = print
    ) -> Score:
        """Ask all questions in the terminal.

        Args:
            read: asks for a line, given the prompt.
            say: prints a line.
        """
        score = Score(total=len(self.questions))
        say("Fill in the blanks. h: a hint, s: show the answer, q: stop.")
        for place, question in enumerate(self.questions, 1):
            say("")
            say(f"Question {place} of {score.total} · {_title(question)}")
            _say(say, f"  forward   {question.step.forward}")
            _say(say, f"  backward  {question.text}")
            for line in question.rule.where:
                _say(say, f"  where     {line}")
            for letter, about, _ in question.rule.data:
                _say(say, f"  where     {letter} is {about}")
            try:
                result = _ask_one(question, read, say)
            except (EOFError, KeyboardInterrupt):
                result = "stop"
            if result == "stop":
                break
            setattr(score, result, getattr(score, result) + 1)
        say("")
        say(str(score))
        return score


def _ask_one(question: Question, read: Callable[[str], str], say: Callable[[str], object]) -> str:
    """One question; returns what became of it: right, helped, shown or stop."""
    hints = iter(question.hints)
    helped = False
    tries = 0
    while tries < _TRIES:
        given = read(f"  {BLANK} = ").strip()
        if given.lower() in ("q", "quit"):
            return "stop"
        if given.lower() in ("s", "show"):
            break
        if given.lower() in ("h", "hint", "?"):
            helped = True
            _say(say, f"  {next(hints, 'There are no more hints: s shows the answer.')}")
            continue
        if not given:
            continue
        if question.is_right(given):
            _say(say, f"  ✓ Right: {question.whole}")
            return "helped" if helped else "right"
        helped = True
        tries += 1
        say(f"  ✗ Not yet. {question.remark(given)}".rstrip())
    _say(say, f"  The answer: {question.whole}")
    return "shown"


def _say(say: Callable[[str], object], text: str) -> None:
    """Say a line in lines that fit a terminal."""
    for line in wrapped(text, " " * 12):
        say(line)


def _title(question: Question) -> str:
    step = question.step
    return " · ".join(filter(None, [f"Step {step.number}", step.title, step.module]))


def _questions_on(step: Step, rule: Rule, chance: random.Random) -> list[Question]:
    return [q for q in (_symbol(step, rule, chance), _number(step, rule, chance)) if q]


def _symbol(step: Step, rule: Rule, chance: random.Random) -> Question | None:
    """Which factor stands in the rule?"""
    summed = "".join(re.findall(r"_\{[^}]*\}", rule.right))
    indices = set(re.findall(r"\w", rule.places + summed))
    factors = [
        found
        for found in _FACTOR.finditer(rule.right)
        if not found["word"]
        and "[" not in found.group()
        and found.group() not in indices
        and not _is_index(rule.right[: found.start()])
    ]
    if not factors:
        return None
    chosen = chance.choice(factors)
    answer = chosen.group()
    before, after = rule.right[: chosen.start()], rule.right[chosen.end() :]
    is_matrix = "ᵀ" in rule.right or (len(rule.value.shape) > 1 and _is_product(step))
    question = Question(
        step,
        rule,
        "symbol",
        f"{rule.left}{rule.places}{rule.via and ' ' + rule.via} = {before}",
        after,
        answer,
        ordered=is_matrix,
    )
    named = {given.value.symbol: given.value for given in step.inputs}
    named.update((value.symbol, value) for value in step.outputs.values())
    question.hints.append(
        "What arrives, ∂L/∂" + step.output.symbol + ", times the derivative of the operation."
    )
    bare = answer.removesuffix("ᵀ").strip("()").removeprefix("∂L/∂")
    if bare in named:
        what = "a gradient" if "∂" in answer else "a value"
        turned = ", transposed" if answer.endswith("ᵀ") else ""
        question.hints.append(f"It is {what} of shape {shape_text(named[bare].shape)}{turned}.")
    question.hints.append(f"The operation's own letters, with g for what arrives: {step.rule}")
    return question


def _is_index(before: str) -> bool:
    """Whether what follows stands between the brackets of indices: x[i, …, Σ_{k, …."""
    opened = re.findall(r"(?:\S\[|_\{)[^\]}]*$|[\]}]", before)
    return bool(opened) and opened[-1] not in "]}"


def _is_product(step: Step) -> bool:
    from nnlite.explain.names import _AFFINE

    return _AFFINE.fullmatch(step.name) is not None


def _number(step: Step, rule: Rule, chance: random.Random) -> Question | None:
    """Which number comes out of the chain rule for one element, or stands in it?"""
    terms = rule.terms
    if not 0 < len(terms) <= TERMS:
        return None
    left = f"{rule.left}{index_text(rule.index)}{rule.via and ' ' + rule.via} = "
    one = terms[0]
    if len(terms) == 1 and one.upstream and chance.random() < 0.5:
        before, after = f"{left}{factor(one.upstream)} · ", f" = {number(rule.total)}"
        value, size, answer = one.local, abs(one.local), factor(one.local)
        hint = f"Divide: {number(rule.total)} / {factor(one.upstream)}."
    else:
        products = " + ".join(f"{factor(t.upstream)} · {factor(t.local)}" for t in terms)
        before, after = f"{left}{products} = ", ""
        value, size = rule.total, sum(abs(term.product) for term in terms)
        answer = number(value)
        hint = "Multiply first, then add up the products." if len(terms) > 1 else "Multiply."
    tolerance = _PRECISION * abs(value) + _ROUNDING * size + 1e-300
    question = Question(step, rule, "number", before, after, answer, value, tolerance)
    question.hints.append(hint)
    if value:
        low = float(f"{abs(value):.0e}")
        sign = "negative" if value < 0 else "positive"
        question.hints.append(f"It is {sign}, and its size is about {number(low)}.")
    return question
