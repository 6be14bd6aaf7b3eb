"""Indexing, reading and writing: any index expression means what it means in torch."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import nnlite

LIST, ARRAY, TENSOR, MASK = "list", "array", "tensor", "mask"


@st.composite
def indices(draw, *, once):
    """A shape and the parts of an index of it; arrays and tensors as (kind, shape, values).

    Args:
        once: no element is named twice (what is written there would be anybody's guess).
    """
    shape = draw(st.lists(st.integers(0, 4), max_size=4).map(tuple))
    left, parts, several = list(shape), [], False
    while left and draw(st.integers(0, 5)):
        length = left[0]
        kinds = ["slice", "none", "ellipsis"]
        if length:
            kinds += ["int", "int", "scalar", TENSOR, LIST, ARRAY]
        if not (once and several):
            kinds += [MASK]
        kind = draw(st.sampled_from(kinds))
        places = st.integers(0 if once else -length, length - 1)
        if kind == "none":
            parts.append(None)
            continue
        if kind == "ellipsis":
            if ... in [part for part in parts if type(part) is type(...)]:
                continue
            parts.append(...)
            left = left[draw(st.integers(0, len(left))) :]
            continue
        if kind == "slice":
            bounds = st.none() | st.integers(-length - 1, length + 1)
            parts.append(slice(draw(bounds), draw(bounds), draw(st.sampled_from([None, 1, 2, 3]))))
        elif kind in ("int", "scalar"):
            place = draw(st.integers(-length, length - 1))
            parts.append(place if kind == "int" else (TENSOR, (), [place]))
        elif kind == MASK:
            over = draw(st.integers(1, min(2, len(left))))
            size = int(np.prod(left[:over]))
            values = draw(st.lists(st.booleans(), min_size=size, max_size=size))
            parts.append((MASK, tuple(left[:over]), values))
            left = left[over - 1 :]
            several = True
        else:
            of = draw(
                st.sampled_from([(0,), (1,), (2,), (2, 1)] if kind == TENSOR else [(1,), (2,)])
            )
            size = int(np.prod(of))
            values = st.lists(places, min_size=size, max_size=size, unique=once)
            assume(not (once and size > length))
            parts.append((kind, of, draw(values)))
            several = True
        left = left[1:]
    assume(parts)
    return shape, parts if len(parts) > 1 or draw(st.booleans()) else parts[0]


def of_library(library, part):
    """An index (or one part of it) with tensors of a library."""
    if isinstance(part, list):
        return tuple(of_library(library, p) for p in part)
    if not isinstance(part, tuple):
        return part
    kind, shape, values = part
    array = np.array(values, dtype=bool if kind == MASK else np.int64).reshape(shape)
    return {LIST: values, ARRAY: array}.get(kind, library.tensor(array))


def values(shape):
    return np.arange(1.0, 1.0 + int(np.prod(shape))).reshape(shape)


def outcome(run, library):
    """What a run gives, or the fact that it raises."""
    try:
        return run(library)
    except (IndexError, ValueError, RuntimeError, TypeError):
        return "raises"


def read(shape, index):
    def run(library):
        x = library.tensor(values(shape)).requires_grad_()
        y = x[of_library(library, index)]
        (y * y).sum().backward()
        return y.detach().numpy(), x.grad.numpy(), y.grad_fn.name()

    return run


def written(shape, index, of_value):
    def run(library):
        x = library.tensor(values(shape)).requires_grad_()
        new = 7.5 if of_value is None else library.tensor(values(of_value) + 0.5).requires_grad_()
        y = x * 1
        y[of_library(library, index)] = new
        (y * y).sum().backward()
        gradients = [x.grad.numpy()] if of_value is None else [x.grad.numpy(), new.grad.numpy()]
        return y.detach().numpy(), *gradients, y.grad_fn.name().removeprefix("torch::autograd::")

    return run


def assert_same(ours, theirs):
    if ours == "raises" and theirs != "raises" and theirs[0].size == 0:
        return  # torch does not look at indices where nothing is to be read or written
    assert type(ours) is type(theirs), (ours, theirs)
    for a, b in zip(ours, theirs):
        if isinstance(a, str):
            assert a == b
        else:
            np.testing.assert_array_equal(a, b, strict=True)


few = settings(max_examples=300, suppress_health_check=[HealthCheck.filter_too_much])


@few
@given(indices(once=False))
def test_reading(torch, case):
    run = read(*case)
    assert_same(outcome(run, nnlite), outcome(run, torch))


@few
@given(indices(once=True), st.sampled_from(["all", "first", "one", "number"]))
def test_writing(torch, case, kind):
    shape, index = case
    part = outcome(lambda lib: tuple(lib.zeros(shape)[of_library(lib, index)].shape), nnlite)
    assume(part != "raises")
    of_value = {"all": part, "first": part[1:], "one": (1,), "number": None}[kind]
    run = written(shape, index, of_value)
    assert_same(outcome(run, nnlite), outcome(run, torch))


def test_integers_are_taken_before_arrays():
    """NumPy would count the integer as an array and bring its dimension to the front."""
    x = nnlite.arange(24).reshape(2, 3, 4)
    assert x[0, :, [0, 1]].shape == (3, 2)
    assert x[0, None, [0, 1]].shape == (1, 2, 4)
    assert x[1, ..., nnlite.tensor([3])].tolist() == [[15], [19], [23]]
    x[0, :, [0, 1]] = nnlite.tensor([[-1], [-2], [-3]])
    assert x[0].tolist() == [[-1, -1, 2, 3], [-2, -2, 6, 7], [-3, -3, 10, 11]]


def test_an_ellipsis_for_no_dimension_is_as_if_it_were_not_there():
    x = nnlite.arange(6).reshape(2, 3)
    assert x[None, [0, 1], ..., [1, 2]].shape == (1, 2)
    x[[0, 1], ..., [1, 2]] = 9
    assert x.tolist() == [[0, 9, 2], [3, 4, 9]]


@pytest.mark.parametrize(
    ("index", "error"),
    [(2, IndexError), ((0, 0, 0), IndexError), ([5], IndexError), (1.5, IndexError)],
)
def test_what_is_no_index(index, error):
    with pytest.raises(error, match="index"):
        nnlite.zeros(2, 3)[index]
