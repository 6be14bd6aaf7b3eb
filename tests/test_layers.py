"""Every row of the tables of layers, and what rows cannot say: laws, wrong arguments."""

import copy
import json
import math
import pickle
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
REFERENCE = Path(__file__).parent / "reference" / "layers.json"
RECORDED = json.loads(REFERENCE.read_text(encoding="utf-8"))
# torch and NumPy add up in another order; a result is wrong when it differs by more than that.
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}

# What is no layer, and so has no row.
NOT_LAYERS = {"Module", "Parameter", "functional", "init", "utils"}
LAYERS = [name for name in nn.__all__ if name not in NOT_LAYERS]

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@contextmanager
def checking(row, check):
    """A check of a row; where the row says that it differs from torch, it must."""
    if check not in row.differs:
        yield
        return
    with pytest.raises(AssertionError):
        yield


def same(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-14)


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
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_results_are_torchs(row, dtype, torch):
    """Outputs, gradients of inputs and parameters, and the state, over several steps."""
    with checking(row, dtype):
        for mode in row.modes:
            ours, theirs = (course(lib, row, mode, dtype) for lib in (nnlite, torch))
            for i, (a, b) in enumerate(zip(ours, theirs)):
                for what in b:
                    assert_same(a[what], b[what], row.slack, f"{mode}, step {i}, {what}")


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
    with checking(row, "float64"):
        for mode in row.modes:
            ours = course(nnlite, row, mode, steps=2)[1]
            for what, theirs in RECORDED[row.name][mode].items():
                assert_same(ours[what], unlisted(theirs), slack, f"{mode}, {what}")


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


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_a_row(name):
    assert name in {row.kind for row in ROWS}


# ---- together ------------------------------------------------------------------------------------


def test_a_whole_network_is_torchs(torch):
    """A training of 20 steps, with everything in it, in float64."""

    def build(lib):
        n = lib.nn
        return n.Sequential(
            n.Linear(4, 8), n.BatchNorm1d(8), n.ReLU(inplace=True), n.Linear(8, 6, bias=False),
            n.GELU(), n.BatchNorm1d(6, momentum=None), n.Linear(6, 1),
        ).double()  # fmt: skip

    mine, theirs = build(nnlite), build(torch)
    mine.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    data = np.random.default_rng(0).standard_normal((20, 16, 4))
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3, "nesterov": True}
    for lib, model in ((nnlite, mine), (torch, theirs)):
        optimizer = lib.optim.SGD(model.parameters(), **options)
        loss_fn = lib.nn.BCEWithLogitsLoss(pos_weight=lib.tensor(2.0, dtype=lib.float64))
        for batch in data:
            x = lib.tensor(batch)
            optimizer.zero_grad()
            loss_fn(model(x), (x[:, :1] > 0).double()).backward()
            optimizer.step()
    for a, b in zip(mine.state_dict().values(), theirs.state_dict().values()):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


# ---- laws and recorded values -------------------------------------------------------------------


def test_linear_draws_its_weight_first_and_then_its_bias():
    nnlite.manual_seed(5)
    layer = nn.Linear(9, 4)
    rng = np.random.Generator(np.random.PCG64(5))
    for drawn in (layer.weight, layer.bias):
        expected = rng.random(drawn.shape, dtype=np.float32) * np.float32(2 / 3) - np.float32(1 / 3)
        np.testing.assert_allclose(drawn.detach().numpy(), expected, atol=1e-6)
    assert np.abs(nn.Linear(9, 1000).weight.numpy(force=True)).max() == pytest.approx(1 / 3, 1e-3)
    again = copy.deepcopy(layer)
    again.reset_parameters()
    assert again.weight.tolist() != layer.weight.tolist()


def test_linear_recorded():
    layer = nn.Linear(2, 2, dtype=nnlite.float64)
    layer.load_state_dict({"weight": np.array([[1.0, 2], [3, 4]]), "bias": np.array([0.5, -0.5])})
    y = layer(nnlite.tensor([[1.0, -1.0]], dtype=nnlite.float64))
    assert y.tolist() == [[-0.5, -1.5]]
    assert layer.weight.dtype == layer.bias.dtype == nnlite.float64
    assert nn.Linear(2, 1, False).bias is None
    with pytest.raises(RuntimeError, match="input has 3 features, weight expects 2"):
        layer(nnlite.zeros(1, 3).double())


