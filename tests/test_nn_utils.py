"""Gradients and parameters as one vector: clipping, and there and back."""

import math

import numpy as np
import pytest

import nnlite
from nnlite import nn


def same(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("p", [2.0, 1.0, 3, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_the_norm_is_torchs(torch, p, max_norm):
    gradients = [np.random.default_rng(0).standard_normal(shape) for shape in ((3, 2), (4,), ())]
    norms, clipped = [], []
    for lib in (nnlite, torch):
        params = [lib.tensor(np.zeros_like(g), requires_grad=True) for g in gradients]
        for param, g in zip(params, gradients):
            param.grad = lib.tensor(g)
        norms.append(lib.nn.utils.clip_grad_norm_(params, max_norm, p))
        clipped.append([param.grad for param in params])
    same(*norms)
    for a, b in zip(*clipped):
        same(a, b)


def test_clipping():
    w = nnlite.zeros(2, requires_grad=True)
    assert nn.utils.clip_grad_norm_([w], 1.0).item() == 0
    w.grad = nnlite.tensor([3.0, -4.0])
    # Given twice it is clipped once.
    assert nn.utils.clip_grad_norm_([w, w], 1.0).item() == 5
    np.testing.assert_allclose(w.grad.numpy(), [0.6, -0.8], rtol=1e-6)
    nn.utils.clip_grad_value_(w, 0.5)
    assert w.grad.tolist() == [0.5, -0.5]
    w.grad = nnlite.tensor([math.inf, 0.0])
    with pytest.raises(RuntimeError, match="inf"):
        nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
    with pytest.raises(ValueError, match="norm_type"):
        nn.utils.clip_grad_norm_([w], 1.0, norm_type=0)


@pytest.mark.parametrize(("p", "norm"), [(2.0, 600.0), (1.0, 1200.0), (3.0, 300 * 4 ** (1 / 3))])
def test_the_norm_of_half_precision_gradients_does_not_overflow(p, norm):
    w = nnlite.zeros(4, dtype=nnlite.float16, requires_grad=True)
    w.grad = nnlite.full((4,), 300.0, dtype=nnlite.float16)
    found = nn.utils.clip_grad_norm_([w], 2000.0, p)
    assert found.dtype == nnlite.float16
    assert found.item() == pytest.approx(norm, rel=1e-3)
    assert w.grad.tolist() == [300.0] * 4
    nn.utils.clip_grad_norm_([w], norm / 300, p)
    assert w.grad.tolist() == [1.0] * 4


def test_a_norm_beyond_half_precision_still_clips():
    w = nnlite.zeros(4, dtype=nnlite.float16, requires_grad=True)
    w.grad = nnlite.full((4,), 60000.0, dtype=nnlite.float16)
    assert nn.utils.clip_grad_norm_([w], 2.0).item() == math.inf
    np.testing.assert_allclose(w.grad.numpy(), [1.0] * 4, rtol=0.01)


def test_parameters_as_a_vector_and_back():
    layer = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.tolist() == [*layer.weight.reshape(-1).tolist(), *layer.bias.tolist()]
    nn.utils.vector_to_parameters(nnlite.arange(8.0), layer.parameters())
    assert layer.weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert layer.bias.tolist() == [6.0, 7.0]
    with pytest.raises(ValueError, match="8 elements"):
        nn.utils.vector_to_parameters(nnlite.arange(7.0), layer.parameters())
