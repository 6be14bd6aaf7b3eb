"""Whether probabilities can be taken at their word, and which threshold costs the least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nnlite.train.metrics.inputs import prepare_binary, sums
from nnlite.train.metrics.ranking import counts

if TYPE_CHECKING:
    from nnlite.train.metrics.inputs import Floats, Values

__all__ = [
    "BestThreshold",
    "CalibrationCurve",
    "CostCurve",
    "best_threshold",
    "calibration_curve",
    "cost_curve",
]


class CalibrationCurve(NamedTuple):
    """Bins of predicted probabilities, those that hold a sample, from the lowest on.

    Attributes:
        prob_true: share of positive samples in each bin, (m,).
        prob_pred: mean predicted probability in each bin, (m,).
        counts: samples (weights, where given) in each bin, (m,).
        edges: lower and upper edge of each bin, (m, 2).
    """

    prob_true: Floats
    prob_pred: Floats
    counts: Floats
    edges: Floats


class CostCurve(NamedTuple):
    """What each threshold costs; a sample is predicted positive when its score is above it.

    Attributes:
        thresholds: (m,), rising from −inf (all positive) to inf (none); between two scores it is
            their mean.
        costs: mean cost of a sample, (m,).
        false_positives, false_negatives: samples (weights, where given), (m,).
    """

    thresholds: Floats
    costs: Floats
    false_positives: Floats
    false_negatives: Floats


class BestThreshold(NamedTuple):
    """The threshold that costs the least; predict positive when the score is above it.

    Attributes:
        threshold: in the unit of the scores; inf: never predict positive, −inf: always.
        cost: mean cost of a sample.
        false_positives, false_negatives: samples (weights, where given) at that threshold.
    """

    threshold: float
    cost: float
    false_positives: float
    false_negatives: float


def calibration_curve(
    probabilities: Values,
    target: Values,
    *,
    n_bins: int = 5,
    strategy: Literal["uniform", "quantile"] = "uniform",
    sample_weight: Values | None = None,
) -> CalibrationCurve:
    """Compare predicted probabilities with how often the positive class came, bin by bin.

    Source: A. Niculescu-Mizil, R. Caruana, Predicting good probabilities with supervised learning,
    ICML 2005, section 4.

    Args:
        probabilities: (n,) or (n, 1), of class 1, from 0 to 1.
        target, sample_weight: as for `accuracy`, of two classes.
        n_bins: how many bins.
        strategy: "uniform": bins of equal width; "quantile": bins that hold equally many samples,
            their weights apart.

    Raises:
        ValueError: a probability outside [0, 1] (logits?), no bin, another strategy, or as for
            `roc_curve`.
        UndefinedMetricError: as for `accuracy`.

    >>> curve = calibration_curve([0.1, 0.2, 0.3, 0.9], [0, 0, 1, 1], n_bins=2)
    >>> curve.prob_true.round(2), curve.prob_pred.round(2), curve.counts
    (array([0.33, 1.  ]), array([0.2, 0.9]), array([3., 1.]))
    """
    function = "calibration_curve"
    if n_bins < 1:
        raise ValueError(f"{function}: n_bins must be 1 or more, got {n_bins}")
    if strategy not in ("uniform", "quantile"):
        cure = "give 'uniform' or 'quantile'"
        raise ValueError(f"{function}: strategy is {strategy!r}; {cure}")
    p, labels, weight = prepare_binary(function, probabilities, target, sample_weight)
    outside = (p < 0) | (p > 1)
    if outside.any():
        row = int(outside.argmax())
        cure = "give probabilities: the sigmoid of logits, or trainer.predict_proba(x)"
        raise ValueError(f"{function}: probability {row} is {p[row]:g}, outside [0, 1]; {cure}")
    grid = np.linspace(0.0, 1.0, n_bins + 1)
    edges = np.percentile(p, 100 * grid) if strategy == "quantile" else grid
    places = np.searchsorted(edges[1:-1], p)
    total = sums(places, weight, n_bins)
    there = total > 0
    positive = sums(places, weight * labels, n_bins)[there]
    mean = sums(places, weight * p, n_bins)[there]
    sides = np.stack((edges[:-1], edges[1:]), axis=1)
    return CalibrationCurve(
        positive / total[there], mean / total[there], total[there], sides[there]
    )


def cost_curve(
    scores: Values,
    target: Values,
    *,
    false_positive: float = 1.0,
    false_negative: float = 1.0,
    sample_weight: Values | None = None,
) -> CostCurve:
    """What each threshold costs, for every one that makes a difference.

    Args:
        scores: (n,) or (n, 1), logits or probabilities: higher means class 1.
        target, sample_weight: as for `accuracy`, of two classes.
        false_positive: cost of taking a negative sample for positive.
        false_negative: cost of taking a positive sample for negative.

    Raises:
        ValueError: a cost that is negative or not finite, or as for `roc_curve`.
        UndefinedMetricError: as for `accuracy`.

    >>> curve = cost_curve([0.2, 0.6, 0.8], [0, 1, 1], false_negative=5.0)
    >>> curve.thresholds, curve.false_negatives
    (array([-inf,  0.4,  0.7,  inf]), array([0., 0., 1., 2.]))
    """
    function = "cost_curve"
    for name, cost in (("false_positive", false_positive), ("false_negative", false_negative)):
        if not 0 <= cost < np.inf:
            raise ValueError(f"{function}: {name} must be finite and not negative, got {cost}")
    values, labels, weight = prepare_binary(function, scores, target, sample_weight)
    false, true, distinct = counts(values, labels, weight)
    false, true = np.append(0.0, false)[::-1], np.append(0.0, true)[::-1]
    missed = true[0] - true
    lower, upper = distinct[:0:-1], distinct[-2::-1]
    middle = 0.5 * lower + 0.5 * upper
    # Between neighbouring floats there is none, and above −inf nothing is the middle.
    middle = np.where((middle < upper) & (middle >= lower), middle, lower)
    costs = (false_positive * false + false_negative * missed) / weight.sum()
    return CostCurve(np.concatenate(([-np.inf], middle, [np.inf])), costs, false, missed)


def best_threshold(
    scores: Values,
    target: Values,
    *,
    false_positive: float = 1.0,
    false_negative: float = 1.0,
    sample_weight: Values | None = None,
) -> BestThreshold:
    """Find the threshold that costs the least on these samples, the highest of equal ones.

    For well calibrated probabilities it is near false_positive / (false_positive + false_negative).
    Choose it on validation data: on the data that it is judged by it looks better than it is.
    Source: C. Elkan, The foundations of cost-sensitive learning, IJCAI 2001.

    Args:
        scores, target, false_positive, false_negative, sample_weight: as for `cost_curve`.

    Raises:
        ValueError, UndefinedMetricError: as for `cost_curve`.

    >>> best_threshold([0.1, 0.3, 0.5, 0.9], [0, 1, 0, 1], false_negative=5.0)
    BestThreshold(threshold=0.2, cost=0.25, false_positives=1.0, false_negatives=0.0)
    """
    curve = cost_curve(
        scores,
        target,
        false_positive=false_positive,
        false_negative=false_negative,
        sample_weight=sample_weight,
    )
    place = len(curve.costs) - 1 - int(curve.costs[::-1].argmin())
    return BestThreshold(*(float(values[place]) for values in curve))
