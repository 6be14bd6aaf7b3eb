"""Tables with named columns, read from CSV files or made of arrays.

A `Table` holds complete, finite data: whoever builds one, from a file or from arrays, hears at
once of a missing value, with its place.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite.io.messages import drop_option, is_missing, listed, no_column, show

if TYPE_CHECKING:
    from nnlite.ops.random import Generator

StrPath = str | os.PathLike[str]

_FEW = 10  # values of a column that may be classes


class Table:
    """Named columns of equal length, each of finite numbers (float64) or of texts (objects).

    Args:
        columns: name → one-dimensional values. Integers and floats become numbers; texts and
            booleans become texts, without the white space around them.
        source: the file that the rows come from, for messages.
        lines: the line of the file in which each row starts.

    Raises:
        TypeError: a column holds something else.
        ValueError: columns differ in length, or a value is missing or not finite.

    >>> table = Table({"age": [31, 47, 52], "colour": ["red", "blue", "red"]})
    >>> len(table), table.names
    (3, ('age', 'colour'))
    >>> table["age"]
    array([31., 47., 52.])
    >>> table.take([2, 0])["age"]
    array([52., 31.])
    """

    __slots__ = ("columns", "lines", "source")
    columns: Mapping[str, NDArray[np.generic]]
    lines: NDArray[np.int64]
    source: str | None

    def __init__(
        self,
        columns: Mapping[str, ArrayLike],
        *,
        source: str | None = None,
        lines: ArrayLike | None = None,
    ) -> None:
        made = {name: _column(name, values) for name, values in columns.items()}
        lengths = {name: len(values) for name, values in made.items()}
        rows = next(iter(lengths.values()), 0)
        if any(length != rows for length in lengths.values()):
            raise ValueError(f"Table: columns differ in length: {lengths}")
        self.columns = MappingProxyType(made)
        self.source = source
        self.lines = np.arange(rows) if lines is None else np.asarray(lines, dtype=np.int64)
        if self.lines.shape != (rows,):
            raise ValueError(f"Table: lines has shape {self.lines.shape}, there are {rows} rows")

    @classmethod
    def trusted(
        cls,
        columns: Mapping[str, NDArray[np.generic]],
        lines: NDArray[np.int64],
        source: str | None,
    ) -> Table:
        """A table of columns that are known to be as a table's: no checks, no copies."""
        table = cls.__new__(cls)
        table.columns = MappingProxyType(dict(columns))
        table.lines = lines
        table.source = source
        return table

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self.columns)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        self.require([name])
        return self.columns[name]

    def __repr__(self) -> str:
        return f"Table({len(self)} rows from {self.where()}: {listed(self.names)})"

    def require(self, names: Sequence[str]) -> None:
        """Raise ``KeyError``, with near names, unless all these columns are there."""
        absent = [name for name in names if name not in self.columns]
        if absent:
            raise no_column(self.where(), absent, self.names)

    def where(self, row: int | None = None, name: str | None = None) -> str:
        """The place of a value in words: file and line, or row number of a table made of arrays.

        >>> Table({"age": [31, 47]}).where(1, "age")
        "table, row 1 (from 0), column 'age'"
        """
        words = [self.source or "table"]
        if row is not None:
            line = self.lines[row]
            words.append(f"row {line} (from 0)" if self.source is None else f"line {line}")
        if name is not None:
            words.append(f"column {show(name)}")
        return ", ".join(words)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as float64 (rows,); ``ValueError`` names the first text in it.

        >>> Table({"age": [31, 47]}).numbers("age")
        array([31., 47.])
        """
        values = self[name]
        if values.dtype != np.float64:
            raise ValueError(f"{self.where(0, name)}: {show(values[0])} is text, not a number")
        return values.astype(np.float64, copy=False)

    def texts(self, name: str) -> NDArray[np.object_]:
        """A column as texts, an object array (rows,); whole numbers are written without a point.

        >>> Table({"grade": [1, 2.5]}).texts("grade").tolist()
        ['1', '2.5']
        """
        values = self[name]
        if values.dtype == np.float64:
            return np.array([number_text(value) for value in values.tolist()], dtype=object)
        return values.astype(np.object_, copy=False)

    def take(self, rows: ArrayLike) -> Table:
        """The table of these rows, in this order.

        Args:
            rows: integers, or one boolean for each row.

        >>> Table({"age": [31, 47, 52]}).take([True, False, True])["age"]
        array([31., 52.])
        """
        index = np.asarray(rows)
        if index.size == 0:
            index = index.astype(np.intp)
        columns = {name: values[index] for name, values in self.columns.items()}
        return Table.trusted(columns, self.lines[index], self.source)

    def split(
        self, fraction: float, *, target: str | None = None, generator: Generator | None = None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Draw the rows to train on and the rows to hold out, each in the order of the table.

        Args:
            fraction: share of the rows to hold out, above 0 and below 1.
            target: a column whose values are to be equally frequent in both parts.
            generator: source of the drawing; None: the default one.

        Returns:
            two int arrays of row numbers for `take`. A row with a text that no training row has
            (a rare category) goes to training, so the second part can be a little smaller.

        Raises:
            ValueError: fraction out of range, or too few rows.

        >>> from nnlite.ops.random import Generator
        >>> table = Table({"x": range(10), "y": [0, 1] * 5})
        >>> train, valid = table.split(0.4, target="y", generator=Generator().manual_seed(0))
        >>> len(train), table.take(valid)["y"].tolist().count(0.0)
        (6, 2)
        """
        if not 0.0 < fraction < 1.0:
            raise ValueError(f"split: fraction is {fraction}, it must lie between 0 and 1")
        if generator is None:
            from nnlite.ops.random import default_generator

            generator = default_generator
        rows = len(self)
        order = generator.rng.permutation(rows)
        if target is not None:
            values = self[target].tolist()
            codes = {value: code for code, value in enumerate(sorted(set(values)))}
            order = order[np.argsort([codes[values[row]] for row in order], kind="stable")]
        count = held_out(fraction, rows)
        held = np.zeros(rows, dtype=bool)
        held[order[((np.arange(count) + 0.5) * rows / max(count, 1)).astype(np.intp)]] = True
        self._return_rare(held)
        if not held.any():
            raise ValueError(self._why_none_are_held())
        return np.flatnonzero(~held), np.flatnonzero(held)

    def _return_rare(self, held: NDArray[np.bool_]) -> None:
        """Clear ``held`` where a row has a text that no row outside has."""
        rare = np.zeros_like(held)
        for values in self.columns.values():
            if values.dtype != np.float64:
                known = set(values[~held].tolist())
                rare |= np.array([value not in known for value in values.tolist()], dtype=bool)
        held &= ~rare

    def _why_none_are_held(self) -> str:
        rows = len(self)
        kinds = {
            name: len(set(values.tolist()))
            for name, values in self.columns.items()
            if values.dtype != np.float64
        }
        most = max(kinds, key=lambda name: kinds[name], default="")
        if rows < 3 or kinds.get(most, 0) <= rows // 2:
            count = "1 row is" if rows == 1 else f"{rows} rows are"
            return f"{self.where()}: {count} too few to hold some out"
        return (
            f"{self.where(None, most)}: {kinds[most]} different texts in {rows} rows: no rows can "
            "be held out, since all their texts must be known from other rows: leave the column "
            f"out ({drop_option(most)})"
        )

    def write_csv(self, path: StrPath) -> None:
        """Write the table as CSV in UTF-8, in one step; `read_csv` gives the same values back.

        A text that reads like a number or like a missing value comes back as what it looks like.

        Args:
            path: the file to write.

        Raises:
            OSError: it cannot be written; an earlier file of that name is untouched.
        """
        from nnlite.io.atomic import atomic_write

        with atomic_write(path, "w") as file:
            file.write(",".join(map(_quoted, self.names)) + "\n")
            columns = [self.texts(name).tolist() for name in self.names]
            file.writelines(",".join(map(_quoted, row)) + "\n" for row in zip(*columns))


