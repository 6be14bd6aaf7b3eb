"""Where an operation belongs: the user's source line, and the modules around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.explain.model import Input, Place, Value

__all__ = ["Modules", "file_name", "place_of"]

Found = tuple[tuple[str, ...], str]  # the dotted names of the modules, and the innermost's label


def place_of(site: Any) -> Place | None:
    """The user's innermost line of a recorded call."""
    import linecache

    if not site.lines:
        return None
    file, line, function = site.lines[0]
    return Place(file, line, function, linecache.getline(file, line).strip())


def file_name(path: str) -> str:
    """The last name of a path, of this system or another.

    >>> file_name("/a/train.py"), file_name(r"C:\\a\\train.py")
    ('train.py', 'train.py')
    """
    return path.replace("\\", "/").rpartition("/")[2]


class Modules:
    """The names of a model's modules.

    Args:
        model: the model; without one modules are named from the outermost that was called.

    Attributes:
        has_recording: whether a recording has seen the pass.
    """

    def __init__(self, model: Any) -> None:
        named = [] if model is None else list(model.named_modules())
        self._names = {id(module): name for name, module in named}
        self._kinds = {name: type(module).__name__ for name, module in named}
        parameters = {} if model is None else dict(model.named_parameters())
        self._parameters = {name for name, p in parameters.items() if not p.requires_grad}
        self.has_recording = False

    def around(self, site: Any) -> Found:
        """The modules in which a recorded call ran."""
        modules = [m for m in (reference() for reference in site.modules) if m is not None]
        if not modules:
            return (), ""
        names: list[str] = []
        full = ""
        for position, module in enumerate(modules):
            name = self._names.get(id(module))
            if name is None and position:
                inner = modules[position - 1].named_modules()
                name = next((n for n, m in inner if m is module), type(module).__name__)
                name = f"{full}.{name}" if full and name else name or full
            full = name or full
            if full and (not names or names[-1] != full):
                names.append(full)
        kind = type(modules[-1]).__name__
        return tuple(names), f"{names[-1]} ({kind})" if names else kind

    def about(self, value: Value) -> str:
        """What a constant is: a frozen parameter, something computed, or data.

        Without a recording nothing tells the result of frozen layers from data.
        """
        if value.name in self._parameters:
            return "frozen"
        if value.origin is None:
            if value.name:
                return ""
            is_input = value.symbol.lower().startswith("x") and not self.has_recording
            return (
                "data, or the result of frozen layers" if is_input and self._parameters else "data"
            )
        _, module = self.around(value.origin)
        place = place_of(value.origin)
        if not module and place is not None:
            module = f"{value.origin.operator} in {file_name(place.file)}:{place.line}"
        return f"the result of {module or value.origin.operator}, where no gradient goes"

    def of_parameters(self, inputs: Sequence[Input]) -> Found:
        """The module whose parameters an operation was given: all that is known unrecorded."""
        for given in inputs:
            owner = given.value.name.rpartition(".")[0]
            if given.value.kind == "leaf" and owner in self._kinds and owner:
                parts = owner.split(".")
                path = tuple(".".join(parts[: i + 1]) for i in range(len(parts)))
                return path, f"{owner} ({self._kinds[owner]})"
        return (), ""
