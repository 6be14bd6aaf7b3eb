"""The functions behind the layers, under torch's names: ``import nnlite.nn.functional as F``."""

from typing import TYPE_CHECKING, NoReturn

from nnlite.missing import no_attribute
from nnlite.ops.activation import (
    celu,
    elu,
    gelu,
    glu,
    leaky_relu,
    logsigmoid,
    mish,
    relu,
    selu,
    silu,
    softplus,
)
from nnlite.ops.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)
from nnlite.ops.attention import (
    bilinear,
    cosine_similarity,
    normalize,
    pairwise_distance,
    scaled_dot_product_attention,
)
from nnlite.ops.batch_norm import batch_norm, instance_norm
from nnlite.ops.binary_loss import binary_cross_entropy, binary_cross_entropy_with_logits
from nnlite.ops.class_loss import cross_entropy, nll_loss
from nnlite.ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from nnlite.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, feature_alpha_dropout
from nnlite.ops.embedding import embedding, one_hot
from nnlite.ops.exponential import sigmoid
from nnlite.ops.fold import fold, unfold
from nnlite.ops.inplace import relu_
from nnlite.ops.linalg import linear
from nnlite.ops.margin_loss import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
)
from nnlite.ops.norm import group_norm, layer_norm, rms_norm
from nnlite.ops.pad import pad, pixel_shuffle, pixel_unshuffle
from nnlite.ops.piecewise import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    prelu,
    relu6,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from nnlite.ops.pool import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from nnlite.ops.regression_loss import (
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from nnlite.ops.resample import interpolate
from nnlite.ops.softmax import log_softmax, softmax
from nnlite.ops.trigonometric import tanh

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "alpha_dropout", "avg_pool1d", "avg_pool2d", "batch_norm", "bilinear", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "celu", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "dropout",
    "dropout1d", "dropout2d", "elu", "embedding", "feature_alpha_dropout", "fold",
    "gaussian_nll_loss", "gelu", "glu", "group_norm", "hardshrink", "hardsigmoid", "hardswish",
    "hardtanh", "hinge_embedding_loss", "huber_loss", "instance_norm", "interpolate", "kl_div",
    "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax", "logsigmoid",
    "margin_ranking_loss", "max_pool1d", "max_pool2d", "mish", "mse_loss",
    "multilabel_soft_margin_loss", "nll_loss", "normalize", "one_hot", "pad", "pairwise_distance",
    "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "relu", "relu6", "relu_",
    "rms_norm", "scaled_dot_product_attention", "selu", "sigmoid", "silu", "smooth_l1_loss",
    "soft_margin_loss", "softmax", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
    "threshold", "triplet_margin_loss", "unfold",
]  # fmt: skip


if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        raise no_attribute("nnlite.nn.functional", name, __all__)
