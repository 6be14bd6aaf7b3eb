"""Ctrl-C during training: noted, so that it never cuts a step or the writing of a file in half."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

__all__ = ["CtrlC"]


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
