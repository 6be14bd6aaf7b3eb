"""The forward hooks of a module. A module without hooks has no ``Hooks``, and pays nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnlite.autograd.hooks import RemovableHandle

if TYPE_CHECKING:
    from nnlite.nn.module import Module

__all__ = ["Hooks", "RemovableHandle"]

Hook = tuple[Callable[..., Any], bool]  # the function, and whether it takes keyword arguments


class Hooks:
    """What runs before and after a module's forward, in order."""

    def __init__(self) -> None:
        self.before: dict[int, Hook] = {}
        self.after: dict[int, Hook] = {}

    def add(
        self, hooks: dict[int, Hook], hook: Callable[..., Any], prepend: bool, with_kwargs: bool
    ) -> RemovableHandle:
        """Add a hook to ``self.before`` or ``self.after``."""
        handle = RemovableHandle(hooks)
        others = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[handle.id] = (hook, with_kwargs)
        hooks.update(others)
        return handle

    def call(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """``module.forward`` with all hooks."""
        for hook, with_kwargs in list(self.before.values()):
            result = hook(module, args, kwargs) if with_kwargs else hook(module, args)
            if result is None:
                continue
            if not with_kwargs:
                args = result if isinstance(result, tuple) else (result,)
            elif isinstance(result, tuple) and len(result) == 2:
                args, kwargs = result
            else:
                raise RuntimeError(
                    "forward pre-hook: with_kwargs=True means to return None or a tuple of the "
                    f"arguments and the keyword arguments, got {result!r}"
                )
        output = module.forward(*args, **kwargs)
        for hook, with_kwargs in list(self.after.values()):
            result = (
                hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
            )
            if result is not None:
                output = result
        return output
