"""NpyDataset: samples in ``.npy`` files that may be larger than memory."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from nnlite.tensor import Tensor, wrap
from nnlite.utils.data.dataset import Dataset, Indices

__all__ = ["NpyDataset"]

StrPath = str | os.PathLike[str]

# The system keeps pages that were read in the process's memory until it needs it for others, and
# reads some around each: so the files are mapped anew after so many bytes.
_MOST_MAPPED = 256 * 2**20
_READ_AROUND = 2**16


class NpyDataset(Dataset[tuple[Tensor, ...]]):
    """Arrays in ``.npy`` files side by side: sample i is the i-th entry of each.

    The files are mapped into memory and a batch is read by one indexing of each, so that they
    may be larger than memory. Worker processes map them themselves.

    Args:
        paths: one or more files with the same first size, the number of samples.

    Raises:
        OSError: a file cannot be read.
        ValueError: no file, one that is no ``.npy`` file of numbers, an empty or 0-d array, or
            unequal first sizes.

    >>> import os, tempfile
    >>> import numpy
    >>> folder = tempfile.TemporaryDirectory()
    >>> x, y = os.path.join(folder.name, "x.npy"), os.path.join(folder.name, "y.npy")
    >>> numpy.save(x, numpy.ones((4, 2), numpy.float32))
    >>> numpy.save(y, numpy.array([0, 1, 0, 1]))
    >>> data = NpyDataset(x, y)
    >>> len(data), data[1]
    (4, (tensor([1., 1.]), tensor(1)))
    >>> data.close()
    >>> folder.cleanup()
    """

    paths: tuple[str, ...]

    def __init__(self, *paths: StrPath) -> None:
        if not paths:
            raise ValueError("NpyDataset: give at least one file")
        self.paths = tuple(map(os.path.abspath, paths))
        self._arrays: list[Any] = []
        self._read = 0
        self._count = 0
        self._map()
        counts = [len(array) for array in self._arrays]
        if len(set(counts)) > 1:
            raise ValueError(
                "NpyDataset: the arrays must have the same first size (the number of samples), got "
                f"{' and '.join(map(str, counts))}"
            )
        self._count = counts[0]
        # What one sample brings into memory, at most.
        self._weight = sum(
            array[0].nbytes + _READ_AROUND if array.nbytes > _MOST_MAPPED else 0
            for array in self._arrays
        )

    def _map(self) -> None:
        self._read = 0
        self._arrays = []
        self._arrays = [_mapped(path) for path in self.paths]

    def _mapped_for(self, samples: int) -> list[Any]:
        """The arrays, mapped anew when much of them is in memory."""
        self._read += samples * self._weight
        if not self._arrays or self._read > _MOST_MAPPED:
            self._map()
        return self._arrays

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        chosen = [array[index] for array in self._mapped_for(1)]
        return tuple([wrap(np.array(values)) for values in chosen])

    def __len__(self) -> int:
        return self._count

    def get_batch(self, indices: Indices) -> list[Tensor]:
        """The samples of ``indices`` as one tensor for each file, in new memory."""
        return [wrap(array.take(indices, 0)) for array in self._mapped_for(len(indices))]

    def close(self) -> None:
        """Let go of the files (Windows deletes no file that is mapped); they open again on use."""
        self._arrays = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": []}


def _mapped(path: str) -> Any:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"NpyDataset: {path} cannot be mapped as a .npy file: {error}") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError(f"NpyDataset: {path} is a .npz file: save each array as .npy")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"NpyDataset: {path} holds {array.dtype}, not numbers")
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"NpyDataset: {path} has shape {list(array.shape)}, no samples")
    return array.view(np.ndarray)
