"""Freezing: which parts of a module the patterns mean, and how those are held still.

A parameter is frozen when its ``requires_grad`` is False, and nothing else says so. A module's
running statistics are frozen when its ``_statistics_frozen`` is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from nnlite.nn.loading import nearest

if TYPE_CHECKING:
    from nnlite.nn.module import Module
    from nnlite.nn.parameter import Parameter


def freeze(root: Module, patterns: tuple[str, ...]) -> None:
    """Freeze what ``patterns`` match below ``root``."""
    modules, parameters = _matched("freeze", root, patterns)
    for module in modules:
        module._statistics_frozen = True
    for parameter in parameters:
        parameter.requires_grad_(False)
        # It must not be applied when the parameter is unfrozen one day.
        parameter.grad = None


def freeze_except(root: Module, patterns: tuple[str, ...]) -> None:
    """Freeze all below ``root`` but what ``patterns`` match, which stays as it is."""
    modules, parameters = _matched("freeze_except", root, patterns)
    spared_modules, spared = set(modules), set(parameters)
    for module in root.modules():
        if module not in spared_modules:
            module._statistics_frozen = True
    for parameter in root.parameters():
        if parameter not in spared:
            parameter.requires_grad_(False)
            parameter.grad = None


def unfreeze(root: Module, patterns: tuple[str, ...]) -> None:
    """Unfreeze what ``patterns`` match below ``root``."""
    modules, parameters = _matched("unfreeze", root, patterns)
    for module in modules:
        module._statistics_frozen = False
    for parameter in parameters:
        _thaw(parameter)


def names(root: Module) -> list[str]:
    """What is frozen below ``root``: parameters, and the buffers of modules that hold theirs."""
    found = []
    seen: set[Parameter] = set()
    for path, module in root.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                found.append(_join(path, name))
        if module._statistics_frozen:
            found += [_join(path, name) for name, _ in module._own_buffers()]
    return found


def restore(root: Module, wanted: Iterable[str]) -> None:
    """Make exactly what ``wanted`` names frozen, as ``names`` listed it."""
    if isinstance(wanted, str):
        raise TypeError(f"frozen: expected a list of names, got the string {wanted!r}")
    chosen = list(wanted)
    parameters = dict(root.named_parameters(remove_duplicate=False))
    buffers = dict(_buffer_owners(root))
    for name in chosen:
        if name not in parameters and name not in buffers:
            near = nearest(name, [*parameters, *buffers])
            raise ValueError(f"frozen: there is no parameter or buffer {name!r}{near}")
    held = {buffers[name] for name in chosen if name in buffers}
    still = {parameters[name] for name in chosen if name in parameters}
    for module in root.modules():
        module._statistics_frozen = module in held
    for parameter in root.parameters():
        if parameter not in still:
            _thaw(parameter)
        elif parameter.requires_grad:
            parameter.requires_grad_(False)
            parameter.grad = None


def _thaw(parameter: Parameter) -> None:
    if not parameter.requires_grad and parameter.is_floating_point():
        # A gradient from before it was frozen is none of the next step's business.
        parameter.grad = None
        parameter.requires_grad_()


def _matched(
    function: str, root: Module, patterns: tuple[str, ...]
) -> tuple[list[Module], list[Parameter]]:
    """The modules and parameters that the patterns mean.

    Raises:
        ValueError: when a pattern matches nothing.
    """
    if not patterns:
        return list(root.modules()), list(root.parameters())
    from fnmatch import fnmatchcase

    below = {name: module for name, module in root.named_modules(remove_duplicate=False) if name}
    parameters = dict(root.named_parameters(remove_duplicate=False))
    buffers = dict(_buffer_owners(root))
    modules_found: dict[Module, None] = {}
    parameters_found: dict[Parameter, None] = {}
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(
                f"{function}: patterns are strings over dotted names, got "
                f"{type(pattern).__name__}; of several patterns each is an argument, and to "
                f"{function} a module itself call its own {function}()"
            )
        matched = False
        for name in (*below, *parameters, *buffers):
            if name != pattern and not fnmatchcase(name, pattern):
                continue
            matched = True
            if name in below:
                modules_found.update(dict.fromkeys(below[name].modules()))
                parameters_found.update(dict.fromkeys(below[name].parameters()))
            elif name in parameters:
                parameters_found[parameters[name]] = None
            else:
                modules_found[buffers[name]] = None
        if not matched:
            near = nearest(pattern, [*below, *parameters, *buffers])
            raise ValueError(
                f"{function}: no module, parameter or buffer of {type(root).__name__} matches "
                f"{pattern!r}{near}"
            )
    return list(modules_found), list(parameters_found)


def _buffer_owners(root: Module) -> Iterator[tuple[str, Module]]:
    for path, module in root.named_modules(remove_duplicate=False):
        for name, _ in module._own_buffers():
            yield _join(path, name), module


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
