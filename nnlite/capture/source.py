"""A captured step as NumPy code for people: what is computed, in order, under telling names.

It says what the replayed program computes, without the memory that the program computes it in:
``h2 = np.maximum(h1, 0)``, where the program writes ``maximum(a1, c, out=a2)``.
"""

from __future__ import annotations

import math
import re
from textwrap import wrap
from typing import Any

import numpy as np

from nnlite.capture.lower import Lowered
from nnlite.capture.run import Given, Kept
from nnlite.tracing.calls import Call, Ref, refs

__all__ = ["readable"]

_BINARY = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**",
    "floor_divide": "//", "remainder": "%", "greater": ">", "greater_equal": ">=", "less": "<",
    "less_equal": "<=", "equal": "==", "not_equal": "!=", "bitwise_and": "&", "bitwise_or": "|",
    "bitwise_xor": "^",
}  # fmt: skip
_SHOWN = 4  # elements of a constant that stands in its line


def readable(lowered: Lowered, label: str, inputs: list[str], objects: dict[Any, str]) -> str:
    """The text of a function that computes what the captured step computes.

    Args:
        lowered: the step.
        label: the function's name.
        inputs: the names of the arguments that are arrays.
        objects: the names of what is called as it is.
    """
    return _Writer(lowered, label, inputs, objects).text()


