"""Metrics of classification: how good the logits of a whole epoch are, equal to scikit-learn's.

Every metric is a plain function ``metric(logits, target, *, sample_weight=None) -> float`` on
Tensors or arrays, so a function of your own stands beside them in ``Trainer(metrics=…)``.

- Two classes: logits (n,) or (n, 1), target (n,) or (n, 1) of 0 and 1. The prediction is the
  positive class, 1, when the logit is above 0 (probability above 0.5); exactly 0 is negative.
- C classes: logits (n, C), integer target (n,) in 0 … C − 1. The prediction is the largest logit,
  the first of equal ones. Precision, recall, F1 and ROC AUC are means over classes ("macro").

A metric that the data leave without a value (no sample, a single class, NaN among the logits)
raises `UndefinedMetricError`, a ValueError; `evaluate` gives nan for it and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nnlite.tensor import Tensor

    Values: TypeAlias = Tensor | ArrayLike
    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.intp]
    Metric: TypeAlias = Callable[..., float]

__all__ = [
    "UndefinedMetricError",
    "accuracy",
    "brier",
    "confusion_matrix",
    "evaluate",
    "f1",
    "log_loss",
    "metric_mode",
    "precision",
    "recall",
    "resolve",
    "roc_auc",
]


class UndefinedMetricError(ValueError):
    """The data leave this metric without a value: no sample, one class only, NaN logits."""


def accuracy(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Share of the samples whose predicted class is the target's.

    Args:
        logits: (n,) or (n, 1) for two classes, (n, C) for C classes.
        target: (n,) or (n, 1); 0 and 1 for two classes, integers 0 … C − 1 for C classes.
        sample_weight: (n,), not negative; each sample counts this much. Default: all alike.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: no sample, NaN among the logits, weights that are all zero.

    >>> accuracy([2.0, -1.0, 0.5, -3.0], [1, 0, 0, 0])
    0.75
    """
    scores, labels, weight = _prepare("accuracy", logits, target, sample_weight)
    return float(np.average(_predict(scores) == labels, weights=weight))


