"""The page of an explanation: one HTML file that holds all it needs and loads nothing.

Equations are MathML, the graph is SVG. Whatever comes from the model or from source code is
escaped; the page's own policy lets no other script run and nothing be loaded.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from nnlite.explain.layout import Box, Drawing, arrange
from nnlite.explain.numbers import counted
from nnlite.explain.page_graph import lines_of, svg_of
from nnlite.explain.page_parts import (
    Questions,
    fold_item,
    leaf_item,
    start_item,
    step_item,
    unreached_item,
)
from nnlite.explain.page_ways import Ways
from nnlite.explain.text import signs_of

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation
    from nnlite.explain.quiz import Quiz
    from nnlite.explain.step import Step

__all__ = ["page_of", "shown_in_notebook"]

_WORKED = 300  # so many operations are worked out where many are folded
_FOUND = {
    "right": "right",
    "wrong": "wrong",
    "kink": "at a kink (no derivative exists there: a convention)",
    "words": "in words",
    "unverified": "not decided",
}
_LISTED = 120  # of one fold at most so many
_LEAVES = 300  # so many leaves have a section


def page_of(explanation: Explanation, quiz: Quiz | None = None) -> str:
    """The page as text.

    Args:
        explanation: what is shown.
        quiz: questions to leave blanks for.
    """
    drawing = arrange(explanation, lines_of)
    questions: Questions = {}
    for question in quiz.questions if quiz else []:
        questions.setdefault(id(question.rule), []).append(question)
    worked = _worked(drawing)
    keys, items = _items(explanation, drawing, questions, worked)
    places = {key: place for place, key in enumerate(keys)}
    style, script = _own("page.css"), _own("page_answer.js") + _own("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    title = f"The backward pass of {explanation.loss.symbol}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            *_header(explanation, title, worked),
            "<main>",
            f'<div id="graph">{svg_of(drawing, places)}</div>',
            _CONTROLS.format(quiz="" if quiz is None else _SCORE),
            *items,
            "</main>",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def shown_in_notebook(page: str) -> str:
    """A page within a notebook: in a frame of its own, so that neither disturbs the other."""
    return (
        f'<iframe srcdoc="{escape(page)}" title="The backward pass" '
        'style="width:100%;height:720px;border:0" loading="lazy"></iframe>'
    )


_CONTROLS = """<div id="controls" role="group" aria-label="Walk through the backward pass">
<p id="now" role="status"></p>
<button type="button" id="first" aria-label="To the start">«</button>
<button type="button" id="previous"
 aria-label="Back by a step">◀︎ <span class="word">Back</span></button>
<input type="range" id="slider" min="0" max="0" value="0" aria-label="Step of the backward pass">
<button type="button" id="next"
 aria-label="Next step"><span class="word">Next step</span> ▶︎</button>
<button type="button" id="last" aria-label="To the end">»</button>
{quiz}</div>"""
_SCORE = """<p id="score" role="status"></p>
<button type="button" id="blank">Next blank □</button>
"""


def _own(name: str) -> str:
    """A file that lies beside this one."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _computed(drawing: Drawing) -> list[Box]:
    """The boxes of operations, in the order of backward."""
    computed = [box for box in drawing.boxes if box.steps]
    return sorted(computed, key=lambda box: box.steps[0].number)


def _worked(drawing: Drawing) -> list[Step]:
    """The operations that are worked out: all that are not folded, of a fold the first ones."""
    computed = _computed(drawing)
    shares: dict[str, int] = {}
    left = _WORKED
    for rank, box in enumerate(sorted(computed, key=lambda box: len(box.steps))):
        share = max(1, left // (len(computed) - rank))  # what small folds leave is for others
        shares[box.key] = min(share, len(box.steps), _LISTED)
        left -= shares[box.key]
    return [step for box in computed for step in box.steps[: shares[box.key]]]


def _items(
    explanation: Explanation, drawing: Drawing, questions: Questions, worked: list[Step]
) -> tuple[list[str], list[str]]:
    """The sections in the order in which one goes through them, and their keys."""
    count = len(explanation.steps)
    leaves = explanation.leaves[:_LEAVES]
    keys, items = ["start"], [start_item(explanation, signs_of(worked, leaves))]
    numbers = {step.number for step in worked}
    for box in _computed(drawing):
        keys.append(box.key)
        if box.kind == "fold":
            items.append(fold_item(box, count, questions, numbers))
        else:
            items.append(step_item(box.steps[0], count, questions))
    ways = Ways(explanation)
    for number, leaf in enumerate(leaves, 1):
        keys.append(f"leaf-{number}")
        items.append(leaf_item(leaf, keys[-1], ways.of(leaf)))
    if explanation.unreached:
        keys.append("unreached")
        items.append(unreached_item(explanation))
    return keys, items


def _header(explanation: Explanation, title: str, worked: list[Step]) -> list[str]:
    found: Counter[str] = Counter()
    for step in worked:
        found.update(rule.check.status for rule in step.rules)
    verdict = ", ".join(f"{n} {_FOUND[status]}" for status, n in found.most_common())
    count = len(explanation.steps)
    if len(worked) < count:
        verdict += f", of the {len(worked)} operations that are worked out here"
    return [
        f"<header><h1>{escape(title)}</h1>",
        f"<p>{counted(count, 'operation')} from the last to the first. "
        f"Rules checked against the engine and against finite differences: {verdict or 'none'}."
        "</p>",
        "<p>Choose an operation in the graph, or go through them with the buttons, the slider or "
        'the keys ← and →. <span class="keys">In the graph ↑ and ↓ go from box to box, Enter '
        "opens one, and Escape leads back there.</span> Blue: forward. Orange: gradients back.</p>",
        "</header>",
    ]
