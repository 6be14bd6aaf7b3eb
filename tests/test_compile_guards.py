"""nnlite.compile: whatever changes under a captured step, the results are those of an ordinary one.

Each test changes something in both worlds, one ordinary and one captured, and compares every byte.
"""

from __future__ import annotations

import math
import random
import time
import types
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from captured import WARM, World, batch, both, network, pair, usual_step, warmed

import nnlite
from nnlite import nn

FACTOR = 1.0
SETTINGS = {"scale": 1.0}


def replace_parameter(world: World) -> None:
    world.model[0].weight = nn.Parameter(world.model[0].weight.detach() * 0.5)
    world.optimizer.param_groups[0]["params"] = list(world.model.parameters())


def load_state(world: World) -> None:
    state = {k: v.detach() * 0.5 for k, v in world.model.state_dict().items()}
    world.model.load_state_dict(state)


def assign_data(world: World) -> None:
    world.model[0].weight.data = world.model[0].weight.detach() * 0.5


def write_into(world: World) -> None:
    with nnlite.no_grad():
        world.model[0].weight.mul_(0.25)


def freeze(world: World) -> None:
    world.model.freeze("0")


def freeze_one(world: World) -> None:
    world.model[0].bias.requires_grad_(False)


def swap_module(world: World) -> None:
    world.model[1] = nn.Tanh()


def add_module(world: World) -> None:
    world.model.append(nn.Tanh())


def set_lr(world: World) -> None:
    world.optimizer.param_groups[0]["lr"] = 0.5


def set_momentum(world: World) -> None:
    world.optimizer.param_groups[0]["momentum"] = 0.7


def load_optimizer(world: World) -> None:
    world.optimizer.load_state_dict(deepcopy(world.optimizer.state_dict()))


def no_gradients(world: World) -> None:
    world.optimizer.zero_grad()


def own_gradients(world: World) -> None:
    for parameter in world.model.parameters():
        parameter.grad = nnlite.ones_like(parameter)


def shadow_forward(world: World) -> None:
    world.model[1].forward = lambda x: x * 0.5


def change_loss(world: World) -> None:
    world.loss.reduction = "sum"


def hook_gradient(world: World) -> None:
    world.model[0].weight.register_hook(lambda g: g * 2)


def hook_forward(world: World) -> None:
    world.model[1].register_forward_hook(lambda module, args, result: result * 2)


def hook_step(world: World) -> None:
    def halve(optimizer: Any, args: Any, kwargs: Any) -> None:
        for parameter in world.model.parameters():
            parameter.grad.array[...] *= 0.5

    world.optimizer.register_step_pre_hook(halve)


def add_group(world: World) -> None:
    extra = nn.Parameter(nnlite.ones(2))
    extra.grad = nnlite.ones(2)
    world.optimizer.add_param_group({"params": [extra], "lr": 0.1})


CHANGES = [
    replace_parameter, load_state, assign_data, write_into, freeze, freeze_one, swap_module,
    add_module, set_lr, set_momentum, load_optimizer, no_gradients, own_gradients, shadow_forward,
    change_loss, hook_gradient, hook_forward, hook_step, add_group,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_two_calls(change: Callable[[World], None]) -> None:
    worlds = pair(lr=0.1, momentum=0.9)
    warmed(worlds)
    for world in worlds:
        change(world)
    for i in range(WARM + 2):
        both(worlds, *batch(i))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_while_it_is_tried_out(change: Callable[[World], None]) -> None:
    for calls in (1, 2):
        worlds = pair(lr=0.1, momentum=0.9)
        for i in range(calls):
            both(worlds, *batch(i))
        for world in worlds:
            change(world)
        for i in range(WARM):
            both(worlds, *batch(i))


def test_it_is_captured_anew_after_a_freeze_and_again_after_unfreezing() -> None:
    worlds = pair(lr=0.1, momentum=0.9)
    warmed(worlds)
    for change in ("freeze", "unfreeze"):
        for world in worlds:
            getattr(world.model, change)("0")
        assert "model.0" in both(worlds, *batch(0))
        for i in range(WARM):
            reason = both(worlds, *batch(i))
        assert reason == ""


def test_training_and_evaluation_have_a_step_each() -> None:
    worlds = pair(model=lambda: nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 1)))
    for mode in (True, False):
        for world in worlds:
            world.model.train(mode)
        warmed(worlds)
    for mode in (True, False, True, False):
        for world in worlds:
            world.model.train(mode)
        assert both(worlds, *batch(1)) == ""


