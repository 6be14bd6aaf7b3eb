"""The plot of a training run: losses above, metrics below, the best epoch marked.

The only file that imports matplotlib, and only while drawing: its import takes half a second.
No pyplot, so there is no global state and no display is needed; the figure that comes back
shows itself in a notebook.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from nnlite.train.curves import (
    MARKERS,
    RUN_COLORS,
    Curve,
    Panel,
    Run,
    best_text,
    choose_metrics,
    diverged,
    is_number,
    make_panels,
    read_run,
)
from nnlite.train.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Mode = Literal["min", "max"]
    StrPath = str | os.PathLike[str]

__all__ = ["plot_history"]

_GREY = "#595959"
_WIDTH = 8.0  # inches; 800 pixels at 100 dots per inch
_DOTS = 150  # per inch in a PNG file
_TEXT = 9.5  # points
_DECADES = 100.0  # values that span more than this ratio are drawn on a log scale
_FEW = 30  # up to this many epochs each one has a marker
_VERY_FEW = 5  # the same for dashed curves
_LONG = 92  # characters in a line of the legend
_SHORT = 48  # the same where it has two columns

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
    "axes.labelcolor": _GREY,
    "grid.color": "#e6e6e6",
    "xtick.color": "#8c8c8c",
    "ytick.color": "#8c8c8c",
    "xtick.labelcolor": _GREY,
    "ytick.labelcolor": _GREY,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "legend.fontsize": _TEXT,
    "text.parse_math": False,
    "svg.hashsalt": "nnlite",
}


def plot_history(
    history: History | Mapping[str, History],
    path: StrPath | None = None,
    *,
    title: str | None = None,
    metrics: Sequence[str] | None = None,
    monitor: str | None = None,
    mode: Mode | None = None,
) -> Figure:
    """Draw losses and metrics over the epochs, of one run or of several for comparison.

    Training curves are dashed and validation curves solid. Losses that span more than two powers
    of ten get a log scale. The same histories give the same bytes.

    Args:
        history: one History, or a mapping from the name of a run to its History.
        path: where to save the figure too: a name that ends in .png or .svg. An old file is
            replaced in one step.
        title: a line above the figure.
        metrics: which metrics to show, by name ("accuracy"; any other column works too, such as
            "lr"). Default: every one that has a ``train_`` or ``valid_`` column.
        monitor, mode: the column that decides which epoch is the best, as in
            `History.best_epoch`. Default: the validation loss, else the training loss.

    Returns:
        A matplotlib ``Figure``, 8 inches wide. In a notebook it shows itself.

    Raises:
        ValueError: a history without epochs or without columns to draw, an unknown metric,
            another ending of the path.
        KeyError: no row has the column ``monitor``.
        OSError: the file cannot be written.

    >>> rows = [{"epoch": n, "train_loss": 1 / n, "valid_loss": 1.1 / n} for n in range(1, 9)]
    >>> [axes.get_title(loc="left") for axes in plot_history(History(rows)).axes]
    ['Loss']
    """
    ending = _ending(path)
    if isinstance(history, History):
        history = {"": history}
    elif len(history) == 1 and title is None:
        title = next(iter(history))
    elif not history:
        raise ValueError("plot: no history is given")
    runs = [read_run(name, its, monitor, mode) for name, its in history.items()]
    panels = make_panels(runs, choose_metrics(runs, metrics))
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]
        figure = _draw(runs, panels, title)
        if path is not None:
            from nnlite.io.atomic import write_bytes

            write_bytes(path, _image(figure, ending))
    # Notebooks know figures of pyplot; this shows any other one.
    figure._repr_png_ = partial(_image, figure, "png")  # type: ignore[attr-defined]
    return figure


def _ending(path: StrPath | None) -> str:
    if path is None:
        return ""
    ending = os.path.splitext(os.fsdecode(path))[1].lower()
    if ending not in (".png", ".svg"):
        raise ValueError(f"plot: the file name must end in .png or .svg, not {os.fsdecode(path)!r}")
    return ending[1:]


def _draw(runs: list[Run], panels: list[Panel], title: str | None) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    alone = len(runs) == 1
    heights = [3.0 if panel.title == "Loss" else 2.1 for panel in panels]
    labels = [] if alone else [_legend_text(run) for run in runs]
    lines = sum(label.count("\n") + 1 for label in labels) / _legend_columns(labels)
    above = 0.3 * (title is not None) + 0.2 * lines
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
    figure = Figure(figsize=(_WIDTH, sum(heights) + 0.5 + above), layout=layout)
    ratios = {"height_ratios": heights}
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw=ratios)[:, 0]
    epochs = [epoch for run in runs for epoch in run.history.epochs()]
    grid[-1].set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    grid[-1].set_xlabel("epoch")
    grid[-1].xaxis.set_major_locator(
        MaxNLocator(nbins=10, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    for axes, panel, height in zip(grid, panels, heights, strict=True):
        _draw_panel(axes, panel)
        if alone:
            _label_ends(axes, panel.curves, 72.0 * height * 0.8)
            if runs[0].best is not None:
                best = runs[0].history.epochs()[runs[0].best]
                axes.axvline(best, color=_GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
    if not alone:
        _legend(figure, labels, title)
        return figure
    _label_best(grid[0], runs[0], panels[0].curves)
    if title is not None:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import LogLocator

    axes.set_title(panel.title)
    axes.set_title(panel.note, loc="right", fontsize=_TEXT, fontweight="normal", color=_GREY)
    for curve in panel.curves:
        _draw_curve(axes, curve)
    values = [value for curve in panel.curves for value in curve.values if is_number(value)]
    if not values:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no value is a finite number", transform=axes.transAxes, ha="center")
        return
    low, high = min(values), max(values)
    if low > 0 and high / low > _DECADES:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high / low < 1e4 else (1.0,)))
        axes.minorticks_off()
    elif panel.scores:
        room = max(0.06 * (high - low), 0.005)
        axes.set_ylim(low - room, min(high + room, 1.0 + 0.5 * room))
    else:
        axes.margins(y=0.06)
    axes.yaxis.set_major_formatter(_tick)


def _tick(value: float, _: float) -> str:
    return f"{value:g}"


def _draw_curve(axes: Axes, curve: Curve) -> None:
    count = len(curve.epochs)
    every: object = None
    if count > _FEW:
        every = curve.alone if curve.marker == MARKERS[0] else max(1, count // 10)
    elif curve.dashed and count > _VERY_FEW:
        every = curve.alone  # more of them would hide the dashes
    axes.plot(
        curve.epochs,
        curve.values,
        color=curve.color,
        linestyle=(0, (4, 1.6)) if curve.dashed else "-",
        linewidth=1.4 if curve.dashed else 1.9,
        marker=curve.marker,
        markerfacecolor="white" if curve.dashed else curve.color,
        markevery=every,
        zorder=2.0 if curve.dashed else 2.1,
    )
    if curve.best is not None:
        axes.plot(
            *curve.best,
            marker=curve.marker,
            markersize=7,
            markerfacecolor="white",
            markeredgecolor=curve.color,
            markeredgewidth=2,
            zorder=3,
        )


def _label_ends(axes: Axes, curves: list[Curve], points: float) -> None:
    """Name the curves at their right ends, one below the other where they would overlap."""
    ends = []
    for curve in curves:
        finite = [value for value in curve.values if is_number(value)]
        if finite and curve.label:
            ends.append((_fractions(axes, [(0.0, finite[-1])])[0][1], curve))
    ends.sort(key=lambda end: end[0])
    heights = _spread([height for height, _ in ends], 1.35 * _TEXT / points)
    for height, (_, curve) in zip(heights, ends, strict=True):
        axes.annotate(
            curve.label,
            (1.0, height),
            xytext=(7, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            va="center",
            fontsize=_TEXT,
            color=_ink(curve.color),
            annotation_clip=False,
        )


def _spread(heights: list[float], gap: float) -> list[float]:
    """Move sorted heights apart until neighbours are a gap away, none of them above the axes."""
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _center(groups[-1]) - _center(groups[-2]) < gap * 0.5 * (
            len(groups[-1]) + len(groups[-2])
        ):
            last = groups.pop()
            groups[-1] += last
    spread = [
        _center(group) + gap * (place - 0.5 * (len(group) - 1))
        for group in groups
        for place in range(len(group))
    ]
    return [min(h, 0.98 - gap * below) for below, h in enumerate(reversed(spread))][::-1]


def _center(group: list[float]) -> float:
    return sum(group) / len(group)


def _label_best(axes: Axes, run: Run, curves: list[Curve]) -> None:
    """Say which epoch was best beside its line, where the text hides the least of the curves."""
    if run.best is None:
        return
    text = best_text(run)
    width = 0.0115 * len(text)  # in DejaVu Sans, with room to spare
    best = (run.history.epochs()[run.best], 1.0)
    drawn = [point for curve in curves for point in zip(curve.epochs, curve.values, strict=True)]
    (line, _), *points = _fractions(axes, [best, *drawn])
    candidates: list[tuple[float, int, int, str, float]] = []
    for height in (0.95, 0.8, 0.65, 0.5, 0.35, 0.2, 0.08):
        for side, left in (("left", line), ("right", line - width)):
            outside = max(0.0, -left, left + width - 1.0)
            hidden = sum(
                left - 0.02 < x < left + width + 0.02 and abs(y - height) < 0.09 for x, y in points
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
        fontsize=_TEXT,
        color=_GREY,
    )


def _fractions(axes: Axes, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where points lie in the axes: (0, 0) is the lower left corner, (1, 1) the upper right."""
    axes.get_xlim(), axes.get_ylim()  # brings limits that wait for their computation up to date
    to_fractions = axes.transData + axes.transAxes.inverted()
    return [(float(x), float(y)) for x, y in to_fractions.transform(points)]


