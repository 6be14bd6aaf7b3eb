"""DataLoader: the batches of a dataset, pass after pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from nnlite.ops.random import Generator
from nnlite.tensor import Tensor, wrap
from nnlite.utils.data.collate import default_collate, default_convert
from nnlite.utils.data.dataset import take, unwrap
from nnlite.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    quick_form,
)

__all__ = ["DataLoader"]

_FIXED = ("batch_sampler", "batch_size", "dataset", "drop_last", "sampler")


class DataLoader:
    """Goes through a dataset in batches: ``for xb, yb in loader``.

    Array data (a `TensorDataset`, a tensor, an array, a `Subset` of one) is indexed a whole batch
    at once; of anything else the samples are fetched one by one and collated. A batch is always
    new memory: what is done to it in place does not reach the dataset.

    Args:
        dataset: anything with ``__len__`` and ``__getitem__``.
        batch_size: samples in a batch; None: single samples, not batches.
        shuffle: another random order in each pass.
        sampler: gives the order instead (an iterable of indices).
        batch_sampler: gives lists of indices, instead of all four of ``batch_size``, ``shuffle``,
            ``sampler`` and ``drop_last``.
        num_workers: only 0.
        collate_fn: makes a batch of a list of samples; default: `default_collate`.
        drop_last: leave out a last batch that is smaller than the others.
        generator: where the random order comes from; default: the default generator. The order of a
            pass depends on its state at the start of the pass alone.
        pin_memory, worker_init_fn: without effect here.
        timeout, multiprocessing_context, prefetch_factor, persistent_workers: of workers, hence not
            to be set.

    Raises:
        ValueError: arguments that contradict each other, a batch size below 1, an empty dataset to
            shuffle.
        NotImplementedError: worker processes.
        TypeError: a dataset without a length.

    >>> import nnlite
    >>> data = nnlite.utils.data.TensorDataset(nnlite.arange(10), nnlite.arange(10) ** 2)
    >>> loader = DataLoader(data, batch_size=4, shuffle=True, drop_last=True)
    >>> len(loader), [xb.shape for xb, yb in loader]
    (2, [nnlite.Size([4]), nnlite.Size([4])])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        _check_workers(
            num_workers,
            timeout=timeout,
            multiprocessing_context=multiprocessing_context,
            prefetch_factor=prefetch_factor,
            persistent_workers=persistent_workers,
        )
        if sampler is not None and shuffle:
            raise ValueError(
                "DataLoader: sampler and shuffle=True exclude each other, both say the order"
            )
        if batch_sampler is not None and (
            batch_size != 1 or shuffle or sampler is not None or drop_last
        ):
            raise ValueError(
                "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last, "
                "for it says all that they say"
            )
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None makes no batches: leave drop_last out")
        if generator is not None and not isinstance(generator, Generator):
            raise TypeError(
                f"DataLoader: generator must be a nnlite.Generator, got {type(generator).__name__}"
            )
        try:
            len(dataset)
        except TypeError:
            raise TypeError(
                f"DataLoader: the dataset has no length ({type(dataset).__name__}); "
                "define __len__ and __getitem__"
            ) from None
        if batch_sampler is not None:
            sampler = getattr(batch_sampler, "sampler", None)
            batch_size, drop_last = None, False
        elif sampler is None:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.num_workers = 0
        self.pin_memory = pin_memory
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn: Callable[[Any], Any] = collate_fn
        self._complete = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "_complete" in self.__dict__:
            raise ValueError(f"DataLoader: {name} is fixed once the loader is made; make a new one")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        if self.batch_sampler is None:
            for index in self.sampler or ():
                yield self.collate_fn(self.dataset[index])
            return
        fetch = self.fetcher()
        arrays = quick_form(self.batch_sampler, "order", "__iter__")
        batches = arrays() if arrays is not None else None
        for indices in self.batch_sampler if batches is None else batches:
            yield fetch(indices)

    def __len__(self) -> int:
        """The number of batches of one pass."""
        counted: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(counted)

    def fetcher(self) -> Callable[[Any], Any]:
        """The function that makes a batch of a list or array of indices."""
        if self.collate_fn is default_collate:
            source, positions = unwrap(self.dataset)
            get = _at_once(source)
            if get is not None:
                if positions is None:
                    return lambda indices: get(np.asarray(indices))
                chosen = positions
                return lambda indices: get(chosen[indices])
        return self._fetch_singly

    def _fetch_singly(self, indices: Any) -> Any:
        numbers = indices.tolist() if isinstance(indices, np.ndarray) else indices
        if hasattr(self.dataset, "__getitems__"):
            return self.collate_fn(self.dataset.__getitems__(numbers))
        return self.collate_fn([self.dataset[index] for index in numbers])

    def state_dict(self) -> dict[str, Any]:
        """What the order of the next passes depends on, for `load_state_dict`."""
        generators = [generator.get_state() for generator in self._generators()]
        return {"generators": generators}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the orders that followed when ``state`` was taken.

        Raises:
            ValueError: the state of a loader with other generators.
        """
        generators = self._generators()
        if len(generators) != len(state["generators"]):
            raise ValueError(
                f"DataLoader.load_state_dict: the state is of {len(state['generators'])} "
                f"generators of its own, this loader has {len(generators)}"
            )
        for generator, its_state in zip(generators, state["generators"]):
            generator.set_state(its_state)

    def _generators(self) -> list[Generator]:
        """The generators that the order depends on (without the default one), each once."""
        holders = (self, self.sampler, self.batch_sampler)
        found = (getattr(holder, "generator", None) for holder in holders)
        return list({id(g): g for g in found if isinstance(g, Generator)}.values())


def _check_workers(num_workers: int, **options: Any) -> None:
    if num_workers != 0:
        raise NotImplementedError(
            f"DataLoader: there are no worker processes, got num_workers={num_workers}; leave it "
            "at 0: array data (TensorDataset) is indexed a whole batch at once, and a dataset of "
            "your own may define get_batch(indices) for the same"
        )
    for name, value in options.items():
        if value:
            raise ValueError(
                f"DataLoader: {name} is for worker processes, which there are none of; leave it out"
            )


def _at_once(source: Any) -> Callable[[Any], Any] | None:
    """The function that takes many samples out of ``source`` at once, where there is one."""
    if isinstance(source, Tensor) and source.ndim > 0:
        return lambda indices: take(source, indices)
    if type(source) is np.ndarray and source.dtype.kind in "biuf":
        return lambda indices: wrap(source.take(indices, 0))
    return quick_form(source, "get_batch", "__getitem__")
