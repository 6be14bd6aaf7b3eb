"""Losses of classes and probabilities, as modules. The equations stand in ``nnlite.ops``."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlite.nn.checks import one_of, real_number, whole_number
from nnlite.nn.module import Module
from nnlite.ops.binary_loss import binary_cross_entropy, binary_cross_entropy_with_logits
from nnlite.ops.class_loss import cross_entropy, nll_loss
from nnlite.ops.margin_loss import multilabel_soft_margin_loss, soft_margin_loss
from nnlite.ops.regression_loss import kl_div
from nnlite.tensor import Tensor

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "KLDivLoss", "MultiLabelSoftMarginLoss",
    "NLLLoss", "SoftMarginLoss",
]  # fmt: skip


class Loss(Module):
    """A loss with a reduction (abstract)."""

    reduction: str
    _reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            raise ValueError(
                f"{self._get_name()}: size_average and reduce have been replaced by "
                "reduction='mean', 'sum' or 'none'"
            )
        self.reduction = one_of(self._get_name(), "reduction", reduction, self._reductions)


class WeightedLoss(Loss):
    """A loss with weights, which are a buffer (abstract)."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class BCEWithLogitsLoss(WeightedLoss):
    """Binary cross-entropy of targets in [0, 1] and the probabilities σ(input), from logits.

    Input and target have the same shape. -(y ln σ(x) + (1 - y) ln(1 - σ(x))) for each element.

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


class BCELoss(WeightedLoss):
    """Binary cross-entropy of targets and probabilities, both in [0, 1].

    Input and target have the same shape. -(y ln x + (1 - y) ln(1 - x)) for each element. Prefer
    ``BCEWithLogitsLoss``, which takes the logits and keeps its accuracy.

    Args:
        weight: a factor for each element, broadcast to the input; a buffer.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    >>> import nnlite
    >>> nnlite.nn.BCELoss()(nnlite.tensor([0.5, 0.9]), nnlite.tensor([0.0, 1.0]))
    tensor(0.3993)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, self.reduction)


class CrossEntropyLoss(WeightedLoss):
    """The cross-entropy of classes (or class probabilities) and softmax(input), from logits.

    Logits of shape (N, C), (C,) or (N, C, …); the target has the shape without C and holds classes,
    int64 from 0 to C - 1, or has the shape of the input and holds probabilities.
    -ln softmax(x)[class] for each sample. Source of label smoothing: Szegedy et al. 2015,
    "Rethinking the Inception Architecture", arXiv:1512.00567.

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
        self.ignore_index = whole_number("CrossEntropyLoss", "ignore_index", ignore_index, None)
        self.label_smoothing = real_number(
            "CrossEntropyLoss", "label_smoothing", label_smoothing, 0, 1
        )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class NLLLoss(WeightedLoss):
    """The negative log-likelihood of classes, from log-probabilities (see ``LogSoftmax``).

    Log-probabilities of shape (N, C), (C,) or (N, C, …); the target has the shape without C and
    holds classes, int64 from 0 to C - 1. -x[class] for each sample.

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
        self.ignore_index = whole_number("NLLLoss", "ignore_index", ignore_index, None)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence of distributions, from log-probabilities: t (ln t - x).

    Input and target have the same shape. Source: Kullback and Leibler 1951, "On Information and
    Sufficiency".

    Args:
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"batchmean"`` (divided by the first size: the divergence by its definition),
            ``"mean"`` (divided by the number of elements), ``"sum"`` or ``"none"``.
        log_target: whether the targets are logarithms, too.

    Raises:
        ValueError: for another ``reduction``, and when the shapes differ.

    >>> import nnlite
    >>> x, t = nnlite.tensor([[0.5, 0.5]]).log(), nnlite.tensor([[1.0, 0.0]])
    >>> nnlite.nn.KLDivLoss(reduction="batchmean")(x, t)
    tensor(0.6931)
    """

    _reductions = ("batchmean", "mean", "sum", "none")

    def __init__(
        self,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return kl_div(input, target, self.reduction, self.log_target)


class SoftMarginLoss(Loss):
    """The logistic loss of labels -1 and 1: ln(1 + e^(-y x)).

    Scores x and labels y have the same shape.

    Args:
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: for another ``reduction``, and when the shapes differ.

    >>> import nnlite
    >>> nnlite.nn.SoftMarginLoss()(nnlite.tensor([0.0, 2.0]), nnlite.tensor([1, 1]))
    tensor(0.4100)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return soft_margin_loss(input, target, self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """The binary cross-entropy of several labels from logits, a mean over the classes of a sample.

    Logits and targets, 0 or 1 for each class, have the shape (N, C) or (C,).

    Args:
        weight: a factor for each class, shape (C,); a buffer.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: for another ``reduction``, and when the shapes differ.

    >>> import nnlite
    >>> x, y = nnlite.tensor([[0.0, 2.0]]), nnlite.tensor([[0, 1]])
    >>> nnlite.nn.MultiLabelSoftMarginLoss()(x, y)
    tensor(0.4100)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return multilabel_soft_margin_loss(input, target, self.weight, self.reduction)