def test_batch_norm_recorded():
    norm = nn.BatchNorm1d(2)
    y = norm(nnlite.tensor([[1.0, 10.0], [3.0, 30.0]]))
    np.testing.assert_allclose(y.detach().numpy(), [[-1, -1], [1, 1]], rtol=1e-5)
    np.testing.assert_allclose(norm.running_mean.numpy(), [0.2, 2.0], rtol=1e-6)
    np.testing.assert_allclose(norm.running_var.numpy(), [1.1, 20.9], rtol=1e-6)
    assert norm.num_batches_tracked.dtype == nnlite.int64
    assert norm.num_batches_tracked.item() == 1
    norm.reset_parameters()
    assert norm.running_mean.tolist() == [0.0, 0.0]
    assert norm.running_var.tolist() == [1.0, 1.0]
    assert norm.num_batches_tracked.item() == 0


def test_the_cumulative_average_is_the_mean_of_the_batches():
    norm = nn.BatchNorm1d(3, momentum=None).double()
    batches = [nnlite.randn(7, 3, dtype=nnlite.float64) for _ in range(5)]
    for batch in batches:
        norm(batch)
    means = np.mean([b.numpy().mean(axis=0) for b in batches], axis=0)
    variances = np.mean([b.numpy().var(axis=0, ddof=1) for b in batches], axis=0)
    np.testing.assert_allclose(norm.running_mean.numpy(), means, rtol=1e-12)
    np.testing.assert_allclose(norm.running_var.numpy(), variances, rtol=1e-12)


def test_evaluation_changes_nothing_and_no_grad_in_training_does():
    norm = nn.BatchNorm1d(2)
    with nnlite.no_grad():
        norm(nnlite.randn(4, 2))
    assert norm.num_batches_tracked.item() == 1
    norm.eval()(nnlite.randn(4, 2))
    assert norm.num_batches_tracked.item() == 1


def test_dropout_drops_and_scales():
    layer = nn.Dropout(0.25)
    x = nnlite.ones(10_000, requires_grad=True)
    y = layer(x)
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.75) < 0.02
    np.testing.assert_allclose(y.detach().numpy()[kept], 4 / 3, rtol=1e-6)
    y.sum().backward()
    assert np.array_equal(x.grad.numpy() != 0, kept)
    assert layer.eval()(x) is x
    nnlite.manual_seed(0)
    first = nn.Dropout(0.5)(nnlite.ones(8)).tolist()
    nnlite.manual_seed(0)
    assert nn.Dropout(0.5)(nnlite.ones(8)).tolist() == first


def test_in_place_activations_write_over_their_input():
    for layer, expected in ((nn.ReLU(True), [0.0, 2.0]), (nn.LeakyReLU(0.5, True), [-0.5, 2.0])):
        x = nnlite.tensor([-1.0, 2.0])
        assert layer(x) is x
        assert x.tolist() == expected
        w = nnlite.tensor([-1.0, 2.0], requires_grad=True)
        with pytest.raises(RuntimeError, match="leaf"):
            layer(w)
        with nnlite.no_grad():
            layer(w)
        assert w.tolist() == expected
        assert w.requires_grad


def test_losses_recorded():
    p = nnlite.tensor([0.9, 0.2, 0.5], dtype=nnlite.float64)
    y = nnlite.tensor([1.0, 0.0, 1.0], dtype=nnlite.float64)
    mean = -(math.log(0.9) + math.log(0.8) + math.log(0.5)) / 3
    assert nn.BCELoss()(p, y).item() == pytest.approx(mean, rel=1e-14)
    logits = (p / (1 - p)).log()
    assert nn.BCEWithLogitsLoss()(logits, y).item() == pytest.approx(mean, rel=1e-14)
    assert nn.MSELoss(reduction="sum")(p, y).item() == pytest.approx(0.01 + 0.04 + 0.25)
    assert nn.L1Loss()(p, y).item() == pytest.approx(0.8 / 3)
    assert nn.CrossEntropyLoss()(nnlite.zeros(2, 5), nnlite.tensor([1, 4])).item() == (
        pytest.approx(math.log(5))
    )


