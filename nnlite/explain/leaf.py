"""Leaf: where a path of the backward pass ends, and what happens to the gradient there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from nnlite.explain.model import Addend, Update, Value
from nnlite.explain.step import chosen_element
from nnlite.explain.update import Plan, update_of

__all__ = ["Leaf"]

Array = Any


class Leaf:
    """A leaf at the end of the paths: a parameter, or an input that requires a gradient.

    Attributes:
        value: with its symbol, name, array, and the gradient of this pass.
        addends: what its uses contribute to the gradient.
        held: what ``.grad`` holds now (None: nothing).
        total: what ``.grad`` holds when this pass has been accumulated.
        has_run: whether ``.grad`` already holds the gradient of this pass alone.
        is_frozen: whether it has been frozen since the forward pass: nothing is accumulated then.
        hooked: whether a hook of the user's may change the gradient here; it was not called.
    """

    def __init__(self, value: Value, addends: list[Addend], held: Array | None) -> None:
        self.value = value
        self.addends = addends
        self.held = held
        gradient = value.gradient
        self.has_run = held is not None and bool(np.array_equal(held, gradient, equal_nan=True))
        self.total = gradient if held is None or self.has_run else held + gradient
        self.plan: Plan | None = None
        self.is_frozen = False
        self.hooked = False
        self.asked: Callable[[], str] | None = None

    @cached_property
    def update(self) -> Update | None:
        """What the optimizer's next step does with it; None without an optimizer."""
        if self.plan is None or self.is_frozen or not self.value.gradient.size:
            return None
        return update_of(self.plan, self.total, chosen_element(self.total))

    @cached_property
    def why(self) -> str:
        """Why its gradient is zero, or that of some of its units; empty where it is not."""
        return self.asked() if self.asked is not None else ""
