"""Layers: what holds of them beyond the table, initial distributions, and wrong arguments."""

import copy
import math

import numpy as np
import pytest

import nnlite
from nnlite import nn


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


@pytest.mark.parametrize("layer", [nn.Dropout1d(0.4), nn.Dropout2d(0.4)], ids=["1d", "2d"])
def test_channels_are_dropped_as_a_whole(layer):
    space = (3,) if isinstance(layer, nn.Dropout1d) else (3, 2)
    y = layer(nnlite.ones(50, 20, *space)).numpy().reshape(50, 20, -1)
    assert (y == y[..., :1]).all()
    assert abs((y == 0).mean() - 0.4) < 0.05
    np.testing.assert_allclose(y[y != 0], 1 / 0.6, rtol=1e-6)


def test_alpha_dropout_keeps_mean_and_variance():
    y = nn.AlphaDropout(0.3)(nnlite.randn(400, 500)).numpy()
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.02


def test_same_padding_keeps_the_size_and_valid_adds_nothing():
    x = nnlite.zeros(1, 2, 9, 8)
    for mode in ("zeros", "reflect", "replicate", "circular"):
        same = nn.Conv2d(2, 1, (4, 3), padding="same", dilation=(2, 1), padding_mode=mode)
        assert same(x).shape == (1, 1, 9, 8)
        valid = nn.Conv2d(2, 1, (4, 3), padding="valid", padding_mode=mode)
        assert valid(x).shape == (1, 1, 6, 6)


def test_the_transposed_convolution_is_the_derivative_of_the_convolution():
    options = {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False}
    forward = nn.Conv2d(2, 5, **options).double()
    back = nn.ConvTranspose2d(5, 2, **options).double()
    back.load_state_dict(forward.state_dict())
    x = nnlite.randn(3, 2, 7, 7, dtype=nnlite.float64, requires_grad=True)
    y = forward(x)
    g = nnlite.randn(*y.shape, dtype=nnlite.float64)
    y.backward(g)
    np.testing.assert_allclose(back(g).detach().numpy(), x.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_normalisations_of_the_same_elements_agree():
    x = nnlite.randn(3, 4, 5, 2, dtype=nnlite.float64)
    per_channel = [
        nn.GroupNorm(4, 4).double()(x),
        nn.InstanceNorm2d(4, affine=True).double()(x),
        nn.LayerNorm((5, 2), elementwise_affine=False)(x),
        nn.BatchNorm2d(12).double()(x.reshape(1, 12, 5, 2)).reshape(3, 4, 5, 2),
    ]
    for y in per_channel[1:]:
        np.testing.assert_allclose(y.detach().numpy(), per_channel[0].detach().numpy(), atol=1e-12)


def test_instance_norm_learns_statistics_in_training_only():
    norm = nn.InstanceNorm1d(2, track_running_stats=True)
    x = nnlite.tensor([[[1.0, 3.0], [10.0, 30.0]]])
    norm(x)
    np.testing.assert_allclose(norm.running_mean.numpy(), [0.2, 2.0], rtol=1e-6)
    np.testing.assert_allclose(norm.running_var.numpy(), [1.1, 20.9], rtol=1e-6)
    norm.eval()(x)
    norm.train().freeze()(x)
    np.testing.assert_allclose(norm.running_mean.numpy(), [0.2, 2.0], rtol=1e-6)
    assert norm.frozen == ["running_mean", "running_var", "num_batches_tracked"]
    norm.unfreeze()(x)
    assert norm.running_mean[0].item() > 0.2
    with pytest.warns(UserWarning, match="num_features is 2, input has 3 channels"):
        nn.InstanceNorm1d(2)(nnlite.randn(1, 3, 4))


def test_old_files_may_lack_the_number_of_batches():
    for norm in (nn.BatchNorm2d(2), nn.InstanceNorm2d(2, track_running_stats=True)):
        state = norm.state_dict()
        del state["num_batches_tracked"]
        norm.load_state_dict(state)


def test_the_padding_row_is_zero_and_learns_nothing():
    layer = nn.Embedding(4, 3, padding_idx=-1)
    assert layer.padding_idx == 3
    assert layer.weight[3].tolist() == [0.0] * 3
    layer(nnlite.tensor([3, 0, 3])).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0] * 3, [0.0] * 3, [0.0] * 3, [0.0] * 3]


