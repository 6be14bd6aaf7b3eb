"""Guards: whether all that a captured step was made under is still so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnlite.autograd import hooks
from nnlite.autograd import node as nodes
from nnlite.autograd.modes import grad_enabled, inference
from nnlite.capture.reach import MISSING, Reach
from nnlite.ops import operands
from nnlite.tensor import detach_lookers

__all__ = ["Guards", "surroundings"]

_FEW = 64  # parts of a list that are compared one by one


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
        self._values = [value for _, _, value, _ in reach.entries]
        self._sizes = [len(owner) for owner, _ in reach.sizes]
        self._known = [set(owner) for owner, _ in reach.sizes]
        self._held = [value for _, value, _ in reach.cells]
        self._arrays = [tensor.array for tensor in reach.tensors]
        self._nodes = [tensor._node for tensor in reach.tensors]
        self._contents = [(container, parts) for container, parts, _ in reach.contents]
        self._same_objects = self._comparison()

    def hold(self) -> bool:
        """Whether everything is as it was: the same objects, or equal numbers and texts."""
        mode, is_inference, dtype = self.surroundings
        if (
            hooks.marked
            or nodes.lookers
            or detach_lookers
            or grad_enabled.get() is not mode
            or operands.default_float is not dtype
            or inference.get() is not is_inference
        ):
            return False
        try:
            return self._same_objects()
        except (AttributeError, LookupError, ValueError):  # something is no longer there
            return False

    def _comparison(self) -> Callable[[], bool]:
        """A function of one long comparison: a hundred times ``is`` in a row takes a microsecond,
        an eighth of what a loop over them would."""
        names: dict[str, Any] = {"same": _same_contents, "equal": _equal}
        known: dict[int, str] = {}

        def name(thing: Any) -> str:
            if id(thing) not in known:
                known[id(thing)] = f"x{len(known)}"
                names[known[id(thing)]] = thing
            return known[id(thing)]

        def test(place: str, value: Any) -> str:
            same = f"{place} is {name(value)}"
            return f"({same} or equal({place}, {name(value)}))" if type(value) in _PLAIN else same

        reach = self.reach
        tests = ["True"]
        for (owner, key, _, _), value in zip(reach.entries, self._values):
            place = repr(key) if type(key) is str else name(key)
            if value is MISSING:
                tests.append(f"{place} not in {name(owner)}")
            else:
                tests.append(test(f"{name(owner)}[{place}]", value))
        for (owner, _), size in zip(reach.sizes, self._sizes):
            tests.append(f"len({name(owner)}) == {size}")
        tests += [f"[*{name(owner)}] == {name(keys)}" for owner, keys, _ in reach.orders]
        for (cell, _, _), value in zip(reach.cells, self._held):
            tests.append(test(f"{name(cell)}.cell_contents", value))
        for tensor, array, node in zip(reach.tensors, self._arrays, self._nodes):
            tests.append(f"{name(tensor)}.array is {name(array)}")
            tests.append(f"{name(tensor)}._node is {name(node)}")
        tests += [f"type({name(thing)}) is {name(kind)}" for thing, kind, _ in reach.kinds]
        for owner, key, value, _ in reach.members:
            place = (
                f"{name(owner)}.{key}" if key.isidentifier() else f"getattr({name(owner)}, {key!r})"
            )
            tests.append(f"{place} is {name(value)}")
        for container, parts in self._contents:
            if type(container) is list and len(parts) <= _FEW:
                tests.append(f"len({name(container)}) == {len(parts)}")
                tests += [test(f"{name(container)}[{i}]", x) for i, x in enumerate(parts)]
            else:
                tests.append(f"same({name((container, parts))})")
        text = (
            "def same_objects():\n    return (\n        " + "\n        and ".join(tests) + "\n    )"
        )
        exec(compile(text, "<guards>", "exec"), names)
        found: Callable[[], bool] = names.pop("same_objects")  # no cycle: it would outlive its use
        return found

    def change(self) -> str:
        """What is no longer as it was, for people; empty when all is."""
        if surroundings() != self.surroundings:
            return "the grad mode or the default dtype"
        if is_watched():
            return is_watched()
        changed = self.change_of_state()
        if changed:
            return changed
        for (tensor, name), array, node in zip(
            self.reach.tensors.items(), self._arrays, self._nodes
        ):
            if tensor.array is not array:
                return f"the array of {name}"
            if tensor._node is not node:
                return f"requires_grad of {name}"
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
        for owner, keys, name in reach.orders:
            if list(owner) != keys:
                return f"the order in {name}"
        for cell, value, name in reach.cells:
            if cell.cell_contents is not value and not _equal(cell.cell_contents, value):
                return name
        for owner, key, value, name in reach.members:
            if getattr(owner, key, MISSING) is not value:
                return name
        for container, parts, name in reach.contents:
            if not _same_contents((container, parts)):
                return f"what is in {name}"
        for thing, kind, name in reach.kinds:
            if type(thing) is not kind:
                return f"the class of {name}"
        return ""

    def restore(self) -> None:
        """Put back what a run has changed: attributes, globals, the contents of lists."""
        for owner, key, value, _ in self.reach.entries:
            if not isinstance(owner, dict):
                continue  # the names of a class
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
        for (cell, _, _), value in zip(self.reach.cells, self._held):
            if cell.cell_contents is not value:
                cell.cell_contents = value
        for pair in self._contents:
            if not _same_contents(pair):
                _refill(*pair)


def _same_contents(pair: tuple[Any, tuple[Any, ...]]) -> bool:
    container, parts = pair
    if type(container) is list:
        return len(container) == len(parts) and all(map(_same, container, parts))
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


_PLAIN = {int, float, complex, str, bytes}  # of which there may be equal ones


def _equal(a: Any, b: Any) -> bool:
    """Whether two plain values are the same value: 1 is not True, -0.0 not 0.0."""
    return type(a) is type(b) and type(a) in _PLAIN and a == b and repr(a) == repr(b)
