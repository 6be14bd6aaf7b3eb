"""NumPy's functions on tensors (NEP 13 and 18): NumPy's results, and their derivatives."""

import numpy as np
import pytest

import nnlite
from nnlite.autograd import gradcheck
from nnlite.ops import _NUMPY

X = np.array([[1.5, 0.5, 2.5], [0.25, 3.0, 1.1]])
Y = np.array([[0.7, 1.3, 2.1], [2.2, 0.9, 0.15]])
SMALL = X / 4  # within (0, 1)
WHOLE = np.array([[3, 1, 4], [1, 5, 9]])

ONE = """absolute ceil cos exp exp2 expm1 floor isfinite isinf isnan log log10 log1p log2
    logical_not negative reciprocal sign sin sinh sqrt square tan tanh trunc cosh arcsinh arctan"""
WITHIN = "arccos arcsin arctanh"
TWO = """add arctan2 divide equal floor_divide fmax fmin fmod greater greater_equal hypot less
    less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply not_equal power
    remainder subtract"""
INTEGERS = "bitwise_and bitwise_or bitwise_xor"

CALLS = {
    **{getattr(np, name): [(lambda f, x: f(x), X)] for name in ONE.split()},
    **{getattr(np, name): [(lambda f, x: f(x), SMALL)] for name in WITHIN.split()},
    **{getattr(np, name): [(lambda f, x, y: f(x, y), X, Y)] for name in TWO.split()},
    **{getattr(np, name): [(lambda f, x, y: f(x, y), WHOLE, WHOLE)] for name in INTEGERS.split()},
    np.invert: [(lambda f, x: f(x), WHOLE)],
    np.arccosh: [(lambda f, x: f(x + 1), X)],
    np.matmul: [(lambda f, x, y: f(x, y), X, Y.T)],
    **{
        function: [(lambda f, x: f(x), X), (lambda f, x: f(x, axis=1), X)]
        for function in (
            np.all, np.any, np.amax, np.amin, np.max, np.min, np.sum, np.mean, np.prod, np.std,
            np.var, np.argmax, np.argmin, np.count_nonzero, np.flip,
        )
    },
    np.sort: [(lambda f, x: f(x), X), (lambda f, x: f(x, 0), X)],
    np.argsort: [(lambda f, x: f(x), X)],
    np.cumsum: [(lambda f, x: f(x, axis=1), X)],
    np.cumprod: [(lambda f, x: f(x, axis=0), X)],
    np.linalg.norm: [(lambda f, x: f(x), X), (lambda f, x: f(x, axis=1), X)],
    np.broadcast_to: [(lambda f, x: f(x, (2, 2, 3)), X), (lambda f, x: f(x, shape=(2, 2, 3)), X)],
    np.clip: [(lambda f, x: f(x, 0.6, 2), X)],
    np.concatenate: [(lambda f, x, y: f([x, y], axis=1), X, Y)],
    np.stack: [(lambda f, x, y: f([x, y], axis=1), X, Y)],
    np.hstack: [(lambda f, x, y: f([x, y]), X, Y)],
    np.vstack: [(lambda f, x, y: f([x, y]), X, Y)],
    np.copy: [(lambda f, x: f(x), X)],
    np.diag: [(lambda f, x: f(x), X), (lambda f, x: f(x[0]), X)],
    np.diagonal: [(lambda f, x: f(x, 1), X)],
    np.dot: [(lambda f, x, y: f(x, y), X, Y.T), (lambda f, x, y: f(x[0], y[0]), X, Y)],
    np.inner: [(lambda f, x, y: f(x, y), X, Y)],
    np.outer: [(lambda f, x, y: f(x, y), X, Y)],
    np.kron: [(lambda f, x, y: f(x, y), X, Y)],
    np.tensordot: [(lambda f, x, y: f(x, y), X, Y), (lambda f, x, y: f(x, y, ([1], [1])), X, Y)],
    np.einsum: [(lambda f, x, y: f("ij,ij->i", x, y), X, Y)],
    np.expand_dims: [(lambda f, x: f(x, 1), X)],
    np.squeeze: [(lambda f, x: f(x[:1]), X), (lambda f, x: f(x[:1], axis=0), X)],
    np.reshape: [(lambda f, x: f(x, (3, 2)), X)],
    np.ravel: [(lambda f, x: f(x), X)],
    np.transpose: [(lambda f, x: f(x), X), (lambda f, x: f(x, (1, 0)), X)],
    np.swapaxes: [(lambda f, x: f(x, 0, 1), X)],
    np.moveaxis: [(lambda f, x: f(x, 0, 1), X)],
    np.roll: [(lambda f, x: f(x, 1, axis=1), X)],
    np.tile: [(lambda f, x: f(x, (2, 1)), X)],
    np.tril: [(lambda f, x: f(x), X)],
    np.triu: [(lambda f, x: f(x, 1), X)],
    np.trace: [(lambda f, x: f(x), X)],
    np.take_along_axis: [(lambda f, x, i: f(x, i - 1, 1), X, np.array([[1, 3], [2, 2]]))],
    np.nan_to_num: [(lambda f, x: f(x), X)],
    np.round: [(lambda f, x: f(x), X)],
    np.where: [(lambda f, x, y: f(x > 1, x, y), X, Y)],
    np.nonzero: [(lambda f, x: f(x > 1), X)],
    np.isclose: [(lambda f, x, y: f(x, y), X, Y)],
    np.allclose: [(lambda f, x, y: f(x, y), X, Y)],
    np.array_equal: [(lambda f, x, y: f(x, y), X, X)],
    np.full_like: [(lambda f, x: f(x, 7), X)],
    np.ones_like: [(lambda f, x: f(x), X)],
    np.zeros_like: [(lambda f, x: f(x), X)],
    np.empty_like: [(lambda f, x: f(x) * 0, X * 0)],
    np.shape: [(lambda f, x: f(x), X)],
    np.size: [(lambda f, x: f(x), X), (lambda f, x: f(x, 1), X)],
    np.ndim: [(lambda f, x: f(x), X)],
}  # fmt: skip
ROUNDED = (np.floor, np.ceil, np.round, np.trunc, np.sign, np.floor_divide)


def plain(result):
    if isinstance(result, (tuple, list)):
        return [plain(part) for part in result]
    return result.detach().numpy() if isinstance(result, nnlite.Tensor) else result


def test_every_function_is_here():
    assert set(CALLS) == set(_NUMPY)


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_results_are_numpys(function):
    for call, *arrays in CALLS[function]:
        ours = plain(call(function, *(nnlite.tensor(a) for a in arrays)))
        np.testing.assert_allclose(ours, call(function, *arrays), rtol=1e-12)


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_derivatives(function):
    for call, *arrays in CALLS[function]:
        inputs = [nnlite.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        result = call(function, *inputs)
        if isinstance(result, nnlite.Tensor) and result.requires_grad:
            assert isinstance(result.grad_fn, nnlite.autograd.Node)
            assert function in ROUNDED or gradcheck(lambda *x: call(function, *x), inputs)  # noqa: B023


def test_what_is_not_there_says_so():
    x = nnlite.ones(2)
    for call in (lambda: np.linalg.inv(x), lambda: np.add.reduce(x), lambda: np.cbrt(x)):
        with pytest.raises(NotImplementedError, match="not available on tensors"):
            call()
