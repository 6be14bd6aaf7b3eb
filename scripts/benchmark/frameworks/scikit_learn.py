"""scikit-learn's `MLPClassifier`, one `partial_fit` a step."""

from importlib import import_module
from typing import Any

from benchmark.data import batches, weights
from benchmark.frameworks.program import Program, Step, steps


def mlp_step(package: str, sizes: dict[str, Any]) -> Program:
    """Training steps of a ReLU network (see `workloads` for the sizes).

    scikit-learn takes no initial weights, so a first `partial_fit` builds the network, then
    the shared weights are written over its own and its momentum is set to zero: from there its
    losses are the others' losses. A `partial_fit` also checks its arguments; that is part of
    what its users wait for, and there is no shorter way to a step of one batch.
    """
    classifier = import_module(f"{package}.neural_network").MLPClassifier
    layers = sizes["layers"]
    arrays = batches(layers[0], sizes["batch"], sizes["steps"])
    data = [(x, y.ravel().astype("int64")) for x, y in arrays]

    def make_step() -> Step:
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

        def step(x: Any, y: Any) -> float:
            model.partial_fit(x, y)
            return float(model.loss_)

        return step

    return steps(data, make_step)


PROGRAMS = {"mlp_step": mlp_step}