def test_a_global_and_what_is_in_it() -> None:
    def make(world: World) -> Any:
        model = world.model

        def predict(x: Any) -> Any:
            with nnlite.no_grad():
                return model(x) * FACTOR * SETTINGS["scale"]

        return predict

    worlds = pair(make)
    warmed(worlds, lambda i: batch(i)[:1])
    try:
        globals()["FACTOR"] = 2.0
        assert "FACTOR" in both(worlds, batch(0)[0])
        warmed(worlds, lambda i: batch(i)[:1])
        SETTINGS["scale"] = 0.5
        assert "scale" in both(worlds, batch(0)[0])
        SETTINGS["more"] = 0.5
        both(worlds, batch(0)[0])
        globals()["FACTOR"] = 1
        both(worlds, batch(0)[0])
    finally:
        globals()["FACTOR"] = 1.0
        SETTINGS.clear()
        SETTINGS["scale"] = 1.0


def test_closures_defaults_attributes_and_functions() -> None:
    class Options:
        def __init__(self) -> None:
            self.scale = 1.0
            self.parts = [1.0, 2.0]

        def shifted(self, x: Any) -> Any:
            return x + self.scale

    def make(world: World) -> Any:
        model = world.model
        factor = 1.0
        options = Options()

        def twice(x: Any) -> Any:
            return x * 2

        functions = {"last": twice}

        def predict(x: Any, shift: float = 0.5) -> Any:
            with nnlite.no_grad():
                h = functions["last"](model(x)) * factor + shift
                return options.shifted(h) * options.parts[0]

        def change(what: str) -> None:
            nonlocal factor
            if what == "closure":
                factor = 3.0
            elif what == "defaults":
                predict.__defaults__ = (0.25,)
            elif what == "attribute":
                options.scale = 7.0
            elif what == "list":
                options.parts[0] = 9.0
            elif what == "function":
                functions["last"] = lambda x: x * 3
            elif what == "code":
                twice.__code__ = (lambda x: x * 4).__code__
            elif what == "method":
                Options.shifted = lambda self, x: x - self.scale
            elif what == "instance":
                options.shifted = lambda x: x * 10

        world.extra["change"] = change
        return predict

    for what in (
        "closure", "defaults", "attribute", "list", "function", "code", "method", "instance",
    ):  # fmt: skip
        kept = Options.shifted
        worlds = pair(make)
        warmed(worlds, lambda i: batch(i)[:1])
        for world in worlds:
            world.extra["change"](what)
        assert both(worlds, batch(0)[0]), what
        Options.shifted = kept


def test_equal_values_under_new_names_go_on() -> None:
    worlds = pair(model=lambda: nn.Sequential(nn.Linear(5, 7), nn.Dropout(0.25), nn.Linear(7, 1)))
    warmed(worlds)
    for world in worlds:
        world.model[1].p = float("0.25")
    assert both(worlds, *batch(1)) == ""


def test_grad_mode_and_default_dtype() -> None:
    def make(world: World) -> Any:
        model = world.model

        def forward(x: Any) -> Any:
            return (model(x) * nnlite.ones(1)).detach()

        return forward

    worlds = pair(make)
    warmed(worlds, lambda i: batch(i)[:1])
    with nnlite.no_grad():
        assert "grad mode" in both(worlds, batch(0)[0])
    nnlite.set_default_dtype(nnlite.float64)
    try:
        assert both(worlds, batch(0)[0])
    finally:
        nnlite.set_default_dtype(nnlite.float32)
    assert both(worlds, batch(0)[0]) == ""


def test_a_gradient_that_somebody_keeps_is_not_overwritten() -> None:
    worlds = pair()
    warmed(worlds)
    kept = []
    for i in range(6):
        both(worlds, *batch(i))
        kept.append([world.model[0].weight.grad.numpy() for world in worlds])
    for one, other in kept:
        assert one.tobytes() == other.tobytes()
    both(worlds, *batch(1))
    views = [world.model[0].weight.grad.array[0] for world in worlds]
    both(worlds, *batch(2))
    assert views[0].tobytes() == views[1].tobytes()


def test_in_place_work_on_gradients_between_steps() -> None:
    worlds = pair(lr=0.1, momentum=0.9)
    warmed(worlds)
    for world in worlds:
        for parameter in world.model.parameters():
            parameter.grad.mul_(100)
    assert both(worlds, *batch(3)) == ""