def test_a_pretrained_table_is_shared_and_frozen_unless_asked_otherwise():
    table = nnlite.tensor([[3.0, 4.0], [0.1, 0.0]])
    layer = nn.Embedding.from_pretrained(table, max_norm=1.0)
    assert not layer.weight.requires_grad
    # The result is scaled to the norm, but not a frozen table.
    np.testing.assert_allclose(layer(nnlite.tensor([0])).numpy(), [[0.6, 0.8]], rtol=1e-5)
    assert table[0].tolist() == [3.0, 4.0]
    layer.unfreeze()(nnlite.tensor([0]))
    np.testing.assert_allclose(table[0].numpy(), [0.6, 0.8], rtol=1e-5)
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


# ---- parameters in lists and dicts --------------------------------------------------------------


def test_a_list_of_parameters():
    one, two = nn.Parameter(nnlite.ones(2)), nnlite.zeros(3)
    held = nn.ParameterList([one])
    held += [two, "text"]
    assert len(held) == 3
    assert held[0] is one
    assert isinstance(held[1], nn.Parameter)
    assert held[-1] == "text"
    assert [name for name, _ in held.named_parameters()] == ["0", "1"]
    assert [type(part).__name__ for part in held[1:]] == ["Parameter", "str"]
    held[-1] = nnlite.ones(1)
    assert len(list(held.parameters())) == 3
    assert repr(nn.ParameterList([one, "text"])) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [float32 of size 2]\n"
        "    (1): Object of type: str\n"
        ")"
    )
    with pytest.raises(IndexError, match="ParameterList: index 3 is out of range, it holds 3"):
        held[3]
    with pytest.raises(RuntimeError, match="cannot be called"):
        held()


def test_a_dict_of_parameters():
    held = nn.ParameterDict({"right": nnlite.ones(2), "left": nnlite.zeros(1)})
    assert list(held) == ["left", "right"]  # sorted, as torch does
    held["more"] = nnlite.ones(3)
    assert list(held.state_dict()) == ["left", "right", "more"]
    assert "left" in held
    assert held.get("none", 5) == 5
    assert held.setdefault("left", None) is held["left"]
    assert held.popitem()[0] == "more"
    assert list(reversed(held)) == ["right", "left"]
    both = held | {"up": nnlite.ones(1)}
    assert list(both) == ["left", "right", "up"]
    assert both["left"] is held["left"]
    held |= {"up": nnlite.ones(1)}
    assert len(held) == 3
    assert list(held.fromkeys(["a", "b"], 1).items()) == [("a", 1), ("b", 1)]
    assert held.pop("up").tolist() == [1.0]
    del held["left"]
    assert [value.tolist() for value in held.values()] == [[1.0, 1.0]]
    held.clear()
    assert not list(held.parameters())
    for key, error in (("none", KeyError), ("keys", KeyError)):
        with pytest.raises(error, match=key):
            held[key] if key == "none" else held.update({key: nnlite.ones(1)})


# ---- initial values -----------------------------------------------------------------------------


def uniform(bound):
    """Mean, standard deviation and largest absolute value of U(-bound, bound)."""
    return 0.0, bound / math.sqrt(3), bound


INITIAL = {
    "Linear": (lambda nn: nn.Linear(64, 200), [uniform(1 / 8), uniform(1 / 8)]),
    "Bilinear": (lambda nn: nn.Bilinear(16, 40, 50), [uniform(1 / 4), uniform(1 / 4)]),
    "Conv1d": (lambda nn: nn.Conv1d(64, 200, 4, groups=4), [uniform(1 / 8), uniform(1 / 8)]),
    "Conv2d": (lambda nn: nn.Conv2d(16, 200, 2), [uniform(1 / 8), uniform(1 / 8)]),
    "ConvTranspose1d": (
        lambda nn: nn.ConvTranspose1d(40, 200, 2, groups=4),
        [uniform(0.1), uniform(0.1)],
    ),
    "ConvTranspose2d": (lambda nn: nn.ConvTranspose2d(9, 400, 1), [uniform(1 / 20)] * 2),
    "Embedding": (lambda nn: nn.Embedding(300, 100), [(0.0, 1.0, None)]),
    "PReLU": (lambda nn: nn.PReLU(30, init=0.1), [(0.1, 0.0, 0.1)]),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(30), [(1.0, 0.0, 1.0), (0.0, 0.0, 0.0)]),
    "GroupNorm": (lambda nn: nn.GroupNorm(3, 30), [(1.0, 0.0, 1.0), (0.0, 0.0, 0.0)]),
    "LayerNorm": (lambda nn: nn.LayerNorm(30), [(1.0, 0.0, 1.0), (0.0, 0.0, 0.0)]),
    "RMSNorm": (lambda nn: nn.RMSNorm(30), [(1.0, 0.0, 1.0)]),
}


