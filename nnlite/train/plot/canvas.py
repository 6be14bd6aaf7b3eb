"""What all figures share: style, size, axes, saving. The only file that imports matplotlib.

No pyplot, so there is no global state and no display is needed; the figure that comes back shows
itself in a notebook.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    StrPath = str | os.PathLike[str]

# M. Okabe and K. Ito, Color universal design, 2008, without yellow, which is too faint on white.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK = "#E69F00", "#56B4E9", "#000000"
COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
GREY = "#595959"
MARKERS = ("o", "s", "^", "D", "v")  # of curves beyond seven, whose colours come again

FEW = len(COLORS)  # so many curves have colours of their own

WIDTH = 8.0  # inches; 800 pixels at 100 dots per inch
TEXT = 9.5  # points
DECADES = 100.0  # values that span more than this ratio are drawn on a log scale
_DOTS = 150  # per inch in a PNG file

_STYLE = {
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8c8c8c",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": GREY,
    "grid.color": "#e6e6e6",
    "xtick.color": "#8c8c8c",
    "ytick.color": "#8c8c8c",
    "xtick.labelcolor": GREY,
    "ytick.labelcolor": GREY,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "legend.fontsize": TEXT,
    "text.parse_math": False,
    "svg.hashsalt": "nnlite",
}


def render(paint: Callable[[], Figure], path: StrPath | None = None) -> Figure:
    """Let ``paint`` draw a figure in nnlite's style, whatever the user's own settings, and save it.

    Args:
        paint: makes the figure (with `new_figure`).
        path: where to save it too: a name that ends in .png or .svg. An old file is replaced in
            one step.

    Raises:
        ValueError: another ending of the path.
        OSError: the file cannot be written.
    """
    import matplotlib

    ending = ending_of(path)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]
        figure = paint()
        if path is not None:
            from nnlite.io.atomic import write_bytes

            write_bytes(path, _image(figure, ending))
    # Notebooks know figures of pyplot; this shows any other one.
    figure._repr_png_ = partial(_image, figure, "png")  # type: ignore[attr-defined]
    return figure


def ending_of(path: StrPath | None) -> str:
    """The kind of file that a path names, "png" or "svg"; empty without a path.

    Raises:
        ValueError: another ending.
    """
    if path is None:
        return ""
    ending = os.path.splitext(os.fsdecode(path))[1].lower()
    if ending not in (".png", ".svg"):
        raise ValueError(f"plot: the file name must end in .png or .svg, not {os.fsdecode(path)!r}")
    return ending[1:]


def _image(figure: Figure, ending: str) -> bytes:
    """The figure as a file, without date and version, so that equal figures are equal bytes."""
    buffer = io.BytesIO()
    metadata = {"Software": None} if ending == "png" else {"Date": None, "Creator": None}
    figure.savefig(buffer, format=ending, dpi=_DOTS, metadata=metadata)
    return buffer.getvalue()


def new_figure(height: float, *, width: float = WIDTH) -> Figure:
    """An empty figure, its size in inches, whose parts make room for each other."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
    return Figure(figsize=(width, height), layout=layout)


def settle(figure: Figure) -> None:
    """Fix the places of all parts: those of square axes would move a little at each drawing."""
    figure.draw_without_rendering()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def headline(figure: Figure, title: str | None) -> None:
    """Put a line above the figure."""
    if title is not None:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")


def note(axes: Axes, text: str) -> None:
    """Put what the reader of a panel must know at the right end of its title line."""
    axes.set_title(text, loc="right", fontsize=TEXT, fontweight="normal", color=GREY)


def empty(axes: Axes, text: str) -> None:
    """Say in the middle of a panel why there is nothing in it."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color=GREY)


def whole_numbers(axis: Axis) -> None:
    """Tick an axis at whole numbers alone, ten at most."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def scale_values(axes: Axes, values: Sequence[float]) -> bool:
    """Give the vertical axis a log scale where positive values span more than two decades.

    Returns:
        Whether it has one now.
    """
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > DECADES
    if logarithmic:
        log_axis(axes, "y", low, high)
    axes.yaxis.set_major_formatter(tick)
    return logarithmic


