"""nnlite.compile: memory that a captured step writes into and somebody else has, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from captured import World, batch, both, bytes_of, pair, usual_step, warmed

import nnlite
from nnlite import nn


def line() -> nn.Module:
    return nn.Linear(5, 1)


def looking_back(world: World) -> Callable[..., Any]:
    """A step that reads its input again after the parameters have moved."""
    step = usual_step(world)

    def back(x: Any, y: Any) -> Any:
        step(x, y)
        return (x * 2).sum()

    return back


def one(number: int) -> tuple[Any, Any]:
    return batch(number, 1)


def test_an_argument_that_is_a_parameter() -> None:
    worlds = pair(looking_back, model=line)
    warmed(worlds, one)
    for share in (lambda p: p.detach(), lambda p: nnlite.from_numpy(p.detach().numpy())):
        expected, got = (world.run(share(world.model.weight), one(5)[1]) for world in worlds)
        assert bytes_of(got) == bytes_of(expected)
        assert worlds[1].run.reason == "an argument shares memory with what it writes into"
    assert both(worlds, *one(6)) == ""


def test_an_argument_that_is_a_buffer() -> None:
    def make(world: World) -> Any:
        model = world.model

        def step(x: Any, shift: Any) -> Any:
            return model(x).detach().sum() + shift.sum()

        return step

    worlds = pair(make, model=lambda: nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 1)))
    warmed(worlds, lambda i: (batch(i)[0], nnlite.ones(5) * i))
    results = [world.run(batch(5)[0], world.model[0].running_mean) for world in worlds]
    assert bytes_of(results[0]) == bytes_of(results[1])
    assert "an argument shares memory" in worlds[1].run.reason


def test_batches_in_one_array() -> None:
    worlds = pair()
    room = np.zeros((6, 5), np.float32)
    for i in range(8):
        x, y = batch(i)
        room[...] = x.array
        reason = both(worlds, nnlite.from_numpy(room), y)
    assert reason == ""


def adding(world: World) -> Callable[..., Any]:
    """A step that adds to the gradients."""
    model, loss_of = world.model, world.loss

    def add(x: Any, y: Any) -> Any:
        loss = loss_of(model(x), y)
        loss.backward()
        return loss

    return add


@pytest.mark.parametrize("is_new", [True, False])
def test_gradients_that_are_parts_of_an_array(is_new: bool) -> None:
    worlds = pair(adding, model=line)
    rooms = [np.zeros(6, np.float32) for _ in worlds]

    def share() -> None:
        for world, room in zip(worlds, rooms):
            room[...] = 0
            world.model.weight.grad = nnlite.from_numpy(room[:5].reshape(1, 5))
            world.model.bias.grad = nnlite.from_numpy(room[5:])

    if is_new:
        warmed(worlds)
    share()
    for i in range(8):
        both(worlds, *batch(i))
        assert rooms[0].tobytes() == rooms[1].tobytes()
        assert rooms[0].any()


def test_gradients_that_somebody_gave_and_kept() -> None:
    worlds = pair(adding)
    warmed(worlds)
    kept = [[nnlite.zeros(*p.shape) for p in world.model.parameters()] for world in worlds]
    for world, gradients in zip(worlds, kept):
        for parameter, gradient in zip(world.model.parameters(), gradients):
            parameter.grad = gradient
    both(worlds, *batch(5))
    assert bytes_of(kept[0]) == bytes_of(kept[1])
    for world, gradients in zip(worlds, kept):
        assert all(p.grad is g for p, g in zip(world.model.parameters(), gradients))


@pytest.mark.parametrize("what", ["swapped", "shared"])
def test_gradients_that_change_places(what: str) -> None:
    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False))

    def make(world: World) -> Any:
        net = world.model

        def add(x: Any) -> Any:
            loss = net(x).square().sum()
            loss.backward()
            return loss

        return add

    worlds = pair(make, model=model)
    warmed(worlds, lambda i: batch(i)[:1])
    for world in worlds:
        a, b = world.model.parameters()
        a.grad, b.grad = b.grad, (a.grad if what == "swapped" else b.grad)
    for i in range(3):
        both(worlds, batch(i)[0])


def test_gradients_go_from_one_program_to_another() -> None:
    worlds = pair(adding)
    for i in range(2 * 6):
        reason = both(worlds, *batch(i, 6 - i % 2))
    assert reason == ""


def test_zeroed_gradients_between_ordinary_runs() -> None:
    def make(world: World) -> Any:
        optimizer, add = world.optimizer, adding(world)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad(set_to_none=False)
            return add(x, y)

        return step

    worlds = pair(make)
    warmed(worlds)
    for i in range(6):
        assert both(worlds, *batch(i, i + 7))
        assert both(worlds, *batch(i)) == ""


@pytest.mark.parametrize("how", ["columns", "every other", "one row for all", "backwards"])
def test_layouts_of_arguments_after_a_start_with_zeros(how: str) -> None:
    def cut(array: Any) -> Any:
        return {
            "columns": array[:16, :15],
            "every other": array[::2, ::2],
            "one row for all": np.broadcast_to(array[:1, :15], (16, 15)),
            "backwards": array[15::-1, 14::-1],
        }[how]

    def make(world: World) -> Any:
        model, optimizer = world.model, world.optimizer

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss, x.sum(), x.sum(0), x.std(), (x * 3).mean(1)

        return step

    worlds = pair(make, model=lambda: nn.Sequential(nn.Linear(15, 33), nn.Tanh()))
    rng = np.random.default_rng(0)
    warmed(worlds, lambda i: (nnlite.from_numpy(cut(np.zeros((32, 30), np.float32))),))
    for _ in range(4):
        array = rng.standard_normal((32, 30)).astype(np.float32)
        assert both(worlds, nnlite.from_numpy(cut(array))) == ""


def test_numpys_errors_after_a_draw() -> None:
    worlds = pair(lambda world: lambda x: nn.functional.dropout(x).exp().sum())
    warmed(worlds, lambda i: (batch(i)[0],))
    big = nnlite.full((6, 5), 60.0)
    for errors in ({"over": "ignore"}, {"over": "raise"}):
        for _ in range(3):
            random = nnlite.get_rng_state()
            found = []
            for world in worlds:
                nnlite.set_rng_state(random)
                with np.errstate(**errors):  # type: ignore[call-overload]
                    try:
                        found.append(bytes_of(world.run(big)))
                    except FloatingPointError as error:
                        found.append(str(error))
                found.append(repr(nnlite.get_rng_state()))
            assert found[:2] == found[2:]


def test_arrays_among_the_arguments() -> None:
    for convert in (nnlite.tensor, nnlite.as_tensor, nnlite.from_numpy):

        def make(world: World, convert: Any = convert) -> Any:
            step = usual_step(world)
            return lambda x, y: step(convert(x), convert(y))

        worlds = pair(make)
        warmed(worlds, lambda i: tuple(tensor.array for tensor in batch(i)))


def test_an_array_that_it_writes_into() -> None:
    for convert in (nnlite.as_tensor, nnlite.from_numpy):
        captured = nnlite.compile(lambda x, convert=convert: convert(x).add_(1).sum())
        for i in range(6):
            array = np.zeros(3, np.float32)
            assert captured(array).item() == 3
            assert array.tolist() == [1, 1, 1], i
        assert "writes into an argument" in captured.reason
