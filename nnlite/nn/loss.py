"""Losses as modules."""

from __future__ import annotations

from typing import Any

from nnlite.nn.checks import one_of
from nnlite.nn.module import Module
from nnlite.ops import loss as ops
from nnlite.tensor import Tensor

__all__ = ["BCEWithLogitsLoss"]


class _Loss(Module):
    """A loss with a reduction."""

    reduction: str

    def __init__(
        self, weight: Tensor | None, size_average: Any, reduce: Any, reduction: str
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            raise ValueError(
                f"{self._get_name()}: size_average and reduce have been replaced by reduction="
                "'mean', 'sum' or 'none'"
            )
        self.register_buffer("weight", weight)
        self.reduction = one_of(self._get_name(), "reduction", reduction, ("mean", "sum", "none"))


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy from logits."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.binary_cross_entropy_with_logits(
            input, target, self.weight, self.reduction, self.pos_weight
        )
