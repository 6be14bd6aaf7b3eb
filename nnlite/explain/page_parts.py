"""The sections of a page: an operation with its rules, a leaf, what the forward pass began with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.explain.check import adds_up
from nnlite.explain.layout import Box
from nnlite.explain.mathml import from_text
from nnlite.explain.model import Addend, Index, Rule, Update, Value
from nnlite.explain.names import called
from nnlite.explain.numbers import index_text, number, number_texts, shape_text, summary
from nnlite.explain.page_mark import mark_of
from nnlite.explain.page_ways import way_key, ways_section
from nnlite.explain.path import Paths
from nnlite.explain.quiz import BLANK, Question
from nnlite.explain.text import UNKEPT, accumulation, check_text, silent_texts

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation, Leaf
    from nnlite.explain.forwards import ForwardLine
    from nnlite.explain.step import Step

__all__ = ["fold_item", "leaf_item", "start_item", "step_item", "unreached_item"]

Array = Any
Questions = dict[int, list[Question]]  # by the id of a rule

_WHOLE = 96  # arrays of up to so many elements are shown whole
_ACROSS = 16  # and so many columns
_ADDENDS = 24  # so many addends of a gradient are shown
_HOOKED = "<p>A hook that may change this gradient was not called.</p>"
_BEGUN = 60  # so many parameters and data are listed at the start


def math_of(text: str, *, block: bool = False) -> str:
    """An equation typeset; where it is not a formula that can be, as it is."""
    try:
        return from_text(text, block=block)
    except ValueError:
        return f"<code>{escape(text)}</code>"


def start_item(explanation: Explanation, signs: list[str]) -> str:
    """What the forward pass began with, and how to read the page.

    Args:
        explanation: the pass.
        signs: what the signs on the page mean, a phrase each.
    """
    begun = [value for value in explanation.values if value.kind != "output"]
    lines = [
        "<h2>The forward pass: what the loss was computed from</h2>",
        "<p>Each step of the backward pass takes the gradient that arrives at an operation, "
        "multiplies it by the operation's own derivative, and sends the result on to what the "
        "operation was computed from. That is the chain rule, one factor a step.</p>",
    ]
    for value in begun[:_BEGUN]:
        kind = value.about or "data" if value.kind == "constant" else "requires a gradient"
        name = f" <code>{escape(value.name)}</code>" if value.name not in ("", value.symbol) else ""
        shape = _shape_of_whole(value)
        about = f"{name} {shape} {escape(str(value.dtype))}, {kind}"
        lines.append(_value(value.symbol, value.array, about=about))
    if len(begun) > _BEGUN:
        lines.append(f"<p>… and {len(begun) - _BEGUN} others.</p>")
    for value in explanation.unkept[:_BEGUN]:
        lines.append(_value(value.symbol, None, about=UNKEPT))
    loss = explanation.loss
    lines.append(_value(loss.symbol, loss.array, about="the value that is differentiated"))
    meanings = "".join(f"<li>{escape(sign)}</li>" for sign in signs)
    lines.append(f"<h3>Signs</h3><ul>{meanings}</ul>")
    return _item("start", "start", "The forward pass", lines)


def step_item(step: Step, of: int, questions: Questions) -> str:
    """The section of one operation."""
    title = f"Step {step.number} of {of}: {step.title}"
    return _item(f"step-{step.number}", "step", title, _step(step, of, questions))


def fold_item(box: Box, of: int, questions: Questions, worked: set[int]) -> str:
    """The section of operations that are folded, to be opened one by one.

    Args:
        box: the fold.
        of: how many operations there are in all.
        questions: of the quiz.
        worked: the numbers of the operations that are worked out.
    """
    first, last = box.steps[0].number, box.steps[-1].number
    counts = Counter(called(step.name) for step in box.steps)
    names = ", ".join(f"{name} × {count}" for name, count in counts.most_common())
    lines = [
        f'<h2>Steps {first} to {last} <span class="of">of {of}</span> {escape(box.title)}</h2>',
        f"<p>{escape(names)}</p>",
    ]
    shown = [step for step in box.steps if step.number in worked]
    for step in shown:
        lines += [
            f"<details><summary>Step {step.number}: {escape(step.title)} "
            f"<code>{escape(step.forward)}</code></summary>",
            f'<section id="step-{step.number}">',
            *_step(step, of, questions),
            "</section></details>",
        ]
    if len(box.steps) > len(shown):
        left = len(box.steps) - len(shown)
        lines.append(
            f"<p>{left} more are not worked out here: "
            f"<code>explanation.open({escape(repr(box.name))})</code> unfolds them.</p>"
        )
    return _item(box.key, "fold", f"Steps {first} to {last} of {of}: {box.title}", lines)


def unreached_item(explanation: Explanation) -> str:
    """The section of the parameters that get no gradient, with the reason for each."""
    title = "Parameters without a gradient"
    unreached = explanation.unreached
    lines = [f"<h2>{title}</h2>", "<dl>"]
    for name, reason in unreached[:_BEGUN]:
        lines.append(f"<dt><code>{escape(name)}</code></dt><dd>{escape(reason)}</dd>")
    lines.append("</dl>")
    if len(unreached) > _BEGUN:
        lines.append(f"<p>… and {len(unreached) - _BEGUN} others.</p>")
    return _item("unreached", "leaf", title, lines)


def leaf_item(leaf: Leaf, key: str, ways: dict[Index, Paths]) -> str:
    """The section of a leaf: its gradient, what was there before, and the optimizer's update.

    Args:
        leaf: the leaf.
        key: the section's.
        ways: of some elements the ways to the loss.
    """
    value = leaf.value
    lines = [f"<h2>Gradient of {escape(value.label)}</h2>"]
    lines.append(_value(value.symbol, value.array, about=_shape_of_whole(value)))
    label = f"∂L/∂{value.symbol}"
    if len(leaf.addends) > 1:
        lines += _sum("It", value.gradient, leaf.addends)
    opens = {index: way_key(key, index) for index in ways}
    about = "the gradient of this pass"
    lines.append(_value(label, value.gradient, gradient=True, about=about, opens=opens))
    if leaf.why:
        lines.append(f'<p class="why"><strong>Why?</strong> {escape(leaf.why)}</p>')
    if leaf.hooked:
        lines.append(_HOOKED)
    lines.append(f"<p>{escape(accumulation(leaf))}</p>")
    if isinstance(leaf.update, Update):
        lines += _update(leaf.update, value, "" if leaf.has_run else " after backward()")
    lines += ways_section(ways, key)
    return _item(key, "leaf", f"Gradient of {value.label}", lines)


def _update(update: Update, value: Value, when: str) -> list[str]:
    """The optimizer's step on one element; ``when`` says after what it is taken."""
    element = f"{value.symbol}{index_text(update.index)}"
    lines = [f"<h3>{escape(f'{update.optimizer}.step(){when} on w = {element}')}</h3>"]
    lines += _given(update.options)
    for line in update.lines:
        lines.append(f'<div class="equation">{mark_of(line.mark)} {math_of(line.formula)}</div>')
        texts = dict.fromkeys((line.numbers, number(line.value)))
        lines.append(f'<p class="numbers">{escape("".join(f" = {t}" for t in texts).strip())}</p>')
    change = f"{element}: {number(update.before)} → {number(update.after)}"
    lines.append(f'<p class="numbers">{mark_of(update.mark)} {escape(change)}</p>')
    off = f"at most {number(update.error)} off a step of the optimizer on a copy"
    found = update.note or f"check: {off}, over all elements"
    lines.append(f'<p class="check">{escape(found)}</p>')
    return lines


