"""From one column of a table to the features that a network reads: numbers, or one of a few texts.

Each class learns from a column (`fit`), turns a column into float32 features (`encode`), and goes
to and from a dictionary that JSON can hold.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeGuard

import numpy as np
from numpy.typing import NDArray

from nnlite.io.messages import drop_option, listed, show

if TYPE_CHECKING:
    from nnlite.io.table import Table

MOST_CATEGORIES = 100


class Feature(ABC):
    """What was learnt about one column."""

    __slots__ = ("name",)
    kind: ClassVar[str]
    name: str

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of the features that the column becomes."""

    @abstractmethod
    def encode(self, table: Table, out: NDArray[np.float32]) -> None:
        """Write the column of ``table`` into ``out``, float32 zeros (rows, ``len(names)``)."""

    @abstractmethod
    def to_dict(self) -> dict[str, object]:
        """What was learnt, as JSON can hold it."""


class Number(Feature):
    """A column of numbers, standardised: (x − mean) / std."""

    __slots__ = ("mean", "std")
    kind = "number"

    def __init__(self, name: str, mean: float, std: float) -> None:
        self.name = name
        self.mean = mean
        self.std = std

    @classmethod
    def fit(cls, table: Table, name: str) -> Number:
        """Learn mean and standard deviation (that of all rows, not of a sample; 1 if constant)."""
        values = table.numbers(name)
        low = float(values.min())
        high = float(values.max())
        if low == high:
            return cls(name, low, 1.0)
        # On a scale of 0 to 1, where no square overflows or vanishes.
        spread = high - low
        if not math.isfinite(spread):
            raise too_large(table.where(), name, low, high)
        scaled = (values - low) / spread
        mean = low + spread * float(scaled.mean())
        return cls(name, mean, spread * float(scaled.std()) or 1.0)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the column."""
        return (self.name,)

    def encode(self, table: Table, out: NDArray[np.float32]) -> None:
        """Write (x − mean) / std; a result that float32 cannot hold raises ``ValueError``."""
        values = table.numbers(self.name)
        with np.errstate(over="ignore", under="ignore"):
            out[:, 0] = (values - self.mean) / self.std
        finite = np.isfinite(out[:, 0])
        if not finite.all():
            row = int(np.argmin(finite))
            raise ValueError(
                f"{table.where(row, self.name)}: {values[row]:g} is too far from the mean "
                f"{self.mean:g} and standard deviation {self.std:g} of the training data"
            )

    def to_dict(self) -> dict[str, object]:
        """Name, kind, mean and standard deviation."""
        return {"name": self.name, "kind": self.kind, "mean": self.mean, "std": self.std}


class Category(Feature):
    """A column that holds one of a few texts, one-hot: a feature for each, 1 where it stands."""

    __slots__ = ("categories",)
    kind = "category"

    def __init__(self, name: str, categories: tuple[str, ...]) -> None:
        self.name = name
        self.categories = categories

    @classmethod
    def fit(cls, table: Table, name: str) -> Category:
        """Learn the categories, sorted; refuse so many that the column looks like an identifier.

        There may be a category for every second row, at least 10 and at most 100.
        """
        categories = sorted(set(table.texts(name).tolist()))
        check_few(table.where(), name, categories, len(table))
        return cls(name, tuple(categories))

    @property
    def names(self) -> tuple[str, ...]:
        """``column=category`` for each category."""
        return tuple(f"{self.name}={category}" for category in self.categories)

    def encode(self, table: Table, out: NDArray[np.float32]) -> None:
        """Write 1 where a category stands; a category unknown in training raises ``ValueError``."""
        texts = table.texts(self.name)
        place = {category: i for i, category in enumerate(self.categories)}
        codes = np.array([place.get(text, -1) for text in texts], dtype=np.intp)
        if len(codes) and codes.min() < 0:
            row = int(np.argmin(codes))
            raise ValueError(
                f"{table.where(row, self.name)}: {show(texts[row])} was not in the training data, "
                f"which knows {listed(self.categories)}"
            )
        out[np.arange(len(codes)), codes] = 1.0

    def to_dict(self) -> dict[str, object]:
        """Name, kind and categories."""
        return {"name": self.name, "kind": self.kind, "categories": list(self.categories)}


def check_few(
    source: str, name: str, categories: Sequence[str], rows: int, *, cut: bool = False
) -> None:
    """Raise ``ValueError`` if a column has so many texts that it looks like an identifier.

    ``cut`` says that ``categories`` are only the first ones.
    """
    most = min(MOST_CATEGORIES, max(10, rows // 2))
    if len(categories) > most:
        count = f"more than {MOST_CATEGORIES}" if cut else f"{len(categories)}"
        raise ValueError(
            f"{source}, column {show(name)}: {count} different texts in {rows} rows "
            f"({listed(categories[:3])}, …); at most {most} can be categories: leave the column "
            f"out ({drop_option(name)}), or correct its numbers if it should hold numbers"
        )


def too_large(source: str, name: str, low: float, high: float) -> ValueError:
    """The error for numbers whose squares overflow."""
    return ValueError(
        f"{source}, column {show(name)}: numbers from {low:g} to {high:g} are too large to "
        "standardise: use another unit"
    )


def feature_from_dict(state: object) -> Feature:
    """The feature that ``to_dict`` described; ``ValueError`` says what is wrong with ``state``."""
    if not isinstance(state, Mapping):
        raise ValueError(f"{show(state)} is no description of a column")
    name = state.get("name")
    kind = state.get("kind")
    if not isinstance(name, str):
        raise ValueError(f"name is {show(name)}, not a text")
    if kind == Number.kind:
        mean = _finite(name, "mean", state)
        std = _finite(name, "std", state)
        if std <= 0.0:
            raise ValueError(f"std of {show(name)} is {std}, not above 0")
        return Number(name, mean, std)
    if kind == Category.kind:
        categories = state.get("categories")
        if not is_distinct_texts(categories):
            raise ValueError(f"categories of {show(name)} are {show(categories)}, no list of texts")
        return Category(name, tuple(categories))
    raise ValueError(f"kind of {show(name)} is {show(kind)}, neither 'number' nor 'category'")


def is_distinct_texts(value: object) -> TypeGuard[list[str]]:
    """Whether a value is a list of one or more texts, each once."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(text, str) for text in value)
        and len(set(value)) == len(value)
    )


def _finite(name: str, key: str, state: Mapping[str, object]) -> float:
    value = state.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{key} of {show(name)} is {show(value)}, no finite number")
    return float(value)
