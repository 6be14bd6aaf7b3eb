"""Rules in index notation, for operations whose equation is in words: "g, put back in place".

Each is made from the shapes and the options of the operation alone, and is evaluated as it is
printed (``indexed``); it shares no code with the derivatives. What stands outside of an array
counts as 0, so ``g[i - 2]`` is the gradient of a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["Facts", "Formula", "Maker", "formula_of", "lasts", "reduced", "summed"]

Array = Any
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Formula:
    """The right side of a rule, in the letters of the operation's equation.

    Attributes:
        right: ``Σ_{k} g[i, k]``.
        places: the indices of the left side: ``[i, j]``; empty for a formula of whole arrays.
        where: equations for symbols on the way, those used first come first.
        data: arrays that stand in it and are no inputs: what each is, and its numbers.
    """

    right: str
    places: str = ""
    where: tuple[str, ...] = ()
    data: dict[str, tuple[str, Array]] = field(default_factory=dict)


class Facts:
    """What a rule is made from.

    Attributes:
        x, y: the shapes of the input and of the (first) output.
        role: the letter of the input.
        position: which input it is.
        meta, saved: of the derivative's node.
    """

    def __init__(self, step: Step, position: int) -> None:
        self.step = step
        self.position = position
        self.role = step.inputs[position].role
        self.x: Shape = step.inputs[position].value.shape
        self.y: Shape = step.output.shape
        node = step.derivative
        self.meta: Any = node.meta
        self.saved = step.saved
        taken = {given.value.symbol[:1] for given in step.inputs}
        taken |= {value.symbol[:1] for value in step.outputs.values()}
        taken |= {given.role for given in step.inputs} | {"e", "g", step.equation.output}
        taken |= set(step.constants) | {s for s in step.symbols_in_use if len(s) == 1}
        self._free: Iterator[str] = (c for c in _LETTERS if c not in taken)
        self.taken = taken

    @cached_property
    def indices(self) -> list[str]:
        """Letters for the axes of the input."""
        return self.letters(len(self.x))

    def shape(self, position: int) -> Shape:
        """The shape of another input."""
        return self.step.inputs[position].value.shape

    def has(self, position: int) -> bool:
        """Whether an input was given."""
        given = self.step.inputs
        return position < len(given) and given[position].value.dtype is not None

    def letters(self, count: int) -> list[str]:
        """Letters for indices that nothing else has."""
        found = [next(self._free) for _ in range(count)]
        self.taken.update(found)
        return found

    def own(self, letter: str) -> str:
        """A letter for a symbol on the way, with a prime where something else is called so."""
        while letter in self.taken:
            letter += "′"
        self.taken.add(letter)
        self._free = iter([c for c in self._free if c != letter])
        return letter

    def at(self, letter: str, places: Iterable[str]) -> str:
        """``x[i, j]``; the letter alone for a number."""
        inside = ", ".join(places)
        return f"{letter}[{inside}]" if inside else letter

    def made(
        self, right: str, where: Sequence[str] = (), data: dict[str, Any] | None = None
    ) -> Formula:
        """A formula for every element of the input."""
        places = f"[{', '.join(self.indices)}]" if self.indices else ""
        return Formula(right, places, tuple(where), data or {})


_LETTERS = "ijklmnpqrstuvwohdfyxabczIJKNOR"
Maker = Callable[[Facts], Formula]


def formula_of(step: Step, position: int) -> Formula | None:
    """The rule of an input in index notation; None where the equation itself is a formula."""
    from nnlite.explain.rules_nn import LAYERS
    from nnlite.explain.rules_recurrent import RECURRENT

    kind = type(step._node).__name__
    maker = RULES.get(kind) or LAYERS.get(kind) or RECURRENT.get(kind)
    given = step.inputs[position].value
    if maker is None or not given.gradient.size:
        return None
    if not any(prod(value.shape) for value in step.outputs.values()):
        return Formula("0")  # nothing comes from a result without elements
    return maker(Facts(step, position))


def lasts(letters: Sequence[str], shape: Shape, full: Shape) -> list[str]:
    """The indices of an array that was broadcast to ``full``, whose indices are ``letters``."""
    start = len(full) - len(shape)
    return [
        "0" if n == 1 and full[start + axis] != 1 else letters[start + axis]
        for axis, n in enumerate(shape)
    ]


def summed(names: Sequence[str], term: str) -> str:
    """``Σ_{j, k} term``; the term alone without indices."""
    return f"Σ_{{{', '.join(names)}}} {term}" if names else term


def reduced(f: Facts, axis: Any, keepdims: bool) -> tuple[list[str], list[int]]:
    """The indices of what was reduced over an axis, some, or all; and these axes."""
    count = len(f.x)
    axes = list(range(count)) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    axes = [a % count for a in axes] if count else []
    kept = [
        "0" if a in axes else name for a, name in enumerate(f.indices) if keepdims or a not in axes
    ]
    return kept, axes


def _number(letters: Sequence[str], shape: Shape) -> str:
    """The number of an element, counted row by row: ``3 i + j``."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    parts = [
        letter if stride == 1 else f"{stride} {letter}"
        for letter, stride, n in zip(letters, strides, shape)
        if n > 1
    ]
    return " + ".join(parts) or "0"


