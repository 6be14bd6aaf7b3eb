"""Preprocessing: from the columns of a table to the float32 features that a network reads.

A `Preprocessor` learns from the training rows alone, is stored with the model, and turns every
later table into the same features or says which value it cannot take.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnlite.io.features import Category, Feature, Number, feature_from_dict, is_distinct_texts
from nnlite.io.messages import listed, show
from nnlite.io.table import Table, binary_classes, read_csv

StrPath = str | os.PathLike[str]

_KINDS: dict[str, type[Number] | type[Category]] = {
    Number.kind: Number,
    Category.kind: Category,
}


def _kind(values: NDArray[np.generic]) -> str:
    return Number.kind if values.dtype == np.float64 else Category.kind


class Preprocessor:
    """Columns to features, as learnt from the training rows: `fit` makes one.

    Numbers are standardised, (x − mean) / std; a category becomes one feature for each of its
    texts, 1 where it stands and 0 elsewhere.

    Args:
        target: name of the column to predict.
        target_kind: ``"number"`` or ``"category"``.
        classes: names of class 0 and class 1.
        features: what was learnt about each other column, in order.

    >>> from nnlite.io.table import Table
    >>> train = Table({"age": [30, 50], "colour": ["red", "blue"], "ill": ["no", "yes"]})
    >>> prep = Preprocessor.fit(train, "ill")
    >>> prep.feature_names
    ('age', 'colour=blue', 'colour=red')
    >>> prep.transform(Table({"colour": ["red"], "age": [60]}))
    array([[2., 0., 1.]], dtype=float32)
    >>> prep.targets(train)
    array([0, 1])
    """

    __slots__ = ("classes", "features", "target", "target_kind")

    def __init__(
        self,
        target: str,
        target_kind: str,
        classes: tuple[str, str],
        features: tuple[Feature, ...],
    ) -> None:
        self.target = target
        self.target_kind = target_kind
        self.classes = classes
        self.features = features

    @classmethod
    def fit(cls, table: Table, target: str, *, positive: object | None = None) -> Preprocessor:
        """Learn from the rows of ``table``, which are to be the training rows alone.

        Args:
            table: the target and one or more other columns.
            target: name of the column to predict, with exactly two different values.
            positive: the value that is to be class 1; None: the greater number, or the text that
                sorts last.

        Raises:
            KeyError: there is no such column.
            ValueError: the target is not binary, no other column is there, or a column of texts
                has so many that it looks like an identifier (more than 100, or more than half of
                the rows where that is above 10).
        """
        classes = binary_classes(table, target, positive=positive)
        features = tuple(
            _KINDS[_kind(values)].fit(table, name)
            for name, values in table.columns.items()
            if name != target
        )
        if not features:
            raise ValueError(
                f"{table.where()}: {show(target)} is the only column: others must predict it"
            )
        return cls(target, _kind(table[target]), classes, features)

    @property
    def columns(self) -> dict[str, str]:
        """Name → kind of each column that `transform` reads, as `read_csv` takes it."""
        return {feature.name: feature.kind for feature in self.features}

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature, in order: ``age``, ``colour=red``."""
        return tuple(name for feature in self.features for name in feature.names)

    def read(self, path: StrPath, *, target: bool = False) -> Table:
        """Read the columns that `transform` needs from a CSV file, each as in training.

        Other columns are not looked at. Use this rather than `read_csv` for new data: a column of
        categories that happens to hold only numbers in a short file is read right.

        Args:
            path: the file.
            target: whether the target must be there and is read too.

        Raises:
            OSError, KeyError, ValueError: as `read_csv`.
        """
        columns = self.columns
        if target:
            columns[self.target] = self.target_kind
        return read_csv(path, columns=columns)

    def transform(self, table: Table) -> NDArray[np.float32]:
        """The features of each row, float32 (rows, ``len(feature_names)``).

        Args:
            table: the columns of the training data, in any order; others do not matter.

        Raises:
            KeyError: a column is not there.
            ValueError: text where numbers belong, a category that training has not seen, or a
                number too far away for float32; the message names row and column.
        """
        table.require([feature.name for feature in self.features])
        out = np.zeros((len(table), len(self.feature_names)), dtype=np.float32)
        start = 0
        for feature in self.features:
            stop = start + len(feature.names)
            feature.encode(table, out[:, start:stop])
            start = stop
        return out

    def targets(self, table: Table) -> NDArray[np.int64]:
        """The class of each row, 0 or 1, int64 (rows,).

        Raises:
            KeyError: the table has no target column.
            ValueError: a value is none of the two classes; the message names row and value.
        """
        texts = table.texts(self.target)
        negative, positive = self.classes
        classes: NDArray[np.int64] = (texts == positive).astype(np.int64)
        known = (texts == negative) | (classes == 1)
        if not known.all():
            row = int(np.argmin(known))
            raise ValueError(
                f"{table.where(row, self.target)}: {show(texts[row])} is neither "
                f"{show(negative)} nor {show(positive)}"
            )
        return classes

    def to_dict(self) -> dict[str, object]:
        """All that was learnt, as JSON can hold it; `from_dict` gives an equal preprocessor."""
        return {
            "target": {
                "name": self.target,
                "kind": self.target_kind,
                "classes": list(self.classes),
            },
            "columns": [feature.to_dict() for feature in self.features],
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, object]) -> Preprocessor:
        """The preprocessor that `to_dict` described.

        Raises:
            ValueError: the dictionary is damaged; the message says where.
        """
        try:
            return cls._from_dict(state)
        except ValueError as error:
            raise ValueError(f"Preprocessor.from_dict: {error}: the file is damaged") from None

    @classmethod
    def _from_dict(cls, state: object) -> Preprocessor:
        target = state.get("target") if isinstance(state, Mapping) else None
        columns = state.get("columns") if isinstance(state, Mapping) else None
        if not isinstance(target, Mapping) or not isinstance(columns, list) or not columns:
            raise ValueError("'target' or 'columns' is not there")
        name = target.get("name")
        kind = target.get("kind")
        classes = target.get("classes")
        if not isinstance(name, str) or not isinstance(kind, str) or kind not in _KINDS:
            raise ValueError(f"target is {show(name)} of kind {show(kind)}")
        if not is_distinct_texts(classes) or len(classes) != 2:
            raise ValueError(f"classes are {show(classes)}, not two texts")
        features = tuple(feature_from_dict(column) for column in columns)
        names = [name, *(feature.name for feature in features)]
        if len(set(names)) != len(names):
            raise ValueError(f"a column is there twice: {listed(names)}")
        return cls(name, kind, (classes[0], classes[1]), features)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preprocessor) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"Preprocessor({len(self.features)} columns → {len(self.feature_names)} features, "
            f"{show(self.target)}: {' or '.join(map(show, self.classes))})"
        )
