"""Where the boxes and the wires of a drawn graph stand: forward from left to right.

The page and the pictures are drawn from the same `Drawing`. Every box stands in a column right of
all that it is computed from; a parameter stands in the column before its first use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nnlite.explain.fold import Fold
from nnlite.explain.model import Value

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation
    from nnlite.explain.step import Step

__all__ = ["Box", "Drawing", "Wire", "arrange", "connected"]

Point = tuple[float, float]


@dataclass(eq=False)
class Box:
    """What is drawn as one box: an operation, several that are folded, a parameter, or data.

    Attributes:
        key: its name: ``step-3``, ``fold-2``, ``leaf-1``, ``data-1``.
        kind: "step", "fold" (several operations), "leaf" or "data".
        steps: its operations, in the order of backward.
        value: its value, of a step or a fold the one that goes out of it.
        title: what a fold is called; name: what opens it.
        lines: the text in it.
        column, slot: its place in the grid; x, y: of its upper left corner, in pixels.
    """

    key: str
    kind: str
    steps: list[Step]
    value: Value
    title: str = ""
    name: str = ""
    lines: list[str] = field(default_factory=list)
    column: int = 0
    slot: int = 0
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0


@dataclass(eq=False)
class Wire:
    """A value on its way from a box to another one, and its gradient on the way back.

    Attributes:
        source, target: the boxes.
        value: what flows.
        has_gradient: whether a gradient comes back on it.
        points: where it passes, from left to right, in pixels.
    """

    source: Box
    target: Box
    value: Value
    has_gradient: bool
    points: list[Point] = field(default_factory=list)
    passing: list[_Passing] = field(default_factory=list)


@dataclass(eq=False)
class _Passing:
    """A place that is kept free in a column for a wire that passes through."""

    column: int
    slot: int = 0


@dataclass(eq=False)
class Drawing:
    """Boxes and wires, and the size of the whole in pixels."""

    boxes: list[Box]
    wires: list[Wire]
    width: float
    height: float


def arrange(
    explanation: Explanation,
    lines_of: Callable[[Box], list[str]],
    *,
    letter: float = 7.9,
    line: float = 17.0,
    gap: tuple[float, float] = (60.0, 18.0),
) -> Drawing:
    """Place the graph of an explanation.

    Args:
        explanation: what is drawn.
        lines_of: the lines of text for a box.
        letter, line: the width of a letter and the height of a line, in pixels.
        gap: between two columns, and between two boxes of a column, in pixels.
    """
    boxes, wires = connected(explanation)
    for box in boxes:
        box.lines = lines_of(box)
        box.width = 16 + letter * max(5, *map(len, box.lines))
        box.height = 12 + line * len(box.lines)
    _columns(boxes, wires)
    _slots(boxes, wires)
    return _measured(boxes, wires, gap)


def connected(explanation: Explanation) -> tuple[list[Box], list[Wire]]:
    """The boxes, what is computed in the order of the forward pass, and what connects them."""
    makers: dict[int, Box] = {}
    computed: list[Box] = []
    for number, part in enumerate(explanation.parts, 1):
        if isinstance(part, Fold):
            box = Box(
                f"fold-{number}", "fold", part.steps, part.steps[0].output, part.title, part.name
            )
        else:
            box = Box(f"step-{part.number}", "step", [part], part.output)
        computed.append(box)
        makers.update((step.number, box) for step in box.steps)
    computed.reverse()
    starts = _starts(explanation, makers)
    wires: dict[tuple[int, int, int], Wire] = {}
    used: dict[int, Box] = {}
    for target in computed:
        for step in reversed(target.steps):
            for given in step.inputs:
                value = given.value
                source = makers[value.made_by] if value.made_by else starts.get(id(value))
                if source is None or source is target:
                    continue
                used.setdefault(id(source), source)
                key = (id(source), id(target), id(value))
                wire = wires.setdefault(key, Wire(source, target, value, False))
                wire.has_gradient = wire.has_gradient or given.wanted
    return [box for box in used.values() if not box.steps] + computed, list(wires.values())


def _starts(explanation: Explanation, makers: dict[int, Box]) -> dict[int, Box]:
    """A box for each leaf and for data, by the id of its value; none for what a fold has inside."""
    shown: dict[int, set[int]] = {}
    for step in explanation.steps:
        box = makers[step.number]
        for given in step.inputs:
            if given.value.made_by is None:
                users = shown.setdefault(id(given.value), set())
                users.update([id(box)] if box.kind == "fold" else [id(box), 0])
    starts: dict[int, Box] = {}
    for kind, values in (
        ("leaf", [leaf.value for leaf in explanation.leaves]),
        ("data", [*explanation.constants, *explanation.unkept]),
    ):
        for number, value in enumerate(values, 1):
            if len(shown.get(id(value), ())) > 1:
                starts[id(value)] = Box(f"{kind}-{number}", kind, [], value)
    return starts


def _columns(boxes: list[Box], wires: list[Wire]) -> None:
    into: dict[int, list[Wire]] = {}
    outof: dict[int, list[Wire]] = {}
    for wire in wires:
        into.setdefault(id(wire.target), []).append(wire)
        outof.setdefault(id(wire.source), []).append(wire)
    for box in boxes:
        if box.steps:
            box.column = 1 + max((w.source.column for w in into.get(id(box), [])), default=0)
    for box in boxes:
        if not box.steps:
            users = [wire.target.column for wire in outof.get(id(box), [])]
            box.column = min(users, default=1) - 1
    least = min(box.column for box in boxes)
    for box in boxes:
        box.column -= least


def _slots(boxes: list[Box], wires: list[Wire]) -> None:
    """Give every box, and every wire that passes a column, a place of its own in its column.

    What is computed keeps the height of what it is computed from; wires that pass go above it,
    parameters and data below.
    """
    taken: dict[int, set[int]] = {}
    for wire in wires:
        between = range(wire.source.column + 1, wire.target.column)
        wire.passing = [_Passing(column) for column in between]
    computed = [wire for wire in wires if wire.source.steps]
    into: dict[int, list[Wire]] = {}
    for wire in computed:
        into.setdefault(id(wire.target), []).append(wire)
    passing: dict[int, list[tuple[Wire, int]]] = {}
    for wire in computed:
        for place, dummy in enumerate(wire.passing):
            passing.setdefault(dummy.column, []).append((wire, place))
    by_column: dict[int, list[Box]] = {}
    for box in boxes:
        if box.steps:
            by_column.setdefault(box.column, []).append(box)
    for column in sorted(by_column):
        places = taken.setdefault(column, set())
        wanted = []
        for box in by_column[column]:
            heights = [_last_slot(wire) for wire in into.get(id(box), [])]
            wanted.append((sum(heights) / len(heights) if heights else 0.0, box))
        for height, box in sorted(wanted, key=lambda pair: pair[0]):
            box.slot = _free(places, round(height))
        lanes: dict[int, int] = {}  # what comes from one box passes a column in one place
        for wire, place in passing.get(column, []):
            before = wire.passing[place - 1].slot if place else wire.source.slot
            source = id(wire.source)
            if source not in lanes:
                lanes[source] = _free(places, before)
            wire.passing[place].slot = lanes[source]
    users: dict[int, list[Wire]] = {}
    for wire in wires:
        if not wire.source.steps:
            users.setdefault(id(wire.source), []).append(wire)
    for box in boxes:
        if box.steps:
            continue
        places = taken.setdefault(box.column, set())
        own = users.get(id(box), [])
        wanted_slot = min((wire.target.slot for wire in own), default=0)
        box.slot = _free(places, wanted_slot, below=True)
        slots: dict[int, int] = {}
        slot = box.slot
        for column in sorted({dummy.column for wire in own for dummy in wire.passing}):
            slots[column] = slot = _free(taken.setdefault(column, set()), slot, below=True)
        for wire in own:
            for dummy in wire.passing:
                dummy.slot = slots[dummy.column]


def _last_slot(wire: Wire) -> int:
    return wire.passing[-1].slot if wire.passing else wire.source.slot


def _free(taken: set[int], wanted: int, *, below: bool = False) -> int:
    """The free place that is nearest to the wanted one, and take it."""
    place = wanted
    distance = 0
    while place in taken:
        distance += 1
        nearby = [wanted - distance] * (not below) + [wanted + distance]
        place = next((p for p in nearby if p not in taken), wanted)
    taken.add(place)
    return place


def _measured(boxes: list[Box], wires: list[Wire], gap: tuple[float, float]) -> Drawing:
    """Turn columns and slots into pixels."""
    margin = 16.0
    count = 1 + max(box.column for box in boxes)
    widths = [0.0] * count
    for box in boxes:
        widths[box.column] = max(widths[box.column], box.width)
    lefts = [margin]
    for width in widths:
        lefts.append(lefts[-1] + width + gap[0])
    slots = [box.slot for box in boxes] + [p.slot for wire in wires for p in wire.passing]
    top = min(slots)
    pitch = max(box.height for box in boxes) + gap[1]

    def middle(slot: int) -> float:
        return margin + (slot - top + 0.5) * pitch - gap[1] / 2

    for box in boxes:
        box.width = widths[box.column]
        box.x = lefts[box.column]
        box.y = middle(box.slot) - box.height / 2
    for wire in wires:
        source, target = wire.source, wire.target
        wire.points = [(source.x + source.width, source.y + source.height / 2)]
        for dummy in wire.passing:
            y = middle(dummy.slot)
            left = lefts[dummy.column]
            wire.points += [(left, y), (left + widths[dummy.column], y)]
        wire.points.append((target.x, target.y + target.height / 2))
    width = lefts[-1] - gap[0] + margin
    height = 2 * margin + pitch * (max(slots) - top + 1) - gap[1]
    return Drawing(boxes, wires, width, height)
