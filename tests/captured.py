"""What the tests of captured steps share: the same work done twice, ordinary and captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import nnlite
from nnlite import nn

WARM = 4  # calls until a step is replayed: one as ever, one traced and tried, one tried, one more


class World:
    """A small network, its optimizer and data, made from a seed.

    Attributes:
        step: the function that trains on a batch; ``make_step`` makes it of the world.
        steps: what is called: the function itself, or the captured one.
    """

    def __init__(
        self,
        make_step: Callable[[World], Callable[..., Any]],
        *,
        captured: bool,
        model: Callable[[], nn.Module] | None = None,
        optimizer: Callable[..., Any] = nnlite.optim.SGD,
        **options: Any,
    ) -> None:
        nnlite.manual_seed(3)
        self.model = network() if model is None else model()
        options = options or {"lr": 0.1}
        self.optimizer = optimizer(self.model.parameters(), **options)
        self.loss = nn.BCEWithLogitsLoss()
        self.extra: dict[str, Any] = {}
        self.step = make_step(self)
        self.run: Any = nnlite.compile(self.step) if captured else self.step


def network() -> nn.Module:
    """Two linear layers."""
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 1))


def batch(number: int, size: int = 6, features: int = 5) -> tuple[Any, Any]:
    """Inputs and targets; the same for the same number."""
    rng = np.random.default_rng(number)
    x = rng.standard_normal((size, features)).astype(np.float32)
    return nnlite.tensor(x), nnlite.tensor((x[:, :1] > 0).astype(np.float32))


def usual_step(world: World) -> Callable[..., Any]:
    """zero_grad, forward, loss, backward, step."""
    model, optimizer, loss_of = world.model, world.optimizer, world.loss

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def pair(make_step: Any = usual_step, **options: Any) -> tuple[World, World]:
    """The same world twice: one ordinary, one captured."""
    return World(make_step, captured=False, **options), World(make_step, captured=True, **options)


def bytes_of(value: Any) -> Any:
    """All that can be compared of tensors, nested in anything."""
    if isinstance(value, nnlite.Tensor):
        return value.array.shape, str(value.array.dtype), value.array.tobytes()
    if isinstance(value, (tuple, list)):
        return [bytes_of(part) for part in value]
    if isinstance(value, dict):
        return {key: bytes_of(part) for key, part in value.items()}
    return value


def state_of(world: World) -> dict[str, Any]:
    """The bytes of parameters, gradients, buffers and the optimizer's state."""
    return {
        "model": bytes_of(world.model.state_dict()),
        "gradients": [bytes_of(p.grad) for p in world.model.parameters()],
        "optimizer": {
            key: bytes_of(value)
            for key, value in world.optimizer.state_dict()["state"].items()
            if isinstance(key, int)  # not of parameters that are no longer in it
        },
        "groups": [
            {k: v for k, v in group.items() if k != "params"}
            for group in world.optimizer.param_groups
        ],
    }


def both(worlds: tuple[World, World], *args: Any, **kwargs: Any) -> str:
    """Run a step in both worlds from the same random state; they must agree in every byte.

    Returns:
        Why the captured one was not replayed, empty when it was.
    """
    ordinary, captured = worlds
    random = nnlite.get_rng_state()
    expected = ordinary.run(*args, **kwargs)
    after = nnlite.get_rng_state()
    nnlite.set_rng_state(random)
    got = captured.run(*args, **kwargs)
    assert repr(nnlite.get_rng_state()) == repr(after)
    assert bytes_of(got) == bytes_of(expected)
    assert state_of(captured) == state_of(ordinary)
    reason: str = captured.run.reason
    return reason


def warmed(worlds: tuple[World, World], make: Callable[[int], Any] = batch) -> None:
    """Run until steps are replayed."""
    for number in range(WARM):
        reason = both(worlds, *make(number))
    assert reason == ""