class _Writer:
    def __init__(
        self, lowered: Lowered, label: str, inputs: list[str], objects: dict[Any, str]
    ) -> None:
        self._lowered = lowered
        self._objects = objects
        self._label = label
        self._inputs = [_identifier(name) for name in inputs]
        self._names = dict(zip(lowered.trace.inputs, self._inputs))
        self._taken = set(self._inputs)
        for number in (*lowered.trace.states, *lowered.trace.gradients):
            self._names[number] = self._fresh(_identifier(lowered.trace.names[number]))
        for place, ref in lowered.trace.final.items():
            if isinstance(ref, Ref) and ref.id not in self._names:
                leaf = lowered.trace.leaves[place]
                state = next(n for n, tensor in lowered.trace.states.items() if tensor is leaf)
                self._names[ref.id] = self._fresh(f"grad_{self._names[state]}")
        self._inlined: dict[int, str] = {}
        self._counts = {"h": 0, "d": 0}

    def text(self) -> str:
        """All lines."""
        lines = [f"def {self._label}({', '.join(self._inputs)}):"]
        note = None
        for call, way in zip(self._lowered.calls, self._lowered.ways):
            statement = self._statement(call, way)
            if statement is None:
                continue
            if call.note != note and call.kind not in ("opaque", "bool"):
                note = call.note
                lines += ["", *(f"    # {line}" for line in wrap(note, 90))]
            lines.append(f"    {statement}")
        result = self._value(self._lowered.trace.outputs)
        return "\n".join([*lines, "", f"    return {result}", ""])

    def _statement(self, call: Call, way: str) -> str | None:
        if way == "opaque":
            return f"{self._objects.get(call.target, 'optimizer')}.{call.name}()"
        if way == "bool":
            answer = "" if call.kwargs["expected"] else "not "
            return f"assert {answer}({self._value(call.args[0])})"
        expression = self._expression(call)
        if way in ("view", "inlined") and len(call.results) == 1:
            number = call.results[0]
            if number not in self._names:
                self._inlined[number] = expression
                return None
        if not call.results:
            return self._in_place(call, expression)
        names = [self._target(number, call) for number in call.results]
        return f"{', '.join(names)} = {expression}"

    def _in_place(self, call: Call, expression: str) -> str:
        if call.kind == "setitem":
            array, key, value = call.args
            return f"{self._value(array)}[{self._key(key)}] = {self._value(value)}"
        out = call.kwargs.get("out")
        if call.kind == "ufunc" and call.name == "__call__" and isinstance(out, Ref):
            sign = _BINARY.get(call.target.__name__)
            target = self._value(out)
            if sign and len(call.args) == 2 and call.args[0] == out:
                return f"{target} {sign}= {self._value(call.args[1])}"
            return f"{target}[...] = {expression}"
        return expression

    def _target(self, number: int, call: Call) -> str:
        if number not in self._names:
            kind = "d" if "Backward" in call.note else "h"
            self._counts[kind] += 1
            self._names[number] = self._fresh(f"{kind}{self._counts[kind]}")
        return self._names[number]

    def _fresh(self, name: str) -> str:
        made, again = name, 1
        while made in self._taken:
            again += 1
            made = f"{name}_{again}"
        self._taken.add(made)
        return made

    # ---- expressions ----------------------------------------------------------------------------

    def _expression(self, call: Call) -> str:
        options = {
            name: value
            for name, value in call.kwargs.items()
            if name != "out" and type(value).__name__ != "_NoValueType"
        }
        if call.kind == "getitem":
            return f"{self._operand(call.args[0])}[{self._key(call.args[1])}]"
        if call.kind == "setitem":
            return ""
        if call.kind == "draw":
            return f"generator.{call.name}({self._arguments(call.args, options)})"
        if call.kind == "method":
            return self._method(call, options)
        name = call.target.__name__
        if call.kind == "ufunc" and call.name == "__call__" and not options:
            if name in _BINARY and len(call.args) == 2:
                a, b = map(self._operand, call.args)
                return f"{a} {_BINARY[name]} {b}"
            if name == "negative":
                return f"-{self._operand(call.args[0])}"
        if call.target is np.dot and not options:
            return " @ ".join(map(self._operand, call.args))
        method = f".{call.name}" if call.kind == "ufunc" and call.name != "__call__" else ""
        module = "np" if hasattr(np, name) else call.target.__module__.replace("numpy", "np", 1)
        return f"{module}.{name}{method}({self._arguments(call.args, options)})"

    def _method(self, call: Call, options: dict[str, Any]) -> str:
        array = self._operand(call.args[0])
        if call.name == "transpose" and len(call.args) == 1:
            return f"{array}.T"
        if call.name == "dot" and len(call.args) == 2:
            return f"{array} @ {self._operand(call.args[1])}"
        return f"{array}.{call.name}({self._arguments(call.args[1:], options)})"

    def _arguments(self, args: Any, options: dict[str, Any]) -> str:
        named = [f"{name}={self._value(value)}" for name, value in options.items()]
        return ", ".join([*map(self._value, args), *named])

    def _operand(self, value: Any) -> str:
        text = self._value(value)
        return f"({text})" if text.startswith("-") or _has_spaces(text) else text

    def _value(self, value: Any) -> str:
        if isinstance(value, Ref):
            return self._inlined.get(value.id) or self._names.get(value.id) or self._constant(value)
        if isinstance(value, Kept):
            return self._kept(value)
        if isinstance(value, Given):
            return self._inputs[value.number]
        if isinstance(value, (tuple, list)):
            parts = ", ".join(map(self._value, value))
            if isinstance(value, list):
                return f"[{parts}]"
            return f"({parts},)" if len(value) == 1 else f"({parts})"
        if isinstance(value, dict):
            return f"{{{', '.join(f'{k!r}: {self._value(part)}' for k, part in value.items())}}}"
        if isinstance(value, (np.dtype, type)) and not refs(value):
            return f"np.{np.dtype(value).name}"
        if isinstance(value, np.generic):
            return repr(value.item())
        if isinstance(value, float) and not math.isfinite(value):
            return f"np.{value}" if value != -math.inf else "-np.inf"
        return "..." if value is Ellipsis else repr(value)

    def _kept(self, value: Kept) -> str:
        states = self._lowered.trace.states
        return next((self._names[n] for n, t in states.items() if t is value.tensor), "tensor")

    def _constant(self, ref: Ref) -> str:
        array = self._lowered.trace.arrays[ref.id]
        if array.ndim == 0:
            return self._value(array.item())
        if array.size and (array == array.flat[0]).all():
            return f"np.full({array.shape}, {array.flat[0].item()!r}, np.{array.dtype.name})"
        if array.size <= _SHOWN:
            return f"np.array({array.tolist()}, np.{array.dtype.name})"
        self._names[ref.id] = self._fresh("constant")
        return self._names[ref.id]

    def _key(self, key: Any) -> str:
        parts = key if isinstance(key, tuple) else (key,)
        text = ", ".join(map(self._part, parts))
        return f"{text}," if isinstance(key, tuple) and len(parts) == 1 else text or "()"

    def _part(self, part: Any) -> str:
        if not isinstance(part, slice):
            return self._value(part)
        bounds = ["" if b is None else self._value(b) for b in (part.start, part.stop)]
        step = "" if part.step in (None, 1) else f":{self._value(part.step)}"
        return f"{bounds[0]}:{bounds[1]}{step}"


def _identifier(name: str) -> str:
    """``model.0.weight`` as a name in Python: ``model_0_weight``."""
    text = re.sub(r"\W+", "_", name).strip("_")
    return text if text and not text[0].isdigit() else f"a_{text}"


def _has_spaces(text: str) -> bool:
    """Whether an expression has spaces outside of brackets, and so an operator."""
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == " " and not depth:
            return True
    return False
