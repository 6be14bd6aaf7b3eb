"""The plot of how a run went by the clock: learning rates and seconds of each epoch."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING

from nnlite.train.history import History
from nnlite.train.plot import canvas
from nnlite.train.plot.curves import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    StrPath = str | os.PathLike[str]

__all__ = ["plot_schedule"]

_RATE = re.compile(r"lr(_[0-9]+)?")
_FEW = 30  # up to this many epochs each one has a marker


def plot_schedule(
    history: History | Mapping[str, History],
    path: StrPath | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw the learning rate and the time of each epoch, of one run or of several.

    Args:
        history: one History, with columns ``lr`` (``lr_1`` … for further parameter groups) or
            ``seconds``; or a mapping from the name of a run to its History.
        path: where to save the figure too: a name that ends in .png or .svg.
        title: a line above the figure.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        ValueError: no epochs, or neither learning rates nor times; another ending of the path.
        OSError: the file cannot be written.

    >>> rows = [{"epoch": n, "lr": 0.1 * 0.9**n, "seconds": 0.5} for n in range(1, 9)]
    >>> [axes.get_title(loc="left") for axes in plot_schedule(History(rows)).axes]
    ['Learning rate', 'Time per epoch']
    """
    canvas.ending_of(path)
    runs = {"": history} if isinstance(history, History) else dict(history)
    rates, times = _curves(runs, _RATE), _curves(runs, re.compile("seconds"))
    if not rates and not times:
        what = "no columns 'lr' and no column 'seconds'"
        raise ValueError(f"plot_schedule: there is nothing to draw: {what}")
    return canvas.render(lambda: _draw(rates, times, title), path)


def _curves(
    runs: Mapping[str, History], wanted: re.Pattern[str]
) -> dict[str, tuple[list[int], list[float]]]:
    """Epochs and values of each column that is wanted, by the name that it has in the legend."""
    curves = {}
    for name, history in runs.items():
        columns = [column for column in history.columns if wanted.fullmatch(column)]
        for column in columns:
            group = column.removeprefix("lr_") if column.startswith("lr_") else "0"
            parts = [name] if name else []
            if len(columns) > 1:
                parts.append(f"parameter group {group}")
            pairs = zip(history.epochs(), history[column], strict=True)
            points = [(epoch, value) for epoch, value in pairs if is_number(value)]
            if points:
                epochs, values = zip(*points, strict=True)
                curves[", ".join(parts)] = list(epochs), list(values)
    return curves


def _draw(
    rates: Mapping[str, tuple[list[int], list[float]]],
    times: Mapping[str, tuple[list[int], list[float]]],
    title: str | None,
) -> Figure:
    chosen = [(rates, "Learning rate", "learning rate"), (times, "Time per epoch", "seconds")]
    panels = [panel for panel in chosen if panel[0]]
    figure = canvas.new_figure(2.4 * len(panels) + 0.4 + 0.3 * (title is not None))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    epochs = [epoch for curves, *_ in panels for its, _ in curves.values() for epoch in its]
    grid[-1].set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    grid[-1].set_xlabel("epoch")
    canvas.whole_numbers(grid[-1].xaxis)
    for axes, (curves, name, unit) in zip(grid, panels, strict=True):
        axes.set_title(name)
        axes.set_ylabel(unit)
        _draw_panel(axes, curves)
    if times:
        spent = [value for _, values in times.values() for value in values]
        words = f"median {median(spent):.3g} s"
        if len(times) == 1:
            words += f", together {_duration(sum(spent))}"
        canvas.note(grid[-1], words)
        grid[-1].set_ylim(0, None)
    canvas.headline(figure, title)
    return figure


def _draw_panel(axes: Axes, curves: Mapping[str, tuple[list[int], list[float]]]) -> None:
    for (label, (epochs, values)), look in zip(curves.items(), canvas.looks(len(curves))):
        marker = "o" if len(epochs) <= _FEW else ""
        axes.plot(epochs, values, linewidth=1.9, label=label, marker=marker, **look)
    canvas.scale_values(axes, [value for _, values in curves.values() for value in values])
    if len(curves) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05))


def _duration(seconds: float) -> str:
    """A time in words.

    >>> _duration(5.25), _duration(75), _duration(4000)
    ('5.25 s', '1 min 15 s', '1 h 7 min')
    """
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {round(minutes % 60 + rest / 60)} min"
