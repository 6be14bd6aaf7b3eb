"""scikit-learn's `MLPClassifier`, one `partial_fit` a step."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmark.data import batches, weights
from benchmark.frameworks.program import Program


def mlp_step(package: str, sizes: dict[str, Any]) -> Program:
    """Training steps of a ReLU network (see `workloads.py` for the sizes).

    scikit-learn takes no initial weights, so a first `partial_fit` builds the network, then
    the shared weights are written over its own and its momentum is set to zero: from there its
    losses are the others' losses. A `partial_fit` also checks its arguments; that is part of
    what its users wait for, and there is no shorter way to a step of one batch.
    """
    classifier = import_module(f"{package}.neural_network").MLPClassifier
    layers = sizes["layers"]
    arrays = batches(layers[0], sizes["batch"], sizes["steps"])
    data = [(x, y.ravel().astype("int64")) for x, y in arrays]

    def prepare() -> Callable[[], list[float]]:
        model = classifier(
            hidden_layer_sizes=layers[1:-1],
            activation="relu",
            solver="sgd",
            learning_rate_init=sizes["lr"],
            momentum=sizes["momentum"],
            nesterovs_momentum=False,
            alpha=0.0,
            shuffle=False,
        )
        model.partial_fit(*data[0], classes=[0, 1])
        shared = weights(layers)
        for own, (weight, _) in zip(model.coefs_, shared, strict=True):
            own[...] = weight.T
        for own, (_, bias) in zip(model.intercepts_, shared, strict=True):
            own[...] = bias
        for velocity in model._optimizer.velocities:
            velocity[...] = 0

        def run() -> list[float]:
            losses = []
            for xb, yb in data:
                model.partial_fit(xb, yb)
                losses.append(float(model.loss_))
            return losses

        return run

    return Program(sizes["steps"], prepare)


PROGRAMS = {"mlp_step": mlp_step}
