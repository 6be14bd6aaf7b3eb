"""What can be trained on: data in any accepted form, as batches of ``(*inputs, target)``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.datasets.bundle import Bundle
from nnlite.ops.random import Generator
from nnlite.tensor import Tensor, wrap
from nnlite.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset
from nnlite.utils.data.dataset import unwrap

__all__ = [
    "array_target", "as_loader", "as_tensor", "batch_count", "checksum", "sample_count",
    "split_off", "tell_epoch", "with_weights",
]  # fmt: skip

_ACCEPTED = (
    "give a DataLoader, a Dataset, or a tuple of tensors or arrays (inputs, target) that have one "
    "entry per sample"
)


def as_loader(role: str, data: Any, batch_size: int, shuffle: bool, dtype: Any) -> Any:
    """A loader of ``data``: itself if it is one, else one with the given options.

    Args:
        role: what to call the data in an error: "fit: train".
        data: a DataLoader or anything with ``__iter__`` and ``__len__`` that gives batches, a
            Dataset, a Bundle of ``nnlite.datasets``, or a tuple of tensors and arrays.
        batch_size, shuffle: for data that are no loader.
        dtype: what floating point arrays become.

    Raises:
        TypeError: anything else.
        ValueError: no samples, or arrays of different lengths.
    """
    data = _as_data(role, data, dtype)
    if isinstance(data, (DataLoader, Dataset)) or hasattr(data, "__getitem__"):
        loader = _loader(role, data, batch_size, shuffle)
    elif isinstance(data, Iterator) or not hasattr(data, "__iter__"):
        raise TypeError(f"{role} cannot be {type(data).__name__}; {_ACCEPTED}")
    else:
        loader = data
    if batch_count(loader) == 0:
        raise ValueError(_too_few(role, loader))
    return loader


def _as_data(role: str, data: Any, dtype: Any) -> Any:
    """A tuple of tensors and arrays as a dataset; anything else as it is."""
    if isinstance(data, (tuple, Bundle)):
        return _side_by_side(role, tuple(data), dtype)
    return data


def _side_by_side(role: str, parts: tuple[Any, ...], dtype: Any) -> TensorDataset:
    if len(parts) < 2:
        raise ValueError(f"{role} has {len(parts)} parts, inputs and target are two; {_ACCEPTED}")
    tensors = [as_tensor(f"{role}, part {place},", x, dtype) for place, x in enumerate(parts)]
    try:
        return TensorDataset(*tensors)
    except ValueError as error:
        raise ValueError(f"{role}: {str(error).removeprefix('TensorDataset: ')}") from None


def _loader(role: str, data: Any, batch_size: int, shuffle: bool) -> DataLoader:
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, IterableDataset):
        return DataLoader(data, batch_size=batch_size)
    if isinstance(data, (Tensor, np.ndarray, str, bytes)) or not hasattr(data, "__len__"):
        raise TypeError(f"{role} cannot be {type(data).__name__}; {_ACCEPTED}")
    if isinstance(data, list) and not (data and isinstance(data[0], tuple)):
        raise TypeError(f"{role} cannot be a list of this kind; {_ACCEPTED}")
    if len(data) == 0:
        raise ValueError(f"{role} has no samples; check how it was read or split")
    return DataLoader(data, batch_size=batch_size, shuffle=shuffle)


def _too_few(role: str, loader: Any) -> str:
    count = sample_count(loader)
    if count and getattr(loader, "batch_size", None):
        return (
            f"{role} has {count} samples, fewer than one batch of {loader.batch_size}, and "
            "drop_last=True leaves them out; choose a smaller batch_size or drop_last=False"
        )
    return f"{role} has no samples; check how it was read or split"


def sample_count(loader: Any) -> int | None:
    """The number of samples, where the loader has a dataset that knows it."""
    try:
        return len(loader.dataset)
    except (AttributeError, TypeError):
        return None


def as_tensor(what: str, value: Any, dtype: Any) -> Tensor:
    """A tensor as it is; arrays (data frames, lists) as tensors, their floats as ``dtype``.

    Raises:
        TypeError: text, objects and other things that are no numbers.
    """
    if isinstance(value, Tensor):
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{what} is no array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{what} must hold numbers, got {type(value).__name__} of {array.dtype}; convert it"
        )
    return wrap(array.astype(dtype, copy=False) if array.dtype.kind == "f" else array)


def batch_count(loader: Any) -> int | None:
    """The number of batches of a pass, where the loader knows it."""
    try:
        return len(loader)
    except TypeError:
        return None


def tell_epoch(loader: Any, epoch: int) -> None:
    """Tell a `DistributedSampler`, or one like it, the number of the epoch, from 0 on."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    samplers = getattr(loader, "sampler", None), batch_sampler
    for sampler in (*samplers, getattr(batch_sampler, "sampler", None)):
        tell = getattr(sampler, "set_epoch", None)
        if tell is not None:
            tell(epoch)


