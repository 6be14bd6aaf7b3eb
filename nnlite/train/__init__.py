"""Training: the Trainer, its callbacks, the history of a run, metrics, plots.

>>> import nnlite
>>> from nnlite import nn
>>> from nnlite.train import Trainer
>>> _ = nnlite.manual_seed(0)
>>> x, y = nnlite.datasets.moons(200)
>>> model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
>>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
>>> trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), metrics="accuracy")
>>> history = trainer.fit((x, y), epochs=50)
>>> history["train_loss"][-1] < history["train_loss"][0], trainer.evaluate((x, y))["accuracy"] > 0.9
(True, True)
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

if TYPE_CHECKING:
    from nnlite.train.callbacks import (
        EMA,
        Callback,
        CallbackError,
        Checkpoint,
        ClipGradNorm,
        ClipGradValue,
        EarlyStopping,
        FreezeAudit,
        GradualUnfreezing,
        ProgressBar,
        Schedule,
    )
    from nnlite.train.classifier import TabularClassifier
    from nnlite.train.doctor import Doctor, DoctorWarning
    from nnlite.train.history import History, learning_rates
    from nnlite.train.live import LiveCurve
    from nnlite.train.loop import load_state, save_state
    from nnlite.train.plot import (
        plot_calibration,
        plot_confusion_matrix,
        plot_gradient_norms,
        plot_history,
        plot_lr_find,
        plot_precision_recall,
        plot_roc,
        plot_schedule,
        plot_weight_histograms,
    )
    from nnlite.train.recorders import GradientNorms, SaveHistory, WeightHistograms
    from nnlite.train.tensorboard import TensorBoard
    from nnlite.train.trainer import NonFiniteLossError, Trainer

# Imported when first asked for: reading a history needs no Trainer, and nothing here a plot.
_LAZY = {
    "Callback": "callbacks",
    "CallbackError": "callbacks",
    "Checkpoint": "callbacks",
    "ClipGradNorm": "callbacks",
    "ClipGradValue": "callbacks",
    "Doctor": "doctor",
    "DoctorWarning": "doctor",
    "EMA": "callbacks",
    "EarlyStopping": "callbacks",
    "FreezeAudit": "callbacks",
    "GradualUnfreezing": "callbacks",
    "GradientNorms": "recorders",
    "History": "history",
    "LiveCurve": "live",
    "NonFiniteLossError": "trainer",
    "ProgressBar": "callbacks",
    "SaveHistory": "recorders",
    "Schedule": "callbacks",
    "TabularClassifier": "classifier",
    "TensorBoard": "tensorboard",
    "Trainer": "trainer",
    "WeightHistograms": "recorders",
    "learning_rates": "history",
    "load_state": "loop",
    "plot_calibration": "plot",
    "plot_confusion_matrix": "plot",
    "plot_gradient_norms": "plot",
    "plot_history": "plot",
    "plot_lr_find": "plot",
    "plot_precision_recall": "plot",
    "plot_roc": "plot",
    "plot_schedule": "plot",
    "plot_weight_histograms": "plot",
    "save_state": "loop",
}


def __getattr__(name: str) -> _Any:
    if name in _LAZY:
        value = getattr(_import_module(f"nnlite.train.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    if name in ("callbacks", "history", "metrics", "plot", "recorders", "trainer"):
        return _import_module(f"nnlite.train.{name}")
    raise AttributeError(f"nnlite.train has no {name!r}; it has {', '.join(__all__)}")


__all__ = [
    "EMA",
    "Callback",
    "CallbackError",
    "Checkpoint",
    "ClipGradNorm",
    "ClipGradValue",
    "Doctor",
    "DoctorWarning",
    "EarlyStopping",
    "FreezeAudit",
    "GradientNorms",
    "GradualUnfreezing",
    "History",
    "LiveCurve",
    "NonFiniteLossError",
    "ProgressBar",
    "SaveHistory",
    "Schedule",
    "TabularClassifier",
    "TensorBoard",
    "Trainer",
    "WeightHistograms",
    "learning_rates",
    "load_state",
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_gradient_norms",
    "plot_history",
    "plot_lr_find",
    "plot_precision_recall",
    "plot_roc",
    "plot_schedule",
    "plot_weight_histograms",
    "save_state",
]
