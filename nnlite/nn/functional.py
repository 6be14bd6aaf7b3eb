"""The functions behind the layers, under torch's names: ``import nnlite.nn.functional as F``."""

from nnlite.ops.activation import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    silu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from nnlite.ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d, fold, unfold
from nnlite.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, feature_alpha_dropout
from nnlite.ops.embedding import embedding, one_hot
from nnlite.ops.exponential import sigmoid
from nnlite.ops.linalg import linear
from nnlite.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)
from nnlite.ops.norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from nnlite.ops.pad import pad, pixel_shuffle, pixel_unshuffle
from nnlite.ops.pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    max_pool1d,
    max_pool2d,
)
from nnlite.ops.reduce import log_softmax, softmax
from nnlite.ops.resample import interpolate
from nnlite.ops.trigonometric import tanh

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "alpha_dropout", "avg_pool1d", "avg_pool2d", "batch_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "celu", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "cross_entropy", "dropout", "dropout1d", "dropout2d", "elu", "embedding",
    "feature_alpha_dropout", "fold", "gelu", "glu", "group_norm", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "instance_norm", "interpolate", "l1_loss", "layer_norm", "leaky_relu",
    "linear", "log_softmax", "logsigmoid", "max_pool1d", "max_pool2d", "mish", "mse_loss",
    "nll_loss", "one_hot", "pad", "pixel_shuffle", "pixel_unshuffle", "prelu", "relu", "relu6",
    "rms_norm", "selu", "sigmoid", "silu", "softmax", "softplus", "softshrink", "softsign", "tanh",
    "tanhshrink", "threshold", "unfold",
]  # fmt: skip