def check_distributions(layer, expected):
    """The moments of each parameter, as far as chance allows; and that a reset draws again."""
    parameters = list(layer.parameters())
    assert len(parameters) == len(expected)
    for parameter, (mean, std, largest) in zip(parameters, expected):
        values = parameter.detach().numpy().astype(float)
        chance = 5 / math.sqrt(values.size)
        assert values.mean() == pytest.approx(mean, abs=chance * std + 1e-7)
        assert values.std() == pytest.approx(std, rel=chance, abs=1e-7)
        if largest is not None:
            assert np.abs(values).max() <= largest * (1 + 1e-6)
            assert np.abs(values).max() >= largest * (1 - 10 / values.size) - 1e-7


@pytest.mark.parametrize("name", INITIAL)
def test_initial_distributions(name):
    make, expected = INITIAL[name]
    layer = make(nn)
    check_distributions(layer, expected)
    for parameter in layer.parameters():
        nn.init.constant_(parameter, 7.0)
    layer.reset_parameters()
    check_distributions(layer, expected)


@pytest.mark.parametrize("name", INITIAL)
def test_initial_distributions_are_torchs(name, torch):
    make, expected = INITIAL[name]
    torch.manual_seed(0)
    check_distributions(make(torch.nn), expected)


# ---- wrong arguments ----------------------------------------------------------------------------

X = nnlite.ones
IMAGE = X(2, 4, 6, 6)

