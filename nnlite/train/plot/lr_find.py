"""The plot of a learning-rate range test: loss against learning rate, the suggested one marked."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnlite.train.plot import canvas
from nnlite.train.plot.canvas import BLUE, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    StrPath = str | os.PathLike[str]

__all__ = ["plot_lr_find"]

_ROOM = 0.6  # above the highest loss before the least, as a share of the fall: what follows is cut


def plot_lr_find(
    lrs: Sequence[float],
    losses: Sequence[float],
    suggestion: float | None,
    path: StrPath | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw the loss of each step of a learning-rate range test against its learning rate.

    The axis of the losses ends a little above the losses before the least one, so that the
    divergence at the end does not flatten the rest; the title says so where it cuts something.
    Source: L. N. Smith, Cyclical learning rates for training neural networks, WACV 2017.

    Args:
        lrs: the learning rates in the order of the steps, positive.
        losses: the loss at each of them; nan and infinity are left out.
        suggestion: the learning rate to mark; None: none was found.
        path: where to save the figure too: a name that ends in .png or .svg.
        title: a line above the figure.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        ValueError: other numbers of rates and losses, a rate that is not positive, no finite loss,
            another ending of the path.
        OSError: the file cannot be written.

    >>> lrs = [1e-4 * 10 ** (n / 20) for n in range(80)]
    >>> losses = [1.0 / (1 + 20 * lr) + lr**2 for lr in lrs]
    >>> figure = plot_lr_find(lrs, losses, suggestion=0.05)
    >>> figure.axes[0].get_xscale(), figure.axes[0].get_xlabel()
    ('log', 'learning rate (log scale)')
    """
    canvas.ending_of(path)
    rates, values = [float(lr) for lr in lrs], [float(loss) for loss in losses]
    if len(rates) != len(values):
        counts = f"{len(rates)} learning rates and {len(values)} losses"
        raise ValueError(f"plot_lr_find: {counts}; give one loss for each learning rate")
    for rate in (*rates, *([] if suggestion is None else [suggestion])):
        if not 0 < rate < math.inf:
            raise ValueError(f"plot_lr_find: a learning rate must be positive, got {rate}")
    finite = [(rate, loss) for rate, loss in zip(rates, values) if math.isfinite(loss)]
    if not finite:
        raise ValueError("plot_lr_find: no loss is a finite number; start at a lower learning rate")
    lost = len(rates) - len(finite)
    return canvas.render(lambda: _draw(finite, lost, suggestion, title), path)


def _draw(
    points: list[tuple[float, float]], lost: int, suggestion: float | None, title: str | None
) -> Figure:
    figure = canvas.new_figure(4.0 + 0.3 * (title is not None))
    axes = figure.subplots()
    rates = [rate for rate, _ in points]
    axes.plot(*zip(*points), color=BLUE, linewidth=1.9)
    if len(points) == 1:
        axes.plot(*points[0], color=BLUE, marker="o")
    axes.set_title("Loss at each learning rate")
    shown = rates if suggestion is None else [*rates, suggestion]
    canvas.log_axis(axes, "x", min(shown), max(shown))
    axes.set_xlabel("learning rate (log scale)")
    axes.set_ylabel("loss of the batch")
    axes.yaxis.set_major_formatter(canvas.tick)
    low, high = _limits([loss for _, loss in points])
    notes = []
    if max(loss for _, loss in points) > high:
        notes.append(f"losses above {high:.3g} are cut off")
    if lost:
        notes.append(f"{lost} losses are not finite")
    canvas.note(axes, ", ".join(notes))
    axes.set_ylim(low, high)
    if suggestion is not None:
        axes.axvline(suggestion, color=VERMILION, linewidth=1.4, linestyle=(0, (4, 1.6)))
        loss = min(points, key=lambda point: abs(math.log(point[0] / suggestion)))[1]
        axes.plot(
            suggestion,
            loss,
            marker="o",
            markersize=7,
            markerfacecolor="white",
            markeredgecolor=VERMILION,
            markeredgewidth=2,
            zorder=3,
        )
        canvas.put_text(axes, f"suggested: {suggestion:.2g}", suggestion, points)
    canvas.headline(figure, title)
    return figure


def _limits(losses: list[float]) -> tuple[float, float]:
    """The range of losses to show: all that came before the least one, and a little above."""
    least = losses.index(min(losses))
    low, top = losses[least], max(losses[: least + 1])
    span = top - low or abs(low) or 1.0
    high = min(max(losses), top + _ROOM * span)
    room = 0.06 * (high - low or span)
    return low - room, high + room
