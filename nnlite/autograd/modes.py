"""Whether operations are recorded: ``no_grad``, ``enable_grad``, ``set_grad_enabled`` and so on.

The mode is a context variable, so it belongs to the thread (and to the asyncio task) that set it:
a server thread that predicts under ``no_grad`` does not stop another thread's training.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar, overload

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]

grad_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)
inference: ContextVar[bool] = ContextVar("inference", default=False)

F = TypeVar("F", bound=Callable[..., Any])

# Flags of a code object (the inspect module's CO_GENERATOR …, without its import time).
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require a gradient are recorded now.

    >>> import nnlite
    >>> with nnlite.no_grad():
    ...     nnlite.is_grad_enabled()
    False
    """
    return grad_enabled.get()


def is_inference_mode_enabled() -> bool:
    """Whether ``inference_mode`` is active."""
    return inference.get()


class GradMode:
    """A grad mode for the duration of a ``with`` block or of every call of a decorated function."""

    mode: bool

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        # A stack, because one instance may be entered again while it is active.
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(grad_enabled.get())
        grad_enabled.set(self.mode)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        grad_enabled.set(self._before.pop())

    def _fresh(self) -> GradMode:
        """A new instance of the same mode: calls of a decorated function may overlap in threads."""
        return GradMode(self.mode)

    def __call__(self, function: F) -> F:
        if isinstance(function, type):
            raise TypeError(
                f"{type(self).__name__}: cannot decorate the class {function.__name__}; "
                "decorate its methods"
            )
        return _decorate(function, self._fresh)


class no_grad(GradMode):
    """Do not record operations: no graph is built and results have ``requires_grad=False``.

    Use it for inference and for writing to parameters. As context manager or decorator, on
    functions, generators and coroutines.

    >>> import nnlite
    >>> w = nnlite.ones(2, requires_grad=True)
    >>> with nnlite.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """

    @overload
    def __new__(cls) -> no_grad: ...
    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:
        if function is None:
            return object.__new__(cls)
        return cls()(function)  # used as @no_grad, without parentheses

    mode = False

    def __init__(self) -> None:
        self._before = []  # all that the base does: it is entered at every prediction


class enable_grad(GradMode):
    """Record operations, inside a ``no_grad`` block too.

    >>> import nnlite
    >>> w = nnlite.ones(2, requires_grad=True)
    >>> with nnlite.no_grad(), nnlite.enable_grad():
    ...     y = w * 2
    >>> y.requires_grad
    True
    """

    @overload
    def __new__(cls) -> enable_grad: ...
    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:
        if function is None:
            return super().__new__(cls)
        return cls()(function)

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(GradMode):
    """Switch recording on or off: at once when called, back again at the end of a ``with`` block.

    >>> import nnlite
    >>> train = False
    >>> with nnlite.set_grad_enabled(train):
    ...     nnlite.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        super().__enter__()
        self._has_switched = True

    def __enter__(self) -> None:
        if self._has_switched:  # by the constructor, which knows what to go back to
            self._has_switched = False
            grad_enabled.set(self.mode)
        else:
            super().__enter__()

    def __call__(self, function: F) -> F:
        # The constructor switched the mode; as a decorator only the calls should.
        if self._has_switched:
            self._has_switched = False
            self.__exit__(None, None, None)
        return super().__call__(function)


class inference_mode(GradMode):
    """``no_grad`` under the name that torch has for pure inference; ``mode=False`` changes nothing.

    >>> import nnlite
    >>> @nnlite.inference_mode()
    ... def predict(x):
    ...     return x * 2
    >>> predict(nnlite.ones(1, requires_grad=True)).requires_grad
    False
    """

    @overload
    def __new__(cls, mode: bool = True) -> inference_mode: ...
    @overload
    def __new__(cls, mode: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, mode: Any = True) -> Any:
        if isinstance(mode, bool):
            return super().__new__(cls)
        return cls()(mode)

    def __init__(self, mode: bool = True) -> None:
        self._inference = mode
        self._before_inference: list[bool] = []
        super().__init__(False)

    def __enter__(self) -> None:
        if self._inference:
            super().__enter__()
            self._before_inference.append(inference.get())
            inference.set(True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._inference:
            inference.set(self._before_inference.pop())
            super().__exit__(kind, error, traceback)

    def _fresh(self) -> GradMode:
        return inference_mode(self._inference)


def _decorate(function: F, mode: Callable[[], GradMode]) -> F:
    """``function`` with each of its calls (of a generator: its steps) under ``mode()``."""
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)

    if flags & _GENERATOR:

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            return _steps_under(function(*args, **kwargs), mode)

        return generator  # type: ignore[return-value]

    if flags & _COROUTINE:

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with mode():
                return await function(*args, **kwargs)

        return coroutine  # type: ignore[return-value]

    if flags & _ASYNC_GENERATOR:

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            source = function(*args, **kwargs)
            try:
                with mode():
                    item = await source.__anext__()
                while True:
                    try:
                        sent = yield item
                    except GeneratorExit:
                        with mode():
                            await source.aclose()
                        raise
                    except BaseException as error:
                        with mode():
                            item = await source.athrow(error)
                    else:
                        with mode():
                            item = await source.asend(sent)
            except StopAsyncIteration:
                return

        return async_generator  # type: ignore[return-value]

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with mode():
            return function(*args, **kwargs)

    return plain  # type: ignore[return-value]


def _steps_under(
    source: Generator[Any, Any, Any], mode: Callable[[], GradMode]
) -> Generator[Any, Any, Any]:
    """Run ``source`` with the mode on inside its steps only: its consumer keeps its own mode."""
    try:
        with mode():
            item = next(source)
        while True:
            try:
                sent = yield item
            except GeneratorExit:
                with mode():
                    source.close()
                raise
            except BaseException as error:
                with mode():
                    item = source.throw(error)
            else:
                with mode():
                    item = source.send(sent)
    except StopIteration as stop:
        return stop.value
