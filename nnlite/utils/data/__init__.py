"""Data: samples by number (datasets), their order (samplers), and batches of them (the loader).

>>> import nnlite
>>> from nnlite.utils.data import DataLoader, TensorDataset
>>> x, y = nnlite.arange(8.0).reshape(4, 2), nnlite.tensor([0, 1, 0, 1])
>>> for xb, yb in DataLoader(TensorDataset(x, y), batch_size=3):
...     print(xb.tolist(), yb.tolist())
[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]] [0, 1, 0]
[[6.0, 7.0]] [1]
"""

from nnlite.utils.data.collate import default_collate, default_convert
from nnlite.utils.data.dataset import Dataset, Subset, TensorDataset, random_split
from nnlite.utils.data.loader import DataLoader
from nnlite.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = [
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "default_collate",
    "default_convert",
    "random_split",
]
