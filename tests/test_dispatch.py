"""Operators use only NumPy calls that dispatch: the same code runs on any array that dispatches.

Every row of the table runs forward, backward and twice backward on a duck array that cannot be
turned into an ndarray, and gives the same numbers as on NumPy's arrays.
"""

import numpy as np
import pytest
from duck import Duck, bare
from operators import CASES, NNLITE, arrays_of, cotangents, each_case, outputs

import nnlite
from nnlite.autograd import grad
from nnlite.ops import dropout
from nnlite.tensor import wrap


def run(case, kind):
    """Outputs, gradients and second derivatives of a case on arrays made by ``kind``."""
    arrays = arrays_of(case)
    inputs = [wrap(kind(array)) for array in arrays]
    for x in inputs:
        if x.dtype.kind == "f":
            x.requires_grad_()
    ys = outputs(case.row.call(NNLITE, *inputs, **case.sample.options))
    ends = [y for y in ys if y.requires_grad]
    if not ends:
        return ys, [], []
    wanted = [x for x in inputs if x.requires_grad]
    vs = [wrap(kind(v)) for v in cotangents([np.empty(y.shape, y.dtype) for y in ends], "v")]
    plain = grad(ends, wanted, vs, retain_graph=True, allow_unused=True)
    firsts = grad(ends, wanted, vs, create_graph=True, allow_unused=True)
    for first, again in zip(plain, firsts):
        assert (first is None) == (again is None)
    bases = [g for g in firsts if g is not None and g.requires_grad]
    if not bases:
        return ys, plain, []
    us = [wrap(kind(u)) for u in cotangents([np.empty(g.shape, g.dtype) for g in bases], "u")]
    return ys, plain, grad(bases, wanted, us, allow_unused=True)


@each_case()
def test_runs_on_a_duck_array(case):
    Duck.looks = 0
    on_ducks = run(case, Duck)
    looks = Duck.looks
    on_arrays = run(case, lambda array: array)
    for ducks, arrays in zip(on_ducks, on_arrays):
        assert len(ducks) == len(arrays)
        for duck, array in zip(ducks, arrays):
            if array is None:
                assert duck is None
                continue
            assert type(duck.array) is Duck
            assert type(array.array) is np.ndarray
            assert duck.dtype == array.dtype
            assert duck.shape == array.shape
            # NumPy's own arrays take short cuts: x**0.5 is a root, for other arrays a power.
            np.testing.assert_allclose(bare(duck.array), array.array, rtol=1e-12)
    assert not looks or case.row.reads, f"looked at {looks} values"


def test_rows_that_read_values_do_so():
    """A row that says without need that it looks at values would hide what a change adds."""
    looked = set()
    for case in CASES:
        Duck.looks = 0
        run(case, Duck)
        if Duck.looks:
            looked.add(case.row.names[0])
    assert looked == {case.row.names[0] for case in CASES if case.row.reads}


def test_accumulates_gradients_of_ducks():
    x = wrap(Duck(np.array([1.0, 2.0]))).requires_grad_()
    for _ in range(2):
        (x * x).sum().backward()
    assert type(x.grad.array) is Duck
    np.testing.assert_array_equal(bare(x.grad.array), [4.0, 8.0])


@pytest.mark.parametrize("function", [nnlite.bernoulli, dropout.dropout])
def test_random_numbers_meet_ducks(function):
    p = np.full((3, 4), 0.5)
    results = []
    for kind in (Duck, np.copy):
        nnlite.manual_seed(3)
        results.append(function(wrap(kind(p))).array)
    assert type(results[0]) is Duck
    np.testing.assert_array_equal(bare(results[0]), results[1])
    assert len(set(results[1].ravel())) == 2


def test_the_duck_refuses_what_it_should():
    duck = Duck(np.ones(2))
    beside = (lambda d: d + np.ones(2), lambda d: np.ones(2) * d)
    for convert in (np.asarray, float, int, list, *beside):
        with pytest.raises(TypeError):
            convert(duck)
    with pytest.raises(TypeError):
        np.frompyfunc(lambda v: v, 1, 1)(duck)
    assert type(duck + 1) is Duck
    assert type(np.where(duck > 0, duck, 0)) is Duck


def test_tensor_takes_over_a_duck():
    x = nnlite.tensor(Duck(np.ones(2)))
    assert type(x.array) is Duck