def precision(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Share of the samples predicted positive that are: TP / (TP + FP).

    It is 0 when nothing is predicted positive. For C classes: the mean over the classes that occur
    in the target or in the predictions.

    Args:
        logits, target, sample_weight: as for `accuracy`.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: no positive sample, or as for `accuracy`.

    >>> precision([2.0, -1.0, 0.5, -3.0], [1, 0, 0, 0])
    0.5
    """
    hit, predicted, _ = _tally("precision", logits, target, sample_weight)
    return _mean_ratio(hit, predicted)


def recall(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Share of the positive samples that are predicted positive: TP / (TP + FN).

    For C classes: the mean over the classes that occur in the target or in the predictions.

    Args:
        logits, target, sample_weight: as for `accuracy`.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: no positive sample, or as for `accuracy`.

    >>> recall([2.0, -1.0, 0.5, -3.0], [1, 1, 0, 0])
    0.5
    """
    hit, _, actual = _tally("recall", logits, target, sample_weight)
    return _mean_ratio(hit, actual)


def f1(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).

    For C classes: the mean over the classes that occur in the target or in the predictions.
    Source: C. J. van Rijsbergen, Information Retrieval, 2nd ed., 1979, chapter 7.

    Args:
        logits, target, sample_weight: as for `accuracy`.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: no positive sample, or as for `accuracy`.

    >>> f1([2.0, 1.0, 0.5, -3.0], [1, 1, 0, 0])
    0.8
    """
    hit, predicted, actual = _tally("f1", logits, target, sample_weight)
    return _mean_ratio(2.0 * hit, predicted + actual)


def roc_auc(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Area under the ROC curve: the chance that a positive sample outranks a negative one.

    A tie counts one half (the rank form with average ranks). For C classes: the mean over classes
    of each class's probability (softmax) against the rest.
    Source: J. A. Hanley, B. J. McNeil, Radiology 143 (1982), 29-36.

    Args:
        logits, target, sample_weight: as for `accuracy`. For two classes any score will do, since
            only the order counts.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: a class without a sample, or as for `accuracy`.

    >>> roc_auc([2.0, -1.0, 0.5, 0.5], [1, 0, 1, 0])
    0.875
    """
    scores, labels, weight = _prepare_odds("roc_auc", logits, target, sample_weight)
    if scores.ndim == 1:
        return _area(scores, labels == 1, weight)
    columns = _log_softmax(scores).T
    areas = [_area(column, labels == k, weight) for k, column in enumerate(columns)]
    return float(np.mean(areas))


def log_loss(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Mean of −log p(target): binary cross-entropy with logits, or cross-entropy for C classes.

    Source: I. J. Good, Rational decisions, J. R. Stat. Soc. B 14 (1952), 107-114.

    Args:
        logits, target, sample_weight: as for `accuracy`.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: as for `accuracy`.

    >>> round(log_loss([0.0, 0.0], [1, 0]), 6)  # log 2
    0.693147
    """
    scores, labels, weight = _prepare_odds("log_loss", logits, target, sample_weight)
    if scores.ndim == 1:
        losses = np.logaddexp(0.0, np.where(labels == 1, -scores, scores))
    else:
        losses = -_log_softmax(scores)[np.arange(len(labels)), labels]
    return float(np.average(losses, weights=weight))


def brier(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Brier score: mean squared distance of the predicted probability from the target.

    For three or more classes the squares are summed over the classes (0 to 2, as in the paper).
    Source: G. W. Brier, Monthly Weather Review 78 (1950), 1-3.

    Args:
        logits, target, sample_weight: as for `accuracy`.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: as for `accuracy`.

    >>> brier([0.0, 0.0], [1, 0])
    0.25
    """
    scores, labels, weight = _prepare_odds("brier", logits, target, sample_weight)
    if scores.ndim == 1:
        errors = (_sigmoid(scores) - labels) ** 2
    else:
        probability = np.exp(_log_softmax(scores))
        probability[np.arange(len(labels)), labels] -= 1.0
        errors = (probability**2).sum(axis=1)
    return float(np.average(errors, weights=weight))


def confusion_matrix(
    logits: Values, target: Values, *, sample_weight: Values | None = None
) -> Floats:
    """Count the samples by true class (row) and predicted class (column).

    Args:
        logits, target, sample_weight: as for `accuracy`.

    Returns:
        float64 array (C, C), (2, 2) for two classes; sums of weights where weights are given.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: as for `accuracy`.

    >>> confusion_matrix([2.0, -1.0, 0.5, -3.0], [1, 0, 0, 0])
    array([[2., 1.],
           [0., 1.]])
    """
    scores, labels, weight = _prepare("confusion_matrix", logits, target, sample_weight)
    classes = _class_count(scores)
    cells = labels * classes + _predict(scores)
    return _sums(cells, weight, classes**2).reshape(classes, classes)


# Each name with the function and whether lower ("min") or higher ("max") is better.
_BUILT_IN: dict[str, tuple[Metric, Literal["min", "max"]]] = {
    "accuracy": (accuracy, "max"),
    "precision": (precision, "max"),
    "recall": (recall, "max"),
    "f1": (f1, "max"),
    "roc_auc": (roc_auc, "max"),
    "log_loss": (log_loss, "min"),
    "brier": (brier, "min"),
}


def resolve(
    metrics: str | Metric | Iterable[str | Metric] | Mapping[str, str | Metric],
) -> dict[str, Metric]:
    """Turn names and functions into named functions, in the order given.

    Args:
        metrics: names of built-in metrics, functions with the signature of `accuracy` (named by
            their ``__name__``), one of these alone, or a mapping from the name to use to either.

    Raises:
        ValueError: an unknown name (near names are listed), a name given twice, the name "loss".
        TypeError: neither a name nor callable, or a function without a usable name.

    >>> list(resolve(["accuracy", "roc_auc"]))
    ['accuracy', 'roc_auc']
    >>> resolve({"auc": "roc_auc"})["auc"] is roc_auc
    True
    >>> resolve(["acuracy"])
    Traceback (most recent call last):
    ValueError: metrics: there is no metric 'acuracy'; did you mean 'accuracy'?
    """
    if isinstance(metrics, str) or callable(metrics):
        metrics = (metrics,)
    if isinstance(metrics, Mapping):
        pairs = [(str(name), metric) for name, metric in metrics.items()]
    else:
        pairs = [(_name_of(metric), metric) for metric in metrics]
    named: dict[str, Metric] = {}
    for name, metric in pairs:
        if name in named:
            raise ValueError(f"metrics: {name!r} is given twice; name one differently in a dict")
        if name == "loss":
            raise ValueError("metrics: 'loss' is recorded in any case; leave it out or rename it")
        named[name] = _built_in(metric) if isinstance(metric, str) else metric
        if not callable(named[name]):
            raise TypeError(f"metrics: {name!r} is neither a name nor callable: {metric!r}")
    return named


def metric_mode(name: str) -> Literal["min", "max"]:
    """Whether a metric should fall ("min") or rise ("max"); ``train_`` and ``valid_`` may lead.

    Args:
        name: "loss", a built-in metric, or a History column of one, such as "valid_roc_auc".

    Raises:
        ValueError: a name whose direction is not known.

    >>> metric_mode("valid_loss"), metric_mode("accuracy")
    ('min', 'max')
    """
    base = name.removeprefix("train_").removeprefix("valid_")
    if base == "loss":
        return "min"
    if base not in _BUILT_IN:
        cure = "give mode='min' or mode='max'"
        raise ValueError(f"it is not known whether a higher {name!r} is better; {cure}")
    return _BUILT_IN[base][1]


def evaluate(
    metrics: Mapping[str, Metric],
    logits: Values,
    target: Values,
    *,
    sample_weight: Values | None = None,
) -> dict[str, float]:
    """Compute every metric, nan where the data leave it undefined.

    Args:
        metrics: named functions, from `resolve`.
        logits, target, sample_weight: as for `accuracy`, of the whole epoch: most metrics are not
            the mean of their values on batches. A function gets ``sample_weight`` only when it is
            given here.

    Raises:
        Whatever a metric raises, except `UndefinedMetricError`.

    >>> evaluate(resolve(["accuracy", "roc_auc"]), [2.0, -1.0], [1, 1])
    {'accuracy': 0.5, 'roc_auc': nan}
    """
    options = {} if sample_weight is None else {"sample_weight": sample_weight}
    values: dict[str, float] = {}
    for name, metric in metrics.items():
        try:
            values[name] = float(metric(logits, target, **options))
        except UndefinedMetricError:
            values[name] = float("nan")
    return values


def _name_of(metric: object) -> str:
    if isinstance(metric, str):
        return metric
    name = getattr(metric, "__name__", "<unnamed>")
    if not name.isidentifier():
        cure = "give it one in a dict: metrics={'my_metric': …}"
        raise TypeError(f"metrics: {metric!r} has no name for a column; {cure}")
    return str(name)


def _built_in(name: str) -> Metric:
    if name in _BUILT_IN:
        return _BUILT_IN[name][0]
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), _BUILT_IN, n=3, cutoff=0.5)
    names = " or ".join(map(repr, near))
    cure = f"did you mean {names}?" if near else f"there are {', '.join(_BUILT_IN)}"
    raise ValueError(f"metrics: there is no metric {name!r}; {cure}")


