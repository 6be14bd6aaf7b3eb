"""Attention and transformers: laws, dropout, wrong arguments (tests/layers.py compares)."""

import copy

import numpy as np
import pytest

import nnlite
from nnlite import nn


def close(a, b, rtol=1e-10):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=1e-12)


def attention(**options):
    nnlite.manual_seed(0)
    return nn.MultiheadAttention(8, 2, **options).double()


def inputs(*shape):
    return nnlite.randn(*shape, dtype=nnlite.float64)


def test_initial_values():
    layer = nn.MultiheadAttention(60, 3, add_bias_kv=True)
    bound = np.sqrt(6 / (60 + 180))
    weights = np.abs(layer.in_proj_weight.detach().numpy())
    assert 0.98 * bound < weights.max() <= bound
    assert not layer.in_proj_bias.any()
    assert not layer.out_proj.bias.any()
    assert layer.bias_k.detach().numpy().std() == pytest.approx(np.sqrt(2 / 120), rel=0.3)
    apart = nn.MultiheadAttention(60, 3, kdim=20)
    bound = np.sqrt(6 / 80)
    assert 0.98 * bound < np.abs(apart.k_proj_weight.detach().numpy()).max() <= bound
    assert apart.in_proj_weight is None


def test_weights_are_means():
    layer, x = attention(batch_first=True), inputs(3, 5, 8)
    _, weights = layer(x, x, x)
    close(weights.sum(dim=-1), nnlite.ones(3, 5, dtype=nnlite.float64))
    _, heads = layer(x, x, x, average_attn_weights=False)
    close(heads.mean(dim=1), weights)


@pytest.mark.parametrize("batch_first", [False, True])
def test_with_and_without_weights_agree(batch_first):
    layer, x = attention(batch_first=batch_first), inputs(4, 4, 8)
    mask = nnlite.ones(4, 4).triu(1).bool()
    results = []
    for need_weights in (True, False):
        layer.zero_grad()
        y, weights = layer(x, x, x, need_weights=need_weights, attn_mask=mask, is_causal=True)
        assert (weights is None) != need_weights
        (y * y).sum().backward()
        results.append([y, *(p.grad for p in layer.parameters())])
    for a, b in zip(*results):
        close(a, b)


def test_a_causal_mask_hides_what_comes_later():
    layer, x = attention(), inputs(5, 2, 8)
    mask = nnlite.ones(5, 5).triu(1).bool()
    y, _ = layer(x, x, x, attn_mask=mask, need_weights=False)
    changed = x.clone()
    changed[3:] += 1
    z, _ = layer(changed, changed, changed, attn_mask=mask, need_weights=False)
    close(y[:3], z[:3])
    assert not nnlite.allclose(y[3:], z[3:])


def test_padding_does_not_matter():
    layer, x = attention(), inputs(5, 2, 8)
    padding = nnlite.tensor([[False] * 5, [False, False, False, True, True]])
    y, weights = layer(x, x, x, key_padding_mask=padding)
    assert not weights[1, :, 3:].any()
    changed = x.clone()
    changed[3:, 1] = 100.0
    z, _ = layer(changed, changed, changed, key_padding_mask=padding)
    close(y[:3], z[:3])
    close(y[:, 0], z[:, 0])


def test_masks_of_floats_are_trained():
    layer, x = attention(), inputs(3, 2, 8)
    bias = nnlite.zeros(3, 3, dtype=nnlite.float64, requires_grad=True)
    for need_weights in (True, False):
        y, _ = layer(x, x, x, attn_mask=bias, need_weights=need_weights)
        (grad,) = nnlite.autograd.grad((y * y).sum(), bias)
        assert grad.any()
        close(grad.sum(dim=-1), nnlite.zeros(3, dtype=nnlite.float64))  # a softmax's


