"""nnlite.compile: every operator and every layer, captured, gives the bytes of an ordinary run."""

from __future__ import annotations

import warnings
from typing import Any

import layers
import numpy as np
import operators
import pytest

import nnlite
from nnlite.nn import Parameter
from nnlite.tensor import wrap

CALLS = 5
SAMPLES = 3  # of each operator

# What cannot be captured: part of the reason, and which rows. A row that is not named here must be.
REFUSED = {
    "numpy.argwhere": {"choose.where", "order.nonzero"},
    "numpy.unique": {"order.unique"},
    "x[mask]": {"index.getitem", "lookup.masked_select"},
    # NumPy's power of a single number may differ from that of an array in the last bit.
    "gave other values": {"attention.pairwise_distance"},
    # What the functions of these rows use, for torch's sake.
    "module warnings": {
        "conv.conv1d", "conv.conv2d", "conv.conv_transpose1d", "conv.conv_transpose2d",
        "regression_loss.kl_div",
    },
    "imports torch": {"attention.scaled_dot_product_attention"},
}  # fmt: skip
REFUSED_LAYERS = {
    "writes into an argument": {"in place", "Dropout of all", "Dropout2d"},
    "asks for the value": {"without momentum"},
}


def differs(a: Any, b: Any) -> bool:
    """Whether two tensors (or None) are not equal to the last bit."""
    if a is None or b is None:
        return a is not b
    return bool(a.array.shape != b.array.shape or a.array.tobytes() != b.array.tobytes())


class Side:
    """A case with tensors of its own, ordinary or captured."""

    def __init__(self, case: operators.Case, arrays: list[Any]) -> None:
        self.arrays = arrays
        self.tensors = [
            Parameter(wrap(a.copy())) if a.dtype.kind == "f" else wrap(a.copy()) for a in arrays
        ]
        tensors, call, options = self.tensors, case.row.call, case.sample.options
        library, outputs = operators.NNLITE, operators.outputs
        is_differentiable = case.sample.differentiable

        def step() -> Any:
            for tensor in tensors:
                tensor.grad = None
            given = [t * 1 if t.requires_grad else t for t in tensors]
            ys = outputs(call(library, *given, **options))
            ends = [y for y in ys if y.requires_grad]
            if ends and is_differentiable:
                nnlite.autograd.backward(ends, [y.detach() * 0.5 + 1 for y in ends])
            return [y.detach() for y in ys]

        self.step = step

    def fill(self, number: int) -> None:
        """Give the tensors other values."""
        for tensor, array in zip(self.tensors, self.arrays):
            if array.dtype.kind == "f":
                tensor.array[...] = array * (1 + 0.01 * number)
            else:
                tensor.array[...] = array


def reason_of(case: operators.Case, dtype: str) -> str:
    """Run a case both ways some times and compare; why it was not captured, or empty."""
    arrays = operators.arrays_of(case, dtype)
    one, other = Side(case, arrays), Side(case, arrays)
    captured = nnlite.compile(other.step)
    for number in range(CALLS):
        one.fill(number)
        other.fill(number)
        random = nnlite.get_rng_state()
        expected = one.step()
        after = nnlite.get_rng_state()
        nnlite.set_rng_state(random)
        got = captured()
        assert repr(nnlite.get_rng_state()) == repr(after)
        assert len(got) == len(expected)
        for a, b in zip(expected, got):
            assert not differs(a, b)
        for a, b in zip(one.tensors, other.tensors):
            assert not differs(a, b)
            assert not differs(a.grad, b.grad)
    reason: str = captured.reason
    return reason


@pytest.mark.parametrize("row", operators.ROWS, ids=lambda row: row.name)
def test_an_operator_forward_and_backward(row: operators.Row) -> None:
    for case in [case for case in operators.CASES if case.row is row][:SAMPLES]:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reason = reason_of(case, "float32")
        allowed = [part for part, rows in REFUSED.items() if row.names[0] in rows]
        assert not reason or any(part in reason for part in allowed), f"{case.label}: {reason}"


def pair_of(row: layers.Row, mode: str) -> tuple[Any, Any]:
    """A layer, and a step that runs it forward and backward."""
    module = layers.made(nnlite, row, mode, "float32")
    call, flat = row.call, layers.flat

    def step(*inputs: Any) -> Any:
        module.zero_grad()
        outputs = list(flat(call(module, *inputs)))
        ends = [y for y in outputs if y.requires_grad]
        if ends:
            nnlite.autograd.backward(ends, [y.detach() * 0.5 + 1 for y in ends])
        return [y.detach().clone() for y in outputs]  # some layers return their input

    return module, step


MODES = [
    (row, mode)
    for row in layers.ROWS
    for mode in layers.MODES
    if mode == "train" or "Norm" in row.name or mode == row.modes[-1] == row.modes[0]
]


@pytest.mark.parametrize(("row", "mode"), MODES, ids=lambda value: getattr(value, "name", value))
def test_a_layer_forward_and_backward(row: layers.Row, mode: str) -> None:
    (one, step), (other, same) = pair_of(row, mode), pair_of(row, mode)
    captured = nnlite.compile(same)
    for number in range(CALLS):
        arrays = layers.arrays_of(row, row.inputs, str(number), "float32")
        random = nnlite.get_rng_state()
        expected = step(*(nnlite.tensor(a) for a in arrays))
        nnlite.set_rng_state(random)
        got = captured(*(nnlite.tensor(a) for a in arrays))
        assert not any(differs(a, b) for a, b in zip(expected, got, strict=True))
        for a, b in zip(one.parameters(), other.parameters()):
            assert not differs(a.grad, b.grad)
        for a, b in zip(one.state_dict().values(), other.state_dict().values()):
            assert not differs(a, b)
    allowed = [p for p, names in REFUSED_LAYERS.items() if any(n in row.name for n in names)]
    reason = captured.reason
    assert not reason or any(part in reason for part in allowed), reason


@pytest.mark.parametrize("exponent", [0.5, -0.5, 1, -1, 1.5, 2, 3, 1 / 3])
def test_powers_after_a_start_with_ones(exponent: float) -> None:
    """With ones all ways to compute a power agree; older versions of NumPy have several."""

    def step(x: Any) -> Any:
        norm = nnlite.norm(x, p=abs(exponent) + 1, dim=1)
        return x**exponent, norm, nnlite.pow(x, exponent).sum(), x.sum(1) ** exponent

    captured = nnlite.compile(step)
    rng = np.random.default_rng(0)
    for number in range(2 * CALLS):
        array = np.abs(rng.standard_normal((64, 33)).astype(np.float32))
        x = nnlite.tensor(array if number >= CALLS else np.ones_like(array))
        assert not any(differs(a, b) for a, b in zip(step(x), captured(x)))
    assert captured.reason == ""
