"""The gradient checker: derivatives against differences of the function's own values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnlite.autograd.engine import grad
from nnlite.autograd.modes import enable_grad, no_grad
from nnlite.tensor import Tensor, wrap

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative differs from the numerical one."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-4,
    raise_exception: bool = True,
) -> bool:
    """Compare the derivatives of ``func`` with central differences (f(x + ε) - f(x - ε)) / 2ε.

    Every element of the Jacobian is compared: for each output element one backward pass, for each
    input element two evaluations.

    Args:
        func: takes the inputs, returns a tensor or several.
        inputs: float64 tensors that require gradients are checked; other arguments are passed on.
        eps: the step ε.
        atol, rtol: allowed is ``|analytical - numerical| <= atol + rtol * |numerical|``. torch
            allows ten times as much by default, which lets a factor of 1.0005 pass.
        raise_exception: raise instead of returning False.

    Raises:
        GradcheckError: naming the input, the element and both values.
        ValueError: when there is nothing to check (no input that requires a gradient, no floating
            point output), or an input is not float64.

    >>> import nnlite
    >>> x = nnlite.tensor([0.5, 2.0], dtype=nnlite.float64, requires_grad=True)
    >>> nnlite.autograd.gradcheck(nnlite.exp, x)
    True
    """
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input requires a gradient, so there is nothing to check")
    for x in checked:
        if x.dtype != np.float64:
            raise ValueError(
                f"gradcheck: inputs must be float64 for differences to be exact, got {x.dtype}"
            )
    outputs = _outputs(func, arguments)
    if not outputs:
        raise ValueError(
            "gradcheck: the function returns no floating point tensor to differentiate"
        )
    try:
        for number, output in enumerate(outputs):
            _check_output(func, arguments, checked, number, output, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _outputs(func: Callable[..., Any], arguments: Sequence[Any]) -> list[Tensor]:
    result = func(*arguments)
    outputs = [result] if isinstance(result, Tensor) else list(result)
    return [y for y in outputs if isinstance(y, Tensor) and y.dtype.kind == "f"]


def _check_output(
    func: Callable[..., Any],
    arguments: Sequence[Any],
    checked: Sequence[Tensor],
    number: int,
    output: Tensor,
    eps: float,
    atol: float,
    rtol: float,
) -> None:
    shape = output.array.shape
    analytical = [np.zeros((output.numel(), x.numel())) for x in checked]
    if output.requires_grad:
        for row in range(output.numel()):
            v = np.zeros(output.numel())
            v[row] = 1
            gradients = grad(
                output, checked, wrap(v.reshape(shape)), retain_graph=True, allow_unused=True
            )
            for jacobian, x, g in zip(analytical, checked, gradients):
                if g is None:
                    continue
                if g.array.shape != x.array.shape or g.dtype != x.dtype:
                    raise GradcheckError(
                        f"gradcheck: the gradient has {list(g.shape)} {g.dtype}, its input "
                        f"{list(x.shape)} {x.dtype}"
                    )
                jacobian[row] = g.array.reshape(-1)
    for place, (x, jacobian) in enumerate(zip(checked, analytical)):
        numerical = _differences(func, arguments, x, number, output.numel(), eps)
        wrong = ~(np.abs(jacobian - numerical) <= atol + rtol * np.abs(numerical))
        wrong &= ~(np.isnan(jacobian) & np.isnan(numerical))
        if wrong.any():
            row, column = map(int, np.argwhere(wrong)[0])
            raise GradcheckError(
                f"gradcheck: the derivative of output {number}[{row}] with respect to input "
                f"{place}[{column}] is {jacobian[row, column]:.8g} by backward and "
                f"{numerical[row, column]:.8g} by differences "
                f"({int(wrong.sum())} of {wrong.size} elements differ)"
            )


def _differences(
    func: Callable[..., Any],
    arguments: Sequence[Any],
    x: Tensor,
    number: int,
    size: int,
    eps: float,
) -> Any:
    """The Jacobian (outputs, inputs) of one output with respect to ``x``, by differences."""
    jacobian = np.zeros((size, x.numel()))
    original = x.array
    try:
        for column in range(x.numel()):
            sides = []
            for step in (eps, -eps):
                moved = original.copy()
                moved.flat[column] += step
                x.array = moved
                with no_grad():
                    sides.append(_outputs(func, arguments)[number].array.reshape(-1).copy())
            jacobian[:, column] = (sides[0] - sides[1]) / (2 * eps)
    finally:
        x.array = original
    return jacobian


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-4,
    raise_exception: bool = True,
) -> bool:
    """``gradcheck`` of the first derivatives: are the second ones right?

    >>> import nnlite
    >>> x = nnlite.tensor([0.5, 2.0], dtype=nnlite.float64, requires_grad=True)
    >>> nnlite.autograd.gradgradcheck(nnlite.exp, x)
    True
    """
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]
    rng = np.random.default_rng(0)
    vectors = [
        wrap(rng.standard_normal(y.array.shape)).requires_grad_()
        for y in _outputs(func, arguments)
        if y.requires_grad
    ]

    def first(*values: Any) -> tuple[Any, ...]:
        given, vs = list(values[: len(arguments)]), list(values[len(arguments) :])
        with enable_grad():
            outputs = [y for y in _outputs(func, given) if y.requires_grad]
            gradients = grad(
                outputs, [given[i] for i in checked], vs, create_graph=True, allow_unused=True
            )
        return tuple(g for g in gradients if g is not None)

    return gradcheck(
        first,
        [*arguments, *vectors],
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
    )
