"""Collation: many samples become one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnlite.ops.create import tensor
from nnlite.ops.join import stack
from nnlite.tensor import Tensor, wrap

__all__ = ["default_collate", "default_convert"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Put samples together: tensors, arrays and numbers are stacked along a new first dimension.

    Args:
        batch: the samples, all of one structure. Tensors and arrays must have one shape; of
            mappings each entry is collated, of tuples and lists each place (a tuple becomes a
            list); texts and bytes are left as they are.

    Raises:
        ValueError: no sample.
        RuntimeError: shapes or lengths that differ.
        TypeError: something that cannot be stacked.

    >>> default_collate([(1.5, 0), (2.5, 1)])
    [tensor([1.5000, 2.5000], dtype=nnlite.float64), tensor([0, 1])]
    >>> default_collate([{"name": "a", "size": 1}, {"name": "b", "size": 2}])
    {'name': ['a', 'b'], 'size': tensor([1, 2])}
    """
    if len(batch) == 0:
        raise ValueError("default_collate: there is no sample to collate")
    first = batch[0]
    if isinstance(first, (Tensor, np.ndarray, np.generic)):
        return _stacked(batch)
    if isinstance(first, (bool, int)):
        return tensor(list(batch))
    if isinstance(first, float):
        return tensor(list(batch), dtype=np.float64)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _rebuilt(
            first, {key: default_collate([sample[key] for sample in batch]) for key in first}
        )
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            lengths = sorted({len(sample) for sample in batch})
            raise RuntimeError(
                f"default_collate: the samples of a batch must have equal lengths, got {lengths}; "
                "pad them, or give a collate_fn"
            )
        columns = [default_collate(column) for column in zip(*batch)]
        if hasattr(first, "_fields"):  # a named tuple
            return type(first)(*columns)
        return columns if isinstance(first, tuple) else _rebuilt(first, columns)
    raise TypeError(
        f"default_collate: cannot put {type(first).__name__} objects into a batch; samples hold "
        "tensors, arrays, numbers, texts, mappings or sequences; for others give a collate_fn"
    )


def default_convert(data: Any) -> Any:
    """One sample as it is, with its arrays as tensors (for a loader with ``batch_size=None``).

    >>> import numpy
    >>> default_convert((numpy.arange(2), "a"))
    [tensor([0, 1]), 'a']
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return wrap(data) if data.dtype.kind in "biuf" else data
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _rebuilt(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, Sequence):
        return [default_convert(value) for value in data]
    return data


def _stacked(batch: Sequence[Any]) -> Tensor:
    """Tensors, arrays or NumPy scalars of one shape along a new first dimension."""
    arrays = [s.array if isinstance(s, Tensor) else np.asarray(s) for s in batch]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise RuntimeError(
            "default_collate: the samples of a batch must have equal shapes, got "
            f"{' and '.join(str(list(shape)) for shape in sorted(shapes))}; "
            "pad or crop them, or give a collate_fn"
        )
    if arrays[0].dtype.kind not in "biuf":
        raise TypeError(
            f"default_collate: arrays of {arrays[0].dtype} cannot be tensors; give a collate_fn"
        )
    if any(isinstance(sample, Tensor) and sample._node for sample in batch):
        return stack(list(batch))
    return wrap(np.stack(arrays))


def _rebuilt(like: Any, content: Any) -> Any:
    """``content`` in the type of ``like``, where that type can be made of it."""
    try:
        return type(like)(content)
    except TypeError:
        return content
