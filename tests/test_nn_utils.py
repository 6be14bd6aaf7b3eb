"""Gradients and parameters as one vector: clipping, and there and back."""

import copy
import math
import pickle

import numpy as np
import pytest

import nnlite
from nnlite import nn


def same(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-14)


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


def test_norms_and_clipping_apart_are_torchs(torch):
    values = [np.random.default_rng(0).standard_normal(shape) for shape in ((3, 2), (4,))]
    results = []
    for lib in (nnlite, torch):
        params = [lib.tensor(np.zeros_like(v), requires_grad=True) for v in values]
        for param, v in zip(params, values):
            param.grad = lib.tensor(v)
        norm = lib.nn.utils.get_total_norm([param.grad for param in params], 3.0)
        lib.nn.utils.clip_grads_with_norm_(params, 0.5, norm)
        results.append([norm, *(param.grad for param in params)])
    for a, b in zip(*results):
        same(a, b)
    with pytest.raises(RuntimeError, match=r"get_total_norm: .*inf"):
        nn.utils.get_total_norm(nnlite.tensor([math.inf]), error_if_nonfinite=True)


# ---- weight normalisation -----------------------------------------------------------------------

NORMALISED = [
    (lambda nn, norm: norm(nn.Linear(3, 2)), (4, 3)),
    (lambda nn, norm: norm(nn.Linear(3, 2, bias=False), dim=1), (4, 3)),
    (lambda nn, norm: norm(nn.Linear(3, 2), dim=None), (4, 3)),
    (lambda nn, norm: norm(nn.Conv1d(2, 3, 2)), (2, 2, 5)),
    (lambda nn, norm: norm(nn.Bilinear(2, 2, 3), "bias"), ((4, 2), (4, 2))),
]


@pytest.mark.parametrize("newer", [True, False], ids=["parametrizations", "weight_norm"])
@pytest.mark.parametrize(("make", "shape"), NORMALISED)
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_weight_norm_is_torchs(torch, make, shape, newer):
    """Names, printed form, results and gradients, over steps that change g and v."""
    found = []
    for lib in (torch, nnlite):
        utils = lib.nn.utils
        norm = utils.parametrizations.weight_norm if newer else utils.weight_norm
        layer = make(lib.nn, norm).double()
        if found:
            state = {name: nnlite.tensor(a) for name, a in found[0][0]}
            layer.load_state_dict(state)
        before = [(name, np.array(v.numpy())) for name, v in layer.state_dict().items()]
        steps = []
        shapes = shape if isinstance(shape[0], tuple) else (shape,)
        for step in range(3):
            rng = np.random.default_rng(step)
            x = [lib.tensor(rng.standard_normal(s), requires_grad=True) for s in shapes]
            y = layer(*x)
            layer.zero_grad()
            (y * y).sum().backward()
            with lib.no_grad():
                for p in layer.parameters():
                    p -= 0.1 * p.grad
            steps += [y, *(t.grad for t in x), *(p.grad for p in layer.parameters())]
        found.append((before, repr(layer), steps))
    (state, text, expected), (mine, printed, ours) = found
    assert [(name, a.shape) for name, a in mine] == [(name, a.shape) for name, a in state]
    assert printed == text
    assert len(ours) == len(expected)
    for a, b in zip(ours, expected):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_weight_norm_comes_and_goes():
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    nn.utils.weight_norm(layer)
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=1e-6)
    with nnlite.no_grad():
        layer.weight_g.mul_(2.0)
    nn.utils.remove_weight_norm(layer)
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight"]
    np.testing.assert_allclose(layer.weight.detach().numpy(), 2 * before.numpy(), rtol=1e-6)
    assert layer(nnlite.ones(1, 3)).shape == (1, 2)
    with pytest.raises(ValueError, match="not found"):
        nn.utils.remove_weight_norm(layer)


