"""Functionals: what chance decides, what is refused, and sizes that the operator table lacks."""

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from nnlite.ops import columns


def masks(function, shape=(64, 32, 5), **options):
    nnlite.manual_seed(5)
    return function(nnlite.ones(*shape), 0.3, training=True, **options).numpy()


def test_dropout1d_drops_whole_channels():
    y = masks(F.dropout1d)
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    assert (y == y[..., :1]).all()
    assert 0.25 < (y[..., 0] == 0).mean() < 0.35
    assert (masks(F.dropout1d, (32, 5)) == masks(F.dropout1d, (32, 5))[:, :1]).all()


def test_dropout2d_drops_whole_channels():
    y = masks(F.dropout2d, (16, 32, 2, 3))
    assert (y == y[..., :1, :1]).all()
    assert 0.2 < (y == 0).mean() < 0.4


@pytest.mark.parametrize("function", [F.alpha_dropout, F.feature_alpha_dropout])
def test_alpha_dropout_keeps_mean_and_variance(function):
    nnlite.manual_seed(5)
    x = nnlite.randn(400, 500)
    y = function(x, 0.3, training=True).numpy()
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.02
    dropped = np.unique(y.round(5), return_counts=True)
    lowest = dropped[0][dropped[1].argmax()]
    a = ((1 - 0.3) * (1 + 0.3 * 1.7580993408473766**2)) ** -0.5
    np.testing.assert_allclose(lowest, a * -1.7580993408473766 * (1 - 0.3), rtol=1e-4)
    assert 0.29 < dropped[1].max() / y.size < 0.31


def test_feature_alpha_dropout_drops_whole_channels():
    y = masks(F.feature_alpha_dropout)
    assert (y == y[..., :1]).all()
    assert len(np.unique(y)) == 2


def test_dropout_in_place():
    x = nnlite.ones(50, 4)
    assert F.dropout1d(x, 0.5, inplace=True) is x
    assert set(x.numpy().ravel()) == {0.0, 2.0}


def test_attention_drops_weights():
    nnlite.manual_seed(5)
    q, k = nnlite.zeros(1, 200, 2, requires_grad=True), nnlite.zeros(1, 50, 2)
    v = nnlite.ones(1, 50, 1, requires_grad=True)
    y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.4)
    kept = y.detach().numpy() * 50 * 0.6
    np.testing.assert_allclose(kept, kept.round(), atol=1e-3)
    assert abs(y.detach().numpy().mean() - 1) < 0.05
    y.sum().backward()
    np.testing.assert_allclose(v.grad.numpy().sum(), y.detach().numpy().sum(), rtol=1e-5)


def test_blocks_of_places_give_what_one_block_gives(monkeypatch):
    """More samples than a block, the last block smaller."""
    rng = np.random.default_rng(0)
    made = [rng.standard_normal(s) for s in ((7, 4, 9, 8), (6, 2, 3, 2), (6,))]

    def run(block):
        monkeypatch.setattr(columns, "_COLUMN_BYTES", block)
        results = []
        for options in ({}, {"stride": 2, "padding": 1}, {"dilation": (1, 2), "padding": 3}):
            inputs = [nnlite.tensor(a, requires_grad=True) for a in made]
            y = F.conv2d(*inputs, groups=2, **options)
            (y * y).sum().backward()
            results += [y.detach().numpy(), *(t.grad.numpy() for t in inputs)]
        return results

    for small, large in zip(run(20_000), run(1 << 30)):
        np.testing.assert_allclose(small, large, rtol=1e-10)


