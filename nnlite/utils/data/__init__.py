"""Data: samples by number (datasets), their order (samplers), and batches of them (the loader).

>>> import nnlite
>>> from nnlite.utils.data import DataLoader, TensorDataset
>>> x, y = nnlite.arange(8.0).reshape(4, 2), nnlite.tensor([0, 1, 0, 1])
>>> for xb, yb in DataLoader(TensorDataset(x, y), batch_size=3):
...     print(xb.tolist(), yb.tolist())
[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]] [0, 1, 0]
[[6.0, 7.0]] [1]

Data larger than memory: `NpyDataset` reads ``.npy`` files batch by batch, `CSVDataset` streams a
CSV file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnlite.missing import no_attribute
from nnlite.utils.data.collate import default_collate, default_convert
from nnlite.utils.data.combine import ChainDataset, ConcatDataset, StackDataset
from nnlite.utils.data.dataset import (
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from nnlite.utils.data.loader import DataLoader
from nnlite.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

if TYPE_CHECKING:
    from nnlite.utils.data import distributed
    from nnlite.utils.data.csv_stream import CSVDataset
    from nnlite.utils.data.distributed import DistributedSampler
    from nnlite.utils.data.npy import NpyDataset
    from nnlite.utils.data.worker import get_worker_info

__all__ = [
    "BatchSampler",
    "CSVDataset",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "NpyDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "distributed",
    "get_worker_info",
    "random_split",
]

# Imported when first asked for: they bring threading, or the reader of CSV files.
_LAZY = {
    "CSVDataset": "csv_stream",
    "DistributedSampler": "distributed",
    "NpyDataset": "npy",
    "distributed": "distributed",
    "get_worker_info": "worker",
}


def __getattr__(name: str) -> Any:
    module_name = _LAZY.get(name)
    if module_name is None:
        raise no_attribute("nnlite.utils.data", name, __all__)
    from importlib import import_module

    module = import_module(f"nnlite.utils.data.{module_name}")
    value = module if name == module_name else getattr(module, name)
    globals()[name] = value
    return value
