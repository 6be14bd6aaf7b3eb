"""Recurrent layers and cells: fused against composed, wrong arguments, dropout, frozen parts."""

import copy
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.autograd import gradcheck
from nnlite.ops import recurrent

KINDS = {"RNN": 1, "GRU": 3, "LSTM": 4}


def composed(kind, x, first, weights, relu=False):
    """A layer of single operators, step by step: the states after each step."""
    w_ih, w_hh, b_ih, b_hh = weights
    h, c = first[0], first[-1]
    outputs = []
    for step in x:
        a, b = step @ w_ih.T + b_ih, h @ w_hh.T + b_hh
        if kind == "RNN":
            h = (a + b).relu() if relu else (a + b).tanh()
        elif kind == "LSTM":
            i, f, g, o = (a + b).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        else:
            size = h.shape[1]
            r = (a[:, :size] + b[:, :size]).sigmoid()
            z = (a[:, size : 2 * size] + b[:, size : 2 * size]).sigmoid()
            n = (a[:, 2 * size :] + r * b[:, 2 * size :]).tanh()
            h = (1 - z) * n + z * h
        outputs.append((h, c))
    return [nnlite.stack(states) for states in zip(*outputs)]


def operands(kind, dtype=nnlite.float64, steps=4):
    rng = np.random.default_rng(0)
    gates = KINDS[kind]
    shapes = [(steps, 3, 2), (3, 5), (3, 5), (gates * 5, 2), (gates * 5, 5), *[(gates * 5,)] * 2]
    return [nnlite.tensor(rng.standard_normal(s), dtype=dtype).requires_grad_() for s in shapes]


def fused(kind, tensors, reverse=False, relu=False):
    x, h, c, *weights = tensors
    if kind == "LSTM":
        return recurrent.lstm_layer(x, h, c, tuple(weights), reverse)
    if kind == "GRU":
        return (recurrent.gru_layer(x, h, tuple(weights), reverse),)
    return (recurrent.rnn_layer(x, h, tuple(weights), "relu" if relu else "tanh", reverse),)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("kind", "relu"), [("RNN", False), ("RNN", True), ("GRU", False), ("LSTM", False)]
)
def test_fused_layers_are_what_their_steps_are(kind, relu, reverse):
    results = []
    for whole in (True, False):
        tensors = operands(kind)
        x, h, c, *weights = tensors
        if whole:
            states = fused(kind, tensors, reverse, relu)
        else:
            turned = x.flip(0) if reverse else x
            states = composed(kind, turned, (h, c), weights, relu)
            states = [s.flip(0) if reverse else s for s in states][: 2 if kind == "LSTM" else 1]
        total = sum((s * s * (k + 1)).sum() for k, s in enumerate(states))
        total.backward()
        unused = kind != "LSTM"
        grads = [t.grad for t in tensors if not (unused and t is c)]
        results.append([*states, *grads])
    for a, b in zip(*results):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-11, atol=1e-12)


def test_gradient_of_the_last_cell_alone():
    tensors = operands("LSTM")
    assert gradcheck(lambda *t: fused("LSTM", t)[1][-1], tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_large_values_saturate(kind):
    """σ and tanh of large values are 0 or 1 without a warning, and the gradients are finite."""
    tensors = operands(kind, nnlite.float32)
    with nnlite.no_grad():
        tensors[0].mul_(1e4)
    states = fused(kind, tensors)
    sum(s.sum() for s in states).backward()
    for tensor in (*states, *(t.grad for t in tensors if t.grad is not None)):
        assert np.isfinite(tensor.detach().numpy()).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_frozen_is_not_computed(kind, monkeypatch):
    """Products for frozen weights and inputs are left out."""
    shapes = []
    dot = np.dot

    def counted(a, b, *args):
        result = dot(a, b, *args)
        shapes.append(result.shape)
        return result

    tensors = operands(kind)
    x, h, c, w_ih, w_hh, b_ih, b_hh = tensors
    for frozen in (x, h, c, w_ih, w_hh):
        frozen.requires_grad_(False)
    (y, *_) = fused(kind, tensors)
    monkeypatch.setattr(np, "dot", counted)
    y.sum().backward()
    assert not shapes
    assert all(t.grad is None for t in (x, h, c, w_ih, w_hh))
    assert b_ih.grad is not None
    assert b_hh.grad is not None


def test_nothing_is_recorded_where_nothing_is_trained():
    lstm = nn.LSTM(2, 3).freeze()
    y, (h, c) = lstm(nnlite.ones(4, 2, 2))
    assert y.grad_fn is h.grad_fn is c.grad_fn is None


def test_changing_the_output_in_place_raises():
    y, _ = nn.GRU(2, 3)(nnlite.ones(4, 2, 2))
    with pytest.raises(RuntimeError, match="in place"):
        y.mul_(2)


def test_a_second_backward_through_kept_states_says_what_to_do():
    rnn = nn.RNN(2, 3)
    x = nnlite.ones(4, 1, 2)
    _, h = rnn(x)
    h.sum().backward()
    _, again = rnn(x, h)
    with pytest.raises(RuntimeError, match="a hidden state"):
        again.sum().backward()
    rnn(x, h.detach())[1].sum().backward()


@pytest.mark.parametrize("kind", KINDS)
def test_memory_that_is_used_again_is_nobody_elses(kind):
    """Layers of several sizes, forward and backward in turn, in two threads: as one by one."""
    layers = [getattr(nn, kind)(2, size).double() for size in (3, 5, 4)]
    inputs = [nnlite.randn(n, 2, 2, dtype=nnlite.float64).requires_grad_() for n in (4, 2, 6)]

    def gradients():
        tensors = [*inputs, *(p for layer in layers for p in layer.parameters())]
        return [t.grad.numpy().copy() for t in tensors]

    def clear():
        for tensor in (*inputs, *(p for layer in layers for p in layer.parameters())):
            tensor.grad = None

    for layer, x in zip(layers, inputs):
        layer(x)[0].sum().backward()
    expected = gradients()
    clear()
    outputs = [layer(x)[0] for layer, x in zip(layers, inputs)]
    for y in outputs[::-1]:
        y.sum().backward()
    in_turn = gradients()
    clear()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda pair: pair[0](pair[1])[0].sum().backward(), zip(layers, inputs)))
    for a, b, c in zip(expected, in_turn, gradients()):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


