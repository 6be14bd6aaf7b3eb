"""Metrics by name, as ``Trainer(metrics=…)`` takes them, and which way each is better."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from nnlite.train.metrics.classification import (
    accuracy,
    balanced_accuracy,
    f1,
    matthews_corrcoef,
    precision,
    recall,
    top_k_accuracy,
)
from nnlite.train.metrics.inputs import UndefinedMetricError
from nnlite.train.metrics.probability import brier, log_loss
from nnlite.train.metrics.ranking import average_precision, roc_auc
from nnlite.train.metrics.regression import mae, mse, r2, rmse

if TYPE_CHECKING:
    from nnlite.train.metrics.inputs import Values

    Metric: TypeAlias = Callable[..., float]

__all__ = ["evaluate", "is_share", "metric_mode", "resolve"]


class _Known(NamedTuple):
    """A built-in metric."""

    function: Metric
    mode: Literal["min", "max"]
    share: bool  # from 0 to 1, higher is better


_BUILT_IN: dict[str, _Known] = {
    "accuracy": _Known(accuracy, "max", True),
    "balanced_accuracy": _Known(balanced_accuracy, "max", True),
    "precision": _Known(precision, "max", True),
    "recall": _Known(recall, "max", True),
    "f1": _Known(f1, "max", True),
    "roc_auc": _Known(roc_auc, "max", True),
    "average_precision": _Known(average_precision, "max", True),
    "matthews_corrcoef": _Known(matthews_corrcoef, "max", False),
    "top_k_accuracy": _Known(top_k_accuracy, "max", True),
    "log_loss": _Known(log_loss, "min", False),
    "brier": _Known(brier, "min", False),
    "mse": _Known(mse, "min", False),
    "rmse": _Known(rmse, "min", False),
    "mae": _Known(mae, "min", False),
    "r2": _Known(r2, "max", False),
}
_PLAIN = tuple(_BUILT_IN)
_BUILT_IN |= {
    f"{name}_{average}": _Known(partial(_BUILT_IN[name].function, average=average), "max", True)
    for name in ("precision", "recall", "f1", "roc_auc", "average_precision")
    for average in ("macro", "micro", "weighted")
}
_TOP = re.compile(r"top_([1-9][0-9]*)_accuracy")


def resolve(
    metrics: str | Metric | Iterable[str | Metric] | Mapping[str, str | Metric],
) -> dict[str, Metric]:
    """Turn names and functions into named functions, in the order given.

    Args:
        metrics: names of built-in metrics, functions with the signature of `accuracy` (named by
            their ``__name__``), one of these alone, or a mapping from the name to use to either.
            The names are those of the functions in ``nnlite.train.metrics``; ``_macro``,
            ``_micro`` or ``_weighted`` after precision, recall, f1, roc_auc and average_precision
            chooses how to average over classes, and "top_3_accuracy" has k = 3.

    Raises:
        ValueError: an unknown name (near names are listed), a name given twice, the name "loss".
        TypeError: neither a name nor callable, or a function without a usable name.

    >>> list(resolve(["accuracy", "roc_auc", "f1_micro", "top_3_accuracy"]))
    ['accuracy', 'roc_auc', 'f1_micro', 'top_3_accuracy']
    >>> resolve({"auc": "roc_auc"})["auc"] is roc_auc
    True
    >>> resolve(["log_los"])
    Traceback (most recent call last):
    ValueError: metrics: there is no metric 'log_los'; did you mean 'log_loss'?
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
    base = _base(name)
    if base == "loss":
        return "min"
    known = _find(base)
    if known is None:
        cure = "give mode='min' or mode='max'"
        raise ValueError(f"it is not known whether a higher {name!r} is better; {cure}")
    return known.mode


def is_share(name: str) -> bool:
    """Whether a metric is known to lie from 0 to 1, higher being better.

    Args:
        name: as for `metric_mode`.

    >>> is_share("valid_accuracy"), is_share("mse")
    (True, False)
    """
    known = _find(_base(name))
    return known is not None and known.share


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
        logits, target, sample_weight: as for `accuracy` (or `mse`), of the whole epoch: most
            metrics are not the mean of their values on batches. A function gets ``sample_weight``
            only when it is given here.

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


def _base(name: str) -> str:
    return name.removeprefix("train_").removeprefix("valid_")


def _find(name: str) -> _Known | None:
    top = _TOP.fullmatch(name)
    if top:
        return _Known(partial(top_k_accuracy, k=int(top[1])), "max", True)
    return _BUILT_IN.get(name)


def _name_of(metric: object) -> str:
    if isinstance(metric, str):
        return metric
    name = getattr(metric, "__name__", "<unnamed>")
    if not name.isidentifier():
        cure = "give it one in a dict: metrics={'my_metric': …}"
        raise TypeError(f"metrics: {metric!r} has no name for a column; {cure}")
    return str(name)


def _built_in(name: str) -> Metric:
    known = _find(name)
    if known is not None:
        return known.function
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), _BUILT_IN, n=3, cutoff=0.6)
    names = " or ".join(map(repr, near))
    cure = f"did you mean {names}?" if near else f"there are {', '.join(_PLAIN)}"
    raise ValueError(f"metrics: there is no metric {name!r}; {cure}")
