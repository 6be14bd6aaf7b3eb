"""Tensor: construction, dtypes, promotion, conversion, Python's protocols, NumPy's calls."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import nnlite
from nnlite import Tensor, arange, ones, tensor, zeros
from nnlite.tensor import wrap

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def leaf(*values):
    return tensor(list(values or (1.0, 2.0, 3.0)), requires_grad=True)


def named(dtype):
    """The bare name of a dtype of either library."""
    return str(dtype).rsplit(".", 1)[-1]


# ---- construction -------------------------------------------------------------------------------

DATA = [
    1, -3, 2.5, True, False, 0, 10**12, 1e300, float("nan"), float("inf"),
    [], [[]], [[], []], [1, 2], [1.0, 2], [True, False], [True, 2], [True, 2.5], [1, 2.5, True],
    [[1, 2], [3, 4]], [[1.0], [2.0]], (1, 2), [(1, 2), (3, 4)], ([1], [2]), [[[1]]], [-(2**63)],
    [np.float32(1.5)], [np.float64(1.5), 2], [np.int32(3)], range(4),
    np.float32(2.5), np.float64(2.5), np.int16(3), np.bool_(True),
]  # fmt: skip


@pytest.mark.parametrize("data", DATA, ids=repr)
def test_tensor_has_torchs_dtype_shape_and_values(data, torch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.tensor(data)
    ours = tensor(data)
    assert (named(ours.dtype), tuple(ours.shape)) == (named(theirs.dtype), tuple(theirs.shape))
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert not ours.requires_grad


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", [*DTYPES, None])
def test_tensor_of_an_array_keeps_or_takes_its_dtype(dtype, given):
    array = np.array([[0, 1], [2, 3]]).astype(dtype)
    ours = tensor(array, dtype=None if given is None else getattr(nnlite, given))
    assert ours.dtype == np.dtype(given or dtype)
    np.testing.assert_array_equal(ours.numpy(), array.astype(given or dtype))
    assert not np.shares_memory(ours.numpy(), array)


def test_tensor_copies():
    array = np.ones(3)
    x = tensor(array)
    y = tensor(x)
    array[:] = 5
    x[0] = 7.0
    assert x.tolist() == [7.0, 1.0, 1.0]
    assert y.tolist() == [1.0] * 3
    assert not tensor(leaf()).requires_grad


def test_tensor_of_tensors():
    assert tensor([tensor(1.5), tensor(2.5)]).tolist() == [1.5, 2.5]
    assert tensor([[tensor(1), 2], [3, tensor(4)]]).tolist() == [[1, 2], [3, 4]]
    assert tensor([tensor([1, 2]), tensor([3, 4])]).tolist() == [[1, 2], [3, 4]]
    assert tensor([leaf(1.0)[0], 2.0]).dtype == nnlite.float32


def test_class_makes_float32():
    assert Tensor([1, 2]).dtype == nnlite.float32
    assert Tensor([[1, 2], [3, 4]]).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert Tensor().shape == (0,)
    assert Tensor(tensor([1, 2])).dtype == nnlite.float32


def test_sharing_and_copying():
    array = np.zeros(3)
    shared, copied = nnlite.from_numpy(array), tensor(array)
    assert nnlite.as_tensor(array).array is array
    assert nnlite.as_tensor(shared) is shared
    assert nnlite.as_tensor(shared, dtype=nnlite.float32) is not shared
    assert nnlite.as_tensor([1, 2]).tolist() == [1, 2]
    array[0] = 4
    assert shared.tolist() == [4.0, 0.0, 0.0]
    assert copied.tolist() == [0.0] * 3
    shared[1] = 5.0
    assert array[1] == 5
    assert wrap(array).array is array


def test_what_cannot_be_a_tensor():
    with pytest.raises(ValueError, match="unequal lengths"):
        tensor([[1, 2], [3]])
    for data in ("text", ["a", "b"], None, [None], {"a": 1}, object()):
        with pytest.raises((TypeError, ValueError), match="tensor"):
            tensor(data)
    for array in (np.array(["a"]), np.array([None]), np.array(["2020-01-01"], "datetime64[D]")):
        with pytest.raises(TypeError, match="expected numbers"):
            tensor(array)
        with pytest.raises(TypeError, match="expected numbers"):
            nnlite.from_numpy(array)
    with pytest.raises(TypeError, match="expected a NumPy array, got list"):
        nnlite.from_numpy([1.0])
    with pytest.raises(NotImplementedError, match=r"cuda.*CPU"):
        tensor(1.0, device="cuda")
    assert tensor(1.0, device="cpu").item() == 1.0


def test_default_dtype():
    try:
        nnlite.set_default_dtype(nnlite.float64)
        assert nnlite.get_default_dtype() == nnlite.float64
        made = [tensor(1.0), zeros(2), nnlite.rand(2), nnlite.full((1,), 2.5), tensor([1, 2]) / 2]
        assert {t.dtype for t in made} == {np.dtype(np.float64)}
        assert tensor(1).dtype == nnlite.int64
    finally:
        nnlite.set_default_dtype(nnlite.float32)
    with pytest.raises(TypeError, match="only floating point"):
        nnlite.set_default_dtype(nnlite.int64)


CREATORS = [
    lambda lib: lib.zeros(2, 3),
    lambda lib: lib.zeros((2, 3)),
    lambda lib: lib.zeros([2, 3], dtype=lib.int32),
    lambda lib: lib.zeros(()),
    lambda lib: lib.ones(3, dtype=lib.bool),
    lambda lib: lib.ones(0, 2),
    lambda lib: lib.full((2,), 7),
    lambda lib: lib.full((2,), 7.5),
    lambda lib: lib.full((2, 1), True),
    lambda lib: lib.full((2,), 7, dtype=lib.float64),
    lambda lib: lib.arange(5),
    lambda lib: lib.arange(1, 4),
    lambda lib: lib.arange(1, 8, 3),
    lambda lib: lib.arange(5, 1, -2),
    lambda lib: lib.arange(1.0, 2.0, 0.25),
    lambda lib: lib.arange(3.0),
    lambda lib: lib.arange(3, dtype=lib.float64),
    lambda lib: lib.linspace(0, 1, 5),
    lambda lib: lib.linspace(-3, 3, 4, dtype=lib.float64),
    lambda lib: lib.linspace(2, 5, 1),
    lambda lib: lib.eye(3),
    lambda lib: lib.eye(2, 3, dtype=lib.int64),
    lambda lib: lib.zeros_like(lib.ones(2, 3)),
    lambda lib: lib.zeros_like(lib.ones(2), dtype=lib.int8),
    lambda lib: lib.ones_like(lib.zeros(2, dtype=lib.int16)),
    lambda lib: lib.full_like(lib.zeros(2), 3),
    lambda lib: lib.full_like(lib.zeros(2, dtype=lib.int64), 3),
]


@pytest.mark.parametrize("number", range(len(CREATORS)))
def test_creation_is_torchs(number, torch):
    ours, theirs = CREATORS[number](nnlite), CREATORS[number](torch)
    assert (named(ours.dtype), tuple(ours.shape)) == (named(theirs.dtype), tuple(theirs.shape))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


def test_creation_of_leaves():
    leaves = [
        zeros(2, requires_grad=True),
        nnlite.empty(2, requires_grad=True),
        nnlite.full((2,), 1.0, requires_grad=True),
        nnlite.eye(2, requires_grad=True),
        arange(3.0, requires_grad=True),
        nnlite.ones_like(zeros(2), requires_grad=True),
    ]
    for x in leaves:
        assert x.requires_grad
        assert x.is_leaf
    assert nnlite.empty(2, 3).shape == (2, 3)
    assert nnlite.empty_like(zeros(2, dtype=nnlite.int8)).dtype == nnlite.int8


# ---- promotion ----------------------------------------------------------------------------------

OPERATORS = {
    "add": lambda lib, x, y: x + y,
    "sub": lambda lib, x, y: x - y,
    "mul": lambda lib, x, y: x * y,
    "div": lambda lib, x, y: x / y,
    "eq": lambda lib, x, y: x == y,
    "lt": lambda lib, x, y: x < y,
    "ge": lambda lib, x, y: x >= y,
    "maximum": lambda lib, x, y: lib.maximum(x, y),
    "where": lambda lib, x, y: lib.where(lib.tensor([True, False, True]), x, y),
    "floor_divide": lambda lib, x, y: x // y,
    "remainder": lambda lib, x, y: x % y,
    "pow": lambda lib, x, y: x**y,
    "and": lambda lib, x, y: x & y,
    "xor": lambda lib, x, y: x ^ y,
    "logical_or": lambda lib, x, y: lib.logical_or(lib.as_tensor(x), lib.as_tensor(y)),
    "add_": lambda lib, x, y: lib.as_tensor(x).clone().add_(y),
    "mul_": lambda lib, x, y: lib.as_tensor(x).clone().mul_(y),
    "pow_": lambda lib, x, y: lib.as_tensor(x).clone().pow_(y),
    "copy_": lambda lib, x, y: lib.as_tensor(x).clone().copy_(lib.as_tensor(y)),
}


def promoted(library, operator, x, y):
    """The result's dtype and values, or that there was an error."""
    try:
        result = OPERATORS[operator](library, x, y)
    except (RuntimeError, TypeError):
        return "error"
    return named(result.dtype), tuple(result.shape), result.numpy().tolist()


