"""What can be trained on: data in any accepted form, as batches of ``(*inputs, target)``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.datasets.bundle import Bundle
from nnlite.tensor import Tensor, wrap
from nnlite.utils.data import DataLoader, Dataset, TensorDataset

__all__ = ["as_loader", "as_tensor", "sample_count"]

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
    if isinstance(data, (tuple, Bundle)):
        data = _side_by_side(role, tuple(data), dtype)
    if isinstance(data, (DataLoader, Dataset)) or hasattr(data, "__getitem__"):
        loader = _loader(role, data, batch_size, shuffle)
    elif isinstance(data, Iterator) or not (hasattr(data, "__iter__") and hasattr(data, "__len__")):
        raise TypeError(f"{role} cannot be {type(data).__name__}; {_ACCEPTED}")
    else:
        loader = data
    if len(loader) == 0:
        raise ValueError(_too_few(role, loader))
    return loader


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