def _array(values: Values) -> NDArray[Any]:
    return np.asarray(getattr(values, "array", values))


def _class_count(scores: Floats) -> int:
    return 2 if scores.ndim == 1 else scores.shape[1]


def _predict(scores: Floats) -> Integers:
    return (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)


def _prepare(
    function: str, logits: Values, target: Values, sample_weight: Values | None
) -> tuple[Floats, Integers, Floats]:
    """Check the arguments; give scores (n,) or (n, C), classes (n,) and weights (n,)."""
    scores = _array(logits).astype(np.float64)
    if scores.ndim not in (1, 2) or scores.shape[1:] == (0,):
        cure = "give (n,) or (n, 1) for two classes, (n, C) for C classes"
        raise ValueError(f"{function}: the logits have shape {scores.shape}; {cure}")
    if scores.shape[1:] == (1,):
        scores = scores[:, 0]
    labels = _classes(function, _array(target), scores)
    if sample_weight is None:
        weight = np.ones(len(scores))
    else:
        weight = _weights(function, _array(sample_weight), len(scores))
    if len(scores) == 0:
        raise UndefinedMetricError(f"{function}: there is no sample")
    if np.isnan(scores).any():
        share = f"{np.count_nonzero(np.isnan(scores))} of {scores.size} logits are NaN"
        cure = "the training diverged? try a lower learning rate"
        raise UndefinedMetricError(f"{function}: {share}; {cure}")
    return scores, labels, weight


