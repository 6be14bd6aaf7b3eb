"""Every row of the table of operators: derivatives, dtypes, agreement with torch, side effects."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from operators import (
    CASES,
    DTYPES,
    NNLITE,
    ROWS,
    Library,
    arrays_of,
    cotangents,
    dtypes_of,
    each_case,
    outputs,
    result_or_error,
    results,
)

import nnlite
from nnlite.autograd import Node, backward, grad, gradcheck, gradgradcheck
from nnlite.autograd.node import Output
from nnlite.ops import (
    activation,
    adaptive_pool,
    arithmetic,
    attention,
    batch_norm,
    binary_loss,
    choose,
    class_loss,
    compare,
    conv,
    convert,
    diagonals,
    dropout,
    embedding,
    exponential,
    extremes,
    fold,
    index,
    inplace,
    join,
    linalg,
    lookup,
    loss,
    margin_loss,
    matrix,
    modulo,
    norm,
    order,
    pad,
    piecewise,
    pool,
    power,
    random,
    rearrange,
    recurrent,
    reduce,
    regression_loss,
    resample,
    rounding,
    scan,
    shape,
    softmax,
    trigonometric,
    vector_norm,
)
from nnlite.ops.methods import Methods
from nnlite.tensor import AccumulateGrad

REFERENCE = Path(__file__).parent / "reference" / "operators.json"
RECORDED = json.loads(REFERENCE.read_text(encoding="utf-8"))
# torch and NumPy add up in another order; a result is wrong when it differs by more than that.
TOLERANCE = {"float64": 1e-10, "float32": 2e-6, "float16": 4e-3}


def tensors(arrays, requires_grad=True):
    made = [nnlite.tensor(a) for a in arrays]
    for x in made:
        if requires_grad and x.is_floating_point():
            x.requires_grad_()
    return made


def call(case, inputs):
    return outputs(case.row.call(NNLITE, *inputs, **case.sample.options))


def assert_same(ours, theirs, what, slack=1):
    """Lists of arrays: the same dtypes and shapes, the same values but for rounding."""
    assert len(ours) == len(theirs), what
    for a, b in zip(ours, theirs):
        assert (str(a.dtype), a.shape) == (str(b.dtype), b.shape), what
        tolerance = TOLERANCE.get(str(a.dtype), 0) * slack
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=what)


def assert_all_same(ours, theirs, slack=1):
    assert_same(ours["y"], theirs["y"], "y", slack)
    assert_same(ours["first"], theirs["first"], "first derivatives", slack)
    # torch has 0 · ∞ in the second derivatives of some powers of 0, and constants of 1e-12 in
    # that of binary_cross_entropy.
    known = [np.where(np.isnan(b), a, b) for a, b in zip(ours["second"], theirs["second"])]
    assert_same(ours["second"], known, "second derivatives", slack=max(slack, 100))


# ---- derivatives --------------------------------------------------------------------------------


@each_case(differentiable=True, smooth=True)
def test_first_derivatives(case):
    assert gradcheck(lambda *x: call(case, x), tensors(arrays_of(case)))


@each_case(differentiable=True, smooth=True)
def test_second_derivatives(case):
    inputs = tensors(arrays_of(case))
    assert gradgradcheck(lambda *x: call(case, x), inputs)


@each_case()
def test_name_of_the_node(case):
    y = call(case, tensors(arrays_of(case)))[0]
    assert (y.grad_fn and y.grad_fn.name()) == case.sample.grad_fn


# ---- agreement with torch -----------------------------------------------------------------------


@each_case()
def test_agrees_with_torch(case, torch):
    theirs = results(Library(torch, torch.nn.functional), case, torch.tensor)
    ours = results(NNLITE, case, nnlite.tensor)
    assert_all_same(ours, theirs, case.row.slack)
    assert theirs["grad_fn"] == case.sample.torch_grad_fn
    theirs = results(Library(torch, torch.nn.functional), case, torch.tensor, "float32")
    with np.errstate(over="ignore"):
        ours = results(NNLITE, case, nnlite.tensor, "float32")
    assert_all_same(ours, theirs, case.row.slack * 50)


@each_case()
def test_agrees_with_what_torch_gave(case):
    recorded = dict(RECORDED[case.label])
    assert recorded.pop("grad_fn") == case.sample.torch_grad_fn
    recorded.pop("dtypes", None)
    theirs = {
        what: [np.array(values, dtype).reshape(shape) for dtype, shape, values in arrays]
        for what, arrays in recorded.items()
    }
    slack = max(case.row.slack, 1000)  # 8 digits are recorded
    assert_all_same(results(NNLITE, case, nnlite.tensor), theirs, slack)


def test_reference_is_up_to_date():
    assert list(RECORDED) == [case.label for case in CASES], "run scripts/record_references.py"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_dtypes_are_torchs(row, torch):
    """The same dtype and values as torch's, or an error where torch has one."""
    for dtype in DTYPES:
        if not dtype.startswith("float") and not row.integers:
            continue
        different = 0
        for case in CASES:
            if case.row is not row:
                continue
            theirs = result_or_error(Library(torch, torch.nn.functional), case, torch.tensor, dtype)
            ours = result_or_error(NNLITE, case, nnlite.tensor, dtype)
            try:
                if isinstance(ours, list) and isinstance(theirs, list):
                    assert_same(ours, theirs, f"{case.label} {dtype}")
                else:
                    assert not isinstance(ours, list), f"{case.label} {dtype}: torch: {theirs}"
                    assert not isinstance(theirs, list), f"{case.label} {dtype}: nnlite: {ours}"
            except AssertionError:
                if dtype not in row.differs:
                    raise
                different += 1
        assert bool(different) == (dtype in row.differs), f"the row's differs, {dtype}"