def log_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """Put the axis "x" or "y" on a log scale whose ticks are labelled 0.01, 0.03, 0.1 …"""
    from matplotlib.ticker import LogLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high / low < 1e4 else (1.0,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(tick)


def tick(value: float, _: float) -> str:
    """The label of a tick."""
    return f"{value:g}"


def fractions(axes: Axes, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where points lie in the axes: (0, 0) is the lower left corner, (1, 1) the upper right."""
    axes.get_xlim(), axes.get_ylim()  # brings limits that wait for their computation up to date
    to_fractions = axes.transData + axes.transAxes.inverted()
    return [(float(x), float(y)) for x, y in to_fractions.transform(points)]


def ink(color: str) -> str:
    """A darker shade, since text needs more contrast than a line."""
    channels = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{int(channel * 0.75):02x}" for channel in channels)


def looks(count: int) -> list[dict[str, Any]]:
    """Colours of so many curves, told apart by colour-blind readers; for many a scale of colours.

    >>> looks(2)
    [{'color': '#0072B2'}, {'color': '#D55E00'}]
    """
    if count <= FEW:
        return [{"color": color} for color in COLORS[:count]]
    from matplotlib import colormaps

    shades = colormaps["viridis"]
    return [{"color": shades(0.86 * place / (count - 1))} for place in range(count)]


def shades(times: Sequence[int]) -> dict[int, Any]:
    """A colour for each time: light for the first, dark for the last."""
    from matplotlib import colormaps

    scale = colormaps["viridis_r"]
    last = max(len(times) - 1, 1)
    return {time: scale(0.12 + 0.88 * place / last) for place, time in enumerate(times)}


def line_handle(label: str, **look: Any) -> Any:
    """A line as an entry of a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **look)


def label_ends(axes: Axes, ends: Sequence[tuple[str, float, str]], points: float) -> None:
    """Name curves at the right end of the axes, one below the other where names would overlap.

    Args:
        axes: the panel.
        ends: label, last value and colour of each curve.
        points: how high the panel is, in points.
    """
    placed = sorted(
        ((fractions(axes, [(0.0, value)])[0][1], label, color) for label, value, color in ends),
        key=lambda end: end[0],
    )
    heights = spread([height for height, _, _ in placed], 1.35 * TEXT / points)
    for height, (_, label, color) in zip(heights, placed, strict=True):
        axes.annotate(
            label,
            (1.0, height),
            xytext=(7, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            va="center",
            fontsize=TEXT,
            color=ink(color),
            annotation_clip=False,
        )


def spread(heights: list[float], gap: float) -> list[float]:
    """Move sorted heights apart until neighbours are a gap away, none of them above the axes."""
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _center(groups[-1]) - _center(groups[-2]) < gap * 0.5 * (
            len(groups[-1]) + len(groups[-2])
        ):
            last = groups.pop()
            groups[-1] += last
    apart = [
        _center(group) + gap * (place - 0.5 * (len(group) - 1))
        for group in groups
        for place in range(len(group))
    ]
    return [min(h, 0.98 - gap * below) for below, h in enumerate(reversed(apart))][::-1]


def _center(group: list[float]) -> float:
    return sum(group) / len(group)


def put_text(
    axes: Axes,
    text: str,
    x: float,
    points: Sequence[tuple[float, float]],
    heights: Sequence[float] = (0.95, 0.8, 0.65, 0.5, 0.35, 0.2, 0.08),
) -> None:
    """Write beside the vertical line at ``x``, where the text hides the least of the curves.

    Args:
        axes: the panel.
        text: what to write.
        x: where the line is, in data.
        points: of the curves, in data.
        heights: those to choose from, as fractions of the axes.
    """
    width = 0.0115 * len(text) * WIDTH / axes.figure.get_figwidth()  # type: ignore[union-attr]
    middle = sum(axes.get_ylim()) / 2 if axes.get_yscale() == "linear" else axes.get_ylim()[0]
    finite = [point for point in points if all(map(math.isfinite, point))]
    (line, _), *drawn = fractions(axes, [(x, middle), *finite])
    candidates: list[tuple[float, int, int, str, float]] = []
    for height in heights:
        for side, left in (("left", line), ("right", line - width)):
            outside = max(0.0, -left, left + width - 1.0)
            hidden = sum(
                left - 0.02 < x < left + width + 0.02 and abs(y - height) < 0.09 for x, y in drawn
            )
            candidates.append((outside, hidden, len(candidates), side, height))
    *_, side, height = min(candidates)
    axes.annotate(
        text,
        (line, height),
        xytext=(8 if side == "left" else -8, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        ha=side,
        va="center",
        fontsize=TEXT,
        color=GREY,
    )