def operand(library, dtype, ndim):
    values = np.array([3, 1, 2]).astype(dtype) if ndim else np.array(2).astype(dtype)
    return library.tensor(values)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("ndims", [(1, 1), (0, 1), (1, 0), (0, 0)])
def test_promotion_of_tensors(operator, ndims, torch):
    """All pairs of dtypes, of tensors with and without dimensions."""
    for first in DTYPES:
        for second in DTYPES:
            pairs = [
                promoted(
                    lib, operator, operand(lib, first, ndims[0]), operand(lib, second, ndims[1])
                )
                for lib in (nnlite, torch)
            ]
            if operator == "sub" and "bool" in (first, second) and pairs[1] == "error":
                continue  # nnlite takes bools for numbers beside numbers
            assert pairs[0] == pairs[1], (first, second)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("number", [2, 2.5, True], ids=repr)
def test_promotion_with_python_numbers(operator, number, torch):
    for dtype in DTYPES:
        for ndim in (0, 1):
            for swap in (False, True):
                results = []
                for lib in (nnlite, torch):
                    x, y = operand(lib, dtype, ndim), number
                    if operator == "maximum":
                        y = lib.tensor(number)
                    x, y = (y, x) if swap else (x, y)
                    results.append(promoted(lib, operator, x, y))
                if operator == "sub" and results[1] == "error":
                    continue  # a bool: nnlite takes it for a number beside a number
                if operator.startswith("pow") and dtype == "bool" and number is True:
                    continue  # torch has no powers of bools, but this one
                assert results[0] == results[1], (dtype, ndim, swap)


