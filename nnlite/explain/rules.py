"""Rules in index notation, for operations whose equation is in words: "g, put back in place".

Each is made from the shapes and the options of the operation alone, and is evaluated as it is
printed (``indexed``); it shares no code with the derivatives. What stands outside of an array
counts as 0, so ``g[i - 2]`` is the gradient of a slice.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from nnlite.explain.facts import Facts, Formula
from nnlite.explain.rules_conv import WINDOWS
from nnlite.explain.rules_lookup import LOOKUPS
from nnlite.explain.rules_loss import LOSSES
from nnlite.explain.rules_norm import NORMS
from nnlite.explain.rules_recurrent import RECURRENT
from nnlite.explain.rules_reduce import REDUCTIONS
from nnlite.explain.rules_shape import SHAPES

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["formula_of"]

_RULES = {**SHAPES, **LOOKUPS, **REDUCTIONS, **WINDOWS, **NORMS, **LOSSES, **RECURRENT}


def formula_of(step: Step, position: int) -> Formula | None:
    """The rule of an input in index notation; None where the equation itself is a formula."""

    kind = type(step._node).__name__
    maker = _RULES.get(kind)
    given = step.inputs[position].value
    if maker is None or not given.gradient.size:
        return None
    if not any(prod(value.shape) for value in step.outputs.values()):
        return Formula("0")  # nothing comes from a result without elements
    return maker(Facts(step, position))
