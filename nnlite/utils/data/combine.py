"""Datasets made of other datasets: side by side, or one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

from nnlite.utils.data.dataset import Dataset, IterableDataset

__all__ = ["ChainDataset", "ConcatDataset", "StackDataset"]

T_co = TypeVar("T_co", covariant=True)


class StackDataset(Dataset[Any]):
    """Datasets side by side: sample i is the tuple, or the dict, of their samples i.

    Args:
        args: datasets of equal length, for samples that are tuples; or
        kwargs: the same with names, for samples that are dicts.

    Raises:
        ValueError: no dataset, unequal lengths, or both with and without names.

    >>> data = StackDataset(image=[10, 11], text=["a", "b"])
    >>> len(data), data[1]
    (2, {'image': 11, 'text': 'b'})
    >>> StackDataset([10, 11], ["a", "b"])[0]
    (10, 'a')
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "StackDataset: give all datasets with names (samples are dicts) or all without "
                f"(samples are tuples), got {len(args)} without and {', '.join(kwargs)} with"
            )
        if not args and not kwargs:
            raise ValueError("StackDataset: give at least one dataset")
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in self.parts]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"StackDataset: the datasets must have equal lengths, got "
                f"{' and '.join(map(str, lengths))}"
            )
        self._length = lengths[0]

    @property
    def parts(self) -> list[Any]:
        """The datasets, in order."""
        found = self.datasets
        return list(found.values() if isinstance(found, dict) else found)

    def assemble(self, parts: list[Any]) -> Any:
        """One sample (or batch) of each dataset, in the form of a sample."""
        return dict(zip(self.datasets, parts)) if isinstance(self.datasets, dict) else tuple(parts)

    def __getitem__(self, index: Any) -> Any:
        return self.assemble([dataset[index] for dataset in self.parts])

    def __getitems__(self, indices: list[int]) -> list[Any]:
        columns = [samples_of(dataset, indices) for dataset in self.parts]
        return [self.assemble(list(sample)) for sample in zip(*columns)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other: the numbers go on from one to the next.

    Args:
        datasets: two or more datasets with a length.

    Raises:
        ValueError: no dataset.
        TypeError: an `IterableDataset`, which has no numbers: use `ChainDataset`.
        IndexError: a sample beyond the end.

    >>> data = ConcatDataset(["abc", "de"])
    >>> len(data), data[3], data[-1], data.cumulative_sizes
    (5, 'd', 'e', [3, 5])
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: datasets is empty, give at least one")
        self.cumulative_sizes = []
        total = 0
        for place, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"ConcatDataset: datasets[{place}] is an IterableDataset "
                    f"({type(dataset).__name__}): chain those with ChainDataset"
                )
            total += len(dataset)
            self.cumulative_sizes.append(total)

    def _find(self, index: int) -> tuple[int, int]:
        """The dataset that has a sample, and the sample's number there."""
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"ConcatDataset: there is no sample {index}, there are {count}")
        number = index + count if index < 0 else index
        place = bisect_right(self.cumulative_sizes, number)
        return place, number - (self.cumulative_sizes[place - 1] if place else 0)

    def __getitem__(self, index: Any) -> T_co:
        place, inner = self._find(index)
        return cast(T_co, self.datasets[place][inner])

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        found = [self._find(index) for index in indices]
        samples: list[Any] = [None] * len(found)
        for place in {place for place, _ in found}:
            rows = [row for row, (its_place, _) in enumerate(found) if its_place == place]
            inner = [found[row][1] for row in rows]
            for row, sample in zip(rows, samples_of(self.datasets[place], inner)):
                samples[row] = sample
        return samples

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T_co]):
    """Streams one after the other.

    Args:
        datasets: iterable datasets.

    Raises:
        TypeError: something that is no `IterableDataset`, when it is reached.

    >>> class Count(IterableDataset):
    ...     def __init__(self, n):
    ...         self.n = n
    ...     def __iter__(self):
    ...         return iter(range(self.n))
    >>> list(ChainDataset([Count(2), Count(3)]))
    [0, 1, 0, 1, 2]
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(cast(Any, dataset)) for dataset in self._checked())

    def _checked(self) -> Iterator[IterableDataset[T_co]]:
        for place, dataset in enumerate(self.datasets):
            if not isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"ChainDataset: datasets[{place}] is no IterableDataset but "
                    f"{type(dataset).__name__}: join those with ConcatDataset"
                )
            yield dataset


def samples_of(dataset: Any, indices: list[int]) -> list[Any]:
    """The samples of some numbers, by the dataset's own ``__getitems__`` where it has one."""
    if not hasattr(dataset, "__getitems__"):
        return [dataset[index] for index in indices]
    samples: list[Any] = dataset.__getitems__(indices)
    if len(samples) != len(indices):
        raise ValueError(
            f"{type(dataset).__name__}.__getitems__: {len(samples)} samples for {len(indices)} "
            "indices; return one for each, in their order"
        )
    return samples
