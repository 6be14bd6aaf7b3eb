"""The file of a History, CSV or JSON: written as the training goes, read back exactly.

A row is added with a single write at the end of the file, so a process that is killed leaves a
whole file; whatever cannot be added so is written afresh and replaces the file in one step.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Row = dict[str, float]
    StrPath = str | os.PathLike[str]

__all__ = ["HistoryFile", "columns_of", "ending_of", "parse_csv", "parse_json", "write"]

_JSON_END = "\n]\n"


class HistoryFile:
    """Keeps a file up to date with rows that grow, or are cut back.

    Args:
        path: a name that ends in .csv or .json; an earlier file is replaced.
        rows: what it holds at first.

    Raises:
        ValueError: another ending.
        OSError: the file cannot be written.
    """

    __slots__ = ("_columns", "_kind", "_size", "_warned", "_written", "path")

    _columns: list[str] | None

    def __init__(self, path: StrPath, rows: Sequence[Row] = ()) -> None:
        self._kind = ending_of(path)
        self.path = os.path.abspath(os.fsdecode(path))
        self._warned = False
        self._rewrite(rows)

    def update(self, rows: Sequence[Row]) -> None:
        """Write what is new. A file that cannot be written any more is warned of, once.

        Args:
            rows: all of them; those that were written before have not changed since.
        """
        try:
            if not self._append(rows):
                self._rewrite(rows)
        except OSError as error:
            self._columns = None  # whatever the file holds now is replaced as soon as that works
            if not self._warned:
                self._warned = True
                what = "the history goes on in memory, and into the file when it can be written"
                warnings.warn(f"History: {error}; {what}", stacklevel=3)

    def _rewrite(self, rows: Sequence[Row]) -> None:
        self._columns = None
        self._size = write(self.path, rows, self._kind)
        self._written = len(rows)
        self._columns = columns_of(rows)

    def _append(self, rows: Sequence[Row]) -> bool:
        """Add the new rows at the end; False where the file must be written afresh."""
        new = rows[self._written :]
        known = self._columns
        if not known or len(rows) < self._written:
            return False
        is_csv = self._kind == "csv"
        if is_csv and any(name not in known for row in new for name in row):
            return False
        text = "".join(_csv_line(row, known) for row in new) if is_csv else _json_more(new)
        place = self._size - (0 if is_csv else len(_JSON_END))
        content = text.encode()
        if not new:
            return True
        try:
            with open(self.path, "r+b", buffering=0) as file:
                if file.seek(0, os.SEEK_END) != self._size:
                    return False  # somebody else has written to it
                file.seek(place)
                if file.write(content) != len(content):
                    return False
        except FileNotFoundError:
            return False
        self._size = place + len(content)
        self._written = len(rows)
        return True


def write(path: StrPath, rows: Sequence[Row], kind: str) -> int:
    """Write a file of the kind "csv" or "json" in one step.

    Returns:
        How many bytes it has.

    Raises:
        OSError: the file cannot be written.
    """
    from nnlite.io.atomic import write_bytes

    if kind == "csv":
        columns = columns_of(rows)
        text = _csv_cells(columns) + "".join(_csv_line(row, columns) for row in rows)
    else:
        text = "[" + _json_more(rows)[1:] if rows else "[" + _JSON_END
    content = text.encode()
    write_bytes(path, content)
    return len(content)


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Names of all columns, in the order of their first appearance."""
    return list(dict.fromkeys(column for row in rows for column in row))


def parse_csv(path: str, content: bytes) -> list[Row]:
    """Read the rows of a CSV file.

    Raises:
        ValueError: it is damaged; names the file and the line.
    """
    import csv
    import io

    def damaged(line: int, what: str) -> ValueError:
        return ValueError(f"{path}, line {line}: {what}; this is no whole history file")

    text = _decoded(content, damaged)
    if not text.endswith(("\n", "\r")):
        raise damaged(text.count("\n") + 1, "the line has no end, so it may be cut short")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    try:
        columns = next(reader)
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise damaged(reader.line_num, f"column {twice!r} occurs twice")
        for cells in reader:
            if len(cells) != len(columns):
                what = f"{len(cells)} cells under {len(columns)} column names"
                raise damaged(reader.line_num, what)
            pairs = zip(columns, cells, strict=True)
            rows.append({name: _cell(cell) for name, cell in pairs if cell})
    except _NotANumberError as error:
        raise damaged(reader.line_num, f"{error.args[0]!r} is not a number") from None
    except csv.Error as error:
        raise damaged(reader.line_num, str(error)) from None
    return rows


def parse_json(path: str, content: bytes) -> list[Row]:
    """Read the rows of a JSON file: a list of objects, whose numbers that JSON lacks are texts.

    Raises:
        ValueError: it is damaged; names the file and the line, or the row.
    """
    import json

    def damaged(line: int, what: str) -> ValueError:
        return ValueError(f"{path}, line {line}: {what}; this is no whole history file")

    def row_of(pairs: list[tuple[str, Any]]) -> Row:
        row = {}
        for name, value in pairs:
            if name in row:
                raise _NotANumberError(f"column {name!r} occurs twice")
            if isinstance(value, str) and value in ("nan", "inf", "-inf"):
                value = float(value)
            if type(value) not in (int, float):
                raise _NotANumberError(f"{value!r} is not a number")
            row[name] = value
        return row

    text = _decoded(content, damaged)
    try:
        tree = json.loads(text, object_pairs_hook=row_of)
    except json.JSONDecodeError as error:
        raise damaged(error.lineno, error.msg) from None
    except _NotANumberError as error:
        raise ValueError(f"{path}: {error}; this is no whole history file") from None
    if not isinstance(tree, list) or not all(isinstance(row, dict) for row in tree):
        raise ValueError(f"{path}: this is no list of rows, so it is no history file")
    return tree


class _NotANumberError(Exception):
    pass


def ending_of(path: StrPath) -> str:
    """The kind of file that a path names, "csv" or "json".

    Raises:
        ValueError: another ending.
    """
    ending = os.path.splitext(os.fsdecode(path))[1].lower()
    if ending not in (".csv", ".json"):
        name = os.fsdecode(path)
        raise ValueError(f"History: the file name must end in .csv or .json, not {name!r}")
    return ending[1:]


def _decoded(content: bytes, damaged: Callable[[int, str], ValueError]) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise damaged(content.count(b"\n", 0, error.start) + 1, "not UTF-8 text") from None
    if not text:
        raise damaged(1, "the file is empty")
    if "\0" in text:
        raise damaged(text.count("\n", 0, text.index("\0")) + 1, "a zero byte")
    return text


def _cell(cell: str) -> float:
    for kind in (int, float):
        try:
            if "_" not in cell:
                return kind(cell)
        except ValueError:
            continue
    raise _NotANumberError(cell)


def _csv_line(row: Row, columns: Sequence[str]) -> str:
    return _csv_cells([repr(row[name]) if name in row else "" for name in columns])


def _csv_cells(cells: Sequence[str]) -> str:
    import csv
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _json_more(rows: Sequence[Row]) -> str:
    """Rows that follow others, and the end of the file; without them only the first comma goes."""
    import json

    lines = []
    for row in rows:
        values = {n: v if v - v == 0 else repr(v) for n, v in row.items()}  # JSON has no nan
        lines.append(",\n" + json.dumps(values, ensure_ascii=False, allow_nan=False))
    return "".join(lines) + _JSON_END
