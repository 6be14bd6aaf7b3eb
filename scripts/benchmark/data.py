"""The same data and weights for every framework, made by NumPy from a seed."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
DIFFERENT_BATCHES = 64


def batches(features: int, batch: int, steps: int, seed: int = 0) -> list[tuple[Array, Array]]:
    """Return one batch a step, out of a fixed set of at most 64 that is gone through in turn.

    The labels are drawn with the probability that a fixed random direction gives them, so
    there is something to learn and the loss does not go to nothing.

    Args:
        features: columns of a sample.
        batch: samples in a batch.
        steps: how many batches are returned.
        seed: of the generator.

    Returns:
        pairs of inputs (batch, features) and targets (batch, 1), 0.0 or 1.0, all float32.

    >>> x, y = batches(30, 32, 100)[70]
    >>> x.shape, y.shape, x.dtype
    ((32, 30), (32, 1), dtype('float32'))
    """
    rng = np.random.default_rng(seed)
    different = min(steps, DIFFERENT_BATCHES)
    x = rng.standard_normal((different, batch, features), dtype=np.float32)
    direction = rng.standard_normal((features, 1)) * 2 / np.sqrt(features)
    y = (rng.random((different, batch, 1)) < 1 / (1 + np.exp(-x @ direction))).astype(np.float32)
    return [(x[i % different], y[i % different]) for i in range(steps)]


def weights(layers: list[int], seed: int = 1) -> list[tuple[Array, Array]]:
    """Return initial weights of an MLP, uniform in ±1/√(inputs), the way of torch's `Linear`.

    Args:
        layers: widths, inputs first.
        seed: of the generator.

    Returns:
        for each layer the weight (outputs, inputs) and the bias (outputs,), float32.

    >>> [(w.shape, b.shape) for w, b in weights([30, 64, 1])]
    [((64, 30), (64,)), ((1, 64), (1,))]
    """
    rng = np.random.default_rng(seed)
    result = []
    for inputs, outputs in pairwise(layers):
        bound = 1 / np.sqrt(inputs)
        weight = rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32)
        bias = rng.uniform(-bound, bound, outputs).astype(np.float32)
        result.append((weight, bias))
    return result
