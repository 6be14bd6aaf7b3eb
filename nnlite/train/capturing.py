"""Captured steps in the Trainer: used by itself where they pay and are safe (nnlite.capture)."""

from __future__ import annotations

import warnings
from operator import is_not
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.train.feed import batch_count

if TYPE_CHECKING:
    from nnlite.capture.step import Compiled
    from nnlite.tensor import Tensor
    from nnlite.train.trainer import Trainer

__all__ = ["captured_gradients", "tell"]

# A capture takes as long as some hundred steps and saves a third of each, or more. In networks with
# more parameters than this the products of matrices take nearly all the time, and nothing is saved.
_LEAST_STEPS = 2000
_MOST_PARAMETERS = 1 << 18


def captured_gradients(trainer: Trainer) -> Compiled | None:
    """What computes the gradients for a batch, and the loss; None where it is not to be used.

    It is made anew when a callback has given the trainer another model or optimizer.
    """
    parts = (trainer.model_for(0), trainer.optimizer, trainer.objectives[0].loss)
    about = (*parts, trainer.accumulate, trainer.compile)
    known = trainer._known.get("gradients")
    if known is None or any(map(is_not, known[0], about)):
        known = trainer._known["gradients"] = about, _made(trainer, *parts)
    made: Compiled | None = known[1]
    return made


def _made(trainer: Trainer, model: Any, optimizer: Any, loss_of: Any) -> Compiled | None:
    if trainer.compile is False or trainer.accumulate != 1 or trainer.frozen_cache is not None:
        return None
    if trainer.compile is None and not _pays(trainer):
        return None
    from nnlite.capture.step import Compiled

    parts = trainer.objectives[0].parts

    def gradients(*batch: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = loss_of(model(*batch[:-parts]), *batch[-parts:])
        if np.isfinite(loss.array):  # else the training ends here
            loss.backward()
        return loss

    return Compiled(gradients)


def _pays(trainer: Trainer) -> bool:
    batches = batch_count(trainer.loaders[0])
    if batches is None or batches * (trainer.epochs - trainer.epoch + 1) < _LEAST_STEPS:
        return False
    return sum(p.array.size for p in trainer.model.parameters()) <= _MOST_PARAMETERS


def tell(trainer: Trainer, gradients: Any) -> None:
    """Warn when steps were to be captured and were not."""
    if not trainer.compile:
        return
    reason = "it needs accumulate=1 and no cache_frozen"
    if gradients is not None:
        if gradients.is_captured:
            return
        reason = gradients.reason
    warnings.warn(f"fit: the steps were not captured: {reason}", RuntimeWarning, stacklevel=3)
