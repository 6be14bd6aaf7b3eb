"""DistributedSampler: each of several processes gets its own share of the samples."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sized
from typing import Any

import numpy as np

from nnlite.utils.data.sampler import Indices, Sampler, is_count

__all__ = ["DistributedSampler"]

# How launchers tell a process who it is: torchrun, Open MPI, MPICH and Intel MPI, Slurm.
_LAUNCHERS = (
    ("WORLD_SIZE", "RANK"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_NTASKS", "SLURM_PROCID"),
)


class DistributedSampler(Sampler[int]):
    """The share of one of several processes that train together; all shares are equally long.

    The order depends on ``seed`` and the epoch alone, so that all processes agree on it: the
    Trainer calls `set_epoch` before each epoch; a loop of one's own must, or every epoch has the
    same order.

    Args:
        dataset: what has as many samples as are shared out.
        num_replicas: the number of processes; default: as the launcher's environment variables say
            (torchrun's ``WORLD_SIZE``, Open MPI's, MPICH's, Slurm's).
        rank: which of them this is, from 0 on; default: likewise (``RANK``).
        shuffle: in a random order.
        seed: of that order; the same in all processes.
        drop_last: leave samples out so that all shares are equally long; False: the first samples
            come a second time.

    Raises:
        RuntimeError: no ``num_replicas`` or ``rank``, and no launcher that says them.
        ValueError: a ``num_replicas`` below 1, or a ``rank`` that is not from 0 to that less 1.

    >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    >>> sampler = DistributedSampler(range(100), num_replicas=4, rank=0)
    >>> first = list(sampler)
    >>> sampler.set_epoch(1)
    >>> len(first), first == list(sampler)
    (25, False)
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            told = _from_launcher()
            num_replicas = told[0] if num_replicas is None else num_replicas
            rank = told[1] if rank is None else rank
        if not is_count(num_replicas) or num_replicas < 1:
            raise ValueError(
                "DistributedSampler: num_replicas must be a whole number from 1 on, got "
                f"{num_replicas!r}"
            )
        if not is_count(rank) or not 0 <= rank < num_replicas:
            raise ValueError(
                f"DistributedSampler: rank must be from 0 to {num_replicas - 1} for "
                f"num_replicas={num_replicas}, got {rank!r}"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.seed = seed
        count = len(dataset)
        self.num_samples = count // num_replicas if drop_last else -(-count // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())

    def order(self) -> Indices:
        """The indices of this process in this epoch."""
        count = len(self.dataset)
        order = np.arange(count)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(count)
        if self.total_size:
            order = np.resize(order, self.total_size)  # repeats it from the start, or cuts it
        return order[self.rank : self.total_size : self.num_replicas]

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next: each has its own order.

        Args:
            epoch: its number, from 0 on.
        """
        self.epoch = epoch


def _from_launcher() -> tuple[Any, Any]:
    for size, rank in _LAUNCHERS:
        if size in os.environ and rank in os.environ:
            return int(os.environ[size]), int(os.environ[rank])
    raise RuntimeError(
        "DistributedSampler: num_replicas and rank are not given, and no launcher has set "
        "WORLD_SIZE and RANK; give both, or start the script with mpiexec or torchrun"
    )
