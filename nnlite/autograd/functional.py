"""Derivatives of functions: jacobian, hessian, and their products with vectors.

For a function f: ℝⁿ → ℝᵐ the Jacobian is J[i, j] = ∂fᵢ/∂xⱼ, and for f: ℝⁿ → ℝ the Hessian is
H[i, j] = ∂²f/∂xᵢ∂xⱼ. One backward pass gives one product vᵀ J. Products J v come from two passes:
u ↦ uᵀ J is linear, and its own transposed product with v is J v (the "double backward trick").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from nnlite.autograd.engine import grad
from nnlite.autograd.modes import enable_grad
from nnlite.tensor import Tensor, wrap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]
Gradients = tuple["Tensor | None", ...]


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The output of ``func``, and the product vᵀ J of a vector with its Jacobian.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        v: of the output's shape (a tuple for several); may be left out for one number.
        create_graph: make both results differentiable.
        strict: raise where an output or gradient does not depend on an input, instead of zeros.

    Returns:
        ``func(*inputs)``, and vᵀ J in the form of the inputs.

    Raises:
        TypeError: when inputs, outputs or v are no tensors.
        RuntimeError: when v does not fit, or as ``strict`` says.

    >>> import nnlite
    >>> from nnlite.autograd.functional import vjp
    >>> x = nnlite.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> vjp(lambda x: (x * x).sum(1), x, nnlite.tensor([1.0, 10.0]))
    (tensor([ 5., 25.]), tensor([[ 2.,  4.],
            [60., 80.]]))
    """
    with enable_grad():
        xs = _inputs("vjp", inputs, create_graph)
        ys, several = _outputs("vjp", func, xs, strict)
        vs = _vector("vjp", v, ys, several, "the function returns", create_graph)
        found = _grad(ys, xs, vs, create_graph)
        product = _fill("vjp", found, xs, strict, create_graph, "output")
    return (
        _like(several, _finish(ys, create_graph)),
        _like(isinstance(inputs, tuple), _finish(product, create_graph)),
    )


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The output of ``func``, and the product J v of its Jacobian with a vector.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        v: of the inputs' shapes (a tuple for several); may be left out for one number.
        create_graph: make both results differentiable.
        strict: raise where an output or gradient does not depend on an input, instead of zeros.

    Returns:
        ``func(*inputs)``, and J v in the form of the output.

    Raises:
        TypeError: when inputs, outputs or v are no tensors.
        RuntimeError: when v does not fit, or as ``strict`` says.

    >>> import nnlite
    >>> from nnlite.autograd.functional import jvp
    >>> x = nnlite.tensor([1.0, 2.0, 3.0])
    >>> jvp(lambda x: x * x, x, nnlite.tensor([1.0, 0.0, 10.0]))
    (tensor([1., 4., 9.]), tensor([ 2.,  0., 60.]))
    """
    with enable_grad():
        xs = _inputs("jvp", inputs, create_graph)
        vs = _vector("jvp", v, xs, isinstance(inputs, tuple), "the input is", create_graph)
        ys, several = _outputs("jvp", func, xs, strict)
        us = _variables(ys)
        transposed = _grad(ys, xs, us, True)
        _need_graph("jvp", transposed, strict, "the gradient with respect to input")
        found = _grad(transposed, us, vs, create_graph)
        product = _fill("jvp", found, ys, strict, create_graph, "gradient")
    return (
        _like(several, _finish(ys, create_graph)),
        _like(several, _finish(product, create_graph)),
    )


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func``: all derivatives of the outputs with respect to the inputs.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        create_graph: make the result differentiable.
        strict: raise where an output does not depend on an input, instead of zeros.
        vectorize: accepted; the result is the same, one pass for each element of the outputs.
        strategy: only ``"reverse-mode"``.

    Returns:
        A tensor of the output's shape followed by the input's; for several outputs or inputs a
        tuple (for both a tuple of tuples, by output first).

    Raises:
        TypeError: when inputs or outputs are no tensors.
        RuntimeError: as ``strict`` says.
        NotImplementedError: for another strategy.

    >>> import nnlite
    >>> from nnlite.autograd.functional import jacobian
    >>> jacobian(lambda x: x**2, nnlite.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    _check_strategy("jacobian", strategy)
    with enable_grad():
        xs = _inputs("jacobian", inputs, create_graph)
        ys, several = _outputs("jacobian", func, xs, strict)
        rows = tuple(_rows(y, xs, number, create_graph, strict) for number, y in enumerate(ys))
    finished = tuple(
        _like(isinstance(inputs, tuple), _finish(blocks, create_graph)) for blocks in rows
    )
    return _like(several, finished)


def _rows(y: Tensor, xs: Tensors, number: int, create_graph: bool, strict: bool) -> Tensors:
    """The derivatives of one output with respect to each input."""
    blocks: list[list[Tensor]] = [[] for _ in xs]
    for element in range(y.numel()):
        one = np.zeros_like(y.array)
        one.reshape(-1)[element] = 1
        found = _grad((y,), xs, (wrap(one),), create_graph)
        filled = _fill("jacobian", found, xs, strict, create_graph, f"output {number}")
        for block, g in zip(blocks, filled):
            block.append(g)
    return tuple(
        cast(Any, np.stack(cast(Any, block))).reshape(y.array.shape + x.array.shape)
        if block
        else wrap(np.zeros_like(x.array, shape=y.array.shape + x.array.shape))
        for block, x in zip(blocks, xs)
    )


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of ``func``: all second derivatives of one number.

    Args:
        func: takes the inputs, returns a tensor of one element.
        inputs: a tensor or a tuple of tensors.
        create_graph: make the result differentiable.
        strict: raise where the gradient does not depend on an input, instead of zeros.
        vectorize: accepted; the result is the same.
        outer_jacobian_strategy: only ``"reverse-mode"``.

    Returns:
        A tensor of the input's shape twice; for a tuple of inputs a tuple of tuples, where
        ``[i][j]`` has the shape of input i followed by that of input j.

    Raises:
        TypeError: when inputs or the output are no tensors.
        RuntimeError: when the output has several elements, or as ``strict`` says.
        NotImplementedError: for another strategy.

    >>> import nnlite
    >>> from nnlite.autograd.functional import hessian
    >>> hessian(lambda x: (x**3).sum(), nnlite.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    _check_strategy("hessian", outer_jacobian_strategy)
    several = isinstance(inputs, tuple)
    _tuple("hessian", "inputs", inputs)

    def gradient(*xs: Tensor) -> Tensors:
        (y,) = _scalar("hessian", func, xs, strict)
        found = _grad((y,), xs, None, True)
        filled = _fill("hessian", found, xs, strict, False, "output")
        _need_graph("hessian", filled, strict, "the jacobian with respect to input")
        return filled

    result = jacobian(gradient, inputs, create_graph, strict)
    return result if several else result[0]


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The output of ``func``, and the product vᵀ H of a vector with its Hessian.

    Args:
        func: takes the inputs, returns a tensor of one element.
        inputs: a tensor or a tuple of tensors.
        v: of the inputs' shapes (a tuple for several); may be left out for one number.
        create_graph: make both results differentiable.
        strict: raise where the gradient does not depend on an input, instead of zeros.

    Returns:
        ``func(*inputs)``, and vᵀ H in the form of the inputs.

    Raises:
        TypeError: when inputs, the output or v are no tensors.
        RuntimeError: when the output has several elements, v does not fit, or as ``strict`` says.

    >>> import nnlite
    >>> from nnlite.autograd.functional import vhp
    >>> x = nnlite.tensor([1.0, 2.0])
    >>> vhp(lambda x: (x**3).sum(), x, nnlite.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    with enable_grad():
        xs = _inputs("vhp", inputs, create_graph)
        vs = _vector("vhp", v, xs, isinstance(inputs, tuple), "the input is", create_graph)
        ys = _scalar("vhp", func, xs, strict)
        first = _grad(ys, xs, None, True)
        _need_graph("vhp", first, strict, "the jacobian with respect to input")
        found = _grad(first, xs, vs, create_graph)
        product = _fill("vhp", found, xs, strict, create_graph, "jacobian")
    return (
        _finish(ys, create_graph)[0],
        _like(isinstance(inputs, tuple), _finish(product, create_graph)),
    )


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The output of ``func``, and the product H v of its Hessian with a vector.

    Where the second derivatives are continuous, H is symmetric, and ``vhp`` gives the same sooner.

    Args:
        func: takes the inputs, returns a tensor of one element.
        inputs: a tensor or a tuple of tensors.
        v: of the inputs' shapes (a tuple for several); may be left out for one number.
        create_graph: make both results differentiable.
        strict: raise where the gradient does not depend on an input, instead of zeros.

    Returns:
        ``func(*inputs)``, and H v in the form of the inputs.

    Raises:
        TypeError: when inputs, the output or v are no tensors.
        RuntimeError: when the output has several elements, v does not fit, or as ``strict`` says.

    >>> import nnlite
    >>> from nnlite.autograd.functional import hvp
    >>> x = nnlite.tensor([1.0, 2.0])
    >>> hvp(lambda x: (x**3).sum(), x, nnlite.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    with enable_grad():
        xs = _inputs("hvp", inputs, create_graph)
        vs = _vector("hvp", v, xs, isinstance(inputs, tuple), "the input is", create_graph)
        ys = _scalar("hvp", func, xs, strict)
        first = _grad(ys, xs, None, True)
        _need_graph("hvp", first, strict, "the jacobian with respect to input")
        us = _variables(xs)
        second = _grad(first, xs, us, True)
        found = _grad(second, us, vs, create_graph)
        product = _fill("hvp", found, xs, strict, create_graph, "hessian")
    return (
        _finish(ys, create_graph)[0],
        _like(isinstance(inputs, tuple), _finish(product, create_graph)),
    )


# ---- tensors in, tensors out --------------------------------------------------------------------


def _tuple(function: str, what: str, value: Any) -> Tensors:
    values = value if isinstance(value, tuple) else (value,)
    for position, item in enumerate(values):
        if not isinstance(item, Tensor):
            place = f" at position {position}" if isinstance(value, tuple) else ""
            raise TypeError(
                f"{function}: {what} must be a Tensor or a tuple of Tensors, "
                f"got {type(item).__name__}{place}"
            )
    return values


def _like(several: bool, values: tuple[Any, ...]) -> Any:
    return values if several else values[0]


def _inputs(function: str, inputs: Any, create_graph: bool) -> Tensors:
    """New tensors for the inputs: the function may hold the same ones as constants."""
    return tuple(
        cast(Any, x).view(x.shape)
        if create_graph and x.requires_grad
        else x.detach().requires_grad_()
        for x in _tuple(function, "inputs", inputs)
    )


def _outputs(
    function: str, func: Callable[..., Any], xs: Sequence[Tensor], strict: bool
) -> tuple[Tensors, bool]:
    result = func(*xs)
    ys = _tuple(function, "the result of the function", result)
    if strict:
        for position, y in enumerate(ys):
            if not y.requires_grad:
                raise RuntimeError(
                    f"{function}: output {position} of the function does not require a gradient: "
                    "it was not computed differentiably from the inputs, which strict=True does "
                    "not allow"
                )
    return ys, isinstance(result, tuple)


def _scalar(
    function: str, func: Callable[..., Any], xs: Sequence[Tensor], strict: bool
) -> tuple[Tensor]:
    ys, several = _outputs(function, func, xs, strict)
    if several:
        raise RuntimeError(f"{function}: the function must return one tensor, got a tuple")
    if ys[0].numel() != 1:
        raise RuntimeError(
            f"{function}: the function must return one number, got shape {list(ys[0].shape)}; "
            "reduce it first: sum(), mean() …"
        )
    return (ys[0],)


def _vector(
    function: str, v: Any, refs: Tensors, several: bool, whose: str, create_graph: bool
) -> Tensors | None:
    """The vector as a tuple, checked against what it is multiplied with."""
    if v is None:
        if len(refs) != 1 or refs[0].numel() != 1:
            raise RuntimeError(
                f"{function}: v can be left out only where {whose} a single number; give v in the "
                f"shape {[list(ref.shape) for ref in refs]}"
            )
        return (wrap(np.ones_like(refs[0].array)),)
    vs = _tuple(function, "v", v)
    if len(vs) != len(refs):
        wanted = f"a tuple of {len(refs)} tensors" if several else "one tensor"
        raise RuntimeError(f"{function}: v must be {wanted}, got {len(vs)}")
    for position, (given, ref) in enumerate(zip(vs, refs)):
        if given.array.shape != ref.array.shape:
            raise RuntimeError(
                f"{function}: v has shape {list(given.shape)} at position {position}, expected "
                f"{list(ref.shape)}"
            )
    return vs if create_graph else tuple(given.detach() for given in vs)


def _variables(refs: Tensors) -> Tensors:
    """Zeros that the transposed product is linear in; their values do not matter."""
    return tuple(wrap(np.zeros_like(ref.array)).requires_grad_() for ref in refs)


def _grad(ys: Gradients, xs: Tensors, vs: Tensors | None, create_graph: bool) -> Gradients:
    """``grad`` for outputs of which some may be None or need no gradient."""
    vectors: Gradients = vs if vs is not None else (None,) * len(ys)
    chosen = [(y, v) for y, v in zip(ys, vectors) if y is not None and y.requires_grad]
    if not chosen:
        return (None,) * len(xs)
    return grad(
        [y for y, _ in chosen],
        xs,
        [v for _, v in chosen],
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
    )


def _fill(
    function: str, found: Gradients, refs: Tensors, strict: bool, create_graph: bool, what: str
) -> Tensors:
    """Zeros where nothing was found; an error if ``strict``."""
    filled = []
    for position, (g, ref) in enumerate(zip(found, refs)):
        if strict and (g is None or (create_graph and not g.requires_grad)):
            whose = what if g is None else f"derivative of the {what}"
            raise RuntimeError(
                f"{function}: the {whose} does not depend on input {position}, which strict=True "
                "does not allow"
            )
        filled.append(wrap(np.zeros_like(ref.array)) if g is None else g)
    return tuple(filled)


def _need_graph(function: str, found: Gradients, strict: bool, what: str) -> None:
    if not strict:
        return
    for position, g in enumerate(found):
        if g is None or not g.requires_grad:
            raise RuntimeError(
                f"{function}: {what} {position} does not depend on the inputs (the function is "
                "linear in it), which strict=True does not allow"
            )


def _finish(values: Sequence[Tensor], create_graph: bool) -> Tensors:
    return tuple(values) if create_graph else tuple(value.detach() for value in values)


def _check_strategy(function: str, strategy: str) -> None:
    if strategy == "reverse-mode":
        return
    if strategy == "forward-mode":
        raise NotImplementedError(
            f'{function}: only "reverse-mode" is there, which gives the same values; for a product '
            "with a vector use jvp"
        )
    raise ValueError(f'{function}: strategy must be "reverse-mode", got {strategy!r}')
