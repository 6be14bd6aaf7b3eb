"""An explanation as plain text of at most 100 columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.explain.check import adds_up
from nnlite.explain.fold import Fold
from nnlite.explain.model import Addend, Rule, Update, Value
from nnlite.explain.notation import notation_of
from nnlite.explain.numbers import (
    SMALL,
    TERMS,
    array_text,
    counted,
    factor,
    index_text,
    number,
    number_texts,
    shape_text,
    summary,
    wrapped,
)
from nnlite.explain.places import file_name
from nnlite.explain.reread import says
from nnlite.explain.step import chosen_element

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation, Leaf
    from nnlite.explain.forwards import ForwardLine
    from nnlite.explain.step import Step

__all__ = [
    "forward_text",
    "leaf_text",
    "rule_text",
    "signs_of",
    "silent_texts",
    "step_text",
    "text_of",
]

UNKEPT = (
    "not known: no derivative reads it, so nothing has kept it; with the forward pass under "
    "nnlite.explain.recording() it is shown"
)
LEAVES = 60  # as many are shown, at the head and at the end


def text_of(explanation: Explanation) -> str:
    """The whole explanation."""
    head = _head(explanation)
    lines: list[str] = []
    for part in explanation.parts:
        lines += ["", *(wrapped(part.text) if isinstance(part, Fold) else step_text(part))]
    used = _used(explanation)
    open_ = [leaf for leaf in explanation.leaves if id(leaf.value) in used]
    for leaf in open_[:LEAVES]:
        lines += ["", *leaf_text(leaf)]
    shown = set(map(id, open_[:LEAVES]))
    others = [leaf for leaf in explanation.leaves if id(leaf) not in shown]
    if others:
        lines += ["", *wrapped(_others(others))]
    unreached = explanation.unreached
    if unreached:
        lines += ["", "Parameters without a gradient in this pass"]
    for name, reason in unreached[:LEAVES]:
        lines += wrapped(f"  {name}: {reason}", " " * 4)
    if len(unreached) > LEAVES:
        lines.append(f"  and {len(unreached) - LEAVES} others")
    for number_, sign in enumerate(notation_of("\n".join(lines))):
        head += wrapped(f"  {'' if number_ else 'signs':9}{sign}", " " * 13)
    return "\n".join([*head, *lines])


def signs_of(steps: Iterable[Step], leaves: Iterable[Leaf]) -> list[str]:
    """What the signs mean that occur where operations and leaves are shown.

    Args:
        steps: the operations that are shown.
        leaves: the leaves that are shown.
    """
    lines = [line for step in steps for line in step_text(step)]
    lines += [line for leaf in leaves for line in leaf_text(leaf)]
    return notation_of("\n".join(lines))


def _used(explanation: Explanation) -> set[int]:
    """The ids of the values that operations use which are not folded."""
    steps = [part for part in explanation.parts if not isinstance(part, Fold)]
    return {id(given.value) for step in steps for given in step.inputs}


def _others(leaves: list[Leaf]) -> str:
    """Leaves that are not shown: how many, and how large their gradients are."""
    norms = [float(np.linalg.norm(leaf.value.gradient.astype(np.float64))) for leaf in leaves]
    low, high = int(np.argmin(norms)), int(np.argmax(norms))
    return (
        f"and {len(leaves)} other leaves, not shown here; the norms of their "
        f"gradients go from {norms[low]:.4g} ({leaves[low].value.label}) to {norms[high]:.4g} "
        f"({leaves[high].value.label})"
    )


def _head(explanation: Explanation) -> list[str]:
    count = len(explanation.steps)
    steps = counted(count, "operation")
    lines = [f"The backward pass of {explanation.loss.symbol}, {steps} from the last to the first:"]
    given = [value for value in explanation.values if value.kind != "output"]
    used = _used(explanation)
    shown = [value for value in given if id(value) in used][:LEAVES]
    for value in shown:
        shape = shape_text(value.shape)
        lines += wrapped(f"  {value.symbol} = {value.what}, {shape} {value.dtype}", "    ")
        lines += _array("    ", value.array)
    if len(given) > len(shown):
        lines.append(f"  and {len(given) - len(shown)} others")
    for value in explanation.unkept[:LEAVES]:
        lines += wrapped(f"  {value.symbol} is {UNKEPT}", "    ")
    return lines


def step_text(step: Step) -> list[str]:
    """One operation: its equation, what arrives, and its rules."""
    title = " · ".join(filter(None, [f"Step {step.number}", step.title, step.module]))
    lines = wrapped(title, "  ")
    if step.place is not None:
        place = f"{file_name(step.place.file)}:{step.place.line}"
        lines += wrapped(f"  line     {place}: {step.place.text}", " " * 11)
    for line in step.forwards:
        lines += forward_text(line)
    if step.constants:
        given = ", ".join(f"{letter} = {number(v)}" for letter, v in step.constants.items())
        lines += wrapped(f"  with     {given}", " " * 11)
    for which, value in step.outputs.items():
        if value.array is not None:
            lines += _labelled(f"  {value.symbol}", value.array)
        label = f"  ∂L/∂{value.symbol}"
        lines += fan_out(value, step.all_addends[which])
        lines += _labelled(label, value.gradient)
    told: set[str] = set()
    for rule in step.rules:
        lines += rule_text(rule, told)
    for mark, told_ in silent_texts(step):
        lines += wrapped(f"  {mark} {told_}", " " * 6)
    if step.hooked:
        lines += wrapped("  note     a hook that may change this gradient was not called", " " * 11)
    return lines


def silent_texts(step: Step) -> list[tuple[str, str]]:
    """Of each input that nothing goes back to: the mark of the check of that, and a sentence."""
    why = {
        "✓": "{} does not count here",
        "✗": "{} acts on the result",
        "≈": "{} acts on the result to one side only",
    }
    unknown = "whether it acts on the result could not be worked out"
    return [
        (mark, f"nothing goes back to {symbol}: {why.get(mark, unknown).format(symbol)}")
        for symbol, mark in step.silent
    ]


def forward_text(line: ForwardLine) -> list[str]:
    """What an operation computes, with the mark of its check."""
    lines = wrapped(f"  forward  {line.mark} {line.text}", " " * 13)
    if line.words:
        lines += wrapped(f"           in words: {line.words} (not checked)", " " * 13)
    for equation in line.where:
        lines += wrapped(f"           where {equation}", " " * 17)
    for symbol, about, array in line.data:
        lines += wrapped(f"           {symbol} is {about}", " " * 13)
        lines += _labelled(f"             {symbol}", array)
    if line.note:
        lines += wrapped(f"           {line.mark} {line.note}", " " * 13)
    return lines


def rule_text(rule: Rule, told: set[str] | None = None) -> list[str]:
    """One rule with its numbers and its check.

    Args:
        rule: the rule.
        told: equations that need not be repeated; what this rule needs is added to them.
    """
    lines = wrapped(f"  {rule.check.mark} {rule.text}", "      ")
    told = set() if told is None else told
    for line in rule.where:
        if line not in told:
            lines += wrapped(f"      where {line}", " " * 12)
    for symbol, about, array in rule.data:
        if f"{symbol}: {about}" not in told:
            lines += wrapped(f"      {symbol} is {about}", " " * 8)
            lines += _labelled(f"        {symbol}", array)
    told.update(rule.where, (f"{symbol}: {about}" for symbol, about, _ in rule.data))
    for reason in rule.reasons:
        lines += wrapped(f"      because {reason}", "      ")
    name = f"{rule.left}{index_text(rule.index)}{rule.via and ' ' + rule.via}"
    for numbers in number_texts(rule):
        lines += wrapped(f"      {name} = {numbers} = {number(rule.total)}", " " * 8)
    lines += _labelled(f"      {rule.left}{rule.via and ' ' + rule.via}", rule.gradient)
    lines += wrapped(f"      {check_text(rule)}", "        ")
    return lines


def check_text(rule: Rule) -> str:
    """What the check has found."""
    check = rule.check
    found = f"check: {check.mark} {check.status}; "
    if check.formula_error is not None and check.elements:
        size = rule.gradient.size
        some = "all " if check.elements == size else f"{check.elements} of "
        at = "" if size == 1 else f" at {some}{size} elements"
        found += f"formula {number(check.formula_error)} off{at}, "
    found += f"engine {number(check.engine_error)} off"
    if check.difference_error is not None:
        found += f", finite difference {number(check.difference_error)} off"
    return found + (f" ({check.note})" if check.note else "")


def leaf_text(leaf: Leaf) -> list[str]:
    """A leaf: its gradient, what there was before, and the optimizer's update."""
    value = leaf.value
    lines = [f"Leaf {value.label}"]
    label = f"  ∂L/∂{value.symbol}"
    lines += fan_out(value, leaf.addends)
    lines += _labelled(label, value.gradient)
    lines += wrapped(f"  {accumulation(leaf)}", "    ")
    if leaf.why:
        lines += wrapped(f"  why      {leaf.why}", " " * 11)
    if leaf.hooked:
        lines += wrapped("  note     a hook that may change this gradient was not called")
    if leaf.update is not None:
        when = "" if leaf.has_run else " after backward()"
        lines += update_text(value.symbol, leaf.update, when)
    return lines


