"""Data sets that are drawn at random, as many samples as one asks for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nnlite.datasets.bundle import Bundle
from nnlite.tensor import wrap

if TYPE_CHECKING:
    from nnlite.ops.random import Generator


def moons(n: int, noise: float = 0.1, generator: Generator | None = None) -> Bundle:
    """Draw two half circles that reach into one another, each a class.

    The outer one is the upper half of the unit circle, (cos t, sin t) for t from 0 to π; the inner
    one is (1 − cos t, ½ − sin t). The points lie evenly on both, in random order.

    Args:
        n: number of samples, 2 or more; the classes are equally large, or the second one by one
            sample larger.
        noise: standard deviation of the normal noise added to both coordinates.
        generator: source of the noise and the order; None: the default one.

    Returns:
        ``x`` float32 (n, 2), ``y`` int64 (n,).

    Raises:
        ValueError: fewer than two samples, or noise that is negative or not finite.

    >>> from nnlite.ops.random import Generator
    >>> x, y = moons(200, generator=Generator().manual_seed(0))
    >>> tuple(x.shape), int(y.numpy().sum())
    ((200, 2), 100)
    """
    if n < 2:
        raise ValueError(f"moons: n is {n}, two classes need 2 samples or more")
    if not (math.isfinite(noise) and noise >= 0.0):
        raise ValueError(f"moons: noise is {noise}, a standard deviation is finite and at least 0")
    if generator is None:
        from nnlite.ops.random import default_generator

        generator = default_generator
    outer = np.linspace(0.0, math.pi, n // 2)
    inner = np.linspace(0.0, math.pi, n - n // 2)
    x = np.concatenate(
        (
            np.stack((np.cos(outer), np.sin(outer)), axis=1),
            np.stack((1.0 - np.cos(inner), 0.5 - np.sin(inner)), axis=1),
        )
    )
    y = np.repeat(np.array([0, 1]), (len(outer), len(inner)))
    order = generator.rng.permutation(n)
    x = x[order] + noise * generator.rng.standard_normal((n, 2))
    return Bundle(
        "two moons",
        wrap(x.astype(np.float32)),
        wrap(y[order].astype(np.int64)),
        columns=("x", "y"),
        classes=("outer", "inner"),
        source="drawn at random",
        licence="none needed",
    )