def test_masks_take_the_dtype_of_the_query():
    layer, x = nn.MultiheadAttention(8, 2), nnlite.randn(3, 2, 8)
    double = nnlite.zeros(3, 3, dtype=nnlite.float64)
    assert layer(x, x, x, attn_mask=double)[0].dtype == nnlite.float32


@pytest.mark.parametrize("need_weights", [True, False])
def test_dropout_of_weights(need_weights):
    """In training a weight is dropped with its probability, the same for the same seed."""
    layer = nn.MultiheadAttention(4, 4, dropout=0.25, batch_first=True)
    x = nnlite.ones(50, 8, 4)
    plain = copy.deepcopy(layer)
    plain.dropout = 0.0
    expected, _ = plain(x, x, x, need_weights=need_weights)
    assert nnlite.equal(layer.eval()(x, x, x, need_weights=need_weights)[0], expected)
    layer.train()
    nn.init.eye_(layer.out_proj.weight)
    values = nnlite.nn.functional.linear(x, layer.in_proj_weight, layer.in_proj_bias)[0, 0, 8:]
    outputs = []
    for seed in (1, 1, 2):
        nnlite.manual_seed(seed)
        outputs.append(layer(x, x, x, need_weights=need_weights)[0])
    assert nnlite.equal(outputs[0], outputs[1])
    assert not nnlite.equal(outputs[0], outputs[2])
    # All values are alike, so an output is the value times the sum of what was kept.
    kept = (outputs[0] / values).detach().numpy() * 0.75 * 8
    np.testing.assert_allclose(kept, kept.round(), atol=1e-3)
    assert kept.mean() == pytest.approx(6, abs=0.1)
    assert kept.var() == pytest.approx(8 * 0.25 * 0.75, rel=0.2)


def test_frozen_attention_trains_what_is_before_it():
    layer, x = attention().freeze(), inputs(3, 2, 8).requires_grad_()
    layer(x, x, x)[0].sum().backward()
    assert x.grad is not None
    assert all(p.grad is None for p in layer.parameters())


@pytest.mark.parametrize("norm_first", [False, True])
def test_dropout_of_transformer_layers(norm_first):
    options = {"dropout": 0.3, "norm_first": norm_first, "batch_first": True}
    for kind in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer):
        layer = kind(8, 2, 16, **options)
        x = [nnlite.randn(2, 4, 8)] * (1 if kind is nn.TransformerEncoderLayer else 2)
        plain = kind(8, 2, 16, **{**options, "dropout": 0.0})
        plain.load_state_dict(layer.state_dict())
        assert nnlite.equal(layer.eval()(*x), plain(*x))
        layer.train()
        outputs = []
        for seed in (1, 1, 2):
            nnlite.manual_seed(seed)
            outputs.append(layer(*x))
        assert nnlite.equal(outputs[0], outputs[1])
        assert not nnlite.equal(outputs[0], outputs[2])


def test_layers_of_a_stack_are_copies():
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    assert len(list(encoder.parameters())) == 3 * len(list(layer.parameters()))
    assert nnlite.equal(encoder.layers[0].linear1.weight, encoder.layers[2].linear1.weight)
    assert encoder.layers[0].linear1.weight is not layer.linear1.weight


def test_the_last_state_of_a_stack_is_normalised():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, nn.LayerNorm(8))
    y = encoder(nnlite.randn(4, 3, 8))
    np.testing.assert_allclose(y.mean(dim=-1).detach().numpy(), 0, atol=1e-6)


# ---- wrong uses ---------------------------------------------------------------------------------


