"""Plots of the order of the scores: ROC and precision-recall curves with the areas below them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nnlite.train import metrics
from nnlite.train.metrics.inputs import array, log_softmax, numbers
from nnlite.train.plot import canvas
from nnlite.train.plot.canvas import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnlite.train.metrics.inputs import Floats, Values

    StrPath = str | os.PathLike[str]

__all__ = ["plot_precision_recall", "plot_roc"]

_WIDTH, _HEIGHT = 5.6, 5.2  # inches


class _Task(NamedTuple):
    """One curve: its name, and scores and targets of two classes."""

    name: str
    scores: Any
    target: Any


class _Line(NamedTuple):
    """A curve as it is drawn."""

    label: str
    x: Floats
    y: Floats


def plot_roc(
    scores: Values | Mapping[str, Values],
    target: Values,
    path: StrPath | None = None,
    *,
    classes: Sequence[str] | None = None,
    sample_weight: Values | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the ROC curve, with the area below it (AUC).

    Args:
        scores: (n,) or (n, 1), logits or probabilities of class 1; logits (n, C) for a curve of
            each class against the rest; or a mapping from the names of models to their (n,) scores,
            for a curve each.
        target: as for `nnlite.train.metrics.roc_auc`.
        path: where to save the figure too: a name that ends in .png or .svg.
        classes: the names of C classes (or labels). Default: "class 0" …
        sample_weight: (n,), not negative.
        title: a line above the figure.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        ValueError: scores and targets that do not fit, another number of names, another ending of
            the path. `UndefinedMetricError` (one too): the target holds one class only.
        OSError: the file cannot be written.

    >>> figure = plot_roc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['AUC 0.750', 'guessing, AUC 0.5']
    """
    canvas.ending_of(path)
    lines = []
    for name, values, labels in _tasks("plot_roc", scores, target, classes):
        curve = metrics.roc_curve(values, labels, sample_weight=sample_weight)
        area = metrics.roc_auc(values, labels, sample_weight=sample_weight)
        lines.append(_Line(_label(name, "AUC", area), curve.fpr, curve.tpr))

    def finish(axes: Axes) -> None:
        axes.set_title("ROC curve")
        axes.set_xlabel("false positive rate: share of the negative samples")
        axes.set_ylabel("true positive rate: share of the positive samples")
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))

    guessing = "guessing, AUC 0.5"
    return canvas.render(lambda: _draw(lines, guessing, finish, "default", title), path)


def plot_precision_recall(
    scores: Values | Mapping[str, Values],
    target: Values,
    path: StrPath | None = None,
    *,
    classes: Sequence[str] | None = None,
    sample_weight: Values | None = None,
    title: str | None = None,
) -> Figure:
    """Draw precision against recall, with the average precision (AP): the area below the steps.

    Args:
        scores, target, path, classes, sample_weight, title: as for `plot_roc`.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        ValueError: as for `plot_roc`; here a target needs a positive sample.
        OSError: the file cannot be written.

    >>> figure = plot_precision_recall([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['AP 0.833', 'guessing, precision 0.5']
    """
    canvas.ending_of(path)
    lines, shares = [], []
    for name, values, labels in _tasks("plot_precision_recall", scores, target, classes):
        curve = metrics.precision_recall_curve(values, labels, sample_weight=sample_weight)
        area = metrics.average_precision(values, labels, sample_weight=sample_weight)
        lines.append(_Line(_label(name, "AP", area), curve.recall[::-1], curve.precision[::-1]))
        shares.append(float(curve.precision[0]))
    alike = max(shares) - min(shares) < 1e-9
    if not alike:
        lines = [
            line._replace(label=f"{line.label} (guessing {share:.2g})")
            for line, share in zip(lines, shares, strict=True)
        ]

    def finish(axes: Axes) -> None:
        axes.set_title("Precision and recall")
        axes.set_xlabel("recall: share of the positive samples that are found")
        axes.set_ylabel("precision: share of those found that are positive")
        if alike:
            axes.axhline(shares[0], color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))

    guessing = f"guessing, precision {shares[0]:.3g}" if alike else ""
    return canvas.render(lambda: _draw(lines, guessing, finish, "steps-pre", title), path)


def _label(name: str, kind: str, area: float) -> str:
    return f"{name}: {kind} {area:.3f}" if name else f"{kind} {area:.3f}"


def _tasks(
    function: str,
    scores: Values | Mapping[str, Values],
    target: Values,
    classes: Sequence[str] | None,
) -> list[_Task]:
    """What to draw a curve of each."""
    if isinstance(scores, Mapping):
        if not scores:
            raise ValueError(f"{function}: no scores are given")
        return [_Task(name, values, target) for name, values in scores.items()]
    values = numbers(function, "scores", scores)
    if values.ndim != 2 or values.shape[1] == 1:
        return [_Task("", values, target)]
    labels = array(target)
    count = values.shape[1]
    names = [f"class {k}" for k in range(count)] if classes is None else list(map(str, classes))
    if len(names) != count:
        raise ValueError(f"{function}: {len(names)} names are given for {count} classes")
    # Checks the shapes, and that every class can be told from the rest.
    metrics.accuracy(values, labels)
    if labels.ndim == 2:
        return [_Task(name, values[:, k], labels[:, k]) for k, name in enumerate(names)]
    chances = log_softmax(values)
    return [_Task(name, chances[:, k], labels == k) for k, name in enumerate(names)]


def _draw(
    lines: Sequence[_Line],
    guessing: str,
    finish: Callable[[Axes], None],
    drawstyle: str,
    title: str | None,
) -> Figure:
    figure = canvas.new_figure(_HEIGHT + 0.3 * (title is not None), width=_WIDTH)
    axes = figure.subplots()
    looks = canvas.looks(len(lines))
    handles = []
    for (label, x, y), look in zip(lines, looks, strict=True):
        axes.plot(x, y, linewidth=1.9, drawstyle=drawstyle, clip_on=False, zorder=3, **look)
        handles.append(canvas.line_handle(label, linewidth=1.9, **look))
    if guessing:
        dashes = {"color": GREY, "linewidth": 1.0, "linestyle": (0, (4, 3))}
        handles.append(canvas.line_handle(guessing, **dashes))
    finish(axes)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(canvas.tick)
    if len(lines) > canvas.FEW:
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        figure.set_figwidth(_WIDTH + 2.2)
    else:
        below = drawstyle == "steps-pre"
        corner: Literal["lower left", "lower right"] = "lower left" if below else "lower right"
        axes.legend(handles=handles, loc=corner, frameon=True, edgecolor="none", framealpha=0.85)
    canvas.headline(figure, title)
    canvas.settle(figure)
    return figure
