"""Layers, losses, initial values: results, state, printed form, and wrong arguments."""

import copy
import math

import numpy as np
import pytest

import nnlite
from nnlite import nn

# How each module is made, for both libraries; each takes an input of shape (6, 4).
ACTIVATIONS = {
    "ReLU": lambda nn: nn.ReLU(),
    "ReLU in place": lambda nn: nn.ReLU(inplace=True),
    "LeakyReLU": lambda nn: nn.LeakyReLU(),
    "LeakyReLU in place": lambda nn: nn.LeakyReLU(0.2, True),
    "Tanh": lambda nn: nn.Tanh(),
    "Sigmoid": lambda nn: nn.Sigmoid(),
    "GELU": lambda nn: nn.GELU(),
    "GELU tanh": lambda nn: nn.GELU(approximate="tanh"),
    "Softplus": lambda nn: nn.Softplus(),
    "Softplus sharp": lambda nn: nn.Softplus(beta=3, threshold=2),
    "Softmax": lambda nn: nn.Softmax(dim=1),
    "LogSoftmax": lambda nn: nn.LogSoftmax(dim=0),
    "Identity": lambda nn: nn.Identity(3, unused=True),
    "Flatten": lambda nn: nn.Flatten(),
    "Flatten all": lambda nn: nn.Flatten(0, 1),
    "Unflatten": lambda nn: nn.Unflatten(1, (2, 2)),
    "Unflatten from the end": lambda nn: nn.Unflatten(-1, (-1, 2)),
    "Dropout": lambda nn: nn.Dropout(0.3).eval(),
    "Dropout of nothing": lambda nn: nn.Dropout(0.0),
    "Linear": lambda nn: nn.Linear(4, 3),
    "Linear without bias": lambda nn: nn.Linear(4, 3, bias=False),
    "BatchNorm1d": lambda nn: nn.BatchNorm1d(4),
    "BatchNorm1d without bias": lambda nn: nn.BatchNorm1d(4, bias=False),
    "BatchNorm1d cumulative": lambda nn: nn.BatchNorm1d(4, momentum=None),
    "BatchNorm1d plain": lambda nn: nn.BatchNorm1d(4, eps=0.1, affine=False),
    "BatchNorm1d of the batch": lambda nn: nn.BatchNorm1d(4, track_running_stats=False),
    "BatchNorm1d in evaluation": lambda nn: nn.BatchNorm1d(4).eval(),
    "BatchNorm1d of the batch in evaluation": (
        lambda nn: nn.BatchNorm1d(4, track_running_stats=False).eval()
    ),
}
LOGITS = np.random.default_rng(3).standard_normal((6, 4)) * 3
BINARY = (LOGITS > 0.5).astype(float)
CLASSES = np.array([0, 3, 1, 1, 2, 0])
LOSSES = {
    "BCEWithLogitsLoss": (lambda nn, t, r: nn.BCEWithLogitsLoss(reduction=r), LOGITS, BINARY),
    "BCEWithLogitsLoss weighted": (
        lambda nn, t, r: nn.BCEWithLogitsLoss(
            t([1.0, 2.0, 0.5, 3.0]), reduction=r, pos_weight=t([2.0, 1.0, 3.0, 0.1])
        ),
        LOGITS,
        BINARY,
    ),
    "BCELoss": (lambda nn, t, r: nn.BCELoss(reduction=r), 1 / (1 + np.exp(-LOGITS)), BINARY),
    "BCELoss weighted": (
        lambda nn, t, r: nn.BCELoss(t([1.0, 2.0, 0.5, 3.0]), reduction=r),
        1 / (1 + np.exp(-LOGITS)),
        BINARY,
    ),
    "MSELoss": (lambda nn, t, r: nn.MSELoss(reduction=r), LOGITS, LOGITS[::-1].copy()),
    "L1Loss": (lambda nn, t, r: nn.L1Loss(reduction=r), LOGITS, LOGITS[::-1].copy()),
    "CrossEntropyLoss": (lambda nn, t, r: nn.CrossEntropyLoss(reduction=r), LOGITS, CLASSES),
    "CrossEntropyLoss with everything": (
        lambda nn, t, r: nn.CrossEntropyLoss(
            t([1.0, 2.0, 0.5, 3.0]), ignore_index=1, reduction=r, label_smoothing=0.1
        ),
        LOGITS,
        CLASSES,
    ),
    "NLLLoss": (
        lambda nn, t, r: nn.NLLLoss(t([1.0, 2.0, 0.5, 3.0]), ignore_index=0, reduction=r),
        LOGITS,
        CLASSES,
    ),
}


def same(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-14)


# ---- against torch ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_layers_are_torchs(torch, name):
    mine = ACTIVATIONS[name](nn).double()
    theirs = ACTIVATIONS[name](torch.nn).double()
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    mine.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    for seed in (1, 2):
        x = np.random.default_rng(seed).standard_normal((6, 4))
        a = nnlite.tensor(x, requires_grad=True)
        b = torch.tensor(x, requires_grad=True)
        y, z = mine(a * 1.5), theirs(b * 1.5)
        same(y, z)
        slope = np.cos(np.arange(y.numel())).reshape(y.shape)
        y.backward(nnlite.tensor(slope))
        z.backward(torch.tensor(slope))
        same(a.grad, b.grad)
        for p, q in zip(mine.parameters(), theirs.parameters()):
            same(p.grad, q.grad)
        for (key, value), other in zip(mine.state_dict().items(), theirs.state_dict().values()):
            assert str(value.dtype) == str(other.dtype).removeprefix("torch."), key
            same(value, other)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (1, 2, 3, 4), (0, 4)])
def test_linear_takes_any_leading_dimensions(torch, shape):
    mine, theirs = nn.Linear(4, 3).double(), torch.nn.Linear(4, 3).double()
    mine.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal(shape)
    same(mine(nnlite.tensor(x)), theirs(torch.tensor(x)))


def test_batch_norm_of_sequences(torch):
    mine, theirs = nn.BatchNorm1d(4).double(), torch.nn.BatchNorm1d(4).double()
    x = np.random.default_rng(0).standard_normal((5, 4, 3))
    same(mine(nnlite.tensor(x)), theirs(torch.tensor(x)))
    same(mine.running_var, theirs.running_var)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_are_torchs(torch, name, reduction):
    make, x, y = LOSSES[name]
    mine = make(nn, lambda v: nnlite.tensor(v, dtype=nnlite.float64), reduction)
    theirs = make(torch.nn, lambda v: torch.tensor(v, dtype=torch.float64), reduction)
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    a = nnlite.tensor(x, requires_grad=True)
    b = torch.tensor(x, requires_grad=True)
    loss, other = mine(a, nnlite.tensor(y)), theirs(b, torch.tensor(y))
    same(loss, other)
    loss.sum().backward()
    other.sum().backward()
    same(a.grad, b.grad)


CONSTRUCTED = [
    "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "CrossEntropyLoss", "Dropout", "Flatten", "GELU",
    "Identity", "L1Loss", "LeakyReLU", "Linear", "LogSoftmax", "MSELoss", "ModuleDict",
    "ModuleList", "NLLLoss", "ReLU", "Softmax", "Softplus", "Unflatten",
]  # fmt: skip


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_constructors_have_torchs_arguments(torch, name):
    import inspect

    signatures = [inspect.signature(getattr(lib, name)) for lib in (nn, torch.nn)]
    mine, theirs = (
        [(p.name, p.kind, p.default) for p in s.parameters.values()] for s in signatures
    )
    assert mine == theirs


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
