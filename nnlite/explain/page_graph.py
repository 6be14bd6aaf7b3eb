"""The graph of a page as SVG: forward from left to right, gradients back."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from nnlite.explain.layout import Box, Drawing, Point, Wire
from nnlite.explain.names import called
from nnlite.explain.numbers import shape_text

__all__ = ["lines_of", "svg_of"]

_LINE = 17.0  # pixels
_LETTERS = 32  # of a line in a box
_BEND = 0.45
_BESIDE = 7.0  # a gradient's wire runs so far below that of its value


def lines_of(box: Box) -> list[str]:
    """The text in a box: what it is, and what comes out of it."""
    value = box.value
    if box.kind == "fold":
        return [shortened(box.title), f"{len(box.steps)} operations"]
    if value.dtype is None:
        return [value.symbol, "not kept"]
    result = f"{value.symbol} {shape_text(value.shape) if value.shape else ''}".strip()
    if box.kind == "step":
        return [shortened(called(box.steps[0].name)), shortened(result)]
    name = value.name if value.name != value.symbol else ""
    return [shortened(result), shortened(name)] if name else [shortened(result)]


def shortened(text: str, letters: int = _LETTERS) -> str:
    """A text that fits into a box; of a longer one the end, which tells more than its start.

    >>> shortened("encoder.layers.1.self_attn (MultiheadAttention)")
    '…self_attn (MultiheadAttention)'
    """
    if len(text) <= letters:
        return text
    end = text[1 - letters :]
    whole = end.partition(".")[2]  # names are not cut within
    return f"…{whole or end}"


def svg_of(drawing: Drawing, places: Mapping[str, int]) -> str:
    """The drawing as an SVG element.

    Args:
        drawing: what is drawn.
        places: for the key of each box its place in the order in which the page shows them.
    """
    width, height = f"{drawing.width:.0f}", f"{drawing.height:.0f}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="group" aria-label="The graph: forward from left to right, '
        'gradients back">',
        "<defs>" + _head("forward") + _head("back") + "</defs>",
    ]
    for wire in drawing.wires:
        parts += _wire(wire)
    parts += [_box(box, _reached(box, drawing, places)) for box in drawing.boxes]
    return "\n".join([*parts, "</svg>"])


def _head(kind: str) -> str:
    return (
        f'<marker id="to-{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
        f'<path class="head-{kind}" d="M0 0L10 5L0 10z"></path></marker>'
    )


def _wire(wire: Wire) -> list[str]:
    keys = f'data-source="{wire.source.key}" data-target="{wire.target.key}"'
    lines = [
        f'<path class="wire" {keys} d="{path_of(wire.points)}" marker-end="url(#to-forward)">'
        f"<title>{escape(wire.value.symbol)}</title></path>"
    ]
    if wire.has_gradient:
        beside = [(x, y + _BESIDE) for x, y in reversed(wire.points)]
        lines.append(
            f'<path class="wire back" {keys} d="{path_of(beside)}" marker-end="url(#to-back)">'
            f"<title>∂L/∂{escape(wire.value.symbol)}</title></path>"
        )
    return lines


def path_of(points: list[Point]) -> str:
    """A smooth line through points, level at each of them, in SVG's path language."""
    (x, y), *others = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for next_x, next_y in others:
        bend = (next_x - x) * _BEND
        if next_y == y:
            parts.append(f"H{next_x:.1f}")
        else:
            first, second = f"{x + bend:.1f} {y:.1f}", f"{next_x - bend:.1f} {next_y:.1f}"
            parts.append(f"C{first} {second} {next_x:.1f} {next_y:.1f}")
        x, y = next_x, next_y
    return "".join(parts)


def _reached(box: Box, drawing: Drawing, places: Mapping[str, int]) -> int:
    """The place after which the gradient of a box is there; a leaf waits for all its users."""
    if box.steps:
        return places[box.key]
    users = [places[wire.target.key] for wire in drawing.wires if wire.source is box]
    return max(users, default=0)


def _box(box: Box, reached: int) -> str:
    corner = {"leaf": 16, "data": 16}.get(box.kind, 4)
    text = "".join(
        f'<text x="{box.x + 8:.1f}" y="{box.y + 19 + _LINE * i:.1f}">{escape(line)}</text>'
        for i, line in enumerate(box.lines)
    )
    return (
        f'<g class="box {box.kind}" role="button" tabindex="0" data-key="{box.key}" '
        f'data-reached="{reached}" aria-label="{escape(_spoken(box))}">'
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'rx="{corner}"></rect>{text}<title>{escape(_spoken(box))}</title></g>'
    )


def _spoken(box: Box) -> str:
    value = box.value
    if box.kind == "fold":
        return f"{box.title}, {len(box.steps)} operations"
    shape = f"of shape {shape_text(value.shape)}" if value.shape else "a number"
    if box.kind == "step":
        step = box.steps[0]
        return ", ".join(
            filter(
                None, [f"Step {step.number}: {step.title}", step.module, f"{value.symbol} {shape}"]
            )
        )
    if value.dtype is None:
        return f"Data {value.symbol}, which nothing has kept"
    what = "Data" if box.kind == "data" else "Leaf"
    return f"{what} {value.label}, {shape}"
