"""Ready-made parametrizations."""

from __future__ import annotations

from nnlite.nn.module import Module
from nnlite.nn.utils.parametrize import register_parametrization
from nnlite.nn.utils.weights import check_parameter, norm_except, weighted
from nnlite.tensor import Tensor

__all__ = ["weight_norm"]


class _WeightNorm(Module):
    """g v / ‖v‖ of g and v."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weighted(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """g and v of a weight."""
        return norm_except(weight, self.dim), weight.detach().clone()


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Have a module learn its weight as w = g v / ‖v‖: its length apart from its direction.

    g is the parameter ``parametrizations.weight.original0``, v is ``…original1``.
    Source: Salimans and Kingma 2016, "Weight Normalization", arXiv:1602.07868.

    Args:
        module: a layer.
        name: the name of its weight.
        dim: along which g has a length for each slice; None: one for all.

    Returns:
        The module; ``parametrize.remove_parametrizations(module, name)`` undoes it.

    Raises:
        ValueError: when there is no such parameter.

    >>> from nnlite import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape, layer.weight.shape
    (nnlite.Size([40, 1]), nnlite.Size([40, 20]))
    """
    check_parameter("weight_norm", module, name)
    return register_parametrization(module, name, _WeightNorm(dim))
