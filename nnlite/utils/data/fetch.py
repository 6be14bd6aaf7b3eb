"""From indices to a batch: what the loader does in its own process and its workers do in theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from nnlite.tensor import Tensor, wrap
from nnlite.utils.data.collate import default_collate
from nnlite.utils.data.combine import StackDataset, samples_of
from nnlite.utils.data.dataset import take, unwrap
from nnlite.utils.data.sampler import quick_form

__all__ = ["Fetcher", "batches_of_stream"]


class Fetcher:
    """Makes a batch of the indices of its samples; ``batched=False``: of one index a sample.

    Attributes:
        index: the sample that is being fetched; None while a batch is taken as a whole.
    """

    __slots__ = ("_at_once", "_batched", "_collate", "_dataset", "index")

    def __init__(self, dataset: Any, collate: Callable[[Any], Any], batched: bool) -> None:
        self._dataset = dataset
        self._collate = collate
        self._batched = batched
        self._at_once = _of_subsets(dataset) if batched and collate is default_collate else None
        self.index: Any = None

    def __call__(self, indices: Any) -> Any:
        try:
            return self._make(indices)
        except StopIteration as error:  # it would end the pass without a word
            raise RuntimeError(
                "DataLoader: the dataset (or collate_fn) raised StopIteration; an iterator in it "
                "has come to its end"
            ) from error

    def _make(self, indices: Any) -> Any:
        if self._at_once is not None:
            return self._at_once(np.asarray(indices))
        if not self._batched:
            self.index = indices
            return self._collate(self._dataset[indices])
        numbers = indices.tolist() if isinstance(indices, np.ndarray) else indices
        if hasattr(self._dataset, "__getitems__"):
            return self._collate(samples_of(self._dataset, numbers))
        samples = []
        for self.index in numbers:
            samples.append(self._dataset[self.index])
        self.index = None
        return self._collate(samples)


def batches_of_stream(
    dataset: Any, collate: Callable[[Any], Any], batch_size: int | None, drop_last: bool
) -> Iterator[Any]:
    """The batches of an iterable dataset; without a batch size its samples."""
    if batch_size is None:
        return map(collate, dataset)
    if collate is default_collate:
        quick = quick_form(dataset, "iter_batches", "__iter__")
        if quick is not None:
            batches: Iterator[Any] = quick(batch_size, drop_last)
            return batches
    return map(collate, _groups(iter(dataset), batch_size, drop_last))


def _groups(samples: Iterator[Any], size: int, drop_last: bool) -> Iterator[list[Any]]:
    while group := list(islice(samples, size)):
        if len(group) < size and drop_last:
            return
        yield group


def _of_subsets(dataset: Any) -> Callable[[Any], Any] | None:
    """The function that takes many samples at once, of a subset too, where there is one."""
    source, positions = unwrap(dataset)
    get = _at_once(source)
    if get is None or positions is None:
        return get
    chosen = positions
    return lambda indices: get(chosen[indices])


def _at_once(source: Any) -> Callable[[Any], Any] | None:
    if isinstance(source, Tensor) and source.ndim > 0:
        return lambda indices: take(source, indices)
    if type(source) is np.ndarray and source.dtype.kind in "biuf":
        return lambda indices: wrap(source.take(indices, 0))
    if type(source) is StackDataset:
        return _side_by_side(source)
    return quick_form(source, "get_batch", "__getitem__")


def _side_by_side(stack: StackDataset) -> Callable[[Any], Any] | None:
    found = [_of_subsets(part) for part in stack.parts]
    parts = [get for get in found if get is not None]
    if len(parts) < len(found):
        return None
    if isinstance(stack.datasets, dict):
        return lambda indices: stack.assemble([get(indices) for get in parts])
    return lambda indices: [get(indices) for get in parts]