def fan_out(value: Value, addends: list[Addend]) -> list[str]:
    """Where a value is used more than once: the contributions of the uses, and their sum."""
    if len(addends) < 2:
        return []
    shown = addends if len(addends) <= TERMS else addends[: TERMS // 2]
    more = f" + … ({len(addends) - len(shown)} more)" if len(shown) < len(addends) else ""
    names = " + ".join(f"({addend.symbol})" for addend in shown) + more
    mark = "✓" if adds_up(value.gradient, [addend.array for addend in addends]) else "✗"
    lines = [f"  {value.symbol} is used {len(addends)} times, so its gradient is a sum:"]
    lines += wrapped(f"    {mark} ∂L/∂{value.symbol} = {names}", " " * 8)
    if not value.gradient.size:
        return lines
    index = chosen_element(value.gradient)
    parts = [float(addend.array[index]) for addend in shown]
    if more:
        parts.append(float(sum(addend.array[index] for addend in addends[len(shown) :])))
    numbers = " + ".join(factor(part) for part in parts)
    total = float(value.gradient[index])
    mark = "✓" if says(numbers, total) else "✗"
    name = f"∂L/∂{value.symbol}{index_text(index)}"
    lines += wrapped(f"    {mark} {name} = {numbers} = {number(total)}", " " * 8)
    return lines


def accumulation(leaf: Leaf) -> str:
    """What ``.grad`` holds, and what becomes of it."""
    value = leaf.value
    name = value.name or value.symbol
    if leaf.is_frozen:
        return (
            f"{name} has been frozen since the forward pass: backward() adds nothing to its .grad"
        )
    if leaf.held is None:
        return f".grad of {name} is None: backward() will put this gradient there"
    if not leaf.held.size:
        return f".grad of {name} has no elements"
    at = chosen_element(value.gradient)
    held, new = float(leaf.held[at]), float(value.gradient[at])
    total = float((leaf.held + value.gradient)[at])
    numbers = f"{number(held)} + {factor(new)}"
    sum_ = f"{'✓' if says(numbers, total) else '✗'} {numbers} = {number(total)}"
    if leaf.has_run:
        return (
            f".grad of {name} holds exactly this gradient, from this backward() or from one like "
            f"it; another one would add it again: at {index_text(at) or 'it'} {sum_}"
        )
    return (
        f".grad of {name} holds something already, {number(held)} at {index_text(at) or 'it'}; "
        f"a backward() now adds to it: {sum_} (zero_grad() before backward() starts from nothing)"
    )


def update_text(symbol: str, update: Update, when: str = "") -> list[str]:
    """The optimizer's step on one element; ``when`` says after what it is taken."""
    name = f"{symbol}{index_text(update.index)}"
    options = ", ".join(f"{letter} = {number(v)}" for letter, v in update.options.items())
    lines = wrapped(
        f"  {update.optimizer}.step(){when} on w = {name}{options and ', ' + options}:", " " * 6
    )
    for line in update.lines:
        found = "".join(f" = {t}" for t in dict.fromkeys((line.numbers, number(line.value))))
        lines += wrapped(f"    {line.mark} {line.formula}{found}", " " * 8)
    off = f"at most {number(update.error)} off a step of the optimizer on a copy"
    told = f" ({update.note})" if update.note else f"; check: {off}, over all elements"
    change = f"{name}: {number(update.before)} → {number(update.after)}"
    return lines + wrapped(f"    {update.mark} {change}{told}", " " * 6)


def _labelled(label: str, array: Any) -> list[str]:
    """An array behind a label: whole when it is small, else its shape, range and norm."""
    if array.size > SMALL:
        return wrapped(f"{label}: {shape_text(array.shape)}, {summary(array)}", " " * 6)
    first, *others = array_text(array, len(label) + 3)
    return [f"{label} = {first}", *(" " * (len(label) + 3) + line for line in others)]


def _array(indent: str, array: Any) -> list[str]:
    if array is None or not hasattr(array, "size"):
        return []
    if array.size > SMALL:
        return [f"{indent}{summary(array)}"]
    return [indent + line for line in array_text(array, len(indent))]
