"""How an optimizer walks through its parameters: as a few long vectors, without new memory.

Calling NumPy costs more than the arithmetic of a small parameter, so small parameters of one dtype
are taken together: their gradients are gathered into one vector, their state lives in one vector
(each parameter's state is a view of its part), and an update is a handful of calls on that vector.
Large parameters are taken in slices, so that the memory an update needs besides stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.autograd.mutation import log, note_write
from nnlite.autograd.node import next_seq
from nnlite.ops.operands import get_default_dtype
from nnlite.tensor import AccumulateGrad, Tensor, wrap

Array = Any  # a NumPy array or one that dispatches like it
State = dict[Any, dict[str, Any]]

# In elements. Measured for SGD with momentum in float32: gathering pays below the first; slices of
# the second cost under 1 % in calls, and with a million elements and more they save 20 %.
SMALL = 1 << 14
SLICE = 1 << 18

_WHAT = "the step of an optimizer"


class Chunk:
    """Arrays of one shape that are updated together: one parameter, or a slice of it.

    Attributes:
        states: the state arrays, in the order of the plan's names.
        is_new: whether this is the first step, before which ``states`` hold initial values.
        update: scratch; what is left here is what ``subtract`` takes off the parameters.
        spare: more scratch.
        first: the place of its first parameter in the plan's vectors of numbers.
        count: how many parameters those are; 0 for a further slice of the same one.
    """

    __slots__ = (
        "_leaf", "_place", "_theta", "count", "first", "is_new", "spare", "states", "update",
    )  # fmt: skip

    first: int
    count: int

    def __init__(
        self,
        leaf: AccumulateGrad,
        theta: Array,
        place: slice | None,
        states: tuple[Array, ...],
        is_new: bool,
        scratch: tuple[Array, Array],
    ) -> None:
        self.states = states
        self.is_new = is_new
        self.update, self.spare = scratch
        self._leaf = leaf
        self._theta = theta
        self._place = place

    def values(self) -> Array:
        """The values of the parameters, not to be written to; they may lie in ``update``."""
        return self._theta

    def gradient(self, in_spare: bool = False) -> Array:
        """Their gradients, not to be written to; they may lie in ``update``, or in ``spare``."""
        g = self._leaf.grad.array  # type: ignore[union-attr]
        return g if self._place is None else g.reshape(-1)[self._place]

    def scale(self, factor: float) -> None:
        """Multiply the parameters by a number."""
        np.multiply(self._theta, factor, self._theta)

    def subtract(self) -> None:
        """Subtract ``update`` from the parameters."""
        np.subtract(self._theta, self.update, self._theta)


class Gathered(Chunk):
    """Several small parameters of one dtype as one vector."""

    __slots__ = ("_arrays", "_in_spare", "_in_update", "_leaves")

    def __init__(
        self,
        leaves: list[AccumulateGrad],
        arrays: list[Array],
        states: tuple[Array, ...],
        is_new: bool,
        scratch: tuple[Array, Array],
    ) -> None:
        self.states = states
        self.is_new = is_new
        self.update, self.spare = scratch
        self._leaves = leaves
        self._arrays = arrays
        # Each parameter's part of the scratch.
        self._in_update = parts(self.update, arrays)
        self._in_spare = parts(self.spare, arrays)

    def values(self) -> Array:
        for part, array in zip(self._in_update, self._arrays):
            part[...] = array
        return self.update

    def gradient(self, in_spare: bool = False) -> Array:
        for part, leaf in zip(self._in_spare if in_spare else self._in_update, self._leaves):
            part[...] = leaf.grad.array  # type: ignore[union-attr]
        return self.spare if in_spare else self.update

    def scale(self, factor: float) -> None:
        for theta in self._arrays:
            np.multiply(theta, factor, theta)

    def subtract(self) -> None:
        subtract = np.subtract
        for theta, part in zip(self._arrays, self._in_update):
            subtract(theta, part, theta)


class Plan:
    """The chunks of one parameter group, for as long as the same of its parameters are trained.

    Args:
        parameters: those that have a gradient and are not frozen.
        state: the optimizer's state; what it lacks is made.
        arrays: the names of the state arrays, each of the parameter's shape and dtype, with the
            value that fills a new one.
        numbers: the names of the single numbers in a parameter's state, with their first values.

    Attributes:
        numbers: for each name the numbers of all parameters as one vector. The parameters of a
            chunk have the same ones.

    Raises:
        ValueError: when a state array or a gradient has another shape than its parameter.
    """

    def __init__(
        self,
        parameters: list[Tensor],
        state: State,
        arrays: Mapping[str, float],
        numbers: Mapping[str, float],
    ) -> None:
        self.arrays = arrays
        self.names = tuple(arrays)
        self.numbers: dict[str, Array] = {}
        self.chunks: list[Chunk] = []
        self._leaves: list[Any] = [p._node for p in parameters]
        self._parameters = parameters
        self._arrays = [p.array for p in parameters]
        for p, leaf in zip(parameters, self._leaves):
            shape, wanted = leaf.grad.array.shape, p.array.shape
            if shape != wanted:
                raise ValueError(
                    f"step: a gradient has the shape {list(shape)}, its parameter now "
                    f"{list(wanted)}: the parameter was replaced after backward(); run it again"
                )
        self._writes = [note_write(array, _WHAT) for array in self._arrays]
        self._scratch: dict[Any, tuple[Array, Array]] = {}
        self._constants: dict[tuple[Any, float], Array] = {}
        self._lay(state, numbers)
        # Each parameter with its array and its state, to see whether one has been replaced.
        self._known = [
            (p, p.array, name, state[p][name]) for p in parameters for name in (*arrays, *numbers)
        ] or [(p, p.array, "", None) for p in parameters]
        self._steps: Array = self.numbers.get("step")
        self._steps_left = b""
        if self._steps is not None:
            self._steps_left = self._steps.tobytes()
            self._one = np.ones_like(self._steps, shape=())

    def fits(self, leaves: list[Any], state: State) -> bool:
        """Whether the plan still holds, for a step that is to update ``leaves``."""
        if leaves != self._leaves:
            return False
        for p, array, name, buffer in self._known:
            if p.array is not array:
                return False
            if buffer is not None:
                own = state.get(p)
                if own is None or own.get(name) is not buffer:
                    return False
        # Someone may have written into the counters of some of the parameters.
        return self._steps is None or self._steps.tobytes() == self._steps_left

    def advance(self) -> None:
        """Count a step (of an optimizer that has the number ``step``)."""
        np.add(self._steps, self._one, self._steps)
        self._steps_left = self._steps.tobytes()

    def step(self, chunk: Chunk) -> float:
        """Which step of the chunk's parameters this is, from 1."""
        return float(self.numbers["step"].item(chunk.first))

    def number(self, like: Array, value: float) -> Array:
        """``value`` as a 0-d array: NumPy combines those faster than Python's numbers."""
        key = (like.dtype, value)
        found = self._constants.get(key)
        if found is None:
            if len(self._constants) > 100:  # a schedule that sets another value at every step
                self._constants.clear()
            found = self._constants[key] = np.full_like(like, value, shape=())
        return found

    def finish(self) -> None:
        """Close a step: note that the parameters have been written to."""
        seq = log.last = next_seq()
        for write in self._writes:
            write.count += 1
            write.seq = seq
            write.what = _WHAT

    # ---- laying the chunks ----------------------------------------------------------------------

    def _lay(self, state: State, numbers: Mapping[str, float]) -> None:
        own = [
            tuple(_as_float(state[p].get(name), first) for name, first in numbers.items())
            for p in self._parameters
        ]
        for p in self._parameters:
            for name, first in numbers.items():
                if name not in state[p]:
                    state[p][name] = wrap(np.full((), first))  # their places: in torch's order
        order: list[int] = []
        together: dict[Any, list[int]] = {}
        for i, (p, array) in enumerate(zip(self._parameters, self._arrays)):
            is_new = not all(self._has(state, p, name) for name in self.names)
            if array.size <= SMALL:
                key = (array.dtype, is_new, own[i])
                members = together.setdefault(key, [])
                members.append(i)
                if sum(self._arrays[j].size for j in members) > SLICE:
                    self._gather(together.pop(key), state, is_new, order)
                continue
            if array.flags.c_contiguous and array.size:
                chunks = self._slices(i, state, is_new)
            else:
                states = self._states(p, array, state)
                scratch = (np.empty_like(array), np.empty_like(array))
                chunks = [Chunk(self._leaves[i], array, None, states, is_new, scratch)]
            for chunk in chunks:
                chunk.first = len(order)
                chunk.count = int(chunk is chunks[0])
            self.chunks += chunks
            order.append(i)
        for (_, is_new, _), members in together.items():
            self._gather(members, state, is_new, order)
        dtype = np.float64 if get_default_dtype() == np.float64 else np.float32  # as in torch
        for column, name in enumerate(numbers):
            vector = self.numbers[name] = np.array([own[i][column] for i in order], dtype)
            for place, i in enumerate(order):
                state[self._parameters[i]][name] = wrap(vector[place : place + 1].reshape(()))

    @staticmethod
    def _has(state: State, p: Tensor, name: str) -> bool:
        buffer = state[p].get(name)
        if buffer is not None and buffer.array.shape != p.array.shape:
            raise ValueError(
                f"the state {name!r} has the shape {list(buffer.array.shape)}, its parameter "
                f"{list(p.array.shape)}: was it saved from another model?"
            )
        return buffer is not None

    def _gather(self, members: list[int], state: State, is_new: bool, order: list[int]) -> None:
        """One chunk for several small parameters; their state moves into common vectors."""
        arrays = [self._arrays[i] for i in members]
        total = sum(array.size for array in arrays)
        vectors = []
        for name, initial in self.arrays.items():
            vector = np.empty_like(arrays[0], shape=(total,))
            for i, part in zip(members, parts(vector, arrays)):
                own = state[self._parameters[i]]
                before = own.get(name)
                part[...] = initial if before is None else before.array
                own[name] = wrap(part)
            vectors.append(vector)
        leaves = [self._leaves[i] for i in members]
        scratch = self._vectors(arrays[0], total)
        chunk = Gathered(leaves, arrays, tuple(vectors), is_new, scratch)
        chunk.first = len(order)
        chunk.count = len(members)
        order += members
        self.chunks.append(chunk)

    def _slices(self, i: int, state: State, is_new: bool) -> list[Chunk]:
        """Chunks for the slices of a large parameter."""
        array = self._arrays[i]
        flat_states = [s.reshape(-1) for s in self._states(self._parameters[i], array, state)]
        flat = array.reshape(-1)
        chunks = []
        for start in range(0, array.size, SLICE):
            place = slice(start, min(start + SLICE, array.size))
            scratch = self._vectors(array, place.stop - start)
            states = tuple(values[place] for values in flat_states)
            chunks.append(Chunk(self._leaves[i], flat[place], place, states, is_new, scratch))
        return chunks

    def _states(self, p: Tensor, array: Array, state: State) -> tuple[Array, ...]:
        """The state arrays of one parameter, of its dtype and laid out in memory as it is."""
        own = state[p]
        for name, initial in self.arrays.items():
            values = np.empty_like(array)
            before = own.get(name)
            if before is None:
                values[...] = initial
            else:
                before = before.array
                if before.dtype == values.dtype and before.strides == values.strides:
                    continue
                np.copyto(values, before, casting="same_kind")
            own[name] = wrap(values)
        return tuple(own[name].array for name in self.names)

    def _vectors(self, like: Array, size: int) -> tuple[Array, Array]:
        """Two scratch vectors, which all chunks of a dtype share."""
        pair = self._scratch.get(like.dtype)
        if pair is None or pair[0].size < size:
            largest = max(a.size for a in self._arrays if a.dtype == like.dtype)
            shape = (max(size, min(SLICE, largest)),)
            pair = np.empty_like(like, shape=shape), np.empty_like(like, shape=shape)
            self._scratch[like.dtype] = pair
        return pair[0][:size], pair[1][:size]


def _as_float(value: Any, default: float) -> float:
    """A number of a state, which may be a 0-d tensor, a Python number or absent."""
    return default if value is None else float(value)


def parts(vector: Array, arrays: list[Array]) -> list[Array]:
    """Views of ``vector``, one after the other, with the shapes of ``arrays``."""
    views = []
    start = 0
    for array in arrays:
        views.append(vector[start : start + array.size].reshape(array.shape))
        start += array.size
    return views
