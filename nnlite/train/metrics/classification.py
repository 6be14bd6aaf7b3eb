"""Metrics of predicted classes: what share is right, and which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from nnlite.train.metrics.inputs import (
    UndefinedMetricError,
    classes_of,
    predict,
    prepare,
    sums,
)

if TYPE_CHECKING:
    from nnlite.train.metrics.inputs import Floats, Values

    Average = Literal["binary", "macro", "micro", "weighted"]

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "confusion_matrix",
    "f1",
    "matthews_corrcoef",
    "precision",
    "recall",
    "top_k_accuracy",
]


def accuracy(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Share of the samples whose predicted class is the target's.

    With several labels a sample is right when all its labels are.

    Args:
        logits: (n,) or (n, 1) for two classes, (n, C) for C classes or C labels.
        target: (n,) or (n, 1); 0 and 1 for two classes, integers 0 … C − 1 for C classes; (n, C)
            of 0 and 1 for several labels.
        sample_weight: (n,), not negative; each sample counts this much. Default: all alike.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: no sample, NaN among the logits, weights that are all zero.

    >>> accuracy([2.0, -1.0, 0.5, -3.0], [1, 0, 0, 0])
    0.75
    """
    scores, labels, weight = prepare("accuracy", logits, target, sample_weight)
    if labels.ndim == 2:
        right = ((scores > 0) == labels).all(axis=1)
    else:
        right = predict(scores) == labels
    return float(np.average(right, weights=weight))


def balanced_accuracy(
    logits: Values, target: Values, *, sample_weight: Values | None = None
) -> float:
    """Mean over the classes of the target of the share of their samples that are right.

    Source: K. H. Brodersen et al., The balanced accuracy and its posterior distribution, ICPR 2010.

    Args:
        logits, target, sample_weight: as for `accuracy`, without several labels.

    Raises:
        ValueError: shapes that do not fit, a target that is no class or has several labels.
        UndefinedMetricError: as for `accuracy`.

    >>> balanced_accuracy([2.0, -1.0, 0.5, -3.0], [1, 0, 0, 0])  # (1 + 2/3) / 2
    0.8333333333333333
    """
    function = "balanced_accuracy"
    matrix = _confusion(function, logits, target, sample_weight, 0.0)
    actual = matrix.sum(axis=1)
    there = actual > 0
    return float(np.mean(np.diag(matrix)[there] / actual[there]))


def precision(
    logits: Values,
    target: Values,
    *,
    average: Average | None = None,
    sample_weight: Values | None = None,
) -> float:
    """Share of the samples predicted positive that are: TP / (TP + FP).

    It is 0 when nothing is predicted positive.

    Args:
        logits, target, sample_weight: as for `accuracy`.
        average: "binary": of class 1 alone, the default for two classes with one logit; "macro":
            the mean over the classes that occur in the target or in the predictions (or over all
            labels), the default else; "weighted": that mean weighted by the samples of each class;
            "micro": over the counts of all classes together.

    Raises:
        ValueError: shapes that do not fit, a target that is no class, an average that does not fit.
        UndefinedMetricError: no positive sample, or as for `accuracy`.

    >>> precision([2.0, -1.0, 0.5, -3.0], [1, 0, 0, 0])
    0.5
    """
    hit, predicted, actual = _tally("precision", logits, target, sample_weight, average)
    return _mean_ratio(hit, predicted, actual, average)


def recall(
    logits: Values,
    target: Values,
    *,
    average: Average | None = None,
    sample_weight: Values | None = None,
) -> float:
    """Share of the positive samples that are predicted positive: TP / (TP + FN).

    Args:
        logits, target, average, sample_weight: as for `precision`.

    Raises:
        ValueError: shapes that do not fit, a target that is no class, an average that does not fit.
        UndefinedMetricError: no positive sample, or as for `accuracy`.

    >>> recall([2.0, -1.0, 0.5, -3.0], [1, 1, 0, 0])
    0.5
    """
    hit, _, actual = _tally("recall", logits, target, sample_weight, average)
    return _mean_ratio(hit, actual, actual, average)