PROMOTED = [
    ("float32", 1, "float64", 0, "float32"),
    ("float64", 0, "float32", 1, "float32"),
    ("float32", 0, "float64", 0, "float64"),
    ("int32", 1, "int64", 0, "int32"),
    ("uint8", 1, "int8", 1, "int16"),
    ("int64", 1, "float16", 0, "float16"),
    ("int64", 1, "float32", 1, "float32"),
    ("bool", 1, "uint8", 0, "uint8"),
    ("float16", 1, "int64", 1, "float16"),
    ("float16", 1, "float32", 1, "float32"),
]


@pytest.mark.parametrize(("first", "m", "second", "n", "expected"), PROMOTED)
def test_promotion_as_it_is_known(first, m, second, n, expected):
    """Where torch is missing: the rules, once each."""
    x, y = operand(nnlite, first, m), operand(nnlite, second, n)
    assert named((x + y).dtype) == named((y * x).dtype) == expected


def test_numpy_scalars_do_not_promote(torch):
    """np.float64 is a Python float in disguise: it must not turn float32 weights into float64."""
    for scalar in (np.float64(2.5), np.float32(2.5), np.int64(2), np.bool_(True)):
        for operator in ("add", "mul", "div", "lt"):
            x = ones(3)
            result = OPERATORS[operator](nnlite, x, scalar)
            assert result.dtype in (nnlite.float32, nnlite.bool)
            assert x.mul_(scalar).dtype == nnlite.float32


