"""Guards: whether all that a captured step was made under is still so."""

from __future__ import annotations

from itertools import chain, repeat
from operator import attrgetter, is_
from typing import Any

from nnlite.autograd import hooks
from nnlite.autograd import node as nodes
from nnlite.autograd.modes import grad_enabled, inference
from nnlite.capture.reach import MISSING, Reach
from nnlite.ops import operands
from nnlite.tensor import detach_lookers

__all__ = ["Guards", "surroundings"]

_array_of, _node_of = attrgetter("array"), attrgetter("_node")
_contents_of = attrgetter("cell_contents")
_get = dict.get
_MISSINGS = repeat(MISSING)


def surroundings() -> tuple[Any, ...]:
    """What nnlite's own code reads besides: the modes that a thread is in."""
    return grad_enabled.get(), inference.get(), operands.default_float


def is_watched() -> str:
    """Who wants to see every operation, if anybody: then nothing can be replayed."""
    if hooks.inspector is not None:
        return "anomaly detection is on"
    if nodes.lookers or detach_lookers:
        return "the operations are being recorded (explain or a doctor looks at them)"
    if hooks.marked:
        return "there are hooks on tensors or nodes"
    return ""


class Guards:
    """The state of all that a function can read.

    Args:
        reach: what that is.
    """

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.surroundings = surroundings()
        entries = reach.entries
        self._owners = [owner for owner, _, _, _ in entries]
        self._keys = [key for _, key, _, _ in entries]
        self._values = [value for _, _, value, _ in entries]
        self._sized = [owner for owner, _ in reach.sizes]
        self._known = [set(owner) for owner in self._sized]
        self._cells = [cell for cell, _, _ in reach.cells]
        self._held = [value for _, value, _ in reach.cells]
        self._members = [owner for owner, _, _, _ in reach.members]
        self._member_keys = [key for _, key, _, _ in reach.members]
        self._member_values = [value for _, _, value, _ in reach.members]
        self._tensors = list(reach.tensors)
        self._arrays = [tensor.array for tensor in self._tensors]
        self._nodes = [tensor._node for tensor in self._tensors]
        self._modules = list(reach.modules)
        self._kinds = [type(module) for module in self._modules]
        self._contents = [(container, parts) for container, parts, _ in reach.contents]
        self._lists = [c for c, _ in self._contents if type(c) is list]
        self._others = [pair for pair in self._contents if type(pair[0]) is not list]
        parts = [
            part for container, held in self._contents if type(container) is list for part in held
        ]
        self._sized += self._lists
        self._sizes = [len(owner) for owner in self._sized]
        self._rest = [
            *self._arrays, *self._nodes, *self._kinds, *self._member_values, *parts,
        ]  # fmt: skip

    def hold(self) -> bool:
        """Whether everything is as it was; compares identities only, at the speed of C."""
        mode, is_inference, dtype = self.surroundings
        if (
            hooks.marked
            or nodes.lookers
            or detach_lookers
            or grad_enabled.get() is not mode
            or operands.default_float is not dtype
            or inference.get() is not is_inference
            or [*map(len, self._sized)] != self._sizes
        ):
            return False
        now = chain(
            map(_array_of, self._tensors),
            map(_node_of, self._tensors),
            map(type, self._modules),
            map(getattr, self._members, self._member_keys),
            chain.from_iterable(self._lists),
        )
        return (
            all(map(is_, map(_get, self._owners, self._keys, _MISSINGS), self._values))
            and all(map(is_, map(_contents_of, self._cells), self._held))
            and all(map(is_, now, self._rest))
            and (not self._others or all(map(_same_contents, self._others)))
        )

    def change(self) -> str:
        """What is no longer as it was, for people; empty when all is."""
        if surroundings() != self.surroundings:
            return "the grad mode or the default dtype"
        if is_watched():
            return is_watched()
        changed = self.change_of_state()
        if changed:
            return changed
        for tensor, array, node in zip(self._tensors, self._arrays, self._nodes):
            if tensor.array is not array:
                return f"the array of {self.reach.tensors[tensor]}"
            if tensor._node is not node:
                return f"requires_grad of {self.reach.tensors[tensor]}"
        return ""

    def change_of_state(self) -> str:
        """``change`` of all but the tensors themselves."""
        reach = self.reach
        for owner, key, value, name in reach.entries:
            now = owner.get(key, MISSING)
            if now is not value and not _equal(now, value):
                return name
        for (owner, name), size in zip(reach.sizes, self._sizes):
            if len(owner) != size:
                return f"the attributes of {name}"
        for cell, value, name in reach.cells:
            if cell.cell_contents is not value and not _equal(cell.cell_contents, value):
                return name
        for owner, key, value, name in reach.members:
            if getattr(owner, key, MISSING) is not value:
                return name
        for container, parts, name in reach.contents:
            if not _same_contents((container, parts)):
                return f"what is in {name}"
        for module, kind in zip(self._modules, self._kinds):
            if type(module) is not kind:
                return f"the class of {reach.modules[module]}"
        return ""

    def restore(self) -> None:
        """Put back what a run has changed: attributes, globals, the contents of lists."""
        for owner, key, value, _ in self.reach.entries:
            if value is MISSING:
                owner.pop(key, None)
            elif owner.get(key, MISSING) is not value:
                owner[key] = value
        for owner, key, value, _ in self.reach.members:
            if getattr(owner, key, MISSING) is not value:
                setattr(owner, key, value)
        for (owner, _), keys in zip(self.reach.sizes, self._known):
            for key in [key for key in owner if key not in keys]:
                del owner[key]
        for cell, value in zip(self._cells, self._held):
            if cell.cell_contents is not value:
                cell.cell_contents = value
        for pair in self._contents:
            if not _same_contents(pair):
                _refill(*pair)

    def refresh(self) -> bool:
        """Go on with plain values that are equal to those before; whether nothing else changed."""
        if self.change():
            return False
        self._values = [owner.get(key, MISSING) for owner, key in zip(self._owners, self._keys)]
        self._held = [cell.cell_contents for cell in self._cells]
        return True


def _same_contents(pair: tuple[Any, tuple[Any, ...]]) -> bool:
    container, parts = pair
    if type(container) is list:
        return len(container) == len(parts) and all(map(is_, container, parts))
    now: Any = container
    if hasattr(container, "items"):
        now = [part for item in container.items() for part in item]
    return len(now) == len(parts) and all(map(_same, now, parts))


def _refill(container: Any, parts: tuple[Any, ...]) -> None:
    if isinstance(container, list):
        container[:] = parts
    elif isinstance(container, dict):
        container.clear()
        container.update(zip(parts[::2], parts[1::2]))
    elif isinstance(container, set):
        container.clear()
        container.update(parts)


def _same(a: Any, b: Any) -> bool:
    return a is b or _equal(a, b)


_COMPARED = (bool, int, float, complex, str, bytes, type(None))


def _equal(a: Any, b: Any) -> bool:
    """Whether two plain values are the same value: 1 is not True, -0.0 not 0.0."""
    return type(a) is type(b) and isinstance(a, _COMPARED) and a == b and repr(a) == repr(b)
