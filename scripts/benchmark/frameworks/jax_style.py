"""JAX: the whole step is one compiled function whose parameters are donated."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmark.data import batches, weights
from benchmark.frameworks.program import Program, Step, steps


def logits(jnp: Any, parameters: list[tuple[Any, Any]], x: Any) -> Any:
    """Return what a ReLU network says: weights are (outputs, inputs)."""
    for weight, bias in parameters[:-1]:
        x = jnp.maximum(x @ weight.T + bias, 0)
    weight, bias = parameters[-1]
    return x @ weight.T + bias


def compiled_step(jax: Any, lr: float, momentum: float) -> Callable[..., Any]:
    """Return the step: (parameters, velocities, x, y) to (parameters, velocities, loss).

    BCE with logits is softplus(z) - z y; SGD keeps its velocities as torch does.
    """
    jnp = import_module("jax.numpy")

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        z = logits(jnp, parameters, x)
        return (jnp.logaddexp(0, z) - z * y).mean()

    def step(parameters: Any, velocities: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        velocities = jax.tree.map(lambda v, g: momentum * v + g, velocities, gradients)
        parameters = jax.tree.map(lambda p, v: p - lr * v, parameters, velocities)
        return parameters, velocities, loss

    return jax.jit(step, donate_argnums=(0, 1))  # type: ignore[no-any-return]


def mlp_step(package: str, sizes: dict[str, Any]) -> Program:
    """Training steps of a ReLU network (see `workloads` for the sizes)."""
    jax = import_module(package)
    jnp = import_module(f"{package}.numpy")
    arrays = batches(sizes["layers"][0], sizes["batch"], sizes["steps"])
    data = [(jnp.array(x), jnp.array(y)) for x, y in arrays]
    train = compiled_step(jax, sizes["lr"], sizes["momentum"])

    def make_step() -> Step:
        parameters = jax.tree.map(jnp.array, weights(sizes["layers"]))
        velocities = jax.tree.map(jnp.zeros_like, parameters)

        def step(x: Any, y: Any) -> float:
            nonlocal parameters, velocities
            parameters, velocities, loss = train(parameters, velocities, x, y)
            return float(loss)

        return step

    return steps(data, make_step, sizes.get("untimed", 0))


def one_sample(package: str, sizes: dict[str, Any]) -> Program:
    """Single samples through a ReLU network."""
    jax = import_module(package)
    jnp = import_module(f"{package}.numpy")
    data = [jnp.array(x) for x, _ in batches(sizes["layers"][0], 1, sizes["samples"])]
    predict = jax.jit(lambda parameters, x: logits(jnp, parameters, x))

    def prepare() -> Callable[[], list[float]]:
        parameters = jax.tree.map(jnp.array, weights(sizes["layers"]))

        def run() -> list[float]:
            return [predict(parameters, x).item() for x in data]

        return run

    return Program(sizes["samples"], prepare)


PROGRAMS = {"mlp_step": mlp_step, "one_sample": one_sample}
