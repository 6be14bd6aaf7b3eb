"""Optimizers."""

from nnlite.optim.optimizer import Optimizer
from nnlite.optim.sgd import SGD

__all__ = ["SGD", "Optimizer"]
