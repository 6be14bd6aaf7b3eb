"""Samplers: in which order the samples are gone through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from nnlite.ops.random import Generator, default_generator

__all__ = ["BatchSampler", "RandomSampler", "Sampler", "SequentialSampler"]

T_co = TypeVar("T_co", covariant=True)

Indices = np.ndarray[Any, np.dtype[np.int64]]


class Sampler(Generic[T_co]):
    """The order of one pass: subclasses define ``__iter__``, which gives indices, and ``__len__``.

    A subclass may define ``order()`` as well, all indices of one pass as an int64 array; the loader
    then takes slices of it.

    >>> class EvenFirst(Sampler):
    ...     def __init__(self, count):
    ...         self.count = count
    ...     def __len__(self):
    ...         return self.count
    ...     def __iter__(self):
    ...         return iter([*range(0, self.count, 2), *range(1, self.count, 2)])
    >>> list(EvenFirst(5))
    [0, 2, 4, 1, 3]
    """

    def __init__(self, data_source: Sized | None = None) -> None:
        pass

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__}: a sampler defines __iter__, which gives indices"
        )


class SequentialSampler(Sampler[int]):
    """The samples in their own order.

    Args:
        data_source: what has as many samples as the order is long.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def order(self) -> Indices:
        """The indices of one pass."""
        return np.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The samples in a random order, another one in each pass.

    The order depends on the generator's state alone: seed it, or save its state, to have the same
    order again.

    Args:
        data_source: what has as many samples as are drawn from.
        replacement: draw each index from all of them, so that some come twice and some not at all.
        num_samples: how many indices one pass has; default: as many as there are samples.
        generator: where the random numbers come from; default: the default generator.

    Raises:
        ValueError: no sample to draw from, or ``num_samples`` below 1.

    >>> import nnlite
    >>> g = nnlite.Generator().manual_seed(0)
    >>> first, second = RandomSampler(range(20), generator=g), RandomSampler(range(20))
    >>> order = list(first)
    >>> sorted(order) == list(range(20)), order == list(first)
    (True, False)
    >>> _ = g.manual_seed(0)
    >>> order == list(first)
    True
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if num_samples is None and len(data_source) == 0:
            raise ValueError(
                "RandomSampler: the dataset is empty, there is nothing to put into random order; "
                "check how it was made or split"
            )
        if num_samples is not None and not (is_count(num_samples) and num_samples >= 1):
            raise ValueError(
                f"RandomSampler: num_samples must be a whole number from 1 on, got {num_samples!r}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices one pass has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())

    def order(self) -> Indices:
        """Draw the indices of one pass."""
        rng = (default_generator if self.generator is None else self.generator).rng
        count, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            return rng.integers(0, count, wanted)
        if wanted == count:
            return rng.permutation(count)
        passes = [rng.permutation(count) for _ in range(-(-wanted // count))]
        return np.concatenate(passes)[:wanted]

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The indices of another sampler in batches.

    Args:
        sampler: gives the indices.
        batch_size: how many a batch has; the last one may have fewer.
        drop_last: leave out a last batch that has fewer.

    Raises:
        ValueError: a batch size that is no whole number from 1 on, a ``drop_last`` that is no bool.

    >>> list(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=False))
    [[0, 1, 2], [3, 4, 5], [6]]
    """

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool) -> None:
        if not (is_count(batch_size) and batch_size >= 1):
            raise ValueError(
                f"BatchSampler: batch_size must be a whole number from 1 on, got {batch_size!r}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: drop_last must be True or False, got {drop_last!r}")
        self.sampler: Iterable[int] = sampler
        self.batch_size = int(batch_size)
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def order(self) -> Iterator[Indices] | None:
        """The batches of one pass as arrays; None if the sampler beneath has no ``order``."""
        draw = quick_form(self.sampler, "order", "__iter__")
        return None if draw is None else self._slices(draw())

    def _slices(self, order: Indices) -> Iterator[Indices]:
        size = self.batch_size
        end = len(order) - len(order) % size if self.drop_last else len(order)
        for start in range(0, end, size):
            yield order[start : start + size]

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def is_count(value: Any) -> bool:
    """Whether ``value`` is a whole number (and no bool)."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def quick_form(holder: Any, quick: str, plain: str) -> Callable[..., Any] | None:
    """The method ``quick`` of an object, unless a subclass has overridden ``plain`` alone."""
    for kind in type(holder).__mro__:
        if quick in kind.__dict__:
            return getattr(holder, quick)  # type: ignore[no-any-return]
        if plain in kind.__dict__:
            return None
    return None
