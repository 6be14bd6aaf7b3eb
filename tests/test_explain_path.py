"""Paths from one weight to the loss: their shares add up to the gradient of the engine."""

import numpy as np
import pytest

import nnlite
from nnlite import nn


def test_a_network():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    loss = nn.CrossEntropyLoss()(model(nnlite.randn(5, 3)), nnlite.tensor([0, 1, 1, 0, 1]))
    explanation = nnlite.explain(loss, model=model)
    loss.backward()
    weight = model[0].weight
    for index in [(2, 0), (0, 1), (3, 2)]:
        found = explanation.to(weight, index)
        assert found.total == pytest.approx(float(weight.grad.array[index]), abs=1e-7)
        (path,) = found.paths
        assert path.hops[0].value.symbol == "z₁"
        x = explanation.steps[-1].inputs[0].value.array
        expected = np.zeros((5, 4))
        expected[:, index[0]] = x[:, index[1]]
        np.testing.assert_allclose(path.hops[0].tangent, expected)


def test_ways_are_told_apart():
    x = nnlite.tensor([0.3, 0.7], requires_grad=True)
    y = x.exp()
    loss = (y * x + y.sin()).sum()
    found = nnlite.explain(loss, names={"x": x}).to("x", 1)
    ways = {"→".join(hop.value.symbol for hop in path.hops): path.share for path in found.paths}
    e = np.exp(0.7)
    assert len(ways) == 3
    assert sorted(ways.values()) == pytest.approx(sorted([e * 0.7, e, e * np.cos(e)]), rel=1e-5)
    text = str(found)
    assert text.count("contributes") == 3
    assert "∂L/∂x[1] of the engine" in text


def test_too_many_ways_are_followed_together():
    x = nnlite.tensor([0.05, -0.25], requires_grad=True)
    y = x
    for _ in range(12):
        y = y * y + y  # three ways through each
    explanation = nnlite.explain(y.sum(), names={"x": x})
    found = explanation.to(x, 1)
    assert found.merged
    assert found.total == pytest.approx(found.gradient, rel=1e-5)
    assert "too many to list" in str(found)
    assert max(map(len, str(found).splitlines())) <= 100


def test_several_outputs():
    x = nnlite.randn(4, 3, requires_grad=True)
    a, b = x.split(2)
    loss = (a * b).sum()
    explanation = nnlite.explain(loss, names={"x": x})
    loss.backward()
    for index in np.ndindex(4, 3):
        found = explanation.to(x, index)
        assert found.total == pytest.approx(float(x.grad.array[index]), rel=1e-6)


def test_wrong_arguments():
    x = nnlite.ones(2, requires_grad=True)
    explanation = nnlite.explain(x.exp().sum(), names={"x": x})
    with pytest.raises(IndexError, match=r"x has the shape \[2\]; index=7 is no element"):
        explanation.to(x, 7)
    with pytest.raises(KeyError, match="no gradient of this loss goes to that tensor"):
        explanation.to(nnlite.ones(2, requires_grad=True), 0)
    with pytest.raises(KeyError):
        explanation.to("W₉")


def test_of_many_ways_the_largest_are_shown_and_the_rest_adds_up():
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    loss = model(nnlite.randn(16, 3)).square().mean()
    found = nnlite.explain(loss, model=model).to(model[0].weight, index=(2, 0))
    assert len(found.products) == 6
    assert found.rest
    assert sum(found.shares) == pytest.approx(found.gradient, abs=1e-7)
    assert all(np.prod(product.factors) == product.value for product in found.products)
    text = " ".join(str(found).split())
    assert "along the ways with the largest shares" in text
    assert "all other ways together: " in text


def test_a_few_ways_are_all_shown_in_the_order_of_their_elements():
    x = nnlite.tensor([[1.0], [-3.0], [2.0]])
    w = nnlite.tensor([[2.0]], requires_grad=True)
    loss = (nn.functional.linear(x, w) ** 2).sum()
    found = nnlite.explain(loss, names={"w": w}).to(w, index=(0, 0))
    assert [product.factors[0] for product in found.products] == [1.0, -3.0, 2.0]
    assert found.rest == 0
    assert "= [[1], [-3], [2]]" in str(found)
    assert "sum: 4 + 36 + 16 = 56" in str(found)


def test_where_nothing_gets_through_is_said():
    w = nnlite.tensor([-1.0, 2.0], requires_grad=True)
    found = nnlite.explain((w.relu() * 3).sum(), names={"w": w}).to(w, index=0)
    assert found.products == []
    assert "step 3: ∂a₁/∂w[0] = [0, 0]: nothing gets through here" in str(found)
    assert "step 2" not in str(found)
