"""What an operation computes, as a function that differences can be taken of.

Three sources: the operator itself, called again, where a recording has kept the call; the formula
that is printed, where it is one (``parse``); and ``table`` for what is said in words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.explain import table
from nnlite.explain.forms import constants, mean_of
from nnlite.explain.parse import NotAFormula, Tree, definitions, evaluate
from nnlite.explain.record import record_of
from nnlite.explain.repeat import Function, repeated

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["Forward", "formula_values", "formulas", "of_step"]

Array = Any


class Forward:
    """An operation as a function of its inputs.

    Args:
        compute: gets one array in float64 for each input (None: as it was), returns the outputs.
        inputs: the inputs as they were, in float64.
        source: where it comes from: "operator", "formula" or "table".
    """

    def __init__(self, compute: Function, inputs: dict[int, Array], source: str) -> None:
        self.source = source
        self._compute = compute
        self._inputs = inputs

    def input(self, position: int) -> Array | None:
        """An input as it was; None where nothing has kept it."""
        return self._inputs.get(position)

    def moved(self, position: int, by: Array | None) -> dict[int, Array]:
        """The outputs with ``by`` added to the input at ``position``."""
        arrays = dict(self._inputs)
        if by is not None:
            arrays[position] = arrays[position] + by
        return self._compute(arrays)


def of_step(step: Step) -> Forward | str:
    """The function that a step's operation computes, or a sentence that says why there is none."""
    kind = type(step._node).__name__
    record = None if kind in table.ROUNDS else record_of(step._node)
    for call in () if record is None else record.calls:
        found = repeated(step, call, record.output)  # type: ignore[union-attr]
        if found is not None:
            return Forward(*found, "operator")
    inputs = _inputs(step)
    if isinstance(inputs, str):
        return inputs
    trees = formulas(step)
    if trees:
        function = _from_formula(step, trees)
        if _computes(function, inputs, step):
            return Forward(function, inputs, "formula")
    if kind in table.TABLE:
        function = _from_table(step, table.TABLE[kind])
        if _computes(function, inputs, step):
            return Forward(function, inputs, "table")
    if record is not None:
        return "the operation could not be repeated to take a difference"
    return "for a difference run the forward pass under nnlite.explain.recording()"


def _inputs(step: Step) -> dict[int, Array] | str:
    """The inputs in float64; zeros where the operation is linear and has not kept them."""
    arrays: dict[int, Array] = {}
    kind = type(step._node).__name__
    for position, given in enumerate(step.inputs):
        array = step.array_of(position)
        if array is not None:
            arrays[position] = np.asarray(array, dtype=np.float64)
        elif given.wanted and kind in table.LINEAR:
            arrays[position] = np.zeros(given.value.shape)
        elif given.wanted:
            return (
                f"{given.value.symbol} has not been kept, so no difference could be taken: run "
                "the forward pass under nnlite.explain.recording()"
            )
    return arrays


def formulas(step: Step) -> list[tuple[str, Tree]]:
    """The forward formula of a step as trees; empty where it is in words."""
    try:
        text = step.equation.forward
        return definitions(text.replace("Σ ", "", 1) if mean_of(step._node) is not None else text)
    except NotAFormula:
        return []


def formula_values(step: Step, arrays: dict[int, Array]) -> dict[str, Any]:
    """Values for the letters of a step's equation: its inputs and its options."""
    values: dict[str, Any] = dict(constants(step._node))
    for position, given in enumerate(step.inputs):
        if position in arrays:
            values[given.role] = arrays[position]
        elif type(step._node).__name__ in table.LINEAR:
            # A constant beside it: the derivative is the same without.
            is_sum = step.name in ("Add", "Sub", "Rsub")
            values[given.role] = np.zeros(step.output.shape) if is_sum else 0.0
    extra = {"w": 2, "p": 3} if "CrossEntropy" in step.name else {}
    for letter, place in extra.items():
        saved = step.saved
        if place < len(saved) and saved[place] is not None:
            values[letter] = np.asarray(saved[place], dtype=np.float64)
    return values


def _from_formula(step: Step, trees: list[tuple[str, Tree]]) -> Function:
    total = mean_of(step._node) is not None

    def compute(arrays: dict[int, Array]) -> dict[int, Array]:
        values = formula_values(step, arrays)
        for letter, tree in reversed(trees):
            values[letter] = evaluate(tree, values)
        result = values[trees[0][0]]
        return {0: np.sum(result) if total else result}

    return compute


def _from_table(step: Step, compute_one: table.Compute) -> Function:
    node, saved = step.derivative, step.saved
    shape = step.output.shape
    count = len(step.inputs)

    def compute(arrays: dict[int, Array]) -> dict[int, Array]:
        found = compute_one(node, saved, shape, [arrays.get(i) for i in range(count)])
        return found if isinstance(found, dict) else {0: found}

    return compute


def _computes(function: Function, inputs: dict[int, Array], step: Step) -> bool:
    """Whether a function gives outputs of the right shape, and the known value of the output."""
    try:
        with np.errstate(all="ignore"):
            outputs = function(inputs)
    except (NotAFormula, ValueError, TypeError, IndexError, KeyError):
        return False
    for index, value in step.outputs.items():
        if index not in outputs or np.shape(outputs[index]) != value.shape:
            return False
    known = step.output.array
    if type(step._node).__name__ in table.ROUNDS | table.WRITES:
        return True
    if known is None or any(step.array_of(i) is None for i in range(len(step.inputs))):
        return True
    first = next(iter(step.outputs))
    scale = 1e-300 + float(np.max(np.abs(known), initial=0.0))
    eps = float(np.finfo(known.dtype).eps) if known.dtype.kind == "f" else 1e-16
    with np.errstate(invalid="ignore"):  # ∞ - ∞
        apart = np.abs(outputs[first] - known.astype(np.float64))
    return bool(np.all((apart <= 1e4 * eps * scale) | ~np.isfinite(known)))
