"""Metrics of the order of the scores: ROC and precision-recall curves, and the areas below them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nnlite.train.metrics.inputs import (
    UndefinedMetricError,
    log_softmax,
    prepare_binary,
    prepare_odds,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nnlite.train.metrics.inputs import Floats, Integers, Values

    Average = Literal["macro", "micro", "weighted"]
    Area = Callable[[str, Floats, Integers, Floats], float]

__all__ = [
    "PrecisionRecallCurve",
    "RocCurve",
    "average_precision",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
]


class RocCurve(NamedTuple):
    """Points of a ROC curve, from (0, 0) to (1, 1).

    Attributes:
        fpr: false positive rate, FP / (FP + TN), (m,).
        tpr: true positive rate (recall), TP / (TP + FN), (m,).
        thresholds: the point counts scores from this one on as positive, (m,); falling from
            infinity, in the unit of the scores.
    """

    fpr: Floats
    tpr: Floats
    thresholds: Floats


class PrecisionRecallCurve(NamedTuple):
    """Points of a precision-recall curve, from the lowest threshold to (recall 0, precision 1).

    Attributes:
        precision: TP / (TP + FP), (m + 1,).
        recall: TP / (TP + FN), (m + 1,).
        thresholds: the point counts scores from this one on as positive, (m,), rising; the last
            point has none.
    """

    precision: Floats
    recall: Floats
    thresholds: Floats


def roc_auc(
    logits: Values,
    target: Values,
    *,
    average: Average = "macro",
    sample_weight: Values | None = None,
) -> float:
    """Area under the ROC curve: the chance that a positive sample outranks a negative one.

    A tie counts one half (the rank form with average ranks). For C classes: of each class's
    probability (softmax) against the rest.
    Source: J. A. Hanley, B. J. McNeil, Radiology 143 (1982), 29-36.

    Args:
        logits, target, sample_weight: as for `accuracy`. For two classes any score will do, since
            only the order counts.
        average: for C classes or labels "macro": the mean over them; "weighted": that mean weighted
            by the positive samples of each; "micro": of all classes' scores in one order.

    Raises:
        ValueError: shapes that do not fit, a target that is no class, another average.
        UndefinedMetricError: a class without a sample, or as for `accuracy`.

    >>> roc_auc([2.0, -1.0, 0.5, 0.5], [1, 0, 1, 0])
    0.875
    """
    return _averaged("roc_auc", _area, logits, target, sample_weight, average)


def average_precision(
    logits: Values,
    target: Values,
    *,
    average: Average = "macro",
    sample_weight: Values | None = None,
) -> float:
    """Mean of the precision over the steps of the recall: the precision-recall curve in one number.

    AP = Σ (Rₙ − Rₙ₋₁) Pₙ, without interpolation between the points.
    Source: M. Zhu, Recall, precision and average precision, University of Waterloo, 2004.

    Args:
        logits, target, sample_weight, average: as for `roc_auc`.

    Raises:
        ValueError: shapes that do not fit, a target that is no class, another average.
        UndefinedMetricError: a class without a positive sample, or as for `accuracy`.

    >>> round(average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
    0.8333
    """
    return _averaged("average_precision", _steps, logits, target, sample_weight, average)


def roc_curve(
    scores: Values,
    target: Values,
    *,
    sample_weight: Values | None = None,
    drop_intermediate: bool = True,
) -> RocCurve:
    """False and true positive rate for every threshold that can be set.

    Source: T. Fawcett, An introduction to ROC analysis, Pattern Recognit. Lett. 27 (2006), 861-874.

    Args:
        scores: (n,) or (n, 1), logits or probabilities: higher means class 1.
        target, sample_weight: as for `accuracy`, of two classes. Samples of weight 0 are left out.
        drop_intermediate: leave out points on a straight line between others.

    Raises:
        ValueError: shapes that do not fit, more than two classes, a target that is no class.
        UndefinedMetricError: the target holds one class only, or as for `accuracy`.

    >>> curve = roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> curve.tpr, curve.thresholds
    (array([0. , 0.5, 0.5, 1. , 1. ]), array([ inf, 0.8 , 0.4 , 0.35, 0.1 ]))
    """
    values, labels, weight = prepare_binary("roc_curve", scores, target, sample_weight)
    false, true, thresholds = counts(values, labels, weight)
    _require_both("roc_curve", false[-1], true[-1])
    if drop_intermediate and len(false) > 2:
        corner = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
        kept = np.concatenate(([True], corner, [True]))
        false, true, thresholds = false[kept], true[kept], thresholds[kept]
    return RocCurve(
        np.concatenate(([0.0], false / false[-1])),
        np.concatenate(([0.0], true / true[-1])),
        np.concatenate(([np.inf], thresholds)),
    )


def precision_recall_curve(
    scores: Values, target: Values, *, sample_weight: Values | None = None
) -> PrecisionRecallCurve:
    """Precision and recall for every threshold that can be set.

    Args:
        scores: (n,) or (n, 1), logits or probabilities: higher means class 1.
        target, sample_weight: as for `accuracy`, of two classes. Samples of weight 0 are left out.

    Raises:
        ValueError: shapes that do not fit, more than two classes, a target that is no class.
        UndefinedMetricError: the target holds no positive sample, or as for `accuracy`.

    >>> curve = precision_recall_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> curve.recall, curve.thresholds
    (array([1. , 1. , 0.5, 0.5, 0. ]), array([0.1 , 0.35, 0.4 , 0.8 ]))
    """
    function = "precision_recall_curve"
    values, labels, weight = prepare_binary(function, scores, target, sample_weight)
    false, true, thresholds = counts(values, labels, weight)
    _require_positive(function, true[-1])
    return PrecisionRecallCurve(
        np.concatenate(((true / (true + false))[::-1], [1.0])),
        np.concatenate(((true / true[-1])[::-1], [0.0])),
        thresholds[::-1],
    )


def counts(scores: Floats, labels: Integers, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Weights of the false and the true positives from each distinct score on, the highest first.

    Args:
        scores, labels, weight: (n,), as `prepare_binary` gives them. Samples of weight 0 are left
            out.

    Returns:
        False positives, true positives and scores, (m,) each.
    """
    counted = weight > 0
    scores, labels, weight = scores[counted], labels[counted], weight[counted]
    order = np.argsort(-scores, kind="stable")
    scores, labels, weight = scores[order], labels[order], weight[order]
    last = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    true = np.cumsum(labels * weight)[last]
    false = np.cumsum((1 - labels) * weight)[last]
    return false, true, scores[last]


def _averaged(
    function: str,
    area: Area,
    logits: Values,
    target: Values,
    sample_weight: Values | None,
    average: Average,
) -> float:
    """The area of two classes, or the mean of those of C classes or labels."""
    if average not in ("macro", "micro", "weighted"):
        cure = "give 'macro', 'micro' or 'weighted'"
        raise ValueError(f"{function}: average is {average!r}; {cure}")
    scores, labels, weight = prepare_odds(function, logits, target, sample_weight)
    if scores.ndim == 1:
        return area(function, scores, labels, weight)
    if labels.ndim == 1:
        scores = log_softmax(scores)
        labels = (labels[:, np.newaxis] == np.arange(scores.shape[1])).astype(np.intp)
    if average == "micro":
        return area(function, scores.ravel(), labels.ravel(), np.repeat(weight, scores.shape[1]))
    areas = [area(function, scores[:, k], labels[:, k], weight) for k in range(scores.shape[1])]
    return float(np.average(areas, weights=weight @ labels if average == "weighted" else None))


def _area(function: str, scores: Floats, labels: Integers, weight: Floats) -> float:
    positive: NDArray[np.bool_] = labels == 1
    _, rank = np.unique(scores, return_inverse=True)
    positives = np.bincount(rank, weight * positive)
    negatives = np.bincount(rank, weight * ~positive)
    _require_both(function, negatives.sum(), positives.sum())
    outranked = np.cumsum(negatives) - 0.5 * negatives
    return float(positives @ outranked / (positives.sum() * negatives.sum()))


def _steps(function: str, scores: Floats, labels: Integers, weight: Floats) -> float:
    false, true, _ = counts(scores, labels, weight)
    _require_positive(function, true[-1])
    return float(np.diff(true, prepend=0.0) @ (true / (true + false)) / true[-1])


def _require_both(function: str, negatives: float, positives: float) -> None:
    if not (negatives > 0 and positives > 0):
        cure = "it needs samples of every class"
        raise UndefinedMetricError(f"{function}: the target holds one class only; {cure}")


def _require_positive(function: str, positives: float) -> None:
    if not positives > 0:
        raise UndefinedMetricError(f"{function}: the target holds no positive sample (1)")
