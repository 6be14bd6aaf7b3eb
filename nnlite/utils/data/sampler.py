"""Samplers: in which order the samples are gone through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from nnlite.ops.random import Generator, default_generator

__all__ = [
    "BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler",
    "WeightedRandomSampler",
]  # fmt: skip

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


class OwnGenerator:
    """The generator of a sampler that was given none; its loader saves and restores it.

    The default generator seeds it at the first pass, and again after a ``manual_seed``.
    """

    __slots__ = ("_generator", "_seeded_by")

    def __init__(self) -> None:
        self.adopt(None)

    @property
    def seeded(self) -> Generator | None:
        """The generator; None if it has yet to be seeded."""
        return self._generator if self._seeded_by is default_generator.rng else None

    def get(self) -> Generator:
        """The generator, seeded if need be."""
        found = self.seeded
        if found is None:
            found = Generator().manual_seed(int(default_generator.rng.integers(2**63)))
            self.adopt(found)
        return found

    def adopt(self, generator: Generator | None) -> None:
        """Take ``generator`` until the default one gets another seed; None: seed one when asked."""
        self._generator = generator
        self._seeded_by = None if generator is None else default_generator.rng


class Drawing(Sampler[int]):
    """What samplers share that draw random numbers.

    Without a generator given they have one of their own. So the order depends on the seed and the
    number of the pass, not on what else has drawn in between.
    """

    def __init__(self, generator: Generator | None) -> None:
        self.generator = generator
        self.own = OwnGenerator()

    @property
    def source(self) -> Generator:
        """The generator that the next pass draws from."""
        return self.own.get() if self.generator is None else self.generator

    def order(self) -> Indices:
        """Draw the indices of one pass."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())


class RandomSampler(Drawing):
    """The samples in a random order, another one in each pass.

    The order depends on the seed and the number of the pass alone, whatever else draws random
    numbers in between: seed again for the same orders again.

    Args:
        data_source: what has as many samples as are drawn from.
        replacement: draw each index from all of them, so that some come twice and some not at all.
        num_samples: how many indices one pass has; default: as many as there are samples.
        generator: where the random numbers come from; default: one of its own, which the default
            generator seeds.

    Raises:
        ValueError: no sample to draw from, or ``num_samples`` below 1.
        TypeError: a ``replacement`` that is no bool.

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
        super().__init__(generator)
        if not isinstance(replacement, bool):
            raise TypeError(
                f"RandomSampler: replacement must be True or False, got {replacement!r}"
            )
        if num_samples is not None:
            _check_count("RandomSampler", num_samples)
        if len(data_source) == 0:
            raise ValueError(
                "RandomSampler: the dataset is empty, there is nothing to put into random order; "
                "check how it was made or split"
            )

    @property
    def num_samples(self) -> int:
        """How many indices one pass has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self) -> Indices:
        """Draw the indices of one pass."""
        rng = self.source.rng
        count, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            return rng.integers(0, count, wanted)
        if wanted == count:
            return rng.permutation(count)
        passes = [rng.permutation(count) for _ in range(-(-wanted // count))]
        return np.concatenate(passes)[:wanted]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Drawing):
    """Some indices in a random order, another one in each pass.

    Args:
        indices: the indices (a sequence of ints, an integer array or tensor).
        generator: where the random numbers come from; default: one of its own, which the default
            generator seeds.

    >>> import nnlite
    >>> sampler = SubsetRandomSampler([7, 3, 5], generator=nnlite.Generator().manual_seed(0))
    >>> len(sampler), sorted(sampler)
    (3, [3, 5, 7])
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        super().__init__(generator)
        self.indices = indices

    def order(self) -> Indices:
        """Draw the indices of one pass."""
        chosen = np.asarray(self.indices, dtype=np.int64)
        return chosen.take(self.source.rng.permutation(len(chosen)))

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Drawing):
    """Indices drawn at random, each as often as its weight says: for classes of unequal size.

    Args:
        weights: one for each sample, from 0 on; they need not add up to 1.
        num_samples: how many indices one pass has.
        replacement: draw each index from all of them; False: none comes twice, and the probability
            of the next one is its share of the weights that are left.
        generator: where the random numbers come from; default: one of its own, which the default
            generator seeds.

    Raises:
        ValueError: weights that are negative, not finite, all zero or not one-dimensional; a
            ``num_samples`` below 1, or, without replacement, above the number of weights that are
            not zero; a ``replacement`` that is no bool.

    >>> import nnlite
    >>> labels = nnlite.tensor([0, 0, 0, 1])
    >>> weights = (1 / nnlite.tensor([3.0, 1.0]))[labels]  # both classes equally often
    >>> g = nnlite.Generator().manual_seed(0)
    >>> drawn = list(WeightedRandomSampler(weights, 1000, generator=g))
    >>> 450 < drawn.count(3) < 550
    True
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_count("WeightedRandomSampler", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"WeightedRandomSampler: replacement must be True or False, got {replacement!r}"
            )
        self.weights = np.asarray(weights, dtype=np.float64)
        self.num_samples = num_samples
        self.replacement = replacement
        super().__init__(generator)
        self._check_weights()

    def _check_weights(self) -> None:
        weights = self.weights
        if weights.ndim != 1:
            raise ValueError(
                "WeightedRandomSampler: weights must be one-dimensional, one for each sample, got "
                f"shape {weights.shape}"
            )
        wrong = ~(np.isfinite(weights) & (weights >= 0))
        if wrong.any():
            first = int(wrong.argmax())
            raise ValueError(
                f"WeightedRandomSampler: weights must be finite and not negative, weights[{first}] "
                f"is {weights[first]}"
            )
        possible = int(np.count_nonzero(weights))
        if possible == 0:
            raise ValueError(
                "WeightedRandomSampler: all weights are zero (or there are none): nothing can be "
                "drawn"
            )
        if not self.replacement and self.num_samples > possible:
            raise ValueError(
                f"WeightedRandomSampler: num_samples={self.num_samples} cannot be drawn without "
                f"replacement from {possible} samples of a weight above 0; draw fewer, or set "
                "replacement=True"
            )

    def order(self) -> Indices:
        """Draw the indices of one pass."""
        rng = self.source.rng
        if self.replacement:
            reached = np.cumsum(self.weights)
            places = rng.random(self.num_samples) * reached[-1]
            drawn: Indices = np.searchsorted(reached, places, side="right")
            # Rounding may reach the very end, where weights of zero can stand.
            last = np.flatnonzero(self.weights)[-1]
            drawn[drawn > last] = last
            return drawn
        # The smallest of exponential numbers of these rates: Efraimidis and Spirakis,
        # "Weighted random sampling with a reservoir", 2006.
        with np.errstate(divide="ignore", over="ignore"):
            keys = rng.standard_exponential(len(self.weights)) / self.weights
        return np.argsort(keys, kind="stable")[: self.num_samples]

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


def _check_count(sampler: str, num_samples: Any) -> None:
    if not (is_count(num_samples) and num_samples >= 1):
        raise ValueError(
            f"{sampler}: num_samples must be a whole number from 1 on, got {num_samples!r}"
        )


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
