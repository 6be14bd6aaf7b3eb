"""Infinities, NaN, zeros of both signs and very large numbers: torch's values and gradients."""

import math

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as ours

NAN, INF = math.nan, math.inf
VALUES = [
    NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 3.0, -3.0, 6.0, -6.0, 20.0, -20.0,
    1e4, -1e4, 1e30, -1e30, 1e-30, -1e-30, 88.0, -88.0,
]  # fmt: skip
UNARY = """abs neg sign exp expm1 exp2 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos tan
    sinh cosh tanh asin acos atan asinh acosh atanh sigmoid erf floor ceil round trunc nan_to_num
    relu isnan isinf isfinite logical_not"""
ACTIVATIONS = """leaky_relu silu mish softplus hardtanh relu6 logsigmoid softsign tanhshrink
    softshrink hardshrink"""
BINARY = """add sub mul div pow maximum minimum fmax fmin atan2 hypot logaddexp xlogy remainder fmod
    eq lt"""
POWERS = (0, 1, 2, 3, 0.5, -0.5, -1, -2, 1.5)
REDUCTIONS = "max min amax amin argmax argmin sum mean logsumexp median norm"

FUNCTIONS = {
    **{name: lambda lib, F, x, f=name: getattr(lib, f)(x) for name in UNARY.split()},
    **{name: lambda lib, F, x, f=name: getattr(F, f)(x) for name in ACTIVATIONS.split()},
    **{f"x**{n}": lambda lib, F, x, n=n: x**n for n in POWERS},
    **{f"{c}**x": lambda lib, F, x, c=c: c**x for c in (0, 0.5, 1, 2)},
    "clamp": lambda lib, F, x: x.clamp(-1, 1),
    "clamp of crossed bounds": lambda lib, F, x: x.clamp(3, 1),
    "sqrt of relu": lambda lib, F, x: lib.sqrt(lib.relu(x)),
    "log of clamp": lambda lib, F, x: lib.log(x.clamp(min=0.5)),
    "root of what is chosen": lambda lib, F, x: lib.sqrt(lib.where(x > 1, x, x * 0)),
    "sort": lambda lib, F, x: x.sort(stable=True)[0],
    "max along": lambda lib, F, x: x.reshape(5, 5).max(1)[0],
    "softmax": lambda lib, F, x: lib.softmax(x[3:].reshape(2, 11), 1),
    "log_softmax": lambda lib, F, x: lib.log_softmax(x[3:].reshape(2, 11), 1),
}
FUNCTIONS["logsumexp"] = lambda lib, F, x: lib.logsumexp(x, 0)
for _name in REDUCTIONS.split():
    if _name != "logsumexp":
        FUNCTIONS[_name] = lambda lib, F, x, f=_name: getattr(lib, f)(x)
        FUNCTIONS[f"{_name} without NaN"] = lambda lib, F, x, f=_name: getattr(lib, f)(x[1:])


def outcome(library, functional, function, arrays, create_graph=False):
    """The value and the gradients, of the sum, as arrays."""
    inputs = [library.tensor(a).requires_grad_() for a in arrays]
    y = function(library, functional, *inputs)
    if not y.requires_grad:
        return [y.numpy()]
    ends = y, inputs, library.ones_like(y)
    found = library.autograd.grad(*ends, create_graph=create_graph)
    return [t.detach().numpy() for t in (y, *found)]


def assert_same(mine, theirs):
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs):
        tolerance = 1e-5 if b.dtype == np.float32 else 1e-10
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, strict=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("create_graph", [False, True], ids=["on arrays", "on tensors"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_of_one_tensor(torch, name, dtype, create_graph):
    arrays = [np.array(VALUES, dtype)]
    theirs = outcome(torch, torch.nn.functional, FUNCTIONS[name], arrays, create_graph)
    assert_same(outcome(nnlite, ours, FUNCTIONS[name], arrays, create_graph), theirs)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", BINARY.split())
def test_of_two_tensors(torch, name):
    values = [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 2.0, -3.0]
    for dtype in ("float32", "float64"):
        arrays = [a.ravel().astype(dtype) for a in np.meshgrid(values, values)]

        def function(library, functional, x, y):
            return getattr(library, name)(x, y)

        theirs = outcome(torch, torch.nn.functional, function, arrays)
        assert_same(outcome(nnlite, ours, function, arrays), theirs)


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (lambda x: nnlite.sqrt(nnlite.relu(x)), [-1.0, 0.0, 4.0], [0.0, 0.0, 0.25]),
        (lambda x: nnlite.sqrt(x.clamp(1, 4)), [0.0, 4.0, 9.0], [0.0, 0.25, 0.0]),
        (lambda x: nnlite.maximum(x, nnlite.zeros(2)), [NAN, 1.0], [1.0, 1.0]),
        (lambda x: nnlite.atan2(x, nnlite.zeros(2)), [0.0, 1.0], [0.0, 0.0]),
        (lambda x: x.max(), [2.0, 2.0], [0.5, 0.5]),
        (lambda x: x.max(), [NAN, 2.0], [1.0, 0.0]),
        (lambda x: 0.0**x, [2.0, 0.0], [0.0, 0.0]),
        (lambda x: nnlite.relu(x), [NAN, -1.0], [1.0, 0.0]),
    ],
)
def test_without_torch(function, x, expected):
    x = nnlite.tensor(x, requires_grad=True)
    with np.errstate(all="ignore"):
        function(x).sum().backward()
    assert x.grad.tolist() == expected


def test_a_mask_of_bits_is_a_mask():
    """Large arrays are masked another way than small ones."""
    for dtype in (np.float16, np.float32, np.float64):
        for n in (10, 10_000):
            g = np.tile(np.array([INF, NAN, -0.0, 1.5, -INF], dtype), n)
            mask = np.random.default_rng(0).random(g.size) < 0.5
            kept = nnlite.ops.operands.kept(g, mask)
            np.testing.assert_array_equal(kept, np.where(mask, g, 0), strict=True)
            wide = np.lib.stride_tricks.as_strided(g, (g.size,), (0,))
            np.testing.assert_array_equal(
                nnlite.ops.operands.kept(wide, mask), np.where(mask, wide, 0)
            )


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_block_by_block_gelu_is_that_of_each_block(approximate: str) -> None:
    x = np.random.default_rng(0).standard_normal((3, 40_000), dtype=np.float32)

    def gelu(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inputs = nnlite.tensor(array, requires_grad=True)
        y = nnlite.nn.functional.gelu(inputs, approximate)
        y.sum().backward()
        return y.detach().numpy(), inputs.grad.numpy()

    small = [gelu(piece) for piece in x.reshape(-1, 1000)]
    for whole, pieces in zip(gelu(x), zip(*small)):
        assert np.array_equal(whole.reshape(-1, 1000), pieces)
    strided = gelu(np.asfortranarray(x))  # no blocks: its memory is in another order
    assert all(np.array_equal(*both) for both in zip(gelu(x), strided))
