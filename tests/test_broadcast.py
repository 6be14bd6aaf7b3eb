"""Broadcasting: a value that was repeated gets the sum of the gradients of its repetitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from operators import CASES, NNLITE, ROWS, arrays_of

import nnlite
from nnlite.ops.operands import unbroadcast

repeatable = settings(derandomize=True, deadline=None, database=None, max_examples=150)
BINARY = {row.name: row for row in ROWS if row.broadcasts and row.samples[0].differentiable}
two_shapes = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0)


def tiled(array, shape):
    """``array`` written out to ``shape``: repeated by copying, one dimension after another."""
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    for axis, length in enumerate(shape):
        if array.shape[axis] != length:
            array = np.repeat(array, length, axis)
    return array


def summed(g, shape):
    """The sum over the repetitions of ``tiled``, element by element."""
    total = np.zeros(shape, g.dtype)
    lead = g.ndim - len(shape)
    for place in np.ndindex(g.shape):
        total[tuple(0 if n == 1 else i for i, n in zip(place[lead:], shape))] += g[place]
    return total


def values(shape, seed):
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


@repeatable
@given(two_shapes)
def test_unbroadcast_is_the_sum_over_explicit_tiling(shapes):
    for shape in shapes.input_shapes:
        g = values(shapes.result_shape, 0)
        result = unbroadcast(g, shape)
        assert result.shape == shape
        np.testing.assert_allclose(result, summed(g, shape), rtol=1e-12)


@repeatable
@given(two_shapes)
def test_unbroadcast_is_the_transpose_of_broadcasting(shapes):
    """For every x and g: g · broadcast(x) = unbroadcast(g) · x."""
    for shape in shapes.input_shapes:
        x, g = values(shape, 1), values(shapes.result_shape, 2)
        left = (g * np.broadcast_to(x, g.shape)).sum()
        np.testing.assert_allclose(left, (unbroadcast(g, shape) * x).sum(), rtol=1e-12)


def test_unbroadcast_leaves_alone_what_was_not_repeated():
    g = values((2, 3), 0)
    assert unbroadcast(g, (2, 3)) is g


@pytest.mark.parametrize("name", BINARY)
@settings(repeatable, max_examples=25)
@given(shapes=two_shapes)
def test_gradients_are_those_of_tiled_operands(name, shapes):
    """The operator on broadcast operands, and on operands repeated by hand."""
    row = BINARY[name]
    a, b = (values(shape, i) for i, shape in enumerate(shapes.input_shapes))
    v = nnlite.tensor(values(shapes.result_shape, 5))

    def run(*arrays):
        x, y = (nnlite.tensor(array, requires_grad=True) for array in arrays)
        z = row.call(NNLITE, x, y)
        z.backward(v)
        return z.detach().numpy(), x.grad.numpy(), y.grad.numpy()

    z, grad_a, grad_b = run(a, b)
    whole, grad_a_tiled, grad_b_tiled = run(*(tiled(x, shapes.result_shape) for x in (a, b)))
    np.testing.assert_array_equal(z, whole)
    np.testing.assert_allclose(grad_a, summed(grad_a_tiled, a.shape), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(grad_b, summed(grad_b_tiled, b.shape), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", BINARY)
def test_gradients_of_broadcast_operands_can_be_written_to(name):
    x = nnlite.tensor(values((1, 3), 0), requires_grad=True)
    y = nnlite.tensor(values((4, 1), 1), requires_grad=True)
    BINARY[name].call(NNLITE, x, y).sum().backward()
    for tensor in (x, y):
        tensor.grad.add_(1)
    assert not np.shares_memory(x.grad.array, y.grad.array)


def test_gradient_of_a_sum_can_be_written_to():
    """The gradient of a sum is one number shown at many places; a leaf gets memory of its own."""
    x = nnlite.ones(3, requires_grad=True)
    x.sum().backward()
    x.grad[0] = 7.0
    assert x.grad.tolist() == [7.0, 1.0, 1.0]


@pytest.mark.parametrize("row", [r for r in ROWS if r.broadcasts], ids=lambda row: row.name)
def test_shapes_that_do_not_fit(row):
    with pytest.raises((RuntimeError, ValueError), match=r"shape|broadcast"):
        row.call(NNLITE, nnlite.ones(2, 3), nnlite.ones(2))


def test_rows_that_broadcast_do():
    """The flag of the table is true: such rows take shapes that differ."""
    for case in CASES:
        if case.row.broadcasts and len({np.shape(a) for a in arrays_of(case)}) > 1:
            break
    else:
        pytest.fail("no row broadcasts")
    assert len(BINARY) >= 8