def f1(
    logits: Values,
    target: Values,
    *,
    average: Average | None = None,
    sample_weight: Values | None = None,
) -> float:
    """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).

    Source: C. J. van Rijsbergen, Information Retrieval, 2nd ed., 1979, chapter 7.

    Args:
        logits, target, average, sample_weight: as for `precision`.

    Raises:
        ValueError: shapes that do not fit, a target that is no class, an average that does not fit.
        UndefinedMetricError: no positive sample, or as for `accuracy`.

    >>> f1([2.0, 1.0, 0.5, -3.0], [1, 1, 0, 0])
    0.8
    >>> logits, target = [[2.0, 0.0, 1.0], [0.0, 1.0, 2.0], [0.0, 1.0, 0.0]], [0, 1, 1]
    >>> f1(logits, target), round(f1(logits, target, average="micro"), 4)
    (0.5555555555555555, 0.6667)
    """
    hit, predicted, actual = _tally("f1", logits, target, sample_weight, average)
    return _mean_ratio(2.0 * hit, predicted + actual, actual, average)


def matthews_corrcoef(
    logits: Values, target: Values, *, sample_weight: Values | None = None
) -> float:
    """Matthews correlation coefficient: correlation of predicted and true classes, from −1 to 1.

    It is 0 when all predictions, or all targets, are of one class.
    Sources: B. W. Matthews, Biochim. Biophys. Acta 405 (1975), 442-451; for C classes J. Gorodkin,
    Comput. Biol. Chem. 28 (2004), 367-374.

    Args:
        logits, target, sample_weight: as for `accuracy`, without several labels.

    Raises:
        ValueError: shapes that do not fit, a target that is no class or has several labels.
        UndefinedMetricError: as for `accuracy`.

    >>> matthews_corrcoef([2.0, -1.0, 0.5, -3.0], [1, 0, 1, 0])
    1.0
    """
    matrix = _confusion("matthews_corrcoef", logits, target, sample_weight, 0.0)
    matrix /= matrix.sum()
    actual, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    # Each is Σ p (1 − p), written so that it is exactly 0 where one class has it all.
    spread = _spread(actual) * _spread(predicted)
    if spread == 0:
        return 0.0
    return float((np.trace(matrix) - actual @ predicted) / np.sqrt(spread))


def top_k_accuracy(
    logits: Values, target: Values, *, k: int = 2, sample_weight: Values | None = None
) -> float:
    """Share of the samples whose class is among the k with the largest logits.

    Of equal logits the later class comes first, as in scikit-learn.

    Args:
        logits, target, sample_weight: as for `accuracy`, without several labels.
        k: how many guesses a sample has, 1 or more. By name: "top_5_accuracy" has k = 5.

    Raises:
        ValueError: k below 1, shapes that do not fit, a target that is no class or has several
            labels.
        UndefinedMetricError: as for `accuracy`.

    >>> top_k_accuracy([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]], [1, 2], k=2)
    0.5
    """
    function = "top_k_accuracy"
    if k < 1:
        raise ValueError(f"{function}: k must be 1 or more, got {k}")
    scores, labels, weight = prepare(function, logits, target, sample_weight, several_labels=False)
    if k >= classes_of(scores):
        return 1.0
    if scores.ndim == 1:
        right = predict(scores) == labels
    else:
        largest = np.argsort(scores, axis=1, kind="stable")[:, -k:]
        right = (largest == labels[:, np.newaxis]).any(axis=1)
    return float(np.average(right, weights=weight))


