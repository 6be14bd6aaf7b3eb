"""The functions behind the layers, under torch's names: ``import nnlite.nn.functional as F``."""

from nnlite.ops.activation import gelu, leaky_relu, relu, sigmoid, softplus
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
from nnlite.ops.random import dropout
from nnlite.ops.reduce import log_softmax, softmax
from nnlite.ops.trigonometric import tanh

__all__ = [
    "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy",
    "dropout", "gelu", "l1_loss", "leaky_relu", "linear", "log_softmax", "mse_loss", "nll_loss",
    "relu", "sigmoid", "softmax", "softplus", "tanh",
]  # fmt: skip
