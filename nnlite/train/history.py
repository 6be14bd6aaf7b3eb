"""History: what was measured in each epoch, as rows and as columns, in a file and in a plot."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, SupportsIndex, cast, overload

import numpy as np

from nnlite.train import history_file as files
from nnlite.train.metrics import metric_mode

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Row = dict[str, float]
    Mode = Literal["min", "max"]
    StrPath = str | os.PathLike[str]

__all__ = ["History", "learning_rates"]

_SHOWN = 20  # a printed table with more rows than this is cut in the middle


class History:
    """One row of named numbers per epoch: a list of dicts whose columns can be read by name.

    The Trainer writes the columns ``epoch`` (from 1), ``train_loss``, ``valid_loss``,
    ``valid_<metric>`` …, ``lr`` and ``seconds``; a callback may add its own. A row need not have
    every column.

    Args:
        rows: mappings from column name to number, one per epoch. Default: none yet.
        path: a file to write as it goes, see `keep_in`. Default: none.

    Raises:
        TypeError: a column name that is no string, or a value that is no number.
        ValueError, OSError: a path that will not do.

    In a loop of your own:

    >>> history = History()
    >>> history.append(epoch=1, train_loss=0.7, valid_loss=0.6)
    >>> history.append({"epoch": 2, "train_loss": 0.5}, valid_loss=0.4)
    >>> history[-1]["valid_loss"], history["train_loss"], len(history)
    (0.4, [0.7, 0.5], 2)
    >>> history
    History: 2 epochs, best valid_loss 0.4 at epoch 2
      epoch  train_loss  valid_loss
          1         0.7         0.6
    *     2         0.5         0.4
    """

    __slots__ = ("_file", "_rows")

    _rows: list[Row]
    _file: files.HistoryFile | None

    def __init__(
        self,
        rows: Iterable[Mapping[str, SupportsFloat | SupportsIndex]] = (),
        path: StrPath | None = None,
    ) -> None:
        self._rows = []
        self._file = None
        for row in rows:
            self.append(row)
        if path is not None:
            self.keep_in(path)

    def append(
        self,
        row: Mapping[str, SupportsFloat | SupportsIndex] | None = None,
        /,
        **figures: SupportsFloat | SupportsIndex,
    ) -> None:
        """Add the row of one epoch; its numbers become Python ints and floats.

        Args:
            row: column name to number (NumPy and Tensor scalars too).
            figures: columns that are given by name.

        Raises:
            TypeError: a column name that is no string, a value that is no number, a column that is
                given twice.
        """
        given = dict(row or {})
        for name in given.keys() & figures.keys():
            raise TypeError(f"History: {name!r} is given twice")
        given.update(figures)
        self._rows.append(
            {_name(column): _number(column, value) for column, value in given.items()}
        )
        if self._file is not None:
            self._file.update(self._rows)

    def __reduce__(self) -> tuple[type[History], tuple[list[Row]]]:
        """A copy has the same rows and no file."""
        return type(self), (self.to_list(),)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    @overload
    def __getitem__(self, key: str) -> list[float]: ...

    @overload
    def __getitem__(self, key: slice) -> History: ...

    @overload
    def __getitem__(self, key: SupportsIndex) -> Row: ...

    def __getitem__(self, key: str | slice | SupportsIndex) -> list[float] | History | Row:
        """Read a column by its name (nan where a row lacks it), a row by its place, or a slice.

        Raises:
            KeyError: no row has this column.
            IndexError: there is no such row.
        """
        if isinstance(key, str):
            self._require(key)
            return [row.get(key, math.nan) for row in self._rows]
        if isinstance(key, slice):
            return History(self._rows[key])
        return self._rows[key]

    def __eq__(self, other: object) -> bool:
        """Equal columns and numbers, row by row; nan equals nan, as after saving and loading."""
        if not isinstance(other, History):
            return NotImplemented
        return len(self) == len(other) and all(map(_same, self._rows, other._rows))

    __hash__ = None  # type: ignore[assignment]  # a history grows

    @property
    def columns(self) -> list[str]:
        """Names of all columns, in the order of their first appearance."""
        return files.columns_of(self._rows)

    @property
    def best(self) -> Row:
        """The row of the best epoch: least ``valid_loss``, or ``train_loss`` without validation.

        Raises:
            ValueError: no epoch has a loss that is a number.
        """
        return self._rows[self._best_index("history.best", None, None)]

    def best_epoch(self, monitor: str | None = None, mode: Mode | None = None) -> int:
        """Number of the epoch in which a column was best, the first of equal ones.

        Args:
            monitor: the column. Default: ``valid_loss``, or ``train_loss`` without validation.
            mode: "min" if lower is better, "max" if higher is. Default: known for the losses and
                the built-in metrics.

        Raises:
            KeyError: no row has this column.
            ValueError: no epoch has a number there, or the mode is not known.

        >>> rows = [{"epoch": 1, "valid_f1": 0.8}, {"epoch": 2, "valid_f1": 0.9}]
        >>> History(rows).best_epoch("valid_f1")
        2
        """
        return self.epochs()[self._best_index("best_epoch", monitor, mode)]

    def epochs(self) -> list[int]:
        """The epoch of each row: its ``epoch`` column, or its place counted from 1."""
        return [int(row.get("epoch", place)) for place, row in enumerate(self._rows, start=1)]

    def to_list(self) -> list[Row]:
        """Copy the rows into plain dicts of Python numbers; ``History(rows)`` is the way back."""
        return [dict(row) for row in self._rows]

    def to_csv(self, path: StrPath) -> None:
        """Write a CSV file, exact to the last bit, in one step (never half a file).

        Args:
            path: the file; an old one is replaced. A cell is empty where a row lacks the column.

        Raises:
            OSError: the file cannot be written.
        """
        files.write(path, self._rows, "csv")

    def to_json(self, path: StrPath) -> None:
        """Write a JSON file, exact to the last bit, in one step (never half a file).

        Args:
            path: the file; an old one is replaced. It holds a list of objects, a row in a line;
                nan and infinity, which JSON lacks, are the texts "nan", "inf" and "-inf".

        Raises:
            OSError: the file cannot be written.
        """
        files.write(path, self._rows, "json")

    @classmethod
    def from_csv(cls, path: StrPath) -> History:
        """Read what `to_csv` wrote; the result equals what was written.

        Args:
            path: the CSV file.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is damaged or is something else; names the file and the line.
        """
        return cls(files.parse_csv(os.fsdecode(path), _content(path)))

    @classmethod
    def from_json(cls, path: StrPath) -> History:
        """Read what `to_json` wrote; the result equals what was written.

        Args:
            path: the JSON file.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is damaged or is something else; names the file and the line.
        """
        return cls(files.parse_json(os.fsdecode(path), _content(path)))

    def keep_in(self, path: StrPath) -> None:
        """Write a file now, and every row that is appended from now on, at once.

        A process that is killed leaves a whole file with all rows that were appended. The file
        cannot be written at some later time (a full disk): a warning says so, once, the history
        goes on in memory, and the file catches up as soon as it can.

        Args:
            path: a name that ends in .csv or .json; an earlier file is replaced.

        Raises:
            ValueError: another ending.
            OSError: the file cannot be written now.
        """
        self._file = files.HistoryFile(path, self._rows)

    def plot(
        self,
        path: StrPath | None = None,
        *,
        title: str | None = None,
        metrics: Sequence[str] | None = None,
    ) -> Figure:
        """Draw the losses, the metrics below them, and mark the best epoch.

        Args:
            path: where to save the figure too: a name that ends in .png or .svg.
            title: a line above the figure.
            metrics: which metrics to show ("accuracy", …). Default: all there are.

        Raises:
            ValueError: nothing to draw, an unknown metric, or another ending of the path.
            OSError: the file cannot be written.
        """
        from nnlite.train.plot import plot_history

        return plot_history(self, path, title=title, metrics=metrics)

    def __repr__(self) -> str:
        if not self._rows:
            return "History: no epochs yet"
        plural = "" if len(self) == 1 else "s"
        heading = f"History: {len(self)} epoch{plural}"
        best = None
        monitor = self._default_monitor()
        if monitor is not None:
            best = self._best_index("repr", monitor, "min")
            value = self._rows[best][monitor]
            heading += f", best {monitor} {_short(value)} at epoch {self.epochs()[best]}"
        return heading + "\n" + self._table(best)

    def _table(self, best: int | None) -> str:
        columns = self.columns
        places = list(range(len(self)))
        if len(places) > _SHOWN:
            places = places[: _SHOWN // 4] + places[-_SHOWN // 2 :]
        cells = [["", *columns]]
        for place in places:
            row = self._rows[place]
            if cells[1:] and place - 1 not in places:
                cells.append(["", *("…" for _ in columns)])
            mark = "*" if place == best else ""
            cells.append([mark, *(_short(row[name]) if name in row else "" for name in columns)])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for row_cells in cells:
            aligned = [
                cell.rjust(width) for cell, width in zip(row_cells[1:], widths[1:], strict=True)
            ]
            lines.append((row_cells[0].ljust(2) + "  ".join(aligned)).rstrip())
        return "\n".join(lines)

    def _default_monitor(self) -> str | None:
        for name in ("valid_loss", "train_loss"):
            if any(not math.isnan(row.get(name, math.nan)) for row in self._rows):
                return name
        return None

    def _best_index(self, function: str, monitor: str | None, mode: Mode | None) -> int:
        if mode not in (None, "min", "max"):
            raise ValueError(f"{function}: mode must be 'min' or 'max', not {mode!r}")
        if monitor is None:
            monitor = self._default_monitor()
            if monitor is None:
                raise ValueError(f"{function}: no epoch has a loss yet; name a column to monitor")
        values = self[monitor]
        sign = 1.0 if (mode or metric_mode(monitor)) == "min" else -1.0
        ranked = [(sign * value, place) for place, value in enumerate(values) if value == value]
        if not ranked:
            raise ValueError(f"{function}: {monitor!r} is nan in every epoch")
        return min(ranked)[1]

    def _require(self, column: str) -> None:
        if any(column in row for row in self._rows):
            return
        names = ", ".join(self.columns) or "none, it is empty"
        raise KeyError(f"the history has no column {column!r}; it has {names}")


def learning_rates(optimizer: Any) -> Row:
    """The learning rates of an optimizer as columns of a history: ``lr``, then ``lr_1`` …

    Args:
        optimizer: its first group gives ``lr``, the others ``lr_1``, ``lr_2`` …

    Returns:
        Column name to learning rate; nan for a group that has none.

    >>> from nnlite import nn, optim
    >>> body, head = nn.Linear(3, 4), nn.Linear(4, 1)
    >>> groups = [{"params": body.parameters(), "lr": 0.001}, {"params": head.parameters()}]
    >>> learning_rates(optim.SGD(groups, lr=0.1))
    {'lr': 0.001, 'lr_1': 0.1}
    """
    rates = {}
    for place, group in enumerate(optimizer.param_groups):
        rates["lr" if place == 0 else f"lr_{place}"] = float(group.get("lr", math.nan))
    return rates


def _content(path: StrPath) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _name(column: object) -> str:
    if not isinstance(column, str):
        raise TypeError(f"History: a column name must be a string, not {column!r}")
    return column


def _number(column: str, value: SupportsFloat | SupportsIndex) -> float:
    """A Python int where the value is one, else a float."""
    if isinstance(value, np.bool_):  # older NumPy warns when one is used as an integer
        return int(value)
    try:
        return int(operator.index(cast(SupportsIndex, value)))
    except TypeError:
        pass
    try:
        if isinstance(value, str):
            raise TypeError("a string")
        return float(value)
    except (TypeError, ValueError) as error:
        kind = type(value).__name__
        raise TypeError(f"History: {column!r} must be a number, not {kind} ({error})") from None


def _same(one: Row, other: Row) -> bool:
    return one.keys() == other.keys() and all(
        value == other[name] or (value != value and other[name] != other[name])
        for name, value in one.items()
    )


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"
