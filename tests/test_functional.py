"""autograd.functional: against torch, against each other, and against what is known by hand."""

import numpy as np
import pytest

import nnlite
from nnlite.autograd import functional

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
Y = np.array([2.0, -0.5, 1.0])
U = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
W = np.array([-1.0, 4.0, 0.5])

# name: (the function, its inputs)
FUNCTIONS = {
    "vector of vector": (lambda x: x.exp().sum(1), (X,)),
    "number": (lambda x: (x**3).sum(), (X,)),
    "two inputs": (lambda x, y: (x * y).tanh(), (X, Y)),
    "two outputs": (lambda x: (x.exp(), (x * x).sum()), (X,)),
    "two of both": (lambda x, y: (x * y, (x * x).sum(1)), (X, Y)),
    "one in a tuple": (lambda x: (x * x,), (X,)),
    "an input without effect": (lambda x, y: x * 2, (X, Y)),
    "linear": (lambda x: x @ x.T.detach(), (X,)),
}
NUMBERS = {
    "cubes": (lambda x: (x**3).sum(), (X,)),
    "product": (lambda x, y: (x * x * y).sum(), (X, Y)),
    "one without effect": (lambda x, y: (x * x).sum(), (X, Y)),
    "linear": (lambda x: (x * 2).sum(), (X,)),
    "one element": (lambda x: x.exp().sum(0, keepdim=True), (Y[:1],)),
}


def arrays(result):
    """Nested tuples of tensors as nested tuples of arrays."""
    if isinstance(result, tuple):
        return tuple(arrays(r) for r in result)
    return result.detach().numpy()


def assert_same(a, b):
    assert type(a) is type(b) or not isinstance(a, tuple)
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b):
            assert_same(one, other)
        return
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def unpacked(values, make):
    tensors = tuple(make(v) for v in values)
    return tensors if len(tensors) > 1 else tensors[0]


def vectors_like(result, make):
    """A vector for each output: different numbers everywhere."""
    if isinstance(result, tuple):
        return tuple(vectors_like(r, make) for r in result)
    return make(np.cos(np.arange(result.detach().numpy().size)).reshape(result.shape))


def outcome(call):
    try:
        return arrays(call())
    except RuntimeError as error:
        return type(error)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_derivatives_as_torch(name, create_graph, strict, torch):
    func, values = FUNCTIONS[name]
    options = {"create_graph": create_graph, "strict": strict}
    results = []
    for library, make in ((nnlite, nnlite.tensor), (torch, torch.tensor)):
        f = library.autograd.functional
        xs = unpacked(values, make)
        with_grad = unpacked(values, lambda v, make=make: make(v).requires_grad_())
        vs = vectors_like(func(*(xs if isinstance(xs, tuple) else (xs,))), make)
        us = vectors_like(xs, make)
        inputs = with_grad if create_graph else xs
        results.append(
            [
                outcome(lambda f=f, i=inputs: f.jacobian(func, i, **options)),
                outcome(lambda f=f, i=inputs, v=vs: f.vjp(func, i, v, **options)),
                outcome(lambda f=f, i=inputs, v=us: f.jvp(func, i, v, **options)),
            ]
        )
    for ours, theirs in zip(*results):
        assert isinstance(ours, type) == isinstance(theirs, type)
        if not isinstance(ours, type):
            assert_same(ours, theirs)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", NUMBERS)
def test_second_derivatives_as_torch(name, create_graph, strict, torch):
    func, values = NUMBERS[name]
    options = {"create_graph": create_graph, "strict": strict}
    results = []
    for library, make in ((nnlite, nnlite.tensor), (torch, torch.tensor)):
        f = library.autograd.functional
        inputs = unpacked(values, lambda v, make=make: make(v).requires_grad_(create_graph))
        vs = vectors_like(inputs, make)
        results.append(
            [
                outcome(lambda f=f, i=inputs: f.hessian(func, i, **options)),
                outcome(lambda f=f, i=inputs, v=vs: f.vhp(func, i, v, **options)),
                outcome(lambda f=f, i=inputs, v=vs: f.hvp(func, i, v, **options)),
            ]
        )
    for ours, theirs in zip(*results):
        assert isinstance(ours, type) == isinstance(theirs, type)
        if not isinstance(ours, type):
            assert_same(ours, theirs)


def test_results_are_differentiable_as_torchs(torch):
    found = []
    for library, make in ((nnlite, nnlite.tensor), (torch, torch.tensor)):
        f = library.autograd.functional
        x, y = make(X).requires_grad_(), make(Y).requires_grad_()
        number, several = NUMBERS["product"][0], FUNCTIONS["two of both"][0]
        results = [
            f.jacobian(several, (x, y), create_graph=True)[0][0],
            f.hessian(number, (x, y), create_graph=True)[0][1],
            f.vjp(several, (x, y), (make(U), make(Y[:2])), create_graph=True)[1][0],
            f.jvp(several, (x, y), (make(U), make(W)), create_graph=True)[1][0],
            f.vhp(number, (x, y), (make(U), make(W)), create_graph=True)[1][0],
            f.hvp(number, (x, y), (make(U), make(W)), create_graph=True)[1][0],
        ]
        found.append(
            [
                arrays(
                    library.autograd.grad(
                        (r**2).sum(), (x, y), retain_graph=True, materialize_grads=True
                    )
                )
                for r in results
            ]
        )
    for ours, theirs in zip(*found):
        assert_same(ours, theirs)


# ---- laws ---------------------------------------------------------------------------------------