def confusion_matrix(
    logits: Values,
    target: Values,
    *,
    sample_weight: Values | None = None,
    normalize: Literal["true", "pred", "all"] | None = None,
    threshold: float = 0.0,
) -> Floats:
    """Count the samples by true class (row) and predicted class (column).

    Args:
        logits, target, sample_weight: as for `accuracy`, without several labels.
        normalize: "true" divides each row by its sum, "pred" each column, "all" by the sum of all;
            what has no sample stays 0. Default: counts.
        threshold: with two classes and one logit, class 1 is predicted above it (0.5 for
            probabilities; see `best_threshold`).

    Returns:
        float64 array (C, C), (2, 2) for two classes; sums of weights where weights are given.

    Raises:
        ValueError: shapes that do not fit, a target that is no class or has several labels,
            another ``normalize``.
        UndefinedMetricError: as for `accuracy`.

    >>> confusion_matrix([2.0, -1.0, 0.5, -3.0], [1, 0, 0, 0])
    array([[2., 1.],
           [0., 1.]])
    """
    if normalize not in (None, "true", "pred", "all"):
        cure = "give 'true', 'pred', 'all' or None"
        raise ValueError(f"confusion_matrix: normalize is {normalize!r}; {cure}")
    matrix = _confusion("confusion_matrix", logits, target, sample_weight, threshold)
    if normalize is None:
        return matrix
    axis = {"true": 1, "pred": 0, "all": None}[normalize]
    whole = matrix.sum(axis=axis, keepdims=True)
    shares: Floats = np.divide(matrix, whole, out=np.zeros_like(matrix), where=whole > 0)
    return shares


def _confusion(
    function: str,
    logits: Values,
    target: Values,
    sample_weight: Values | None,
    threshold: float,
) -> Floats:
    scores, labels, weight = prepare(function, logits, target, sample_weight, several_labels=False)
    classes = classes_of(scores)
    cells = labels * classes + predict(scores, threshold)
    return sums(cells, weight, classes**2).reshape(classes, classes)


def _spread(share: Floats) -> float:
    """Σ p (1 − p) for shares that sum to 1, as Σ p times the other shares."""
    others = np.cumsum(share) - share
    return float(2.0 * (share @ others))


def _tally(
    function: str,
    logits: Values,
    target: Values,
    sample_weight: Values | None,
    average: Average | None,
) -> tuple[Floats, Floats, Floats]:
    """Weights of the hits, the predicted and the actual samples of each class that is averaged."""
    scores, labels, weight = prepare(function, logits, target, sample_weight)
    if average not in (None, "binary", "macro", "micro", "weighted"):
        cure = "give 'binary', 'macro', 'micro' or 'weighted'"
        raise ValueError(f"{function}: average is {average!r}; {cure}")
    classes = classes_of(scores)
    if labels.ndim == 2:
        guess = scores > 0
        hit, predicted, actual = weight @ (guess & (labels == 1)), weight @ guess, weight @ labels
        chosen = np.ones(classes, bool)
        alone = average == "binary"
    else:
        places = predict(scores)
        hit = sums(labels, weight * (places == labels), classes)
        predicted = sums(places, weight, classes)
        actual = sums(labels, weight, classes)
        chosen = np.bincount(np.concatenate((labels, places)), minlength=classes) > 0
        alone = average == "binary" or (average is None and scores.ndim == 1)
    if alone:
        if labels.ndim == 2 or classes != 2:
            cure = "give 'macro', 'micro' or 'weighted'"
            raise ValueError(f"{function}: average 'binary' needs two classes; {cure}")
        chosen = np.array([False, True])
    hit, predicted, actual = hit[chosen], predicted[chosen], actual[chosen]
    if not actual.any():
        raise UndefinedMetricError(f"{function}: the target holds no positive sample (1)")
    if average == "micro":
        return hit.sum(keepdims=True), predicted.sum(keepdims=True), actual.sum(keepdims=True)
    return hit, predicted, actual


def _mean_ratio(part: Floats, whole: Floats, actual: Floats, average: Average | None) -> float:
    """Mean of part / whole over the classes, where 0 / 0 counts 0 as in scikit-learn."""
    ratio = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return float(np.average(ratio, weights=actual if average == "weighted" else None))
