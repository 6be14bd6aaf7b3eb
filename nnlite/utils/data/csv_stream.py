"""CSVDataset: the rows of a CSV file that may be larger than memory."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnlite.io.csvfile import CATEGORY, KINDS, as_number
from nnlite.io.csvstream import CsvStream, Progress, Summary
from nnlite.io.features import Feature
from nnlite.io.messages import listed, show
from nnlite.io.preprocess import Preprocessor
from nnlite.io.table import Table, number_text
from nnlite.tensor import Tensor, wrap
from nnlite.utils.data.dataset import IterableDataset
from nnlite.utils.data.sampler import is_count
from nnlite.utils.data.worker import get_worker_info

if TYPE_CHECKING:
    Arrays = list[NDArray[Any]]

__all__ = ["CSVDataset"]

StrPath = str | os.PathLike[str]

_ROWS = 1024  # read at once


class CSVDataset(IterableDataset[tuple[Tensor, ...]]):
    """The rows of a CSV file as a stream of ``(features, target)``, in constant memory.

    The file is read once when the dataset is made, to learn mean and deviation of the columns of
    numbers, which are standardised, and the texts of the others, which become one feature each (0
    or 1); then once in each pass. The rules for columns are those of ``nnlite train``: a column of
    which more than half of the values are texts is a category, any other must hold finite numbers,
    and no value may be missing.

    With several workers each reads its share of the rows; the order differs with their number.

    Args:
        path: the file, in UTF-8, column names in its first line, delimited by comma, semicolon or
            tab.
        target: the column to predict; None: samples have features alone.
        columns: name → ``"number"`` or ``"category"``: only these columns are read besides the
            target, each as said (the target too, if it is among them). None: all.
        drop: names of columns that are not looked at.
        like: another dataset (or the `Preprocessor` of a model): all is taken from it that would be
            learnt from the file. So validation rows are prepared as the training rows are.
        shuffle_buffer: 0: the rows come in the order of the file. Else so many rows are held, and
            each that is given out is drawn from them: the larger, the better shuffled, and
            the more memory is used.
        seed: of the shuffling; the order depends on it and on the number of the pass alone.
        target_dtype: a floating point type: targets have the shape (1,), as BCEWithLogitsLoss and
            MSELoss take them; an integer type: they are numbers of classes without dimension,
            as CrossEntropyLoss takes them. Default: float32 for two classes and for numbers,
            int64 for more classes.
        progress: called during the first reading with the bytes read and those of the file.

    Attributes:
        feature_names: ``age``, ``colour=red``, one for each feature.
        classes: what class 0, 1 … are called; empty where the target is a number.

    Raises:
        OSError: the file cannot be read.
        KeyError: a column is not there; the message lists near names.
        ValueError: the file is no sound table, or it does not fit ``like``; the message names the
            line and the column. While the rows are gone through, too.

    >>> import os, tempfile
    >>> from nnlite.utils.data import DataLoader
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "data.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("age,colour,ill\\n30,red,no\\n50,blue,yes\\n40,red,no\\n")
    >>> data = CSVDataset(path, "ill")
    >>> len(data), data.feature_names, data.classes
    (3, ('age', 'colour=blue', 'colour=red'), ('no', 'yes'))
    >>> x, y = next(iter(DataLoader(data, batch_size=3)))
    >>> x
    tensor([[-1.2247,  0.0000,  1.0000],
            [ 1.2247,  1.0000,  0.0000],
            [ 0.0000,  0.0000,  1.0000]])
    >>> y.tolist()
    [[0.0], [1.0], [0.0]]
    >>> folder.cleanup()
    """

    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    target: str | None
    target_kind: str

    def __init__(
        self,
        path: StrPath,
        target: str | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        like: CSVDataset | Preprocessor | None = None,
        shuffle_buffer: int = 0,
        seed: int = 0,
        target_dtype: Any = None,
        progress: Progress | None = None,
    ) -> None:
        if not is_count(shuffle_buffer) or shuffle_buffer < 0:
            raise ValueError(
                "CSVDataset: shuffle_buffer must be a whole number from 0 on, got "
                f"{shuffle_buffer!r}"
            )
        self._stream = CsvStream(path)
        self.shuffle_buffer = shuffle_buffer
        self.seed = seed
        self.epoch = 0
        self._count: int | None = None
        if like is not None:
            if target is not None or columns is not None or drop:
                raise ValueError(
                    "CSVDataset: like says which columns there are: leave target, columns and drop "
                    "out"
                )
            self.target = like.target
            self.target_kind = like.target_kind
            self.classes = like.classes
            self.features = like.features
        else:
            self._learn(target, columns, drop, progress)
        self._kinds = {feature.name: feature.kind for feature in self.features}
        if self.target is not None:
            self._kinds[self.target] = self.target_kind
        self._stream.file.wanted((), self._kinds, ())
        self.target_dtype = self._dtype(target_dtype, like)

    def _learn(
        self,
        target: str | None,
        columns: Mapping[str, str] | None,
        drop: Collection[str],
        progress: Progress | None,
    ) -> None:
        for name, kind in (columns or {}).items():
            if kind not in KINDS:
                raise ValueError(
                    f"CSVDataset: kind of column {show(name)} is {show(kind)}, not one of {KINDS}"
                )
        if target is not None and target in drop:
            raise ValueError(f"CSVDataset: the target column {show(target)} is among those to drop")
        required = () if target is None else (target,)
        found, self._count = self._stream.learn(
            required=required, kinds=columns, drop=drop, progress=progress
        )
        self.target = target
        self.target_kind = ""
        self.classes = ()
        if target is not None:
            summary = found.pop(target)
            self.target_kind = summary.kind
            self.classes = _classes(summary)
        if not found:
            raise ValueError(f"{self._stream.path}: there are no columns besides the target")
        self.features = tuple(summary.feature() for summary in found.values())

    def _dtype(self, wanted: Any, like: Any) -> np.dtype[Any]:
        if wanted is None:
            wanted = getattr(like, "target_dtype", None)
        if wanted is None:
            wanted = np.int64 if len(self.classes) > 2 else np.float32
        dtype: np.dtype[Any] = np.dtype(wanted)
        if dtype.kind not in "iuf":
            raise ValueError(f"CSVDataset: target_dtype must be integers or floats, got {dtype}")
        return dtype

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature, in order."""
        return tuple(name for feature in self.features for name in feature.names)

    @property
    def preprocessor(self) -> Preprocessor:
        """What was learnt, as a model keeps it; only for a target of two classes."""
        if self.target is None or len(self.classes) != 2:
            raise ValueError(
                f"CSVDataset: a Preprocessor is for a target of two classes, {show(self.target)} "
                f"has {len(self.classes) or 'numbers'}"
            )
        names = (self.classes[0], self.classes[1])
        return Preprocessor(self.target, self.target_kind, names, self.features)

    def set_epoch(self, epoch: int) -> None:
        """Say which pass comes next, as the loader does: each is shuffled in its own way."""
        self.epoch = epoch

    def __len__(self) -> int:
        """The number of rows (with ``like`` the file is gone through for it, once)."""
        if self._count is None:
            self._count = self._stream.count()
        return self._count

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for arrays in self._blocks():
            for row in zip(*arrays):
                yield tuple([wrap(np.array(value)) for value in row])

    def iter_batches(self, batch_size: int, drop_last: bool) -> Iterator[list[Tensor]]:
        """The batches of one pass, as the loader asks for them."""
        held: Arrays = []
        for arrays in self._blocks():
            held = [np.concatenate(pair) for pair in zip(held, arrays)] if held else arrays
            whole = len(held[0]) - len(held[0]) % batch_size
            for start in range(0, whole, batch_size):
                yield [wrap(array[start : start + batch_size].copy()) for array in held]
            held = [array[whole:] for array in held]
        if held and len(held[0]) and not drop_last:
            yield [wrap(array.copy()) for array in held]

    def _blocks(self) -> Iterator[Arrays]:
        """The rows in the order of this pass, some at once: features, and the target if any."""
        info = get_worker_info()
        share, of = (0, 1) if info is None else (info.id, info.num_workers)
        blocks = map(self._encode, self._stream.tables(self._kinds, _ROWS, share, of))
        if not self.shuffle_buffer:
            return blocks
        rng = np.random.default_rng((self.seed, self.epoch, share))
        return _shuffled(blocks, self.shuffle_buffer, rng)

    def _encode(self, table: Table) -> Arrays:
        x = np.zeros((len(table), len(self.feature_names)), dtype=np.float32)
        start = 0
        for feature in self.features:
            stop = start + len(feature.names)
            feature.encode(table, x[:, start:stop])
            start = stop
        if self.target is None:
            return [x]
        y = self._targets(table, self.target).astype(self.target_dtype)
        return [x, y[:, np.newaxis] if self.target_dtype.kind == "f" else y]

    def _targets(self, table: Table, target: str) -> NDArray[Any]:
        if not self.classes:
            return table.numbers(target)
        place = {name: code for code, name in enumerate(self.classes)}
        codes = np.array([place.get(text, -1) for text in table.texts(target)], dtype=np.int64)
        if len(codes) and codes.min() < 0:
            row = int(np.argmin(codes))
            raise ValueError(
                f"{table.where(row, target)}: {show(table.texts(target)[row])} is none of the "
                f"classes {listed(self.classes)}"
            )
        return codes