def _prepare_odds(
    function: str, logits: Values, target: Values, sample_weight: Values | None
) -> tuple[Floats, Integers, Floats]:
    """As `_prepare`, for metrics of probabilities; two columns become the log odds of class 1."""
    scores, labels, weight = _prepare(function, logits, target, sample_weight)
    if scores.ndim == 2:
        finite = np.isfinite(scores.max(axis=1))
        if not finite.all():
            cure = "probabilities need a finite largest logit"
            raise UndefinedMetricError(f"{function}: row {int(finite.argmin())}: {cure}")
        if scores.shape[1] == 2:
            scores = scores[:, 1] - scores[:, 0]
    return scores, labels, weight


def _classes(function: str, target: NDArray[Any], scores: Floats) -> Integers:
    count = len(scores)
    if target.shape not in ((count,), (count, 1)):
        shapes = f"logits of shape {scores.shape} and a target of shape {target.shape}"
        raise ValueError(f"{function}: {shapes}; give one class per sample, ({count},)")
    labels = target.reshape(count)
    classes = _class_count(scores)
    if scores.ndim == 1:
        kinds = "biuf"
        cure = "give 0 and 1, or logits of shape (n, C) for C classes"
    else:
        kinds = "biu"
        cure = f"give integers from 0 to {classes - 1}"
    if labels.dtype.kind not in kinds:
        raise ValueError(f"{function}: the target has dtype {labels.dtype}; {cure}")
    wrong = (labels < 0) | (labels >= classes) | (labels != np.floor(labels))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{function}: target {row} is {labels[row]}, which is no class; {cure}")
    return labels.astype(np.intp)


def _weights(function: str, weight: NDArray[Any], count: int) -> Floats:
    if weight.shape not in ((count,), (count, 1)):
        cure = f"give one weight per sample, ({count},)"
        raise ValueError(f"{function}: sample_weight has shape {weight.shape}; {cure}")
    weight = weight.reshape(count).astype(np.float64)
    wrong = ~((weight >= 0) & (weight < np.inf))
    if wrong.any():
        row = int(wrong.argmax())
        cure = "weights are finite and not negative"
        raise ValueError(f"{function}: sample_weight {row} is {weight[row]}; {cure}")
    if count and not weight.any():
        raise UndefinedMetricError(f"{function}: every sample_weight is zero")
    return weight


def _tally(
    function: str, logits: Values, target: Values, sample_weight: Values | None
) -> tuple[Floats, Floats, Floats]:
    """Weights of the hits, the predicted and the actual samples of each class that is averaged."""
    scores, labels, weight = _prepare(function, logits, target, sample_weight)
    guess = _predict(scores)
    classes = _class_count(scores)
    hit = _sums(labels, weight * (guess == labels), classes)
    predicted = _sums(guess, weight, classes)
    actual = _sums(labels, weight, classes)
    if scores.ndim == 1:
        if actual[1] == 0:
            raise UndefinedMetricError(f"{function}: the target holds no positive sample (1)")
        chosen = np.array([False, True])
    else:
        chosen = np.bincount(np.concatenate((labels, guess)), minlength=classes) > 0
    return hit[chosen], predicted[chosen], actual[chosen]


def _sums(places: Integers, weight: Floats, count: int) -> Floats:
    return np.bincount(places, weight, minlength=count).astype(np.float64, copy=False)


def _mean_ratio(part: Floats, whole: Floats) -> float:
    """Mean of part / whole, where 0 / 0 counts 0 as in scikit-learn."""
    return float(np.mean(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)))


def _area(scores: Floats, positive: NDArray[np.bool_], weight: Floats) -> float:
    _, rank = np.unique(scores, return_inverse=True)
    positives = np.bincount(rank, weight * positive)
    negatives = np.bincount(rank, weight * ~positive)
    pairs = positives.sum() * negatives.sum()
    if pairs == 0:
        cure = "it needs samples of every class"
        raise UndefinedMetricError(f"roc_auc: the target holds one class only; {cure}")
    outranked = np.cumsum(negatives) - 0.5 * negatives
    return float(positives @ outranked / pairs)


def _sigmoid(scores: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * scores))


def _log_softmax(scores: Floats) -> Floats:
    shifted: Floats = scores - scores.max(axis=1, keepdims=True)
    total: Floats = np.exp(shifted).sum(axis=1, keepdims=True)
    return shifted - np.log(total)
