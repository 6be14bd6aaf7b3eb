"""Random numbers of given distributions: shapes, dtypes, frequencies, refusals."""

import numpy as np
import pytest

import nnlite


def frequencies(indices, count):
    return np.bincount(indices.numpy().ravel(), minlength=count) / indices.numel()


@pytest.mark.parametrize("weights", [[1.0, 3.0, 0.0, 4.0], [0.0, 0.0, 2.0, 0.0]])
def test_multinomial_draws_by_weight(weights):
    p = np.array(weights) / np.sum(weights)
    drawn = nnlite.multinomial(nnlite.tensor(weights), 20_000, replacement=True)
    assert drawn.dtype == nnlite.int64
    np.testing.assert_allclose(frequencies(drawn, 4), p, atol=0.02)


def test_multinomial_without_replacement():
    weights = nnlite.tensor([[1.0, 3.0, 0.0, 4.0]]).expand(20_000, 4)
    drawn = nnlite.multinomial(weights, 3)
    assert drawn.shape == (20_000, 3)
    np.testing.assert_array_equal(np.sort(drawn.numpy(), axis=1)[0], [0, 1, 3])
    np.testing.assert_array_equal(np.sort(drawn.numpy(), axis=1).std(axis=0), 0)
    np.testing.assert_allclose(frequencies(drawn[:, 0], 4), [1 / 8, 3 / 8, 0, 4 / 8], atol=0.02)


def test_multinomial_refuses():
    weights = nnlite.tensor([0.0, 1.0, 2.0])
    for bad, count, message in [
        (weights, 3, "fewer than 3 weights"),
        (weights, 0, "must be positive"),
        (-weights, 1, "not negative"),
        (nnlite.tensor([float("inf"), 1.0]), 1, "finite"),
        (nnlite.arange(3), 1, "needs floats"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            nnlite.multinomial(bad, count)


def test_normal_of_tensors():
    mean = nnlite.tensor([[0.0], [100.0]], dtype=nnlite.float64)
    z = nnlite.normal(mean, nnlite.ones(20_000, dtype=nnlite.float64) * 2)
    assert z.dtype == nnlite.float64
    np.testing.assert_allclose(z.mean(1).numpy(), [0, 100], atol=0.1)
    np.testing.assert_allclose(z.std(1).numpy(), 2, atol=0.1)
    assert nnlite.normal(1.0, nnlite.zeros(3)).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(TypeError, match="size is for numbers"):
        nnlite.normal(mean, 1.0, (2,))


def test_randint_like():
    x = nnlite.randint_like(nnlite.zeros(50), 2, 4)
    assert x.dtype == nnlite.float32
    assert set(x.tolist()) == {2.0, 3.0}


def test_fillers_and_bernoulli():
    assert 0.4 < nnlite.bernoulli(nnlite.full((1000,), 0.5)).mean().item() < 0.6
    u = nnlite.zeros(1000).uniform_(2, 3)
    assert 2 <= u.min().item() < 2.1 < 2.9 < u.max().item() < 3
    z = nnlite.zeros(1000).normal_(5, 0.1)
    assert 4.9 < z.mean().item() < 5.1
