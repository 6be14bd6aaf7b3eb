"""An explanation as Markdown with LaTeX, and its graph as DOT for those who have Graphviz."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnlite.autograd.equation import to_latex
from nnlite.explain.check import adds_up
from nnlite.explain.fold import Fold
from nnlite.explain.layout import Box, connected
from nnlite.explain.model import Addend, Rule, Update, Value
from nnlite.explain.names import called
from nnlite.explain.numbers import (
    SMALL,
    TERMS,
    counted,
    index_text,
    number,
    number_texts,
    shape_text,
    summary,
)
from nnlite.explain.text import LEAVES, UNKEPT, accumulation, check_text, signs_of, silent_texts

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation, Leaf
    from nnlite.explain.step import Step

__all__ = ["dot_of", "markdown_of"]

Array = Any

_ACROSS = 8  # columns of a matrix
# What LaTeX has a command for; other names are set upright (not every viewer has \operatorname).
_COMMANDS = (
    "arccos", "arcsin", "arctan", "cos", "cosh", "ln", "log", "max", "min", "sin", "sinh", "tan",
    "tanh",
)  # fmt: skip


def markdown_of(explanation: Explanation) -> str:
    """The explanation as Markdown; formulas are LaTeX between dollar signs."""
    count = len(explanation.steps)
    lines = [f"# The backward pass of {explanation.loss.symbol}", ""]
    lines += [f"{counted(count, 'operation')} from the last to the first.", ""]
    lines += ["| symbol | what | shape | dtype |", "|---|---|---|---|"]
    given = [value for value in explanation.values if value.kind != "output"]
    for value in given[:LEAVES]:
        cells = [value.symbol, _code(value.what), shape_text(value.shape), str(value.dtype)]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    if len(given) > LEAVES:
        lines += ["", f"and {len(given) - LEAVES} others"]
    for value in given[:LEAVES]:
        lines += _value(value.symbol, value.array)
    for value in explanation.unkept[:LEAVES]:
        lines += ["", f"{value.symbol} is {UNKEPT}"]
    steps = [part for part in explanation.parts if not isinstance(part, Fold)]
    lines += ["", "Signs:", ""]
    lines += [f"- {_plain(sign)}" for sign in signs_of(steps, explanation.leaves[:LEAVES])]
    for part in explanation.parts:
        lines += ["", _plain(part.text)] if isinstance(part, Fold) else ["", *_step(part)]
    for leaf in explanation.leaves[:LEAVES]:
        lines += ["", *_leaf(leaf)]
    if len(explanation.leaves) > LEAVES:
        lines += ["", f"and {len(explanation.leaves) - LEAVES} other leaves"]
    unreached = explanation.unreached
    if unreached:
        lines += ["", "## Parameters without a gradient", ""]
    lines += [f"- {_code(name)}: {_plain(reason)}" for name, reason in unreached[:LEAVES]]
    if len(unreached) > LEAVES:
        lines.append(f"- and {len(unreached) - LEAVES} others")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _step(step: Step) -> list[str]:
    module = f" · {_plain(step.module)}" if step.module else ""
    lines = [f"## Step {step.number}: {step.title}{module}"]
    if step.place is not None and step.place.text:
        file = step.place.file.replace("\\", "/").rpartition("/")[2]
        lines += ["", f"{_code(step.place.text)} ({_code(f'{file}:{step.place.line}')})"]
    for line in step.forwards:
        lines += ["", f"{line.mark} forward", "", f"$${_latex(line.text)}$$", ""]
        lines += [f"- in words: {_plain(line.words)} (not checked)"] * bool(line.words)
        lines += _where(line.where, line.data)
        lines += [f"- {line.mark} {_plain(line.note)}"] * bool(line.note)
    lines += _given(step.constants)
    for which, value in step.outputs.items():
        lines += _value(value.symbol, value.array)
        lines += _fan_out(value, step.all_addends[which])
        lines += _value(f"∂L/∂{value.symbol}", value.gradient)
    for rule in step.rules:
        lines += ["", *_rule(rule)]
    for mark, told in silent_texts(step):
        lines += ["", f"{mark} {_plain(told)}"]
    if step.hooked:
        lines += ["", "A hook that may change this gradient was not called."]
    return lines


def _rule(rule: Rule) -> list[str]:
    lines = [f"{rule.check.mark} backward", "", f"$${_latex(rule.text)}$$", ""]
    lines += _where(rule.where, rule.data)
    lines += [f"- because {_plain(reason)}" for reason in rule.reasons]
    name = f"{rule.left}{index_text(rule.index)}{rule.via and ' ' + rule.via}"
    lines += [
        f"- {_code(f'{name} = {numbers} = {number(rule.total)}')}" for numbers in number_texts(rule)
    ]
    lines.append(f"- {_plain(check_text(rule))}")
    return lines + _value(f"{rule.left}{rule.via and ' ' + rule.via}", rule.gradient)


def _where(equations: Sequence[str], data: Sequence[tuple[str, str, Array]]) -> list[str]:
    lines = [f"- where ${_latex(equation)}$" for equation in equations]
    for symbol, about, array in data:
        numbers = _code(str(array.tolist())) if array.size <= SMALL else summary(array)
        lines.append(f"- {symbol} is {_plain(about)}: {numbers}, {shape_text(array.shape)}")
    return lines


def _leaf(leaf: Leaf) -> list[str]:
    value = leaf.value
    lines = [f"## Leaf {_plain(value.label)}", *_fan_out(value, leaf.addends)]
    lines += [*_value(f"∂L/∂{value.symbol}", value.gradient), "", _plain(accumulation(leaf))]
    if leaf.why:
        lines += ["", f"Why? {_plain(leaf.why)}"]
    if leaf.hooked:
        lines += ["", "A hook that may change this gradient was not called."]
    if leaf.update is not None:
        lines += _update(leaf.update, value, "" if leaf.has_run else " after backward()")
    return lines


def _update(update: Update, value: Value, when: str) -> list[str]:
    element = f"{value.symbol}{index_text(update.index)}"
    lines = ["", f"{_code(f'{update.optimizer}.step()')}{when} on {_code(f'w = {element}')}:"]
    lines += _given(update.options) or [""]
    for line in update.lines:
        texts = dict.fromkeys((line.formula, line.numbers, number(line.value)))
        lines.append(f"- {line.mark} {_code(' = '.join(texts))}")
    change = _code(f"{element}: {number(update.before)} → {number(update.after)}")
    off = f"at most {number(update.error)} off a step of the optimizer on a copy"
    lines.append(f"- {update.mark} {change}; {update.note or f'{off}, over all elements'}")
    return lines


def _fan_out(value: Value, addends: list[Addend]) -> list[str]:
    """Of what was used more than once: that its gradient is a sum, and of what."""
    if len(addends) < 2:
        return []
    mark = "✓" if adds_up(value.gradient, [addend.array for addend in addends]) else "✗"
    lines = ["", f"{mark} {value.symbol} is used {len(addends)} times: its gradient is a sum."]
    for addend in addends[:TERMS]:
        lines += _value(addend.symbol, addend.array)
    if len(addends) > TERMS:
        lines += ["", f"and {len(addends) - TERMS} others"]
    return lines


def _given(constants: dict[str, float]) -> list[str]:
    """What the letters of constants stand for."""
    texts = ", ".join(f"{letter} = {number(value)}" for letter, value in constants.items())
    return ["", f"with {_code(texts)}", ""] if texts else []


def _value(label: str, array: Array) -> list[str]:
    """An array: as a matrix where it is small, else its range and norm."""
    if array is None or not hasattr(array, "ndim"):
        return []
    if not 0 < array.size <= SMALL or array.ndim > 2:
        return ["", f"${_latex(label)}$: {shape_text(array.shape)}, {summary(array)}"]
    if array.ndim == 0:
        return ["", f"$${_latex(label)} = {_digits(array)}$$"]
    rows = array.reshape(-1, array.shape[-1])
    if array.shape[-1] > _ACROSS:
        lists = ", ".join(f"[{', '.join(number(float(v)) for v in row)}]" for row in rows)
        return ["", f"${_latex(label)}$ = {_code(lists)}"]
    inside = r" \cr ".join(" & ".join(map(_digits, row)) for row in rows)
    return ["", f"$${_latex(label)} = \\begin{{bmatrix}} {inside} \\end{{bmatrix}}$$"]


def _digits(value: Any) -> str:
    """A number in LaTeX: ``1.5 \\cdot 10^{-7}``."""
    text = number(float(value))
    if text.lstrip("-") in ("inf", "nan"):
        return text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    digits, _, power = text.partition("e")
    return rf"{digits} \cdot 10^{{{int(power)}}}" if power else digits


def _latex(text: str) -> str:
    """A formula in the LaTeX that viewers of Markdown know."""
    return re.sub(
        r"\\operatorname\{(\w+)\}",
        lambda name: (
            rf"\{name[1]} " if name[1] in _COMMANDS else rf"\mathrm{{{name[1]}}}\thinspace "
        ),
        to_latex(text),
    )


def _plain(text: str) -> str:
    """Text in which nothing is taken for markup."""
    return re.sub(r"([\\`*_<$|])", r"\\\1", text)


def _code(text: str) -> str:
    """Text as it is, between backticks, of which it may have some itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{'`' * (longest + 1)}{space}{text}{space}{'`' * (longest + 1)}"