def test_products_are_products_with_the_jacobian():
    x, y = nnlite.tensor(X), nnlite.tensor(Y)
    func = FUNCTIONS["two inputs"][0]
    to_x, to_y = functional.jacobian(func, (x, y))
    v = nnlite.tensor(U)
    _, (vx, vy) = functional.vjp(func, (x, y), v)
    np.testing.assert_allclose(vx.numpy(), np.tensordot(U, to_x.numpy(), 2), rtol=1e-12)
    np.testing.assert_allclose(vy.numpy(), np.tensordot(U, to_y.numpy(), 2), rtol=1e-12)
    _, forward = functional.jvp(func, (x, y), (v, nnlite.tensor(W)))
    expected = np.tensordot(to_x.numpy(), U, 2) + to_y.numpy() @ W
    np.testing.assert_allclose(forward.numpy(), expected, rtol=1e-12)


def test_products_are_products_with_the_hessian():
    func = NUMBERS["cubes"][0]
    x, v = nnlite.tensor(X), nnlite.tensor(U)
    h = functional.hessian(func, x).numpy().reshape(6, 6)
    np.testing.assert_allclose(h, np.diag(6 * X.reshape(-1)), rtol=1e-12)
    for product in (functional.vhp, functional.hvp):
        value, found = product(func, x, v)
        assert value.item() == pytest.approx((X**3).sum())
        np.testing.assert_allclose(found.numpy().reshape(-1), h @ U.reshape(-1), rtol=1e-12)


def test_outer_inputs_stay_apart_from_the_ones_given():
    """The function may use the same tensor as a constant; only the argument is differentiated."""
    x = nnlite.tensor(Y, requires_grad=True)
    j = functional.jacobian(lambda given: given * x.detach() + x * 0, x)
    np.testing.assert_array_equal(j.numpy(), np.diag(Y))
    assert x.grad is None


def test_nothing_is_recorded_for_the_caller_without_create_graph():
    x = nnlite.tensor(Y, requires_grad=True)
    assert not functional.jacobian(lambda x: x * x, x).requires_grad
    value, product = functional.vjp(lambda x: (x * x).sum(), x)
    assert not value.requires_grad
    assert not product.requires_grad


def test_runs_under_no_grad():
    with nnlite.no_grad():
        assert functional.jacobian(lambda x: x**2, nnlite.tensor([3.0])).tolist() == [[6.0]]
        assert functional.hvp(lambda x: (x**2).sum(), nnlite.tensor([3.0]))[1].tolist() == [2.0]


def test_no_elements():
    x = nnlite.zeros(0)
    assert functional.jacobian(lambda x: x * 2, x).shape == (0, 0)
    assert functional.jacobian(lambda x: x.sum(), x).shape == (0,)
    assert functional.jacobian(lambda y: x * y.sum(), nnlite.ones(2)).shape == (0, 2)


def test_dtype_is_that_of_the_inputs():
    assert functional.jacobian(lambda x: x.exp(), nnlite.ones(2)).dtype == nnlite.float32
    assert functional.hessian(lambda x: x.exp().sum(), nnlite.tensor(Y)).dtype == nnlite.float64


# ---- errors -------------------------------------------------------------------------------------

ONE = nnlite.ones(3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: functional.jacobian(lambda x: x, 1.0), TypeError, "jacobian: inputs .* float"),
        (lambda: functional.vjp(lambda x: x, (ONE, 2)), TypeError, "vjp: inputs .* position 1"),
        (lambda: functional.jvp(lambda x: 3, ONE, ONE), TypeError, "result of the function .* int"),
        (lambda: functional.vjp(lambda x: x, ONE), RuntimeError, r"vjp: v can be left .*\[3\]"),
        (lambda: functional.jvp(lambda x: x, ONE), RuntimeError, "jvp: v can be left"),
        (lambda: functional.vhp(lambda x: x.sum(), ONE), RuntimeError, "vhp: v can be left"),
        (lambda: functional.hvp(lambda x: x.sum(), ONE), RuntimeError, "hvp: v can be left"),
        (
            lambda: functional.vjp(lambda x: x, ONE, nnlite.ones(2)),
            RuntimeError,
            r"v has shape \[2\] .* expected \[3\]",
        ),
        (
            lambda: functional.vjp(lambda x: (x, x), ONE, ONE),
            RuntimeError,
            "a tuple of 2 tensors, got 1",
        ),
        (
            lambda: functional.vjp(lambda x: x, ONE, (ONE, ONE)),
            RuntimeError,
            "v must be one tensor, got 2",
        ),
        (
            lambda: functional.hessian(lambda x: x * 2, ONE),
            RuntimeError,
            r"one number, got shape \[3\]",
        ),
        (
            lambda: functional.hessian(lambda x: (x.sum(),), ONE),
            RuntimeError,
            "one tensor, got a tuple",
        ),
        (
            lambda: functional.jacobian(lambda x: x, ONE, strategy="forward-mode"),
            NotImplementedError,
            "use jvp",
        ),
        (
            lambda: functional.hessian(lambda x: x, ONE, outer_jacobian_strategy="x"),
            ValueError,
            "'x'",
        ),
        (
            lambda: functional.jacobian(lambda x: ONE, ONE, strict=True),
            RuntimeError,
            "output 0 .* not require a gradient",
        ),
        (
            lambda: functional.jacobian(lambda x, y: x * 2, (ONE, ONE), strict=True),
            RuntimeError,
            "output 0 does not depend on input 1",
        ),
        (
            lambda: functional.vhp(lambda x: (2 * x).sum(), ONE, ONE, strict=True),
            RuntimeError,
            "linear",
        ),
    ],
)
def test_errors_name_the_function_and_the_cure(call, error, words):
    with pytest.raises(error, match=words):
        call()
