"""Metrics of predicted probabilities: proper scores, least when the probabilities are the true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnlite.train.metrics.inputs import log_softmax, prepare_odds, sigmoid

if TYPE_CHECKING:
    from nnlite.train.metrics.inputs import Values

__all__ = ["brier", "log_loss"]


def log_loss(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Mean of −log p(target): binary cross-entropy with logits, or cross-entropy for C classes.

    With several labels it is the mean over the labels, too.
    Source: I. J. Good, Rational decisions, J. R. Stat. Soc. B 14 (1952), 107-114.

    Args:
        logits, target, sample_weight: as for `accuracy`.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: as for `accuracy`.

    >>> round(log_loss([0.0, 0.0], [1, 0]), 6)  # log 2
    0.693147
    """
    scores, labels, weight = prepare_odds("log_loss", logits, target, sample_weight)
    if scores.ndim == labels.ndim:
        losses = np.logaddexp(0.0, np.where(labels == 1, -scores, scores))
    else:
        losses = -log_softmax(scores)[np.arange(len(labels)), labels]
    if losses.ndim == 2:
        losses = losses.mean(axis=1)
    return float(np.average(losses, weights=weight))


def brier(logits: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Brier score: mean squared distance of the predicted probability from the target.

    For three or more classes the squares are summed over the classes (0 to 2, as in the paper);
    with several labels it is the mean over the labels, too.
    Source: G. W. Brier, Monthly Weather Review 78 (1950), 1-3.

    Args:
        logits, target, sample_weight: as for `accuracy`.

    Raises:
        ValueError: shapes that do not fit, or a target that is no class.
        UndefinedMetricError: as for `accuracy`.

    >>> brier([0.0, 0.0], [1, 0])
    0.25
    """
    scores, labels, weight = prepare_odds("brier", logits, target, sample_weight)
    if scores.ndim == labels.ndim:
        errors = (sigmoid(scores) - labels) ** 2
        if errors.ndim == 2:
            errors = errors.mean(axis=1)
    else:
        probability = np.exp(log_softmax(scores))
        probability[np.arange(len(labels)), labels] -= 1.0
        errors = (probability**2).sum(axis=1)
    return float(np.average(errors, weights=weight))
