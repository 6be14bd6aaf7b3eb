"""Training and evaluation mode for the time of a block."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nnlite.autograd.modes import no_grad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnlite.nn import Module

__all__ = ["evaluating", "training"]


@contextmanager
def training(model: Module) -> Iterator[None]:
    """The model in training mode (parts set to ``eval()`` stay so); restored at the end."""
    modes = [(module, module.training) for module in model.modules()]
    if not model.training:
        model.train()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """The model in evaluation mode, nothing recorded; the mode of each part is restored."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
