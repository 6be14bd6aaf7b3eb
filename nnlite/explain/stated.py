"""The rule of an input as the equation of its operation states it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnlite.explain import reasons
from nnlite.explain.facts import Formula
from nnlite.explain.parse import NotAFormula, definition_texts, letters, parse

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["kept", "stated"]


def stated(step: Step, position: int) -> Formula:
    """The rule that an operation's equation states for an input, with the sum of a broadcast.

    Letters that stand for no input are explained: by the definitions of the equation
    (``t = tanh x``), or as data that the derivative has kept (the weights of a loss).
    """
    given = step.inputs[position]
    pattern = step.equation.rule_of(given.role)
    if pattern.startswith("-∂"):  # the rule of another input, with the other sign
        pattern = f"-{step.equation.rule_of(pattern[2:3])}{pattern[3:]}"
    text = reasons.summed(pattern, step.name, given.value.shape, step.output.shape)
    where: list[str] = []
    try:
        needed = letters(parse(pattern))
        for letter, right in definition_texts(step.equation.forward)[1:]:
            if letter in needed:
                needed |= letters(parse(right))
                where.insert(0, f"{letter} = {right}")
    except NotAFormula:
        return Formula(text)
    data = {letter: found for letter, found in kept(step).items() if letter in needed}
    return Formula(text, where=tuple(where), data=data)


def kept(step: Step) -> dict[str, tuple[str, Any]]:
    """Letters of an equation that stand for data: what each is, and its numbers."""
    return {
        letter: (about, step.saved[place])
        for letter, (place, about) in _KEPT.get(type(step._node).__name__, {}).items()
        if step.saved[place] is not None
    }


# Letters that stand for data that a derivative has kept: where it has them, and what they are.
_KEPT = {
    "BinaryCrossEntropyBackward0": {"w": (2, "the weights")},
    "BinaryCrossEntropyWithLogitsBackward0": {
        "w": (2, "the weights"),
        "p": (3, "the weights of the positive class"),
    },
    "SoftMarginLossBackward0": {"y": (1, "the target")},
}
