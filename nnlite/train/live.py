"""LiveCurve: the curves of a run while it goes, in a notebook or in a terminal without one."""

from __future__ import annotations

import os
import shutil
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

from nnlite.train.callbacks import Callback
from nnlite.train.textplot import TextCurve, text_plot

if TYPE_CHECKING:
    from nnlite.train.history import History
    from nnlite.train.trainer import Trainer

__all__ = ["LiveCurve"]

_CALM = 20.0  # a picture may take this part of the time: one second in twenty
_MOST = 4  # curves in the text


class LiveCurve(Callback):
    """Show the curves while training goes on, always in the same place.

    In a notebook it is the figure of `plot_history`, updated in place. In a terminal it is a plot
    in characters above the progress bar, in colour unless the environment has ``NO_COLOR``:
    braille, or ASCII where the encoding has none or where several curves would look alike without
    colour. Where the output is neither, it is quiet. Drawing takes a twentieth of the time at most,
    and the last epoch is always shown.

    Args:
        columns: of the history, four at most in a terminal. Default: the losses.
        every: draw after every so many epochs.
        height: lines of the plot in a terminal, 4 or more.
        stream: where to draw in characters. Default: ``sys.stderr``, as the progress bar.

    Raises:
        ValueError: ``every`` below 1, ``height`` below 4.

    In a loop of your own call ``show(history)`` after each epoch and ``close()`` at the end:

    >>> from nnlite.train import History, LiveCurve
    >>> live, history = LiveCurve(), History()
    >>> for epoch in range(1, 4):
    ...     history.append(epoch=epoch, train_loss=1 / epoch)
    ...     live.show(history)
    >>> live.close()
    """

    def __init__(
        self,
        columns: str | list[str] | tuple[str, ...] | None = None,
        *,
        every: int = 1,
        height: int = 12,
        stream: TextIO | None = None,
    ) -> None:
        if every < 1:
            raise ValueError(f"LiveCurve: every must be 1 or more epochs, got {every}")
        if height < 4:
            raise ValueError(f"LiveCurve: height must be 4 lines or more, got {height}")
        self.columns = [columns] if isinstance(columns, str) else columns
        self.every = every
        self.height = height
        self.stream = stream
        self._begin()

    def _begin(self) -> None:
        self._lines = 0  # of the last picture in the terminal
        self._handle: Any = None  # of the last one in a notebook
        self._due = 0.0
        self._waiting: History | None = None
        self._seen = 0

    def show(self, history: History) -> None:
        """Draw what the history holds, if it is time again.

        Args:
            history: with a row or more.
        """
        self._seen += 1
        self._waiting = history
        if self._seen % self.every == 0 and time.monotonic() >= self._due:
            self._draw()

    def close(self) -> None:
        """Draw what is not drawn yet, and let the next picture have a place of its own."""
        if self._waiting is not None:
            self._draw()
        self._begin()

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin a picture."""
        self._begin()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Draw the epoch."""
        self.show(trainer.history)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Draw the last epoch."""
        self.close()

    def _draw(self) -> None:
        history, self._waiting = self._waiting, None
        if not history:
            return
        start = time.monotonic()
        display = None if self.stream is not None else _notebook()
        if display is not None:
            self._draw_figure(display, history)
        else:
            self._draw_text(history)
        end = time.monotonic()
        self._due = end + _CALM * (end - start)

    def _draw_figure(self, display: Any, history: History) -> None:
        from nnlite.train.plot import plot_history

        metrics = None
        if self.columns is not None:
            bases = (
                column.removeprefix("train_").removeprefix("valid_") for column in self.columns
            )
            metrics = [base for base in dict.fromkeys(bases) if base != "loss"]
        figure = plot_history(history, metrics=metrics)
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)

    def _draw_text(self, history: History) -> None:
        stream = self.stream or sys.stderr
        if stream is None or not stream.isatty():
            return
        size = shutil.get_terminal_size()
        height = min(self.height, size.lines - 2)
        if height < 4:
            return
        names = self.columns or [n for n in ("train_loss", "valid_loss") if n in history.columns]
        names = [name for name in names if name in history.columns][:_MOST]
        if not names:
            return
        curves = [TextCurve(name, history.epochs(), history[name]) for name in names]
        color = not os.environ.get("NO_COLOR")
        picture = text_plot(
            curves,
            width=min(size.columns - 1, 100),
            height=height,
            braille=_has_braille(stream) and (color or len(curves) == 1),
            color=color,
        )
        _enable_codes()
        # The cursor is in the line below the last picture, where the progress bar may be.
        back = f"\r\x1b[K\x1b[{self._lines}A" if self._lines else "\r\x1b[K"
        stream.write(back + "".join(f"\x1b[K{line}\n" for line in picture))
        stream.flush()
        self._lines = len(picture)


def _notebook() -> Any:
    """IPython's ``display`` in a notebook, else None."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None  # IPython in a terminal shows no figures
    return import_module("IPython.display").display  # there already, so no dependency


def _has_braille(stream: TextIO) -> bool:
    try:
        "⠿│━".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _enable_codes() -> None:
    """An old console of Windows understands the codes only after this."""
    if os.name == "nt":
        os.system("")