REFUSED = {
    "conv2d: input of 3 channels": (
        lambda: F.conv2d(nnlite.ones(1, 3, 4, 4), nnlite.ones(2, 2, 3, 3)),
        RuntimeError, r"conv2d: .*\[2, 2, 3, 3\] takes 2 channels.*\[1, 3, 4, 4\] has 3",
    ),
    "conv2d: kernel too large": (
        lambda: F.conv2d(nnlite.ones(1, 1, 2, 2), nnlite.ones(1, 1, 3, 3)),
        RuntimeError, r"conv2d: a kernel of \[3, 3\].*\[2, 2\].*larger padding",
    ),
    "conv2d: dtypes": (
        lambda: F.conv2d(nnlite.ones(1, 1, 2, 2, dtype=nnlite.float64), nnlite.ones(1, 1, 1, 1)),
        RuntimeError, "float32, float64.*input.to",
    ),
    "conv2d: same with a stride": (
        lambda: F.conv2d(nnlite.ones(1, 1, 4, 4), nnlite.ones(1, 1, 3, 3), stride=2,
            padding="same"),
        ValueError, "padding='same' keeps the size",
    ),
    "conv1d: dimensions": (
        lambda: F.conv1d(nnlite.ones(1, 1, 4, 4), nnlite.ones(1, 1, 3)),
        RuntimeError, r"conv1d: expected an input of shape \(N, C, L\)",
    ),
    "conv2d: bias": (
        lambda: F.conv2d(nnlite.ones(1, 1, 4, 4), nnlite.ones(2, 1, 3, 3), nnlite.ones(3)),
        RuntimeError, r"bias needs the shape \[2\], got \[3\]",
    ),
    "conv_transpose2d: output_padding": (
        lambda: F.conv_transpose2d(nnlite.ones(1, 1, 2, 2), nnlite.ones(1, 1, 2, 2),
            output_padding=1),
        RuntimeError, "output_padding must be less than stride or dilation",
    ),
    "fold: windows": (
        lambda: F.fold(nnlite.ones(1, 4, 3), 3, 2),
        RuntimeError, r"needs the input \(N, C · 4, 4\)",
    ),
    "max_pool2d: padding": (
        lambda: F.max_pool2d(nnlite.ones(1, 4, 4), 2, padding=2),
        RuntimeError, "half of kernel_size",
    ),
    "avg_pool2d: integers": (
        lambda: F.avg_pool2d(nnlite.ones(1, 4, 4).long(), 2), RuntimeError, r"float\(\)",
    ),
    "layer_norm: shape": (
        lambda: F.layer_norm(nnlite.ones(2, 3), (2,)), RuntimeError, r"\[2\].*\[2, 3\]",
    ),
    "group_norm: groups": (
        lambda: F.group_norm(nnlite.ones(2, 3), 2), RuntimeError, "divisible by num_groups 2",
    ),
    "instance_norm: one value": (
        lambda: F.instance_norm(nnlite.ones(2, 3, 1)), ValueError, "more than one value",
    ),
    "embedding: index": (
        lambda: F.embedding(nnlite.tensor([4]), nnlite.ones(4, 2)), IndexError, "4 rows",
    ),
    "embedding: floats": (
        lambda: F.embedding(nnlite.ones(1), nnlite.ones(4, 2)), RuntimeError, r"input\.long\(\)",
    ),
    "one_hot: index": (
        lambda: F.one_hot(nnlite.tensor([3]), 3), RuntimeError, "num_classes 3",
    ),
    "pad: reflect": (
        lambda: F.pad(nnlite.ones(1, 2), (2, 0), "reflect"), RuntimeError, "the limit is 1",
    ),
    "pad: odd": (lambda: F.pad(nnlite.ones(2), (1,)), ValueError, "two numbers"),
    "interpolate: sizes": (
        lambda: F.interpolate(nnlite.ones(1, 1, 2), size=3, scale_factor=2),
        ValueError, "one of size and scale_factor",
    ),
    "interpolate: align_corners": (
        lambda: F.interpolate(nnlite.ones(1, 1, 2), size=3, align_corners=True),
        ValueError, "leave it out",
    ),
    "attention: mask and causal": (
        lambda: F.scaled_dot_product_attention(*[nnlite.ones(2, 2)] * 3,
            attn_mask=nnlite.ones(2, 2).bool(), is_causal=True),
        RuntimeError, "not both",
    ),
    "attention: shapes": (
        lambda: F.scaled_dot_product_attention(nnlite.ones(2, 3), nnlite.ones(2, 4),
            nnlite.ones(2, 4)),
        RuntimeError, r"query \[2, 3\], key \[2, 4\]",
    ),
    "smooth_l1_loss: shapes": (
        lambda: F.smooth_l1_loss(nnlite.ones(3, 1), nnlite.ones(3)), ValueError, "unsqueeze",
    ),
    "kl_div: reduction": (
        lambda: F.kl_div(nnlite.ones(3), nnlite.ones(3), reduction="all"), ValueError, "'all'",
    ),
    "gaussian_nll_loss: variance": (
        lambda: F.gaussian_nll_loss(nnlite.ones(2), nnlite.ones(2), nnlite.tensor([1.0, -1.0])),
        ValueError, r"found -1\.0",
    ),
    "cosine_embedding_loss: target": (
        lambda: F.cosine_embedding_loss(nnlite.ones(2, 3), nnlite.ones(2, 3), nnlite.ones(2, 1)),
        ValueError, r"\[2, 1\]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_how(case):
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        call()
