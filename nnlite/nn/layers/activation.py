"""Activation functions as modules."""

from __future__ import annotations

from nnlite.nn.module import Module
from nnlite.ops.elementwise import relu
from nnlite.tensor import Tensor

__all__ = ["ReLU"]


class ReLU(Module):
    """``max(x, 0)``."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""