def test_parametrizations_come_and_go():
    parametrize = nn.utils.parametrize
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    before = layer.weight.detach().clone()
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert isinstance(layer, nn.Linear)
    twin = copy.deepcopy(layer)
    layer.weight = 3 * before
    np.testing.assert_allclose(layer.weight.detach().numpy(), 3 * before.numpy(), rtol=1e-6)
    np.testing.assert_allclose(twin.weight.detach().numpy(), before.numpy(), rtol=1e-6)
    with pytest.raises(ValueError, match="computed of 2 parameters"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert list(layer.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(layer.weight.detach().numpy(), 3 * before.numpy(), rtol=1e-6)
    assert parametrize.is_parametrized(twin)
    with pytest.raises(ValueError, match="not computed"):
        parametrize.remove_parametrizations(layer, "weight")


class Halved(nn.Module):
    def forward(self, x):
        return x / 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_what_has_parametrizations(copied):
    parametrize = nn.utils.parametrize
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    parametrize.register_parametrization(layer, "bias", Halved())
    x = nnlite.ones(1, 3)
    twin = copied(layer)
    assert type(twin) is type(layer)
    assert repr(twin) == repr(layer)
    assert list(twin.state_dict()) == list(layer.state_dict())
    assert nnlite.equal(twin(x), layer(x))
    with nnlite.no_grad():
        twin.parametrizations.weight.original0.mul_(2)
    assert not nnlite.equal(twin(x), layer(x))
    # What becomes of the copy does not change what it was made of.
    parametrize.remove_parametrizations(twin, "weight")
    assert parametrize.is_parametrized(twin, "bias")
    parametrize.remove_parametrizations(twin, "bias")
    assert type(twin) is nn.Linear
    assert layer.weight.shape == (2, 3)
    assert layer.bias.shape == (2,)
    assert nnlite.equal(copied(layer)(x), layer(x))


def test_several_parametrizations():
    class Doubled(nn.Module):
        def forward(self, x):
            return 2 * x

        def right_inverse(self, x):
            return x / 2

    layer = nn.Linear(2, 2)
    original = layer.weight
    register = nn.utils.parametrize.register_parametrization
    register(layer, "weight", nn.Identity())
    assert layer.parametrizations.weight.original is original
    register(layer, "weight", Doubled())
    assert nnlite.equal(layer.weight, 2 * original)
    layer.weight = nnlite.ones(2, 2)
    assert original.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    layer.weight.sum().backward()
    assert original.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    nn.utils.parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight is original


def test_frozen_weights_stay_frozen_when_normalised():
    for norm in (nn.utils.weight_norm, nn.utils.parametrizations.weight_norm):
        layer = norm(nn.Linear(3, 2).freeze())
        assert not any(p.requires_grad for p in layer.parameters())


def test_wrong_uses_of_weight_norm():
    for norm in (nn.utils.weight_norm, nn.utils.parametrizations.weight_norm):
        with pytest.raises(ValueError, match="Linear has no parameter 'w'; it has weight, bias"):
            norm(nn.Linear(3, 2), "w")
    layer = nn.utils.weight_norm(nn.Linear(3, 2))
    with pytest.raises(RuntimeError, match="normalised already"):
        nn.utils.weight_norm(layer)


# ---- sequences of several lengths ---------------------------------------------------------------

LENGTHS = ([3, 1, 5, 3], [5, 4, 4, 1], [2, 2, 2, 2])


def sequences_of(lib, lengths, shape=(2,)):
    rng = np.random.default_rng(0)
    return [lib.tensor(rng.standard_normal((n, *shape)), requires_grad=True) for n in lengths]


def flat(result):
    """The tensors of a result, None among them."""
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in flat(part)]
    return [result]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_packing_and_padding_are_torchs(torch, lengths, batch_first):
    results = []
    for lib in (nnlite, torch):
        rnn, sequences = lib.nn.utils.rnn, sequences_of(lib, lengths)
        padded = rnn.pad_sequence(sequences, batch_first, 0.5)
        left = rnn.pad_sequence(sequences, batch_first, -1.0, "left")
        packed = rnn.pack_padded_sequence(padded, lengths, batch_first, enforce_sorted=False)
        again = rnn.pack_sequence(sequences, enforce_sorted=False)
        back = rnn.pad_packed_sequence(packed, batch_first, 2.5, total_length=7)
        # torch turns around what it is given here, in place.
        apart = rnn.unpad_sequence(padded * 1, lib.tensor(lengths), batch_first)
        whole = rnn.unpack_sequence(packed)
        (packed.data * packed.data).sum().backward()
        grads = [s.grad for s in sequences]
        results.append(flat([padded, left, tuple(packed), tuple(again), back, apart, whole, grads]))
    mine, theirs = results
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_wrong_uses_of_packing():
    rnn, x = nn.utils.rnn, nnlite.zeros(5, 3, 2)
    for lengths, message in (
        ([1, 2, 3], r"must fall, got \[1, 2, 3\]"),
        ([6, 2, 1], r"between 1 and 5 .*\[6, 2, 1\]"),
        ([3, 2, 0], "between 1 and 5"),
        ([3, 2], "3 sequences need as many lengths"),
    ):
        with pytest.raises(RuntimeError, match=message):
            rnn.pack_padded_sequence(x, lengths)
    with pytest.raises(ValueError, match="total_length must be at least 5"):
        rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [5, 2, 1]), total_length=4)
    with pytest.raises(ValueError, match="'left' or 'right', got 'top'"):
        rnn.pad_sequence([x], padding_side="top")
    with pytest.raises(RuntimeError, match="no sequences"):
        rnn.pad_sequence([])
    assert rnn.invert_permutation(None) is None


def test_a_vector_of_no_parameters():
    with pytest.raises(ValueError, match="parameters must be one tensor at least, got none"):
        nn.utils.parameters_to_vector([])


@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_limits_of_clipping_are_not_negative(limit):
    w = nnlite.ones(2, requires_grad=True)
    (w * 3).sum().backward()
    utils = nn.utils
    for function, name in (
        (lambda: utils.clip_grad_norm_([w], limit), "max_norm"),
        (lambda: utils.clip_grads_with_norm_([w], limit, nnlite.tensor(1.0)), "max_norm"),
        (lambda: utils.clip_grad_value_([w], limit), "clip_value"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be at least 0, got {limit}"):
            function()
    assert w.grad.tolist() == [3.0, 3.0]