WRONG = [
    (lambda: nn.Linear(0, 1), ValueError, "Linear: in_features must be at least 1, got 0"),
    (lambda: nn.Linear(1, 2.5), TypeError, "Linear: out_features must be a whole number.*2.5"),
    (lambda: nn.Linear("a", 1), TypeError, "in_features .* got 'a'"),
    (lambda: nn.Linear(True, 1), TypeError, "in_features"),
    (lambda: nn.Linear(1, 1, device="cuda"), NotImplementedError, "cuda"),
    (lambda: nn.Dropout(1.5), ValueError, r"Dropout: p must be a probability in \[0, 1\].*1.5"),
    (lambda: nn.Dropout(float("nan")), ValueError, "Dropout: p .* got nan"),
    (lambda: nn.BatchNorm1d(-3), ValueError, "BatchNorm1d: num_features.* got -3"),
    (lambda: nn.BatchNorm1d(3, eps=-1), ValueError, "eps must be at least 0, got -1"),
    (lambda: nn.BatchNorm1d(3, momentum=2), ValueError, r"momentum.*\[0, 1\].* got 2"),
    (lambda: nn.BatchNorm1d(3)(nnlite.ones(3)), ValueError, r"\(N, C\).* got \[3\]"),
    (lambda: nn.BatchNorm1d(3)(nnlite.ones(1, 3)), ValueError, "drop_last"),
    (lambda: nn.BatchNorm1d(3)(nnlite.ones(2, 4)), ValueError, "4 channels"),
    (lambda: nn.GELU("erf"), ValueError, "GELU: approximate must be one of 'none', 'tanh'"),
    (lambda: nn.Softplus(beta=0), ValueError, "Softplus: beta must be positive, got 0"),
    (lambda: nn.Unflatten(1, 4), TypeError, "Unflatten: unflattened_size .* got 4"),
    (lambda: nn.Unflatten(3, (2,))(nnlite.ones(2, 2)), IndexError, "dimension 3"),
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
    # convolutions
    (lambda: nn.Conv2d(0, 1, 3), ValueError, "Conv2d: in_channels must be at least 1, got 0"),
    (lambda: nn.Conv1d(1, -2, 3), ValueError, "Conv1d: out_channels must be at least 1, got -2"),
    (lambda: nn.Conv2d(1, 1, 0), ValueError, "Conv2d: kernel_size must be at least 1, got 0"),
    (lambda: nn.Conv2d(1, 1, (3, 3, 3)), ValueError, r"kernel_size .* a tuple of 2, got \(3, 3, 3"),
    (lambda: nn.Conv2d(1, 1, 2.5), TypeError, "kernel_size must be a whole number, got 2.5"),
    (lambda: nn.Conv2d(1, 1, 3, stride=0), ValueError, "stride must be at least 1, got 0"),
    (lambda: nn.Conv2d(1, 1, 3, padding=-1), ValueError, "padding must be at least 0, got -1"),
    (
        lambda: nn.Conv2d(1, 1, 3, padding="full"),
        ValueError,
        "padding .*'same', 'valid', got 'full'",
    ),
    (lambda: nn.Conv2d(1, 1, 3, 2, padding="same"), ValueError, "padding='same' .* stride 2"),
    (lambda: nn.Conv2d(1, 1, 3, dilation=0), ValueError, "dilation must be at least 1, got 0"),
    (lambda: nn.Conv2d(4, 6, 3, groups=0), ValueError, "groups must be at least 1, got 0"),
    (lambda: nn.Conv2d(4, 6, 3, groups=3), ValueError, "in_channels .* by groups, got 4 and 3"),
    (lambda: nn.Conv1d(4, 6, 3, groups=4), ValueError, "out_channels .* by groups, got 6 and 4"),
    (
        lambda: nn.Conv2d(1, 1, 3, padding_mode="wrap"),
        ValueError,
        "padding_mode must be one of 'zeros', 'reflect', 'replicate', 'circular', got 'wrap'",
    ),
    (lambda: nn.Conv2d(1, 1, 3, device="cuda"), NotImplementedError, "cuda"),
    (lambda: nn.Conv2d(4, 1, 3)(X(1, 2, 4, 6, 6)), RuntimeError, r"conv2d: .*\[1, 2, 4, 6, 6\]"),
    (lambda: nn.Conv2d(4, 1, 3)(X(6, 6)), RuntimeError, r"\(N, C, H, W\) or \(C, H, W\).*\[6, 6\]"),
    (lambda: nn.Conv1d(4, 1, 3)(IMAGE), RuntimeError, r"conv1d: .*\(N, C, L\) or \(C, L\)"),
    (lambda: nn.Conv2d(3, 1, 3)(IMAGE), RuntimeError, "takes 3 channels .* has 4 channels"),
    (lambda: nn.Conv2d(4, 1, 7)(IMAGE), RuntimeError, "does not fit"),
    (lambda: nn.Conv2d(4, 1, 3)(IMAGE.double()), RuntimeError, "float32, float64"),
    (lambda: nn.ConvTranspose2d(1, 1, 3, padding="same"), TypeError, "padding .* got 'same'"),
    (lambda: nn.ConvTranspose1d(1, 1, 3, padding_mode="reflect"), ValueError, "'zeros', got"),
    (lambda: nn.ConvTranspose2d(1, 1, 3, output_padding=1), ValueError, "output_padding .*got 1"),
    (
        lambda: nn.ConvTranspose2d(4, 1, 3, stride=2)(IMAGE, output_size=[20, 20]),
        ValueError,
        r"output_size must lie between \[13, 13\] and \[14, 14\] .* got \[20, 20\]",
    ),
    # pools
    (lambda: nn.MaxPool2d(0), ValueError, "MaxPool2d: kernel_size must be at least 1, got 0"),
    (lambda: nn.MaxPool1d(2, stride=-1), ValueError, "MaxPool1d: stride must be at least 1"),
    (lambda: nn.MaxPool2d(2, dilation=0), ValueError, "MaxPool2d: dilation must be at least 1"),
    (lambda: nn.MaxPool2d(2, padding=2), ValueError, "padding must be at most half .* got 2 and 2"),
    (lambda: nn.AvgPool2d((2, 2, 2)), ValueError, "AvgPool2d: kernel_size .* tuple of 2"),
    (lambda: nn.AvgPool1d(2.0), TypeError, "AvgPool1d: kernel_size .* got 2.0"),
    (lambda: nn.AvgPool2d(2, divisor_override=0), ValueError, "divisor_override must not be 0"),
    (lambda: nn.AdaptiveAvgPool2d(0), ValueError, "AdaptiveAvgPool2d: output_size .* got 0"),
    (lambda: nn.AdaptiveMaxPool2d((1, 2, 3)), ValueError, "output_size .* a tuple of 2"),
    (lambda: nn.MaxPool2d(2)(X(1, 1, 4, 6, 6)), RuntimeError, r"max_pool2d: .*\[1, 1, 4, 6, 6\]"),
    (lambda: nn.AvgPool1d(2)(IMAGE), RuntimeError, r"avg_pool1d: expected the shape \(N, C, L\)"),
    (lambda: nn.MaxPool2d(9)(IMAGE), RuntimeError, "does not fit"),
    # normalisations
    (
        lambda: nn.BatchNorm2d(4)(X(2, 4, 6)),
        ValueError,
        r"BatchNorm2d: .*\(N, C, H, W\).*\[2, 4, 6",
    ),
    (lambda: nn.BatchNorm2d(4)(X(2, 4, 1, 6, 6)), ValueError, r"BatchNorm2d: .*\[2, 4, 1, 6, 6\]"),
    (lambda: nn.BatchNorm1d(4)(IMAGE), ValueError, r"BatchNorm1d: .*\(N, C\) or \(N, C, L\)"),
    (lambda: nn.BatchNorm2d(3)(IMAGE), ValueError, "4 channels"),
    (
        lambda: nn.InstanceNorm2d(4)(X(4, 6)),
        ValueError,
        r"\(C, H, W\) or \(N, C, H, W\), got \[4, 6\]",
    ),
    (lambda: nn.InstanceNorm1d(4)(X(2, 4, 1)), ValueError, "more than one value"),
    (
        lambda: nn.InstanceNorm2d(3, affine=True)(IMAGE),
        ValueError,
        "num_features is 3, input has 4",
    ),
    (lambda: nn.InstanceNorm1d(0), ValueError, "InstanceNorm1d: num_features .* got 0"),
    (
        lambda: nn.LayerNorm([]),
        ValueError,
        r"LayerNorm: normalized_shape must not be empty, got \[\]",
    ),
    (lambda: nn.LayerNorm((3, 0)), ValueError, "normalized_shape must be at least 1, got 0"),
    (lambda: nn.LayerNorm(3, eps=-1), ValueError, "LayerNorm: eps must be at least 0, got -1"),
    (lambda: nn.LayerNorm(3)(X(2, 4)), RuntimeError, r"normalized_shape \[3\] .* \[2, 4\]"),
    (lambda: nn.RMSNorm("4"), TypeError, "RMSNorm: normalized_shape must be a whole .* got '4'"),
    (lambda: nn.GroupNorm(3, 4), ValueError, "num_channels .* by num_groups, got 4 and 3"),
    (lambda: nn.GroupNorm(0, 4), ValueError, "GroupNorm: num_groups must be at least 1, got 0"),
    (
        lambda: nn.GroupNorm(2, 6)(IMAGE),
        ValueError,
        r"GroupNorm: .*\(N, 6, …\), got \[2, 4, 6, 6\]",
    ),
    # embeddings and dropouts
    (lambda: nn.Embedding(0, 3), ValueError, "Embedding: num_embeddings must be at least 1, got 0"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), ValueError, "padding_idx .* from -3 to 2, got 3"),
    (lambda: nn.Embedding(3, 2, max_norm=0), ValueError, "max_norm must be positive, got 0"),
    (lambda: nn.Embedding(3, 2, sparse=True), NotImplementedError, "sparse is not available"),
    (lambda: nn.Embedding(3, 2, _weight=X(2, 2)), ValueError, r"shape \[3, 2\], got \[2, 2\]"),
    (lambda: nn.Embedding.from_pretrained(X(3)), ValueError, r"embeddings .* got \[3\]"),
    (lambda: nn.Embedding(3, 2)(nnlite.tensor([3])), IndexError, "3 .* table of 3 rows"),
    (lambda: nn.Embedding(3, 2)(X(2)), RuntimeError, r"indices .* float32; use input.long\(\)"),
    (lambda: nn.Dropout2d(-0.1), ValueError, r"Dropout2d: p .* \[0, 1\], got -0.1"),
    (lambda: nn.AlphaDropout("0.1"), TypeError, "AlphaDropout: p must be a number, got '0.1'"),
    (lambda: nn.Dropout1d()(IMAGE), RuntimeError, r"dropout1d: .*\[2, 4, 6, 6\]"),
    (lambda: nn.Dropout2d()(X(2, 4)), RuntimeError, r"dropout2d: .*\[2, 4\]"),
    # activations
    (lambda: nn.PReLU(0), ValueError, "PReLU: num_parameters must be at least 1, got 0"),
    (lambda: nn.PReLU(3)(IMAGE), RuntimeError, "one for each of 4 channels"),
    (lambda: nn.ELU(alpha="1"), TypeError, "ELU: alpha must be a number, got '1'"),
    (lambda: nn.CELU(0), ValueError, "CELU: alpha must not be 0"),
    (lambda: nn.Hardtanh(1, -1), ValueError, "min_val must be less than max_val, got 1 and -1"),
    (lambda: nn.Hardtanh(min_value=0), ValueError, "replaced by min_val and max_val"),
    (lambda: nn.Softshrink(-1), ValueError, "Softshrink: lambd must be at least 0, got -1"),
    (lambda: nn.GLU()(X(2, 3)), RuntimeError, "glu"),
    (lambda: nn.Softmax2d()(X(2, 3)), ValueError, r"Softmax2d: .*got \[2, 3\]"),
    # pads and sizes
    (lambda: nn.ZeroPad2d((1, 2)), ValueError, r"ZeroPad2d: padding .* a tuple of 4, got \(1, 2\)"),
    (lambda: nn.ReflectionPad1d(1.5), TypeError, "ReflectionPad1d: padding .* got 1.5"),
    (lambda: nn.ConstantPad1d(1, "0"), TypeError, "ConstantPad1d: value must be a number, got '0'"),
    (lambda: nn.ReflectionPad2d(6)(IMAGE), RuntimeError, "6 elements of mode 'reflect'"),
    (lambda: nn.ReflectionPad2d(1)(X(1, 1, 4, 6, 6)), ValueError, r"ReflectionPad2d: .*\[1, 1, 4"),
    (lambda: nn.CircularPad1d(1)(IMAGE), ValueError, r"CircularPad1d: .*\(N, C, L\) or \(C, L\)"),
    (lambda: nn.Upsample(), ValueError, "give one of size and scale_factor, got None and None"),
    (lambda: nn.Upsample(2, 2), ValueError, "give one of size and scale_factor, got 2 and 2"),
    (lambda: nn.Upsample(scale_factor=0), ValueError, "scale_factor must be positive, got 0"),
    (lambda: nn.Upsample(2, mode="cubic"), ValueError, "mode must be one of .*'area', got 'cubic'"),
    (lambda: nn.Upsample(2)(X(2, 3)), NotImplementedError, r"\(N, C, H, W\), .*\[2, 3\]"),
    (lambda: nn.PixelShuffle(0), ValueError, "upscale_factor must be at least 1, got 0"),
    (lambda: nn.PixelShuffle(3)(IMAGE), RuntimeError, r"divisible by 3², got \[2, 4, 6, 6\]"),
    (lambda: nn.PixelUnshuffle(4)(IMAGE), RuntimeError, "H and W divisible by 4"),
    (lambda: nn.Unfold((2, 2), stride=0), ValueError, "Unfold: stride must be at least 1, got 0"),
    (lambda: nn.Fold((4, 4), 2)(X(1, 7, 9)), RuntimeError, "fold"),
    (lambda: nn.Bilinear(2, 0, 1), ValueError, "Bilinear: in2_features must be at least 1, got 0"),
    (lambda: nn.Bilinear(2, 3, 1)(X(4, 2), X(4, 2)), RuntimeError, r"bilinear: .*\[4, 2\]"),
    (lambda: nn.CosineSimilarity(dim=0.5), TypeError, "CosineSimilarity: dim .* got 0.5"),
    (
        lambda: nn.PairwiseDistance(p="2"),
        TypeError,
        "PairwiseDistance: p must be a number, got '2'",
    ),
    (lambda: nn.ParameterList(X(2)), TypeError, "ParameterList: values must be several"),
    (lambda: nn.ParameterDict({"a.b": X(2)}), KeyError, "a.b"),
    (lambda: nn.ParameterDict([(1, X(2))]), TypeError, "must be a string, got 1"),
    (lambda: nn.ParameterDict(3), TypeError, "a mapping or pairs"),
    # losses
    (lambda: nn.KLDivLoss(reduction="average"), ValueError, "'batchmean', .* got 'average'"),
    (lambda: nn.SmoothL1Loss(beta=-1), ValueError, "beta must be at least 0, got -1"),
    (lambda: nn.HuberLoss(delta=0), ValueError, "HuberLoss: delta must be positive, got 0"),
    (lambda: nn.GaussianNLLLoss(eps=0), ValueError, "eps must be positive, got 0"),
    (lambda: nn.GaussianNLLLoss()(X(2), X(2), -X(2)), ValueError, "negative, found -1"),
    (lambda: nn.TripletMarginLoss(margin=0), ValueError, "margin must be positive, got 0"),
    (lambda: nn.TripletMarginLoss(p=-1), ValueError, "p must be at least 0, got -1"),
    (lambda: nn.NLLLoss(ignore_index=1.5), TypeError, "NLLLoss: ignore_index .* got 1.5"),
    (lambda: nn.CosineEmbeddingLoss()(X(2, 3), X(2, 3), X(3)), ValueError, r"\[2, 3\] and \[3\]"),
    (lambda: nn.MarginRankingLoss()(X(2), X(3), X(2)), ValueError, "margin_ranking_loss"),
    (lambda: nn.HuberLoss()(X(2, 1), X(2)), ValueError, "huber_loss"),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG)
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