# ---- layers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_initial_values(kind):
    nnlite.manual_seed(0)
    layer = getattr(nn, kind)(20, 100)
    for parameter in layer.parameters():
        values = np.abs(parameter.detach().numpy())
        assert 0.095 < values.max() <= 0.1
        assert values.mean() == pytest.approx(0.05, rel=0.15)
    assert layer.flatten_parameters() is None
    assert [len(weights) for weights in layer.all_weights] == [4]
    assert layer.all_weights[0][0] is layer.weight_ih_l0


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_step_by_step_is_the_layer(kind):
    layer, cell = getattr(nn, kind)(3, 2).double(), getattr(nn, f"{kind}Cell")(3, 2).double()
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = nnlite.randn(4, 5, 3, dtype=nnlite.float64)
    y, _ = layer(x)
    state = None
    for step, expected in zip(x, y):
        state = cell(step, state)
        found = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_between_layers_in_training_only(kind):
    nnlite.manual_seed(0)
    layer = getattr(nn, kind)(3, 40, num_layers=2, dropout=0.4)
    x = nnlite.randn(50, 20, 3)
    twin = copy.deepcopy(layer)
    twin.dropout = 0.0
    assert nnlite.equal(layer.eval()(x)[0], twin(x)[0])
    layer.train()
    # Where the second layer passes its input on, what was dropped shows.
    for name, parameter in layer.named_parameters():
        if "l1" in name:
            nn.init.zeros_(parameter)
    size = {"RNN": slice(0, 40), "GRU": slice(80, 120), "LSTM": slice(80, 120)}[kind]
    with nnlite.no_grad():
        layer.weight_ih_l1[size] = nnlite.eye(40)
        if kind == "LSTM":
            layer.bias_ih_l1[:40] = 50.0  # i = 1
            layer.bias_ih_l1[120:] = 50.0  # o = 1
    outputs = []
    for seed in (1, 1, 2):
        nnlite.manual_seed(seed)
        outputs.append(layer(x)[0].detach().numpy())
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert (outputs[0] != outputs[2]).any()
    first = outputs[0][0]  # of the first step, so that no state is mixed in
    assert (first == 0).mean() == pytest.approx(0.4, abs=0.06)
    lower = layer.__class__(3, 40)
    lower.load_state_dict({k: v for k, v in layer.state_dict().items() if k.endswith("l0")})
    below = lower(x)[0][0].detach().numpy() / 0.6
    factor = 0.5 if kind == "GRU" else 1.0  # z = 1/2
    expected = np.tanh(np.tanh(below) if kind == "LSTM" else below) * factor
    kept = first != 0
    np.testing.assert_allclose(first[kept], expected[kept], rtol=2e-3, atol=1e-4)


