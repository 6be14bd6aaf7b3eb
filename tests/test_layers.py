"""Every row of the tables of layers, and what rows cannot say: laws, wrong arguments."""

import copy
import inspect
import json
import pickle
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from layers import (
    Namespace,
    constructor,
    course,
    every_row,
    made,
    says_nothing,
    state_of,
    step,
)

import nnlite
from nnlite import nn

ROWS = every_row()
KINDS = list(dict.fromkeys(row.kind for row in ROWS))
REFERENCE = Path(__file__).parent / "reference" / "layers.json"
RECORDED = json.loads(REFERENCE.read_text(encoding="utf-8"))
# torch and NumPy add up in another order; a result is wrong when it differs by more than that.
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}

# What is no layer, and so has no row.
NOT_LAYERS = {"Module", "Parameter", "functional", "init", "lora", "utils"}
PARTS = ("functional", "init", "lora", "utils")
# Containers and methods that are what their base class says.
CONTAINERS = {"ModuleDict", "ModuleList", "Sequential"}
INHERITED = {"forward", "extra_repr"}
LAYERS = [name for name in nn.__all__ if name not in NOT_LAYERS]


def each_row(check):
    """Make a test of one row a test of all: one for each layer, whose failure names the row."""
    groups = {kind: [row for row in ROWS if row.kind == kind] for kind in KINDS}
    rows = pytest.mark.parametrize("group", groups.values(), ids=groups)

    def run(group, **fixtures):
        for row in group:
            try:
                check(row, **fixtures)
            except Exception as error:
                raise AssertionError(f"{row.name}: {error}") from error

    def test(group):
        run(group)

    def test_with_torch(group, torch):
        run(group, torch=torch)

    test.__doc__ = test_with_torch.__doc__ = check.__doc__
    return rows(test_with_torch if "torch" in inspect.signature(check).parameters else test)


@contextmanager
def checking(row, check):
    """A check of a row; where the row says that it differs from torch, it must."""
    if check not in row.differs:
        yield
        return
    with pytest.raises(AssertionError):
        yield


def assert_same(ours, theirs, slack=1.0, at=""):
    """Nested lists and dicts of arrays: equal shapes and dtypes, equal values but for rounding."""
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), at
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(theirs, list):
        assert len(ours) == len(theirs), at
        for i, (a, b) in enumerate(zip(ours, theirs)):
            assert_same(a, b, slack, f"{at} {i}")
        return
    if ours is None or theirs is None:
        assert ours is theirs, at
        return
    assert (str(ours.dtype), ours.shape) == (str(theirs.dtype), theirs.shape), at
    tolerance = TOLERANCE.get(str(theirs.dtype), 0) * slack
    difference = np.abs(ours.astype(np.float64) - theirs)
    if not (difference <= tolerance * (1 + np.abs(theirs))).all():
        # Much slower, but NaN equals NaN, and it says what differs.
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=at)


def unlisted(recorded):
    """Arrays from their recorded dtype, shape and values, in dicts and lists."""
    if isinstance(recorded, dict):
        return {key: unlisted(value) for key, value in recorded.items()}
    if not recorded:
        return recorded
    if isinstance(recorded[0], str):
        dtype, shape, values = recorded
        return np.array(values, dtype).reshape(shape)
    return [unlisted(entry) for entry in recorded]


def exchange(source, target, tensor):
    """Load the weights of one library's module into the other's."""
    target.load_state_dict({k: tensor(np.array(v.numpy())) for k, v in source.state_dict().items()})


# ---- every row, against torch -------------------------------------------------------------------


@each_row
def test_results_are_torchs(row, torch):
    """Outputs, gradients of inputs and parameters, and the state, over several steps."""
    for dtype, steps in (("float64", 3), ("float32", 1)):
        with checking(row, dtype):
            for mode in row.modes:
                ours, theirs = (course(lib, row, mode, dtype, steps) for lib in (nnlite, torch))
                for i, (a, b) in enumerate(zip(ours, theirs)):
                    for what in b:
                        at = f"{dtype}, {mode}, step {i}, {what}"
                        assert_same(a[what], b[what], row.slack, at)


