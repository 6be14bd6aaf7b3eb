"""From a CSV file to columns of numbers and columns of text, or one line that says what is wrong.

`read_columns` reads a file in two passes: the first turns blocks of rows into numbers column by
column, the second looks again at the columns where that failed and either takes them as text or
names the first bad value. `CsvFile` is also what streams a file (`nnlite.io.csvstream`).
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from nnlite.io.messages import is_missing, listed, no_column, show

StrPath = str | os.PathLike[str]
Columns = dict[str, NDArray[np.generic]]
Record = tuple[int, list[str]]

NUMBER = "number"
CATEGORY = "category"
KINDS = (NUMBER, CATEGORY)

BLOCK = 64  # rows; the cells stay in the cache: with 512 the reading takes half as long again


def read_columns(
    path: StrPath,
    *,
    required: Collection[str] = (),
    kinds: Mapping[str, str] | None = None,
    drop: Collection[str] = (),
) -> tuple[Columns, NDArray[np.int64]]:
    """Read the columns of a CSV file: float64 arrays of numbers, object arrays of texts.

    Args:
        path: the file; UTF-8, delimited by comma, semicolon or tab, column names in its first line.
        required: names of columns that must be there.
        kinds: for each column to read ``"number"`` or ``"category"``; columns named in neither
            ``kinds`` nor ``required`` are not looked at. None: every column; one in which more
            than half of the values are texts is a category, any other holds numbers.
        drop: names of columns not to read.

    Returns:
        the columns in the order of the file, and the line in which each row starts, counted from
        one as an editor shows it.

    Raises:
        OSError: the file cannot be read.
        KeyError: a required column is not there.
        ValueError: the file is not a sound table; the message names the line and the column.
    """
    data = _bytes(os.fspath(path))

    def opened() -> TextIO:
        return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")

    return CsvFile(path, opened).read(required, kinds, drop)


def as_number(text: str) -> float | None:
    """The number that a text stands for, or None; ``1_000`` is no number here.

    >>> as_number("1e3"), as_number("1_000")
    (1000.0, None)
    """
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


class CsvFile:
    """One file on its way to columns: how it is delimited, and its header.

    Args:
        path: its name, for messages.
        opened: gives its text from the start, each time that it is called.
    """

    __slots__ = ("delimiter", "header", "opened", "path")

    def __init__(self, path: StrPath, opened: Callable[[], TextIO]) -> None:
        self.path = os.fspath(path)
        self.opened = opened
        self.delimiter = self._sniff()
        self.header = self._header()

    def read(
        self, required: Collection[str], kinds: Mapping[str, str] | None, drop: Collection[str]
    ) -> tuple[Columns, NDArray[np.int64]]:
        wanted = self.wanted(required, kinds, drop)
        told = kinds or {}
        numeric = [name for name in wanted if told.get(name) != CATEGORY]
        columns, lines = self._numbers(numeric)
        if not len(lines):
            raise ValueError(f"{self.path}: there are no rows below the column names")
        others = [name for name in wanted if name not in columns]
        if others:
            for name, cells in self._texts(others).items():
                columns[name] = self.judge(name, cells, lines, told.get(name))
        return {name: columns[name] for name in wanted}, lines

    def wanted(
        self, required: Collection[str], kinds: Collection[str] | None, drop: Collection[str]
    ) -> list[str]:
        """The names of the columns to read, in the order of the file."""
        absent = [name for name in [*required, *(kinds or ()), *drop] if name not in self.header]
        if absent:
            raise no_column(self.path, absent, self.header)
        return [
            name
            for name in self.header
            if name not in drop and (kinds is None or name in kinds or name in required)
        ]

    def _numbers(self, names: list[str]) -> tuple[Columns, NDArray[np.int64]]:
        """The columns that hold finite numbers and nothing else, and the line of each row."""
        index = {name: self.header.index(name) for name in names}
        blocks: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
        lines: list[int] = []
        records = self.rows()
        while block := list(islice(records, BLOCK)):
            lines += [line for line, _ in block]
            cells = list(zip(*[row for _, row in block]))
            for name in list(blocks):
                values = floats(cells[index[name]])
                if values is None:
                    del blocks[name]
                else:
                    blocks[name].append(values)
        columns: Columns = {name: np.concatenate(parts) for name, parts in blocks.items() if parts}
        return columns, np.array(lines, dtype=np.int64)

    def _texts(self, names: list[str]) -> dict[str, list[str]]:
        """The stripped cells of some columns; equal texts are one object."""
        index = [(self.header.index(name), list[str]()) for name in names]
        known: dict[str, str] = {}
        for _, row in self.rows():
            for column, cells in index:
                cell = row[column].strip()
                cells.append(known.setdefault(cell, cell))
        return {name: cells for name, (_, cells) in zip(names, index)}

    def judge(
        self, name: str, cells: list[str], lines: NDArray[np.int64], kind: str | None
    ) -> NDArray[np.generic]:
        """Stripped cells as texts, or numbers where all are; or say what is wrong with them."""
        counts = Counter(cells)

        def fault(wrong: Collection[str], message: str) -> ValueError:
            row = next(i for i, cell in enumerate(cells) if cell in wrong)
            place = f"{self.path}, line {lines[row]}, column {show(name)}"
            return ValueError(f"{place}: {message.format(show(cells[row]))}")

        missing = {cell for cell in counts if is_missing(cell)}
        if missing:
            raise fault(
                missing,
                "the value is missing ({}): fill it in, delete the line, or drop the column",
            )
        if kind == CATEGORY:
            return np.array(cells, dtype=object)
        numbers = {cell: number for cell in counts if (number := as_number(cell)) is not None}
        text = counts.keys() - numbers
        if text:
            if all(as_number(cell.replace(",", "")) is not None for cell in text):
                raise fault(text, "{} has a comma: write numbers like 1234.5")
            if kind is None and 2 * sum(counts[cell] for cell in text) > len(cells):
                return np.array(cells, dtype=object)
            raise fault(text, "{} is text in a column of numbers: correct it or drop the column")
        infinite = {cell for cell, number in numbers.items() if math.isinf(number)}
        if infinite:
            raise fault(infinite, "{} is no finite number: correct it or delete the line")
        return np.array([numbers[cell] for cell in cells], dtype=np.float64)

    def rows(self) -> Iterator[Record]:
        """The rows below the header, each as long as it, with the line in which it starts."""
        width = len(self.header)
        records = _records(self.path, self.opened, self.delimiter)
        next(records)
        for line, row in records:
            if len(row) != width:
                if len(row) < width or any(row[width:]):
                    raise self._ragged(line, row)
                del row[width:]
            yield line, row

    def _ragged(self, line: int, row: list[str]) -> ValueError:
        width = len(self.header)
        if len(row) < width:
            cure = f"the last columns, from {show(self.header[len(row)])} on, have none"
        else:
            cure = f"a value that contains {self.delimiter!r} must stand in double quotes"
        count = f"{len(row)} value{'s' * (len(row) != 1)} for {width} column{'s' * (width != 1)}"
        return ValueError(f"{self.path}, line {line}: {count}: {cure}")

    def _sniff(self) -> str:
        """The delimiter that splits the header most often, and the first row just as often."""
        best = (False, False, 0)
        chosen = ","
        for delimiter in ",;\t":
            try:
                records = _records(self.path, self.opened, delimiter)
                lengths = [len(row) for _, row in islice(records, 2)]
            except ValueError:
                continue
            if lengths:
                score = (lengths[0] > 1, lengths[0] == lengths[-1], lengths[0])
                if score > best:
                    best = score
                    chosen = delimiter
        return chosen

    def _header(self) -> list[str]:
        line, cells = next(_records(self.path, self.opened, self.delimiter), (1, []))
        header = [cell.strip() for cell in cells]
        while header and not header[-1]:  # spreadsheets leave delimiters behind
            header.pop()
        if not header:
            raise ValueError(f"{self.path} is empty: a line of column names and rows are needed")
        place = f"{self.path}, line {line}"
        if len(header) == 1 and "|" in header[0]:
            raise ValueError(
                f"{place}: is '|' the separator? Values are separated by commas, semicolons or "
                "tabs: save the file with one of these"
            )
        if "" in header:
            raise ValueError(f"{place}: column {header.index('') + 1} has no name: give it one")
        if all(_is_finite(name) for name in header):
            raise ValueError(
                f"{place}: numbers stand where the column names belong "
                f"({listed(header)}): put a line of names above them"
            )
        twice = [name for name, count in Counter(header).items() if count > 1]
        if twice:
            places = [i + 1 for i, name in enumerate(header) if name == twice[0]]
            raise ValueError(
                f"{place}: columns {' and '.join(map(str, places))} have the same name "
                f"{show(twice[0])}: rename one"
            )
        return header


def _records(path: str, opened: Callable[[], TextIO], delimiter: str) -> Iterator[Record]:
    """The records of the file with the line in which each starts; blank lines are left out.

    In a file of one column a blank line is a missing value, unless nothing follows it.
    """
    with opened() as stream:
        yield from _parsed(path, stream, delimiter)


def _parsed(path: str, stream: TextIO, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
    width = 0
    blank: list[int] = []
    start = 1
    try:
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                if width == 1:
                    blank.append(start)
            else:
                if blank:
                    yield from ((line, [""]) for line in blank)
                    blank.clear()
                width = width or len(row)
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        message = str(error)
        if "unexpected end of data" in message or "field limit" in message:
            message = (
                "a double quote that opens a value here is never closed: close it, or write a "
                'quote within a value as ""'
            )
        raise ValueError(f"{path}, line {start}: {message}") from None


def _is_finite(text: str) -> bool:
    number = as_number(text)
    return number is not None and math.isfinite(number)


def floats(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """The cells as numbers, or None where one is no finite number."""
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        return None
    if "_" in "".join(cells) or not np.isfinite(values).all():
        return None
    return values


def _bytes(path: str) -> bytes:
    """What the file holds, known to be text in UTF-8."""
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a directory: name a CSV file in it")
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    except OSError as error:
        raise type(error)(f"{path} cannot be read: {error.strerror}") from error
    check_text(path, data)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {_line(data, error.start)}: byte 0x{data[error.start]:02x} at offset "
            f"{error.start} is not UTF-8: save the file as CSV in UTF-8"
        ) from None
    if b"\0" in data:
        offset = data.index(b"\0")
        raise ValueError(
            f"{path}, line {_line(data, offset)}: byte 0x00 at offset {offset} does not belong "
            "in a text: the file is damaged or no CSV"
        )
    return data


def check_text(path: str, start: bytes) -> None:
    """Raise ``ValueError`` if a file that starts so is a known kind that is no text in UTF-8."""
    if start.startswith(b"PK\x03\x04"):
        raise ValueError(f"{path} is a spreadsheet or ZIP file, not text: export it as CSV")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path} is text in UTF-16: save it as CSV in UTF-8")


def _line(data: bytes, offset: int) -> int:
    return len((data[:offset] + b"x").splitlines())
