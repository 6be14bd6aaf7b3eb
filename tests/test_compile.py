"""nnlite.compile: captured steps give what ordinary ones give, to the last bit."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from captured import WARM, World, batch, both, network, pair, state_of, usual_step, warmed

import nnlite
from nnlite import nn

OPTIMIZERS = {
    "SGD": (nnlite.optim.SGD, {"lr": 0.1}),
    "momentum": (nnlite.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "decay": (nnlite.optim.SGD, {"lr": 0.1, "weight_decay": 0.01}),
    "Adam": (nnlite.optim.Adam, {"lr": 0.01}),
    "AdamW": (nnlite.optim.AdamW, {"lr": 0.01}),
    "RMSprop": (nnlite.optim.RMSprop, {"lr": 0.01}),
    "Adagrad": (nnlite.optim.Adagrad, {"lr": 0.01}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps_are_equal(name: str) -> None:
    optimizer, options = OPTIMIZERS[name]
    worlds = pair(optimizer=optimizer, **options)
    reasons = [both(worlds, *batch(i)) for i in range(100)]
    assert not any(reasons[WARM - 1 :])
    assert all(reasons[: WARM - 1])


def test_the_learning_rate_and_a_scheduler_are_followed() -> None:
    def make(world: World) -> Any:
        scheduler = nnlite.optim.lr_scheduler.StepLR(world.optimizer, 3, 0.5)
        step = usual_step(world)

        def scheduled(x: Any, y: Any) -> Any:
            loss = step(x, y)
            scheduler.step()
            return loss

        return scheduled

    worlds = pair(make, lr=0.1, momentum=0.9)
    warmed(worlds)
    assert [both(worlds, *batch(i)) for i in range(10)] == [""] * 10
    for world in worlds:
        world.optimizer.param_groups[0]["lr"] = 0.037
    assert both(worlds, *batch(3)) == ""


def test_what_a_step_returns_is_the_callers() -> None:
    world = World(usual_step, captured=True)
    losses = [world.run(*batch(i)) for i in range(8)]
    assert world.run.reason == ""
    assert len({loss.item() for loss in losses}) == 8
    with pytest.raises(RuntimeError, match=r"captured step .*call backward\(\) in the function"):
        losses[-1].backward()


def test_nested_arguments_and_results() -> None:
    def make(world: World) -> Any:
        step = usual_step(world)

        def nested(data: Any, *, scale: float = 1.0, target: Any) -> Any:
            loss = step(data["x"][0] * scale, target)
            return {"loss": loss, "rest": (data["x"][0], [loss * 2], None, 3)}

        return nested

    worlds = pair(make)
    for i in range(6):
        x, y = batch(i)
        reason = both(worlds, {"x": [x]}, scale=0.5, target=y)
    assert reason == ""
    x, y = batch(0)
    for world in worlds:
        result = world.run({"x": [x]}, scale=0.5, target=y)
        assert result["rest"][0].shape == (6, 5)
        assert result["rest"][1][0].shape == ()
    assert both(worlds, {"x": [x]}, scale=0.25, target=y)  # another number is another step
    assert both(worlds, {"x": [x]}, target=y)


def test_other_shapes_dtypes_and_layouts_are_captured_by_themselves() -> None:
    worlds = pair()
    warmed(worlds)
    for size in (6, 3, 6, 3, 6, 3):
        both(worlds, *batch(1, size))
    assert both(worlds, *batch(1, 3)) == "" == both(worlds, *batch(2, 6))
    x, y = batch(4)
    assert both(worlds, nnlite.tensor(x.array.T.copy()).T, y)
    with pytest.raises(RuntimeError):
        worlds[1].run(*batch(1, 6, 4))
    assert both(worlds, *batch(5)) == ""


def test_predictions() -> None:
    def make(world: World) -> Any:
        model = world.model

        @nnlite.no_grad()
        def predict(x: Any) -> Any:
            return model(x).sigmoid()

        return predict

    worlds = pair(make)
    for i in range(6):
        reason = both(worlds, batch(i, 1)[0])
    assert reason == ""
    for world in worlds:
        with nnlite.no_grad():
            world.model[0].weight.mul_(0.5)
    assert both(worlds, batch(0, 1)[0]) == ""


def test_dropout_draws_the_same_numbers() -> None:
    worlds = pair(model=lambda: nn.Sequential(nn.Linear(5, 7), nn.Dropout(0.4), nn.Linear(7, 1)))
    warmed(worlds)
    assert [both(worlds, *batch(i)) for i in range(5)] == [""] * 5
    nnlite.manual_seed(11)
    assert both(worlds, *batch(0)) == ""
    for world in worlds:
        world.model.eval()
    for i in range(WARM):
        reason = both(worlds, *batch(i))
    assert reason == ""


def test_batch_norm_moves_its_statistics() -> None:
    worlds = pair(model=lambda: nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 1)))
    warmed(worlds)
    assert [both(worlds, *batch(i)) for i in range(5)] == [""] * 5
    assert worlds[1].model[1].num_batches_tracked.item() == WARM + 5


def test_gradients_accumulate_without_zero_grad() -> None:
    def make(world: World) -> Any:
        model, loss_of = world.model, world.loss

        def add(x: Any, y: Any) -> Any:
            loss = loss_of(model(x), y)
            loss.backward()
            return loss

        return add

    worlds = pair(make)
    warmed(worlds)
    assert both(worlds, *batch(7)) == ""
    for world in worlds:
        world.model.zero_grad()
    both(worlds, *batch(8))  # no gradients: another path
    for world in worlds:
        for parameter in world.model.parameters():
            parameter.grad = nnlite.ones_like(parameter)
    assert both(worlds, *batch(9)) == ""


def test_shared_weights_and_two_optimizers() -> None:
    def make(world: World) -> Any:
        model, loss_of = world.model, world.loss
        body = nnlite.optim.SGD(model[0].parameters(), lr=0.1)
        head = nnlite.optim.Adam(model[2].parameters(), lr=0.01)
        world.extra["optimizers"] = (body, head)

        def step(x: Any, y: Any) -> Any:
            model.zero_grad()
            h = model[0](x).relu()
            twice = nn.functional.linear(h, model[2].weight) + model[2](h)
            loss = loss_of(twice, y)
            loss.backward()
            body.step()
            head.step()
            return loss, h.detach()

        return step

    worlds = pair(make)
    warmed(worlds)
    assert both(worlds, *batch(5)) == ""


def test_only_what_trains_is_computed() -> None:
    full = World(usual_step, captured=True)
    frozen = World(usual_step, captured=True)
    frozen.model.freeze("0")
    for i in range(WARM):
        full.run(*batch(i))
        frozen.run(*batch(i))
    assert frozen.run.reason == "" == full.run.reason
    assert calls_of(frozen) < calls_of(full) - 5


def calls_of(world: World) -> int:
    return len(world.run._ready[0].lowered.calls)


def test_a_failing_call_fails_as_ever_and_nothing_is_lost() -> None:
    worlds = pair()
    warmed(worlds)
    x, y = batch(0)
    for world in worlds:
        with pytest.raises(ValueError, match=r"targets must lie in \[0, 1\], found values"):
            world.run(x, y * 0 + 40 * x.sign()[:, :1] + 30)
    assert state_of(worlds[0]) == state_of(worlds[1])
    assert both(worlds, x, y) == ""


def test_an_infinite_gradient_takes_the_ordinary_path() -> None:
    def make(world: World) -> Any:
        model, optimizer = world.model, world.optimizer

        def step(x: Any, scale: Any) -> Any:
            optimizer.zero_grad()
            loss = (model(x) * scale).sum()
            loss.backward()
            return loss

        return step

    worlds = pair(make, model=lambda: nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 1)))
    one = nnlite.ones(6, 1)
    warmed(worlds, lambda i: (batch(i)[0], one))
    with np.errstate(all="ignore"):
        assert "check" in both(worlds, batch(0)[0], one * 3e38)
    assert both(worlds, batch(1)[0], one) == ""


def test_a_check_that_fails_puts_back_what_was_written() -> None:
    def model() -> nn.Module:
        return nn.Sequential(
            nn.BatchNorm1d(5), nn.Linear(5, 7), nn.Dropout(0.5), nn.ReLU(), nn.Linear(7, 1)
        )

    def make(world: World) -> Any:
        net = world.model

        def step(x: Any, scale: Any) -> Any:
            loss = (net(x) * scale).sum()
            loss.backward()
            return loss

        return step

    worlds = pair(make, model=model)
    one = nnlite.ones(6, 1)
    warmed(worlds, lambda i: (batch(i)[0], one))
    with np.errstate(all="ignore"):
        assert "check" in both(worlds, batch(0)[0], one * 3e38)


def test_another_thread_takes_the_ordinary_path() -> None:
    world = World(usual_step, captured=True)
    for i in range(WARM):
        world.run(*batch(i))
    found: list[Any] = []

    with world.run._busy:
        thread = threading.Thread(target=lambda: found.append(world.run(*batch(0))))
        thread.start()
        thread.join()
    assert found[0].array.shape == ()
    assert world.run.reason == "another call of it is running"


def test_a_method_can_be_compiled() -> None:
    class Trainer:
        def __init__(self) -> None:
            nnlite.manual_seed(0)
            self.model = network()
            self.optimizer = nnlite.optim.SGD(self.model.parameters(), lr=0.1)

        @nnlite.compile
        def step(self, x: Any, y: Any) -> Any:
            self.optimizer.zero_grad()
            loss = nn.functional.mse_loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            return loss

    trainer = Trainer()
    losses = [trainer.step(*batch(0)).item() for _ in range(8)]
    assert Trainer.step.reason == ""
    assert losses == sorted(losses, reverse=True)


def test_what_compile_takes() -> None:
    def double(x: Any) -> Any:
        return x * 2

    assert nnlite.compile(double, disable=True) is double
    assert isinstance(nnlite.compile()(double), type(nnlite.compile(double)))
    with pytest.raises(TypeError, match="decorate a function that calls the Sequential"):
        nnlite.compile(network())
    with pytest.raises(TypeError, match="expected a function, got int"):
        nnlite.compile(3)
    captured = nnlite.compile(double)
    assert "not captured, because it has not been called yet" in repr(captured)
    assert captured.__name__ == "double"
    for _ in range(WARM):
        captured(nnlite.ones(3))
    assert "captured, 1 calls" in repr(captured)


def test_fullgraph_raises_instead_of_running_as_ever() -> None:
    @nnlite.compile(fullgraph=True)
    def look(x: Any) -> Any:
        return x * 2 if x.sum() > 0 else x

    look(nnlite.ones(3))
    with pytest.raises(RuntimeError, match=r"test_compile\.py, line .* asks for the value"):
        look(nnlite.ones(3))


@pytest.mark.parametrize("limit", [0.01, 100.0])
def test_gradients_are_clipped(limit: float) -> None:
    def make(world: World) -> Any:
        model, optimizer, loss_of = world.model, world.optimizer, world.loss

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), limit, error_if_nonfinite=True)
            nn.utils.clip_grad_value_(model.parameters(), limit / 2)
            optimizer.step()
            return loss, norm

        return step

    worlds = pair(make)
    warmed(worlds)
    assert [both(worlds, *batch(i)) for i in range(5)] == [""] * 5


def test_gradients_set_to_zero_in_place() -> None:
    def make(world: World) -> Any:
        model, optimizer, loss_of = world.model, world.optimizer, world.loss

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad(set_to_none=False)
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            return loss

        return step

    worlds = pair(make)
    warmed(worlds)
    assert both(worlds, *batch(5)) == ""


def test_zero_grad_at_the_end_and_several_backward_passes() -> None:
    def make(world: World) -> Any:
        model, optimizer, loss_of = world.model, world.optimizer, world.loss

        def step(x: Any, y: Any) -> Any:
            first = loss_of(model(x), y)
            first.backward()
            second = loss_of(model(x * 2), y) * 0.5
            second.backward()
            optimizer.step()
            model.zero_grad()
            return first, second

        return step

    worlds = pair(make, lr=0.1, momentum=0.5)
    warmed(worlds)
    assert both(worlds, *batch(5)) == ""
    assert worlds[1].model[0].weight.grad is None


def test_a_function_of_ones_own() -> None:
    class Cube(nnlite.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * g * x * x

    def make(world: World) -> Any:
        model, optimizer = world.model, world.optimizer

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = (Cube.apply(model(x)) - y).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        return step

    worlds = pair(make)
    for i in range(6):
        both(worlds, *batch(i))


def test_a_copy_captures_for_itself() -> None:
    from copy import deepcopy

    world = World(usual_step, captured=True)
    for i in range(WARM):
        world.run(*batch(i))
    copied = deepcopy(world.run)
    assert world.run.is_captured
    assert not copied.is_captured