def test_arrays_beside_tensors_are_tensors():
    x = leaf()
    array = np.array([1.0, 2.0, 3.0])
    for result in (x * array, array * x):
        assert isinstance(result, Tensor)
        assert result.dtype == nnlite.float64
        assert result.tolist() == [1.0, 4.0, 9.0]
    (array * x).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]
    assert x.grad.dtype == nnlite.float32


def test_gradients_have_the_dtype_of_their_leaf():
    for first in ("float16", "float32", "float64"):
        for second in ("float16", "float32", "float64"):
            x = ones(3, dtype=getattr(nnlite, first), requires_grad=True)
            y = ones(3, dtype=getattr(nnlite, second), requires_grad=True)
            (x * y + x / y - y).sum().backward()
            assert (named(x.grad.dtype), named(y.grad.dtype)) == (first, second)


def test_operands_that_are_no_numbers():
    for other in ("text", None, [1.0], {}, object()):
        for operator in ("add", "mul", "div"):
            with pytest.raises(TypeError):
                OPERATORS[operator](nnlite, ones(3), other)
            with pytest.raises(TypeError):
                OPERATORS[operator](nnlite, other, ones(3))


# ---- conversion ---------------------------------------------------------------------------------


def test_item_and_tolist(torch):
    for data in (2.5, 3, True, [[7.0]], [4]):
        ours, theirs = tensor(data), torch.tensor(data)
        assert ours.item() == theirs.item()
        assert type(ours.item()) is type(theirs.item())
        assert ours.tolist() == theirs.tolist()
    with pytest.raises(RuntimeError, match=r"2 elements cannot be converted.*tolist"):
        ones(2).item()
    with pytest.raises(RuntimeError, match="0 elements"):
        zeros(0).item()


def test_numpy():
    x = ones(3)
    x.numpy()[0] = 7
    assert x[0].item() == 7.0
    y = leaf()
    for convert in (lambda: y.numpy(), lambda: np.asarray(y), lambda: (y * 2).numpy()):
        with pytest.raises(RuntimeError, match=r"use tensor\.detach\(\)\.numpy\(\)"):
            convert()
    assert y.detach().numpy() is y.array
    assert y.numpy(force=True).tolist() == [1.0, 2.0, 3.0]


def test_array_protocol():
    x = tensor([1.0, 2.0])
    assert np.asarray(x) is x.array
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x), x.array)
    assert not np.shares_memory(np.array(x, copy=True), x.array)
    with pytest.raises(ValueError, match="copy"):
        np.array(x, dtype=np.int64, copy=False)
    assert np.array([x, x]).tolist() == [[1.0, 2.0], [1.0, 2.0]]


def test_dtypes_have_torchs_names():
    for name in [*DTYPES, "half", "float", "double", "short", "int", "long"]:
        assert zeros(1, dtype=getattr(nnlite, name)).dtype == getattr(nnlite, name)
    assert nnlite.float == nnlite.float32
    assert nnlite.long == nnlite.int64


def test_to(torch):
    def results(library):
        x = library.tensor([1.5, -2.5])
        same = [x.to(library.float32), x.to("cpu"), x.to(x), x.float(), x.cpu(), x.to()]
        changed = [
            x.to(library.int64), x.to(library.tensor([1])), x.to(dtype=library.bool), x.long(),
            x.to("cpu", library.float64), x.double(), x.half(), x.int(), x.type_as(x.double()),
        ]  # fmt: skip
        copied = x.to(library.float32, copy=True)
        return [t is x for t in same], [named(t.dtype) for t in changed], copied is x

    assert results(nnlite) == results(torch)
    with pytest.raises(NotImplementedError, match=r"cuda.*CPU"):
        ones(1).to("cuda")


