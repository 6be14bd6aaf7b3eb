"""MLX on the CPU: the whole step is one compiled function over the state of model and optimizer."""

from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any

from benchmark.data import batches, weights
from benchmark.frameworks.program import Program, Step, steps


def mlp_step(package: str, sizes: dict[str, Any]) -> Program:
    """Training steps of a ReLU network (see `workloads` for the sizes)."""
    mx = import_module(package)
    nn = import_module("mlx.nn")
    optimizers = import_module("mlx.optimizers")
    arrays = batches(sizes["layers"][0], sizes["batch"], sizes["steps"])
    data = [(mx.array(x), mx.array(y)) for x, y in arrays]

    model = nn.Sequential(*network(nn, sizes["layers"]))
    optimizer = optimizers.SGD(learning_rate=sizes["lr"], momentum=sizes["momentum"])
    optimizer.init(model.trainable_parameters())
    state = [model.state, optimizer.state]
    tree_map = import_module("mlx.utils").tree_map
    fresh = tree_map(mx.array, optimizer.state)

    def loss_of(x: Any, y: Any) -> Any:
        return nn.losses.binary_cross_entropy(model(x), y, with_logits=True, reduction="mean")

    loss_and_gradients = nn.value_and_grad(model, loss_of)

    @partial(mx.compile, inputs=state, outputs=state)
    def train(x: Any, y: Any) -> Any:
        loss, gradients = loss_and_gradients(x, y)
        optimizer.update(model, gradients)
        return loss

    def step(x: Any, y: Any) -> Any:
        loss = train(x, y)
        mx.eval(loss, state)
        return loss.item()

    def make_step() -> Step:
        # The same model, so that it is not compiled again, with the first weights and no velocity.
        for layer, (weight, bias) in zip(model.layers[::2], weights(sizes["layers"]), strict=True):
            layer.update({"weight": mx.array(weight), "bias": mx.array(bias)})
        optimizer.state.update(tree_map(mx.array, fresh))
        mx.eval(state)
        return step

    return steps(data, make_step, sizes.get("untimed", 0))


def network(nn: Any, layers: list[int]) -> list[Any]:
    """Return the layers of a ReLU network."""
    modules: list[Any] = []
    for inputs, outputs in pairwise(layers):
        modules += [nn.Linear(inputs, outputs), nn.ReLU()]
    return modules[:-1]


def set_threads(package: str, threads: int) -> None:
    """Stay on the CPU, where MLX computes in one thread (on a Mac it would take the GPU)."""
    mx = import_module(package)
    mx.set_default_device(mx.cpu)


PROGRAMS = {"mlp_step": mlp_step}
