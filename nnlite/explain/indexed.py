"""Formulas evaluated on whole arrays, index by index: what is printed, computed anew.

This reads the very text that is printed, with the symbols of the pass, and knows nothing of the
code of the derivatives. Beside each value it keeps the size of what it was summed up from, by which
rounding is told from a mistake. What stands outside of an array (``g[i - 1]`` at i = 0, or an index
that is no whole number) counts as 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnlite.explain.parse import _OPERATIONS, FUNCTIONS, NotAFormula, Tree, letters, parse

__all__ = ["Result", "TooLarge", "compute"]

Array = Any
_MOST = 1 << 22  # elements of an intermediate result
_STEPS = frozenset(("sign", "trunc", "⌊", "⌈"))  # functions that are constant between jumps
_CONDITIONS = frozenset(("≤", "≥", "<", ">", "=", "≠", "or", "and", "not"))


_Line = tuple[str, tuple[str, ...], Tree]  # an equation: its symbol, indices, and right side


class TooLarge(ValueError):
    """An intermediate result would take too much memory."""


class Result(NamedTuple):
    """The value of a formula.

    Attributes:
        value: an array.
        size: how much it changes when every number on the way changes by its own size: the sum of
            the absolute values of what was added up, so that rounding is about ε times this.
        labels: the indices that its axes stand for; none where it has none.
    """

    value: Array
    size: Array
    labels: tuple[str, ...] = ()


def compute(
    text: str,
    values: Mapping[str, Any],
    shape: tuple[int, ...],
    *,
    places: str = "",
    where: Sequence[str] = (),
    elements: Sequence[tuple[int, ...]] | None = None,
    matrices: bool = False,
    numbers: Mapping[str, float] | None = None,
) -> Result:
    """The value of a formula.

    Args:
        text: its right side.
        values: the array or number of each symbol.
        shape: of what it gives.
        places: the indices of its left side: ``[i, j]``; empty for a formula of whole arrays.
        where: equations for symbols that ``values`` does not have, those used first come first.
        elements: where it is evaluated; None: everywhere.
        matrices: whether two arrays side by side are a matrix product.
        numbers: the values of numbers that stand in the text rounded to six digits.

    Raises:
        NotAFormula: it is in words, or a symbol has no value.
        TooLarge: there are too many elements.

    >>> g = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> compute("Σ_{k} g[k, i]", {"g": g}, (2,), places="[i]").value
    array([4., 6.])
    >>> compute("g[i - 1]", {"g": g[0]}, (3,), places="[i]").value
    array([0., 1., 2.])
    """
    known = _with_definitions({s: _exact(v) for s, v in values.items()}, where, matrices)
    names = _names(places)
    if len(names) != len(shape) and places:
        raise NotAFormula(f"{places} are not the indices of an array of shape {shape}")
    reader = _Evaluator(known, dict(zip(names, shape)), matrices)
    if elements is not None and places:
        for axis, name in enumerate(names):
            column = np.array([element[axis] for element in elements], dtype=np.int64)
            reader.indices[name] = Result(column, np.abs(column), ("@",))
    found = reader.run(parse(text, numbers))
    wanted = ("@",) if elements is not None and places else names
    if not places:
        return found
    full = tuple(shape) if elements is None else (len(elements),)
    value, size = (np.broadcast_to(_aligned(a, found.labels, wanted), full) for a in found[:2])
    return Result(value, size, wanted)


def _names(places: str) -> tuple[str, ...]:
    found = places.strip("[] ")
    return tuple(re.split(r",\s*", found)) if found else ()


def _with_definitions(
    known: dict[str, Result], where: Sequence[str], matrices: bool
) -> dict[str, Result]:
    """The values, with those of the symbols that equations define.

    Equations that go on from step to step (``h[t] = … h[t - 1] …``) begin with zeros, and each
    round of them makes one step more right, so as many rounds as there are steps make all right.
    """
    lines = []
    for line in where:
        left, _, right = line.partition(" = ")
        symbol, _, indices = left.partition("[")
        lines.append((symbol, _names(indices), parse(right)))
    symbols = [symbol for symbol, _, _ in lines]
    start = 0
    while start < len(lines):
        end = start  # the last line that these lines need
        place = start
        while place <= end:
            needed = letters(lines[place][2])
            end = max([end, *(i for i in range(place, len(lines)) if symbols[i] in needed)])
            place += 1
        block = lines[start : end + 1]
        if end == start and symbols[start] not in letters(block[0][2]):
            symbol, names, tree = block[0]
            ranges = _ranges(names, lines, known, matrices)
            known[symbol] = _defined(tree, known, ranges, matrices)
        else:
            _rounds(known, block, lines, matrices)
        start = end + 1
    return known


def _ranges(
    names: tuple[str, ...], lines: list[_Line], known: dict[str, Result], matrices: bool
) -> dict[str, int]:
    """How far the indices of a defined symbol go: to a bound (``j<4``), or as far as anywhere."""
    reader = _Evaluator(known, {}, matrices)
    found = {}
    for place in names:
        name, _, bound = place.partition("<")
        sizes = {n for *_, tree in lines for n in reader.extents(name, tree)}
        if not sizes and not bound:
            raise NotAFormula(f"how far the index {name} goes is not clear")
        found[name] = int(bound) if bound else max(sizes)
    return found


def _rounds(
    known: dict[str, Result], block: list[_Line], lines: list[_Line], matrices: bool
) -> None:
    zeros = {}
    ranges = {}
    for symbol, names, _ in block:
        ranges[symbol] = _ranges(names, lines, known, matrices)
        sizes = tuple(ranges[symbol].values())
        _check(tuple(n * sizes[0] for n in sizes[:1]) + sizes[1:])
        known[symbol] = zeros[symbol] = _exact(np.zeros(sizes))
    steps = max(zero.value.shape[0] for zero in zeros.values())
    for _ in range(steps + 1):
        before = {symbol: known[symbol] for symbol in zeros}
        for symbol, _, tree in block:
            known[symbol] = _defined(tree, known, ranges[symbol], matrices)
        if all(np.array_equal(known[symbol].value, before[symbol].value) for symbol in zeros):
            break


def _defined(
    tree: Tree, known: dict[str, Result], ranges: dict[str, int], matrices: bool
) -> Result:
    """The whole array of a symbol that an equation defines."""
    reader = _Evaluator(known, ranges, matrices)
    found = reader.run(tree)
    names, full = tuple(ranges), tuple(ranges.values())
    if not names:
        return found
    value, size = (np.broadcast_to(_aligned(a, found.labels, names), full) for a in found[:2])
    return Result(value, size)


def _exact(value: Any) -> Result:
    return Result(value, np.abs(value) if np.asarray(value).dtype.kind != "b" else value)


def _aligned(array: Array, labels: tuple[str, ...], wanted: tuple[str, ...]) -> Array:
    """An array with its axes in the order of ``wanted``, of length 1 where it has none."""
    if labels == wanted or not wanted:
        return array
    if not set(labels) <= set(wanted):
        raise NotAFormula(f"the index {', '.join(set(labels) - set(wanted))} is not summed over")
    order = [labels.index(label) for label in wanted if label in labels]
    array = np.asarray(array).transpose(order)
    return array[tuple(slice(None) if label in labels else None for label in wanted)]


class _Evaluator:
    """Evaluates one formula.

    Args:
        values: of the symbols.
        sizes: of the indices of the left side.
        matrices: whether two arrays side by side are a matrix product.
    """

    def __init__(self, values: Mapping[str, Result], sizes: dict[str, int], matrices: bool) -> None:
        self.values = values
        self.matrices = matrices
        self.indices = {name: _range(name, size) for name, size in sizes.items()}

    def range_of(self, name: str, tree: Tree, bounds: Sequence[tuple[str, int]]) -> Result:
        """All values of an index: as many as the axis has at which it stands alone."""
        for bound in bounds:
            if bound[0] == name:
                return _range(name, bound[1])
        found = self.extents(name, tree)
        if len(found) != 1:
            raise NotAFormula(f"how far the index {name} goes is not clear: {sorted(found)}")
        return _range(name, found.pop())

    def extents(self, name: str, tree: Tree) -> set[int]:
        """How many elements the axes have at which an index stands alone."""
        found: set[int] = set()
        if tree[0] == "at" and tree[1][0] == "letter" and tree[1][1] in self.values:
            shape = np.shape(self.values[tree[1][1]].value)
            if len(shape) != len(tree) - 2:
                raise NotAFormula(f"{tree[1][1]} has {len(shape)} axes")
            places = enumerate(tree[2:])
            found = {shape[axis] for axis, place in places if place == ("letter", name)}
        for part in tree[1:]:
            if isinstance(part, tuple) and part:
                inner = [part] if isinstance(part[0], str) else part
                for tree_ in inner:
                    if isinstance(tree_, tuple) and tree_:
                        found |= self.extents(name, tree_)
        return found

    def run(self, tree: Tree) -> Result:
        """The value of a tree."""
        kind, *rest = tree
        if kind == "number":
            return Result(rest[0], abs(rest[0]))
        if kind == "letter":
            return self._letter(rest[0])
        if kind == "at":
            return self._at(rest[0], rest[1:])
        if kind in ("Σ", "Π"):
            return self._series(kind, *rest)
        if kind == "over":
            return self._over(*rest)
        if kind == "call":
            return self._call(*rest)
        if kind == "-" and rest[0] == ("number", 1.0) and rest[1][:2] == ("call", "σ"):
            inner = self.run(rest[1][2])  # 1 - σ(x), not rounded to 0
            value = FUNCTIONS["σ"](-inner.value)
            return Result(value, np.abs(value) * (1 + inner.size), inner.labels)
        return self._combined(kind, [self.run(part) for part in rest])

    def _letter(self, letter: str) -> Result:
        if letter in self.indices:
            return self.indices[letter]
        if letter in self.values:
            return self.values[letter]
        value = {"e": np.e, "π": np.pi, "inf": np.inf}.get(letter)
        if value is None:
            raise NotAFormula(f"{letter} is not known")
        return Result(value, value)

    def _at(self, symbol: Tree, places: list[Tree]) -> Result:
        whole_value, whole_size, _ = self.run(symbol)
        array, sizes = np.asarray(whole_value), np.asarray(whole_size)
        if array.ndim != len(places):
            raise NotAFormula(f"{len(places)} indices of an array with {array.ndim} axes")
        if not places:
            return Result(array, sizes)
        found = [self.run(place) for place in places]
        labels = tuple(dict.fromkeys(label for part in found for label in part.labels))
        inside: Array = True
        index = []
        for part, extent in zip(found, array.shape):
            place = _aligned(np.asarray(part.value), part.labels, labels)
            whole = np.floor(np.nan_to_num(place)).astype(np.int64)
            inside = inside & ((whole == place) & (whole >= 0) & (whole < extent))
            index.append(np.clip(whole, 0, max(extent - 1, 0)))
        _check(np.broadcast_shapes(*(np.shape(i) for i in index), np.shape(inside)))
        if not array.size:
            value = size = np.zeros(np.broadcast_shapes(*(np.shape(i) for i in index)))
        else:
            value, size = array[tuple(index)], sizes[tuple(index)]
        if not np.all(inside):
            value, size = (np.where(inside, a, np.zeros((), a.dtype)) for a in (value, size))
        return Result(value, size, labels)

    def _series(
        self,
        kind: str,
        names: tuple[str, ...],
        bounds: tuple[tuple[str, int], ...],
        conditions: tuple[Tree, ...],
        term: Tree,
    ) -> Result:
        hidden = {name: self.indices.get(name) for name in names}
        for name in names:
            self.indices[name] = self.range_of(name, ("", term, *conditions), bounds)
        factors = (
            [self.run(factor) for factor in _factors(term)] if kind == "Σ" else [self.run(term)]
        )
        masks = [self.run(condition) for condition in conditions]
        ranges = [self.indices[name] for name in names]
        for name, before in hidden.items():
            if before is None:
                del self.indices[name]
            else:
                self.indices[name] = before
        if kind == "Σ":
            # What is exact, ones and zeros, is its own size.
            exact = [m._replace(value=np.asarray(m.value, float)) for m in masks]
            exact += [r._replace(value=np.ones(r.value.size)) for r in ranges]
            return _contracted([*factors, *(e._replace(size=e.value) for e in exact)], names)
        parts = [*factors, *masks, *ranges]
        labels = _union(parts)
        shape = _shape(parts, labels)
        value = np.broadcast_to(_aligned(factors[0].value, factors[0].labels, labels), shape)
        size = np.broadcast_to(_aligned(factors[0].size, factors[0].labels, labels), shape)
        for mask in masks:
            holds = _aligned(mask.value, mask.labels, labels)
            value, size = np.where(holds, value, 1.0), np.where(holds, size, 1.0)
        axes = tuple(labels.index(name) for name in names)
        left = tuple(label for label in labels if label not in names)
        return Result(value.prod(axis=axes), size.prod(axis=axes), left)

    def _over(self, axes: tuple[int, ...], term: Tree) -> Result:
        found = self.run(term)
        value, size = np.asarray(found.value), np.asarray(found.size)
        if max(axes) >= value.ndim:
            raise NotAFormula(f"there is no axis {max(axes)}")
        return Result(value.sum(axis=axes), size.sum(axis=axes))

    def _call(self, name: str, *arguments: Tree) -> Result:
        parts = [self.run(argument) for argument in arguments]
        if len(parts) > 1:
            found = self._combined(name, parts)
            return found
        x, size, labels = parts[0]
        function = FUNCTIONS[name]
        value = function(x)
        if name in _STEPS:
            return Result(value, np.abs(value), labels)
        step = 1e-4 * (1 + np.abs(x))
        with np.errstate(all="ignore"):
            slope = np.nan_to_num(np.abs(function(x + step) - function(x - step)) / (2 * step))
        return Result(value, np.abs(value) + slope * size, labels)

    def _combined(self, kind: str, parts: list[Result]) -> Result:
        labels = _union(parts)
        if labels:
            _check(_shape(parts, labels))
        values = [_aligned(part.value, part.labels, labels) for part in parts]
        sizes = [_aligned(part.size, part.labels, labels) for part in parts]
        with np.errstate(all="ignore"):
            if kind == "if":
                return Result(np.where(*values), np.where(values[0], *sizes[1:]), labels)
            if kind == "*" and self.matrices and all(np.ndim(v) for v in values):
                left, right = np.abs(values[0]), np.abs(values[1])
                return Result(values[0] @ values[1], left @ sizes[1] + sizes[0] @ right)
            value = (FUNCTIONS.get(kind) or _OPERATIONS[kind])(*values)
            return Result(value, _size(kind, value, values, sizes), labels)


def _size(kind: str, value: Array, values: list[Array], sizes: list[Array]) -> Array:
    """By how much the result of an operation changes when what it is made from changes by its size.

    To first order: the rounding of a formula is about this times that of the dtype.
    """
    if kind in ("+", "-"):
        return sizes[0] + sizes[1]
    if kind == "*":
        return sizes[0] * np.abs(values[1]) + np.abs(values[0]) * sizes[1]
    if kind == "/":
        return sizes[0] / np.abs(values[1]) + np.abs(values[0]) * sizes[1] / values[1] ** 2
    if kind in ("neg", "ᵀ"):
        return _OPERATIONS["ᵀ"](sizes[0]) if kind == "ᵀ" else sizes[0]
    if kind == "^":
        if values[0] is np.e:
            return np.nan_to_num(np.abs(value) * (1 + sizes[1]))
        if np.ndim(values[1]) == 0 and values[1] >= 1:
            return values[1] * np.abs(values[0]) ** (values[1] - 1) * sizes[0]
        relative = np.nan_to_num(np.abs(values[1]) * sizes[0] / np.abs(values[0]))
        return np.abs(value) * (1 + relative)
    if kind in ("min", "max"):
        return np.maximum(*sizes)
    return np.abs(value) if kind not in _CONDITIONS else np.asarray(value, dtype=np.float64)


def _range(name: str, size: int) -> Result:
    values = np.arange(size)
    return Result(values, values, (name,))


def _factors(tree: Tree) -> list[Tree]:
    """The factors of a product; what it is divided by counts, too."""
    if tree[0] == "*":
        return [*_factors(tree[1]), *_factors(tree[2])]
    if tree[0] == "/":
        return [*_factors(tree[1]), ("/", ("number", 1.0), tree[2])]
    return [tree]


def _union(parts: Sequence[Result]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for part in parts for label in part.labels))


def _shape(parts: Sequence[Result], labels: tuple[str, ...]) -> tuple[int, ...]:
    return np.broadcast_shapes(
        *(np.shape(_aligned(np.asarray(part.value), part.labels, labels)) for part in parts)
    )


def _contracted(parts: list[Result], names: tuple[str, ...]) -> Result:
    """The sum of a product over indices."""
    labels = _union(parts)
    left = tuple(label for label in labels if label not in names)
    _check(tuple(
        next(np.shape(p.value)[p.labels.index(label)] for p in parts if label in p.labels)
        for label in left
    ))  # fmt: skip
    number = {label: place for place, label in enumerate(labels)}
    result = [number[label] for label in left]
    places = [[number[label] for label in part.labels] for part in parts]

    def total(arrays: list[Array]) -> Array:
        operands: list[Any] = []
        for array, place in zip(arrays, places):
            operands += [np.asarray(array, float), place]
        with np.errstate(all="ignore"):
            return np.einsum(*operands, result, optimize=len(parts) > 2)

    sizes = [np.abs(part.value) for part in parts]
    changed = [i for i, part in enumerate(parts) if part.size is not part.value] or [0]
    size = sum(
        total([part.size if i == which else sizes[i] for i, part in enumerate(parts)])
        for which in changed
    )
    return Result(total([part.value for part in parts]), size, left)


def _check(shape: tuple[int, ...]) -> None:
    if np.prod(shape, dtype=np.float64) > _MOST:
        raise TooLarge(f"{shape} elements")
