"""What metrics are given: checked, and brought into float64 scores, integer classes and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nnlite.tensor import Tensor

    Values: TypeAlias = Tensor | ArrayLike
    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.intp]


class UndefinedMetricError(ValueError):
    """The data leave this metric without a value: no sample, one class only, NaN logits."""


def classes_of(scores: Floats) -> int:
    """How many classes (or labels) there are."""
    return 2 if scores.ndim == 1 else scores.shape[1]


def predict(scores: Floats, threshold: float = 0.0) -> Integers:
    """The predicted class of each sample."""
    if scores.ndim == 1:
        return (scores > threshold).astype(np.intp)
    largest: Integers = scores.argmax(axis=1)
    return largest


def prepare(
    function: str,
    logits: Values,
    target: Values,
    sample_weight: Values | None,
    *,
    several_labels: bool = True,
) -> tuple[Floats, Integers, Floats]:
    """Check the arguments of a metric of classification.

    Args:
        function: whose arguments they are, for the messages.
        logits, target, sample_weight: as for `accuracy`.
        several_labels: whether a target (n, C) of several labels will do.

    Returns:
        Scores (n,) or (n, C), float64; the target's classes (n,), or its labels (n, C), 0 or 1;
        weights (n,).

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: no sample, NaN among the logits, weights that are all zero.
    """
    scores = numbers(function, "logits", logits)
    if scores.ndim not in (1, 2) or scores.shape[1:] == (0,):
        cure = "give (n,) or (n, 1) for two classes, (n, C) for C classes"
        raise ValueError(f"{function}: the logits have shape {scores.shape}; {cure}")
    if scores.shape[1:] == (1,):
        scores = scores[:, 0]
    labels = _classes(function, array(target), scores, several_labels)
    weight = weights(function, sample_weight, len(scores))
    require_numbers(function, "logits", scores)
    return scores, labels, weight


def prepare_odds(
    function: str, logits: Values, target: Values, sample_weight: Values | None
) -> tuple[Floats, Integers, Floats]:
    """As `prepare`, for metrics of probabilities; two columns become the log odds of class 1."""
    scores, labels, weight = prepare(function, logits, target, sample_weight)
    if scores.ndim == 2 and labels.ndim == 1:
        finite = np.isfinite(scores.max(axis=1))
        if not finite.all():
            cure = "probabilities need a finite largest logit"
            raise UndefinedMetricError(f"{function}: row {int(finite.argmin())}: {cure}")
        if scores.shape[1] == 2:
            scores = scores[:, 1] - scores[:, 0]
    return scores, labels, weight


def prepare_binary(
    function: str, scores: Values, target: Values, sample_weight: Values | None
) -> tuple[Floats, Integers, Floats]:
    """As `prepare`, for what is of two classes alone.

    Raises:
        ValueError: also for scores of more classes.
    """
    values, labels, weight = prepare(function, scores, target, sample_weight)
    if values.ndim == 2:
        cure = "give one class against the rest: scores[:, k], target == k"
        raise ValueError(f"{function}: the scores have shape {values.shape}; {cure}")
    return values, labels, weight


def array(values: Values) -> NDArray[Any]:
    """The array of a Tensor, or of whatever can become one."""
    return np.asarray(getattr(values, "array", values))


def numbers(function: str, name: str, values: Values) -> Floats:
    """As float64.

    Raises:
        ValueError: these are no real numbers.
    """
    given = array(values)
    if given.dtype.kind not in "biuf":
        if given.size:
            cure = "give real numbers"
            raise ValueError(f"{function}: the {name} have dtype {given.dtype}; {cure}")
        given = given.astype(np.float64)
    return given.astype(np.float64, copy=False)


def require_numbers(function: str, name: str, scores: Floats) -> None:
    """Refuse an epoch without samples, and NaN.

    Raises:
        UndefinedMetricError: no sample, or NaN among the scores.
    """
    if len(scores) == 0:
        raise UndefinedMetricError(f"{function}: there is no sample")
    missing = np.isnan(scores)
    if missing.any():
        share = f"{np.count_nonzero(missing)} of {scores.size} {name} are NaN"
        cure = "the training diverged? try a lower learning rate"
        raise UndefinedMetricError(f"{function}: {share}; {cure}")


def weights(function: str, sample_weight: Values | None, count: int) -> Floats:
    """The weight of each sample (n,); all 1 where none are given.

    Raises:
        ValueError: another shape, a negative weight, one that is not finite.
        UndefinedMetricError: all are zero.
    """
    if sample_weight is None:
        return np.ones(count)
    weight = numbers(function, "weights", sample_weight)
    if weight.shape not in ((count,), (count, 1)):
        cure = f"give one weight per sample, ({count},)"
        raise ValueError(f"{function}: sample_weight has shape {weight.shape}; {cure}")
    weight = weight.reshape(count)
    wrong = ~((weight >= 0) & (weight < np.inf))
    if wrong.any():
        row = int(wrong.argmax())
        cure = "weights are finite and not negative"
        raise ValueError(f"{function}: sample_weight {row} is {weight[row]}; {cure}")
    if count and not weight.any():
        raise UndefinedMetricError(f"{function}: every sample_weight is zero")
    return weight


def sums(places: Integers, weight: Floats, count: int) -> Floats:
    """Sum of the weights at each place."""
    return np.bincount(places, weight, minlength=count).astype(np.float64, copy=False)


def log_softmax(scores: Floats) -> Floats:
    """Logarithm of the probability of each class, row by row."""
    shifted: Floats = scores - scores.max(axis=1, keepdims=True)
    # Sorted: rows of the same numbers in another order have equal probabilities, and tie.
    total: Floats = np.sort(np.exp(shifted), axis=1).sum(axis=1, keepdims=True)
    return shifted - np.log(total)


def sigmoid(scores: Floats) -> Floats:
    """Probability of class 1."""
    return 0.5 * (1.0 + np.tanh(0.5 * scores))


def _classes(function: str, target: NDArray[Any], scores: Floats, several_labels: bool) -> Integers:
    count = len(scores)
    classes = classes_of(scores)
    if scores.ndim == 1:
        kinds = "biuf"
        cure = "give 0 and 1, or logits of shape (n, C) for C classes"
    elif target.shape == scores.shape:
        if not several_labels:
            cure = "take one label at a time: logits[:, k], target[:, k]"
            what = f"the target of shape {target.shape} has several labels a sample"
            raise ValueError(f"{function}: {what}; {cure}")
        kinds, classes = "biuf", 2
        cure = "give 0 and 1 for several labels a sample, or one class per sample"
    else:
        kinds = "biu"
        cure = f"give integers from 0 to {classes - 1}"
    if target.shape == (count, 1):
        target = target.reshape(count)
    if target.shape not in ((count,), scores.shape):
        shapes = f"logits of shape {scores.shape} and a target of shape {target.shape}"
        several = f", or labels, {scores.shape}" if several_labels and scores.ndim == 2 else ""
        raise ValueError(f"{function}: {shapes}; give one class per sample, ({count},){several}")
    if target.dtype.kind not in kinds and target.size:
        raise ValueError(f"{function}: the target has dtype {target.dtype}; {cure}")
    wrong = (target < 0) | (target >= classes) | (target != np.floor(target))
    if wrong.any():
        first = tuple(int(place) for place in np.argwhere(wrong)[0])
        row = first[0] if len(first) == 1 else first
        raise ValueError(f"{function}: target {row} is {target[first]}, which is no class; {cure}")
    return target.astype(np.intp)
