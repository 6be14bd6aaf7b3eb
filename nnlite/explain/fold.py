"""Folding: a long pass shown by its modules and repetitions, each to be opened on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnlite.explain.names import called

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["Fold", "folded"]

MOST = 60  # parts that are shown when no depth is given
_READABLE = 5 * MOST  # parts; a longer list is cut into pieces, which are folds
_LONGEST = 64  # operations that a repetition may have


class Fold:
    """Operations that are shown as one line.

    Attributes:
        name: what opens it: ``explanation.open(name)``.
        title: what it is: ``encoder.2 (TransformerEncoderLayer)``, ``repeated 12 times``.
        steps: the operations, in the order of backward.
    """

    def __init__(self, name: str, title: str, steps: Sequence[Step]) -> None:
        self.name = name
        self.title = title
        self.steps = list(steps)

    @property
    def text(self) -> str:
        """One line: which steps, operations of which kind, and the gradients at its ends."""
        first, last = self.steps[0], self.steps[-1]
        kinds = Counter(called(step.name) for step in self.steps).most_common(4)
        most = ", ".join(f"{count} {name}" for name, count in kinds)
        more = "" if len({s.name for s in self.steps}) <= 4 else ", …"
        return (
            f"Steps {first.number} to {last.number} · {self.title} · {len(self.steps)} operations "
            f"({most}{more}); ‖∂L/∂{first.output.symbol}‖ = {_norm(first):.4g} comes in, "
            f"‖∂L/∂{last.output.symbol}‖ = {_norm(last):.4g} reaches the last of them; "
            f'.open("{self.name}") shows them'
        )


def _norm(step: Step) -> float:
    return float(np.linalg.norm(step.output.gradient.astype(np.float64)))


def folded(steps: Sequence[Step], depth: int | None, opened: Collection[str]) -> list[Step | Fold]:
    """The steps, with modules below ``depth`` as one part each.

    Args:
        steps: all steps, in the order of backward.
        depth: of how many names of a dotted path a part may consist; None: as many as give at most
            60 parts, and repetitions are folded too.
        opened: the names of the folds that are to be open.
    """
    if depth is None and len(steps) <= MOST:
        return list(steps)
    paths = _paths(steps)
    if depth is not None:
        return _in_pieces(_by_module(steps, paths, depth, opened), opened)
    deepest = max(map(len, paths), default=0)
    for levels in range(deepest, 0, -1):
        parts = _by_module(steps, paths, levels, opened)
        if len(parts) <= MOST:
            return parts
    parts = _by_module(steps, paths, 1, opened) if deepest else list(steps)
    parts = _repetitions(parts, opened)
    if opened or len(parts) <= 2 * MOST:
        return _in_pieces(parts, opened)
    return _middle(parts, opened)


def _paths(steps: Sequence[Step]) -> list[tuple[str, ...]]:
    """The modules around each step; of one that has none known, those that its neighbours share."""
    known = [step.module_path for step in steps]
    before: list[tuple[str, ...]] = []
    last: tuple[str, ...] = ()
    for path in known:
        last = path or last
        before.append(last)
    result: list[tuple[str, ...]] = []
    after: tuple[str, ...] = ()
    for path, earlier in zip(reversed(known), reversed(before)):
        after = path or after
        common = [a for a, b in zip(earlier, after) if a == b]
        result.append(path or tuple(common))
    return result[::-1]


def _by_module(
    steps: Sequence[Step], paths: list[tuple[str, ...]], depth: int, opened: Collection[str]
) -> list[Step | Fold]:
    parts: list[Step | Fold] = []
    run: list[Step] = []
    current = ""

    def close() -> None:
        if len(run) > 1:
            kind = next((s.module for s in run if s.module.split(" ")[0] == current), current)
            parts.append(Fold(current, kind, run))
        else:
            parts.extend(run)
        run.clear()

    for step, path in zip(steps, paths):
        level = depth
        while level <= len(path) and path[level - 1] in opened:
            level += 1
        name = path[level - 1] if 0 < level <= len(path) else ""
        if name != current:
            close()
            current = name
        if name:
            run.append(step)
        else:
            parts.append(step)
    close()
    return parts


def _repetitions(parts: list[Step | Fold], opened: Collection[str]) -> list[Step | Fold]:
    """The first of each repetition as it is, the others folded."""
    keys = [part.name if isinstance(part, Fold) else part.node_name for part in parts]
    count = len(keys)
    longest = {}
    for period in range(1, min(_LONGEST, count // 3) + 1):
        same = [0] * (count + 1)
        for i in range(count - period - 1, -1, -1):
            same[i] = same[i + 1] + 1 if keys[i] == keys[i + period] else 0
        longest[period] = same
    result: list[Step | Fold] = []
    place = 0
    while place < count:
        times, period = max(
            ((same[place] // p + 1, p) for p, same in longest.items()),
            key=lambda found: (found[0] * found[1] if found[0] > 2 else 0, -found[1]),
            default=(1, 1),
        )
        if times < 3:
            result.append(parts[place])
            place += 1
            continue
        result += parts[place : place + period]
        rest = _flat(parts[place + period : place + times * period])
        result += _closed(f"{times - 1} more times the same {period}", rest, opened)
        place += times * period
    return result


def _flat(parts: Sequence[Step | Fold]) -> list[Step]:
    found: list[Step] = []
    for part in parts:
        found += part.steps if isinstance(part, Fold) else [part]
    return found


def _closed(title: str, steps: list[Step], opened: Collection[str]) -> list[Step | Fold]:
    name = f"{steps[0].number}-{steps[-1].number}"
    return list(steps) if name in opened else [Fold(name, title, steps)]


def _middle(parts: list[Step | Fold], opened: Collection[str]) -> list[Step | Fold]:
    """The first and the last of a long list, what is between them as one part."""
    half = MOST // 2
    between = _flat(parts[half:-half])
    return [*parts[:half], *_closed("further operations", between, opened), *parts[-half:]]


def _in_pieces(parts: list[Step | Fold], opened: Collection[str]) -> list[Step | Fold]:
    """A list that is too long to be read or drawn, in pieces that are opened one by one."""
    if len(parts) <= _READABLE:
        return parts
    size = -(-len(parts) // MOST)
    pieces = [parts[start : start + size] for start in range(0, len(parts), size)]
    result: list[Step | Fold] = []
    for number, piece in enumerate(pieces, 1):
        steps = _flat(piece)
        title = f"piece {number} of {len(pieces)}"
        fold = Fold(f"{steps[0].number}-{steps[-1].number}", title, steps)
        result += _in_pieces(piece, opened) if fold.name in opened else [fold]
    return result
