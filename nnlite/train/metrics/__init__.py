"""Metrics: how good the outputs of a whole epoch are, equal to scikit-learn's.

Every metric is a plain function ``metric(outputs, target, *, sample_weight=None) -> float`` on
Tensors or arrays, so a function of your own stands beside them in ``Trainer(metrics=…)``. The
shapes say what the task is:

- Two classes: logits (n,) or (n, 1), target (n,) or (n, 1) of 0 and 1. The prediction is the
  positive class, 1, when the logit is above 0 (probability above 0.5); exactly 0 is negative.
- C classes: logits (n, C), integer target (n,) in 0 … C − 1. The prediction is the largest logit,
  the first of equal ones. Precision, recall, F1, ROC AUC and average precision are means over
  classes ("macro") unless ``average=`` says otherwise.
- Several labels: logits (n, C), target (n, C) of 0 and 1; a label is predicted when its logit is
  above 0.
- Regression (`mse`, `rmse`, `mae`, `r2`): outputs and target of the same shape.

Whoever has probabilities p instead of logits gives log p − log(1 − p), or log p for C classes;
`roc_auc`, `average_precision`, `roc_curve` and `precision_recall_curve` of two classes take any
score, and `calibration_curve` takes the probabilities themselves.

A metric that the data leave without a value (no sample, a single class, NaN among the outputs)
raises `UndefinedMetricError`, a ValueError; `evaluate` gives nan for it and goes on.
"""

from __future__ import annotations

from nnlite.train.metrics.calibration import (
    BestThreshold,
    CalibrationCurve,
    CostCurve,
    best_threshold,
    calibration_curve,
    cost_curve,
)
from nnlite.train.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    matthews_corrcoef,
    precision,
    recall,
    top_k_accuracy,
)
from nnlite.train.metrics.inputs import UndefinedMetricError
from nnlite.train.metrics.probability import brier, log_loss
from nnlite.train.metrics.ranking import (
    PrecisionRecallCurve,
    RocCurve,
    average_precision,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)
from nnlite.train.metrics.registry import evaluate, is_share, metric_mode, resolve
from nnlite.train.metrics.regression import mae, mse, r2, rmse

__all__ = [
    "BestThreshold",
    "CalibrationCurve",
    "CostCurve",
    "PrecisionRecallCurve",
    "RocCurve",
    "UndefinedMetricError",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "best_threshold",
    "brier",
    "calibration_curve",
    "confusion_matrix",
    "cost_curve",
    "evaluate",
    "f1",
    "is_share",
    "log_loss",
    "mae",
    "matthews_corrcoef",
    "metric_mode",
    "mse",
    "precision",
    "precision_recall_curve",
    "r2",
    "recall",
    "resolve",
    "rmse",
    "roc_auc",
    "roc_curve",
    "top_k_accuracy",
]
