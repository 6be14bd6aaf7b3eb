"""An explanation as Markdown with LaTeX, and its graph as DOT for those who have Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlite.autograd.equation import to_latex
from nnlite.explain.fold import Fold
from nnlite.explain.numbers import SMALL, index_text, number, shape_text, terms_text
from nnlite.explain.text import LEAVES, accumulation, check_text

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation
    from nnlite.explain.model import Rule
    from nnlite.explain.step import Step

__all__ = ["dot_of", "markdown_of"]


def markdown_of(explanation: Explanation) -> str:
    """The explanation as Markdown; formulas are LaTeX between dollar signs."""
    lines = [f"# The backward pass of {explanation.loss.symbol}", ""]
    lines += ["| symbol | what | shape | dtype |", "|---|---|---|---|"]
    for value in explanation.values:
        if value.kind != "output":
            what = value.name or ("data" if value.kind == "constant" else "a leaf")
            shape = shape_text(value.shape)
            lines.append(f"| {value.symbol} | `{what}` | {shape} | {value.dtype} |")
    for part in explanation.parts:
        if isinstance(part, Fold):
            lines += ["", f"*{part.text}*"]
        else:
            lines += ["", *_step(part)]
    for leaf in explanation.leaves[:LEAVES]:
        lines += ["", f"## Leaf {leaf.value.label}", "", accumulation(leaf)]
        if leaf.why:
            lines += ["", f"Why? {leaf.why}"]
        if leaf.update is not None:
            lines += ["", f"`{leaf.update.optimizer}.step()`:", ""]
            lines += [
                f"- `{line.formula}` = {line.numbers} = {number(line.value)}"
                for line in leaf.update.lines
            ]
    if len(explanation.leaves) > LEAVES:
        lines += ["", f"and {len(explanation.leaves) - LEAVES} other leaves"]
    unreached = explanation.unreached[:LEAVES]
    if unreached:
        lines += ["", "## Parameters without a gradient", ""]
    lines += [f"- `{name}`: {reason}" for name, reason in unreached]
    return "\n".join(lines) + "\n"


def _step(step: Step) -> list[str]:
    module = f" · {step.module}" if step.module else ""
    lines = [f"## Step {step.number}: {step.name}{module}", ""]
    if step.place is not None:
        lines += [f"`{step.place.text}` ({step.place.file}:{step.place.line})", ""]
    for line in step.forwards:
        lines += [f"{line.mark} $${to_latex(line.text)}$$"]
        lines += [f"- in words: {line.words}"] * bool(line.words)
        lines += [f"- where ${to_latex(equation)}$" for equation in line.where]
        lines += [f"- {symbol} is {about}" for symbol, about, _ in line.data]
        lines += [f"- {line.mark} {line.note}"] * bool(line.note)
    for rule in step.rules:
        lines += ["", *_rule(rule)]
    return lines


def _rule(rule: Rule) -> list[str]:
    lines = [f"$${rule.latex}$$", ""]
    lines += [f"- where ${to_latex(line)}$" for line in rule.where]
    lines += [f"- {symbol} is {about}: `{array.tolist()}`" if array.size <= SMALL
              else f"- {symbol} is {about}, {shape_text(array.shape)}"
              for symbol, about, array in rule.data]  # fmt: skip
    lines += [f"- because {reason}" for reason in rule.reasons]
    if rule.gradient.size:
        name = f"{rule.left}{index_text(rule.index)}"
        if rule.numbers:
            lines.append(f"- {name} = {rule.numbers} = {number(rule.total)}")
        lines.append(f"- {name} = {terms_text(rule)} = {number(rule.total)}")
    lines.append(f"- {check_text(rule)}")
    return lines


def dot_of(explanation: Explanation) -> str:
    """The graph for Graphviz: values forward from left to right, gradients back, dashed."""
    lines = ["digraph explanation {", "  rankdir=LR;", "  node [shape=box];"]
    names: dict[int, str] = {}
    for leaf in explanation.leaves:
        names[id(leaf.value)] = f"v{len(names)}"
        label = _quoted(f"{leaf.value.label}\n{shape_text(leaf.value.shape)}")
        lines.append(f"  {names[id(leaf.value)]} [label={label}, shape=ellipse];")
    for part in reversed(explanation.parts):
        steps = part.steps if isinstance(part, Fold) else [part]
        node = f"p{steps[0].number}"
        title = part.title if isinstance(part, Fold) else f"{part.number} {part.name}"
        lines.append(f"  {node} [label={_quoted(title)}];")
        for step in reversed(steps):
            for given in step.inputs:
                source = names.get(id(given.value)) if given.wanted else None
                if source is not None and source != node:
                    label = _quoted(given.value.symbol)
                    lines.append(f"  {source} -> {node} [label={label}];")
                    back = _quoted(f"∂L/∂{given.value.symbol}")
                    lines.append(f"  {node} -> {source} [label={back}, style=dashed];")
            for output in step.outputs.values():
                names[id(output)] = node
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
