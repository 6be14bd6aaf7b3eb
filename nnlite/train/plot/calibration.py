"""The plot of calibration: are the probabilities true, and which threshold costs the least?"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from nnlite.train import metrics
from nnlite.train.metrics.inputs import prepare_binary
from nnlite.train.plot import canvas
from nnlite.train.plot.canvas import BLUE, GREY, ORANGE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnlite.train.metrics.inputs import Floats, Values

    StrPath = str | os.PathLike[str]

__all__ = ["plot_calibration"]

_Z = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations


class _Shown(NamedTuple):
    """What the three panels show."""

    curve: metrics.CalibrationCurve
    error: float
    negatives: Floats
    positives: Floats
    edges: Floats
    costs: metrics.CostCurve
    best: metrics.BestThreshold
    prices: tuple[float, float]
    weighted: bool


def plot_calibration(
    probabilities: Values,
    target: Values,
    path: StrPath | None = None,
    *,
    n_bins: int = 10,
    strategy: Literal["uniform", "quantile"] = "uniform",
    false_positive: float = 1.0,
    false_negative: float = 1.0,
    sample_weight: Values | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how true probabilities are, how many samples have which, and what each threshold costs.

    - Reliability diagram: in each bin, how often class 1 came against the mean probability that was
      predicted; on the diagonal the probabilities can be taken at their word. The bars are 95 %
      intervals (E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212), where no weights are given.
      The calibration error is the mean distance from the diagonal, weighted by samples (M. P.
      Naeini et al., AAAI 2015).
    - The samples of both classes by predicted probability.
    - The mean cost of a sample against the threshold, the least marked (see
      `nnlite.train.metrics.best_threshold`), its threshold in all panels.

    Args:
        probabilities: (n,) or (n, 1), of class 1, from 0 to 1.
        target: (n,) or (n, 1), 0 and 1.
        path: where to save the figure too: a name that ends in .png or .svg.
        n_bins, strategy: as for `nnlite.train.metrics.calibration_curve`.
        false_positive, false_negative: what each mistake costs, in any unit.
        sample_weight: (n,), not negative.
        title: a line above the figure.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        ValueError: a probability outside [0, 1] (logits?), shapes that do not fit, a cost that is
            negative, another ending of the path.
        OSError: the file cannot be written.

    >>> p = [0.1, 0.3, 0.35, 0.6, 0.7, 0.9]
    >>> figure = plot_calibration(p, [0, 0, 1, 0, 1, 1], false_negative=5.0)
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['Calibration', 'Samples', 'Cost of each threshold']
    """
    canvas.ending_of(path)
    curve = metrics.calibration_curve(
        probabilities, target, n_bins=n_bins, strategy=strategy, sample_weight=sample_weight
    )
    p, labels, weight = prepare_binary("plot_calibration", probabilities, target, sample_weight)
    prices = {"false_positive": false_positive, "false_negative": false_negative}
    edges = np.linspace(0.0, 1.0, 21)
    shown = _Shown(
        curve,
        float(np.average(abs(curve.prob_true - curve.prob_pred), weights=curve.counts)),
        np.histogram(p, edges, weights=weight * (labels == 0))[0],
        np.histogram(p, edges, weights=weight * (labels == 1))[0],
        edges,
        metrics.cost_curve(p, labels, sample_weight=weight, **prices),
        metrics.best_threshold(p, labels, sample_weight=weight, **prices),
        (false_positive, false_negative),
        sample_weight is not None,
    )
    return canvas.render(lambda: _draw(shown, title), path)


def _draw(shown: _Shown, title: str | None) -> Figure:
    figure = canvas.new_figure(8.0 + 0.3 * (title is not None), width=6.4)
    ratios = {"height_ratios": [4.0, 1.3, 1.7]}
    above, middle, below = figure.subplots(3, 1, sharex=True, gridspec_kw=ratios)
    _draw_reliability(above, shown)
    _draw_counts(middle, shown)
    _draw_costs(below, shown)
    below.set_xlim(0, 1)
    below.set_xlabel("predicted probability of class 1, and threshold")
    below.xaxis.set_major_formatter(canvas.tick)
    if 0 <= shown.best.threshold <= 1:
        for axes in (above, middle, below):
            axes.axvline(shown.best.threshold, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)))
    canvas.headline(figure, title)
    return figure


