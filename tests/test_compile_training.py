"""Captured steps in the Trainer and in real networks, and the text that they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from captured import WARM, World, batch, both, pair, usual_step

import nnlite
from nnlite import nn
from nnlite.train import Callback, Checkpoint, ClipGradNorm, Trainer, capturing


def data(samples: int = 50) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, 6)).astype(np.float32)
    return x, (x[:, :1] > 0).astype(np.float32)


def trainer(compile: bool | None, **options: Any) -> Trainer:
    nnlite.manual_seed(5)
    model = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
    )
    optimizer = nnlite.optim.AdamW(model.parameters(), lr=0.01)
    options.setdefault("metrics", ["accuracy"])
    return Trainer(model, optimizer, nn.BCEWithLogitsLoss(), compile=compile, **options)


def figures(trained: Trainer) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in trained.history]


def weights(trained: Trainer) -> dict[str, bytes]:
    return {name: value.array.tobytes() for name, value in trained.model.state_dict().items()}


def used(trained: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A list that gets, at the end of ``fit``, whether its steps were captured."""
    found: list[bool] = []

    def told(of: Trainer, gradients: Any) -> None:
        found.append(gradients is not None and gradients.is_captured)

    monkeypatch.setattr("nnlite.train.trainer.tell", told)
    return found


def test_a_training_is_the_same_with_captured_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, captured = trainer(False), trainer(True)
    found = used(captured, monkeypatch)
    for one in (plain, captured):
        nnlite.manual_seed(7)
        one.fit(data(), 0.2, epochs=12, batch_size=8)
    assert found == [False, True]
    assert figures(captured) == figures(plain)
    assert weights(captured) == weights(plain)


def test_it_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    whole = trainer(False)
    nnlite.manual_seed(7)
    whole.fit(data(), 0.2, epochs=14, batch_size=8)
    path = str(tmp_path / "checkpoint")
    first = trainer(True, callbacks=[Checkpoint(path)])
    nnlite.manual_seed(7)
    first.fit(data(), 0.2, epochs=14, batch_size=8, max_steps=43)
    again = trainer(True, callbacks=[Checkpoint(path)])
    again.fit(data(), 0.2, epochs=14, batch_size=8, resume=path)
    assert weights(again) == weights(whole)
    assert figures(again) == figures(whole)


def test_callbacks_see_the_gradients() -> None:
    class Seen(Callback):
        def __init__(self) -> None:
            self.gradients: list[bytes] = []

        def on_backward_end(self, trainer: Trainer) -> None:
            self.gradients += [p.grad.array.tobytes() for p in trainer.model.parameters()]

    runs = []
    for compile in (False, True):
        seen = Seen()
        one = trainer(compile, callbacks=[ClipGradNorm(0.05), seen])
        nnlite.manual_seed(7)
        one.fit(data(), epochs=8, batch_size=10)
        runs.append((weights(one), seen.gradients))
    assert runs[0] == runs[1]


def test_freezing_in_the_middle() -> None:
    class Freeze(Callback):
        def on_epoch_start(self, trainer: Trainer) -> None:
            if trainer.epoch == 5:
                trainer.model.freeze("0")
            if trainer.epoch == 9:
                trainer.model.unfreeze()

    runs = []
    for compile in (False, True):
        one = trainer(compile, callbacks=[Freeze()])
        nnlite.manual_seed(7)
        one.fit(data(), epochs=12, batch_size=10)
        runs.append((weights(one), figures(one)))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("what", ["optimizer", "model", "accumulate"])
def test_another_part_from_some_epoch_on(what: str) -> None:
    class Change(Callback):
        def on_epoch_start(self, trainer: Trainer) -> None:
            model = trainer.model
            if what == "optimizer" and trainer.epoch in (1, 5):
                trained = model[-1] if trainer.epoch == 1 else model
                trainer.optimizer = nnlite.optim.SGD(trained.parameters(), lr=0.1)
            if what == "model" and trainer.epoch == 5:
                trainer.model = nn.Sequential(model, nn.Linear(1, 1))
            if what == "accumulate":
                trainer.accumulate = 2 if trainer.epoch in (4, 5) else 1

    runs = []
    for compile in (False, True):
        one = trainer(compile, callbacks=[Change()], doctor=False)
        nnlite.manual_seed(7)
        one.fit(data(), epochs=9, batch_size=10)
        runs.append((weights(one), figures(one)))
    assert runs[0] == runs[1]


def test_by_itself_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    short = trainer(None)
    found = used(short, monkeypatch)
    short.fit(data(), epochs=2, batch_size=8)
    monkeypatch.setattr(capturing, "_LEAST_STEPS", 10)
    trainer(None).fit(data(), epochs=2, batch_size=8)
    monkeypatch.setattr(capturing, "_MOST_PARAMETERS", 10)
    trainer(None).fit(data(), epochs=2, batch_size=8)
    assert found == [False, True, False]


