"""Figures for training: each one call, saved as PNG or SVG if asked, returned for further work.

Every function takes numbers (of a run, of a loop of your own, of a prediction), an optional
``path`` that ends in .png or .svg, and an optional ``title``, and returns a matplotlib ``Figure``.
There is no global state and no display is needed; in a notebook the figure shows itself. The same
numbers give the same bytes. Colours are told apart by colour-blind readers, too.

matplotlib is imported in `nnlite.train.plot.canvas` alone, and only while something is drawn: its
import takes half a second.
"""

from __future__ import annotations

from nnlite.train.plot.calibration import plot_calibration
from nnlite.train.plot.confusion import plot_confusion_matrix
from nnlite.train.plot.history import plot_history
from nnlite.train.plot.layers import plot_gradient_norms, plot_weight_histograms
from nnlite.train.plot.lr_find import plot_lr_find
from nnlite.train.plot.ranking import plot_precision_recall, plot_roc
from nnlite.train.plot.schedule import plot_schedule

__all__ = [
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_gradient_norms",
    "plot_history",
    "plot_lr_find",
    "plot_precision_recall",
    "plot_roc",
    "plot_schedule",
    "plot_weight_histograms",
]
