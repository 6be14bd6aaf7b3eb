"""nnlite.compile: what a step reads of optimizers, classes and itself, and what it returns."""

from __future__ import annotations

import copy
import cProfile
import functools
import pickle
import sys
import threading
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from captured import WARM, World, batch, both, bytes_of, pair, usual_step, warmed

import nnlite
from nnlite import nn


def predictor(world: World, scale: Callable[[], Any]) -> Callable[..., Any]:
    """Predicts, times what ``scale`` says."""
    model = world.model

    def predict(x: Any) -> Any:
        with nnlite.no_grad():
            return model(x) * scale()

    return predict


def only_x(number: int) -> tuple[Any]:
    return batch(number)[:1]


# ---- optimizers and schedulers -------------------------------------------------------------------


class Scaling(nnlite.optim.SGD):
    """Has a method of its own, which reads an attribute of its own."""

    factor = 0.5

    def scale(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.grad.mul_(self.factor)


def reads_rate(world: World) -> Callable[..., Any]:
    step, groups = usual_step(world), world.optimizer
    return lambda x, y: {"loss": step(x, y), "lr": groups.param_groups[0]["lr"]}


def descends_itself(world: World) -> Callable[..., Any]:
    model, optimizer, loss_of = world.model, world.optimizer, world.loss

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        with nnlite.no_grad():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.add_(parameter.grad, alpha=-group["lr"])
        return loss

    return step


def asks_scheduler(world: World) -> Callable[..., Any]:
    step = usual_step(world)
    scheduler = nnlite.optim.lr_scheduler.StepLR(world.optimizer, 1, 0.5)
    world.extra["scheduler"] = scheduler
    return lambda x, y: step(x, y) * scheduler.get_last_lr()[0]


def scales_gradients(world: World) -> Callable[..., Any]:
    model, optimizer, loss_of = world.model, world.optimizer, world.loss

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.scale()
        optimizer.step()
        return loss

    return step


def reads_state(world: World) -> Callable[..., Any]:
    step, optimizer, first = usual_step(world), world.optimizer, world.model[0].weight
    return lambda x, y: (step(x, y), len(optimizer.state[first]))


def lower_rate(world: World) -> None:
    world.optimizer.param_groups[0]["lr"] *= 0.5
    if "scheduler" in world.extra:
        world.extra["scheduler"].step()


def lower_factor(world: World) -> None:
    world.optimizer.factor = 0.25


def forget(world: World) -> None:
    world.optimizer.state.clear()


def shadow_zero_grad(world: World) -> None:
    world.optimizer.zero_grad = lambda: None


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (reads_rate, lower_rate),
        (descends_itself, lower_rate),
        (asks_scheduler, lower_rate),
        (scales_gradients, lower_factor),
        (reads_state, forget),
        (usual_step, shadow_zero_grad),
    ],
)
def test_what_a_step_reads_of_its_optimizer(make: Any, change: Any) -> None:
    optimizer = Scaling if make is scales_gradients else nnlite.optim.SGD
    worlds = pair(make, optimizer=optimizer, lr=0.1, momentum=0.9)
    warmed(worlds)
    for _ in range(2):
        for world in worlds:
            change(world)
        for i in range(WARM + 1):
            both(worlds, *batch(i))


def test_a_schedule_beside_a_class_that_names_its_optimizer() -> None:
    class Loop:
        def __init__(self, world: World) -> None:
            self.optimizer = world.optimizer
            self.scheduler = nnlite.optim.lr_scheduler.StepLR(world.optimizer, 3, 0.5)
            self.model, self.loss = world.model, world.loss

        def step(self, x: Any, y: Any) -> Any:
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            return loss

    worlds = pair(lambda world: Loop(world).step)
    warmed(worlds)
    assert [both(worlds, *batch(i)) for i in range(8)] == [""] * 8


# ---- classes, objects, functions -----------------------------------------------------------------


def test_methods_and_attributes_that_a_class_gets_later() -> None:
    class Base(nn.Module):
        factor = 1.0

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 1)

        def forward(self, x: Any) -> Any:
            return self.layer(x) * self.factor

    class Derived(Base):
        pass

    def change(key: str, value: Any) -> None:
        worlds = pair(lambda world: predictor(world, lambda: 1), model=Derived)
        warmed(worlds, only_x)
        setattr(Derived, key, value)
        for i in range(WARM):
            both(worlds, *only_x(i))
        delattr(Derived, key)
        for i in range(WARM):
            both(worlds, *only_x(i))

    change("factor", 3.0)
    change("forward", lambda self, x: self.layer(x) * 2)