def _given(constants: Mapping[str, float]) -> list[str]:
    """What the letters of constants stand for."""
    texts = ", ".join(f"{letter} = {number(value)}" for letter, value in constants.items())
    return [f'<p class="check">with {escape(texts)}</p>'] if texts else []


def _item(key: str, kind: str, title: str, lines: list[str]) -> str:
    opening = f'<section class="item" id="{key}" data-kind="{kind}" data-title="{escape(title)}">'
    return "\n".join([opening, *lines, "</section>"])


def _step(step: Step, of: int, questions: Questions) -> list[str]:
    module = f' <span class="module">{escape(step.module)}</span>' if step.module else ""
    lines = [
        f'<h2>Step {step.number} <span class="of">of {of}</span> {escape(step.title)}{module}</h2>'
    ]
    if step.place is not None and step.place.text:
        file = step.place.file.replace("\\", "/").rpartition("/")[2]
        place = f"{file}:{step.place.line}"
        lines.append(
            f'<p class="place"><code>{escape(place)}</code> <code>{escape(step.place.text)}</code>'
            "</p>"
        )
    for line in step.forwards:
        lines += _forward(line)
    lines += _given(step.constants)
    for value in step.outputs.values():
        if value.array is not None:
            lines.append(_value(value.symbol, value.array))
        lines += _arrives(step, value)
    told: set[str] = set()
    for rule in step.rules:
        lines += _rule(rule, questions.get(id(rule), []), told)
    lines += [f"<p>{mark_of(mark)} {escape(text)}</p>" for mark, text in silent_texts(step)]
    if step.hooked:
        lines.append(_HOOKED)
    return lines


