"""Captured steps with their small calls compiled by numba, an extra (``pip install '.[numba]'``).

NumPy takes longer to call than to compute where arrays are small. Here those calls become loops in
functions that numba compiles; whatever is large, or has no loop below, stays the NumPy call that it
was. The results are those of the plain replay but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.capture.code import Changed, Code
from nnlite.capture.loops import Kernel, address, nested
from nnlite.capture.names import SIGNS
from nnlite.tracing.calls import Call, Ref

__all__ = ["CompiledCode"]

# In elements. Above these NumPy's own loops win: they compute e^x for eight numbers at a time.
_SMALL = 1 << 14
_SMALL_FUNCTION = 1 << 9
_SMALL_SUM = 1 << 11  # added up to one number
_LONGEST = 200  # lines in one function; what is longer takes numba long to compile
_FEWEST = 3  # calls in one function; fewer save nothing, and numba needs a second for each function

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_ARITHMETIC = {
    "add": "{} + {}", "subtract": "{} - {}", "multiply": "{} * {}", "divide": "{} / {}",
    "negative": "-{}", "positive": "{}", "absolute": "abs({})", "square": "{0} * {0}",
    "sqrt": "np.sqrt({})", "reciprocal": "1 / {}", "maximum": "np.maximum({}, {})",
    "minimum": "np.minimum({}, {})", "copysign": "np.copysign({}, {})",
    **{name: f"{{}} {sign} {{}}" for name, sign in SIGNS.items()},
}  # fmt: skip
_FUNCTIONS = {
    name: f"np.{name}({{}})" for name in ("exp", "expm1", "log", "log1p", "tanh", "sin", "cos")
}


class CompiledCode(Code):
    """A replay in which runs of small calls are compiled functions."""

    @staticmethod
    def same(a: Any, b: Any, beside: Sequence[Any] = ()) -> bool:
        """Whether two arrays (or None) are equal but for rounding.

        A gradient may be nothing but rounding: that of a bias before a BatchNorm is 0 by rights. So
        what is small beside the largest of the gradients need not agree.
        """
        if a is None or b is None:
            return a is b
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.dtype.kind != "f" or not a.size:
            return bool(a.tobytes() == b.tobytes())
        eps = float(np.finfo(a.dtype).eps)
        near = 1e4 * eps
        little = near * _size(b) + 10 * eps
        if np.allclose(a, b, rtol=near, atol=little, equal_nan=True):
            return True
        little = max((100 * eps * _size(array) for array in beside), default=0.0)
        return bool(np.allclose(a, b, rtol=near, atol=little, equal_nan=True))

    def _compute(self) -> None:
        self._kernel = Kernel()
        steps = list(zip(self.lowered.calls, self.lowered.ways))
        after = [*steps[1:], (None, "")]
        for (call, way), (following, its_way) in zip(steps, after):
            if way == "view":
                continue
            if way == "inlined":
                self._inlined[call.results[0]] = call
                continue
            if len(self._kernel.lines) > _LONGEST and way != "bool":  # which asks what was computed
                self._close()
            lines = self._loops(call, way)
            if lines is None and way == "call" and its_way == "inlined":
                lines = self._number(call, following)
            if lines is None:
                self._close()
                for line in self._statements(call, way):
                    self._add(line, call.errors)
                continue
            if lines:
                self._kernel.lines += lines
                self._kernel.calls.append((call, way))
        self._close()

    def _close(self) -> None:
        """Compile what has come together, and call it in the replay."""
        kernel, self._kernel = self._kernel, Kernel()
        if len(kernel.calls) < _FEWEST:
            for call, way in kernel.calls:
                for line in self._statements(call, way):
                    self._add(line, call.errors)
            return
        function = self._bound(kernel.function(), "kernel")
        given = ", ".join(self._bound(array, "a") for array in kernel.given.values())
        if kernel.may_change:
            self.names.setdefault("Changed", Changed)
            self._add(f"if {function}({given}): raise Changed")
        else:
            self._add(f"{function}({given})")

    # ---- loops ----------------------------------------------------------------------------------

    def _loops(self, call: Call, way: str) -> list[str] | None:
        """A call as lines of a kernel; None where it stays as it is."""
        if way == "bool":
            return self._question(call)
        out = self._target(call, way)
        if out is None or not self._fits(out) or self._may_raise(call):
            return None
        is_product = call.kind == "ufunc" and call.target is np.matmul
        if way == "dot" or (is_product and way == "out" and not call.kwargs):
            return self._product(call, out)
        if call.kind == "ufunc" and call.name == "__call__" and way in ("out", "write"):
            return self._elementwise(call, out)
        if way == "assign":
            return self._assigned(out, call.args[0])
        if way == "fresh":
            kind = call.target.__name__.removesuffix("_like")
            if kind == "empty":
                return []
            return self._assigned(out, call.args[1] if kind == "full" else int(kind == "ones"))
        if way in ("reduce", "mean"):
            return self._reduced(call, way, out)
        return None

    def _target(self, call: Call, way: str) -> Any:
        """The array that a call writes; None where it has no place of its own."""
        if way == "write":
            out = call.kwargs.get("out")
            return self._array(out) if self._is_fixed(out) else None
        if len(call.results) != 1:
            return None
        return self.lowered.arrays.get(call.results[0])

    def _may_raise(self, call: Call) -> bool:
        """Whether floating point errors are to be noticed there, as no kernel does."""
        errors = {**self.lowered.trace.usual, **(call.errors or {})}
        return not {*errors.values()} <= {"ignore", "warn"}

    def _fits(self, array: Any) -> bool:
        return 0 < array.size <= _SMALL and _is_plain(array)

    def _elementwise(self, call: Call, out: Any) -> list[str] | None:
        name = call.target.__name__
        form = _ARITHMETIC.get(name)
        if form is None and out.size <= _SMALL_FUNCTION:
            form = _FUNCTIONS.get(name)
        if form is None or len(call.args) != call.target.nin or set(call.kwargs) - {"out"}:
            return None
        return self._over(out, form, call.args)

    def _assigned(self, out: Any, value: Any) -> list[str] | None:
        if out.dtype == np.bool_ and not (
            self._is_fixed(value) and self._array(value).dtype == np.bool_
        ):
            return None
        return self._over(out, "{}", (value,))

    def _over(self, out: Any, form: str, operands: tuple[Any, ...]) -> list[str] | None:
        """``form`` of the operands for each element of ``out``."""
        arrays = [self._operand(value, operands, out) for value in operands]
        if any(array is None for array in arrays):
            return None
        kernel = self._kernel
        whole = [a for a in arrays if isinstance(a, np.ndarray)]
        for array in whole:
            if np.may_share_memory(array, out) and not _same_memory(array, out):
                return None
        if all(_alike(array, out) for array in whole):
            names = [
                f"{kernel.flat(a)}[i]" if isinstance(a, np.ndarray) else kernel.number(a)
                for a in arrays
            ]
            return [
                f"for i in range({out.size}):",
                f"    {kernel.flat(out)}[i] = {form.format(*names)}",
            ]
        letters = [f"i{axis}" for axis in range(out.ndim)]
        names = [
            kernel.at(a, _broadcast(a, out, letters))
            if isinstance(a, np.ndarray)
            else kernel.number(a)
            for a in arrays
        ]
        body = f"{kernel.at(out, letters)} = {form.format(*names)}"
        return nested(letters, out.shape, body)

    def _operand(self, value: Any, others: tuple[Any, ...], out: Any) -> Any:
        """An operand's array, or its number in the dtype that NumPy gives it; None: neither."""
        if isinstance(value, Ref):
            if not self._is_fixed(value):
                return None
            array = self._array(value)
            if not _is_plain(array):
                return None
            if array.size == 1 and value.id in self.lowered.is_constant:
                return array.reshape(())[()]
            return array
        if type(value) not in (int, float, bool):
            return None
        dtypes = [self._array(v).dtype for v in others if self._is_fixed(v)] or [out.dtype]
        dtype = np.result_type(*dtypes, value)
        return dtype.type(value) if dtype in _FLOATS or dtype == np.bool_ else None

    def _product(self, call: Call, out: Any) -> list[str] | None:
        if not all(self._is_fixed(value) for value in call.args) or len(call.args) != 2:
            return None
        a, b = (self._array(value) for value in call.args)
        for array in (a, b):
            is_dense = array.flags.c_contiguous or array.flags.f_contiguous
            if not is_dense or array.dtype != out.dtype or not self._fits(array):
                return None
        is_written = out.flags.c_contiguous and out.dtype in _FLOATS
        if not is_written or not {a.ndim, b.ndim} <= {1, 2}:
            return None
        kernel = self._kernel
        if not out.ndim:
            return [f"{kernel.at(out, [])} = np.dot({kernel.whole(a)}, {kernel.whole(b)})"]
        return [f"np.dot({kernel.whole(a)}, {kernel.whole(b)}, {kernel.whole(out)})"]

    def _reduced(self, call: Call, way: str, out: Any) -> list[str] | None:
        source, axis, name = self._sum_of(call)
        if source is None or not self._fits(source) or source.dtype != out.dtype:
            return None
        if out.dtype not in _FLOATS or source.size > out.size * _SMALL_SUM:
            return None
        axes = range(source.ndim) if axis is None else np.atleast_1d(axis) % max(source.ndim, 1)
        letters = [f"i{a}" for a in range(source.ndim)]
        kept = [letter for a, letter in enumerate(letters) if a not in axes]
        sizes = [n for a, n in enumerate(source.shape) if a not in axes]
        places = kept
        if out.ndim == source.ndim:
            places = ["0" if a in axes else letter for a, letter in enumerate(letters)]
        kernel = self._kernel
        target, element = kernel.at(out, places), kernel.at(source, letters)
        form = "{0} + {1}" if name == "add" else f"np.{name}({{0}}, {{1}})"
        first = kernel.number({"add": 0.0, "maximum": -np.inf, "minimum": np.inf}[name])
        share = f" / {kernel.number(float(source.size // out.size))}" if way == "mean" else ""
        if source.ndim - 1 in axes:  # one result after the other, in double precision
            added = [letter for letter in letters if letter not in kept]
            lengths = [n for a, n in enumerate(source.shape) if a in axes]
            loop = nested(added, lengths, f"s = {form.format('s', element)}")
            return nested(kept, sizes, f"s = {first}", *loop, f"{target} = s{share}")
        lines = nested(kept, sizes, f"{target} = {first}")
        lines += nested(letters, source.shape, f"{target} = {form.format(target, element)}")
        return lines + (nested(kept, sizes, f"{target} = {target}{share}") if share else [])

    def _sum_of(self, call: Call) -> tuple[Any, Any, str]:
        """What a reduction reduces, over which axes, by which ufunc; None where it is another."""
        none = (None, None, "")
        if not self._is_fixed(call.args[0]):
            return none
        source = self._array(call.args[0])
        options = {k: v for k, v in call.kwargs.items() if type(v).__name__ != "_NoValueType"}
        if call.kind == "ufunc":
            name = call.target.__name__
            listed = dict(zip(("axis", "dtype", "out", "keepdims"), call.args[1:]))
            given = {"axis": 0, **listed, **options}
            if given.get("dtype") is not None or set(given) - {"axis", "dtype", "out", "keepdims"}:
                return none
            axis = given["axis"]
        else:
            names = {"sum": "add", "mean": "add", "max": "maximum", "min": "minimum"}
            name = names.get(call.name, "")
            axis = call.args[1] if len(call.args) > 1 else options.get("axis")
        if name not in ("add", "maximum", "minimum"):
            return none
        return source, axis, name

    # ---- conditions -----------------------------------------------------------------------------

    def _number(self, call: Call, following: Any) -> list[str] | None:
        """The product of two vectors that is only compared next: a number within the kernel."""
        number = call.results[0]
        if call.name != "dot" or self.lowered.used.get(number) != 1 or len(call.args) != 2:
            return None
        if not all(isinstance(v, (int, float)) or v == Ref(number) for v in following.args):
            return None
        if not all(self._is_fixed(value) for value in call.args):
            return None
        a, b = (self._array(value) for value in call.args)
        if a.ndim != 1 or b.ndim != 1 or not self._fits(a) or a.dtype != b.dtype:
            return None
        if not (a.flags.c_contiguous and b.flags.c_contiguous):
            return None
        self._kernel.numbers.add(number)
        return [f"v{number} = np.dot({self._kernel.whole(a)}, {self._kernel.whole(b)})"]

    def _question(self, call: Call) -> list[str] | None:
        asked = self._inlined.get(call.args[0].id)
        if asked is None:
            return None
        sides = [self._side(value) for value in asked.args]
        if None in sides:
            return None
        text = f"{sides[0]} {SIGNS[asked.target.__name__]} {sides[1]}"
        self._kernel.may_change = True
        answer = f"not ({text})" if call.kwargs["expected"] else text
        return [f"if {answer}:", "    return True"]

    def _side(self, value: Any) -> str | None:
        if isinstance(value, Ref) and value.id in self._kernel.numbers:
            return f"v{value.id}"
        if self._is_fixed(value) and self._array(value).size == 1:
            array = self._array(value)
            if array.dtype in _FLOATS:
                return self._kernel.at(array, ["0"] * array.ndim)
        if isinstance(value, (int, float)):
            return self._kernel.number(float(value))
        return None


def _is_plain(array: Any) -> bool:
    is_known = array.dtype in _FLOATS or array.dtype == np.bool_
    return bool(is_known and array.flags.aligned)


def _size(array: Any) -> float:
    """The largest absolute value, but for infinite ones."""
    return float(np.abs(array, where=np.isfinite(array), out=np.zeros_like(array)).max(initial=0))


def _same_memory(a: Any, b: Any) -> bool:
    same = address(a) == address(b)
    return bool(same and a.shape == b.shape and a.strides == b.strides)


def _alike(array: Any, out: Any) -> bool:
    """Whether two arrays have their elements in the same order in memory, without gaps."""
    if array.shape != out.shape:
        return False
    both_c = array.flags.c_contiguous and out.flags.c_contiguous
    return bool(both_c or (array.flags.f_contiguous and out.flags.f_contiguous))


def _broadcast(array: Any, out: Any, letters: list[str]) -> list[str]:
    last = letters[len(letters) - array.ndim :] if array.ndim else []
    return ["0" if n == 1 else letter for n, letter in zip(array.shape, last)]
