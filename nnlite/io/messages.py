"""What the readers of tables share: which texts are missing values, and wording for errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LONGEST_VALUE = 40
LONGEST_LIST = 10
MISSING = frozenset({"", "?", "#n/a", "n/a", "na", "nan", "null"})


class ColumnNotFound(KeyError):
    """There is no column of that name; unlike `KeyError` it prints its message as written.

    >>> print(ColumnNotFound("no column 'agee'; did you mean 'age'?"))
    no column 'agee'; did you mean 'age'?
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def show(value: object) -> str:
    """A value quoted on one line, cut in the middle where it is long.

    >>> print(show("two\\nlines"))
    'two\\nlines'
    """
    text = repr(value)
    if len(text) <= LONGEST_VALUE:
        return text
    half = LONGEST_VALUE // 2 - 1
    return f"{text[:half]}…{text[-half:]}"


def listed(names: Iterable[object]) -> str:
    """Names with commas between them; of a long list the first ten and the number of all.

    >>> listed(["age", "height"])
    "'age', 'height'"
    """
    shown = [show(name) for name in names]
    if len(shown) <= LONGEST_LIST:
        return ", ".join(shown)
    return ", ".join([*shown[:LONGEST_LIST], f"… ({len(shown)} in all)"])


def drop_option(name: str) -> str:
    """The option of the command line that leaves a column out.

    >>> drop_option("id"), drop_option("row number")
    ('--drop id', "--drop 'row number'")
    """
    return f"--drop {name if name.replace('-', '_').isidentifier() else show(name)}"


def is_missing(text: str) -> bool:
    """Whether a text stands for a value that is not there.

    ``None`` is what Python writes for it; ``none`` may be a category.

    >>> [is_missing(text) for text in ("NA", "?", "None", "none", "0")]
    [True, True, True, False, False]
    """
    return text == "None" or text.casefold() in MISSING


def no_column(place: str, absent: Sequence[str], names: Sequence[str]) -> ColumnNotFound:
    """The error for columns that are not there, with the near names and those that there are.

    >>> print(no_column("data.csv", ["agee"], ["age", "height"]))
    data.csv: no column 'agee' (did you mean 'age'?); there are 'age', 'height'
    """
    wanted = [show(name) + _near(name, names) for name in dict.fromkeys(absent)]
    if len(wanted) > LONGEST_LIST:
        wanted = [*wanted[:LONGEST_LIST], f"… ({len(wanted)} in all)"]
    several = "s" * (len(wanted) > 1)
    there = f"there are {listed(names)}" if names else "there are none"
    return ColumnNotFound(f"{place}: no column{several} {', '.join(wanted)}; {there}")


def _near(name: str, names: Sequence[str]) -> str:
    import difflib

    same = [known for known in names if known.casefold() == name.casefold()]
    near = same or difflib.get_close_matches(name, names, n=2)
    return f" (did you mean {' or '.join(map(show, near))}?)" if near else ""
