"""What ends a training early: limits of steps and of time, and Ctrl-C.

Ctrl-C is noted, so that it never cuts a step or the writing of a file in half.
"""

from __future__ import annotations

import signal
from time import perf_counter
from types import FrameType, TracebackType
from typing import Any

__all__ = ["CtrlC", "Limits"]


class Limits:
    """How many steps a run may have, and how many seconds from now on.

    Raises:
        ValueError: fewer than one step, or no time.

    >>> limits = Limits(max_steps=10)
    >>> limits.reached(9), limits.reached(10)
    (False, True)
    """

    __slots__ = ("_deadline", "_steps", "given")

    def __init__(self, max_steps: int | None = None, max_seconds: float | None = None) -> None:
        self.given = max_steps is not None or max_seconds is not None
        self._steps = float("inf") if max_steps is None else max_steps
        seconds = float("inf") if max_seconds is None else max_seconds
        if not (self._steps >= 1 and seconds > 0):
            raise ValueError(
                "fit: max_steps must be 1 or more and max_seconds above 0, got "
                f"max_steps={max_steps}, max_seconds={max_seconds}"
            )
        self._deadline = perf_counter() + seconds

    def reached(self, step: int) -> bool:
        """Whether it is over after so many steps."""
        return step >= self._steps or perf_counter() >= self._deadline


class CtrlC:
    """While active, the first Ctrl-C sets ``noted``; a second one raises KeyboardInterrupt at once.

    Where Python would not raise KeyboardInterrupt anyway (another handler is installed, or this is
    not the main thread) nothing is changed.
    """

    def __init__(self) -> None:
        self.noted = False
        self._before: Any = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted:
            raise KeyboardInterrupt
        self.noted = True

    def forget(self) -> bool:
        """Whether there was a Ctrl-C; from now on there was none."""
        noted, self.noted = self.noted, False
        return noted

    def __enter__(self) -> CtrlC:
        self.noted = False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                self._before = signal.signal(signal.SIGINT, self._note)
            except ValueError:  # only the main thread may
                pass
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