def held_out(fraction: float, rows: int) -> int:
    """How many rows are to be held out: the fraction, but at least one and not all.

    >>> held_out(0.2, 99), held_out(0.01, 10)
    (20, 1)
    """
    return min(max(round(fraction * rows), 1), rows - 1)


def read_csv(
    path: StrPath,
    *,
    target: str | None = None,
    columns: Mapping[str, str] | None = None,
    drop: Collection[str] = (),
) -> Table:
    """Read a CSV file: column names in its first line, delimited by comma, semicolon or tab.

    A column of which more than half of the values are texts becomes a category, any other must
    hold finite numbers throughout. White space around a value does not count, and neither do blank
    lines. Empty cells, ``NA``, ``N/A``, ``nan``, ``null``, ``None`` and ``?`` are missing values
    and refused.

    Args:
        path: the file, in UTF-8.
        target: a column that must be there and hold exactly two different values.
        columns: name → ``"number"`` or ``"category"``: besides ``target`` only these columns are
            read, each as said. None: all columns.
        drop: names of columns that are not looked at.

    Raises:
        OSError: the file cannot be read.
        KeyError: a column is not there; the message lists near names.
        ValueError: the file is no sound table; the message names line and column and the cure.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "data.csv")
    >>> Table({"age": [31, 47], "colour": ["red", "blue"]}).write_csv(path)
    >>> read_csv(path)["colour"]
    array(['red', 'blue'], dtype=object)
    >>> folder.cleanup()
    """
    from nnlite.io.csvfile import KINDS, read_columns

    for name, kind in (columns or {}).items():
        if kind not in KINDS:
            raise ValueError(
                f"read_csv: kind of column {show(name)} is {show(kind)}, not one of {KINDS}"
            )
    if target is not None and target in drop:
        raise ValueError(f"read_csv: the target column {show(target)} is among those to drop")
    required = () if target is None else (target,)
    arrays, lines = read_columns(path, required=required, kinds=columns, drop=drop)
    table = Table(arrays, source=os.fspath(path), lines=lines)
    if target is not None:
        binary_classes(table, target)
    return table