def test_weights_of_losses_are_buffers():
    loss = nn.BCEWithLogitsLoss(pos_weight=nnlite.tensor([2.0]))
    assert list(loss.state_dict()) == ["pos_weight"]
    assert loss.weight is None
    assert loss.double().pos_weight.dtype == nnlite.float64
    assert list(nn.CrossEntropyLoss(nnlite.ones(3)).state_dict()) == ["weight"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Linear(0, 1), ValueError, "Linear: in_features must be at least 1, got 0"),
        (lambda: nn.Linear(1, 2.5), TypeError, "Linear: out_features must be a whole number.*2.5"),
        (lambda: nn.Linear("a", 1), TypeError, "in_features .* got 'a'"),
        (lambda: nn.Linear(True, 1), TypeError, "in_features"),
        (lambda: nn.Linear(1, 1, device="cuda"), NotImplementedError, "cuda"),
        (lambda: nn.Dropout(1.5), ValueError, r"Dropout: p must be a probability in \[0, 1\].*1.5"),
        (lambda: nn.Dropout(float("nan")), ValueError, "Dropout"),
        (lambda: nn.BatchNorm1d(-3), ValueError, "BatchNorm1d: num_features.* got -3"),
        (lambda: nn.BatchNorm1d(3, eps=-1), ValueError, "eps must be at least 0, got -1"),
        (lambda: nn.BatchNorm1d(3, momentum=2), ValueError, r"momentum.*\[0, 1\].* got 2"),
        (lambda: nn.BatchNorm1d(3)(nnlite.ones(3)), ValueError, r"\(N, C\).* got \[3\]"),
        (lambda: nn.BatchNorm1d(3)(nnlite.ones(1, 3)), ValueError, "drop_last"),
        (lambda: nn.BatchNorm1d(3)(nnlite.ones(2, 4)), ValueError, "4 channels"),
        (lambda: nn.GELU("erf"), ValueError, "GELU: approximate must be one of 'none', 'tanh'"),
        (lambda: nn.Softplus(beta=0), ValueError, "Softplus: beta must be positive, got 0"),
        (lambda: nn.Unflatten(1, 4), TypeError, "Unflatten: unflattened_size .* got 4"),
        (lambda: nn.Unflatten(3, (2,))(nnlite.ones(2, 2)), IndexError, "dim 3"),
        (
            lambda: nn.MSELoss(reduction="avg"),
            ValueError,
            "MSELoss: reduction must be one of .*avg",
        ),
        (lambda: nn.BCEWithLogitsLoss(size_average=True), ValueError, "reduction='mean'"),
        (lambda: nn.BCEWithLogitsLoss(weight=2.0), TypeError, "'weight' must be a Tensor or None"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2), ValueError, "label_smoothing .* got 2"),
        (
            lambda: nn.MSELoss()(nnlite.ones(3, 1), nnlite.ones(3)),
            ValueError,
            r"target\.unsqueeze\(-1\)",
        ),
    ],
)
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---- initial values -----------------------------------------------------------------------------


def moments(tensor):
    values = tensor.detach().numpy().astype(float)
    return values.mean(), values.std(), np.abs(values).max()


def test_uniform_distributions():
    w = nn.Parameter(nnlite.empty(200, 300))
    for fill, bound in (
        (lambda: nn.init.uniform_(w, -2, 2), 2),
        (lambda: nn.init.xavier_uniform_(w, gain=2), 2 * math.sqrt(6 / 500)),
        (lambda: nn.init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(6 / 300)),
        (lambda: nn.init.kaiming_uniform_(w, mode="fan_out", a=1), math.sqrt(3 / 200)),
    ):
        assert fill() is w
        mean, std, largest = moments(w)
        assert abs(mean) < 0.02 * bound
        assert std == pytest.approx(bound / math.sqrt(3), rel=0.02)
        assert 0.99 * bound < largest <= bound * (1 + 1e-6)
        assert w.requires_grad
        assert w.is_leaf


def test_normal_distributions():
    w = nnlite.empty(200, 300)
    for fill, expected in (
        (lambda: nn.init.normal_(w, 1.0, 3.0), (1.0, 3.0)),
        (lambda: nn.init.xavier_normal_(w), (0, math.sqrt(2 / 500))),
        (lambda: nn.init.kaiming_normal_(w, nonlinearity="tanh"), (0, 5 / 3 / math.sqrt(300))),
    ):
        assert fill() is w
        mean, std, _ = moments(w)
        assert mean == pytest.approx(expected[0], abs=0.02 * expected[1])
        assert std == pytest.approx(expected[1], rel=0.02)
    nn.init.trunc_normal_(w, std=1.0, a=-1.0, b=0.5)
    values = w.numpy()
    assert values.min() >= -1
    assert values.max() <= 0.5
    # The mean of a normal distribution between a and b: (φ(a) - φ(b)) / (Φ(b) - Φ(a)).
    assert values.mean() == pytest.approx(-0.2064, abs=0.01)
    with pytest.raises(ValueError, match="choose wider limits"):
        nn.init.trunc_normal_(w, a=8, b=9)


def test_constants():
    w = nn.Parameter(nnlite.empty(2, 3))
    assert nn.init.ones_(w).tolist() == [[1.0] * 3] * 2
    assert nn.init.zeros_(w).tolist() == [[0.0] * 3] * 2
    assert nn.init.constant_(w, 0.5).tolist() == [[0.5] * 3] * 2
    assert nn.init.eye_(w).tolist() == [[1.0, 0, 0], [0, 1, 0]]