def _arrives(step: Step, value: Value) -> list[str]:
    label = f"∂L/∂{value.symbol}"
    lines = []
    addends = next(a for which, a in step.all_addends.items() if step.outputs[which] is value)
    if value.made_by is not None and len(addends) > 1:
        lines += _sum(math_of(value.symbol), value.gradient, addends)
    lines.append(_value(label, value.gradient, gradient=True, about="what arrives"))
    return lines


def _sum(what: str, total: Array, addends: list[Addend]) -> list[str]:
    """The addends of the gradient of what was used more than once, the first ones of many."""
    mark = mark_of("✓" if adds_up(total, [addend.array for addend in addends]) else "✗")
    lines = [f"<p>{mark} {what} was used {len(addends)} times, so its gradient is a sum:</p>"]
    lines += [_value(a.symbol, a.array, gradient=True) for a in addends[:_ADDENDS]]
    others = addends[_ADDENDS:]
    if others:
        rest = np.sum([addend.array for addend in others], axis=0)
        lines.append(
            f'<div class="value gradient"><span>and the sum of {len(others)} others =</span>'
            f"{_array(rest, None, {})}</div>"
        )
    return lines


def _equation(label: str, text: str) -> str:
    return f'<div class="equation"><span class="label">{label}</span> {math_of(text)}</div>'


def _forward(line: ForwardLine) -> list[str]:
    """What an operation computes, with the mark of its check."""
    mark = mark_of(line.mark, line.check.status)
    label = '<span class="label">forward</span>'
    lines = [f'<div class="equation">{label} {mark} {math_of(line.text)}</div>']
    if line.words:
        lines.append(f'<p class="check">in words: {escape(line.words)} (not checked)</p>')
    lines += [_equation("where", equation) for equation in line.where]
    lines += [_value(letter, array, about=escape(about)) for letter, about, array in line.data]
    if line.note:
        lines.append(f'<p class="check">{line.mark} {escape(line.note)}</p>')
    return lines


def _rule(rule: Rule, questions: list[Question], told: set[str]) -> list[str]:
    mark = mark_of(rule.check.mark, rule.check.status)
    symbol = next((q for q in questions if q.kind == "symbol"), None)
    text = rule.text if symbol is None else f"{symbol.before}{BLANK}{symbol.after}"
    lines = ['<div class="rule">', f'<div class="equation">{mark} {math_of(text)}</div>']
    lines += [_form(symbol)] if symbol else []
    lines += [_equation("where", line) for line in rule.where if line not in told]
    for letter, about, array in rule.data:
        if f"{letter}: {about}" not in told:
            lines.append(_value(letter, array, about=escape(about)))
    told.update(rule.where, (f"{letter}: {about}" for letter, about, _ in rule.data))
    if rule.reasons:
        reasons = "".join(f"<li>{escape(reason)}</li>" for reason in rule.reasons)
        lines.append(f"<ul>{reasons}</ul>")
    rest = [*_worked(rule), _value(_left(rule), rule.gradient, index=rule.index, gradient=True)]
    asked = next((q for q in questions if q.kind == "number"), None)
    if asked is not None:
        lines.append(f'<p class="numbers">{escape(asked.text)}</p>')
        lines.append(_form(asked))
    if questions:
        rest = ["<details><summary>The numbers, to compare with</summary>", *rest, "</details>"]
    return [*lines, *rest, f'<p class="check">{escape(check_text(rule))}</p>', "</div>"]


