"""Functions on models: clipping gradients, one vector of all parameters, weight normalisation."""

from nnlite.nn.utils import parametrizations, parametrize, rnn
from nnlite.nn.utils.clip import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from nnlite.nn.utils.vector import parameters_to_vector, vector_to_parameters
from nnlite.nn.utils.weights import remove_weight_norm, weight_norm

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm",
    "parameters_to_vector", "parametrizations", "parametrize", "remove_weight_norm", "rnn",
    "vector_to_parameters", "weight_norm",
]  # fmt: skip