@each_case()
def test_dtypes_are_those_that_torch_gave(case):
    for dtype, theirs in RECORDED[case.label].get("dtypes", {}).items():
        if dtype not in case.row.differs:
            ours = dtypes_of(NNLITE, case, nnlite.tensor)[dtype]
            assert ours == theirs, dtype


@each_case()
def test_float32_stays(case):
    """Outputs and gradients of float32 are what float64 gives, in float32."""
    exact = results(NNLITE, case, nnlite.tensor)
    single = results(NNLITE, case, nnlite.tensor, "float32")
    converts = case.row.names[0].startswith("convert.") and "ToCopy" in str(case.sample.grad_fn)
    for what in ("y", "first", "second"):
        assert len(exact[what]) == len(single[what])
        for a, b in zip(exact[what], single[what]):
            if a.dtype == np.float64 and not converts and "half" not in case.row.name:
                assert b.dtype == np.float32, what
            assert a.shape == b.shape
            if what == "y" and "special" not in case.label:
                np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


@each_case(differentiable=True)
def test_gradients_have_the_dtype_of_their_leaves(case):
    """In an ordinary backward pass, on arrays; the tests above differentiate tensors."""
    for dtype in ("float32", "float16"):
        inputs = tensors(arrays_of(case, dtype))
        try:
            ys = [y for y in call(case, inputs) if y.requires_grad]
        except (TypeError, RuntimeError, ValueError, NotImplementedError):
            assert dtype == "float16"  # where torch has no such operator either
            continue
        if ys:
            backward(ys, [nnlite.ones_like(y) for y in ys])
        for x in inputs:
            if x.grad is not None:
                assert (x.grad.dtype, x.grad.shape) == (x.dtype, x.shape)


# ---- what an operator leaves alone --------------------------------------------------------------


def graph_of(*ys):
    """All nodes below some tensors."""
    seen = []
    stack = [y._node for y in ys if y._node]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.append(node)
            stack.extend(edge for edge in node.edges if edge)
    return seen


