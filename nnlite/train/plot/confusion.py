"""The plot of a confusion matrix: how many samples of each class were taken for which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnlite.train.metrics import confusion_matrix
from nnlite.train.plot import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnlite.train.metrics.inputs import Floats, Values

    StrPath = str | os.PathLike[str]

__all__ = ["plot_confusion_matrix"]

_BOTH = 12  # up to so many classes a cell has count and rate
_TEXT = 25  # up to so many it has the rate
_DARK = 0.55  # rates above it have white text


def plot_confusion_matrix(
    logits: Values,
    target: Values,
    path: StrPath | None = None,
    *,
    classes: Sequence[str] | None = None,
    sample_weight: Values | None = None,
    threshold: float = 0.0,
    title: str | None = None,
) -> Figure:
    """Draw how many samples of each true class (row) were predicted as each class (column).

    Each cell holds the count and, in per cent, its share of the row, which is also its shade; on
    the diagonal this is the recall of the class.

    Args:
        logits, target, sample_weight: as for `nnlite.train.metrics.confusion_matrix`.
        path: where to save the figure too: a name that ends in .png or .svg.
        classes: the names of the classes. Default: 0, 1 …
        threshold: with two classes and one logit, class 1 is predicted above it (0.5 for
            probabilities).
        title: a line above the figure.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        ValueError: shapes that do not fit, a target that is no class, another number of names,
            another ending of the path.
        OSError: the file cannot be written.

    >>> figure = plot_confusion_matrix([2.0, -1.0, 0.5, -3.0], [1, 0, 0, 0], classes=["no", "yes"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['2\\n66.7 %', '1\\n33.3 %', '0', '1\\n100 %']
    """
    canvas.ending_of(path)
    options = {"sample_weight": sample_weight, "threshold": threshold}
    matrix = confusion_matrix(logits, target, **options)  # type: ignore[arg-type]
    count = len(matrix)
    names = list(map(str, range(count) if classes is None else classes))
    if len(names) != count:
        cure = f"{len(names)} names are given for {count} classes"
        raise ValueError(f"plot_confusion_matrix: {cure}")
    shares = confusion_matrix(logits, target, normalize="true", **options)  # type: ignore[arg-type]
    return canvas.render(lambda: _draw(matrix, shares, names, title), path)


def _draw(matrix: Floats, shares: Floats, names: Sequence[str], title: str | None) -> Figure:
    count = len(matrix)
    longest = max(map(len, names))
    size = min(max((0.72 if count <= _BOTH else 0.4) * count, 2.6), 10.0)
    slanted = longest * 0.085 > size / count
    margin = 0.55 + 0.085 * longest
    height = size + (margin if slanted else 0.6) + 0.4 + 0.3 * (title is not None)
    figure = canvas.new_figure(height, width=size + margin + 1.1)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_title("Confusion matrix")
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    rotation: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(count), names, **(rotation if slanted else {}))
    axes.set_yticks(range(count), names)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    # White lines between the cells.
    axes.set_xticks([place - 0.5 for place in range(1, count)], minor=True)
    axes.set_yticks([place - 0.5 for place in range(1, count)], minor=True)
    axes.grid(True, which="minor", color="white", linewidth=2.0 if count <= _BOTH else 0.7)
    axes.tick_params(which="minor", length=0)
    if _BOTH < count <= _TEXT:
        canvas.note(axes, "per cent of the true class")
    if count <= _TEXT:
        for row in range(count):
            for column in range(count):
                share = shares[row, column]
                axes.text(
                    column,
                    row,
                    _cell(matrix[row, column], share, both=count <= _BOTH),
                    ha="center",
                    va="center",
                    color="white" if share > _DARK else "black",
                    fontsize=(canvas.TEXT if count <= 6 else 8.0) if count <= _BOTH else 7.0,
                )
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(_per_cent)
    canvas.headline(figure, title)
    canvas.settle(figure)
    return figure


def _per_cent(share: float, _: float) -> str:
    return f"{100 * share:g} %"


def _cell(count: float, share: float, *, both: bool) -> str:
    if not both:
        return f"{100 * share:.0f}" if share else ""
    if not count:
        return "0"
    number = f"{count:,.0f}" if count == round(count) else f"{count:.4g}"
    per_cent = f"{100 * share:.1f}".removesuffix(".0")
    return f"{number}\n{per_cent} %"
