"""Anomaly detection: the first NaN or infinity, forward or backward, and where it came from.

While it is on, every operation is looked at right after it has run (``node.lookers``),
and every derivative in the backward pass. An infinity counts as bad when it was made of finite
values: what a program puts in on purpose (a mask of -inf for a softmax) does not. Off, it costs
nothing.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import weakref
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from nnlite.autograd import hooks
from nnlite.autograd.hooks import extras_of, need_extras
from nnlite.autograd.mutation import memory_owner
from nnlite.autograd.node import Edge, Node, lookers
from nnlite.tensor import Tensor

__all__ = [
    "AnomalyError",
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_detect_anomaly",
]


class AnomalyError(RuntimeError):
    """The first NaN or infinity of a computation has been found."""


class set_detect_anomaly:
    """Switch anomaly detection on or off, at once; back again at the end of a ``with`` block.

    With it on, the first operation whose result is NaN, or infinite although its inputs are finite,
    raises ``AnomalyError``; so does the first derivative in a backward pass. The error names the
    operation, the module that it ran in, the source line, the ranges of the values that went in,
    and a remedy. Any other error in a backward pass gets the place of the forward operation, too.

    In the forward pass operations are checked that a gradient will go through; what only prepares
    data may hold NaN or infinities. Detection is for all threads, and slow: for debugging.

    Args:
        mode: on or off.
        check_nan: check values; without it only errors in backward get their place.

    >>> import nnlite
    >>> x = nnlite.tensor([1.0, 0.0], requires_grad=True)
    >>> with nnlite.autograd.set_detect_anomaly(True):
    ...     x.log().sum().backward()
    Traceback (most recent call last):
        ...
    nnlite.autograd.anomaly.AnomalyError: anomaly: the first bad value is made by log in the ...
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = is_anomaly_enabled(), is_anomaly_check_nan_enabled()
        _switch(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _switch(*self._before)


class detect_anomaly(set_detect_anomaly):
    """Anomaly detection for the duration of a ``with`` block; see ``set_detect_anomaly``.

    >>> import nnlite
    >>> with nnlite.autograd.detect_anomaly():
    ...     nnlite.autograd.anomaly.is_anomaly_enabled()
    True
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan

    def __enter__(self) -> None:
        super().__init__(True, self._check_nan)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return hooks.inspector is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection, when it is on, checks values."""
    return hooks.inspector is None or hooks.inspector.check_nan


_numpy_errors: dict[str, Any] = {}


def _switch(mode: bool, check_nan: bool) -> None:
    if _numpy_errors:
        np.seterr(**_numpy_errors)
        _numpy_errors.clear()
    if not mode:
        hooks.inspector = None
        hooks.marked.pop(0, None)
        lookers.clear()
        return
    if check_nan:
        # NumPy's warnings would come first and say less.
        _numpy_errors.update(np.seterr(divide="ignore", over="ignore", invalid="ignore"))
    inspector = Inspector(check_nan)
    hooks.inspector = hooks.marked[0] = inspector
    lookers[:] = [inspector.forward]


# ---- where an operation was called --------------------------------------------------------------

_HERE = is_anomaly_enabled.__code__.co_filename
_AUTOGRAD = os.path.dirname(_HERE) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(_HERE)) + os.sep
_OPERATORS = _PACKAGE + "ops" + os.sep


class Site:
    """Where an operation was called: the operator, the modules around it, and the user's lines."""

    __slots__ = ("lines", "modules", "node_name", "operator")

    def __init__(self, node_class: type[Node], frame: FrameType) -> None:
        self.node_name = node_class.__name__
        self.operator = _operator(node_class, frame)
        self.modules: list[weakref.ref[Any]] = []  # from the outermost to the innermost
        self.lines: list[tuple[str, int, str]] = []  # file, line, function; the innermost first
        outer: FrameType | None = frame
        while outer is not None:
            code = outer.f_code
            if code.co_name in ("forward", "__call__") and outer is not frame:
                # A container may call the forward of its modules without their __call__.
                module = outer.f_locals.get("self")
                is_new = not self.modules or self.modules[0]() is not module
                if is_new and hasattr(type(module), "named_modules"):
                    self.modules.insert(0, weakref.ref(module))
            if not code.co_filename.startswith(_PACKAGE) and len(self.lines) < 4:
                self.lines.append((code.co_filename, outer.f_lineno, code.co_name))
            outer = outer.f_back

    def __str__(self) -> str:
        import linecache

        parts = [f"  operator: {self.operator} ({self.node_name})"]
        if self.modules:
            parts.append(f"  module:   {_path([module() for module in self.modules])}")
        label = "  line:     "
        for file, line, function in self.lines:
            text = linecache.getline(file, line).strip()
            parts.append(f"{label}{file}:{line}, in {function}{': ' if text else ''}{text}")
            label = "            called from "
        return "\n".join(parts)