EMPTY = [
    (lambda nn: nn.BatchNorm1d(4), (0, 4)),
    (lambda nn: nn.BatchNorm2d(4, momentum=None), (0, 4, 3, 2)),
    (lambda nn: nn.BatchNorm2d(4, affine=False, track_running_stats=False), (0, 4, 3, 2)),
    (lambda nn: nn.InstanceNorm2d(4), (0, 4, 3, 2)),
    (lambda nn: nn.AdaptiveMaxPool1d(2), (0, 4, 5)),
    (lambda nn: nn.AdaptiveMaxPool2d((2, 3)), (0, 4, 5, 5)),
    (lambda nn: nn.Unfold(2, stride=2), (0, 4, 6, 4)),
    (lambda nn: nn.Fold((6, 4), 2, stride=2), (0, 8, 6)),
    (lambda nn: nn.Unflatten(-1, (2, -1)), (0, 4, 6)),
]


@pytest.mark.parametrize(("make", "shape"), EMPTY, ids=lambda x: None)
def test_a_batch_of_nothing(make, shape, torch):
    """The output is empty and of the right shape, gradients are 0, statistics stay as they are."""
    for train in (True, False):
        found = []
        for lib in (nnlite, torch):
            module = make(lib.nn).train(train)
            x = lib.zeros(shape, requires_grad=True)
            y = module(x)
            y.sum().backward()
            grads = [p.grad.tolist() for p in module.parameters()]
            state = [(name, value.tolist()) for name, value in module.state_dict().items()]
            found.append((list(y.shape), list(x.grad.shape), grads, state))
        assert found[0] == found[1]


def test_running_statistics_of_an_instance_norm_are_not_moved_by_nothing():
    layer = nn.InstanceNorm1d(2, track_running_stats=True)
    layer(nnlite.zeros(0, 2, 3))
    assert layer.running_mean.tolist() == [0.0, 0.0]
    assert layer.running_var.tolist() == [1.0, 1.0]