def test_a_generator_of_ones_own():
    before = nnlite.get_rng_state()
    draws = [
        nn.init.uniform_(nnlite.empty(3), generator=nnlite.Generator().manual_seed(4)).tolist()
        for _ in range(2)
    ]
    assert draws[0] == draws[1]
    assert nnlite.get_rng_state() == before


def test_gains_are_torchs(torch):
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain(
        "leaky_relu", 0.3
    )


def test_wrong_uses_of_init():
    for call, message in (
        (lambda: nn.init.kaiming_uniform_(nnlite.empty(3)), r"kaiming_uniform_: .*shape \[3\]"),
        (lambda: nn.init.xavier_normal_(nnlite.empty(3)), "xavier_normal_"),
        (lambda: nn.init.kaiming_normal_(nnlite.empty(3, 3), mode="in"), "'fan_in' or 'fan_out'"),
        (lambda: nn.init.calculate_gain("gelu"), "unknown nonlinearity 'gelu'; known are linear"),
        (lambda: nn.init.calculate_gain("leaky_relu", "x"), "slope"),
        (lambda: nn.init.eye_(nnlite.empty(3)), "two dimensions"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


# ---- gradients as a vector ----------------------------------------------------------------------


@pytest.mark.parametrize("p", [2.0, 1.0, 3, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_the_norm_is_torchs(torch, p, max_norm):
    gradients = [np.random.default_rng(0).standard_normal(shape) for shape in ((3, 2), (4,), ())]
    norms, clipped = [], []
    for lib in (nnlite, torch):
        params = [lib.tensor(np.zeros_like(g), requires_grad=True) for g in gradients]
        for param, g in zip(params, gradients):
            param.grad = lib.tensor(g)
        norms.append(lib.nn.utils.clip_grad_norm_(params, max_norm, p))
        clipped.append([param.grad for param in params])
    same(*norms)
    for a, b in zip(*clipped):
        same(a, b)


def test_clipping():
    w = nnlite.zeros(2, requires_grad=True)
    assert nn.utils.clip_grad_norm_([w], 1.0).item() == 0
    w.grad = nnlite.tensor([3.0, -4.0])
    # Given twice it is clipped once.
    assert nn.utils.clip_grad_norm_([w, w], 1.0).item() == 5
    np.testing.assert_allclose(w.grad.numpy(), [0.6, -0.8], rtol=1e-6)
    nn.utils.clip_grad_value_(w, 0.5)
    assert w.grad.tolist() == [0.5, -0.5]
    w.grad = nnlite.tensor([math.inf, 0.0])
    with pytest.raises(RuntimeError, match="inf"):
        nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
    with pytest.raises(ValueError, match="norm_type"):
        nn.utils.clip_grad_norm_([w], 1.0, norm_type=0)


@pytest.mark.parametrize(("p", "norm"), [(2.0, 600.0), (1.0, 1200.0), (3.0, 300 * 4 ** (1 / 3))])
def test_the_norm_of_half_precision_gradients_does_not_overflow(p, norm):
    w = nnlite.zeros(4, dtype=nnlite.float16, requires_grad=True)
    w.grad = nnlite.full((4,), 300.0, dtype=nnlite.float16)
    found = nn.utils.clip_grad_norm_([w], 2000.0, p)
    assert found.dtype == nnlite.float16
    assert found.item() == pytest.approx(norm, rel=1e-3)
    assert w.grad.tolist() == [300.0] * 4
    nn.utils.clip_grad_norm_([w], norm / 300, p)
    assert w.grad.tolist() == [1.0] * 4


def test_a_norm_beyond_half_precision_still_clips():
    w = nnlite.zeros(4, dtype=nnlite.float16, requires_grad=True)
    w.grad = nnlite.full((4,), 60000.0, dtype=nnlite.float16)
    assert nn.utils.clip_grad_norm_([w], 2.0).item() == math.inf
    np.testing.assert_allclose(w.grad.numpy(), [1.0] * 4, rtol=0.01)


def test_parameters_as_a_vector_and_back():
    layer = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.tolist() == [*layer.weight.reshape(-1).tolist(), *layer.bias.tolist()]
    nn.utils.vector_to_parameters(nnlite.arange(8.0), layer.parameters())
    assert layer.weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert layer.bias.tolist() == [6.0, 7.0]
    with pytest.raises(ValueError, match="8 elements"):
        nn.utils.vector_to_parameters(nnlite.arange(7.0), layer.parameters())
