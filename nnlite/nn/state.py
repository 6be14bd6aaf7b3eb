"""The state of a module: its ``state_dict``, loading one, and the hooks around both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

from nnlite.autograd.hooks import RemovableHandle
from nnlite.nn import loading
from nnlite.nn.parameter import Parameter
from nnlite.nn.parts import Parts
from nnlite.tensor import Tensor

__all__ = ["State"]


class State(Parts):
    """What of a ``Module`` is saved: its parameters and persistent buffers, by name."""

    # Buffers that files from before their invention lack, and that may be missing therefore.
    _may_be_missing: ClassVar[frozenset[str]] = frozenset()

    _state_hooks: Mapping[str, dict[int, Callable[..., Any]]] = MappingProxyType({})

    def state_dict(
        self,
        *,
        destination: OrderedDict[str, Tensor] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> OrderedDict[str, Tensor]:
        """All parameters and persistent buffers by name, sharing memory with the module.

        Args:
            destination: the dictionary to fill; default: a new one.
            prefix: put before every name.
            keep_vars: the tensors themselves instead of detached ones.

        Raises:
            ValueError: when two have the same name (a dict with the keys 1 and "1", say).

        >>> from nnlite import nn
        >>> list(nn.Linear(2, 1).state_dict())
        ['weight', 'bias']
        """
        out: OrderedDict[str, Tensor] = OrderedDict() if destination is None else destination
        hooked = [
            (f"{prefix}{path}." if path else prefix, module)
            for path, module in self.named_modules(remove_duplicate=False)
            if module._state_hooks
        ]
        for lead, module in hooked:
            for hook in module._state_hooks_of("save_pre"):
                hook(module, lead, keep_vars)
        for name, tensor in self._state():
            if prefix + name in out:
                raise ValueError(
                    f"state_dict: two values have the name {prefix + name!r}; rename one of them"
                )
            out[prefix + name] = tensor if keep_vars else tensor.detach()
        for lead, module in reversed(hooked):  # below before above, as in torch
            for hook in module._state_hooks_of("save_post"):
                hook(module, out, lead, {})
        return out

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """What belongs to the ``state_dict``, under all its names."""
        for path, module in self.named_modules(remove_duplicate=False):
            lead = f"{path}." if path else ""
            for name, parameter in module._own(Parameter):
                yield lead + name, parameter
            for name, buffer in module._own_buffers():
                if module._buffer_names[name]:
                    yield lead + name, buffer

    def load_state_dict(
        self,
        state_dict: Mapping[str, Any],
        strict: bool = True,
        *,
        mismatch: str = "raise",
        rename: Mapping[str, str] | None = None,
    ) -> loading.IncompatibleKeys:
        """Copy the values of a ``state_dict`` into the parameters and buffers of the same names.

        The tensors stay the same ones (an optimizer goes on with them), and so do their dtypes
        and what is frozen: values of another real dtype are converted.

        Args:
            state_dict: tensors (or NumPy arrays) by name.
            strict: whether missing and unexpected names are an error.
            mismatch: ``"raise"``, or ``"skip"`` to leave a tensor as it is where the shapes differ
                (the head of another task); those are the result's ``mismatched_keys``.
            rename: patterns of names in ``state_dict``, and the names here that they stand for: a
                ``*`` matches anything, and the same text stands for the ``*`` of the new name.
                ``{"module.*": "*"}`` strips a prefix; ``{"bert.encoder.layer.*": "encoder.*"}``
                renames a part. The first pattern that matches a name counts; other names stay.

        Returns:
            A named tuple of ``missing_keys`` and ``unexpected_keys``, with a list
            ``mismatched_keys`` of names and both shapes beside it.

        Raises:
            RuntimeError: listing the missing and unexpected names (if ``strict``) and the shapes
                that differ. Nothing has been changed then.
            TypeError: for text, objects, complex and other values that are no real numbers;
                nothing has been changed then, either.
            ValueError: a pattern that matches nothing, or two names that become one.

        >>> from nnlite import nn
        >>> a, b = nn.Linear(2, 1), nn.Linear(2, 1)
        >>> a.load_state_dict(b.state_dict())
        <All keys matched successfully>
        >>> model = nn.Sequential(a)
        >>> model.load_state_dict(b.state_dict(), rename={"*": "0.*"})
        <All keys matched successfully>
        """
        if rename is not None:
            state_dict = loading.renamed(state_dict, rename)
        modules = list(self.named_modules(remove_duplicate=False))
        may_be_missing = {
            f"{path}.{name}" if path else name
            for path, module in modules
            for name in module._may_be_missing
        }
        target = loading.Target(type(self).__name__, dict(self._state()), may_be_missing)
        if any(module._state_hooks for _, module in modules) and isinstance(state_dict, Mapping):
            state_dict = OrderedDict(state_dict)
            for path, module in modules:
                for hook in module._state_hooks_of("load_pre"):
                    lead = f"{path}." if path else ""
                    notes = (target.missing, target.unexpected, target.errors)
                    hook(module, state_dict, lead, {}, strict, *notes)
            # Below before above, as in torch.
            target.after = [
                partial(hook, module)
                for _, module in reversed(modules)
                for hook in module._state_hooks_of("load_post")
            ]
        return target.load(state_dict, strict, mismatch)

    # ---- hooks ----------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before the module's state is collected.

        Args:
            hook: ``prefix`` is the module's path and a dot, or empty for the outermost.

        Returns:
            A handle with ``remove()``.
        """
        return self._add_state_hook("save_pre", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` when the state is collected.

        Args:
            hook: may change ``state_dict``, which has the names of all modules, in place.
                ``local_metadata`` is empty here.

        Returns:
            A handle with ``remove()``.

        >>> from nnlite import nn
        >>> layer = nn.Linear(2, 1)
        >>> handle = layer.register_state_dict_post_hook(lambda m, state, *_: state.pop("bias"))
        >>> list(layer.state_dict())
        ['weight']
        """
        return self._add_state_hook("save_post", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook`` before a state is loaded, to rename what an older version had saved.

        Args:
            hook: is called with ``(module, state_dict, prefix, local_metadata, strict,
                missing_keys, unexpected_keys, error_msgs)``; it may change ``state_dict`` (a copy)
                in place, and add to the last three, which are lists.

        Returns:
            A handle with ``remove()``.

        >>> from nnlite import nn
        >>> layer = nn.Linear(2, 1)
        >>> def rename(module, state_dict, prefix, *_):
        ...     state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
        >>> handle = layer.register_load_state_dict_pre_hook(rename)
        >>> layer.load_state_dict({"w": layer.weight, "bias": layer.bias})
        <All keys matched successfully>
        """
        return self._add_state_hook("load_pre", hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after a state has been loaded.

        Args:
            hook: may change the lists of ``incompatible_keys``, and with them whether loading
                strictly is an error.

        Returns:
            A handle with ``remove()``.
        """
        return self._add_state_hook("load_post", hook)

    def _add_state_hook(self, kind: str, hook: Callable[..., Any]) -> RemovableHandle:
        if kind not in self._state_hooks:
            self._state_hooks = {**self._state_hooks, kind: {}}
        hooks = self._state_hooks[kind]
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def _state_hooks_of(self, kind: str) -> list[Callable[..., Any]]:
        return list(self._state_hooks.get(kind, {}).values())