def saved_by(*ys):
    """The arrays that the derivatives of some tensors read."""
    return [v for node in graph_of(*ys) for v in node.saved if isinstance(v, np.ndarray)]


@each_case()
def test_no_grad_leaves_no_graph(case):
    inputs = tensors(arrays_of(case))
    with nnlite.no_grad():
        ys = call(case, inputs)
    returned_as_is = [x for x in inputs if any(x is y for y in ys)]
    for y in ys:
        assert y.grad_fn is None
        assert not y.requires_grad or y in returned_as_is


@each_case(differentiable=True)
def test_frozen_inputs(case):
    """Each input in turn without gradient: it gets none, and the others get what they always do."""
    arrays = arrays_of(case)
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]

    def gradients(frozen):
        inputs = tensors(arrays)
        if frozen is not None:
            inputs[frozen].requires_grad_(False)
        ends = [y for y in call(case, inputs) if y.requires_grad]
        if ends:
            vs = cotangents([y.detach().numpy() for y in ends], "v")
            nnlite.autograd.backward(ends, [nnlite.tensor(v) for v in vs])
        return [x.grad for x in inputs]

    free = gradients(None)
    for frozen in floats:
        rest = gradients(frozen)
        assert rest[frozen] is None
        for i in floats:
            if i == frozen or (free[i] is None and rest[i] is None):
                continue
            np.testing.assert_array_equal(rest[i].numpy(), free[i].numpy())


def scattered(array):
    """The same values at other places in memory: reversed order of dimensions, and gaps."""
    wide = np.zeros((*array.shape[::-1], 2), array.dtype)
    wide[..., 0] = array.T
    return wide[..., 0].T


@each_case()
def test_memory_layout_does_not_matter(case):
    if "view" in case.row.name or "contiguous" in case.row.name:
        return  # about the layout
    plain = results(NNLITE, case, nnlite.tensor)
    other = results(NNLITE, case, lambda a: nnlite.from_numpy(scattered(a)))
    assert_all_same(other, plain)


@each_case()
def test_inputs_and_saved_values_are_not_written_to(case):
    arrays = arrays_of(case)
    before = [a.tobytes() for a in arrays]
    inputs = [nnlite.from_numpy(a) for a in arrays]
    for x in inputs:
        if x.is_floating_point():
            x.requires_grad_()
    ys = call(case, inputs)
    assert [a.tobytes() for a in arrays] == before
    ends = [y for y in ys if y.requires_grad]
    if not ends or not case.sample.differentiable:
        return
    vs = [nnlite.tensor(v) for v in cotangents([y.detach().numpy() for y in ends], "v")]
    kept = [(a, a.tobytes()) for a in saved_by(*ends) + [t.array for t in ends + vs]]
    wanted = [x for x in inputs if x.requires_grad]
    for create_graph in (False, True):
        grad(ends, wanted, vs, retain_graph=True, create_graph=create_graph, allow_unused=True)
        nnlite.autograd.backward(ends, vs, retain_graph=True, create_graph=create_graph)
    assert [a.tobytes() for a in arrays] == before
    for array, bytes_before in kept:
        assert array.tobytes() == bytes_before


@each_case(differentiable=True)
def test_gradients_are_nobody_elses(case):
    """Writing into one gradient changes no other gradient, no input and no saved value."""
    inputs = tensors(arrays_of(case))
    ends = [y for y in call(case, inputs) if y.requires_grad]
    vs = [nnlite.tensor(v) for v in cotangents([y.detach().numpy() for y in ends], "v")]
    nnlite.autograd.backward(ends, vs, retain_graph=True)
    gradients = [x.grad.array for x in inputs if x.grad is not None]
    others = saved_by(*ends) + [t.array for t in inputs + ends + vs]
    for i, g in enumerate(gradients):
        assert g.flags.writeable
        for other in gradients[:i] + others:
            assert not np.shares_memory(g, other)


# ---- the table is complete ----------------------------------------------------------------------

