"""Formulas evaluated on whole arrays, index by index: what is printed, computed anew.

This reads the very text that is printed, with the symbols of the pass, and knows nothing of the
code of the derivatives. Beside each value it keeps the size of what it was summed up from, by which
rounding is told from a mistake. What stands outside of an array (``g[i - 1]`` at i = 0, or an index
that is no whole number) counts as 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnlite.explain.evaluator import Evaluator, Result, TooLarge, aligned, check_size, exact
from nnlite.explain.parse import NotAFormula, Tree, letters, parse

__all__ = ["Result", "TooLarge", "compute"]

_Line = tuple[str, tuple[str, ...], Tree]  # an equation: its symbol, indices, and right side


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
    known = _with_definitions({s: exact(v) for s, v in values.items()}, where, matrices)
    names = _names(places)
    if len(names) != len(shape) and places:
        raise NotAFormula(f"{places} are not the indices of an array of shape {shape}")
    reader = Evaluator(known, dict(zip(names, shape)), matrices)
    if elements is not None and places:
        for axis, name in enumerate(names):
            column = np.array([element[axis] for element in elements], dtype=np.int64)
            reader.indices[name] = Result(column, np.abs(column), ("@",))
    found = reader.run(parse(text, numbers))
    wanted = ("@",) if elements is not None and places else names
    if not places:
        return found
    full = tuple(shape) if elements is None else (len(elements),)
    value, size = (np.broadcast_to(aligned(a, found.labels, wanted), full) for a in found[:2])
    return Result(value, size, wanted)


def _names(places: str) -> tuple[str, ...]:
    found = places.strip("[] ")
    return tuple(re.split(r",\s*", found)) if found else ()


def _with_definitions(
    known: dict[str, Result], where: Sequence[str], matrices: bool
) -> dict[str, Result]:
    """The values, with those of the symbols that equations define.

    Equations that go on from step to step (``h[t] = … h[t - 1] …``) are worked out in that order.
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
            _stepped(known, block, lines, matrices)
        start = end + 1
    return known


def _ranges(
    names: tuple[str, ...], lines: list[_Line], known: dict[str, Result], matrices: bool
) -> dict[str, int]:
    """How far the indices of a defined symbol go: to a bound (``j<4``), or as far as anywhere."""
    reader = Evaluator(known, {}, matrices)
    found = {}
    for place in names:
        name, _, bound = place.partition("<")
        sizes = {n for *_, tree in lines for n in reader.extents(name, tree)}
        if not sizes and not bound:
            raise NotAFormula(f"how far the index {name} goes is not clear")
        found[name] = int(bound) if bound else max(sizes)
    return found


def _stepped(
    known: dict[str, Result], block: list[_Line], lines: list[_Line], matrices: bool
) -> None:
    """Symbols that need each other: worked out for one value of their first index at a time."""
    symbols = {symbol for symbol, _, _ in block}
    ranges = {symbol: _ranges(names, lines, known, matrices) for symbol, names, _ in block}
    for symbol in symbols:
        sizes = tuple(ranges[symbol].values())
        check_size(sizes)
        if not sizes:
            raise NotAFormula(f"{symbol} is defined by itself")
        known[symbol] = Result(np.zeros(sizes), np.zeros(sizes))
    first = block[0][1][0].partition("<")[0]
    steps = range(max(known[symbol].value.shape[0] for symbol in symbols))
    signs = set().union(*(_directions(tree, symbols, first) for *_, tree in block))
    if len(signs) != 1:
        raise NotAFormula("the equations lead to each other in a circle")
    for step in steps if signs == {"-"} else reversed(steps):
        for symbol, _, tree in block:
            found = _defined(tree, known, ranges[symbol], matrices, {first: step})
            known[symbol].value[step], known[symbol].size[step] = found[:2]


def _directions(tree: Tree, symbols: set[str], first: str) -> set[str]:
    """The signs in ``h[t - 1]`` and ``h[t + 1]``: from which step a symbol is needed."""
    if tree[0] == "at" and tree[1][0] == "letter" and tree[1][1] in symbols:
        place = tree[2]
        if place[0] in ("-", "+") and place[1] == ("letter", first):
            return {place[0]}
    found: set[str] = set()
    for part in tree[1:]:
        if isinstance(part, tuple) and part:
            for inner in [part] if isinstance(part[0], str) else part:
                if isinstance(inner, tuple) and inner:
                    found |= _directions(inner, symbols, first)
    return found


def _defined(
    tree: Tree,
    known: dict[str, Result],
    ranges: dict[str, int],
    matrices: bool,
    fixed: Mapping[str, int] | None = None,
) -> Result:
    """The whole array of a symbol that an equation defines, or its part at a fixed index."""
    reader = Evaluator(known, ranges, matrices)
    for name, place in (fixed or {}).items():
        reader.indices[name] = Result(np.asarray(place), np.asarray(place))
    found = reader.run(tree)
    free = {name: size for name, size in ranges.items() if name not in (fixed or {})}
    names, full = tuple(free), tuple(free.values())
    if not names:
        return found
    value, size = (np.broadcast_to(aligned(a, found.labels, names), full) for a in found[:2])
    return Result(value, size)
