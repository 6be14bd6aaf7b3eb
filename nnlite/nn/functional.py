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
from nnlite.ops.norm import batch_norm
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
from nnlite.ops.random import dropout
from nnlite.ops.reduce import log_softmax, softmax
from nnlite.ops.trigonometric import tanh

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "batch_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "celu", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "cross_entropy", "dropout", "elu", "fold", "gelu", "glu", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh", "l1_loss", "leaky_relu", "linear", "log_softmax",
    "logsigmoid", "max_pool1d", "max_pool2d", "mish", "mse_loss", "nll_loss", "prelu", "relu",
    "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softshrink", "softsign", "tanh",
    "tanhshrink", "threshold", "unfold",
]  # fmt: skip
