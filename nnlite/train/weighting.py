"""What is minimised: the loss of a batch, with the weights of samples and of classes.

A weighted mean divides by the sum of the weights of its batch, as torch's cross-entropy does with
the weights of classes. A weight of 0 then is the same as leaving the sample out, a weight of 2 the
same as having it twice, and figures of an epoch are weighted means over all its samples.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite import nn
from nnlite.tensor import Tensor, wrap
from nnlite.train import checks

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["Objective", "needs_targets", "objective", "with_class_weights"]

_BINARY = ("logits of two classes", "probabilities")
_CLASSES = ("logits of classes", "log-probabilities of classes")


class Objective(NamedTuple):
    """A loss, and how its figure for a batch counts in that of an epoch.

    Attributes:
        loss: called with the model's output and the last ``parts`` parts of the batch.
        divisor: what the loss of a batch was divided by, from the same parts.
        is_sum: whether it is a sum over the samples, not their mean.
        parts: 1 for the target, 2 for target and weights.
        given: the loss without weights of samples.
        class_weight: the weights of class 0 and class 1 for a binary loss, which has none itself.
    """

    loss: Callable[..., Tensor]
    divisor: Any
    is_sum: bool
    parts: int
    given: Any
    class_weight: Any = None


def objective(loss: Any, class_weight: Any = None, weighted: bool = False) -> Objective:
    """What to minimise.

    Args:
        loss: the loss, from `with_class_weights`.
        class_weight: the weights of class 0 and class 1 for a binary loss, which has none itself.
        weighted: whether batches end with the weights of their samples.

    Raises:
        TypeError: a loss that gives no loss for each sample.
    """
    if not weighted and class_weight is None:
        return Objective(loss, checks.divisor_of(loss), checks.is_sum(loss), 1, loss)
    each, is_sum = _each(loss), checks.is_sum(loss)
    of_targets = _count_per_sample(loss)

    def weights_of(target: Tensor, weight: Tensor | None) -> Array:
        factors = np.ones(len(target)) if weight is None else _checked(weight, len(target))
        if class_weight is not None:
            factors = factors * class_weight[target.array.reshape(len(target)).astype(np.intp)]
        return factors

    def divisor(target: Tensor, weight: Tensor | None = None) -> float:
        return float((weights_of(target, weight) * of_targets(target)).sum())

    def weighted_loss(output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        losses = each(output, target)
        if losses.ndim == 0 or len(losses) != len(target):
            raise TypeError(
                f"sample_weight: the loss gives {list(losses.shape)} for {len(target)} samples, "
                "and must give one loss for each; write it so that reduction='none' does"
            )
        factors = weights_of(target, weight)
        factor = factors.astype(losses.dtype).reshape(-1, *[1] * (losses.ndim - 1))
        total = (losses * wrap(factor)).sum()
        if is_sum:
            return total
        whole = float((factors * of_targets(target)).sum())
        elements = 1 if _counts_places(loss, target) else losses.array.size // len(target)
        return total / (whole * elements) if whole else total * 0.0

    return Objective(weighted_loss, divisor, is_sum, 1 + weighted, loss, class_weight)


def with_class_weights(
    loss: Any, class_weight: Any, pos_weight: Any, target: Array | None
) -> tuple[Any, Array | None]:
    """The loss with the weights of its classes, and those of a binary loss apart.

    Args:
        loss: the loss as it was given.
        class_weight: None, "balanced", a weight for each class, or a mapping from class to weight.
        pos_weight: None, "balanced", a number, or one for each column of the target.
        target: all targets of the training data; None where they are not known.

    Raises:
        ValueError: weights that the loss does not take or has already, or that targets do not
            allow; "balanced" without known targets.
    """
    kind = checks.kind_of(loss)
    if pos_weight is not None:
        if kind != "logits of two classes":
            raise ValueError(
                f"pos_weight={_short(pos_weight)} is for BCEWithLogitsLoss; for a loss of several "
                "classes give class_weight"
            )
        loss = _with(loss, "pos_weight", _positive(pos_weight, target))
    if class_weight is None:
        return loss, None
    if kind not in _BINARY and kind not in _CLASSES:
        raise ValueError(
            "class_weight is for cross-entropies (CrossEntropyLoss, NLLLoss, BCEWithLogitsLoss, "
            "BCELoss); weigh the samples of another loss with sample_weight"
        )
    ignored = checks.option(loss, "ignore_index", -100) if kind in _CLASSES else None
    weights = _of_classes(class_weight, target, ignored, 2 if kind in _BINARY else None)
    if kind in _CLASSES:
        return _with(loss, "weight", weights), None
    return loss, weights.astype(np.float64)


def needs_targets(weight: Any) -> bool:
    """Whether weights are to be found from the targets."""
    return isinstance(weight, str) and weight == "balanced"


def _with(loss: Any, name: str, weights: Array) -> Any:
    if checks.option(loss, name, None) is not None:
        given = "pos_weight" if name == "pos_weight" else "class_weight"
        raise ValueError(f"{given} is given, and the loss has its own {name}: leave one out")
    tensor = wrap(weights.astype(np.float32))
    if isinstance(loss, nn.Module):
        changed = copy.copy(loss)
        setattr(changed, name, tensor)
        return changed
    return partial(loss, **{name: tensor})


def _positive(given: Any, target: Array | None) -> Array:
    """pos_weight as an array; "balanced": negatives by positives, for each column."""
    if not isinstance(given, str):
        weights = np.asarray(getattr(given, "array", given), dtype=np.float64)
        if not ((weights >= 0) & (weights < np.inf)).all():
            raise ValueError(f"pos_weight must hold finite numbers from 0 on, got {_short(given)}")
        return weights
    known = _known("pos_weight", given, target)
    positive = known.sum(axis=0, dtype=np.float64)
    negative = len(known) - positive
    if not np.all(positive > 0):
        columns = np.flatnonzero(np.atleast_1d(positive) <= 0).tolist()
        where = f" in column {columns[0]}" if known.ndim > 1 and known.shape[1] > 1 else ""
        raise ValueError(
            f"pos_weight='balanced': no training target is positive{where}; give a number, or "
            "other data"
        )
    return np.asarray(negative / positive)


def _of_classes(given: Any, target: Array | None, ignored: int | None, count: int | None) -> Array:
    """class_weight as an array; "balanced": n / (classes · how many are of the class)."""
    if isinstance(given, str):
        labels = _known("class_weight", given, target).reshape(-1)
        if labels.dtype.kind == "f" and not (labels == np.floor(labels)).all():
            raise ValueError("class_weight='balanced' needs targets that are classes, not shares")
        labels = labels.astype(np.intp)
        labels = labels[labels != ignored] if ignored is not None else labels
        counts = np.bincount(labels, minlength=count or 0)
        present = np.count_nonzero(counts)
        return np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 1.0)
    if isinstance(given, Mapping):
        size = max([*given, (count or 1) - 1]) + 1
        weights = np.ones(size)
        for label, weight in given.items():
            weights[label] = weight
    else:
        weights = np.asarray(getattr(given, "array", given), dtype=np.float64)
    if weights.ndim != 1 or (count and len(weights) != count):
        need = f"{count} weights" if count else "a weight for each class"
        raise ValueError(f"class_weight must be 'balanced' or {need}, got {_short(given)}")
    if not ((weights >= 0) & (weights < np.inf)).all():
        raise ValueError(f"class_weight must hold finite numbers from 0 on, got {_short(given)}")
    return weights


def _known(name: str, given: str, target: Array | None) -> Array:
    if given != "balanced":
        raise ValueError(f"{name} must be 'balanced' or numbers, got {given!r}")
    if target is None:
        raise ValueError(
            f"{name}='balanced' needs to see all targets, and these training data are no arrays: "
            "count the classes and give numbers"
        )
    return target


def _each(loss: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of each sample or element."""
    if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
        each = copy.copy(loss)
        each.reduction = "none"
        return each
    inner = loss
    while isinstance(inner, partial):
        inner = inner.func
    if "reduction" in getattr(getattr(inner, "__code__", None), "co_varnames", ()):
        return partial(loss, reduction="none")
    name = getattr(inner, "__name__", type(inner).__name__)
    raise TypeError(
        f"sample_weight: {name} gives no loss for each sample: take a loss that has reduction="
        "'none', or give your own function a parameter reduction"
    )


