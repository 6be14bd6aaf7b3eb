"""Every equation of back-propagation, on your own network, with your own numbers.

``nnlite.explain(loss)`` after a forward pass gives an ``Explanation``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from nnlite.explain.explanation import Explanation
from nnlite.explain.record import recording
from nnlite.explain.why import why
from nnlite.tensor import Tensor

__all__ = ["Explanation", "explain", "recording", "why"]


def explain(
    loss: Tensor,
    gradient: Tensor | None = None,
    *,
    model: Any = None,
    optimizer: Any = None,
    names: Mapping[str, Tensor] | None = None,
    depth: int | None = None,
) -> Explanation:
    """The equations of the backward pass from ``loss``, with the numbers of this pass."""
    return Explanation(loss, gradient, model=model, optimizer=optimizer, names=names, depth=depth)


class _Callable(ModuleType):
    """The package itself can be called: ``nnlite.explain(loss)``."""

    def __call__(self, *args: Any, **kwargs: Any) -> Explanation:
        return explain(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
