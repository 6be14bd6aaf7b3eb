"""Plots of what goes on inside a network: gradient norms by layer, histograms of the weights."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite.train.plot import canvas
from nnlite.train.plot.curves import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    StrPath = str | os.PathLike[str]

__all__ = ["Histogram", "plot_gradient_norms", "plot_weight_histograms"]

_COLUMNS = 3  # panels side by side
_TIMES = 5  # histograms of one parameter, from the first to the last
_BAND = "#c9c9c9"
_TINY = 1e-12  # of the largest norm: what is smaller is drawn there, since a log axis has no zero


class Histogram(NamedTuple):
    """How the values of a parameter were distributed at some time.

    Attributes:
        time: the epoch (or step).
        counts: how many values are in each bin, (bins,).
        edges: of the bins, (bins + 1,).
    """

    time: int
    counts: NDArray[np.intp]
    edges: NDArray[np.float64]


def plot_gradient_norms(
    steps: Sequence[int],
    norms: Mapping[str, Sequence[float]],
    path: StrPath | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw the norm of the gradient of each layer over the steps, on a log scale.

    Layers whose gradients fade towards the input vanish, those that grow without end explode. The
    wide grey line is the norm of all together. A norm of 0 is drawn at the lower edge.

    Args:
        steps: the steps at which they were measured.
        norms: name of a layer, from input to output, to its norm at each step; nan is a gap.
        path: where to save the figure too: a name that ends in .png or .svg.
        title: a line above the figure.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        ValueError: nothing was measured, a layer with another number of norms than there are steps,
            another ending of the path.
        OSError: the file cannot be written.

    >>> steps = list(range(1, 50))
    >>> norms = {"0": [0.1 / n for n in steps], "2": [1.0 / n for n in steps]}
    >>> figure = plot_gradient_norms(steps, norms)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['2', '0', 'all layers']
    """
    canvas.ending_of(path)
    for name, values in norms.items():
        if len(values) != len(steps):
            counts = f"{len(values)} norms of {name!r} and {len(steps)} steps"
            raise ValueError(f"plot_gradient_norms: {counts}; give one norm for each step")
    if not any(map(is_number, (value for values in norms.values() for value in values))):
        cure = "record after loss.backward()"
        raise ValueError(f"plot_gradient_norms: no norm is a finite number; {cure}")
    return canvas.render(lambda: _draw_norms(list(steps), norms, title), path)


def _draw_norms(
    steps: list[int], norms: Mapping[str, Sequence[float]], title: str | None
) -> Figure:
    rows = len(norms) + 1
    height = max(4.0, 0.22 * rows + 1.0)
    figure = canvas.new_figure(height + 0.3 * (title is not None))
    axes = figure.subplots()
    table = np.array([list(values) for values in norms.values()], dtype=np.float64)
    largest = float(table[np.isfinite(table)].max())
    floor = _TINY * largest
    handles = []
    for name, values, look in zip(norms, table, canvas.looks(len(norms)), strict=True):
        axes.plot(steps, np.maximum(values, floor), linewidth=1.3, **look)
        handles.append(canvas.line_handle(name, linewidth=2.4, **look))
    there = np.isfinite(table).any(axis=0)
    together = np.where(there, np.sqrt(np.nansum(table**2, axis=0)), math.nan)
    band: dict[str, Any] = {"color": _BAND, "linewidth": 5.0}
    axes.plot(steps, np.maximum(together, floor), zorder=1.5, **band)
    total = canvas.line_handle("all layers", **band)
    axes.set_title("Gradient norm of each layer")
    axes.set_xlabel("step")
    axes.set_ylabel("norm of the gradient (log scale)")
    drawn = np.maximum(table[np.isfinite(table)], floor)
    if largest > 0:
        canvas.log_axis(axes, "y", float(drawn.min()), float(drawn.max()))
    canvas.whole_numbers(axes.xaxis)
    axes.legend(
        handles=[*reversed(handles), total],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        title="from output to input",
        title_fontsize=canvas.TEXT,
        alignment="left",
    )
    canvas.headline(figure, title)
    return figure


def plot_weight_histograms(
    histograms: Mapping[str, Sequence[Histogram]],
    path: StrPath | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw how the values of each parameter are distributed, and how that changed over time.

    Args:
        histograms: name of a parameter to its histograms, in the order of time. Of many times,
            five are shown.
        path: where to save the figure too: a name that ends in .png or .svg.
        title: a line above the figure.

    Returns:
        A matplotlib ``Figure``, a panel for each parameter; early times are light, late ones dark.

    Raises:
        ValueError: nothing was recorded, another ending of the path.
        OSError: the file cannot be written.

    >>> import numpy as np
    >>> values = np.linspace(-1.0, 1.0, 100)
    >>> times = [Histogram(n, *np.histogram(values * n, bins=20)) for n in (1, 2, 3)]
    >>> figure = plot_weight_histograms({"0.weight": times})
    >>> figure.axes[0].get_title(loc="left"), len(figure.axes[0].lines)
    ('0.weight', 3)
    """
    canvas.ending_of(path)
    recorded = {name: list(times) for name, times in histograms.items() if len(times)}
    if not recorded:
        raise ValueError("plot_weight_histograms: no histogram was recorded")
    return canvas.render(lambda: _draw_histograms(recorded, title), path)


def _draw_histograms(histograms: Mapping[str, Sequence[Histogram]], title: str | None) -> Figure:
    columns = min(_COLUMNS, len(histograms))
    rows = math.ceil(len(histograms) / columns)
    size = {"width": 2.7 * columns + 0.6 if columns > 1 else 5.0}
    figure = canvas.new_figure(1.9 * rows + 0.9 + 0.3 * (title is not None), **size)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    times = sorted({it.time for its in histograms.values() for it in its})
    shades = canvas.shades(times)
    for axes, (name, its) in zip(grid, histograms.items()):
        _draw_histogram(axes, name, its, shades)
    for axes in grid[len(histograms) :]:
        axes.set_visible(False)
    for axes in grid[::columns]:
        axes.set_ylabel("density")
    shown = _some(times)
    handles = [canvas.line_handle(str(time), color=shades[time], linewidth=2.4) for time in shown]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        title="values after epoch",
        title_fontsize=canvas.TEXT,
    )
    canvas.headline(figure, title)
    return figure


def _draw_histogram(
    axes: Axes, name: str, histograms: Sequence[Histogram], shades: Mapping[int, object]
) -> None:
    axes.set_title(name)
    for time, counts, edges in _some(histograms):
        width = np.diff(edges)
        density = counts / max(float((counts * width).sum()), np.finfo(float).tiny)
        # An outline that begins and ends at zero.
        x = np.repeat(edges, 2)
        y = np.concatenate(([0.0], np.repeat(density, 2), [0.0]))
        axes.plot(x, y, color=shades[time], linewidth=1.3)
    axes.set_ylim(0, None)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(canvas.tick)


def _some(times: Sequence[Histogram] | Sequence[int]) -> list:  # type: ignore[type-arg]
    """The first, the last and some in between."""
    count = len(times)
    if count <= _TIMES:
        return list(times)
    places = [round(place * (count - 1) / (_TIMES - 1)) for place in range(_TIMES)]
    return [times[place] for place in places]