def test_packed_sequences_do_not_see_padding():
    lstm = nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    x = nnlite.randn(5, 3, 2)
    pack = nn.utils.rnn.pack_padded_sequence
    results = []
    for filler in (0.0, 7.0):
        filled = x.clone()
        filled[2:, 1] = filler
        filled[4:, 2] = filler
        y, (h, c) = lstm(pack(filled, [5, 2, 4], enforce_sorted=False))
        results.append([y.data, h, c])
    for a, b in zip(*results):
        assert nnlite.equal(a, b)
    alone, (h, _) = lstm(x[:2, 1])
    np.testing.assert_allclose(h.detach().numpy(), results[0][1][:, 1].detach().numpy(), rtol=1e-5)
    assert alone.shape == (2, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_take_initial_states(torch, kind):
    rng = np.random.default_rng(0)
    mine, theirs = getattr(nn, kind)(2, 3).double(), getattr(torch.nn, kind)(2, 3).double()
    mine.load_state_dict({k: nnlite.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x, h, c = (rng.standard_normal(s) for s in ((5, 3, 2), (1, 3, 3), (1, 3, 3)))
    found = []
    for lib, layer in ((nnlite, mine), (torch, theirs)):
        packed = lib.nn.utils.rnn.pack_padded_sequence(
            lib.tensor(x), [2, 5, 4], enforce_sorted=False
        )
        hx = lib.tensor(h)
        y, last = layer(packed, (hx, lib.tensor(c)) if kind == "LSTM" else hx)
        found.append([y.data, *(last if kind == "LSTM" else [last])])
    for a, b in zip(*found):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


# ---- wrong uses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", "Cell"])
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_arguments(kind, suffix):
    make = getattr(nn, kind + suffix)
    for arguments, error, message in (
        ((3, 0), ValueError, "hidden_size must be at least 1, got 0"),
        ((3, -2), ValueError, "hidden_size must be at least 1, got -2"),
        ((3, 2.5), TypeError, "hidden_size must be a whole number, got 2.5"),
        ((0, 2), ValueError, "input_size must be at least 1, got 0"),
    ):
        with pytest.raises(error, match=f"{kind}{suffix}: {message}"):
            make(*arguments)
    if suffix:
        return
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        make(3, 2, 0)
    with pytest.raises(ValueError, match=r"dropout .*1\.5"):
        make(3, 2, 2, dropout=1.5)
    with pytest.warns(UserWarning, match="dropout=0.5 has no effect: it drops between layers"):
        make(3, 2, dropout=0.5)


def test_wrong_options():
    for make in (nn.RNN, nn.RNNCell):
        with pytest.raises(ValueError, match="nonlinearity must be one of 'tanh', 'relu', got 'x'"):
            make(3, 2, nonlinearity="x")
    with pytest.raises(NotImplementedError, match="proj_size=1 is not available"):
        nn.LSTM(3, 2, proj_size=1)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_inputs(kind):
    layer, cell = getattr(nn, kind)(3, 2), getattr(nn, f"{kind}Cell")(3, 2)
    z = nnlite.zeros

    def states(*shape):
        return (z(shape), z(shape)) if kind == "LSTM" else z(shape)

    for call, error, message in (
        (lambda: layer(z(4)), ValueError, r"2 dimensions .* or 3, got \[4\]"),
        (lambda: layer(z(1, 2, 3, 3)), ValueError, r"got \[1, 2, 3, 3\]"),
        (lambda: layer(z(4, 2, 5)), RuntimeError, "5 features, input_size is 3"),
        (lambda: layer(z(4, 5)), RuntimeError, "5 features, input_size is 3"),
        (lambda: layer(z(0, 2, 3)), RuntimeError, "a step at least"),
        (lambda: layer(z(4, 5, 3), states(1, 4, 2)), RuntimeError, r"\[1, 5, 2\] .*\[1, 4, 2\]"),
        (lambda: layer(z(4, 3), states(1, 1, 2)), RuntimeError, r"\[1, 2\] .*\[1, 1, 2\]"),
        (lambda: layer(z(4, 3), [1]), TypeError, "hx must be a .*, got list"),
        (lambda: layer(z(4, 2, 3).double()), RuntimeError, "one floating point dtype"),
        (lambda: cell(z(2, 2, 3)), ValueError, r"got \[2, 2, 3\]"),
        (lambda: cell(z(2, 5)), RuntimeError, "5 features, input_size is 3"),
        (lambda: cell(z(2, 3), states(3, 2)), RuntimeError, r"\[2, 2\], got \[3, 2\]"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_wrong_operands_of_a_layer():
    x, h, _, *weights = operands("GRU")
    layer = recurrent.gru_layer
    for arguments, message in (
        ((x[0], h, weights), r"expected an input \(T, N, I\)"),
        ((x, h[:, 1:], weights), r"h must have the shape \(3, 5\), got \(3, 4\)"),
        ((x, h, [weights[0], weights[1][1:], None, None]), r"w_hh must have the shape \(3 H, H\)"),
        ((x, h, [weights[0][:, 1:], *weights[1:]]), r"w_ih of shape \(15, I\)"),
        ((x, h, [*weights[:3], weights[3][1:]]), r"b_hh must have the shape \(15,\)"),
        ((x.float(), h, weights), "float32, float64"),
    ):
        with pytest.raises(RuntimeError, match=f"gru_layer: .*{message}"):
            layer(*arguments)


def test_learns_to_remember():
    """A sequence whose first element decides: an LSTM learns it in a few steps."""
    nnlite.manual_seed(0)
    x = nnlite.randn(8, 64, 1)
    target = (x[0, :, 0] > 0).float()
    lstm, head = nn.LSTM(1, 12), nn.Linear(12, 1)
    parameters = [*lstm.parameters(), *head.parameters()]
    optimizer = nnlite.optim.Adam(parameters, lr=0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(head(lstm(x)[1][0][-1])[:, 0], target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)
    assert losses[-1] < 0.2
