"""Comparisons and logic, element by element: bools, nothing to differentiate."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.ops.operands import array_of, operands
from nnlite.tensor import Tensor, wrap


def eq(input: Any, other: Any) -> Tensor:
    """``input == other``, element by element, as bools."""
    a, b, _, _ = operands("eq", input, other)
    return wrap(a == b)


def ne(input: Any, other: Any) -> Tensor:
    """``input != other``, element by element, as bools."""
    a, b, _, _ = operands("ne", input, other)
    return wrap(a != b)


def lt(input: Any, other: Any) -> Tensor:
    """``input < other``, element by element, as bools."""
    a, b, _, _ = operands("lt", input, other)
    return wrap(a < b)


def le(input: Any, other: Any) -> Tensor:
    """``input <= other``, element by element, as bools."""
    a, b, _, _ = operands("le", input, other)
    return wrap(a <= b)


def gt(input: Any, other: Any) -> Tensor:
    """``input > other``, element by element, as bools."""
    a, b, _, _ = operands("gt", input, other)
    return wrap(a > b)


def ge(input: Any, other: Any) -> Tensor:
    """``input >= other``, element by element, as bools."""
    a, b, _, _ = operands("ge", input, other)
    return wrap(a >= b)


def logical_not(input: Tensor) -> Tensor:
    """Whether each element is false (zero)."""
    return wrap(np.logical_not(array_of("logical_not", input)))


def logical_and(input: Any, other: Any) -> Tensor:
    """Whether both elements are true (not zero)."""
    a, b, _, _ = operands("logical_and", input, other)
    return wrap(np.logical_and(a, b))


def logical_or(input: Any, other: Any) -> Tensor:
    """Whether one element is true (not zero)."""
    a, b, _, _ = operands("logical_or", input, other)
    return wrap(np.logical_or(a, b))


def logical_xor(input: Any, other: Any) -> Tensor:
    """Whether exactly one element is true (not zero)."""
    a, b, _, _ = operands("logical_xor", input, other)
    return wrap(np.logical_xor(a, b))


def bitwise_and(input: Any, other: Any) -> Tensor:
    """``input & other`` of bools or integers."""
    a, b, _, _ = operands("bitwise_and", input, other)
    return wrap(a & b)


def bitwise_or(input: Any, other: Any) -> Tensor:
    """``input | other`` of bools or integers."""
    a, b, _, _ = operands("bitwise_or", input, other)
    return wrap(a | b)


def bitwise_xor(input: Any, other: Any) -> Tensor:
    """``input ^ other`` of bools or integers."""
    a, b, _, _ = operands("bitwise_xor", input, other)
    return wrap(a ^ b)


def bitwise_not(input: Tensor) -> Tensor:
    """``~input`` of bools or integers."""
    return wrap(~array_of("bitwise_not", input))


def isnan(input: Tensor) -> Tensor:
    """Whether each element is not a number."""
    return wrap(np.isnan(array_of("isnan", input)))


def isinf(input: Tensor) -> Tensor:
    """Whether each element is infinite."""
    return wrap(np.isinf(array_of("isinf", input)))


def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor NaN."""
    return wrap(np.isfinite(array_of("isfinite", input)))


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether ``|input - other| <= atol + rtol * |other|``, element by element.

    >>> import nnlite
    >>> nnlite.isclose(nnlite.tensor([1.0, 2.0]), nnlite.tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    a, b = array_of("isclose", input), array_of("isclose", other)
    if a.dtype != b.dtype:
        raise RuntimeError(f"isclose: both must have the same dtype, got {a.dtype} and {b.dtype}")
    return wrap(np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether ``|input - other| <= atol + rtol * |other|`` everywhere."""
    a, b = array_of("allclose", input), array_of("allclose", other)
    return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan))


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements."""
    return bool(np.array_equal(array_of("equal", input), array_of("equal", other)))