def test_writes_into_parameters_are_seen_by_older_graphs() -> None:
    worlds = pair(lr=0.1)
    warmed(worlds)
    for world in worlds:
        loss = (world.model[0].weight * world.model[0].weight).sum()
        world.run(*batch(0))
        with pytest.raises(RuntimeError, match="modified by an in-place operation"):
            loss.backward()


# ---- what is refused, with the reason ------------------------------------------------------------


def refused(make: Callable[[nn.Module], Callable[..., Any]], *messages: str) -> None:
    """Such a step is never replayed, gives the same as ever, and says why it is not."""
    functions = []
    for _ in range(2):
        nnlite.manual_seed(1)
        functions.append(make(network()))
    captured = nnlite.compile(functions[1])
    for i in range(WARM + 2):
        random.seed(i)
        np.random.seed(i)  # noqa: NPY002  the global one is what is tested
        expected = functions[0](batch(i)[0])
        random.seed(i)
        np.random.seed(i)  # noqa: NPY002  the global one is what is tested
        got = captured(batch(i)[0])
        if expected is not None:
            assert got.array.tobytes() == expected.array.tobytes()
    assert any(message in captured.reason for message in messages), captured.reason


def test_values_that_python_asks_for() -> None:
    def branch(model: nn.Module) -> Any:
        return lambda x: model(x).detach() if model(x).sum() > 0 else x

    refused(branch, "test_compile_guards.py, line")

    def item(model: nn.Module) -> Any:
        return lambda x: model(x).detach() * model(x).mean().item()

    refused(item, "asks for the value")

    def array(model: nn.Module) -> Any:
        return lambda x: nnlite.tensor(np.asarray(model(x).detach()))

    refused(array, "makes a NumPy array of a tensor")


def test_effects_and_results_from_outside(capsys: pytest.CaptureFixture[str]) -> None:
    def shows(model: nn.Module) -> Any:
        def step(x: Any) -> Any:
            print("a step")
            return model(x).detach()

        return step

    refused(shows, "calls print")
    assert capsys.readouterr().out.count("a step") == 2 * (WARM + 2)
    refused(lambda model: lambda x: model(x).detach() * random.random(), "module random")
    refused(lambda model: lambda x: model(x).detach() * 0 + (time.time() > 0), "module time")
    refused(lambda model: lambda x: model(x).detach() * np.random.rand(), "np.random")  # noqa: NPY002