def test_wrong_arguments():
    for call, error, message in (
        (lambda: nn.MultiheadAttention(6, 4), ValueError, "embed_dim=6 and num_heads=4"),
        (lambda: nn.MultiheadAttention(0, 1), ValueError, "embed_dim must be at least 1, got 0"),
        (lambda: nn.MultiheadAttention(6, 0), ValueError, "num_heads must be at least 1, got 0"),
        (lambda: nn.MultiheadAttention(6, 2, dropout=2), ValueError, "dropout .*2"),
        (lambda: nn.MultiheadAttention(6, 2, kdim=-1), ValueError, "kdim must be at least 1"),
        (lambda: nn.TransformerEncoderLayer(6, 4), ValueError, "embed_dim=6 and num_heads=4"),
        (lambda: nn.TransformerEncoderLayer(6, 2, activation="x"), ValueError, "'relu', 'gelu'"),
        (lambda: nn.TransformerDecoderLayer(6, 2, 0), ValueError, "must be at least 1, got 0"),
        (lambda: nn.TransformerEncoder(nn.Identity(), 0), ValueError, "num_layers must be"),
        (lambda: nn.TransformerEncoder(3, 1), TypeError, "encoder_layer must be an nn.Module"),
        (lambda: nn.TransformerDecoder(nn.Identity(), 1, 1e-5), TypeError, "norm must be an nn.M"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_wrong_inputs():
    z = nnlite.zeros
    layer = nn.MultiheadAttention(8, 2)
    apart = nn.MultiheadAttention(8, 2, kdim=3, vdim=5, batch_first=True)
    q, k = z(4, 3, 8), z(5, 3, 8)
    for call, message in (
        (lambda: layer(q, k, z(5, 8)), r"3 dimensions, or 2 .*\[5, 8\]"),
        (lambda: layer(z(8), z(8), z(8)), "3 dimensions"),
        (lambda: layer(z(4, 3, 7), k, k), "query has 7 features, embed_dim is 8"),
        (lambda: apart(q, k, k), "key has 8 features, kdim is 3"),
        (lambda: apart(q, z(4, 5, 3), k), "value has 8 features, vdim is 5"),
        (lambda: layer(q, k, z(6, 3, 8)), r"same steps.*\(T, N, E\)"),
        (lambda: layer(q, z(5, 2, 8), z(5, 2, 8)), "same batch"),
        (lambda: layer(q, k, k, attn_mask=z(4, 4)), r"attn_mask .*\[4, 5\] or \[6, 4, 5\], got"),
        (lambda: layer(q, k, k, attn_mask=z(3, 4, 5)), r"\[6, 4, 5\], got \[3, 4, 5\]"),
        (lambda: layer(q, k, k, z(5, 3)), r"key_padding_mask must have the shape \[3, 5\], got"),
        (lambda: layer(q, k, k, attn_mask=z(4, 5).long()), "bools or floats, got int64"),
        (lambda: layer(q, k, k, is_causal=True), "attn_mask must be given"),
    ):
        with pytest.raises(RuntimeError, match=f"MultiheadAttention: .*{message}"):
            call()


def test_a_transformer_draws_its_matrices_by_xaviers_rule():
    nnlite.manual_seed(0)
    model = nn.Transformer(16, 2, 1, 1, 32)
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            continue
        bound = np.sqrt(6 / sum(parameter.shape))
        largest = np.abs(parameter.detach().numpy()).max()
        assert 0.9 * bound < largest <= bound, name


def test_a_transformer_refuses_what_does_not_fit():
    model = nn.Transformer(8, 2, 1, 1, 16)
    with pytest.raises(RuntimeError, match=r"d_model=8 .* \[5, 3, 8\] and \[4, 3, 6\]"):
        model(nnlite.zeros(5, 3, 8), nnlite.zeros(4, 3, 6))
    with pytest.raises(RuntimeError, match="as many dimensions"):
        model(nnlite.zeros(5, 3, 8), nnlite.zeros(4, 8))
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        nn.Transformer(8, 2, num_encoder_layers=0)


def test_the_mask_of_what_comes_later(torch):
    mine = nn.Transformer.generate_square_subsequent_mask(4, dtype=nnlite.float64)
    theirs = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    assert mine.dtype == nnlite.float64
    assert mine.tolist() == theirs.tolist()
