"""The gradient checker is checked: it must catch derivatives that are slightly wrong."""

import numpy as np
import pytest

import nnlite
from nnlite.autograd import GradcheckError, Node, gradcheck, gradgradcheck
from nnlite.autograd.node import record


def leaves(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [nnlite.tensor(rng.uniform(0.5, 2.0, s), requires_grad=True) for s in shapes]


def operator(forward, derivative, lifts=(0, 1)):
    """An operator of one or two tensors with the given derivative."""

    class Made(Node):
        __slots__ = ()

        def backward(self, g):
            return derivative(g, *self.saved)

    Made.lifts = lifts

    def function(*inputs):
        arrays = [x.array for x in inputs]
        saved = tuple(arrays)
        return record(forward(*arrays), Made, tuple(x._node for x in inputs), saved)

    return function


square = operator(lambda x: x * x, lambda g, x: (2 * g * x,))
product = operator(lambda x, y: x * y, lambda g, x, y: (g * y, g * x))


def test_right_derivatives_pass():
    assert gradcheck(square, leaves((2, 3)))
    assert gradcheck(product, leaves((2, 3), (2, 3)))
    assert gradgradcheck(square, leaves((2, 3)))
    assert gradgradcheck(product, leaves((2,), (2,)))


WRONG = {
    "off by 0.05 %": (square, lambda g, x: (2 * g * x * 1.0005,)),
    "off by -0.05 %": (square, lambda g, x: (2 * g * x * 0.9995,)),
    "a term is missing": (square, lambda g, x: (g * x,)),
    "the sign": (square, lambda g, x: (-2 * g * x,)),
    "the incoming gradient is left out": (square, lambda g, x: (2 * x,)),
    "nothing": (square, lambda g, x: (None,)),
    "one element": (square, lambda g, x: (2 * g * x + (np.arange(x.size).reshape(x.shape) == 4),)),
    "swapped": (product, lambda g, x, y: (g * x, g * y)),
    "one of two is missing": (product, lambda g, x, y: (g * y, None)),
    "the first is added to both": (product, lambda g, x, y: (g * y, g * y + g * x)),
    "elements mixed": (square, lambda g, x: ((2 * g * x)[:, ::-1],)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_derivatives_are_caught(name):
    right, derivative = WRONG[name]
    shapes = [(2, 3)] * (2 if right is product else 1)
    wrong = operator((lambda *x: x[0] * x[-1]), derivative)
    with pytest.raises(GradcheckError, match=r"by backward and .* by differences"):
        gradcheck(wrong, leaves(*shapes))
    assert gradcheck(wrong, leaves(*shapes), raise_exception=False) is False


def test_missing_sum_of_a_broadcast_is_caught():
    for derivative in (
        lambda g, x, y: (g * y, g * x),  # the shape of y is wrong
        lambda g, x, y: (g * y, (g * x)[0]),  # one row instead of the sum
        lambda g, x, y: (g * y, (g * x).mean(axis=0)),
    ):
        wrong = operator(lambda x, y: x * y, derivative)
        with pytest.raises(GradcheckError):
            gradcheck(wrong, leaves((2, 3), (3,)))
    right = operator(lambda x, y: x * y, lambda g, x, y: (g * y, (g * x).sum(axis=0)))
    assert gradcheck(right, leaves((2, 3), (3,)))


def test_wrong_shape_and_dtype_are_caught():
    flat = operator(lambda x: x * x, lambda g, x: ((2 * g * x).reshape(-1),))
    with pytest.raises(GradcheckError, match=r"\[6\] float64, its input \[2, 3\] float64"):
        gradcheck(flat, leaves((2, 3)))
    single = operator(lambda x: x * x, lambda g, x: ((2 * g * x).astype(np.float32),))
    with pytest.raises(GradcheckError, match="float32, its input"):
        gradcheck(single, leaves((2, 3)))


def test_wrong_second_derivatives_are_caught():
    """The first derivative is right, but computed in a way that is not differentiable."""

    def constant_slope(g, x):
        slope = x if isinstance(x, np.ndarray) else x.detach()
        return (2 * g * slope,)

    cut = operator(lambda x: x * x, constant_slope)
    assert gradcheck(cut, leaves((3,)))
    with pytest.raises(GradcheckError):
        gradgradcheck(cut, leaves((3,)))
    not_lifted = operator(lambda x: x * x, lambda g, x: (2 * g * x,), lifts=(None,))
    with pytest.raises(GradcheckError):
        gradgradcheck(not_lifted, leaves((3,)))


def test_a_graph_that_was_cut_is_caught():
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x.detach() * 2, leaves((2,)))
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x * x.detach(), leaves((2,)))


def test_names_the_place():
    derivative = WRONG["one element"][1]
    wrong = operator(lambda x: x * x, derivative)
    with pytest.raises(GradcheckError, match=r"output 0\[0\] with respect to input 0\[4\]"):
        gradcheck(wrong, leaves((2, 3)))


def test_several_outputs_are_all_checked():
    cut = operator(lambda x: x * x, lambda g, x: (g * x,))
    assert gradcheck(lambda x: (square(x), x * 2), leaves((2,)))
    with pytest.raises(GradcheckError, match=r"output 1"):
        gradcheck(lambda x: (square(x), cut(x)), leaves((2,)))


def test_inputs_without_gradients_are_passed_on():
    x, y = leaves((2,), (2,))
    y.requires_grad_(False)
    assert gradcheck(lambda x, y, n: x * y + n, [x, y, 3])
    assert x.grad is None


def test_inputs_are_left_as_they_were():
    (x,) = leaves((2, 2))
    array, before = x.array, x.array.tobytes()
    gradcheck(square, x)
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x.detach(), x)
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: square(x) if nnlite.is_grad_enabled() else 1 / 0, x)
    assert x.array is array
    assert array.tobytes() == before
    assert x.requires_grad


def test_nothing_to_check_is_an_error():
    """A check that checks nothing would pass whatever the derivative."""
    with pytest.raises(ValueError, match="nothing to check"):
        gradcheck(square, [nnlite.tensor(np.ones(2))])
    with pytest.raises(ValueError, match="float64"):
        gradcheck(square, nnlite.ones(2, requires_grad=True))
    with pytest.raises(ValueError, match="no floating point tensor"):
        gradcheck(lambda x: x.long(), leaves((2,)))


def test_agrees_with_torchs_checker(torch):
    """What nnlite's checker accepts, torch's accepts too, and the other way round."""
    for name, right in [("mul", True), ("floor", True), ("abs", True)]:
        (x,) = leaves((3,))
        t = torch.tensor(x.tolist(), dtype=torch.float64, requires_grad=True)
        ours = gradcheck(lambda x, f=name: getattr(nnlite, f)(x * 1, *[x] * (f == "mul")), x)
        theirs = torch.autograd.gradcheck(
            lambda x, f=name: getattr(torch, f)(x * 1, *[x] * (f == "mul")), t
        )
        assert ours is theirs is right