def _classes(target: Summary) -> tuple[str, ...]:
    """The names of the classes of a target; of a number with more than two values none."""
    if target.kind == CATEGORY:
        names = list(target.categories())
        if all(as_number(name) is not None for name in names):
            names.sort(key=float)
    else:
        values = {float(cell) for cell in target.values or ()}
        if target.values is None or len(values) > 2:
            return ()
        names = [number_text(value) for value in sorted(values)]
    if len(names) < 2:
        raise ValueError(
            f"{target.file.path}, column {show(target.name)}: every value is {show(names[0])}: "
            "rows of a second class are needed too"
        )
    return tuple(names)


def _shuffled(
    blocks: Iterator[Arrays], capacity: int, rng: np.random.Generator
) -> Iterator[Arrays]:
    """Rows drawn from a buffer of ``capacity`` rows, each place of which is filled again."""
    held: Arrays = []
    filled = 0
    step = max(1, capacity // 8)  # rows drawn at once: few, or the buffer would be blocks of rows
    for block in blocks:
        if not held:
            held = [np.empty((capacity, *array.shape[1:]), array.dtype) for array in block]
        taken = min(len(block[0]), capacity - filled)
        for buffer, array in zip(held, block):
            buffer[filled : filled + taken] = array[:taken]
        filled += taken
        for start in range(taken, len(block[0]), step):
            rest = [array[start : start + step] for array in block]
            places = rng.choice(capacity, len(rest[0]), replace=False)
            yield [buffer[places] for buffer in held]
            for buffer, array in zip(held, rest):
                buffer[places] = array
    if filled:
        order = rng.permutation(filled)
        yield [buffer[order] for buffer in held]