@each_row
def test_weights_go_either_way(row, torch):
    """What one library has drawn gives the same results in the other."""
    mine, theirs = row.make(Namespace(nnlite)), row.make(Namespace(torch))
    with checking(row, "state"):
        assert state_of(mine) == state_of(theirs)
        for source, target, tensor in ((theirs, mine, nnlite.tensor), (mine, theirs, torch.tensor)):
            exchange(source, target, tensor)
            results = [
                step(lib, module.to(lib.float64).eval(), row, row.inputs, "exchange")
                for lib, module in ((nnlite, mine), (torch, theirs))
            ]
            assert_same(results[0]["outputs"], results[1]["outputs"], row.slack)


@each_row
def test_printed_form_is_torchs(row, torch):
    with checking(row, "repr"):
        assert repr(row.make(Namespace(nnlite))) == repr(row.make(Namespace(torch)))


# ---- every row, against what torch gave ---------------------------------------------------------


@each_row
def test_results_are_what_torch_gave(row):
    slack = max(row.slack, 1000)  # 7 digits are recorded
    recorded = RECORDED[row.name]
    first = recorded[row.modes[0]]
    with checking(row, "float64"):
        for mode in row.modes:
            ours = course(nnlite, row, mode, steps=2)[1]
            # Only what differs is recorded: of the state from the start, of a mode from the first.
            for what, theirs in recorded.get(mode, {"outputs": first["outputs"]}).items():
                mine = {k: ours[what][k] for k in theirs} if what == "state" else ours[what]
                assert_same(mine, unlisted(theirs), slack, f"{mode}, {what}")


@each_row
def test_state_and_printed_form_are_what_torch_gave(row):
    recorded = RECORDED[row.name]
    module = row.make(Namespace(nnlite))
    with checking(row, "state"):
        assert [list(entry) for entry in state_of(module)] == recorded["state"]
    with checking(row, "repr"):
        assert repr(module) == recorded["repr"]


def test_reference_is_up_to_date():
    expected = [*(row.name for row in ROWS), "constructors"]
    assert list(RECORDED) == expected, "run scripts/record_references.py"


@pytest.mark.parametrize("name", LAYERS)
def test_constructors_have_the_arguments_that_torchs_had(name):
    recorded = RECORDED["constructors"][name]
    assert constructor(nn, name) == recorded or says_nothing(recorded)


@pytest.mark.parametrize("name", LAYERS)
def test_constructors_have_torchs_arguments(name, torch):
    theirs = constructor(torch.nn, name)
    assert constructor(nn, name) == theirs or says_nothing(theirs)


# ---- every row, by itself -----------------------------------------------------------------------


@each_row
def test_copies(row):
    """A deep copy and a pickled one do the same, and share nothing with what they were made of."""
    module = made(nnlite, row, row.modes[-1])
    expected = step(nnlite, copy.deepcopy(module), row, row.inputs, "copy")
    state = {name: value.numpy().tobytes() for name, value in module.state_dict().items()}
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(twin) is type(module)
        assert repr(twin) == repr(module)
        assert {n: v.numpy().tobytes() for n, v in twin.state_dict().items()} == state
        assert_same(step(nnlite, twin, row, row.inputs, "copy"), expected)
        for parameter in twin.parameters():
            nn.init.zeros_(parameter)
    assert {n: v.numpy().tobytes() for n, v in module.state_dict().items()} == state


@each_row
def test_no_grad_changes_nothing_but_the_graph(row):
    for mode in row.modes:
        expected = step(nnlite, made(nnlite, row, mode), row, row.inputs, "no_grad")
        module = made(nnlite, row, mode)
        with nnlite.no_grad():
            found = step(nnlite, module, row, row.inputs, "no_grad")
        assert_same(found["outputs"], expected["outputs"])
        assert_same(found["state"], expected["state"])
        assert all(g is None for g in found["input gradients"])


