"""CSV files in pieces, for those that memory does not hold: learnt from and read in blocks of rows.

The rules are those of `read_csv`, and so are the messages; they name line and column.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from nnlite.io.csvfile import (
    BLOCK,
    CATEGORY,
    NUMBER,
    Columns,
    CsvFile,
    Record,
    StrPath,
    as_number,
    check_text,
    floats,
)
from nnlite.io.features import MOST_CATEGORIES, Category, Number, check_few, too_large
from nnlite.io.table import Table

__all__ = ["CsvStream", "Summary"]

Progress = Callable[[int, int], None]

_MOST_KNOWN = 10_000  # cells whose kind is remembered


class CsvStream:
    """A CSV file that is read in blocks of rows, as often as one likes.

    Args:
        path: the file, in UTF-8, delimited by comma, semicolon or tab.

    Raises:
        OSError, ValueError: it cannot be read, or is no CSV.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = os.fspath(path)
        self._reading: TextIO | None = None
        _check_start(self.path)
        with self._naming_bad_bytes():
            self.file = CsvFile(self.path, self._open)

    def learn(
        self,
        *,
        required: Collection[str] = (),
        kinds: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        progress: Progress | None = None,
    ) -> tuple[dict[str, Summary], int]:
        """Read the file once: what is in each column, and the number of rows.

        Args:
            required, kinds, drop: as for `read_columns`.
            progress: called now and then with the bytes read so far and the size of the file.

        Raises:
            KeyError: a column is not there.
            ValueError: the file is no sound table; the message names line and column.
        """
        names = self.file.wanted(required, kinds, drop)
        told = kinds or {}
        summaries = {name: Summary(self.file, name, told.get(name)) for name in names}
        places = [self.file.header.index(name) for name in names]
        count = 0
        for block in self._blocks():
            count += len(block)
            lines = np.array([line for line, _ in block], dtype=np.int64)
            cells = list(zip(*[row for _, row in block]))
            for summary, place in zip(summaries.values(), places):
                summary.add(cells[place], lines)
            if progress is not None and count % (64 * BLOCK) < BLOCK:
                progress(*self._position())
        if not count:
            raise ValueError(f"{self.path}: there are no rows below the column names")
        for summary in summaries.values():
            summary.finish()
        if progress is not None:
            size = os.path.getsize(self.path)
            progress(size, size)
        return summaries, count

    def tables(self, kinds: Mapping[str, str], rows: int, share: int, of: int) -> Iterator[Table]:
        """The file as tables of so many rows.

        Args:
            kinds: the kind of each column to read.
            rows: of a table; the last one may have fewer.
            share, of: give every ``of``-th table, from number ``share`` on.

        Raises:
            KeyError, ValueError: as `learn`.
        """
        names = self.file.wanted((), kinds, ())
        places = {name: self.file.header.index(name) for name in names}
        for number, block in enumerate(self._blocks(rows)):
            if number % of == share:
                yield self._table(block, places, kinds)

    def count(self) -> int:
        """The number of rows, of which nothing but their lengths is looked at."""
        return sum(len(block) for block in self._blocks())

    def _table(
        self, block: list[Record], places: Mapping[str, int], kinds: Mapping[str, str]
    ) -> Table:
        lines = np.array([line for line, _ in block], dtype=np.int64)
        parts: dict[str, list[NDArray[np.generic]]] = {name: [] for name in places}
        for start in range(0, len(block), BLOCK):
            cells = list(zip(*[row for _, row in block[start : start + BLOCK]]))
            here = lines[start : start + BLOCK]
            for name, place in places.items():
                parts[name].append(self._values(name, cells[place], here, kinds[name]))
        columns: Columns = {name: np.concatenate(values) for name, values in parts.items()}
        return Table.trusted(columns, lines, self.path)

    def _values(
        self, name: str, cells: tuple[str, ...], lines: NDArray[np.int64], kind: str
    ) -> NDArray[np.generic]:
        values = floats(cells) if kind == NUMBER else None
        if values is not None:
            return values
        return self.file.judge(name, [cell.strip() for cell in cells], lines, kind)

    def _blocks(self, rows: int = BLOCK) -> Iterator[list[Record]]:
        with self._naming_bad_bytes():
            records = self.file.rows()
            while block := list(islice(records, rows)):
                yield block

    def _open(self) -> TextIO:
        self._reading = open(self.path, encoding="utf-8-sig", newline="")  # noqa: SIM115
        return self._reading

    def _position(self) -> tuple[int, int]:
        done = self._reading.buffer.tell() if self._reading and not self._reading.closed else 0
        return done, os.path.getsize(self.path)

    def _naming_bad_bytes(self) -> _BadBytes:
        return _BadBytes(self.path)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_reading": None}