def _counts_places(loss: Any, target: Tensor) -> bool:
    """Whether the loss has indices of classes, of which not every one counts alike."""
    return checks.kind_of(loss) in _CLASSES and target.array.dtype.kind in "iu"


def _count_per_sample(loss: Any) -> Callable[[Tensor], Any]:
    """How much each sample counts before its weight: what the mean of the loss divides by."""
    if checks.kind_of(loss) not in _CLASSES:
        return lambda target: 1.0
    weight = checks.option(loss, "weight", None)
    ignored = checks.option(loss, "ignore_index", -100)

    def counts(target: Tensor) -> Any:
        labels = target.array
        if labels.dtype.kind not in "iu":
            return 1.0  # probabilities of classes
        counted = labels != ignored
        if weight is None:
            share = counted.astype(np.float64)
        else:
            share = np.where(counted, weight.array[np.where(counted, labels, 0)], 0.0)
        return share.reshape(len(labels), -1).sum(axis=1)

    return counts


def _checked(weight: Tensor, count: int) -> Array:
    array = weight.array
    if array.shape not in ((count,), (count, 1)):
        raise ValueError(
            f"sample_weight: the weights of a batch have the shape {list(array.shape)}; give one "
            f"per sample, [{count}]"
        )
    return array.reshape(count).astype(np.float64)


def _short(value: Any) -> str:
    return f"{value!r:.60}"
