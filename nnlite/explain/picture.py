"""The graph of a pass as a picture, with its values and gradients, drawn by matplotlib."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nnlite.explain.layout import Box, Drawing, Wire, arrange
from nnlite.explain.names import called
from nnlite.explain.numbers import counted, number
from nnlite.explain.page_graph import lines_of, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnlite.explain.explanation import Explanation

__all__ = ["picture_of"]

Array = Any
StrPath = str | os.PathLike[str]

_DOTS = 100.0  # pixels of the layout per inch
_LONGEST = 200.0  # inches; a wider picture is made smaller
_TEXT = 9.0  # points
_FEW = 3  # so many numbers are written out
_FORWARD, _BACK, _GREY = "#0072B2", "#B34700", "#8c8c8c"
_STYLE = {
    "font.size": _TEXT,
    "font.family": ["DejaVu Sans Mono", "monospace"],  # an SVG is shown in fonts of its reader
    "text.parse_math": False,
    "svg.hashsalt": "nnlite",
    "svg.fonttype": "none",
}


def picture_of(explanation: Explanation, path: StrPath | None = None) -> Figure:
    """Draw an explanation.

    Args:
        explanation: what is drawn; where it folds operations, so does the picture.
        path: where to save it too: a name that ends in .png or .svg.

    Raises:
        ValueError: another ending of the path.
        OSError: the file cannot be written.
    """
    import io

    import matplotlib
    from matplotlib.figure import Figure

    ending = None if path is None else os.path.splitext(os.fspath(path))[1].lower()
    if ending not in (None, ".png", ".svg"):
        raise ValueError(
            f"explanation.plot: path is {path!r}: give it the ending .png or .svg, which says what "
            "to write"
        )
    drawing = arrange(explanation, _texts, letter=7.7, line=15.0, gap=(64.0, 22.0))
    scale = min(1.0, _LONGEST * _DOTS / drawing.width) / _DOTS
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]
        figure = Figure(figsize=(drawing.width * scale, (drawing.height + 44) * scale))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        _paint(axes, drawing, explanation, scale * _DOTS)
        if path is not None and ending is not None:
            from nnlite.io.atomic import atomic_write

            data = io.BytesIO()
            metadata = {"Date": None} if ending == ".svg" else None
            figure.savefig(data, format=ending[1:], dpi=150, metadata=metadata)
            with atomic_write(path) as file:
                file.write(data.getvalue())
    return figure


def _texts(box: Box) -> list[str]:
    """The lines in a box: what it is, its value, and its gradient."""
    lines = lines_of(box)
    value = box.value
    if box.kind == "step":
        step = box.steps[0]
        lines[0] = f"{step.number}. {shortened(called(step.name))}"
    if value.array is not None and hasattr(value.array, "ndim") and value.array.size:
        lines.append(f"{value.symbol} = {_in_short(value.array)}")
    if value.gradient is not None and value.gradient.size:
        lines.append(f"∂L/∂{value.symbol} = {_in_short(value.gradient)}")
    return lines


def _in_short(array: Array) -> str:
    """An array in a few letters: its numbers, or its range."""
    if array.ndim == 0:
        return _short(array)
    if array.size <= _FEW:
        return f"[{', '.join(_short(value) for value in array.ravel())}]"
    least, most = _short(array.min()), _short(array.max())
    return f"{least} … {most}" if least != most else f"all {least}"


def _short(value: Any) -> str:
    return number(float(f"{float(value):.3g}"))


def _paint(axes: Axes, drawing: Drawing, explanation: Explanation, zoom: float) -> None:
    head = 44.0
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, -head)  # downwards, as the layout counts
    axes.set_axis_off()
    count = len(explanation.steps)
    title = f"The backward pass of {explanation.loss.symbol}: {counted(count, 'operation')}"
    axes.text(
        16, 12 - head, title,
        fontsize=(_TEXT + 1.5) * zoom, fontweight="bold", va="top",
    )  # fmt: skip
    axes.text(16, 30 - head, "→ forward", color=_FORWARD, fontsize=_TEXT * zoom, va="top")
    axes.text(110, 30 - head, "← gradients back, numbered in the order of backward",
              color=_BACK, fontsize=_TEXT * zoom, va="top")  # fmt: skip
    for wire in drawing.wires:
        _draw_wire(axes, wire, zoom)
    for box in drawing.boxes:
        _draw_box(axes, box, zoom)


def _draw_box(axes: Axes, box: Box, zoom: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    rounding = 3 if box.steps else 11
    axes.add_patch(
        FancyBboxPatch(
            (box.x + rounding, box.y + rounding),
            box.width - 2 * rounding,
            box.height - 2 * rounding,
            boxstyle=f"round,pad={rounding}",
            facecolor="#f6f7f9",
            edgecolor=_GREY if box.kind == "data" else _FORWARD,
            linestyle="--" if box.kind == "leaf" else "-",
            linewidth=(2.4 if box.kind == "fold" else 1.2) * zoom,
            zorder=2,
        )
    )
    for place, line in enumerate(box.lines):
        is_gradient = line.startswith("∂")
        axes.text(
            box.x + 8,
            box.y + 6 + 15.0 * (place + 0.5),
            line,
            color=_BACK if is_gradient else "#1b1f24",
            fontsize=_TEXT * zoom,
            fontweight="bold" if place == 0 else "normal",
            va="center",
            zorder=3,
        )


def _draw_wire(axes: Axes, wire: Wire, zoom: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    ways = [(wire.points, _FORWARD)]
    if wire.has_gradient:
        ways.append(([(x, y + 8) for x, y in reversed(wire.points)], _BACK))
    for points, colour in ways:
        corners, codes = [points[0]], [Path.MOVETO]
        for (x, y), (next_x, next_y) in pairwise(points):
            bend = (next_x - x) * 0.45
            corners += [(x + bend, y), (next_x - bend, next_y), (next_x, next_y)]
            codes += [Path.CURVE4] * 3
        axes.add_patch(
            FancyArrowPatch(
                path=Path(corners, codes),
                arrowstyle="-|>,head_length=5,head_width=2.5",
                color=colour,
                linewidth=1.1 * zoom,
                shrinkA=0,
                shrinkB=0,
                zorder=1,
            )
        )
