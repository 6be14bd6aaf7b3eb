"""Datasets: samples by number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import numpy as np

from nnlite.ops.random import Generator, default_generator
from nnlite.tensor import Tensor, wrap

if TYPE_CHECKING:
    from nnlite.utils.data.combine import ChainDataset, ConcatDataset

__all__ = ["Dataset", "IterableDataset", "Subset", "TensorDataset", "random_split"]

T_co = TypeVar("T_co", covariant=True)

Indices = np.ndarray[Any, np.dtype[np.int64]]


class Dataset(Generic[T_co]):
    """Samples by number: subclasses define ``__getitem__`` and ``__len__``.

    A subclass whose samples can be taken many at once may also define ``get_batch(indices)``: it
    gets an int64 array and returns what `default_collate` would make of these samples. The loader
    then calls it once a batch. (torch's ``__getitems__``, a list of samples for a list of indices,
    is called as well where there is one.)

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 5
    ...     def __getitem__(self, index):
    ...         return index, index**2
    >>> Squares()[3]
    (3, 9)
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(
            f"{type(self).__name__}: a dataset defines __getitem__(index), the sample of a number"
        )

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        """This dataset and another one after it, as `ConcatDataset`."""
        from nnlite.utils.data.combine import ConcatDataset

        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Samples one after the other, of a stream: subclasses define ``__iter__``.

    A loader with several workers has the stream in each of them: where `get_worker_info` is not
    None, give only the worker's share, or every sample comes once per worker. A subclass whose
    batches can be made at once may also define ``iter_batches(batch_size, drop_last)``, which
    gives what `default_collate` would make of the samples. If there is a ``set_epoch(epoch)``, the
    loader calls it before each pass with the number of the pass, from 0 on, in each worker too.

    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         info = get_worker_info()
    ...         first, step = (0, 1) if info is None else (info.id, info.num_workers)
    ...         return iter(range(5 - first, 0, -step))
    >>> from nnlite.utils.data import DataLoader, get_worker_info
    >>> [batch.tolist() for batch in DataLoader(Countdown(), batch_size=2)]
    [[5, 4], [3, 2], [1]]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__}: an iterable dataset defines __iter__, which gives samples"
        )

    def __getitem__(self, index: Any) -> T_co:
        raise TypeError(
            f"{type(self).__name__}: an iterable dataset has no samples by number; go through it"
        )

    def __add__(self, other: Dataset[Any]) -> ChainDataset[Any]:  # type: ignore[override]
        """This stream and another one after it, as `ChainDataset`."""
        from nnlite.utils.data.combine import ChainDataset

        return ChainDataset([self, cast("IterableDataset[Any]", other)])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors side by side: sample i is the i-th entry of each.

    Args:
        tensors: one or more tensors with the same first size, the number of samples.

    Raises:
        ValueError: no tensor, a 0-d tensor, or unequal first sizes.
        TypeError: something that is no tensor.

    >>> import nnlite
    >>> data = TensorDataset(nnlite.zeros(4, 2), nnlite.tensor([0, 1, 0, 1]))
    >>> len(data), data[1]
    (4, (tensor([0., 0.]), tensor(1)))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise ValueError("TensorDataset: give at least one tensor")
        for place, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                cure = "; wrap it: nnlite.from_numpy(…)" if isinstance(tensor, np.ndarray) else ""
                kind = type(tensor).__name__
                raise TypeError(f"TensorDataset: argument {place} is no Tensor but {kind}{cure}")
            if tensor.ndim == 0:
                raise ValueError(
                    f"TensorDataset: argument {place} is 0-d: it has no dimension of samples"
                )
        counts = [len(tensor) for tensor in tensors]
        if len(set(counts)) > 1:
            raise ValueError(
                "TensorDataset: the tensors must have the same first size (the number of samples), "
                f"got {' and '.join(map(str, counts))}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple([cast(Any, tensor)[index] for tensor in self.tensors])

    def __len__(self) -> int:
        return len(self.tensors[0])

    def get_batch(self, indices: Indices) -> list[Tensor]:
        """The samples of ``indices`` as one tensor for each of ``tensors``, in new memory."""
        return [take(tensor, indices) for tensor in self.tensors]


def take(tensor: Tensor, indices: Indices) -> Tensor:
    """The entries of ``indices`` along the first dimension, copied."""
    if tensor._node:
        return cast(Tensor, cast(Any, tensor)[indices])
    return wrap(tensor.array.take(indices, 0))


class Subset(Dataset[T_co]):
    """Some samples of a dataset, in a given order.

    Args:
        dataset: where the samples come from.
        indices: their numbers there (a sequence of ints, an integer array or tensor).

    >>> import nnlite
    >>> data = Subset(TensorDataset(nnlite.arange(10)), [7, 3])
    >>> len(data), data[0]
    (2, (tensor(7),))
    """

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return cast(T_co, self.dataset[[self.indices[i] for i in index]])
        return cast(T_co, self.dataset[self.indices[index]])

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        inner = [self.indices[index] for index in indices]
        if hasattr(self.dataset, "__getitems__"):
            return cast("list[T_co]", self.dataset.__getitems__(inner))
        return [self.dataset[index] for index in inner]

    def __len__(self) -> int:
        return len(self.indices)


def unwrap(dataset: Any) -> tuple[Any, Indices | None]:
    """The dataset below all subsets, and the numbers in it of the samples (None: all of them)."""
    positions: Indices | None = None
    while type(dataset) is Subset:
        indices = dataset.indices
        inner = np.asarray(indices, dtype=np.int64 if len(indices) == 0 else None)
        positions = inner if positions is None else inner[positions]
        dataset = dataset.dataset
    return dataset, positions


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset[Any]]:
    """Split a dataset at random into parts that do not overlap.

    Args:
        dataset: what to split; it needs a length.
        lengths: the number of samples of each part, or its share, in [0, 1]. Of shares that leave a
            rest the first parts get one sample more each.
        generator: where the random order comes from; default: the default generator.

    Raises:
        ValueError: numbers that do not add up to the number of samples, or shares not to 1; a
            negative one.

    >>> import nnlite
    >>> data = TensorDataset(nnlite.arange(10))
    >>> g = nnlite.Generator().manual_seed(0)
    >>> train, valid = random_split(data, [0.8, 0.2], generator=g)
    >>> len(train), len(valid), sorted(train.indices + valid.indices) == list(range(10))
    (8, 2, True)
    """
    total = len(dataset)
    counts = _counts(total, [float(length) for length in lengths])
    rng = (default_generator if generator is None else generator).rng
    order = rng.permutation(total).tolist()
    parts: list[Subset[Any]] = []
    start = 0
    for count in counts:
        parts.append(Subset(dataset, order[start : start + count]))
        start += count
    return parts


def _counts(total: int, lengths: list[float]) -> list[int]:
    """How many samples each part gets."""
    if not all(length >= 0 for length in lengths):
        raise ValueError(f"random_split: lengths must not be negative, got {lengths}")
    whole = math.fsum(lengths)
    if math.isclose(whole, 1):
        counts = [math.floor(total * share) for share in lengths]
        for part in range(total - sum(counts)):
            counts[part % len(counts)] += 1
    elif all(length.is_integer() for length in lengths):
        counts = [int(length) for length in lengths]
    else:
        raise ValueError(
            f"random_split: shares must add up to 1, {lengths} add up to {whole:g}; "
            "numbers of samples are whole"
        )
    if sum(counts) != total:
        raise ValueError(
            f"random_split: lengths {counts} add up to {sum(counts)}, "
            f"but the dataset has {total} samples"
        )
    if 0 in counts:
        import warnings

        warnings.warn(
            f"random_split: part {counts.index(0)} of {total} samples is empty", stacklevel=3
        )
    return counts
