"""In-place changes: who wrote into which memory, and when.

A derivative reads values that the forward pass saved. If one of them has been overwritten since,
the gradient would be wrong without a word, so ``backward`` refuses. Instead of a counter in every
tensor, which every operation would have to read and save, each write is noted here with its place
in the order of operations; ``backward`` looks only when a write is younger than its graph.
"""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

from nnlite.tensor import NoGraph

if TYPE_CHECKING:
    from nnlite.autograd.node import Node

__all__ = ["next_seq", "note_write", "version"]

# The order of operations and of writes.
next_seq = itertools.count().__next__


class Write:
    """The latest write into one piece of memory, and those that brought data into a graph."""

    __slots__ = ("count", "joined", "owner", "seq", "what")

    def __init__(self, owner: weakref.ref[Any]) -> None:
        self.owner = owner
        self.count = 0
        self.seq = -1
        self.what = ""
        self.joined: tuple[int, ...] = ()


class DataView(NoGraph):
    """In place of a node: the tensor is a view of data outside of any graph.

    When that data later joins a graph, because something that requires a gradient is written into
    it, the view shows the new values but knows nothing of the graph.
    """

    owner: Any
    seq: int
    origin: NoGraph | None

    def __new__(cls, array: Any, origin: NoGraph | None) -> DataView:
        self = tuple.__new__(cls)
        self.owner = memory_owner(array)
        self.seq = next_seq()
        self.origin = origin
        return self

    def check(self, used_at: float) -> None:
        """Refuse when the data had joined a graph before the view was used."""
        write = log.writes.get(id(self.owner))
        if write is not None and any(self.seq < seq < used_at for seq in write.joined):
            raise RuntimeError(
                "a view of a tensor was used after something that requires a gradient had been "
                f"written into that tensor (the last write: {write.what}); the gradient would "
                "miss it. Take the view again after the change"
            )


class Log:
    """All writes into memory that is still alive, by the id of the array that owns the memory."""

    def __init__(self) -> None:
        self.writes: dict[int, Write] = {}
        self.last = -1
        self.joined = 0  # how many pieces of memory have joined a graph
        # Nodes of tensors that were changed in place while recording, with the write: views that
        # were taken of them before show new values but have the old history.
        self.rebased: weakref.WeakKeyDictionary[Node, Write] = weakref.WeakKeyDictionary()

    def note(self, array: Any, what: str) -> Write:
        """Note that ``what`` (the name of an operation) has written into ``array``."""
        owner = memory_owner(array)
        key = id(owner)
        write = self.writes.get(key)
        if write is None:
            write = self.writes[key] = Write(weakref.ref(owner, lambda _: self._forget(key)))
        write.count += 1
        write.what = what
        write.seq = self.last = next_seq()
        return write

    def _forget(self, key: int) -> None:
        write = self.writes.pop(key, None)
        if write is not None and write.joined:
            self.joined -= 1

    def join(self, write: Write) -> None:
        """Note that with ``write`` data outside of any graph has joined one."""
        self.joined += not write.joined
        write.joined += (write.seq,)

    def leave(self, node: Node, what: str) -> None:
        """Note that ``what`` took a tensor from ``node``: its views still have that history."""
        write = self.rebased[node] = Write(weakref.ref(node))
        write.what = what
        write.seq = self.last = next_seq()

    def after(self, seq: int, array: Any) -> Write | None:
        """The write into ``array``'s memory since ``seq``, if there was one."""
        write = self.writes.get(id(memory_owner(array)))
        return write if write is not None and write.seq > seq else None


def memory_owner(array: Any) -> Any:
    """The array that owns the memory that ``array`` looks at."""
    base = getattr(array, "base", None)
    while base is not None and hasattr(base, "base"):  # windows show an array through an interface
        array = base
        base = getattr(array, "base", None)
    return array


log = Log()
note_write = log.note


def version(array: Any) -> int:
    """How often the memory of ``array`` has been written to in place."""
    write = log.writes.get(id(memory_owner(array)))
    return 0 if write is None else write.count