def _unravelled(text: str, shape: Shape) -> list[str]:
    """The indices of the element with a number."""
    simple = text.isalnum()
    text = text if simple else f"({text})"
    found = []
    for axis, n in enumerate(shape):
        stride = prod(shape[axis + 1 :])
        place = text if stride == 1 else f"⌊{text}/{stride}⌋"
        first = axis == 0 or prod(shape[:axis]) == 1
        found.append("0" if n == 1 else place if first else f"{place} mod {n}")
    return [t[1:-1] if t.startswith("(") and t.endswith(")") and not simple else t for t in found]


# ---- other shapes, other places -----------------------------------------------------------------


def _view(f: Facts) -> Formula:
    """The same elements in the same order."""
    x = [(name, n) for name, n in zip(f.indices, f.x) if n != 1]
    y = [n for n in f.y if n != 1]
    found: list[str] = []
    while x or y:
        left, right = [x.pop(0)], [y.pop(0)]
        while (a := prod(n for _, n in left)) != (b := prod(right)):
            if a < b:
                left.append(x.pop(0))
            else:
                right.append(y.pop(0))
        number = _number([name for name, _ in left], tuple(n for _, n in left))
        found += _unravelled(number, tuple(right)) if len(right) > 1 else [number]
    return f.made(f.at("g", ("0" if n == 1 else found.pop(0) for n in f.y)))


def _permute(f: Facts) -> Formula:
    return f.made(f.at("g", (f.indices[axis] for axis in f.meta)))


def _same(f: Facts) -> Formula:
    return Formula("g")


def _shifted(name: str, by: int) -> str:
    return name if not by else f"{name} {'-' if by > 0 else '+'} {abs(by)}"


def _basic(f: Facts, index: Any = None) -> Formula:
    """A part that slices and numbers choose."""
    index = f.meta[1] if index is None else index
    items = list(index) if isinstance(index, tuple) else [index]
    used = sum(item is not None and item is not Ellipsis for item in items)
    if Ellipsis not in items:
        items.append(Ellipsis)
    at = items.index(Ellipsis)
    items[at : at + 1] = [slice(None)] * (len(f.x) - used)
    places, conditions = [], []
    axes = iter(zip(f.indices, f.x))
    for item in items:
        if item is None:
            places.append("0")
            continue
        name, n = next(axes)
        if not isinstance(item, slice):
            conditions.append(f" [{name} = {int(item) % n}]")
            continue
        start, _, step = item.indices(n)
        way = _shifted(name, start) if step > 0 else f"{start} - {name}"
        places.append(way if abs(step) == 1 else f"({way})/{abs(step)}")
    return f.made(f.at("g", places) + "".join(conditions))