def _operator(node_class: type[Node], frame: FrameType) -> str:
    """The name of the function that was called."""
    function = getattr(node_class, "function_class", None)
    if function is not None:
        return str(function.__name__)
    name = re.sub(r"Backward\d*$|Backwards$", "", node_class.__name__)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    for operator in _operator_frames(frame):
        called = operator.f_code.co_name
        if operator.f_globals.get(called) is not None and not called.startswith("_"):
            name = called
    return name


def _operator_frames(frame: FrameType) -> Iterator[FrameType]:
    """The frames of the operators around ``frame``, from the innermost outwards."""
    outer: FrameType | None = frame
    while outer is not None and outer.f_code.co_filename.startswith((_OPERATORS, _AUTOGRAD)):
        yield outer
        outer = outer.f_back


def _arguments(frame: FrameType) -> list[tuple[str, Any]]:
    """The tensors and numbers that the operators around ``frame`` were given: names, arrays."""
    found: dict[int, tuple[str, Any]] = {}
    for operator in _operator_frames(frame):
        code = operator.f_code
        if code.co_filename.startswith(_AUTOGRAD) and code.co_name != "apply":
            continue
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04)
        for name in code.co_varnames[:count]:
            for label, value in _flat(name, operator.f_locals.get(name)):
                found[id(value)] = label, value
    return list(found.values())


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Tensor):
        yield name, value.array
    elif type(value) is float:
        yield name, np.float64(value)
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value[:100]):
            yield from _flat(f"{name}[{index}]", item)


def _path(modules: list[Any]) -> str:
    """``encoder.2.norm (LayerNorm) in Net``, from the modules that are being called."""
    names = []
    for outer, inner in itertools.pairwise(modules):
        known = () if outer is None else outer.named_modules()
        name = next((name for name, module in known if module is inner), None)
        names.append(f"<{type(inner).__name__}>" if name is None else name)
    kinds = [type(module).__name__ for module in modules]
    path = ".".join(name for name in names if name)
    return f"{path} ({kinds[-1]}) in {kinds[0]}" if path else kinds[0]


# ---- what is bad, and what is said about it -----------------------------------------------------


def _is_bad(array: Any) -> bool:
    dtype = getattr(array, "dtype", None)
    return dtype is not None and dtype.kind in "fc" and not bool(np.isfinite(array).all())


def _has_nan(array: Any) -> bool:
    return _is_bad(array) and bool(np.isnan(array).any())


def _described(array: Any) -> str:
    """The dtype, shape and range of an array, and how many of its elements stand out."""
    if array.dtype.kind not in "fc":
        return f"{array.dtype} {list(array.shape)}"
    finite = array[np.isfinite(array)]
    parts = [f"{array.dtype} {list(array.shape)}"]
    if finite.size:
        low, high = finite.min(), finite.max()
        parts.append(f"all {low:.6g}" if low == high else f"from {low:.6g} to {high:.6g}")
    for what, count in (
        ("0", int((array == 0).sum()) if array.ndim and finite.size else 0),
        ("NaN", int(np.isnan(array).sum())),
        ("inf", int(np.isposinf(array).sum())),
        ("-inf", int(np.isneginf(array).sum())),
    ):
        if count:
            parts.append(f"{count} × {what}")
    return ", ".join(parts)


def _badness(array: Any) -> str:
    """``-inf (1 of 6 elements)``"""
    bad = int((~np.isfinite(array)).sum())
    kind = "NaN" if _has_nan(array) else "inf" if bool((array == np.inf).any()) else "-inf"
    return f"{kind} ({bad} of {array.size} element{'s' if array.size > 1 else ''})"


