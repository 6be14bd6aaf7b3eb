"""Callbacks that keep a record: the history in a file, gradient norms, histograms of the weights.

`GradientNorms` and `WeightHistograms` serve a loop of your own as well: ``record(model)`` in it.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.train.callbacks import Callback

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from nnlite.nn import Module
    from nnlite.train.history_file import HistoryFile
    from nnlite.train.plot.layers import Histogram
    from nnlite.train.trainer import Trainer

    StrPath = str | os.PathLike[str]

__all__ = ["GradientNorms", "SaveHistory", "WeightHistograms"]


class SaveHistory(Callback):
    """Write the history to a file after each epoch, so that a run that is killed keeps it.

    Each epoch is added with a single write, see `History.keep_in`; a resumed run goes on in the
    same file. The last callback of a list sees what those before it have added to the epoch.

    Args:
        path: a name that ends in .csv or .json; an earlier file is replaced.

    Raises:
        ValueError: another ending.

    >>> import os, tempfile, nnlite
    >>> from nnlite.train import History, SaveHistory, Trainer
    >>> model = nnlite.nn.Linear(2, 1)
    >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "history.csv")
    >>> trainer = Trainer(model, optimizer, nnlite.nn.MSELoss(), callbacks=[SaveHistory(path)])
    >>> history = trainer.fit((nnlite.ones(8, 2), nnlite.zeros(8, 1)), epochs=2)
    >>> History.from_csv(path) == history
    True
    >>> folder.cleanup()
    """

    def __init__(self, path: StrPath) -> None:
        from nnlite.train.history_file import ending_of

        ending_of(path)
        self.path = path
        self._file: HistoryFile | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        self._file = None

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write what is new; at the start of the run, the file."""
        from nnlite.train.history_file import HistoryFile

        rows = trainer.history.to_list()
        if self._file is None:
            self._file = HistoryFile(self.path, rows)
        else:
            self._file.update(rows)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Write the row of an epoch that a limit cut short; forget what Ctrl-C took back."""
        if self._file is not None:
            self._file.update(trainer.history.to_list())


class _Bounded:
    """Which records to keep so that there are never many: every second goes when it is full."""

    __slots__ = ("every", "keep", "seen")

    def __init__(self, every: int, keep: int) -> None:
        self.every = every
        self.keep = keep
        self.seen = 0

    def wanted(self) -> bool:
        """Whether to keep the record that comes now."""
        self.seen += 1
        return (self.seen - 1) % self.every == 0


class GradientNorms(Callback):
    """Record the norm of the gradient of each layer, to see gradients that vanish or explode.

    A layer is a module with parameters of its own; what is frozen or has no gradient is nan. It
    costs a few microseconds a layer where it records, and its memory is bounded: with ``keep``
    records every second one goes, and from then on every second step is left out.

    Args:
        every: record every so many steps, the first one included.
        keep: records at most.

    Attributes:
        steps: the steps that were recorded.
        norms: name of a layer, from input to output, to its norms.

    Raises:
        ValueError: ``every`` below 1, ``keep`` below 2.

    As a callback put it before one that clips, to see the gradients as they came. In a loop of
    your own:

    >>> import nnlite
    >>> from nnlite import nn
    >>> from nnlite.train import GradientNorms
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> norms = GradientNorms()
    >>> for _ in range(3):
    ...     model.zero_grad()
    ...     model(nnlite.ones(4, 2)).sum().backward()
    ...     norms.record(model)
    >>> norms.steps, list(norms.norms), norms.norms["2"][0] > 0
    ([1, 2, 3], ['0', '2'], True)
    >>> figure = norms.plot()
    """

    def __init__(self, every: int = 1, keep: int = 1000) -> None:
        _check("GradientNorms", every, keep)
        self.every = every
        self.keep = keep
        self._forget()

    def _forget(self) -> None:
        self.steps: list[int] = []
        self.norms: dict[str, list[float]] = {}
        self._bound = _Bounded(self.every, self.keep)
        self._layers: list[tuple[str, list[Any]]] = []
        self._model: Module | None = None

    def record(self, model: Module, step: int | None = None) -> None:
        """Record the gradients that a backward pass has left.

        Args:
            model: the model, the same at each call.
            step: its number. Default: how often this was called.
        """
        if not self._bound.wanted():
            return
        if model is not self._model:
            self._model, self._layers = model, _layers(model)
        for name, parameters in self._layers:
            values = self.norms.setdefault(name, [math.nan] * len(self.steps))
            values.append(_norm([p.grad.array for p in parameters if p.grad is not None]))
        self.steps.append(self._bound.seen if step is None else step)
        if len(self.steps) >= self.keep:
            self._thin()

    def _thin(self) -> None:
        del self.steps[1::2]
        for values in self.norms.values():
            del values[1::2]
        self._bound.every *= 2

    def plot(self, path: StrPath | None = None, *, title: str | None = None) -> Figure:
        """Draw the norms over the steps, see `nnlite.train.plot.plot_gradient_norms`.

        Raises:
            ValueError: nothing was recorded, another ending of the path.
            OSError: the file cannot be written.
        """
        from nnlite.train.plot import plot_gradient_norms

        return plot_gradient_norms(self.steps, self.norms, path, title=title)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        self._forget()

    def on_backward_end(self, trainer: Trainer) -> None:
        """Record a step."""
        self.record(trainer.model, trainer.step + 1)

    def state_dict(self) -> dict[str, Any]:
        """What was recorded."""
        return {
            "steps": list(self.steps),
            "norms": {name: list(values) for name, values in self.norms.items()},
            "every": self._bound.every,
            "seen": self._bound.seen,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""
        self._forget()
        self.steps = list(state["steps"])
        self.norms = {name: list(values) for name, values in state["norms"].items()}
        self._bound.every = state["every"]
        self._bound.seen = state["seen"]


class WeightHistograms(Callback):
    """Record how the values of each parameter are distributed, at the start and after epochs.

    Its memory is bounded: with ``keep`` records every second one goes, and from then on every
    second epoch is left out.

    Args:
        every: record every so many epochs.
        keep: records at most.

    Attributes:
        histograms: name of a parameter to its histograms (`nnlite.train.plot.layers.Histogram`:
            ``time``, ``counts``, ``edges``).

    Raises:
        ValueError: ``every`` below 1, ``keep`` below 2.

    >>> from nnlite import nn
    >>> from nnlite.train import WeightHistograms
    >>> model = nn.Linear(30, 4)
    >>> weights = WeightHistograms()
    >>> for epoch in range(3):  # in a loop of your own
    ...     weights.record(model, epoch)
    >>> list(weights.histograms), int(weights.histograms["weight"][0].counts.sum())
    (['weight', 'bias'], 120)
    >>> figure = weights.plot()
    """

    def __init__(self, every: int = 1, keep: int = 64) -> None:
        _check("WeightHistograms", every, keep)
        self.every = every
        self.keep = keep
        self._forget()

    def _forget(self) -> None:
        self.histograms: dict[str, list[Histogram]] = {}
        self._bound = _Bounded(self.every, self.keep)

    def record(self, model: Module, time: int | None = None) -> None:
        """Record the parameters as they are; values that are not finite are left out.

        Args:
            model: the model.
            time: the epoch. Default: how often this was called before.
        """
        if not self._bound.wanted():
            return
        time = self._bound.seen - 1 if time is None else time
        for name, parameter in model.named_parameters():
            histogram = _histogram(time, parameter.array)
            if histogram is not None:
                self.histograms.setdefault(name, []).append(histogram)
        if max(map(len, self.histograms.values()), default=0) >= self.keep:
            for times in self.histograms.values():
                del times[1::2]
            self._bound.every *= 2

    def plot(self, path: StrPath | None = None, *, title: str | None = None) -> Figure:
        """Draw the histograms, see `nnlite.train.plot.plot_weight_histograms`.

        Raises:
            ValueError: nothing was recorded, another ending of the path.
            OSError: the file cannot be written.
        """
        from nnlite.train.plot import plot_weight_histograms

        return plot_weight_histograms(self.histograms, path, title=title)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        self._forget()

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Record the weights that the run starts from."""
        if self._bound.seen == 0:
            self.record(trainer.model, trainer.epoch - 1)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Record an epoch."""
        self.record(trainer.model, trainer.epoch)

    def state_dict(self) -> dict[str, Any]:
        """What was recorded."""
        times = {name: [list(it) for it in its] for name, its in self.histograms.items()}
        return {"histograms": times, "every": self._bound.every, "seen": self._bound.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""
        from nnlite.train.plot.layers import Histogram

        self._forget()
        for name, times in state["histograms"].items():
            self.histograms[name] = [Histogram(*it) for it in times]
        self._bound.every = state["every"]
        self._bound.seen = state["seen"]


def _check(name: str, every: int, keep: int) -> None:
    if every < 1:
        raise ValueError(f"{name}: every must be 1 or more, got {every}")
    if keep < 2:
        raise ValueError(f"{name}: keep must be 2 or more, got {keep}")


def _layers(model: Module) -> list[tuple[str, list[Any]]]:
    """The parameters of each module by its name; "" is the model itself."""
    layers: dict[str, list[Any]] = {}
    for name, parameter in model.named_parameters():
        layers.setdefault(name.rpartition(".")[0], []).append(parameter)
    return [(name or "model", parameters) for name, parameters in layers.items()]


def _norm(gradients: list[NDArray[Any]]) -> float:
    """The norm of all together; in double precision where single precision overflows."""
    if not gradients:
        return math.nan
    squares = 0.0
    for gradient in gradients:
        flat = gradient.ravel()
        with np.errstate(over="ignore", invalid="ignore"):
            square = float(np.vdot(flat, flat).real)
        if square - square != 0:
            wide = flat.astype(np.result_type(flat.dtype, np.float64))
            with np.errstate(over="ignore", invalid="ignore"):
                square = float(np.vdot(wide, wide).real)
        squares += square
    return math.sqrt(squares)


def _histogram(time: int, values: NDArray[Any]) -> Histogram | None:
    from nnlite.train.plot.layers import Histogram

    flat = values.ravel()
    finite = flat[np.isfinite(flat)].astype(np.float64, copy=False)
    if not finite.size:
        return None
    # The Rice rule, within bounds.
    bins = min(max(math.ceil(2.0 * finite.size ** (1 / 3)), 4), 60)
    counts, edges = np.histogram(finite, bins)
    return Histogram(time, counts, edges)
