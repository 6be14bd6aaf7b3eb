"""Clipping: gradients that are too long are made shorter before the optimizer's step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlite.nn.utils import clip_grad_norm_, clip_grad_value_
from nnlite.train.callbacks.base import Callback

if TYPE_CHECKING:
    from nnlite.tensor import Tensor
    from nnlite.train.trainer import Trainer

__all__ = ["ClipGradNorm", "ClipGradValue"]


class ClipGradNorm(Callback):
    """Scale the gradients of a step down to a norm where they exceed it, all by one factor.

    The norm is of all gradients that the optimizer holds and that are not frozen, as one vector.

    Args:
        max_norm: the norm that they may have together.
        norm_type: which norm: 2 for the Euclidean one, ``inf`` for the largest entry.

    Attributes:
        norm: that of the last step before it was clipped.

    Raises:
        ValueError: a norm that is not positive.

    >>> import nnlite
    >>> from nnlite.train import ClipGradNorm
    >>> ClipGradNorm(1.0).max_norm
    1.0
    """

    def __init__(self, max_norm: float, norm_type: float = 2.0) -> None:
        if not max_norm > 0:
            raise ValueError(f"ClipGradNorm: max_norm must be positive, got {max_norm}")
        if not norm_type > 0:
            raise ValueError(f"ClipGradNorm: norm_type must be positive, got {norm_type}")
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.norm = float("nan")

    def on_backward_end(self, trainer: Trainer) -> None:
        """Clip."""
        self.norm = clip_grad_norm_(_held(trainer), self.max_norm, self.norm_type).item()


class ClipGradValue(Callback):
    """Bring every entry of the gradients of a step into [−value, value].

    Args:
        clip_value: the largest size that an entry may have.

    Raises:
        ValueError: a value that is not positive.

    >>> import nnlite
    >>> from nnlite.train import ClipGradValue
    >>> ClipGradValue(0.5).clip_value
    0.5
    """

    def __init__(self, clip_value: float) -> None:
        if not clip_value > 0:
            raise ValueError(f"ClipGradValue: clip_value must be positive, got {clip_value}")
        self.clip_value = clip_value

    def on_backward_end(self, trainer: Trainer) -> None:
        """Clip."""
        clip_grad_value_(_held(trainer), self.clip_value)


def _held(trainer: Trainer) -> list[Tensor]:
    """What the optimizer holds: the gradients of other parameters are not of this step alone."""
    return [p for group in trainer.optimizer.param_groups for p in group["params"]]
