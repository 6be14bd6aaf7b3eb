"""The ways from an element of a leaf to the loss, on the page: opened by a click on the element."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from nnlite.explain.model import Index
from nnlite.explain.numbers import index_text, number
from nnlite.explain.page_mark import marked
from nnlite.explain.path import Paths

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation
    from nnlite.explain.leaf import Leaf

__all__ = ["Ways", "way_key", "ways_section"]

_ELEMENTS = 24  # of a leaf, the largest gradients first
_BUDGET = 2000  # operations that are differentiated for all of them


class Ways:
    """Follows elements of leaves, as many as are worth the time.

    Args:
        explanation: the pass.
    """

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        # One element costs about as many differentiations as the pass has operations.
        most = _BUDGET // max(len(explanation.steps), 1)
        self.each = min(_ELEMENTS, most // max(len(explanation.leaves), 1))

    def of(self, leaf: Leaf) -> dict[Index, Paths]:
        """The ways of some elements of a leaf, in the order of their indices."""
        gradient = leaf.value.gradient
        if not self.each or not gradient.size or not np.isfinite(gradient).all():
            return {}
        largest = np.argsort(-np.abs(gradient).reshape(-1), kind="stable")[: self.each]
        found = {}
        for place in sorted(largest.tolist()):
            index = tuple(int(i) for i in np.unravel_index(place, gradient.shape))
            found[index] = self.explanation.to(leaf.value.symbol, index)
        return found


def way_key(key: str, index: Index) -> str:
    """The id of what belongs to an element: ``leaf-1-at-0-2``."""
    return "-".join([key, "at", *map(str, index)])


def ways_section(ways: dict[Index, Paths], key: str) -> list[str]:
    """For each element its ways, to be opened."""
    if not ways:
        return []
    lines = ["<h3>From an element to the loss</h3>"]
    lines.append("<p>A click on an underlined number of the gradient opens its ways.</p>")
    for index, paths in ways.items():
        name = f"{paths.value.symbol}{index_text(index)}"
        count = len(paths.products) or len(paths.paths)
        told = "the largest ways" if paths.rest else f"{count} way{'s' * (count != 1)}"
        title = f"∂L/∂{name} = {number(paths.gradient)}: {told}"
        lines.append(
            f'<details class="ways" id="{way_key(key, index)}"><summary>{escape(title)}</summary>'
        )
        lines += [f'<p class="numbers">{marked(line)}</p>' for line in paths.lines[1:]]
        lines.append("</details>")
    return lines