class _BadBytes:
    """Turns the decoder's error, which knows no line, into one that does."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if not isinstance(error, UnicodeDecodeError):
            return
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as bad:
                    raise ValueError(
                        f"{self.path}, line {number}: byte 0x{line[bad.start]:02x} is not UTF-8: "
                        "save the file as CSV in UTF-8"
                    ) from None


def _check_start(path: str) -> None:
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a directory: name a CSV file in it")
    try:
        with open(path, "rb") as file:
            check_text(path, file.read(4))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None


class Summary:
    """What one pass over a column has shown: its kind, and mean, deviation or texts.

    Args:
        file: where the column is.
        name: its name.
        told: its kind, if that is given.
    """

    def __init__(self, file: CsvFile, name: str, told: str | None) -> None:
        self.file = file
        self.name = name
        self.kind = told or ""
        self.values: set[str] | None = set()
        """The different cells; None when they are too many for categories."""
        self.low = np.inf
        self.high = -np.inf
        self._numbers = 0
        self._mean = 0.0
        self._square = 0.0  # the sum of squares of the differences from the mean
        self._texts = 0
        self._first_texts: list[str] = []
        self._first: tuple[str, NDArray[np.int64]] | None = None
        self._known: dict[str, float | None] = {}

    def add(self, cells: tuple[str, ...], lines: NDArray[np.int64]) -> None:
        """Take in the cells of some rows."""
        values = None if self.kind == CATEGORY else floats(cells)
        if values is None:
            stripped = [cell.strip() for cell in cells]
            self._add_singly(stripped, lines)
        else:
            stripped = list(cells)
            self._add_numbers(values)
        if self.values is not None:
            self.values.update([cell.strip() for cell in stripped])
            if len(self.values) > MOST_CATEGORIES:
                self._first_texts = sorted(self.values)
                self.values = None

    def _add_singly(self, cells: list[str], lines: NDArray[np.int64]) -> None:
        if self.kind:
            judged = self.file.judge(self.name, cells, lines, self.kind)
            if self.kind == NUMBER:
                self._add_numbers(judged.astype(np.float64))
            else:
                self._texts += len(cells)
            return
        new = [cell for cell in set(cells) if cell not in self._known]
        if new:  # raises for missing values
            self.file.judge(self.name, cells, lines, CATEGORY)
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
            new = list(set(cells))
        for cell in new:
            self._known[cell] = as_number(cell)
        numbers = [self._known[cell] for cell in cells]
        found = [number for number in numbers if number is not None]
        self._texts += len(cells) - len(found)
        if found and not np.isfinite(found).all():
            infinite = [not (n is None or np.isfinite(n)) for n in numbers]
            row = infinite.index(True)
            self.file.judge(self.name, [cells[row]], lines[row : row + 1], NUMBER)  # raises
        if len(found) < len(cells) and self._first is None:
            row = numbers.index(None)
            self._first = cells[row], lines[row : row + 1]
        if found:
            self._add_numbers(np.array(found))

    def _add_numbers(self, values: NDArray[np.float64]) -> None:
        """Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm", 1979."""
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        count, total = len(values), self._numbers + len(values)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            step = mean - self._mean
            square = float(np.square(values - mean).sum())
            self._mean += step * count / total
            self._square += square + step * step * self._numbers * count / total
        self._numbers = total

    def finish(self) -> None:
        """Settle the kind; raises ``ValueError`` for texts in a column of numbers."""
        if self.kind:
            return
        rows = self._numbers + self._texts
        self.kind = CATEGORY if 2 * self._texts > rows else NUMBER
        if self.kind == NUMBER and self._first is not None:
            text, line = self._first
            self.file.judge(self.name, [text], line, NUMBER)  # raises

    @property
    def rows(self) -> int:
        """How many there were."""
        return self._numbers + self._texts

    def feature(self) -> Number | Category:
        """What was learnt, as a `Preprocessor` holds it.

        Raises:
            ValueError: texts that look like identifiers, or numbers that are too large.
        """
        if self.kind == CATEGORY:
            return Category(self.name, self.categories())
        if self.low == self.high:
            return Number(self.name, self.low, 1.0)
        std = float(np.sqrt(self._square / self._numbers))
        if not np.isfinite(std) or not np.isfinite(self._mean):
            raise too_large(self.file.path, self.name, self.low, self.high)
        return Number(self.name, self._mean, std or 1.0)

    def categories(self) -> tuple[str, ...]:
        """The different texts, sorted; raises ``ValueError`` if they are too many."""
        found = self._first_texts if self.values is None else sorted(self.values)
        check_few(self.file.path, self.name, found, self.rows, cut=self.values is None)
        return tuple(found)