def test_an_object_that_changes_its_class() -> None:
    class Two:
        def scale(self) -> float:
            return 2.0

    class Three(Two):
        def scale(self) -> float:
            return 3.0

    def make(world: World) -> Any:
        thing = world.extra["thing"] = Two()
        return predictor(world, thing.scale if False else lambda: thing.scale())

    worlds = pair(make)
    warmed(worlds, only_x)
    for world in worlds:
        world.extra["thing"].__class__ = Three
    assert "class of thing" in both(worlds, *only_x(1))


def test_the_order_in_dictionaries() -> None:
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = {"first": 2.0, "second": 3.0}
            self.first, self.second = nn.Linear(5, 5), nn.Tanh()
            self.named = nn.ModuleDict({"first": nn.Linear(5, 5), "second": nn.ReLU()})

        def forward(self, x: Any) -> Any:
            for factor in self.table.values():
                x = x.tanh() * factor
            for part in (*self.named.values(), self.first, self.second, *self.named.values()):
                x = part(x)
            for child in self.children():
                x = x if child is self.named else child(x)
            return x

    def move(model: Any, what: str) -> None:
        if what == "attribute":
            first = model.first
            del model.first
            model.first = first
        else:
            parts = getattr(model, what)
            parts["first"] = parts.pop("first")

    for what in ("table", "named", "attribute"):
        worlds = pair(lambda world: predictor(world, lambda: 1), model=Parts)
        warmed(worlds, only_x)
        for world in worlds:
            move(world.model, what)
        assert "order" in both(worlds, *only_x(1)), what


@pytest.mark.parametrize("what", ["initial_seed", "_version"])
def test_what_changes_without_being_seen(what: str) -> None:
    def make(world: World) -> Any:
        weight = world.model[0].weight
        asked = {
            "initial_seed": lambda: nnlite.initial_seed() % 7,
            "_version": lambda: weight._version,
        }
        return predictor(world, asked[what])

    worlds = pair(make)
    for i in range(2 * WARM):
        nnlite.manual_seed(i)
        for world in worlds:
            with nnlite.no_grad():
                world.model[0].weight.mul_(0.9)
        assert both(worlds, *only_x(i))
    assert f"asks for {what}" in worlds[1].run.reason


@nnlite.compile
def scaled(x: Any) -> Any:
    """For the two tests below: a captured function that has an attribute, and a name."""
    return x * scaled.scale


def test_attributes_of_a_captured_function() -> None:
    x = nnlite.ones(2)
    for scale in (2.0, 3.0):
        scaled.scale = scale
        for _ in range(WARM):
            assert scaled(x).tolist() == [scale, scale]
        assert scaled.reason == ""


def test_a_captured_function_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(scaled)) is scaled
    assert copy.deepcopy(scaled) is scaled


def test_partial_functions_and_objects_that_are_called() -> None:
    class Scale:
        factor = 2.0

        def __call__(self, x: Any) -> Any:
            return x * self.factor

    thing = Scale()
    for function in (functools.partial(nn.functional.leaky_relu, negative_slope=0.5), thing):
        captured = nnlite.compile(function)
        for i in range(WARM):
            x = batch(i)[0]
            assert bytes_of(captured(x)) == bytes_of(function(x))
        assert captured.reason == ""
    thing.factor = 4.0
    assert captured(nnlite.ones(1)).item() == 4.0


def test_an_equal_number_each_time_is_no_change() -> None:
    worlds = pair(lambda world: predictor(world, lambda: world.extra["scale"]))
    for world in worlds:
        world.extra["scale"] = 0.25
    warmed(worlds, only_x)
    for i in range(4):
        for world in worlds:
            world.extra["scale"] = float("0.25")
        assert both(worlds, *only_x(i)) == ""
    for scale in (-0.25, 1.0, 1, True, 0.0, -0.0):
        for world in worlds:
            world.extra["scale"] = scale
        assert both(worlds, *only_x(1))


def test_two_objects_of_one_name_among_the_arguments() -> None:
    class Box:
        scale = 1.0

    def function(x: Any, *boxes: Any, **more: Any) -> Any:
        return x * boxes[1].scale * more["more"].scale

    one, other = Box(), Box()
    captured = nnlite.compile(function)
    for _ in range(WARM):
        captured(nnlite.ones(1), None, one, more=other)
    assert captured.reason == ""
    one.scale = 3.0
    assert captured(nnlite.ones(1), None, one, more=other).item() == 3
    other.scale = 5.0
    assert captured(nnlite.ones(1), None, one, more=other).item() == 15