@each_row
def test_frozen_parameters(row):
    """Without gradients of the parameters those of the inputs are the same."""
    for mode in row.modes:
        expected = step(nnlite, made(nnlite, row, mode), row, row.inputs, "frozen")
        module = made(nnlite, row, mode).requires_grad_(False)
        found = step(nnlite, module, row, row.inputs, "frozen")
        for what in ("outputs", "input gradients"):
            assert_same(found[what], expected[what], at=what)
        assert all(g is None for g in found["parameter gradients"].values())


@each_row
def test_freeze_holds_every_byte(row):
    """In training too, parameters and running statistics; the layer then is the same function."""
    module = made(nnlite, row, "train").freeze()
    before = {name: value.numpy().tobytes() for name, value in module.state_dict().items()}
    found = step(nnlite, module, row, row.inputs, "freeze")
    assert {n: v.numpy().tobytes() for n, v in module.state_dict().items()} == before
    if any("running" in name for name in before):
        expected = step(nnlite, made(nnlite, row, "eval"), row, row.inputs, "freeze")
        assert_same(found["outputs"], expected["outputs"])


# ---- every public name --------------------------------------------------------------------------

# Layers whose equation is plain arithmetic, or that have none: nobody's to be named.
WITHOUT_SOURCE = {
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AvgPool1d",
    "AvgPool2d", "BCELoss", "BCEWithLogitsLoss", "Bilinear", "CircularPad1d", "CircularPad2d",
    "ConstantPad1d", "ConstantPad2d", "CosineEmbeddingLoss", "CosineSimilarity", "Embedding",
    "Flatten", "Fold", "Hardshrink", "Hardtanh", "HingeEmbeddingLoss", "Identity", "L1Loss",
    "LeakyReLU", "Linear", "LogSigmoid", "LogSoftmax", "MSELoss", "MarginRankingLoss", "MaxPool1d",
    "MaxPool2d", "ModuleDict", "ModuleList", "MultiLabelSoftMarginLoss", "NLLLoss",
    "PairwiseDistance", "ParameterDict", "ParameterList", "PoissonNLLLoss", "ReLU",
    "ReflectionPad1d", "ReflectionPad2d", "ReplicationPad1d", "ReplicationPad2d", "Sequential",
    "Sigmoid", "SoftMarginLoss", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink",
    "Softsign", "Tanh", "Tanhshrink", "Threshold", "TransformerDecoder",
    "TransformerEncoder", "Unflatten", "Unfold", "Upsample", "ZeroPad1d", "ZeroPad2d",
}  # fmt: skip
# What says which inputs a layer takes, and what comes out.
SHAPE = re.compile(r"\bshapes?\b|\([N…C],|\(…|\(N\)")


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_a_row(name):
    assert name in KINDS


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_documented(name):
    """Its own words: every argument, shapes, the source of an equation, a running example."""
    kind = getattr(nn, name)
    text = kind.__dict__.get("__doc__") or ""
    first, _, rest = text.partition("\n")
    assert first.endswith("."), "one sentence first"
    assert name in rest.partition(">>> ")[2], "an example"
    assert SHAPE.search(text) or not hasattr(kind, "forward") or name in CONTAINERS, "shapes"
    seen = [getattr(nn, other, None) for other in re.findall(r"see ``(\w+)``", text)]
    sourced = any("Source" in part for part in (text, *(other.__doc__ for other in seen if other)))
    assert sourced != (name in WITHOUT_SOURCE), "the source of the equation"
    options = constructor(nn, name)
    arguments = text.partition("    Args:\n")[2].partition("\n\n")[0]
    arguments = re.sub("\n {9,}", " ", arguments)
    for option, *_ in options:
        assert re.search(rf"^        ([\w, ]+, )?{option}(, [\w, ]+)?:", arguments, re.M), option
    for method, function in vars(kind).items():
        if inspect.isfunction(function) and method[0] != "_" and method not in INHERITED:
            assert function.__doc__, f"{method} has no documentation"


@pytest.mark.parametrize(
    "name", [f"{part}.{name}" for part in PARTS for name in getattr(nn, part).__all__]
)
def test_every_function_is_documented(name):
    part, _, function = name.partition(".")
    found = getattr(getattr(nn, part), function)
    if inspect.isfunction(found):
        assert (found.__doc__ or "").partition("\n")[0].endswith((".", ")"))
