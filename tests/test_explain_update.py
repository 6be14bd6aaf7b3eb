"""The optimizer's step as it is printed is the step that the optimizer takes."""

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.explain.parse import evaluate, parse

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01}),
    ("Adagrad", {"lr": 0.01}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_the_step_is_foretold(name, options):
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    optimizer = getattr(nnlite.optim, name)(model.parameters(), **options)
    x, y = nnlite.randn(4, 3), nnlite.randn(4, 1)
    for _ in range(8):  # RAdam changes its rule at the sixth step
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(x), y)
        explanation = nnlite.explain(loss, model=model, optimizer=optimizer)
        updates = {leaf.value.name: leaf.update for leaf in explanation.leaves}
        loss.backward()
        optimizer.step()
        for parameter_name, parameter in model.named_parameters():
            update = updates[parameter_name]
            assert update.optimizer == name
            assert update.error < 1e-6
            after = float(parameter.array[update.index])
            assert update.after == pytest.approx(after, abs=1e-6)
    if name not in ("RMSprop", "Adagrad"):
        for line in update.lines:
            shown = float(evaluate(parse(line.numbers), {}))
            assert shown == pytest.approx(line.value, rel=1e-3, abs=1e-6), line
        assert update.lines[-1].value == update.after


def test_what_is_accumulated_counts():
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    optimizer = nnlite.optim.SGD([w], lr=0.5)
    (w * 10).sum().backward()
    (leaf,) = nnlite.explain((w * w).sum(), optimizer=optimizer).leaves
    np.testing.assert_array_equal(leaf.total, [12.0, 14.0])
    assert leaf.update.after == 2 - 0.5 * 14


def test_a_parameter_of_no_optimizer():
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    other = nnlite.ones(1, requires_grad=True)
    optimizer = nnlite.optim.SGD([other], lr=0.5)
    (leaf,) = nnlite.explain((w * w).sum(), optimizer=optimizer).leaves
    assert leaf.update is None


def test_the_step_is_worked_out_when_it_is_asked_for_and_stays_that_of_its_time():
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    optimizer = nnlite.optim.SGD([w], lr=0.5, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        loss = (w * w).sum()
        lesson = nnlite.explain(loss, optimizer=optimizer)
        assert "update" not in vars(lesson.leaves[0])
        loss.backward()
        before = w.detach().numpy().copy()
        optimizer.step()
    optimizer.param_groups[0]["lr"] = 7.0
    optimizer.state[w]["momentum_buffer"].zero_()
    update = lesson.leaves[0].update
    assert update.before == before[update.index]
    assert update.after == pytest.approx(float(w.array[update.index]))
    assert update.error < 1e-6
