"""Where code and classes come from, and which code runs."""

from __future__ import annotations

import os
import sys
import types
from typing import Any

__all__ = ["PACKAGE", "Executed", "is_library", "is_numpy_function", "is_own", "is_standard"]

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Executed:
    """While it lasts, notes which code runs (in this thread)."""

    def __init__(self) -> None:
        self.codes: set[types.CodeType] = set()

    def __enter__(self) -> set[types.CodeType]:
        self._before = sys.getprofile()
        sys.setprofile(self._note)
        return self.codes

    def __exit__(self, *error: object) -> None:
        sys.setprofile(self._before)

    def _note(self, frame: types.FrameType, event: Any, arg: Any) -> None:
        if event == "call":
            self.codes.add(frame.f_code)
        if self._before is not None:
            self._before(frame, event, arg)


def is_own(kind: type) -> bool:
    """Whether nnlite defines a class (and not an example in a docstring of it)."""
    if kind.__module__.split(".")[0] != "nnlite":
        return False
    defined = sys.modules.get(kind.__module__)
    return hasattr(defined, kind.__qualname__.split(".")[0])


def is_standard(module: types.ModuleType) -> bool:
    """Whether a module belongs to Python itself."""
    return module.__name__.split(".")[0] in sys.stdlib_module_names


def is_library(kind: type) -> bool:
    """Whether a class comes with Python, NumPy or nnlite: its objects are not walked."""
    top = kind.__module__.split(".")[0]
    if top == "__main__" or top == "__mp_main__":
        return False
    return is_own(kind) or top == "numpy" or top in sys.stdlib_module_names


def is_numpy_function(value: Any) -> bool:
    """Whether this is one of NumPy's functions, which are objects of a class of their own."""
    module = getattr(value, "__module__", None) or ""
    return callable(value) and str(module).split(".")[0] == "numpy" and not isinstance(value, type)