def test_it_warns_where_it_was_asked_for_and_is_not_possible() -> None:
    accumulating = trainer(True, accumulate=2)
    with pytest.warns(RuntimeWarning, match=r"were not captured: it needs accumulate=1"):
        accumulating.fit(data(), epochs=1, batch_size=8)

    def odd_loss(output: Any, target: Any) -> Any:
        loss = nn.functional.binary_cross_entropy_with_logits(output, target)
        return loss if loss.item() > -1 else -loss

    nnlite.manual_seed(5)
    model = nn.Linear(6, 1)
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
    odd = Trainer(model, optimizer, odd_loss, compile=True)
    with pytest.warns(RuntimeWarning, match=r"odd_loss asks for the value"):
        odd.fit(data(), epochs=2, batch_size=10)


def test_a_diverging_training_fails_as_ever() -> None:
    found = []
    for compile in (False, True):
        nnlite.manual_seed(5)
        model = nn.Linear(6, 1)
        optimizer = nnlite.optim.SGD(model.parameters(), lr=1e30)
        one = Trainer(model, optimizer, nn.MSELoss(), compile=compile, doctor=False)
        with np.errstate(all="ignore"), pytest.raises(nnlite.train.NonFiniteLossError) as caught:
            one.fit(data(), epochs=5, batch_size=10)
        found.append((str(caught.value), weights(one)))
    assert found[0] == found[1]


# ---- networks ------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.lstm = nn.LSTM(4, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, tokens: Any) -> Any:
        states, _ = self.lstm(self.embedding(tokens))
        return self.head(states[:, -1])


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens: Any) -> Any:
        return self.head(self.block(self.embedding(tokens)).mean(1))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(4 * 3 * 3, 3),
    )  # fmt: skip


def tokens(number: int) -> Any:
    return nnlite.tensor(np.random.default_rng(number).integers(0, 11, (6, 7)))


def images(number: int) -> Any:
    rng = np.random.default_rng(number)
    return nnlite.tensor(rng.standard_normal((6, 1, 6, 6)).astype(np.float32))


@pytest.mark.parametrize(
    ("make", "inputs"), [(Recurrent, tokens), (Attending, tokens), (convolutional, images)]
)
def test_networks(make: Any, inputs: Any) -> None:
    nnlite.manual_seed(1)
    results = []
    for is_captured in (False, True):
        nnlite.manual_seed(1)
        model = make()
        optimizer = nnlite.optim.Adam(model.parameters(), lr=0.01)

        def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = nnlite.compile(step) if is_captured else step
        losses = [
            run(inputs(i), nnlite.tensor(np.arange(6) % 3)).array.tobytes() for i in range(12)
        ]
        results.append((losses, [p.array.tobytes() for p in model.parameters()]))
    assert run.reason == ""
    assert results[0] == results[1]


# ---- what it shows -------------------------------------------------------------------------------


def test_the_source_computes_what_the_step_computes() -> None:
    world = World(usual_step, captured=True)
    assert world.run.source.startswith("# not captured: it has not been called yet")
    for i in range(WARM):
        world.run(*batch(i))
    source = world.run.source
    assert "h1 = x @ model_0_weight.T" in source
    assert "# ReluBackward0: y = max(x, 0): ∂x = g [y > 0]" in source
    lines = [line for line in source.splitlines() if "optimizer.step()" not in line]
    assert len(lines) == len(source.splitlines()) - 1
    space: dict[str, Any] = {"np": np}
    for name, value in world.model.named_parameters():
        space[f"model_{name.replace('.', '_')}"] = value.array.copy()
    text = "\n".join(lines).replace("return h", "return locals(), h")
    exec(text, space)
    x, y = batch(9)
    found, loss = space["step"](x.array, y.array)
    assert world.run(x, y).array == loss
    for name, value in world.model.named_parameters():
        grad = found[f"grad_model_{name.replace('.', '_')}"]
        assert grad.tobytes() == value.grad.array.tobytes()


def test_gradients_that_are_cleared_outside_now_and_then_add_up() -> None:
    def forward_and_backward(world: World) -> Any:
        def step(x: Any, y: Any) -> Any:
            loss = world.loss(world.model(x), y)
            loss.backward()
            return loss

        return step

    worlds = pair(forward_and_backward)
    for number in range(16):
        if number < 6 or number % 4 == 0:
            for world in worlds:
                world.optimizer.zero_grad()
        both(worlds, *batch(number))
