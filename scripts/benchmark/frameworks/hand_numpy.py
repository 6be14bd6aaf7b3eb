"""NumPy without a framework: what a good engineer writes by hand for this one network."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmark.data import Array, batches, weights
from benchmark.frameworks.program import Program, Step, steps

Predict = Callable[[Array], Array]


def three_layers(layers: list[int], lr: float, momentum: float) -> tuple[Step, Predict]:
    """Make the training step and the prediction of a ReLU network with three layers.

    The step takes inputs (batch, features) and targets (batch, 1), changes the weights in
    place (SGD with momentum on BCE with logits) and returns the loss.
    Of the forms tried, this was the fastest plain one: weights kept as (inputs, outputs),
    activations and updates in place, softplus by `logaddexp` (stable for either sign) and the
    sigmoid from it, σ(z) = exp(z - softplus(z)).
    """
    (w1, b1), (w2, b2), (w3, b3) = [
        (np.ascontiguousarray(weight.T), bias) for weight, bias in weights(layers)
    ]
    parameters = (w1, b1, w2, b2, w3, b3)
    buffers = [np.zeros_like(parameter) for parameter in parameters]

    def step(x: Array, y: Array) -> float:
        h1 = x @ w1
        h1 += b1
        np.maximum(h1, 0, out=h1)
        h2 = h1 @ w2
        h2 += b2
        np.maximum(h2, 0, out=h2)
        z = h2 @ w3
        z += b3

        mean = 1 / len(y)
        softplus = np.logaddexp(0, z)
        loss = float((softplus - z * y).sum()) * mean

        g = np.exp(z - softplus)
        g -= y
        g *= mean
        g_w3 = h2.T @ g
        g_b3 = g.sum(axis=0)
        g = g @ w3.T
        g *= h2 > 0
        g_w2 = h1.T @ g
        g_b2 = g.sum(axis=0)
        g = g @ w2.T
        g *= h1 > 0
        g_w1 = x.T @ g
        g_b1 = g.sum(axis=0)

        gradients = (g_w1, g_b1, g_w2, g_b2, g_w3, g_b3)
        for parameter, buffer, gradient in zip(parameters, buffers, gradients, strict=True):
            buffer *= momentum
            buffer += gradient
            parameter -= lr * buffer
        return loss

    def predict(x: Array) -> Array:
        h1 = np.maximum(x @ w1 + b1, 0)
        h2 = np.maximum(h1 @ w2 + b2, 0)
        z: Array = h2 @ w3 + b3
        return z

    return step, predict


def mlp_step(package: str, sizes: dict[str, Any]) -> Program:
    """Training steps of a ReLU network with three layers (see `workloads` for the sizes)."""
    data = batches(sizes["layers"][0], sizes["batch"], sizes["steps"])

    def make_step() -> Step:
        step, _ = three_layers(sizes["layers"], sizes["lr"], sizes["momentum"])
        return step

    return steps(data, make_step, sizes.get("untimed", 0))


def one_sample(package: str, sizes: dict[str, Any]) -> Program:
    """Single samples through a ReLU network with three layers."""
    data = [x for x, _ in batches(sizes["layers"][0], 1, sizes["samples"])]

    def prepare() -> Callable[[], list[float]]:
        _, predict = three_layers(sizes["layers"], lr=0.0, momentum=0.0)

        def run() -> list[float]:
            return [predict(x).item() for x in data]

        return run

    return Program(sizes["samples"], prepare)


def chain(package: str, sizes: dict[str, Any]) -> Program:
    """The sums that `y = y + x`, many times over, needs forward and back, with no graph."""
    additions, repeats = sizes["additions"], sizes["repeats"]

    def prepare() -> Callable[[], list[float]]:
        x = np.ones(32, dtype=np.float32)

        def run() -> list[float]:
            results = []
            for _ in range(repeats):
                y = x
                for _ in range(additions):
                    y = y + x
                g = np.ones_like(x)
                gradient = g.copy()
                for _ in range(additions):
                    gradient += g
                results += [y.sum().item(), gradient.sum().item()]
            return results

        return run

    return Program(additions * repeats, prepare)


def loader(package: str, sizes: dict[str, Any]) -> Program:
    """Shuffled batches of arrays in memory, each as one call of `numpy.take` for each array."""
    count, batch = sizes["samples"], sizes["batch"]
    x = np.random.default_rng(0).random((count, sizes["features"]), dtype=np.float32)
    labels_of = np.arange(count) % 10

    def prepare() -> Callable[[], list[float]]:
        rng = np.random.default_rng(0)

        def run() -> list[float]:
            samples = labels = 0
            order = rng.permutation(count)
            for start in range(0, count, batch):
                rows = order[start : start + batch]
                xb, yb = x.take(rows, axis=0), labels_of.take(rows)
                samples += len(xb)
                labels += int(yb.sum())
            return [float(samples), float(labels)]

        return run

    return Program(-(-count // batch), prepare)


PROGRAMS = {"mlp_step": mlp_step, "one_sample": one_sample, "chain": chain, "loader": loader}