def _ink(color: str) -> str:
    """A darker shade, since text needs more contrast than a line."""
    channels = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{int(channel * 0.75):02x}" for channel in channels)


def _legend(figure: Figure, labels: list[str], title: str | None) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for number, label in enumerate(labels):
        color = RUN_COLORS[number % len(RUN_COLORS)]
        marker = MARKERS[number // len(RUN_COLORS) % len(MARKERS)]
        handles.append(Line2D([], [], color=color, linewidth=1.9, marker=marker, label=label))
    figure.legend(
        handles=handles,
        labels=labels,
        loc="outside upper left",
        ncols=_legend_columns(labels),
        title=title,
        title_fontproperties={"weight": "bold", "size": 12},
        alignment="left",
    )


def _legend_text(run: Run) -> str:
    """The name of a run and its best epoch, in one line or in several."""
    import textwrap

    best = best_text(run)
    since = diverged(run)
    if since is not None:
        best += f", not finite from epoch {since} on"
    lines = [f"{run.name}: {best}"]
    if len(lines[0]) > _LONG:
        lines = [*textwrap.wrap(f"{run.name}:", _LONG, break_on_hyphens=False), best]
    text = "\n".join(lines)
    return f" {text}" if text.startswith("_") else text  # matplotlib hides a leading underscore


def _legend_columns(labels: list[str]) -> int:
    return 2 if len(labels) > 4 and max(map(len, labels)) <= _SHORT else 1


def _image(figure: Figure, ending: str) -> bytes:
    """The figure as a file, without date and version, so that equal figures are equal bytes."""
    buffer = io.BytesIO()
    metadata = {"Software": None} if ending == "png" else {"Date": None, "Creator": None}
    figure.savefig(buffer, format=ending, dpi=_DOTS, metadata=metadata)
    return buffer.getvalue()
