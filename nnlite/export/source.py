"""The calls of a trace as lines of Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnlite.export.batch import Size
from nnlite.export.errors import ExportError
from nnlite.export.plan import Plan
from nnlite.tracing.calls import Call, Ref, refs, walk

__all__ = ["Writer"]

_BINARY = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**",
    "floor_divide": "//", "remainder": "%", "greater": ">", "greater_equal": ">=", "less": "<",
    "less_equal": "<=", "equal": "==", "not_equal": "!=", "bitwise_and": "&", "bitwise_or": "|",
    "bitwise_xor": "^",
}  # fmt: skip
_COMPARISONS = {">", ">=", "<", "<=", "==", "!="}
_UNARY = {"negative": "-", "invert": "~"}
_LITERAL = 4  # elements of a constant that stands in its line


@dataclass(frozen=True)
class _Code:
    """An expression that is written already."""

    text: str


class Writer:
    """Writes the body of ``predict``.

    Args:
        plan: what has to be computed.
        input_names: the variables that hold the inputs.

    Attributes:
        lines: the statements.
        weights: name → each constant that the lines read as ``w[name]``.
    """

    def __init__(self, plan: Plan, input_names: list[str]) -> None:
        self.plan = plan
        self.lines: list[str] = []
        self.weights: dict[str, np.ndarray[Any, Any]] = {}
        self._constants: dict[int, str] = {}
        self._variables = dict(zip(plan.trace.inputs, input_names))
        self._free: list[str] = []
        self._count = 0
        self._write(input_names)

    def _write(self, input_names: list[str]) -> None:
        trace = self.plan.trace
        for number, name in zip(trace.inputs, input_names):
            if number in self.plan.written:
                self.lines.append(f"{name} = {name}.copy()")
        used = {ref.id for call in self.plan.calls for ref in refs((call.args, call.kwargs))}
        for number in sorted(used):
            if number in trace.names and number in self.plan.written:
                copied = self._stored(number)
                self._variables[number] = self._fresh()
                self.lines.append(f"{self._variables[number]} = {copied}.copy()")
        module = None
        for place, call in enumerate(self.plan.calls):
            if any(number in self.plan.inlined for number in call.results):
                continue
            if call.module != module:
                module = call.module
                comment = " ".join(f"# {module}: {trace.modules[module]}".split())
                self.lines += ["", comment] if module else [""]
            self.lines.append(self._statement(call, place))
        self.lines += ["", f"return {self._expression(walk(trace.outputs, self._returned))}"]
        while self.lines[0] == "":
            del self.lines[0]

    def _returned(self, part: Any) -> Any:
        """An output; of a number, which NumPy's reductions return, an array."""
        if isinstance(part, Ref) and self.plan.trace.arrays[part.id].ndim == 0:
            return _Code(f"np.asarray({self._expression(part)})")
        return part

    # ---- statements ----

    def _statement(self, call: Call, place: int) -> str:
        if call.kind == "bool":
            value, expected = self._expression(call.args[0]), call.kwargs["expected"]
            return f"_check({value}, {expected}, {call.name!r})"
        if call.kind == "setitem":
            array, key, value = call.args
            return f"{self._expression(array)}[{self._index(key)}] = {self._expression(value)}"
        if call.kind == "ufunc" and call.name == "__call__" and len(call.args) == 2 and call.writes:
            sign = _BINARY.get(call.target.__name__)
            options = {name: value for name, value in call.kwargs.items() if name != "out"}
            in_place = call.args[0] == call.kwargs["out"] and not options
            if in_place and sign is not None and sign not in _COMPARISONS:
                a, b = map(self._expression, call.args)
                return f"{a} {sign}= {b}"
        value = self._computed(call)
        if not call.results:
            return value
        return f"{', '.join(self._targets(call, place))} = {value}"

    def _targets(self, call: Call, place: int) -> list[str]:
        """Variables for the results; those of arguments that are not used again serve anew."""
        last = self.plan.users
        kept = set(self._inputs())
        for number in self.plan.sources((call.args, call.kwargs)):
            name = self._variables.get(number)
            if name is not None and last[number] == place and name not in (*kept, *self._free):
                self._free.insert(0, name)
        names = []
        for number in call.results:
            name = self._free.pop(0) if self._free else self._fresh()
            if number not in last:
                self._free.append(name)
            self._variables[number] = name
            names.append(name)
        return names

    def _inputs(self) -> list[str]:
        return [self._variables[number] for number in self.plan.trace.inputs]

    def _fresh(self) -> str:
        self._count += 1
        return f"h{self._count}" if self._count > 1 else "h"

    def _computed(self, call: Call) -> str:
        if call.kind == "ufunc":
            return self._ufunc(call)
        if call.kind == "getitem":
            return f"{self._expression(call.args[0])}[{self._index(call.args[1])}]"
        if call.kind == "method":
            return self._method(call)
        return f"{_name_of(call.target)}({self._arguments(call.args, call.kwargs)})"

    def _method(self, call: Call) -> str:
        array = self._expression(call.args[0])
        if array.startswith("-"):
            array = f"({array})"
        if call.name == "transpose" and len(call.args) == 1:
            return f"{array}.T"
        return f"{array}.{call.name}({self._arguments(call.args[1:], call.kwargs)})"

    def _ufunc(self, call: Call) -> str:
        name = call.target.__name__
        if call.name == "__call__" and not call.kwargs:
            operands = [self._operand(value) for value in call.args]
            if name in _BINARY and len(operands) == 2:
                return f"{operands[0]} {_BINARY[name]} {operands[1]}"
            if name in _UNARY and len(operands) == 1:
                return f"{_UNARY[name]}{operands[0]}"
        method = "" if call.name == "__call__" else f".{call.name}"
        return f"{_name_of(call.target)}{method}({self._arguments(call.args, call.kwargs)})"

    def _operand(self, value: Any) -> str:
        text = self._expression(value)
        return f"({text})" if text.startswith("-") or _has_spaces(text) else text

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        parts = [self._expression(value) for value in args]
        parts += [
            f"{name}={self._expression(value)}"
            for name, value in kwargs.items()
            if type(value).__name__ != "_NoValueType"
        ]
        return ", ".join(parts)

    # ---- expressions ----

    def _expression(self, value: Any) -> str:
        if isinstance(value, Ref):
            if value.id in self.plan.inlined:
                return self._computed(self.plan.inlined[value.id])
            return self._variables.get(value.id) or self._constant(value.id)
        if isinstance(value, Size):
            return _size(value)
        if isinstance(value, _Code):
            return value.text
        if isinstance(value, (tuple, list)):
            parts = [self._expression(part) for part in value]
            if isinstance(value, list):
                return f"[{', '.join(parts)}]"
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        if isinstance(value, dict):
            return (
                "{" + ", ".join(f"{k!r}: {self._expression(part)}" for k, part in value.items())
            ) + "}"
        if isinstance(value, slice):
            parts = [self._expression(p) for p in (value.start, value.stop, value.step)]
            return f"slice({', '.join(parts)})"
        return _literal(value)

    def _index(self, key: Any) -> str:
        parts = key if isinstance(key, tuple) else (key,)
        if not parts:
            return "()"
        text = ", ".join(map(self._index_part, parts))
        return f"{text}," if isinstance(key, tuple) and len(parts) == 1 else text

    def _index_part(self, part: Any) -> str:
        if not isinstance(part, slice):
            return self._expression(part)
        start, stop = (
            "" if bound is None else self._expression(bound) for bound in (part.start, part.stop)
        )
        step = "" if part.step in (None, 1) else f":{self._expression(part.step)}"
        return f"{start}:{stop}{step}"

    def _constant(self, number: int) -> str:
        if number not in self._constants:
            self._constants[number] = self._constant_text(number)
        return self._constants[number]

    def _constant_text(self, number: int) -> str:
        array, named = self.plan.array(number), self.plan.trace.names.get(number)
        if 0 < array.size <= (1 if self.plan.origin(number) else _LITERAL) and not named:
            values = _literal(array.tolist())
            dtype = _literal(array.dtype)
            return f"{dtype}({values})" if array.ndim == 0 else f"np.array({values}, {dtype})"
        if self.plan.is_view(number):
            return self._computed(self.plan.made_by[number])
        return self._stored(number)

    def _stored(self, number: int) -> str:
        name = self.plan.trace.names.get(number) or f"{self.plan.origin(number) or 'constant'} (1)"
        again = 1
        while name in self.weights:
            again += 1
            name = f"{name.rpartition(' (')[0]} ({again})"
        self.weights[name] = self.plan.array(number)
        return f"w[{name!r}]"


