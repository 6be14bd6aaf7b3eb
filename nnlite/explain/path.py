"""All paths from one element of a value to the loss, and what each contributes to its gradient.

From an element there are as many paths as ways through the graph, far too many to list. So they
are grouped by the operations that they go through: for each group the change of the value at every
operation, ∂y/∂xᵢ, is carried along as an array (a column of the Jacobian), which is the exact sum
over all elements on the way. What arrives at the loss is the group's share of the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd.node import Cotangents
from nnlite.explain import local
from nnlite.explain.model import Index, Value
from nnlite.explain.numbers import array_text, factor, index_text, number, summary, wrapped
from nnlite.explain.reread import says

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation
    from nnlite.explain.step import Step

__all__ = ["Hop", "Path", "Paths", "Product", "paths_from"]

Array = Any
_SHOWN = 12  # operations of a path that are listed
_READABLE = 24  # ways from element to element that are listed
_LARGEST = 6  # so many of them where there are more
_TRIES = 8  # steps of the search for them, for each operation on the way
_MOST_TRIES = 200
_WHOLE = 16  # changes of up to so many elements are shown whole
_MOST = 64  # paths that are followed one by one; what is more is followed together


@dataclass(eq=False)
class Hop:
    """One operation on a path.

    Attributes:
        step: its number.
        value: what it computed.
        tangent: ∂value/∂xᵢ along this path, of the value's shape.
        elements: how many elements of the value the path goes through.
        mark: of the derivatives that it goes through: ✓, ✗, ≈ at a kink, ~ where nothing could
            be decided.
    """

    step: int
    value: Value
    tangent: Array
    marked: Callable[[], str] = lambda: "~"

    @cached_property
    def mark(self) -> str:
        """Whether the derivatives of the operation are right, and are what has been used here."""
        return self.marked()

    @property
    def elements(self) -> int:
        """How many elements of the value carry the change on."""
        return int(np.count_nonzero(self.tangent))


@dataclass(eq=False)
class Path:
    """A way from the element to the loss, through operations.

    Attributes:
        hops: the operations, from the element's side to the loss.
        share: its contribution to the gradient.
    """

    hops: list[Hop]
    share: float


@dataclass(eq=False)
class Product:
    """A way from element to element, and the product of the derivatives along it.

    ``mark`` tells whether the numbers that are printed give the product.

    Attributes:
        places: the elements that it goes through: ``u₁[1]``, ``L``.
        factors: the derivative of each by the one before.
    """

    places: list[str]
    factors: list[float]

    @property
    def value(self) -> float:
        """The product."""
        return float(np.prod(self.factors))

    @property
    def text(self) -> str:
        """``0.5 · (-2)``"""
        return " · ".join(map(factor, self.factors))

    @property
    def mark(self) -> str:
        """✓ or ✗."""
        return "✓" if says(self.text, self.value) else "✗"


@dataclass(eq=False)
class Paths:
    """All paths from one element, grouped by operations.

    Attributes:
        value: the value that the element is of.
        index: the element.
        paths: the groups; together they are all there are.
        total: the sum of their shares.
        gradient: the engine's gradient of the element.
        merged: whether there were too many ways, so that they were followed together.
        products: the ways from element to element: all, where there are at most 24; else those with
            the largest shares; none where the paths were followed together.
        rest: what the ways add that are not among ``products``; 0 where all are.
        rounding: up to which the total may differ from the engine's gradient.
        mark: ✓ where the sum is the engine's gradient, ✗ where it is not.
    """

    value: Value
    index: Index
    paths: list[Path] = field(default_factory=list)
    total: float = 0.0
    gradient: float = 0.0
    merged: bool = False
    products: list[Product] = field(default_factory=list)
    rest: float = 0.0
    rounding: float = 0.0

    @property
    def mark(self) -> str:
        """✓ or ✗; ~ where infinities come in."""
        if not np.isfinite(self.total) or not np.isfinite(self.gradient):
            return "~"
        return "✓" if abs(self.total - self.gradient) <= self.rounding else "✗"

    @property
    def sums(self) -> list[str]:
        """The last lines: what the shares add up to, and what the engine has."""
        name = f"{self.value.symbol}{index_text(self.index)}"
        shares = " + ".join(map(factor, self.shares)) or "0"
        is_whole = abs(sum(self.shares) - self.total) <= self.rounding
        mark = "✓" if says(shares, self.total) and is_whole else "✗"
        error = number(abs(self.total - self.gradient))
        return [
            f"{mark} sum: {shares} = {number(self.total)}",
            f"{self.mark} ∂L/∂{name} of the engine: {number(self.gradient)}, {error} apart",
        ]

    @property
    def shares(self) -> list[float]:
        """What adds up to the gradient: the products and the rest, or the shares of the paths."""
        if not self.products:
            return [path.share for path in self.paths]
        return [product.value for product in self.products] + ([self.rest] if self.rest else [])

    @property
    def lines(self) -> list[str]:
        """What is told of the paths, a line each, indented by what belongs to what."""
        name = f"{self.value.symbol}{index_text(self.index)}"
        how = ", all ways together (they are too many to list)" if self.merged else ""
        start = f"{self.value.label}{index_text(self.index)}"
        lines = [f"Paths from {start} to the loss, grouped by operations{how}"]
        for place, path in enumerate(self.paths, start=1):
            hops = path.hops if len(path.hops) <= _SHOWN else [*path.hops[:8], *path.hops[-4:]]
            left = len(path.hops) - len(hops)
            symbols = [hop.value.symbol for hop in hops]
            if left:
                symbols.insert(8, f"… ({left} more)")
            lines.append(f"  path {place}: {' → '.join([name, *symbols])}")
            for hop in hops:
                change = f"∂{hop.value.symbol}/∂{name} = {_change(hop)}"
                lines.append(f"    {hop.mark} step {hop.step}: {change}")
                if not hop.tangent.any():
                    lines[-1] += ": nothing gets through here"
                    break
            lines.append(f"    contributes {number(path.share)}")
        if self.products:
            of = "the ways with the largest shares" if self.rest else "each way"
            lines.append(f"  element by element, the product of the derivatives along {of}:")
        for product in self.products:
            way = " → ".join([name, *product.places])
            lines.append(f"    {product.mark} {way}: {product.text} = {number(product.value)}")
        if self.rest:
            lines.append(f"    all other ways together: {number(self.rest)}")
        return lines + [f"  {line}" for line in self.sums]

    def __str__(self) -> str:
        return "\n".join(piece for line in self.lines for piece in wrapped(line, " " * 6))


def _change(hop: Hop) -> str:
    size = hop.tangent.size
    if size == 1:
        return number(float(hop.tangent.reshape(())))
    if size <= _WHOLE:
        return " ".join(line.strip() for line in array_text(hop.tangent))
    return f"through {hop.elements} of {size} elements, {summary(hop.tangent)}"


def paths_from(explanation: Explanation, value: Value, index: Index) -> Paths:
    """Follow one element of a value to the loss.

    Args:
        explanation: the pass.
        value: where the paths begin.
        index: the element.
    """
    found = Paths(value, index, gradient=float(value.gradient[index]))
    unit = np.zeros(value.shape)
    unit[index] = 1
    ways = _count(explanation, value)
    found.merged = ways > _MOST
    if found.merged:
        found.paths = [_together(explanation, value, unit)]
    else:
        found.paths = _singly(explanation, value, unit)
    found.total = float(sum(path.share for path in found.paths))
    if not found.merged:
        tries = _TRIES * max(len(path.hops) for path in found.paths)
        tries = min(tries, _MOST_TRIES)
        found.products, found.rest = _products(explanation, value, index, tries)
    eps = max((_eps(hop.value) for path in found.paths for hop in path.hops), default=0.0)
    found.rounding = 1e-300 + 64 * eps * sum(_size(path) for path in found.paths)
    return found


def _size(path: Path) -> float:
    """The absolute values of what a share is the sum of, where they are largest."""
    with np.errstate(all="ignore"):
        sizes = [float(np.sum(np.abs(hop.tangent * hop.value.gradient))) for hop in path.hops]
    return max(filter(np.isfinite, sizes), default=0.0)


def _eps(value: Value) -> float:
    return float(np.finfo(value.dtype).eps) if value.dtype.kind == "f" else 0.0


def _users(explanation: Explanation, value: Value) -> list[tuple[Step, int]]:
    """The uses of a value, in the order of the forward pass."""
    found = []
    for number_ in reversed(value.used_by):
        step = explanation.steps[number_ - 1]
        for position, given in enumerate(step.inputs):
            if given.value is value and given.wanted:
                found.append((step, position))
    return found


def _count(explanation: Explanation, start: Value) -> int:
    """How many ways through operations lead from a value to the loss."""
    ways: dict[int, int] = {id(explanation.loss): 1}
    for step in explanation.steps:
        onward = sum(ways.get(id(v), 0) for v in step.outputs.values())
        for given in step.inputs:
            if given.wanted:
                ways[id(given.value)] = ways.get(id(given.value), 0) + onward
    return ways.get(id(start), 0)


def _pushed(
    explanation: Explanation, step: Step, position: int, tangent: Array
) -> dict[int, Array]:
    node, saved = step.derivative, step.saved
    g = explanation.run.arrived[step._node]
    result = local.forwards(node, saved, g, position, tangent)
    return result if isinstance(g, Cotangents) else {0: result}


def _mark_of(
    step: Step, moves: Sequence[tuple[int, Array]], pushed: Mapping[int, Array | None]
) -> str:
    """The mark of the rules of a step, ✗ also where they are not what has been used.

    Args:
        step: the operation.
        moves: inputs by position, and how they change.
        pushed: how the outputs change; None: not at all.
    """
    moves = [(position, tangent) for position, tangent in moves if step.has_rule(position)]
    marks = {step.rule_at(position).check.mark for position, _ in moves}
    with np.errstate(all="ignore"):
        changes = [(v.gradient, pushed[which]) for which, v in step.outputs.items()]
        there = [gradient * change for gradient, change in changes if change is not None]
        here = [step._sent(position) * tangent for position, tangent in moves]
        apart = abs(sum(np.sum(a) for a in there) - sum(np.sum(a) for a in here))
        size = sum(np.abs(a).sum() for a in (*there, *here))
        eps = max(map(_eps, step.outputs.values()))
        if np.isfinite(size) and apart > 256 * eps * size + 1e-300:
            return "✗"
    return next(mark for mark in "✗~≈✓" if mark in marks or mark == "✓")


def _share(explanation: Explanation, tangent: Array) -> float:
    """What a change of the loss counts: the start of the pass, which is 1 for a number."""
    start = explanation.run.start
    return float(np.sum(np.asarray(start, dtype=np.float64) * tangent))


def _singly(explanation: Explanation, value: Value, unit: Array) -> list[Path]:
    finished: list[Path] = []
    stack: list[tuple[Value, Array, list[Hop]]] = [(value, unit, [])]
    while stack:
        current, tangent, hops = stack.pop()
        if current is explanation.loss:
            finished.append(Path(hops, _share(explanation, tangent)))
        for step, position in reversed(_users(explanation, current)):
            pushed = _pushed(explanation, step, position, tangent)
            for which, output in step.outputs.items():
                marked = partial(_mark_of, step, [(position, tangent)], pushed)
                hop = Hop(step.number, output, pushed[which], marked)
                stack.append((output, pushed[which], [*hops, hop]))
    return finished


def _products(
    explanation: Explanation, value: Value, index: Index, tries: int
) -> tuple[list[Product], float]:
    """The ways from element to element, the most promising first, and what the others add.

    A way that has come to an element of a value is worth its product times the gradient there:
    that is what all its continuations add up to.
    """
    if explanation.loss.array.size != 1:
        return [], 0.0
    finished: list[tuple[list[int], Product]] = []
    start = float(np.asarray(explanation.run.start).reshape(()))
    waiting: list[Any] = [(0.0, [], 0.0, value, index, Product([], []))]
    rest, is_all = 0.0, True
    for _ in range(tries):
        if not waiting or (len(finished) >= _LARGEST and len(waiting) > _READABLE):
            break
        _, trail, _, current, place, product = heappop(waiting)
        if current is explanation.loss:
            factors = product.factors if start == 1 else [*product.factors, start]
            finished.append((trail, Product(product.places, factors)))
        unit = np.zeros(current.shape)
        unit[place] = 1
        for use, (step, position) in enumerate(_users(explanation, current)):
            pushed = _pushed(explanation, step, position, unit)
            for which, output in step.outputs.items():
                column = np.asarray(pushed[which])
                worth = (product.value * column * output.gradient).reshape(-1)
                onward = np.flatnonzero(column)
                if len(onward) > _READABLE:
                    onward = onward[np.argsort(-np.abs(worth[onward]), kind="stable")]
                    rest += float(worth[onward[_READABLE:]].sum())
                    onward, is_all = onward[:_READABLE], False
                for flat in onward.tolist():
                    at = tuple(int(i) for i in np.unravel_index(flat, column.shape))
                    places = [*product.places, f"{output.symbol}{index_text(at)}"]
                    way = Product(places, [*product.factors, float(column[at])])
                    size, trail_ = float(worth[flat]), [*trail, use, which, flat]
                    heappush(waiting, (-abs(size), trail_, size, output, at, way))
    if waiting or not is_all or len(finished) > _READABLE:
        finished.sort(key=lambda found: -abs(found[1].value))
        rest += sum(size for _, _, size, *_ in waiting)
        rest += sum(product.value for _, product in finished[_LARGEST:])
        finished = finished[:_LARGEST]
    if not finished:
        return [], 0.0
    return [product for _, product in sorted(finished, key=lambda found: found[0])], rest


def _together(explanation: Explanation, value: Value, unit: Array) -> Path:
    """All ways at once: what arrives at a value from several sides is summed up."""
    tangents: dict[int, Array] = {id(value): unit}
    hops = []
    for step in reversed(explanation.steps):
        moves: list[tuple[int, Array]] = []
        for position, given in enumerate(step.inputs):
            tangent = tangents.get(id(given.value))
            if tangent is None or not given.wanted:
                continue
            pushed = _pushed(explanation, step, position, tangent)
            moves.append((position, tangent))
            for which, output in step.outputs.items():
                before = tangents.get(id(output))
                tangents[id(output)] = pushed[which] if before is None else before + pushed[which]
        changes = {which: tangents.get(id(value)) for which, value in step.outputs.items()}
        marked = partial(_mark_of, step, moves, changes)
        for which, output in step.outputs.items():
            if (change := changes[which]) is not None:
                hops.append(Hop(step.number, output, change, marked))
    return Path(hops, _share(explanation, tangents[id(explanation.loss)]))
