"""Where the values of a captured step live: one piece of memory, whose parts are used again.

A value is alive from the call that makes it to the last one that reads it. Values whose lives do
not overlap share memory, so that a step's working set is small and stays in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ALIGNED", "Memory"]

ALIGNED = 64  # bytes


class Arena:
    """Hands out parts of one piece of memory that is as large as it turns out to be needed.

    Attributes:
        size: in bytes.
    """

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []  # (offset, bytes), by offset

    def take(self, nbytes: int) -> int:
        """The offset of a part that is free: of those that are large enough the smallest."""
        need = -(-max(nbytes, 1) // ALIGNED) * ALIGNED
        fitting = [(length, offset) for offset, length in self._free if length >= need]
        if fitting:
            length, offset = min(fitting)
            self._free.remove((offset, length))
            if length > need:
                self._free.append((offset + need, length - need))
            return offset
        offset = self.size
        self.size += need
        return offset

    def give(self, offset: int, nbytes: int) -> None:
        """Take a part back, and join it with its neighbours."""
        need = -(-max(nbytes, 1) // ALIGNED) * ALIGNED
        parts = sorted([*self._free, (offset, need)])
        joined = [parts[0]]
        for start, length in parts[1:]:
            before, reach = joined[-1]
            if before + reach == start:
                joined[-1] = (before, reach + length)
            else:
                joined.append((start, length))
        self._free = joined


def laid_out(block: Any, offset: int, like: Any) -> Any:
    """An array at a place in ``block``, of the shape, dtype and order in memory of ``like``."""
    order = sorted(range(like.ndim), key=lambda axis: -abs(like.strides[axis]))
    strides = [0] * like.ndim
    step = like.itemsize
    for axis in reversed(order):
        strides[axis] = step
        step *= max(like.shape[axis], 1)
    return np.ndarray(like.shape, like.dtype, block, offset, tuple(strides))


def is_dense(array: Any) -> bool:
    """Whether the elements fill their memory without gaps or overlaps, in any order of axes."""
    return bool(array.strides == np.empty_like(array).strides)


def twin(array: Any) -> Any:
    """A copy with the same strides: what NumPy computes may depend on them in the last bit."""
    if is_dense(array):
        return array.copy(order="K")
    low, high = np.lib.array_utils.byte_bounds(array)
    start = array.__array_interface__["data"][0] - low
    block = np.empty(high - low, np.uint8)
    made = np.ndarray(array.shape, array.dtype, block, start, array.strides)
    made[...] = array
    return made


class Memory:
    """The buffers of a step.

    Args:
        last: value → when it is used last.
    """

    def __init__(self, last: dict[int, int]) -> None:
        self._arena = Arena()
        self._likes: dict[int, Any] = {}
        self._offsets: dict[int, int] = {}
        self._ending: dict[int, list[int]] = {}
        self._alive: dict[int, int] = {}  # value → bytes
        for number, when in last.items():
            self._ending.setdefault(when, []).append(number)

    def take(self, number: int, like: Any, over: int | None = None) -> None:
        """A buffer for a value, or that of another one."""
        self._likes[number] = like
        if over is None:
            self._offsets[number] = self._arena.take(like.nbytes)
        else:
            self._offsets[number] = self._offsets[over]
            del self._alive[over]
        self._alive[number] = like.nbytes

    def give(self, when: int) -> None:
        """Take back the buffers of the values that are used no more."""
        for number in self._ending.get(when, ()):
            if number in self._alive:
                self._arena.give(self._offsets[number], self._alive.pop(number))

    def arrays(self) -> dict[int, Any]:
        """The buffers."""
        raw = np.empty(self._arena.size + ALIGNED, np.uint8)
        start = -raw.ctypes.data % ALIGNED
        block = raw[start : start + self._arena.size]
        return {n: laid_out(block, self._offsets[n], like) for n, like in self._likes.items()}