def _has_spaces(text: str) -> bool:
    """Whether an expression has spaces outside of brackets, and so an operator."""
    depth = 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == " " and not depth:
            return True
    return False


def _size(size: Size) -> str:
    text = "n" if size.factor == 1 else f"{size.factor} * n"
    if size.offset:
        text += f" {'-' if size.offset < 0 else '+'} {abs(size.offset)}"
    return text


def _literal(value: Any) -> str:
    """A number, dtype or text as Python writes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, (np.dtype, type)):
        name = np.dtype(value).name
        return "np.bool_" if name == "bool" else f"np.{name}"
    if isinstance(value, np.generic):
        return f"{_literal(value.dtype)}({_literal(value.item())})"
    if isinstance(value, float) and not math.isfinite(value):
        return "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "-np.inf"
    if value is Ellipsis:
        return "..."
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    raise ExportError(f"export: {value!r} cannot be written as an argument of a NumPy call")


def _name_of(function: Any) -> str:
    """``np.concatenate`` for the function."""
    name = function.__name__
    for prefix, module in (
        ("np", np),
        ("np.linalg", np.linalg),
        ("np.lib.stride_tricks", np.lib.stride_tricks),
    ):
        if getattr(module, name, None) is function:
            return f"{prefix}.{name}"
    raise ExportError(f"export: {name} is no public function of NumPy's")