def _roll(f: Facts) -> Formula:
    shifts, axes = f.meta
    if axes is None:
        number = _number(f.indices, f.x)
        total = prod(f.x)
        shift = shifts if isinstance(shifts, int) else sum(shifts)
        places = _unravelled(f"({number} + {shift % total}) mod {total}", f.x)
        return f.made(f.at("g", places))
    moved = dict.fromkeys(range(len(f.x)), 0)
    for shift, axis in zip(*([v] if isinstance(v, int) else v for v in (shifts, axes))):
        moved[axis % len(f.x)] += shift
    return f.made(f.at("g", (
        f"({name} + {by % n}) mod {n}" if by % n else name
        for name, n, by in zip(f.indices, f.x, moved.values())
    )))  # fmt: skip


def _pad(f: Facts) -> Formula:
    return f.made(f.at("g", (_shifted(n, -low) for n, (low, _) in zip(f.indices, f.meta[0]))))


def _pad_copies(f: Facts) -> Formula:
    """Borders that are copies: of each axis the place in x that an element was copied from."""
    _, sources = f.meta[:2]
    start = len(f.x) - len(sources)
    data = {}
    names = f.letters(len(sources))
    conditions = []
    for axis, (name, source) in enumerate(zip(names, sources)):
        letter = f.own("k" if len(sources) == 1 else f"k{'₁₂₃'[axis]}")
        data[letter] = (f"which place along axis {start + axis} of x was copied", source)
        conditions.append(f" [{letter}[{name}] = {f.indices[start + axis]}]")
    term = f.at("g", [*f.indices[:start], *names]) + "".join(conditions)
    return f.made(summed(names, term), data=data)


def _cat(f: Facts) -> Formula:
    axis, sizes = f.meta
    axis %= len(f.x)
    offset = sum(sizes[: f.position])
    places = (_shifted(n, -offset if a == axis else 0) for a, n in enumerate(f.indices))
    return f.made(f.at("g", places))


def _stack(f: Facts) -> Formula:
    axis = f.meta % len(f.y)
    return f.made(f.at("g", [*f.indices[:axis], str(f.position), *f.indices[axis:]]))


def _parts(f: Facts) -> Iterator[tuple[int, str]]:
    """The outputs that a gradient has arrived at, and the letters of these gradients."""
    for which in f.step.outputs:
        yield which, f.step.gradient_letter(which)


def _split(f: Facts) -> Formula:
    axis, shapes = f.meta[:2]
    offsets = [0, *accumulate(shape[axis] for shape in shapes)]
    terms = [
        f.at(g, (_shifted(n, offsets[which] if a == axis else 0) for a, n in enumerate(f.indices)))
        for which, g in _parts(f)
    ]
    return f.made(" + ".join(terms))


def _unbind(f: Facts) -> Formula:
    axis = f.meta[0] % len(f.x)
    others = [n for a, n in enumerate(f.indices) if a != axis]
    terms = [f"{f.at(g, others)} [{f.indices[axis]} = {which}]" for which, g in _parts(f)]
    return f.made(" + ".join(terms))


def _triangle(sign: str) -> Maker:
    def make(f: Facts) -> Formula:
        row, column = f.indices[-2:]
        return f.made(f"{f.at('g', f.indices)} [{column} {sign} {_shifted(row, -f.meta)}]")

    return make


def _trace(f: Facts) -> Formula:
    return f.made(f"g [{f.indices[0]} = {f.indices[1]}]")


def _diag_embed(f: Facts) -> Formula:
    _, rows, columns = f.meta
    name = f.indices[-1]
    ends = (_shifted(name, -int(places[0])) for places in (rows, columns))
    return f.made(f.at("g", [*f.indices[:-1], *ends]))


# ---- looked up ----------------------------------------------------------------------------------


