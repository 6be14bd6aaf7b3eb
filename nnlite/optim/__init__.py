"""Optimizers."""

from typing import NoReturn

from nnlite.missing import no_attribute
from nnlite.optim.optimizer import Optimizer
from nnlite.optim.sgd import SGD

__all__ = ["SGD", "Optimizer"]


def __getattr__(name: str) -> NoReturn:
    raise no_attribute("nnlite.optim", name, __all__)