HELPERS = {
    "activation": {"in_place", "softplus_of"},
    "exponential": {"normal_cdf", "normal_density", "sigmoid_of"},
    "index": {"add_at", "along"},  # reached as the derivative of the derivative of indexing
    "inplace": {"claim", "change"},
    "loss": {"bad_reduction", "pair_of", "paired", "reduced", "reduction_of", "spread"},
    "norm": {"fits", "standard", "through"},
    "pool": {"as_wide", "flat_index", "image_of"},
    "reduce": {"axes_of", "count_of", "max_of", "restore"},
    "shape": {"checked_dim", "sizes_of", "unsafe_view"},
    "vector_norm": {"vector_norm_of"},
}
TESTED_ELSEWHERE = {
    "compare": {"allclose", "equal"},  # test_tensor
    "random": {"bernoulli", "multinomial", "normal_", "uniform_"},  # test_sampling
    "engine": {  # test_engine, test_hooks
        "register_hook",
        "register_post_accumulate_grad_hook",
        "retain_grad",
        "backward_method",
    },
}
FAMILIES = (
    activation, adaptive_pool, arithmetic, attention, batch_norm, binary_loss, choose, class_loss,
    compare, conv, convert, diagonals, dropout, embedding, exponential, extremes, fold, index,
    inplace, join, linalg, lookup, loss, margin_loss, matrix, modulo, norm, order, pad, piecewise,
    pool, power, rearrange, recurrent, reduce, regression_loss, resample, rounding, scan, shape,
    softmax, trigonometric, vector_norm,
)  # fmt: skip


def test_every_public_function_has_a_row():
    rows = {name for row in ROWS for name in row.names}
    for family in FAMILIES:
        short = family.__name__.rsplit(".", 1)[1]
        public = {
            name
            for name, value in vars(family).items()
            if callable(value)
            and not isinstance(value, type)
            and not name.startswith("_")
            and getattr(value, "__module__", "") == family.__name__
        }
        listed = HELPERS.get(short, set()) | TESTED_ELSEWHERE.get(short, set())
        assert public - listed == {
            name.split(".")[1] for name in rows if name.startswith(short + ".")
        }


def test_every_method_has_a_row():
    functions = set()
    for row in ROWS:
        for name in row.names:
            family, function = name.split(".")
            functions.add(getattr(getattr(nnlite.ops, family), function))
    for family, names in TESTED_ELSEWHERE.items():
        module = nnlite.autograd.engine if family == "engine" else getattr(nnlite.ops, family)
        functions |= {getattr(module, name) for name in names}
    for name, method in vars(Methods).items():
        if callable(method):
            assert method in functions, name


def subclasses(base):
    for sub in base.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_node_has_an_equation_and_a_row():
    nodes = {node for node in subclasses(Node) if node.__module__.startswith("nnlite.ops")}
    reached = set()
    for case in CASES:
        inputs = tensors(arrays_of(case))
        wanted = [x for x in inputs if x.requires_grad]
        ends = [y for y in call(case, inputs) if y.requires_grad]
        firsts = []
        if ends and case.sample.differentiable:
            vs = [nnlite.ones_like(y).requires_grad_() for y in ends]
            firsts = grad(ends, wanted, vs, create_graph=True, allow_unused=True)
        reached |= {type(n) for n in graph_of(*ends, *(g for g in firsts if g is not None))}
    assert reached - {Output, AccumulateGrad} == nodes
    for node in nodes:
        equation = node.__doc__.split("\n")[0]
        assert re.search(r" = .*:   .*∂", equation), f"{node}: {equation}"
        assert node.__slots__ == (), f"{node} has no __slots__: every node would carry a dictionary"


def test_every_row_says_what_is_true():
    """Names and flags of the table are used for tests: a wrong one would leave something out."""
    for row in ROWS:
        assert all("." in name for name in row.names)
        assert row.samples
        assert set(row.differs) <= set(DTYPES)
    assert isinstance(random.default_generator, random.Generator)
