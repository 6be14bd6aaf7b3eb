"""Schedules of the learning rate, stepped after the optimizer: once an epoch, or once a batch.

>>> import nnlite
>>> from nnlite.optim.lr_scheduler import StepLR
>>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=1.0)
>>> scheduler = StepLR(optimizer, step_size=2)
>>> for epoch in range(4):
...     optimizer.step()
...     scheduler.step()
...     print(scheduler.get_last_lr())
[1.0]
[0.1]
[0.1]
[0.010000000000000002]
"""

from nnlite.missing import no_attribute
from nnlite.optim.lr_scheduler.base import LRScheduler
from nnlite.optim.lr_scheduler.combine import ChainedScheduler, SequentialLR
from nnlite.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from nnlite.optim.lr_scheduler.cycle import CyclicLR, OneCycleLR
from nnlite.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from nnlite.optim.lr_scheduler.functions import LambdaLR, MultiplicativeLR
from nnlite.optim.lr_scheduler.plateau import ReduceLROnPlateau

# The older name, which schedulers of one's own may still inherit from.
_LRScheduler = LRScheduler

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts",
    "CyclicLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR",
    "MultiplicativeLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip


def __getattr__(name: str) -> None:
    raise no_attribute("nnlite.optim.lr_scheduler", name, __all__)