# ---- arguments and results -----------------------------------------------------------------------


def test_containers_among_the_arguments_that_it_changes() -> None:
    def make(world: World) -> Any:
        cell = nn.RNNCell(5, 5)

        def step(x: Any, state: Any) -> Any:
            with nnlite.no_grad():
                state["h"] = cell(x, state["h"])
            return x.sum()  # nothing that shows what it has put there

        return step

    worlds = pair(make)
    states = [{"h": nnlite.zeros(6, 5)} for _ in worlds]
    for i in range(8):
        results = [world.run(batch(i)[0], state) for world, state in zip(worlds, states)]
        assert bytes_of(results[0]) == bytes_of(results[1])
        assert bytes_of(states[0]) == bytes_of(states[1])
    assert "changes a list or a dict among its arguments" in worlds[1].run.reason


Pair = namedtuple("Pair", "first second")


class Answer(dict):  # type: ignore[type-arg]
    """A dict with more to it."""


@pytest.mark.parametrize(
    ("make", "is_captured"),
    [
        (lambda y: (y, y.shape), True),
        (lambda y: Pair(y, 2), True),
        (lambda y: [{"y": y}, (), None], True),
        (lambda y: OrderedDict(y=y), False),
        (lambda y: (Answer(y=y), 1), False),
    ],
)
def test_the_types_of_results(make: Any, is_captured: bool) -> None:
    def types(value: Any) -> Any:
        if isinstance(value, dict):
            return type(value), [types(part) for part in value.values()]
        parts = [types(part) for part in value] if isinstance(value, (list, tuple)) else []
        return type(value), parts

    captured = nnlite.compile(lambda x: make(x * 2))
    for i in range(WARM):
        x = batch(i)[0]
        expected, got = make(x * 2), captured(x)
        assert types(got) == types(expected)
        assert bytes_of(got) == bytes_of(expected)
    assert (captured.reason == "") is is_captured, captured.reason


def test_more_kinds_of_arguments_than_are_kept() -> None:
    worlds = pair(lambda world: predictor(world, lambda: 1))
    replayed = 0
    for i in range(600):
        replayed += not both(worlds, batch(0, 1 + i % 20)[0])
    assert replayed > 100
    assert "more than 8 kinds" in worlds[1].run.reason or not worlds[1].run.reason
    few = [both(worlds, batch(0, size)[0]) for size in (1, 2, 3) for _ in range(2000)]
    assert few[-3:] == ["", "", ""]  # after a rest it is captured again


def test_a_refusal_that_the_function_catches() -> None:
    seen: list[float] = []

    def make(world: World) -> Any:
        predict = predictor(world, lambda: 1)

        def step(x: Any) -> Any:
            y = predict(x)
            try:
                seen[:] = [y.sum().item()]
            except Exception:
                pass
            return y

        return step

    worlds = pair(make)
    for i in range(2 * WARM):
        assert both(worlds, *only_x(i))
        assert seen == [worlds[0].step(*only_x(i)).sum().item()]
    assert "asks for the value" in worlds[1].run.reason


def test_arrays_are_arrays_to_the_function() -> None:
    def doubled(x: Any) -> Any:
        if isinstance(x, np.ndarray):
            x = nnlite.from_numpy(x * 2)
        return x * 3

    captured = nnlite.compile(doubled)
    for i in range(2 * WARM):
        array = batch(i)[0].array * (i >= WARM)  # zeros at first, with which all paths agree
        assert bytes_of(captured(array)) == bytes_of(doubled(array))
    assert captured.reason == ""


# ---- who else looks ------------------------------------------------------------------------------


def test_a_profiler_keeps_its_place() -> None:
    worlds = pair()
    profiler = cProfile.Profile()
    before = sys.getprofile()
    profiler.enable()
    try:
        for i in range(WARM):
            both(worlds, *batch(i))
    finally:
        profiler.disable()
        sys.setprofile(before)
    warmed(worlds)


def test_nothing_is_tried_out_beside_other_threads() -> None:
    worlds = pair()
    both(worlds, *batch(0))
    both(worlds, *batch(1))
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert "other threads" in both(worlds, *batch(2))
    finally:
        done.set()
        thread.join()
    warmed(worlds)


def test_a_captured_function_within_another() -> None:
    def make(world: World) -> Any:
        teacher = nnlite.compile(predictor(world, lambda: 0.5))
        for i in range(WARM):
            teacher(batch(i)[0])
        step = usual_step(world)
        return lambda x, y: step(x, teacher(x).sigmoid() * 0 + y)

    worlds = pair(make)
    warmed(worlds)