def _read(f: Facts) -> Formula:
    """y = x[index], with arrays for an index."""
    index = f.meta[1] if isinstance(f.meta[1], tuple) else (f.meta[1],)
    letter = f.own("k")
    arrays = [a for a, part in enumerate(index) if hasattr(part, "dtype")]
    plain = all(hasattr(p, "dtype") or p == slice(None) for p in index)
    more = any(part is None or part is Ellipsis for part in index)
    if len(arrays) == 1 and plain and not more:
        (axis,) = arrays
        chosen = index[axis]
        if chosen.dtype.kind == "i" and len(index) <= len(f.x):
            names = f.letters(chosen.ndim)
            g = f.at("g", [*f.indices[:axis], *names, *f.indices[axis + 1 :]])
            chosen = np.where(chosen < 0, chosen + f.x[axis], chosen)
            about = f"which place along axis {axis} of x was read"
            term = f"{g} [{f.at(letter, names)} = {f.indices[axis]}]"
            return f.made(summed(names, term), data={letter: (about, chosen)})
    same = len(arrays) == len(index) == len(f.x) == len(f.y)
    same = same and all(part.shape == f.y for part in index)
    mesh = np.indices(f.y)
    moving = [a for a in arrays if same and not np.array_equal(index[a], mesh[a])]
    if same and len(moving) <= 1:
        axis = moving[0] if moving else len(f.x) - 1
        (name,) = f.letters(1)
        places = [name if a == axis else n for a, n in enumerate(f.indices)]
        about = f"which place along axis {axis} of x was read"
        term = f"{f.at('g', places)} [{f.at(letter, places)} = {f.indices[axis]}]"
        return f.made(summed([name], term), data={letter: (about, index[axis])})
    numbers = np.arange(prod(f.x)).reshape(f.x)[index]
    names = f.letters(numbers.ndim)
    term = f"{f.at('g', names)} [{f.at(letter, names)} = {_number(f.indices, f.x)}]"
    about = "the number of the element of x that was read, counted row by row from 0"
    return f.made(summed(names, term), data={letter: (about, numbers)})


def _written(f: Facts) -> Formula:
    """y = x with v at some places."""
    kind = type(f.step._node).__name__
    letter = f.own("k")
    if f.position == 0:
        if "Add" in kind:
            return Formula("g")
        about = "1 where x was overwritten"
        return f.made(
            f"{f.at('g', f.indices)} (1 - {f.at(letter, f.indices)})",
            data={letter: (about, f.meta[1].astype(np.int64))},
        )
    steps = f.meta[0] if kind == "CopySlices" else (f.meta[0],)
    numbers = np.arange(prod(f.y)).reshape(f.y)
    for step in steps:
        numbers = numbers[step]
    full = numbers.shape
    names = list(f.indices)
    over: list[str] = []
    if kind in ("CopySlices", "IndexAddBackward0"):  # v was broadcast
        start = len(full) - len(f.x)
        over = f.letters(max(start, 0))
        names = [*over, *f.indices[max(-start, 0) :]]
        for axis, n in enumerate(full):
            own = f.x[axis - start] if axis >= start else n
            if own != n:
                names[axis] = f.letters(1)[0]
                over.append(names[axis])
    data = {letter: ("the number of the place in y, counted row by row from 0", numbers)}
    factor = ""
    if kind == "IndexAddBackward0" and f.meta[1] != 1:
        factor = f"{float(f.meta[1]):.6g} "
    # Where v is larger than what was read of it, k ends: nothing was written.
    extent = zip(names, full, f.x[max(len(f.x) - len(full), 0) :])
    bound = "".join(f" [{name} < {n}]" for name, n, own in extent if own > n)
    term = f.at("g", _unravelled(f.at(letter, names), f.y)) + bound
    return f.made(factor + summed(over, term), data=data)


def _embedding(f: Facts) -> Formula:
    letter = f.own("k")
    (index,) = f.saved
    names = f.letters(index.ndim)
    row, column = f.indices
    padding = f.meta[1]
    term = f"{f.at('g', [*names, column])} [{f.at(letter, names)} = {row}]"
    term += "" if padding is None else f" [{row} ≠ {padding}]"
    return f.made(summed(names, term), data={letter: ("the row that was looked up", index)})


def _masked(about: str, inside: bool) -> Maker:
    def make(f: Facts) -> Formula:
        letter = f.own("m")
        kept = inside or f.position == 1
        right = f"g [{letter}]" if kept else f"g [not {letter}]"
        return _over(f, right, {letter: (about, f.saved[0])})

    return make


