"""Every random generator that a run draws from, found, saved and put back.

Saved are nnlite's default generator, the global ones of NumPy and of Python, and those that the
data loaders, data sets, samplers, collate functions, the model and the loss hold in attributes.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.ops.random import Generator, default_generator
from nnlite.tensor import Tensor
from nnlite.utils.data.sampler import OwnGenerator

if TYPE_CHECKING:
    Tree = dict[str, Any]

__all__ = ["Streams"]

_DEEPEST = 8
_LONGEST = 1000  # containers with more entries hold data, not transforms


class Streams:
    """The generators of a run, by the names of their places.

    Args:
        roots: what may hold generators, by name.

    >>> import nnlite
    >>> from nnlite.utils.data import DataLoader
    >>> g = nnlite.Generator().manual_seed(1)
    >>> streams = Streams({"train": DataLoader(range(4), shuffle=True, generator=g)})
    >>> streams.names
    ['train.sampler.generator']
    >>> before = streams.state()
    >>> a = nnlite.rand(1), nnlite.rand(1, generator=g)
    >>> streams.restore(before)
    >>> a == (nnlite.rand(1), nnlite.rand(1, generator=g))
    True
    """

    __slots__ = ("_own",)

    _own: dict[str, Any]

    def __init__(self, roots: Tree) -> None:
        self._own = dict(_walk(roots))

    @property
    def names(self) -> list[str]:
        """Where generators were found."""
        return sorted(self._own)

    def state(self) -> Tree:
        """The states of all, as a checkpoint holds them."""
        return {
            "default": default_generator.get_state(),
            "own": {name: _get(generator) for name, generator in self._own.items()},
            "global": _global_state(),
        }

    def restore(self, state: Tree) -> None:
        """Put all back where they were; what is not there now or was not there then is left."""
        default_generator.set_state(state["default"])
        for name, generator in self._own.items():
            if name in state["own"]:
                _set(generator, state["own"][name])
        _set_globals(state["global"])


def _global_state() -> Tree:
    """The generators behind ``random.random()`` and ``numpy.random.rand()``, where imported."""
    states: Tree = {}
    python, legacy = sys.modules.get("random"), sys.modules.get("numpy.random")
    if python is not None:
        states["python"] = python.getstate()
    if legacy is not None:
        states["numpy"] = legacy.get_state(legacy=False)
    return states


def _set_globals(states: Tree) -> None:
    if "python" in states:
        import random

        random.setstate(states["python"])
    if "numpy" in states:
        np.random.set_state(states["numpy"])  # noqa: NPY002 (users' generator, not ours)


def _get(generator: Any) -> Any:
    if isinstance(generator, Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.getstate()


def _set(generator: Any, state: Any) -> None:
    if isinstance(generator, (Generator, np.random.RandomState)):
        generator.set_state(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.setstate(state)


def _is_generator(value: Any) -> bool:
    if isinstance(value, Generator):
        return True
    if "numpy.random" in sys.modules and isinstance(
        value, (np.random.Generator, np.random.RandomState)
    ):
        return True
    python = sys.modules.get("random")
    return python is not None and type(value) is python.Random


def _walk(roots: Tree) -> Iterator[tuple[str, Any]]:
    """Each generator once, with the first name that it is found under."""
    seen: set[int] = {id(default_generator)}
    waiting = [(name, root, 0) for name, root in reversed(roots.items())]
    while waiting:
        name, value, depth = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if _is_generator(value):
            yield name, value
        elif depth < _DEEPEST:
            inner = [(f"{name}.{key}", part, depth + 1) for key, part in _parts(value)]
            waiting += reversed(inner)


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    """What an object holds that may be, or hold, a generator."""
    if isinstance(value, (str, bytes, int, float, type, Tensor, np.ndarray, type(None))):
        return ()
    if isinstance(value, OwnGenerator):  # its loader saves it
        return ()
    if isinstance(value, (list, tuple)):
        return enumerate(value) if len(value) <= _LONGEST else ()
    if isinstance(value, dict):
        return value.items() if len(value) <= _LONGEST else ()
    if isinstance(value, functools.partial):
        return [("func", value.func), *enumerate(value.args), *value.keywords.items()]
    if hasattr(value, "__closure__"):
        names = value.__code__.co_freevars
        return [(n, _content(cell)) for n, cell in zip(names, value.__closure__ or ())]
    if hasattr(value, "__self__"):
        return [("self", value.__self__)]
    held = list(getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, slot):
                held.append((slot, getattr(value, slot)))
    return held


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty cell
        return None