def dot_of(explanation: Explanation) -> str:
    """The graph for Graphviz: values forward from left to right, gradients back, dashed."""
    boxes, wires = connected(explanation)
    lines = ["digraph explanation {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f"  {_quoted(box.key)} [label={_quoted(_label(box))}{_shape(box)}];" for box in boxes]
    for wire in wires:
        source, target = _quoted(wire.source.key), _quoted(wire.target.key)
        symbol = wire.value.symbol
        lines.append(f"  {source} -> {target} [label={_quoted(symbol)}];")
        if wire.has_gradient:
            back = _quoted(f"∂L/∂{symbol}")
            lines.append(f"  {target} -> {source} [label={back}, style=dashed, constraint=false];")
    return "\n".join([*lines, "}"]) + "\n"


def _label(box: Box) -> str:
    if box.kind == "fold":
        return f"{box.title}\n{len(box.steps)} operations"
    if box.kind == "step":
        return f"{box.steps[0].number} {called(box.steps[0].name)}"
    if box.value.dtype is None:
        return f"{box.value.symbol}\nnot kept"
    return f"{box.value.label}\n{shape_text(box.value.shape)}"


def _shape(box: Box) -> str:
    return {"leaf": ", shape=ellipse", "data": ", shape=ellipse, color=gray"}.get(box.kind, "")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