def _over(f: Facts, term: str, data: dict[str, Any]) -> Formula:
    """The sum over the axes along which the input was repeated."""
    from nnlite.explain.reasons import over, summed_axes

    axes = summed_axes(f.x, f.y)
    return Formula(f"Σ ({term}) {over(axes, f.y)}" if axes else term, data=data)


def _where(f: Facts) -> Formula:
    letter = f.own("c")
    data = {letter: ("the condition", f.saved[0])}
    return _over(f, f"g [{letter}]" if f.position == 0 else f"g [not {letter}]", data)


# ---- summed up ----------------------------------------------------------------------------------


def _sum(f: Facts) -> Formula:
    kept, _ = reduced(f, f.meta[1], f.meta[2])
    return f.made(f.at("g", kept))


def _mean(f: Facts) -> Formula:
    kept, _ = reduced(f, f.meta[1], f.meta[2])
    return f.made(f"{f.at('g', kept)} / {f.meta[3]}")


def _expand(f: Facts) -> Formula:
    start = len(f.y) - len(f.x)
    over = f.letters(start)
    places = list(over)
    for axis, name in enumerate(f.indices):
        if f.x[axis] != f.y[start + axis]:
            over += f.letters(1)
            name = over[-1]
        places.append(name)
    return f.made(summed(over, f.at("g", places)))