def test_state_that_it_changes() -> None:
    counts = {"calls": 0}
    seen: list[Any] = []

    def counts_up(model: nn.Module) -> Any:
        def step(x: Any) -> Any:
            counts["calls"] += 1
            return model(x).detach()

        return step

    before = counts["calls"]
    refused(counts_up, "counts['calls']")
    assert counts["calls"] - before == 2 * (WARM + 2)

    def appends(model: nn.Module) -> Any:
        def step(x: Any) -> Any:
            seen.append(1)
            return model(x).detach()

        return step

    refused(appends, "what is in seen", "seen")
    assert len(seen) == 2 * (WARM + 2)

    class Remembering(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner
            self.calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            self.last = self.inner(x)
            return self.last

    def remembers(model: nn.Module) -> Any:
        net = Remembering(model)
        return lambda x: net(x).detach()

    refused(remembers, "it changes net", "the attributes of net")


def test_a_changing_number_does_not_thrash() -> None:
    def make(world: World) -> Any:
        model = world.model
        world.extra["scale"] = box = types.SimpleNamespace(scale=1.0)

        def predict(x: Any) -> Any:
            with nnlite.no_grad():
                return model(x) * box.scale

        return predict

    worlds = pair(make)
    for i in range(200):
        for world in worlds:
            world.extra["scale"].scale = 1.0 + i // 5
        reason = both(worlds, batch(i)[0])
    assert "16 times" in reason
    assert "scale" in reason


def test_graphs_arguments_and_objects_that_are_refused() -> None:
    refused(lambda model: lambda x: model(x) * 1, "with its graph")

    def writes(model: nn.Module) -> Any:
        return lambda x: model(x).detach() + x.clone().mul_(2).sum() + x.add_(1).sum() * 0

    refused(writes, "writes into an argument")

    class Slotted:
        __slots__ = ("scale",)

    thing = Slotted()
    thing.scale = 2.0
    refused(lambda model: lambda x: model(x).detach() * thing.scale, "uses thing, a")
    generator = iter([1.0] * 100)
    refused(lambda model: lambda x: model(x).detach() * next(generator), "uses generator, a")
    array = np.ones(1, np.float32)
    refused(lambda model: lambda x: model(x).detach() * nnlite.from_numpy(array), "uses array, a")

    def hidden(model: nn.Module) -> Any:
        boxes = [types.MappingProxyType({"w": nnlite.ones(1) * 2})]
        return lambda x: model(x).detach() * boxes[0]["w"] * math.pi

    nnlite.compile(hidden(network()))
    leaf = nnlite.ones(6, 5, requires_grad=True)
    captured = nnlite.compile(lambda x: x.detach() * 2)
    for _ in range(WARM):
        captured(leaf)
    assert "requires a gradient" in captured.reason


def test_watchers_see_every_operation() -> None:
    worlds = pair()
    warmed(worlds)
    with nnlite.autograd.detect_anomaly():
        assert "anomaly" in both(worlds, *batch(0))
    assert both(worlds, *batch(0)) == ""


def test_usual_step_is_the_one_of_the_readme() -> None:
    assert usual_step(World(usual_step, captured=False))(*batch(0)).requires_grad


def test_attributes_of_functions_and_classes_that_it_counts_in() -> None:
    def counts(model: nn.Module) -> Any:
        def step(x: Any) -> Any:
            step.calls += 1
            return model(x).detach()

        step.calls = 0
        return step

    refused(counts, "step.calls")

    class Counting(nn.Module):
        calls = 0

        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            Counting.calls += 1
            return self.inner(x)

    def in_class(model: nn.Module) -> Any:
        net = Counting(model)
        return lambda x: net(x).detach()

    refused(in_class, "Counting.calls")
    assert Counting.calls == 2 * (WARM + 2)


def test_views_that_it_would_return() -> None:
    def of_parameter(model: nn.Module) -> Any:
        return lambda x: model[0].weight.detach().T

    refused(of_parameter, "returns a view of a parameter")
    refused(lambda model: lambda x: x.reshape(-1), "or an argument")

    def of_gradient(model: nn.Module) -> Any:
        def step(x: Any) -> Any:
            model.zero_grad()
            model(x).sum().backward()
            return model[0].weight.grad

        return step

    refused(of_gradient, "returns a gradient", "or an argument")


def test_a_hook_that_was_removed() -> None:
    worlds = pair()
    handles = [w.model[1].register_forward_hook(lambda m, a, result: result * 2) for w in worlds]
    for i in range(WARM):
        assert both(worlds, *batch(i))
    for handle in handles:
        handle.remove()
    for i in range(50):
        reason = both(worlds, *batch(i))
    assert reason == ""
    for world in worlds:
        world.model[1].register_forward_hook(lambda m, a, result: result * 3)
    assert both(worlds, *batch(1))


def test_how_the_caller_treats_floating_point_errors() -> None:
    def make(world: World) -> Any:
        def risky(x: Any) -> Any:
            return nn.functional.binary_cross_entropy(x, nnlite.ones(3)) + x.log().sum() * 0

        return risky

    worlds = pair(make)
    warmed(worlds, lambda i: (nnlite.tensor([0.5, 0.25, 0.125]),))
    zero = nnlite.tensor([0.5, 0.25, 0.0])
    with np.errstate(all="ignore"):
        both(worlds, zero)
    with np.errstate(divide="raise", invalid="raise"):
        for world in worlds:
            with pytest.raises(FloatingPointError):
                world.run(zero)


def test_a_method_of_the_class() -> None:
    class Scaled(nn.Module):
        factor = 2.0

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        @classmethod
        def scale(cls) -> float:
            return cls.factor

        def forward(self, x: Any) -> Any:
            return self.layer(x) * self.scale()

    model = Scaled()
    captured = nnlite.compile(lambda x: model(x).detach())
    x = nnlite.ones(3, 4)
    for _ in range(WARM):
        before = captured(x)
    assert captured.is_captured
    assert not captured.reason
    Scaled.factor = 4.0
    assert nnlite.equal(captured(x), before * 2)
    Scaled.scale = classmethod(lambda cls: 1.0)  # type: ignore[method-assign, assignment]
    for _ in range(WARM):
        assert nnlite.equal(captured(x), before / 2)
    assert not captured.reason
