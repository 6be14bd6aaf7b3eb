"""Initial values: distributions, gains, wrong uses."""

import math

import numpy as np
import pytest

import nnlite
from nnlite import nn


def moments(tensor):
    values = tensor.detach().numpy().astype(float)
    return values.mean(), values.std(), np.abs(values).max()


def test_uniform_distributions():
    w = nn.Parameter(nnlite.empty(200, 300))
    for fill, bound in (
        (lambda: nn.init.uniform_(w, -2, 2), 2),
        (lambda: nn.init.xavier_uniform_(w, gain=2), 2 * math.sqrt(6 / 500)),
        (lambda: nn.init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(6 / 300)),
        (lambda: nn.init.kaiming_uniform_(w, mode="fan_out", a=1), math.sqrt(3 / 200)),
    ):
        assert fill() is w
        mean, std, largest = moments(w)
        assert abs(mean) < 0.02 * bound
        assert std == pytest.approx(bound / math.sqrt(3), rel=0.02)
        assert 0.99 * bound < largest <= bound * (1 + 1e-6)
        assert w.requires_grad
        assert w.is_leaf


def test_normal_distributions():
    w = nnlite.empty(200, 300)
    for fill, expected in (
        (lambda: nn.init.normal_(w, 1.0, 3.0), (1.0, 3.0)),
        (lambda: nn.init.xavier_normal_(w), (0, math.sqrt(2 / 500))),
        (lambda: nn.init.kaiming_normal_(w, nonlinearity="tanh"), (0, 5 / 3 / math.sqrt(300))),
    ):
        assert fill() is w
        mean, std, _ = moments(w)
        assert mean == pytest.approx(expected[0], abs=0.02 * expected[1])
        assert std == pytest.approx(expected[1], rel=0.02)
    nn.init.trunc_normal_(w, std=1.0, a=-1.0, b=0.5)
    values = w.numpy()
    assert values.min() >= -1
    assert values.max() <= 0.5
    # The mean of a normal distribution between a and b: (φ(a) - φ(b)) / (Φ(b) - Φ(a)).
    assert values.mean() == pytest.approx(-0.2064, abs=0.01)
    with pytest.raises(ValueError, match="choose wider limits"):
        nn.init.trunc_normal_(w, a=8, b=9)


def test_constants():
    w = nn.Parameter(nnlite.empty(2, 3))
    assert nn.init.ones_(w).tolist() == [[1.0] * 3] * 2
    assert nn.init.zeros_(w).tolist() == [[0.0] * 3] * 2
    assert nn.init.constant_(w, 0.5).tolist() == [[0.5] * 3] * 2
    assert nn.init.eye_(w).tolist() == [[1.0, 0, 0], [0, 1, 0]]


def test_a_generator_of_ones_own():
    before = nnlite.get_rng_state()
    draws = [
        nn.init.uniform_(nnlite.empty(3), generator=nnlite.Generator().manual_seed(4)).tolist()
        for _ in range(2)
    ]
    assert draws[0] == draws[1]
    assert nnlite.get_rng_state() == before


def test_gains_are_torchs(torch):
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain(
        "leaky_relu", 0.3
    )


@pytest.mark.parametrize(
    ("shape", "groups"),
    [((4, 2, 3), 1), ((2, 4, 2), 1), ((6, 2, 3, 4), 3), ((4, 3, 3, 1, 2), 2)],
)
def test_dirac_is_torchs(torch, shape, groups):
    expected = torch.nn.init.dirac_(torch.empty(shape), groups)
    np.testing.assert_array_equal(nn.init.dirac_(nnlite.empty(shape), groups).numpy(), expected)


def test_dirac_keeps_what_is_convolved():
    weight = nn.init.dirac_(nn.Parameter(nnlite.empty(3, 3, 3)))
    x = nnlite.randn(2, 3, 7)
    assert nnlite.equal(nn.functional.conv1d(x, weight, padding=1), x)
    assert weight.requires_grad


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 2, 2, 2), (6, 1, 2)])
def test_orthogonal(shape):
    w = nn.init.orthogonal_(nnlite.empty(shape, dtype=nnlite.float64), gain=2.0)
    matrix = w.numpy().reshape(shape[0], -1)
    matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(matrix @ matrix.T, 4 * np.eye(len(matrix)), atol=1e-12)


def test_orthogonal_is_uniform():
    """Each element of a random orthogonal matrix is as often negative as positive."""
    draws = [nn.init.orthogonal_(nnlite.empty(2, 2)).numpy() for _ in range(400)]
    assert (np.abs(np.mean(np.sign(draws), axis=0)) < 0.2).all()
    assert nn.init.orthogonal_(nnlite.empty(0, 3)).shape == (0, 3)


def test_sparse():
    w = nn.init.sparse_(nn.Parameter(nnlite.empty(1000, 20)), sparsity=0.1005, std=0.5)
    assert (w == 0).sum(dim=0).tolist() == [101] * 20
    values = w.detach().numpy()
    assert values[values != 0].std() == pytest.approx(0.5, rel=0.03)
    assert len({tuple(np.flatnonzero(column == 0)) for column in values.T}) == 20


@pytest.mark.parametrize(
    "fill",
    [
        nn.init.normal_, nn.init.trunc_normal_, nn.init.xavier_uniform_, nn.init.xavier_normal_,
        nn.init.kaiming_uniform_, nn.init.kaiming_normal_, nn.init.orthogonal_,
        lambda w, generator: nn.init.sparse_(w, 0.3, generator=generator),
    ],
)  # fmt: skip
def test_every_draw_takes_a_generator(fill):
    before = nnlite.get_rng_state()
    first, second = (
        fill(nnlite.empty(5, 4), generator=nnlite.Generator().manual_seed(4)).tolist()
        for _ in range(2)
    )
    assert first == second
    assert nnlite.get_rng_state() == before


def test_wrong_uses_of_init():
    for call, message in (
        (lambda: nn.init.kaiming_uniform_(nnlite.empty(3)), r"kaiming_uniform_: .*shape \[3\]"),
        (lambda: nn.init.xavier_normal_(nnlite.empty(3)), "xavier_normal_"),
        (lambda: nn.init.kaiming_normal_(nnlite.empty(3, 3), mode="in"), "'fan_in' or 'fan_out'"),
        (lambda: nn.init.calculate_gain("gelu"), "unknown nonlinearity 'gelu'; known are linear"),
        (lambda: nn.init.calculate_gain("leaky_relu", "x"), "slope"),
        (lambda: nn.init.eye_(nnlite.empty(3)), "two dimensions"),
        (lambda: nn.init.dirac_(nnlite.empty(3, 3)), r"3, 4 or 5 dimensions, got shape \[3, 3\]"),
        (lambda: nn.init.dirac_(nnlite.empty(3, 3, 3), 2), "3, must be divisible by groups, got 2"),
        (lambda: nn.init.orthogonal_(nnlite.empty(3)), r"two dimensions or more, got shape \[3\]"),
        (lambda: nn.init.sparse_(nnlite.empty(3), 0.1), "two dimensions"),
        (lambda: nn.init.sparse_(nnlite.empty(3, 3), 1.5), r"in \[0, 1\], got 1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_limits_in_the_wrong_order_and_negative_deviations():
    w = nnlite.zeros(3)
    with pytest.raises(ValueError, match="uniform_: a must be at most b, got 2 and 1"):
        nn.init.uniform_(w, 2, 1)
    with pytest.raises(ValueError, match="normal_: std must be at least 0, got -1"):
        nn.init.normal_(w, std=-1)
    assert w.tolist() == [0.0] * 3