class Inspector:
    """Looks at operations and derivatives while anomaly detection is on."""

    def __init__(self, check_nan: bool) -> None:
        self.check_nan = check_nan
        self.running = 0  # derivatives that are running: their result is looked at, not each step
        # Bad values that were let pass, by the id of their memory: where they were made.
        self.passed: dict[int, tuple[weakref.ref[Any], Site]] = {}

    def forward(
        self,
        out: Tensor,
        node_class: type[Node],
        edges: tuple[Edge, ...],
        frame: FrameType | None = None,
    ) -> None:
        """Look at the result of an operation; called by ``record``, or for the given operator."""
        frame = frame or sys._getframe(2)
        site = None
        if isinstance(out._node, Node):
            site = need_extras(out._node).site = Site(node_class, frame)
        if not self.check_nan or self.running or not _is_bad(out.array):
            return
        site = site or Site(node_class, frame)
        arguments = _arguments(frame)
        bad = [(label, array) for label, array in arguments if _is_bad(array)]
        from_nan = [(label, array) for label, array in bad if _has_nan(array)]
        made_here = not (from_nan if _has_nan(out.array) else bad)
        origin = next((o for o in map(self._origin, [a for _, a in bad]) if o is not None), None)
        if not any(edges) or not (made_here or from_nan):
            self._let_pass(out.array, origin or site)
            return
        if made_here:
            head = f"the first bad value is made by {site.operator} in the forward pass"
        else:
            head = f"{site.operator} in the forward pass is given NaN ({from_nan[0][0]})"
        lines = [f"anomaly: {head}: {_badness(out.array)}", str(site)]
        lines += [f"  {label + ':':<10}{_described(array)}" for label, array in arguments]
        if made_here:
            inputs = [array for _, array in arguments]
            lines += _cure("forward", node_class, edges, inputs, out.array)
        elif origin is None:
            lines.append("  no operation made it: it was in the data, or in a parameter, before")
        if origin is not None:
            lines += ["the bad input was made by an earlier operation:", str(origin)]
        raise AnomalyError("\n".join(lines))

    def backward(self, node: Node, step: Any, g: Any) -> tuple[Any, ...]:
        """Run the derivative of ``node`` and look at what it returns."""
        self.running += 1
        try:
            gradients: tuple[Any, ...] = step.backward(g)
        finally:
            self.running -= 1
        if self.check_nan:
            for index, (edge, r) in enumerate(zip(step.edges, gradients)):
                for array in _arrays(r) if edge else ():
                    if _is_bad(array):
                        self._refuse(node, step, g, index, array)
        return gradients

    def _refuse(self, node: Node, step: Any, g: Any, index: int, array: Any) -> None:
        arriving = next((a for a in _arrays(g) if _is_bad(a)), None)
        kind = "nan" if _has_nan(array) else "inf"
        head = (
            f"anomaly: Function '{node.name()}' returned {kind} values in its {index}th output: "
            f"{_badness(array)}"
        )
        head += ", the first bad value in the backward pass"
        if arriving is not None:
            head = (
                f"anomaly: the gradient that arrives at {node.name()} in the backward pass is bad: "
                f"{_badness(arriving)}; it was given to backward(), or a hook has returned it"
            )
        lines = [head, _place(node), f"  gradient: {_described(next(_arrays(g)))}"]
        inputs = []
        for lift, value in zip(step.lifts, step.saved):
            for saved in _arrays(value) if lift != "cache" else ():
                which = "output" if lift == "y" else "saved" if lift is None else f"input {lift}"
                lines.append(f"  {which + ':':<10}{_described(saved)}")
                inputs.append(saved)
        if arriving is None:
            lines += _cure("backward", type(node), node.edges, inputs, array, next(_arrays(g)))
        raise AnomalyError("\n".join(lines))

    def explain(self, error: BaseException, node: Node | None) -> None:
        """Add to an error in the backward pass where the operation was called in the forward."""
        if node is None or isinstance(error, AnomalyError) or not isinstance(node, Node):
            return
        if error.args and isinstance(error.args[0], str):
            place = f"{error.args[0]}\nthe operation in the forward pass:\n{_place(node)}"
            error.args = (place, *error.args[1:])

    def _let_pass(self, array: Any, site: Site) -> None:
        owner = memory_owner(array)
        key = id(owner)
        passed = self.passed
        passed[key] = weakref.ref(owner, lambda _: passed.pop(key, None)), site

    def _origin(self, array: Any) -> Site | None:
        known = self.passed.get(id(memory_owner(array)))
        return None if known is None else known[1]


def _arrays(value: Any) -> Iterator[Any]:
    """The arrays in a gradient: an array, a tensor, a dictionary of them, or None."""
    for item in value.values() if isinstance(value, dict) else (value,):
        array = item.array if isinstance(item, Tensor) else item
        if hasattr(array, "dtype"):
            yield array


def _place(node: Node) -> str:
    extras = extras_of(node.function())
    if extras is None or extras.site is None:
        return f"  operator: {node.name()}, which ran before anomaly detection was switched on"
    return str(extras.site)


def _cure(*finding: Any) -> list[str]:
    from nnlite.autograd.remedies import Finding, remedy  # only needed when something is bad

    found = remedy(Finding(*finding))
    return [] if found is None else [f"  cure:     {found}"]