def _draw_reliability(axes: Axes, shown: _Shown) -> None:
    curve = shown.curve
    axes.set_title("Calibration")
    canvas.note(axes, f"calibration error {shown.error:.3f}")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
    if not shown.weighted:
        low, high = _wilson(curve.prob_true, curve.counts)
        axes.vlines(curve.prob_pred, low, high, color=BLUE, alpha=0.45, linewidth=2.2)
    look: dict[str, Any] = {"color": BLUE, "linewidth": 1.9, "marker": "o", "markersize": 5.5}
    axes.plot(curve.prob_pred, curve.prob_true, zorder=3, clip_on=False, **look)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of class 1")
    axes.yaxis.set_major_formatter(canvas.tick)
    interval = "" if shown.weighted else ", 95 % interval"
    handles = [
        canvas.line_handle(f"observed{interval}", **look),
        canvas.line_handle(
            "perfectly calibrated", color=GREY, linewidth=1.0, linestyle=(0, (4, 3))
        ),
    ]
    axes.legend(handles=handles, loc="upper left", frameon=True, edgecolor="none", framealpha=0.9)


def _draw_counts(axes: Axes, shown: _Shown) -> None:
    axes.set_title("Samples")
    left, width = shown.edges[:-1], np.diff(shown.edges)
    edge: dict[str, Any] = {"align": "edge", "edgecolor": "white", "linewidth": 0.6}
    axes.bar(left, shown.negatives, width, color=ORANGE, label="class 0", **edge)
    axes.bar(left, shown.positives, width, shown.negatives, color=BLUE, label="class 1", **edge)
    axes.set_ylabel("weight" if shown.weighted else "count")
    axes.set_ylim(0, None)
    axes.legend(loc="upper center", ncols=2)


def _draw_costs(axes: Axes, shown: _Shown) -> None:
    thresholds, costs, *_ = shown.costs
    prices = "false positive {:g}, false negative {:g}".format(*shown.prices)
    axes.set_title("Cost of each threshold")
    canvas.note(axes, prices)
    # A cost holds from its threshold to the next; those at ±inf hold at the ends.
    x = np.clip(thresholds, 0.0, 1.0)
    axes.plot(x, costs, color=VERMILION, linewidth=1.9, drawstyle="default")
    axes.set_ylabel("cost per sample")
    axes.set_ylim(0, 1.08 * float(costs.max()) or 1.0)
    axes.yaxis.set_major_formatter(canvas.tick)
    best = shown.best
    place = min(max(best.threshold, 0.0), 1.0)
    ring: dict[str, Any] = {"markersize": 7, "markerfacecolor": "white", "markeredgewidth": 2}
    axes.plot(
        place, best.cost, marker="o", markeredgecolor=VERMILION, zorder=4, clip_on=False, **ring
    )
    where = f"at {best.threshold:.3g}" if math.isfinite(best.threshold) else _extreme(best)
    text = f"least cost {best.cost:.3g} {where}"
    canvas.put_text(axes, text, place, list(zip(x.tolist(), costs.tolist())), (0.9, 0.75, 0.6))


def _extreme(best: metrics.BestThreshold) -> str:
    """In words, where no threshold tells the classes apart at a profit."""
    return "predicting 0 always" if best.threshold > 0 else "predicting 1 always"


def _wilson(share: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """The 95 % interval of a share of so many samples."""
    scale = 1.0 + _Z**2 / counts
    middle = (share + _Z**2 / (2 * counts)) / scale
    spread = _Z * np.sqrt(share * (1 - share) / counts + _Z**2 / (4 * counts**2)) / scale
    return middle - spread, middle + spread
