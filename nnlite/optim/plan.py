"""How an optimizer walks through its parameters: as a few long vectors, without new memory.

Calling NumPy costs more than the arithmetic of a small parameter, so small parameters of one dtype
are taken together: their gradients are gathered into one vector, their state lives in one vector
(each parameter's state is a view of its part), and an update is a handful of calls on that vector.
Large parameters are taken in slices, so that the memory an update needs besides stays small.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.mutation import log, note_write
from nnlite.autograd.node import next_seq
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
        is_new: whether this is the first step, before which ``states`` hold nothing.
        update: scratch; what is left here is what ``subtract`` takes off the parameters.
        spare: more scratch.
    """

    __slots__ = ("_leaf", "_place", "_theta", "is_new", "spare", "states", "update")

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

    def subtract(self) -> None:
        subtract = np.subtract
        for theta, part in zip(self._arrays, self._in_update):
            subtract(theta, part, theta)


class Plan:
    """The chunks of one parameter group, for as long as the same of its parameters are trained.

    Args:
        parameters: those that have a gradient and are not frozen.
        state: the optimizer's state; what it lacks is made.
        names: the names of the state arrays, each of the parameter's shape and dtype.

    Raises:
        ValueError: when a state array or a gradient has another shape than its parameter.
    """

    def __init__(self, parameters: list[Tensor], state: State, names: tuple[str, ...]) -> None:
        self.names = names
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
        self._numbers: dict[tuple[Any, float], Array] = {}
        self._lay(state)
        # Each parameter with its array and its state, to see whether one has been replaced.
        self._known = [
            (p, p.array, name, state[p][name]) for p in parameters for name in names
        ] or [(p, p.array, "", None) for p in parameters]

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
        return True

    def number(self, like: Array, value: float) -> Array:
        """``value`` as a 0-d array: NumPy combines those faster than Python's numbers."""
        key = (like.dtype, value)
        found = self._numbers.get(key)
        if found is None:
            if len(self._numbers) > 100:  # a schedule that sets another value at every step
                self._numbers.clear()
            found = self._numbers[key] = np.full_like(like, value, shape=())
        return found

    def finish(self) -> None:
        """Close a step: note that the parameters have been written to."""
        seq = log.last = next_seq()
        for write in self._writes:
            write.count += 1
            write.seq = seq
            write.what = _WHAT

    # ---- laying the chunks ----------------------------------------------------------------------

    def _lay(self, state: State) -> None:
        together: dict[Any, list[int]] = {}
        for i, (p, array) in enumerate(zip(self._parameters, self._arrays)):
            is_new = not all(self._has(state, p, name) for name in self.names)
            if array.size <= SMALL:
                members = together.setdefault((array.dtype, is_new), [])
                members.append(i)
                if sum(self._arrays[j].size for j in members) > SLICE:
                    self._gather(together.pop((array.dtype, is_new)), state, is_new)
            elif array.flags.c_contiguous:
                self._slice(i, state, is_new)
            else:
                states = self._states(p, array, state)
                scratch = (np.empty_like(array), np.empty_like(array))
                self.chunks.append(Chunk(self._leaves[i], array, None, states, is_new, scratch))
        for (_, is_new), members in together.items():
            self._gather(members, state, is_new)

    @staticmethod
    def _has(state: State, p: Tensor, name: str) -> bool:
        buffer = state[p].get(name)
        if buffer is not None and buffer.array.shape != p.array.shape:
            raise ValueError(
                f"the state {name!r} has the shape {list(buffer.array.shape)}, its parameter "
                f"{list(p.array.shape)}: was it saved from another model?"
            )
        return buffer is not None

    def _gather(self, members: list[int], state: State, is_new: bool) -> None:
        """One chunk for several small parameters; their state moves into common vectors."""
        arrays = [self._arrays[i] for i in members]
        total = sum(array.size for array in arrays)
        vectors = []
        for name in self.names:
            vector = np.empty_like(arrays[0], shape=(total,))
            for i, part in zip(members, parts(vector, arrays)):
                own = state[self._parameters[i]]
                if not is_new:
                    np.copyto(part, own[name].array)
                own[name] = wrap(part)
            vectors.append(vector)
        leaves = [self._leaves[i] for i in members]
        scratch = self._vectors(arrays[0], total)
        self.chunks.append(Gathered(leaves, arrays, tuple(vectors), is_new, scratch))

    def _slice(self, i: int, state: State, is_new: bool) -> None:
        """Chunks for the slices of a large parameter."""
        array = self._arrays[i]
        flat_states = [s.reshape(-1) for s in self._states(self._parameters[i], array, state)]
        flat = array.reshape(-1)
        for start in range(0, array.size, SLICE):
            place = slice(start, min(start + SLICE, array.size))
            scratch = self._vectors(array, place.stop - start)
            states = tuple(values[place] for values in flat_states)
            self.chunks.append(Chunk(self._leaves[i], flat[place], place, states, is_new, scratch))

    def _states(self, p: Tensor, array: Array, state: State) -> tuple[Array, ...]:
        """The state arrays of one parameter, of its dtype and laid out in memory as it is."""
        own = state[p]
        for name in self.names:
            values = np.empty_like(array)
            before = own.get(name)
            if before is not None:
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


def parts(vector: Array, arrays: list[Array]) -> list[Array]:
    """Views of ``vector``, one after the other, with the shapes of ``arrays``."""
    views = []
    start = 0
    for array in arrays:
        views.append(vector[start : start + array.size].reshape(array.shape))
        start += array.size
    return views
