"""Losses as modules. The equations stand with the functions, in ``nnlite.ops.loss``."""

from __future__ import annotations

from typing import Any

from nnlite.nn.checks import one_of
from nnlite.nn.module import Module
from nnlite.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)
from nnlite.tensor import Tensor

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss",
]  # fmt: skip


class _Loss(Module):
    """A loss with a reduction (abstract)."""

    reduction: str

    def __init__(self, size_average: Any, reduce: Any, reduction: str) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            raise ValueError(
                f"{self._get_name()}: size_average and reduce have been replaced by "
                "reduction='mean', 'sum' or 'none'"
            )
        self.reduction = one_of(self._get_name(), "reduction", reduction, ("mean", "sum", "none"))


class _WeightedLoss(_Loss):
    """A loss with weights, which are a buffer (abstract)."""

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None, size_average: Any, reduce: Any, reduction: str
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class BCEWithLogitsLoss(_WeightedLoss):
    """Binary cross-entropy of targets in [0, 1] and the probabilities σ(input), from logits.

    Args:
        weight: a factor for each element, broadcast to the input; a buffer.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        pos_weight: a factor for the positive class, broadcast along the last dimensions; a buffer.

    >>> import nnlite
    >>> loss = nnlite.nn.BCEWithLogitsLoss()
    >>> loss(nnlite.tensor([0.0, 2.0]), nnlite.tensor([0.0, 1.0]))
    tensor(0.4100)
    """

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
        return binary_cross_entropy_with_logits(
            input, target, self.weight, self.reduction, self.pos_weight
        )


class BCELoss(_WeightedLoss):
    """Binary cross-entropy of targets and probabilities, both in [0, 1].

    Prefer ``BCEWithLogitsLoss``, which takes the logits and keeps its accuracy.

    Args:
        weight: a factor for each element, broadcast to the input; a buffer.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    >>> import nnlite
    >>> nnlite.nn.BCELoss()(nnlite.tensor([0.5, 0.9]), nnlite.tensor([0.0, 1.0]))
    tensor(0.3993)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, self.reduction)


class MSELoss(_Loss):
    """The squared error (input - target)².

    Args:
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    >>> import nnlite
    >>> nnlite.nn.MSELoss()(nnlite.tensor([1.0, 2.0]), nnlite.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """The absolute error |input - target|.

    Args:
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    >>> import nnlite
    >>> nnlite.nn.L1Loss()(nnlite.tensor([1.0, 2.0]), nnlite.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return l1_loss(input, target, self.reduction)


class CrossEntropyLoss(_WeightedLoss):
    """The cross-entropy of classes (or class probabilities) and softmax(input), from logits.

    Args:
        weight: a factor for each class, shape (C,); a buffer.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        ignore_index: a class index that does not count.
        reduction: ``"mean"`` (weighted by class), ``"sum"`` or ``"none"``.
        label_smoothing: how much of each target is spread evenly over the classes, in [0, 1].

    Raises:
        ValueError: for an argument out of its range.

    >>> import nnlite
    >>> nnlite.nn.CrossEntropyLoss()(nnlite.zeros(2, 4), nnlite.tensor([0, 3]))
    tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"CrossEntropyLoss: label_smoothing must lie in [0, 1], got {label_smoothing!r}"
            )
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class NLLLoss(_WeightedLoss):
    """The negative log-likelihood of classes, from log-probabilities (see ``LogSoftmax``).

    Args:
        weight: a factor for each class, shape (C,); a buffer.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        ignore_index: a class index that does not count.
        reduction: ``"mean"`` (weighted by class), ``"sum"`` or ``"none"``.

    >>> import nnlite
    >>> nnlite.nn.NLLLoss()(nnlite.tensor([[-0.5, -1.5]]), nnlite.tensor([1]))
    tensor(1.5000)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return nll_loss(input, target, self.weight, self.ignore_index, self.reduction)
