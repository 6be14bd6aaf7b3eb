"""Metrics of regression: how far the outputs are from the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnlite.train.metrics.inputs import (
    UndefinedMetricError,
    numbers,
    require_numbers,
    weights,
)

if TYPE_CHECKING:
    from nnlite.train.metrics.inputs import Floats, Values

__all__ = ["mae", "mse", "r2", "rmse"]


def mse(output: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Mean squared error.

    Args:
        output: (n,), (n, 1) or (n, …), one row per sample.
        target: of the same shape; (n,) and (n, 1) may meet.
        sample_weight: (n,), not negative; each sample counts this much. Default: all alike.

    Raises:
        ValueError: shapes that do not fit, or a target that is no finite number.
        UndefinedMetricError: no sample, NaN among the outputs, weights that are all zero.

    >>> mse([2.0, 1.0], [1.0, 3.0])
    2.5
    """
    return float(np.mean(_squares("mse", output, target, sample_weight)))


def rmse(output: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Square root of the mean squared error, in the unit of the target.

    With several outputs it is the mean of the roots of each.

    Args:
        output, target, sample_weight: as for `mse`.

    Raises:
        ValueError, UndefinedMetricError: as for `mse`.

    >>> rmse([1.0, 1.0], [3.0, 3.0])
    2.0
    """
    return float(np.mean(np.sqrt(_squares("rmse", output, target, sample_weight))))


def mae(output: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Mean absolute error, in the unit of the target.

    Args:
        output, target, sample_weight: as for `mse`.

    Raises:
        ValueError, UndefinedMetricError: as for `mse`.

    >>> mae([2.0, 1.0], [1.0, 3.0])
    1.5
    """
    guess, truth, weight = _pairs("mae", output, target, sample_weight)
    return float(np.mean(np.average(abs(guess - truth), axis=0, weights=weight)))


def r2(output: Values, target: Values, *, sample_weight: Values | None = None) -> float:
    """Coefficient of determination, R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)².

    1 is perfect, 0 is what the target's mean reaches, and worse is negative. Where the target is
    constant it is 1 for outputs that equal it and 0 for others. With several outputs it is the mean
    over them.
    Source: S. Wright, Correlation and causation, J. Agric. Res. 20 (1921), 557-585.

    Args:
        output, target, sample_weight: as for `mse`.

    Raises:
        ValueError: as for `mse`.
        UndefinedMetricError: fewer than two samples, or as for `mse`.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).__round__(4)
    0.7857
    """
    guess, truth, weight = _pairs("r2", output, target, sample_weight)
    if len(guess) < 2:
        raise UndefinedMetricError("r2: there is one sample; it needs two or more")
    with np.errstate(over="ignore"):
        missed = weight @ (truth - guess) ** 2
        spread = weight @ (truth - np.average(truth, axis=0, weights=weight)) ** 2
    counted = truth[weight > 0]
    spread[(counted == counted[0]).all(axis=0)] = 0.0  # whatever the rounding of the mean left
    share = np.divide(missed, spread, out=np.where(missed > 0, 1.0, 0.0), where=spread > 0)
    return float(np.mean(1.0 - share))


def _squares(function: str, output: Values, target: Values, sample_weight: Values | None) -> Floats:
    """Mean squared error of each column."""
    guess, truth, weight = _pairs(function, output, target, sample_weight)
    with np.errstate(over="ignore"):
        squares: Floats = (guess - truth) ** 2
    means: Floats = np.average(squares, axis=0, weights=weight)
    return means


def _pairs(
    function: str, output: Values, target: Values, sample_weight: Values | None
) -> tuple[Floats, Floats, Floats]:
    """Check the arguments; give outputs (n, k), targets (n, k) and weights (n,)."""
    guess = numbers(function, "outputs", output)
    truth = numbers(function, "targets", target)
    if guess.ndim == 0 or truth.ndim == 0:
        shapes = f"outputs of shape {guess.shape} and a target of shape {truth.shape}"
        raise ValueError(f"{function}: {shapes}; give one row per sample")
    shapes = f"outputs of shape {guess.shape} and a target of shape {truth.shape}"
    guess, truth = _columns(guess), _columns(truth)
    if guess.shape != truth.shape:
        raise ValueError(f"{function}: {shapes}; give both the same shape")
    weight = weights(function, sample_weight, len(guess))
    wrong = ~np.isfinite(truth)
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        cure = "targets are finite numbers: leave the sample out"
        raise ValueError(f"{function}: target {row} is {truth[row, column]}; {cure}")
    require_numbers(function, "outputs", guess)
    return guess, truth, weight


def _columns(values: Floats) -> Floats:
    """(n, …) as (n, k)."""
    return values.reshape(len(values), -1) if values.size else values.reshape(len(values), 0)