def _repeat(f: Facts) -> Formula:
    start = len(f.y) - len(f.x)
    over, places = [], []
    for axis, times in enumerate(n // m for n, m in zip(f.y, (1,) * start + f.x)):
        (name,) = f.letters(1) if times > 1 else ("",)
        own = f.indices[axis - start] if axis >= start else ""
        by = "" if not name else f"{f.x[axis - start]} {name}" if own else name
        places.append(" + ".join(filter(None, (own, by))) or "0")
        over += [f"{name}<{times}"] * bool(name)
    return f.made(summed(over, f.at("g", places)))


def _cumsum(f: Facts) -> Formula:
    if not f.x:
        return Formula("g")
    axis = f.meta % len(f.x)
    (name,) = f.letters(1)
    places = [name if a == axis else n for a, n in enumerate(f.indices)]
    return f.made(f"Σ_{{{name}≥{f.indices[axis]}}} {f.at('g', places)}")


def _cumprod(f: Facts) -> Formula:
    if not f.x:
        return Formula("g")
    axis = f.meta % len(f.x)
    own = f.indices[axis]
    last, factor = f.letters(2)
    g = f.at("g", (last if a == axis else n for a, n in enumerate(f.indices)))
    x = f.at("x", (factor if a == axis else n for a, n in enumerate(f.indices)))
    return f.made(
        f"Σ_{{{last}≥{own}}} {g} Π_{{{factor} : {factor} ≤ {last} and {factor} ≠ {own}}} {x}"
    )


def _prod(f: Facts) -> Formula:
    kept, axes = reduced(f, f.meta[1], f.meta[2])
    names = f.letters(len(axes))
    if not names:
        return Formula("g")
    places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
    others = " or ".join(f"{name} ≠ {f.indices[a]}" for name, a in zip(names, axes))
    return f.made(f"{f.at('g', kept)} Π_{{{', '.join(names)} : {others}}} {f.at('x', places)}")


def _averaged(f: Facts, axis: Any, keepdims: bool) -> tuple[list[str], str, str, int]:
    """The indices of a result, the mean of x and its equation, and over how many it is."""
    kept, axes = reduced(f, axis, keepdims)
    rest = [n for a, n in enumerate(f.indices) if a not in axes]
    names = f.letters(len(axes))
    places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
    count = prod(f.x[a] for a in axes)
    mean = f.at("x̄", rest)
    return kept, mean, f"{mean} = {summed(names, f.at('x', places))} / {count}", count


def _var(f: Facts) -> Formula:
    _, axis, keepdims, divisor = f.meta
    kept, mean, line, _ = _averaged(f, axis, keepdims)
    x = f.at("x", f.indices)
    return f.made(f"2 {f.at('g', kept)} ({x} - {mean}) / {divisor}", [line])


def _std(f: Facts) -> Formula:
    _, axis, keepdims, divisor = f.meta
    kept, mean, line, _ = _averaged(f, axis, keepdims)
    x, y = f.at("x", f.indices), f.at("y", kept)
    return f.made(f"{f.at('g', kept)} ({x} - {mean}) / ({divisor} {y})", [line])


def _and_mean(f: Facts) -> Formula:
    """Variance or standard deviation, and the mean."""
    _, axis, keepdims, divisor = f.meta
    kept, mean, line, count = _averaged(f, axis, keepdims)
    x = f.at("x", f.indices)
    where = [line]
    terms = []
    spread = f.own("d")
    for which, g in _parts(f):
        if which == 1:
            terms.append(f"{f.at(g, kept)} / {count}")
        elif type(f.step._node).__name__.startswith("Var"):
            terms.append(f"2 {f.at(g, kept)} ({x} - {mean}) / {divisor}")
        else:
            rest, axes = reduced(f, axis, False)
            names = f.letters(len(axes))
            places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
            inner = f"({f.at('x', places)} - {mean})²"
            own = f.at(spread, rest)
            terms.append(f"{f.at(g, kept)} ({x} - {mean}) / ({divisor} {own})")
            where.append(f"{own} = √({summed(names, inner)} / {divisor})")
    return f.made(" + ".join(terms), where)


def _extreme(f: Facts) -> Formula:
    kept, axes = reduced(f, f.meta[1], f.meta[2])
    names = f.letters(len(axes))
    places = [names[axes.index(a)] if a in axes else n for a, n in enumerate(f.indices)]
    if not names:
        return Formula("g")
    y = f.at("y", kept)
    count = summed(names, f"[{f.at('x', places)} = {y}]")
    return f.made(f"{f.at('g', kept)} [{f.at('x', f.indices)} = {y}] / ({count})")


def _extreme_at(f: Facts) -> Formula:
    if not f.x:
        return Formula("g")
    kept, (axis,) = reduced(f, f.meta[1], f.meta[2])
    letter = f.own("k")
    about = f"where along axis {axis} the {'largest' if f.step.name == 'Max' else 'smallest'} is"
    index = f.saved[0]
    places = kept if index.ndim == len(kept) else [n for n in f.indices if n != f.indices[axis]]
    right = f"{f.at('g', kept)} [{f.indices[axis]} = {f.at(letter, places)}]"
    return f.made(right, data={letter: (about, index)})


def _median(f: Facts) -> Formula:
    letter = f.own("m")
    names = f.letters(len(f.x))
    right = f"g {f.at(letter, f.indices)} / ({summed(names, f.at(letter, names))})"
    mask = f.saved[0].astype(np.int64)
    return f.made(right, data={letter: ("1 where x is the median", mask)})


def _einsum(f: Facts) -> Formula:
    inputs, output = f.meta
    shapes = [f.shape(i) for i in range(len(inputs))]
    size: dict[str, int] = {}
    for names, shape in zip((*inputs, output), (*shapes, f.y)):
        for name, n in zip(names, shape):
            size[name] = max(size.get(name, 1), n)
    letters = dict(zip(size, f.letters(len(size))))
    own = inputs[f.position]
    used = [name for name, n in zip(own, f.x) if n == size[name]]
    f.indices = [letters[name] if n == size[name] else f.letters(1)[0] for name, n in zip(own, f.x)]

    def at(letter: str, names: str, shape: Shape) -> str:
        return f.at(letter, (letters[m] if n == size[m] else "0" for m, n in zip(names, shape)))

    roles = [given.role for given in f.step.inputs]
    terms = [at("g", output, f.y)]
    terms += [at(roles[i], inputs[i], shapes[i]) for i in range(len(inputs)) if i != f.position]
    over = [letters[name] for name in size if name not in used]
    over = [name for name in over if any(f"{name}," in t or f"{name}]" in t for t in terms)]
    return f.made(summed(over, " ".join(terms)))


def _outer(f: Facts) -> Formula:
    """Products with vectors: y = A x, y = xᵀ B, and y = β c + α A x."""
    kind = type(f.step._node).__name__
    beta, alpha = f.meta[1:] if kind.startswith("Addmv") else (1, 1)
    factor = "" if alpha == 1 else "α "
    if f.role == "c":
        from nnlite.explain.reasons import over, summed_axes

        axes = summed_axes(f.x, f.y)
        term = "g" if beta == 1 else "β g"
        return Formula(f"Σ {term} {over(axes, f.y)}" if axes else term)
    if kind.startswith("Vm"):
        if f.role == "B":
            return f.made(f"x[{f.indices[0]}] g[{f.indices[1]}]")
        (name,) = f.letters(1)
        return f.made(f"Σ_{{{name}}} B[{f.indices[0]}, {name}] g[{name}]")
    if f.role == "A":
        return f.made(f"{factor}g[{f.indices[0]}] x[{f.indices[1]}]")
    (name,) = f.letters(1)
    return f.made(f"{factor}Σ_{{{name}}} A[{name}, {f.indices[0]}] g[{name}]")


RULES: dict[str, Maker] = {
    "AddmvBackward0": _outer, "AmaxBackward0": _extreme, "AminBackward0": _extreme,
    "BasicIndexBackward0": _basic, "CatBackward0": _cat, "CloneBackward0": _same,
    "ConstantPadNdBackward0": _pad, "CopySlices": _written, "CumprodBackward0": _cumprod,
    "CumsumBackward0": _cumsum, "DiagEmbedBackward0": _diag_embed, "DiagonalBackward0": _read,
    "DiagonalCopyBackward": _read, "EinsumBackward": _einsum, "EmbeddingBackward0": _embedding,
    "ExpandBackward0": _expand, "FlipBackward0": lambda f: _basic(f, f.meta),
    "GatherBackward0": _read, "IndexAddBackward0": _written, "IndexBackward0": _read,
    "IndexSelectBackward0": _read,
    "MaskedFillBackward0": _masked("where x was replaced", False),
    "MaskedFillBackward1": _masked("where x was replaced", False),
    "MaskedSelectBackward0": _read, "MaxBackward0": _extreme_at, "MaxBackward1": _extreme,
    "MeanBackward0": _mean, "MeanBackward1": _mean, "MedianBackward0": _median,
    "MedianBackward1": _read, "MinBackward0": _extreme_at, "MinBackward1": _extreme,
    "MvBackward0": _outer, "NanToNumBackward0": _masked("where x is finite", True),
    "PadBackward0": _pad_copies, "PermuteBackward0": _permute, "ProdBackward0": _prod,
    "ProdBackward1": _prod, "RepeatBackward0": _repeat, "RollBackward0": _roll,
    "ScatterAddBackward0": _written, "ScatterBackward0": _written, "ScatterBackward1": _written,
    "SortBackward0": _read, "SortBackward1": _read, "SplitBackward0": _split,
    "SplitWithSizesBackward0": _split, "SqueezeBackward0": _view, "SqueezeBackward1": _view,
    "SqueezeBackward2": _view, "StackBackward0": _stack, "StdBackward0": _std,
    "StdMeanBackward0": _and_mean, "SumBackward0": _sum, "SumBackward1": _sum,
    "TBackward0": _permute, "ToCopyBackward0": _same, "TopkBackward0": _read,
    "TraceBackward0": _trace, "TransposeBackward0": _permute, "TrilBackward0": _triangle("≤"),
    "TriuBackward0": _triangle("≥"), "UnbindBackward0": _unbind, "UnsafeViewBackward0": _view,
    "UnsqueezeBackward0": _view, "VarBackward0": _var, "VarMeanBackward0": _and_mean,
    "ViewBackward0": _view, "VmBackward0": _outer, "WhereBackward0": _where,
}  # fmt: skip
