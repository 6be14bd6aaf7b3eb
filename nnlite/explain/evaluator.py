"""The value of a formula, index by index, and by how much rounding may change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnlite.explain.parse import _OPERATIONS, FUNCTIONS, NotAFormula, Tree

__all__ = ["Evaluator", "Result", "TooLarge", "aligned", "check_size", "exact"]

Array = Any
_MOST = 1 << 22  # elements of an intermediate result
_SATURATED = 1 / 16  # σ is rounded as a number of size 1, also where it is far smaller
_STEPS = frozenset(
    ("sign", "trunc", "round", "⌊", "⌈")
)  # functions that are constant between jumps
_CONDITIONS = frozenset(("≤", "≥", "<", ">", "=", "≠", "or", "and", "not"))


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


def exact(value: Any) -> Result:
    """What is known to the last digit."""
    return Result(value, np.abs(value) if np.asarray(value).dtype.kind != "b" else value)


def aligned(array: Array, labels: tuple[str, ...], wanted: tuple[str, ...]) -> Array:
    """An array with its axes in the order of ``wanted``, of length 1 where it has none."""
    if labels == wanted or not wanted:
        return array
    if not set(labels) <= set(wanted):
        raise NotAFormula(f"the index {', '.join(set(labels) - set(wanted))} is not summed over")
    order = [labels.index(label) for label in wanted if label in labels]
    array = np.asarray(array).transpose(order)
    return array[tuple(slice(None) if label in labels else None for label in wanted)]


class Evaluator:
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
        if kind in ("Σ", "Π") or (kind in ("min", "max") and len(rest) == 4):
            return self._series(kind, *rest)
        if kind == "over":
            return self._over(*rest)
        if kind == "call":
            return self._call(*rest)
        if kind == "-" and rest[0] == ("number", 1.0) and rest[1][:2] == ("call", "σ"):
            inner = self.run(rest[1][2])  # 1 - σ(x), not rounded to 0
            value = FUNCTIONS["σ"](-inner.value)
            return Result(value, np.abs(value) * (1 + inner.size) + _SATURATED, inner.labels)
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
            place = aligned(np.asarray(part.value), part.labels, labels)
            whole = np.floor(np.nan_to_num(place)).astype(np.int64)
            inside = inside & ((whole == place) & (whole >= 0) & (whole < extent))
            index.append(np.clip(whole, 0, max(extent - 1, 0)))
        check_size(np.broadcast_shapes(*(np.shape(i) for i in index), np.shape(inside)))
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
        value = np.broadcast_to(aligned(factors[0].value, factors[0].labels, labels), shape)
        size = np.broadcast_to(aligned(factors[0].size, factors[0].labels, labels), shape)
        axes = tuple(labels.index(name) for name in names)
        left = tuple(label for label in labels if label not in names)
        if kind in ("min", "max"):
            reduce = np.min if kind == "min" else np.max
            return Result(reduce(value, axis=axes), size.max(axis=axes), left)
        for mask in masks:
            holds = aligned(mask.value, mask.labels, labels)
            value, size = np.where(holds, value, 1.0), np.where(holds, size, 1.0)
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
            size = np.abs(value)
            if not labels:
                tree = arguments[0]
                operands = [self.run(t).value for t in tree[1:]] if tree[0] == "/" else []
                size = np.where(_undecided(function, x, operands), np.inf, size)
            return Result(value, size, labels)
        step = 1e-4 * (1 + np.abs(x))
        with np.errstate(all="ignore"):
            slope = np.nan_to_num(np.abs(function(x + step) - function(x - step)) / (2 * step))
            moved = np.where(slope == 0, 0.0, slope * size)  # flat: whatever x is, 0 · ∞ included
        return Result(value, np.abs(value) + moved + _SATURATED * (name == "σ"), labels)

    def _combined(self, kind: str, parts: list[Result]) -> Result:
        labels = _union(parts)
        if labels:
            check_size(_shape(parts, labels))
        values = [aligned(part.value, part.labels, labels) for part in parts]
        sizes = [aligned(part.size, part.labels, labels) for part in parts]
        with np.errstate(all="ignore"):
            if kind == "if":
                return Result(np.where(*values), np.where(values[0], *sizes[1:]), labels)
            if kind == "*" and self.matrices and all(np.ndim(v) for v in values):
                left, right = np.abs(values[0]), np.abs(values[1])
                return Result(values[0] @ values[1], left @ sizes[1] + sizes[0] @ right)
            value = (FUNCTIONS.get(kind) or _OPERATIONS[kind])(*values)
            return Result(value, _size(kind, value, values, sizes), labels)


def _undecided(function: Any, x: Array, operands: Sequence[Array]) -> Array:
    """Where rounding decides on which side of a jump x lies: nothing can be said there.

    Whole and half numbers lie where they seem to, if what they are a quotient of is exact, too.
    """
    near = 1e-6 * (1 + np.abs(x))
    exact = np.asarray(x) == np.rint(x * 2) / 2
    for operand in operands:
        exact = exact & (np.float64(np.float32(operand)) == operand)
    return ~exact & (function(x - near) != function(x + near))


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
    if kind == "mod":
        ratio = values[0] / values[1]
        size = sizes[0] + np.abs(ratio) * sizes[1]
        return np.where(_undecided(np.floor, ratio, values), np.inf, size)
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
        *(np.shape(aligned(np.asarray(part.value), part.labels, labels)) for part in parts)
    )


def _contracted(parts: list[Result], names: tuple[str, ...]) -> Result:
    """The sum of a product over indices."""
    labels = _union(parts)
    left = tuple(label for label in labels if label not in names)
    check_size(tuple(
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


def check_size(shape: tuple[int, ...]) -> None:
    """Raise TooLarge for an array that would take too much memory."""
    if np.prod(shape, dtype=np.float64) > _MOST:
        raise TooLarge(f"{shape} elements")