def builtin_table() -> Table:
    """The Wisconsin breast cancer data as a table: 30 columns of numbers, then ``diagnosis``.

    ``diagnosis`` is ``benign`` or ``malignant``; in sorted order malignant is class 1, the one
    whose probability is asked for (`nnlite.datasets.breast_cancer` numbers them the other way, as
    scikit-learn does).

    >>> table = builtin_table()
    >>> len(table), table["mean radius"][0].item(), table["diagnosis"][0]
    (569, 17.99, 'malignant')
    """
    from nnlite.datasets import breast_cancer

    data = breast_cancer()
    values = _decimals(data.x.numpy().astype(np.float64))
    columns: dict[str, ArrayLike] = dict(zip(data.columns, values.T))
    columns["diagnosis"] = [data.classes[code] for code in data.y.numpy().tolist()]
    return Table(columns, source="breast cancer data")


def binary_classes(table: Table, target: str, *, positive: object | None = None) -> tuple[str, str]:
    """The names of class 0 and class 1 of a column with exactly two different values.

    Args:
        table: the rows.
        target: name of the column.
        positive: the value that is to be class 1; None: the greater number, or the text that
            sorts last.

    Raises:
        KeyError: there is no such column.
        ValueError: it has not exactly two values, or ``positive`` is none of them.

    >>> binary_classes(Table({"ill": ["yes", "no", "yes"]}), "ill")
    ('no', 'yes')
    """
    values = sorted(set(table[target].tolist()))  # np.unique would import numpy.ma: 10 ms
    names = [number_text(value) if isinstance(value, float) else str(value) for value in values]
    place = table.where(None, target)
    if len(names) == 1:
        raise ValueError(
            f"{place}: every value is {show(names[0])}: rows of a second class are needed too"
        )
    if len(names) != 2:
        cure = "choose another column or keep the rows of two classes"
        if len(names) > _FEW and isinstance(values[0], float):
            cure = (
                "it looks continuous, and two classes are what can be told apart: make two of it, "
                "such as above and below a limit, or choose another column"
            )
        raise ValueError(
            f"{place}: a target has exactly two different values, this column {len(names):,} "
            f"({listed(names)}): {cure}"
        )
    first, second = names
    if positive is None:
        return first, second
    wanted = {str(positive)}
    if isinstance(positive, (int, float)):
        wanted.add(number_text(float(positive)))
    if wanted.isdisjoint(names):
        raise ValueError(f"{place}: positive is {show(positive)}, the classes are {listed(names)}")
    return (second, first) if first in wanted else (first, second)


def number_text(value: float) -> str:
    """A number as a table writes it: exact, without a point where it is whole.

    >>> number_text(2.0), number_text(0.1)
    ('2', '0.1')
    """
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _column(name: str, values: ArrayLike) -> NDArray[np.generic]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"Table: column {show(name)} has shape {array.shape}, not one dimension")
    if array.dtype.kind in "iuf":
        numbers = array.astype(np.float64)
        finite = np.isfinite(numbers)
        if not finite.all():
            row = int(np.argmin(finite))
            raise ValueError(f"Table: column {show(name)}, row {row} (from 0) is {numbers[row]}")
        return numbers
    cells: list[object] = array.tolist()
    texts: list[str] = []
    for row, cell in enumerate(cells):
        if not isinstance(cell, (str, bool)):
            raise TypeError(
                f"Table: column {show(name)}, row {row} (from 0) holds {show(cell)}: "
                "a column is all numbers or all texts"
            )
        texts.append(str(cell).strip())
        if is_missing(texts[-1]):
            raise ValueError(
                f"Table: column {show(name)}, row {row} (from 0) is missing ({show(cell)})"
            )
    return np.array(texts, dtype=object)


def _quoted(cell: str) -> str:
    if cell and not any(mark in cell for mark in ',;\t"\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'


def _decimals(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The decimal numbers of up to five digits that float32 had rounded: 17.99, not 17.98999977."""
    magnitude = np.floor(np.log10(np.where(values == 0.0, 1.0, np.abs(values))))
    scale = 10.0 ** (4.0 - magnitude)
    return np.rint(values * scale) / scale