def _worked(rule: Rule) -> list[str]:
    """The chosen element, worked out."""
    name = _left(rule, index_text(rule.index))
    return [
        f'<p class="numbers">{escape(f"{name} = {side} = {number(rule.total)}")}</p>'
        for side in number_texts(rule)
    ]


def _left(rule: Rule, index: str = "") -> str:
    """What a rule is about: ∂L/∂a₁[0, 1] via z₂."""
    return f"{rule.left}{index}{rule.via and ' ' + rule.via}"


def _form(question: Question) -> str:
    data = {
        "kind": question.kind,
        "answer": question.answer,
        "ordered": str(int(question.ordered)),
        "value": repr(question.value),
        "tolerance": repr(question.tolerance),
        "hints": json.dumps(question.hints, ensure_ascii=False),
        "whole": question.whole,
    }
    attributes = " ".join(f'data-{name}="{escape(text)}"' for name, text in data.items())
    what = escape(f"the missing {question.kind} in {question.text}")
    return (
        f'<form class="quiz" {attributes}><label>{BLANK} = <input aria-label="{what}" '
        'autocomplete="off" autocapitalize="off" spellcheck="false"></label> '
        "<button>Check</button> "
        '<button type="button" class="hint">Hint</button> '
        '<button type="button" class="show">Show the answer</button> '
        '<output role="status"></output></form>'
    )


def _value(
    label: str,
    array: Array,
    *,
    about: str = "",
    index: Index | None = None,
    gradient: bool = False,
    opens: Mapping[Index, str] | None = None,
) -> str:
    """A value with its numbers; ``opens`` has for elements the ids of what a click opens."""
    name = math_of(label)
    kind = "value gradient" if gradient else "value"
    equals = " =" if array is not None else ""
    note = f' <span class="check">{about}</span>' if about else ""
    numbers = _array(array, index, opens or {})
    return f'<div class="{kind}"><span>{name}{equals}</span>{numbers}{note}</div>'


def _array(array: Array, index: Index | None, opens: Mapping[Index, str]) -> str:
    """The numbers of an array: as a table where it is small, else their range and norm."""
    if array is None or not hasattr(array, "ndim"):
        return ""
    if array.ndim == 0:
        return f"<code>{_element(number(float(array)), opens.get(()))}</code>"
    across = array.shape[-1] if array.ndim else 1
    if not _is_whole(array):
        text = f"{shape_text(array.shape)}, {summary(array)}"
        return f'<code class="range">{escape(text)}</code>'
    marked = None if index is None else (0,) * (2 - len(index)) + index
    opens = {(0,) * (2 - len(at)) + at: key for at, key in opens.items()}
    if array.ndim <= 2:
        return _table(array.reshape(-1, across), marked, opens)
    slices = []
    for place in np.ndindex(array.shape[:-2]):
        is_here = marked is not None and marked[:-2] == place
        label = f'<span class="check">[{", ".join(map(str, place))}]</span>'
        here = {at[-2:]: key for at, key in opens.items() if at[:-2] == place}
        table = _table(array[place], marked[-2:] if is_here and marked else None, here)
        slices.append(f"<div>{label}{table}</div>")
    return f'<div class="slices">{"".join(slices)}</div>'


def _is_whole(array: Array) -> bool:
    """Whether the numbers of an array are shown, not their range."""
    across = array.shape[-1] if array.ndim else 1
    return 0 < array.size <= _WHOLE and across <= _ACROSS


def _shape_of_whole(value: Value) -> str:
    """The shape; nothing where it stands beside the range already."""
    array = value.array
    is_told = hasattr(array, "ndim") and not _is_whole(array)
    return "" if is_told else shape_text(value.shape)


def _element(text: str, key: str | None) -> str:
    """A number; a button where a click on it opens something."""
    if key is None:
        return text
    return f'<button type="button" class="element" aria-controls="{key}">{text}</button>'


def _table(array: Array, marked: Index | None, opens: Mapping[Index, str]) -> str:
    """A matrix, with one element marked."""
    opening = '<td class="chosen">'
    rows = []
    for i, row in enumerate(array):
        cells = [
            f"{opening if (i, j) == marked else '<td>'}"
            f"{_element(number(float(value)), opens.get((i, j)))}</td>"
            for j, value in enumerate(row)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="array"><table>{"".join(rows)}</table></div>'