def with_weights(role: str, data: Any, weight: Any, dtype: Any) -> Any:
    """The data with the weight of each sample as the last part of it.

    Raises:
        TypeError: data that have no samples by number (a loader, a stream).
        ValueError: another number of weights than samples, or a weight that is negative or nan.
    """
    data = _as_data(role, data, dtype)
    if isinstance(data, (DataLoader, IterableDataset)) or not hasattr(data, "__getitem__"):
        raise TypeError(
            f"{role}: sample_weight is an array, which goes with data that have numbers; let the "
            "loader give (*inputs, target, weight), and say sample_weight=True"
        )
    values = np.asarray(getattr(weight, "array", weight))
    if values.dtype.kind not in "biuf" or values.shape not in ((len(data),), (len(data), 1)):
        raise ValueError(
            f"{role}: sample_weight must be one number for each of the {len(data)} samples, got "
            f"{list(values.shape)} of {values.dtype}"
        )
    if not ((values >= 0) & (values < np.inf)).all() or not values.any():
        raise ValueError(
            f"{role}: sample_weight must hold finite numbers from 0 on, and not only zeros"
        )
    weights = values.reshape(-1).astype(np.float32)
    if type(data) is TensorDataset:
        return TensorDataset(*data.tensors, wrap(weights))
    return _Weighted(data, weights)


class _Weighted(Dataset[Any]):
    """The samples of a dataset, each with its weight behind it."""

    def __init__(self, dataset: Any, weights: Any) -> None:
        self.dataset = dataset
        self.weights = weights

    def __getitem__(self, index: Any) -> Any:
        return (*self.dataset[index], self.weights[index])

    def __len__(self) -> int:
        return len(self.dataset)


def split_off(
    role: str, data: Any, share: float, seed: int, dtype: Any, parts: int, by_class: bool
) -> tuple[Any, Any]:
    """Hold out a share of the data for validation, at random.

    Args:
        role, data, dtype: as for `as_loader`.
        share: of the samples, above 0 and below 1.
        seed: which ones are held out depends on it and on the data alone.
        parts: how many parts of a sample are no inputs: the target, and its weight.
        by_class: take the same share of each class, where the targets are arrays of classes.

    Raises:
        TypeError: data that have no samples by number.
        ValueError: a share that leaves one of the two parts empty.
    """
    data = _as_data(role, data, dtype)
    if isinstance(data, (DataLoader, IterableDataset)) or not hasattr(data, "__getitem__"):
        raise TypeError(
            f"{role}: valid={share} splits data that have numbers, not {type(data).__name__}; "
            "split them before (nnlite.utils.data.random_split) and give two loaders"
        )
    generator = Generator().manual_seed(seed)
    target = array_target(data, parts) if by_class else None
    held: list[int] = []
    for group in _classes_of(target, len(data)):
        order = generator.rng.permutation(group)
        held += order[: round(share * len(group))].tolist()
    if not held or len(held) == len(data):
        raise ValueError(
            f"fit: valid={share} of {len(data)} samples leaves {len(data) - len(held)} to train "
            f"on and {len(held)} to validate on; give another share, or more data"
        )
    chosen = np.zeros(len(data), dtype=bool)
    chosen[held] = True
    kept, out = (np.flatnonzero(part).tolist() for part in (~chosen, chosen))
    return Subset(data, kept), Subset(data, out)


def _classes_of(target: Any, count: int) -> list[Any]:
    """The numbers of the samples of each class, or of all where there are no classes."""
    if target is None or target.size != count:
        return [np.arange(count)]
    labels = target.reshape(-1)
    names, places = np.unique(labels, return_inverse=True)
    if len(names) > max(2, count // 2):
        return [np.arange(count)]
    return [np.flatnonzero(places.reshape(-1) == place) for place in range(len(names))]


def array_target(source: Any, parts: int = 1) -> Any:
    """All targets, as an array, of a dataset or loader of arrays; None of others."""
    dataset, positions = unwrap(getattr(source, "dataset", source))
    if isinstance(source, Subset):
        dataset, positions = unwrap(source)
    if type(dataset) is not TensorDataset or len(dataset.tensors) <= parts:
        return None
    target = dataset.tensors[-parts].array
    return target if positions is None else target[positions]


_LOOKED_AT = 1024  # samples, evenly spread


def checksum(loader: Any) -> int | None:
    """A number that changes when samples of array data do; None for other data."""
    from zlib import crc32

    dataset, positions = unwrap(getattr(loader, "dataset", None))
    if type(dataset) is not TensorDataset:
        return None
    if positions is None:
        positions = np.arange(len(dataset))
    some = positions[:: max(1, len(positions) // _LOOKED_AT)]
    value = crc32(np.ascontiguousarray(some).tobytes())
    for tensor in dataset.tensors:
        value = crc32(np.ascontiguousarray(tensor.array[some]).tobytes(), value)
    return value
