"""The matrix products of a training step and nothing else: what no framework can do without."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmark.data import batches, weights
from benchmark.frameworks.program import Program


def mlp_step(package: str, sizes: dict[str, Any]) -> Program:
    """The products of a ReLU network's step: x Wᵀ, gᵀ x and, behind the first layer, g W.

    They go into arrays that stay where they are. The last layer, one output wide, is left out.
    """
    batch, layers = sizes["batch"], sizes["layers"][:-1]
    data = [x for x, _ in batches(layers[0], batch, sizes["steps"])]
    rng = np.random.default_rng(0)

    def prepare() -> Callable[[], list[float]]:
        matrices = [np.ascontiguousarray(weight.T) for weight, _ in weights(layers)]
        hidden = [np.empty((batch, width), np.float32) for width in layers[1:]]
        gradients = [rng.standard_normal((batch, w), dtype=np.float32) for w in layers[1:]]
        inner = [np.empty((batch, width), np.float32) for width in layers[1:-1]]
        sums = [np.empty(shape, np.float32) for shape in pairwise(layers)]

        def run() -> list[float]:
            for x in data:
                inputs = [x, *hidden[:-1]]
                for i, matrix in enumerate(matrices):
                    np.matmul(inputs[i], matrix, out=hidden[i])
                for i in reversed(range(len(matrices))):
                    np.matmul(inputs[i].T, gradients[i], out=sums[i])
                    if i > 0:
                        np.matmul(gradients[i], matrices[i].T, out=inner[i - 1])
            return []

        return run

    return Program(sizes["steps"], prepare)


PROGRAMS = {"mlp_step": mlp_step}
