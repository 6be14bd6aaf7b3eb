"""The plot of a training run: losses above, metrics below, the best epoch marked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from nnlite.train.history import History
from nnlite.train.plot import canvas
from nnlite.train.plot.canvas import COLORS, GREY, MARKERS
from nnlite.train.plot.curves import (
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Mode = Literal["min", "max"]
    StrPath = str | os.PathLike[str]

__all__ = ["plot_history"]

_FEW = 30  # up to this many epochs each one has a marker
_VERY_FEW = 5  # the same for dashed curves
_LONG = 92  # characters in a line of the legend
_SHORT = 48  # the same where it has two columns


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
    canvas.ending_of(path)  # refused before any work
    if isinstance(history, History):
        history = {"": history}
    elif len(history) == 1 and title is None:
        title = next(iter(history))
    elif not history:
        raise ValueError("plot: no history is given")
    runs = [read_run(name, its, monitor, mode) for name, its in history.items()]
    panels = make_panels(runs, choose_metrics(runs, metrics))
    return canvas.render(lambda: _draw(runs, panels, title), path)


def _draw(runs: list[Run], panels: list[Panel], title: str | None) -> Figure:
    alone = len(runs) == 1
    heights = [3.0 if panel.title == "Loss" else 2.1 for panel in panels]
    labels = [] if alone else [_legend_text(run) for run in runs]
    lines = sum(label.count("\n") + 1 for label in labels) / _legend_columns(labels)
    above = 0.3 * (title is not None) + 0.2 * lines
    figure = canvas.new_figure(sum(heights) + 0.5 + above)
    ratios = {"height_ratios": heights}
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw=ratios)[:, 0]
    epochs = [epoch for run in runs for epoch in run.history.epochs()]
    grid[-1].set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    grid[-1].set_xlabel("epoch")
    canvas.whole_numbers(grid[-1].xaxis)
    for axes, panel, height in zip(grid, panels, heights, strict=True):
        _draw_panel(axes, panel)
        if alone:
            canvas.label_ends(axes, _ends(panel.curves), 72.0 * height * 0.8)
            if runs[0].best is not None:
                best = runs[0].history.epochs()[runs[0].best]
                axes.axvline(best, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
    if not alone:
        _legend(figure, labels, title)
        return figure
    _label_best(grid[0], runs[0], panels[0].curves)
    canvas.headline(figure, title)
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title)
    canvas.note(axes, panel.note)
    for curve in panel.curves:
        _draw_curve(axes, curve)
    values = [value for curve in panel.curves for value in curve.values if is_number(value)]
    if not values:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no value is a finite number", transform=axes.transAxes, ha="center")
        return
    if canvas.scale_values(axes, values):
        return
    if panel.scores:
        low, high = min(values), max(values)
        room = max(0.06 * (high - low), 0.005)
        axes.set_ylim(low - room, min(high + room, 1.0 + 0.5 * room))
    else:
        axes.margins(y=0.06)


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


def _ends(curves: list[Curve]) -> list[tuple[str, float, str]]:
    """Label, last value and colour of the curves that have them."""
    ends = []
    for curve in curves:
        finite = [value for value in curve.values if is_number(value)]
        if finite and curve.label:
            ends.append((curve.label, finite[-1], curve.color))
    return ends


def _label_best(axes: Axes, run: Run, curves: list[Curve]) -> None:
    """Say which epoch was best beside its line, where the text hides the least of the curves."""
    if run.best is None:
        return
    drawn = [point for curve in curves for point in zip(curve.epochs, curve.values, strict=True)]
    canvas.put_text(axes, best_text(run), run.history.epochs()[run.best], drawn)


def _legend(figure: Figure, labels: list[str], title: str | None) -> None:
    handles = []
    for number, label in enumerate(labels):
        color = COLORS[number % len(COLORS)]
        marker = MARKERS[number // len(COLORS) % len(MARKERS)]
        handles.append(canvas.line_handle(label, color=color, linewidth=1.9, marker=marker))
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
