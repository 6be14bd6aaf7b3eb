"""Nothing right is called wrong: zeros, ties, infinities, large and saturated numbers."""

import numpy as np
import pytest

import nnlite
from nnlite.nn import functional as F

F4, F8 = np.float32, np.float64


def marks(function, *arrays, recorded=True):
    """The marks of the rules and forward lines of a sum of what a function computes."""
    tensors = [nnlite.tensor(np.asarray(a), requires_grad=True) for a in arrays]
    with np.errstate(all="ignore"):
        if recorded:
            with nnlite.explain.recording():
                loss = function(*tensors).sum()
        else:
            loss = function(*tensors).sum()
        steps = nnlite.explain(loss).steps
        found = {rule.check.mark for step in steps for rule in step.rules}
        return found | {line.mark for step in steps for line in step.forwards}


@pytest.mark.parametrize("dtype", [F4, F8])
@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(
    ("function", "values"),
    [
        (lambda x: F.binary_cross_entropy(x, nnlite.zeros_like(x)), [0.0, 0.5, 1.0]),
        (lambda x: nnlite.sub(x, x * 0, alpha=2), [0.0, 0.0]),
        (lambda x: nnlite.rsub(x, 1, alpha=2), [0.0, 0.0]),
        (nnlite.sqrt, [0.0, 1.0]),
        (nnlite.log, [0.0, 2.0]),
        (lambda x: 1 / x, [0.0, -3.0]),
        (lambda x: x**0.5, [0.0, 4.0]),
        (lambda x: nnlite.xlogy(x, x), [0.0, 1.0]),
        (lambda x: nnlite.clamp(x, x * 0, x * 0 + 1), [0.0, 1.0, 0.5, 2.0, -1.0]),
        (lambda x: nnlite.clamp(x, x * 1, x * 1), [0.0, 1.0]),
        (nnlite.erf, [10.3, 5.3, -1.5]),
        (nnlite.sin, [1234567.0, -2e5]),
        (nnlite.tan, [123456.0]),
        (lambda x: x.frac(), [123456.7, 0.2]),
        (lambda x: x.log(), [1e-5, 3e-7]),
        (nnlite.cosh, [95.0, 800.0]),
        (lambda x: nnlite.atan2(x, x * 0 - 1), [-0.25, 0.0, 1.0]),
        (lambda x: nnlite.atan2(x, x.abs() * 0), [0.5, -2.0]),
        (lambda x: F.glu(x, 0), [60.0, 3.0, -90.0, 45.0]),
        (lambda x: F.softmax(x, 0), [1000.0, -1000.0, 3.0]),
        (lambda x: F.rms_norm(x, (3,)), [0.0, 0.0, 0.0]),
        (lambda x: nnlite.maximum(x, x * 0 + 1), [np.nan, np.inf, -np.inf, 1.0]),
        (lambda x: nnlite.fmax(x, x * 0), [np.nan, 1.0]),
        (F.relu, [np.nan, np.inf, -1.0]),
        (lambda x: F.softshrink(x), [np.nan, 3.0]),
        (lambda x: x.cumsum(0), [np.inf, 1.0]),
        (lambda x: nnlite.stack([x, x * 2]), [np.inf, 1.0]),
        (lambda x: F.cross_entropy(x[None], nnlite.tensor([0])), [np.inf, 1.0]),
        (lambda x: x * 2, []),
        (lambda x: nnlite.diagonal(x, -1, -1, -2), np.zeros((2, 3, 3))),
    ],
)
def test_an_operation_beside_its_limits(function, values, dtype, recorded):
    if recorded is False and function is nnlite.cosh:
        pytest.skip("its result, infinity, is not kept")
    assert "✗" not in marks(function, np.array(values, dtype), recorded=recorded)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.pad(x, (1, 2), value=2.5),
        lambda x: x.masked_fill(x > 0.5, 3.0),
        lambda x: F.embedding(nnlite.tensor([0, 1, 0]), x, padding_idx=1),
    ],
)
def test_what_an_operator_puts_in_is_not_left_out(function):
    """Without a recording nothing has kept its result: no other one is shown in its place."""
    x = nnlite.tensor([[1.0, 0.25], [2.0, 0.5]], requires_grad=True)
    y = function(x)
    steps = nnlite.explain((y * 2).sum()).steps
    shown = steps[2].output.array
    assert shown is None or np.array_equal(shown, y.detach().numpy())
    assert not {"✗"} & {line.mark for step in steps for line in step.forwards}


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_saturated_gates(kind):
    layer = getattr(nnlite.nn, kind)(2, 3)
    for parameter in layer.parameters():
        parameter.data.mul_(40)
    x = nnlite.randn(3, 2, 2)
    with nnlite.explain.recording():
        loss = layer(x)[0].square().sum()
    assert "✗" not in str(nnlite.explain(loss, model=layer))


def test_a_wrong_derivative_beside_an_infinity_is_not_called_right(monkeypatch):
    from nnlite.ops.trigonometric import TanhBackward0

    right = TanhBackward0.backward
    monkeypatch.setattr(
        TanhBackward0, "backward", lambda self, g: tuple(2 * r for r in right(self, g))
    )
    assert {"✗", "~"} & marks(nnlite.tanh, np.array([np.inf, 0.5]))
    assert "✗" in marks(nnlite.tanh, np.array([2.0, 0.5]))


def test_where_both_bounds_equal_the_value_it_is_a_convention():
    x = nnlite.tensor([1.0], requires_grad=True)
    with nnlite.explain.recording():
        loss = nnlite.clamp(x, nnlite.ones(1), nnlite.ones(1)).sum()
    (rule,) = nnlite.explain(loss).steps[1].rules
    assert rule.check.mark == "≈"
    assert "both bounds equal the value" in rule.check.note


@pytest.mark.parametrize("x", [[0.0], [0.0, 1.0], [1.0, 0.0, -2.0]])
def test_a_kink_whose_two_sides_are_alike_is_one(x):
    """The central difference of |x| at 0 is 0, like the convention; x² is flat there but smooth."""
    x = nnlite.tensor(x, requires_grad=True)
    assert nnlite.explain(x.abs().sum()).steps[-1].rules[0].check.status == "kink"
    assert nnlite.explain((x**2).sum()).steps[-1].rules[0].check.status == "right"
    assert nnlite.explain((x * 1e4).cos().sum()).steps[-1].rules[0].check.status == "right"