def test_sizes(torch):
    def facts(library):
        x = library.zeros(2, 3, 4).transpose(0, 2)
        return [
            tuple(x.shape), tuple(x.size()), x.size(1), x.size(-1), x.dim(), x.ndim, x.numel(),
            x.element_size(), x.stride(), x.is_contiguous(), x.contiguous().is_contiguous(),
            x.is_floating_point(), library.zeros(1, dtype=library.bool).is_floating_point(),
            x.shape.numel(), x.nbytes, x.itemsize, len(x), x.is_leaf, str(x.device),
        ]  # fmt: skip

    assert facts(nnlite) == facts(torch)
    assert repr(zeros(2, 3).shape) == "nnlite.Size([2, 3])"
    x = zeros(4)
    assert x[1:].data_ptr() - x.data_ptr() == 4


# ---- Python's protocols -------------------------------------------------------------------------


def outcome(function):
    try:
        return function()
    except Exception as error:
        return type(error).__name__


PROTOCOLS = {
    "len": lambda x: len(x),
    "bool": lambda x: bool(x),
    "float": lambda x: float(x),
    "int": lambda x: int(x),
    "index": lambda x: [10, 20, 30, 40][x],
    "iterate": lambda x: [row.tolist() for row in x],
    "unpack": lambda x: (lambda a, b: (a.tolist(), b.tolist()))(*x),
    "contains": lambda x: 2 in x,
    "contains float": lambda x: 0.5 in x,
    "format": lambda x: f"{x:.2f}",
    "round": lambda x: round(x).tolist(),
    "abs": lambda x: abs(x).tolist(),
    "negative": lambda x: (-x).tolist(),
    "and": lambda x: (x & x).tolist(),
    "invert": lambda x: (~x).tolist(),
    "power": lambda x: (x**2).tolist(),
    "reversed operators": lambda x: [
        (2 + x).tolist(), (2 - x).tolist(), (2 * x).tolist(), (2 / x).tolist(), (2**x).tolist(),
    ],
    "floor division": lambda x: [(x // 2).tolist(), (x % 2).tolist()],
    "reversed floor division": lambda x: [(7 // x).tolist(), (7 % x).tolist()],
}  # fmt: skip


TAKES_BOOLS = {"abs", "reversed operators"}  # as numbers, where torch refuses


@pytest.mark.parametrize("data", [2.5, 2, True, [1.0, 2.0], [1, 2], [[2]], [[1, 2], [3, 4]], []])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocols_are_torchs(protocol, data, torch):
    """The same result, or an error where torch has one."""
    function = PROTOCOLS[protocol]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = outcome(lambda: function(torch.tensor(data)))
    ours = outcome(lambda: function(tensor(data)))
    if protocol in TAKES_BOOLS and data is True:
        assert theirs in ("RuntimeError", "NotImplementedError")
        assert not isinstance(ours, str)
    elif isinstance(theirs, str) and theirs.endswith("Error"):
        assert isinstance(ours, str), f"{ours}, torch: {theirs}"
    else:
        assert_nearly(ours, theirs)


def assert_nearly(ours, theirs):
    """Nested results that are equal, numbers up to rounding."""
    assert type(ours) is type(theirs)
    if isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            assert_nearly(a, b)
    else:
        assert ours == (theirs if isinstance(theirs, str) else pytest.approx(theirs))


def test_truth_of_several_elements():
    with pytest.raises(RuntimeError, match=r"2 elements is ambiguous.*any\(\)"):
        bool(ones(2))
    with pytest.raises(RuntimeError, match="float"):
        float(ones(2))
    with pytest.raises(TypeError, match=r"integer tensor of one element.*float32"):
        [1, 2][tensor(1.0)]
    with pytest.raises(TypeError, match="len"):
        len(tensor(1.0))
    with pytest.raises(TypeError, match="0-d"):
        iter(tensor(1.0))


def test_iteration_is_differentiable():
    x = leaf()
    total = 0
    for i, row in enumerate(x):
        total = total + row * i
    a, _, c = x
    (total + a * c).backward()
    assert x.grad.tolist() == [3.0, 1.0, 3.0]
    assert sum(leaf()).item() == 6.0


def test_hash_and_identity():
    x, y = ones(2), ones(2)
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1
    assert (x == y).all().item()
    assert (x != y).any().item() is False
    assert hash(x) == hash(x)


def test_attributes_are_fixed():
    with pytest.raises(AttributeError):
        ones(1).no_such_attribute = 1
    with pytest.raises(AttributeError):
        ones(1).no_such_method()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    x = leaf()
    (x * 2).sum().backward()
    y = pickle.loads(pickle.dumps(x, protocol))
    assert (y.tolist(), y.requires_grad, y.is_leaf) == ([1.0, 2.0, 3.0], True, True)
    assert y.grad.tolist() == [2.0] * 3
    z = pickle.loads(pickle.dumps(arange(3), protocol))
    assert (z.tolist(), z.dtype, z.requires_grad) == ([0, 1, 2], nnlite.int64, False)
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0, 6.0, 8.0]
    with pytest.raises(RuntimeError, match=r"only leaf tensors can be pickled.*detach\(\)"):
        pickle.dumps(x * 2, protocol)


def test_copies():
    x = leaf()
    (x * 2).sum().backward()
    y = copy.deepcopy(x)
    y.grad.zero_()
    with nnlite.no_grad():
        y.zero_()
    assert x.tolist() == [1.0, 2.0, 3.0]
    assert x.grad.tolist() == [2.0] * 3
    assert y.requires_grad
    with pytest.raises(RuntimeError, match="only leaf tensors"):
        copy.deepcopy(x * 2)
    twice = copy.deepcopy([x, x])
    assert twice[0] is twice[1]
    assert type(copy.deepcopy(nnlite.nn.Parameter(ones(2)))) is nnlite.nn.Parameter
    frozen = leaf().requires_grad_(False)
    assert not copy.deepcopy(frozen).requires_grad


def test_data_and_detach_share_memory():
    x = leaf()
    for alias in (x.detach(), x.data):
        assert np.shares_memory(alias.array, x.array)
        assert not alias.requires_grad
        assert alias.is_leaf
    x.data = ones(2)
    assert x.tolist() == [1.0, 1.0]
    assert x.requires_grad
    with pytest.raises(TypeError, match="expected a Tensor, got list"):
        x.data = [1.0]


def test_comparing_values():
    x = tensor([1.0, 2.0])
    assert nnlite.equal(x, tensor([1.0, 2.0]))
    assert not nnlite.equal(x, tensor([1.0, 2.0, 3.0]))
    assert not x.equal(tensor([1.0, 2.5]))
    assert nnlite.allclose(x, x + 1e-7)
    assert not nnlite.allclose(x, x + 1e-3)
    assert x.allclose(x + 1e-3, atol=1e-2)
    nan = tensor([float("nan")])
    assert not nan.allclose(nan)
    assert nan.allclose(nan, equal_nan=True)
    assert nnlite.is_tensor(x)
    assert not nnlite.is_tensor(x.numpy())


def test_printing_shows_the_graph():
    x = leaf()
    assert repr(x) == "tensor([1., 2., 3.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 4., 6.], grad_fn=<MulBackward0>)"
    assert str(x.detach()) == "tensor([1., 2., 3.])"
    assert repr(x.sum().grad_fn).startswith("<SumBackward0 object at 0x")
    assert f"{tensor(1.5):8.3f}" == "   1.500"


def test_names_that_do_not_exist_name_near_ones():
    with pytest.raises(AttributeError, match=r"nnlite has no 'zeroes'; the nearest.*: zeros"):
        nnlite.zeroes  # noqa: B018
    with pytest.raises(AttributeError, match=r"nnlite has no 'xyzzy'"):
        nnlite.xyzzy  # noqa: B018


# ---- NumPy's functions on tensors ---------------------------------------------------------------

NUMPY = {
    "np.exp": lambda x: np.exp(x),
    "np.sqrt": lambda x: np.sqrt(x),
    "np.log1p": lambda x: np.log1p(x),
    "np.tanh": lambda x: np.tanh(x),
    "np.add": lambda x: np.add(x, np.ones(3)),
    "np.multiply": lambda x: np.multiply(2, x),
    "np.divide": lambda x: np.divide(1, x),
    "np.power": lambda x: np.power(x, 3),
    "np.square": lambda x: np.square(x),
    "np.negative": lambda x: np.negative(x),
    "np.absolute": lambda x: np.absolute(x),
    "np.maximum": lambda x: np.maximum(x, 2),
    "np.minimum": lambda x: np.minimum(x, 2),
    "np.matmul": lambda x: np.matmul(np.ones((2, 3), np.float32), x),
    "array @ tensor": lambda x: np.ones((2, 3), np.float32) @ x,
    "np.sum": lambda x: np.sum(x, axis=0, keepdims=True),
    "np.mean": lambda x: np.mean(x),
    "np.max": lambda x: np.max(x),
    "np.amax": lambda x: np.amax(x),
    "np.min": lambda x: np.min(x, axis=0),
    "np.amin": lambda x: np.amin(x, axis=0),
    "np.reshape": lambda x: np.reshape(x, (3, 1)),
    "np.transpose": lambda x: np.transpose(np.reshape(x, (1, 3))),
    "np.expand_dims": lambda x: np.expand_dims(x, 0),
    "np.squeeze": lambda x: np.squeeze(np.reshape(x, (3, 1)), 1),
    "np.concatenate": lambda x: np.concatenate([x, x]),
    "np.stack": lambda x: np.stack([x, x], axis=1),
    "np.where": lambda x: np.where(x > 1, x, 0),
    "np.clip": lambda x: np.clip(x, 1.5, 2.5),
    "np.broadcast_to": lambda x: np.broadcast_to(x, (2, 3)),
    "array - tensor": lambda x: np.ones(3) - x,
    "array / tensor": lambda x: np.ones(3) / x,
}


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_functions_are_differentiable(name):
    call = NUMPY[name]
    array = np.array([1.2, 2.0001, 3.5])
    if "@" in name or "matmul" in name:
        array = array.astype(np.float32)
    x = tensor(array, requires_grad=True)
    y = call(x)
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.detach().numpy(), call(array), rtol=1e-6)
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.shape == x.shape
    if array.dtype == np.float64:
        assert nnlite.autograd.gradcheck(call, tensor(array, requires_grad=True))


def test_numpy_comparisons_give_tensors():
    x = tensor([1.0, 2.0])
    for result in (np.greater(x, 1), np.isnan(x), np.equal(x, np.ones(2)), np.ones(2) < x):
        assert isinstance(result, Tensor)
        assert result.dtype == nnlite.bool


def test_numpy_creation_like_a_tensor():
    assert np.zeros_like(leaf()).tolist() == [0.0] * 3
    assert np.ones_like(tensor([1, 2])).dtype == nnlite.int64


def test_numpy_functions_that_are_not_there():
    x = leaf()
    for name, call in {
        "spacing": lambda: np.spacing(x),
        "linalg.svd": lambda: np.linalg.svd(x),
        "add.reduce": lambda: np.add.reduce(x),
        "median": lambda: np.median(x),
        "multiply.outer": lambda: np.multiply.outer(x, x),
    }.items():
        with pytest.raises(
            NotImplementedError,
            match=rf"numpy\.{name.removeprefix('linalg.')} is not available on tensors; use "
            r"tensor\.detach\(\)\.numpy\(\)",
        ):
            call()
    with pytest.raises(NotImplementedError, match="takes no where"):
        np.exp(x, where=np.array([True, False, True]))
    assert np.median(x.detach().numpy()) == 2.0


def test_numpy_out():
    target = np.zeros(3, np.float32)
    assert np.exp(zeros(3), out=target) is target
    assert target.tolist() == [1.0] * 3
    mine = zeros(3)
    assert np.add(ones(3), 1, out=mine) is mine
    assert mine.tolist() == [2.0] * 3
    with pytest.raises(RuntimeError, match="requires a gradient"):
        np.exp(leaf(), out=target)


def test_in_place_operators_on_arrays_with_tensors():
    array = np.ones(3, np.float32)
    array += tensor([1.0, 2.0, 3.0])
    assert type(array) is np.ndarray
    assert array.tolist() == [2.0, 3.0, 4.0]
