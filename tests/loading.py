"""Datasets for test_workers.py, in a module of their own: worker processes import them."""

import multiprocessing
import os
import random
import signal
import time

import numpy as np

import nnlite
from nnlite.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info


class Numbers(Dataset):
    """Sample i: a large array of i, i, and random numbers; it can fail, die or take long."""

    def __init__(self, count=12, bad=None, deadly=None, seconds=0.0):
        self.count = count
        self.bad = bad
        self.deadly = deadly
        self.seconds = seconds

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index == self.bad:
            raise CustomError("no such picture", index)
        if index == self.deadly:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        time.sleep(self.seconds)
        drawn = [nnlite.rand(1).item(), float(np.random.rand()), random.random()]  # noqa: NPY002
        return np.full(2000, index, np.float32), index, drawn


class CustomError(Exception):
    """Has a second argument, which must arrive too."""

    def __init__(self, text, index):
        super().__init__(text, index)
        self.index = index


class Share(IterableDataset):
    """The numbers below a count, shared between the workers."""

    def __init__(self, count):
        self.count = count
        self.epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first + 100 * self.epoch, self.count + 100 * self.epoch, step))


class Told(Dataset):
    """Each sample says who the worker is and what its init function has said."""

    said = -1

    def __len__(self):
        return 4

    def __getitem__(self, index):
        info = get_worker_info()
        return info.id, info.num_workers, info.dataset is self, self.said


def say(worker):
    get_worker_info().dataset.said = 10 + worker


def fail_to_begin(worker):
    raise OSError(f"worker {worker} has no disk")


def main():
    """Work on slowly with a worker, whose number is printed, until something ends it."""
    loader = DataLoader(Numbers(1000, seconds=0.05), num_workers=1)
    batches = iter(loader)
    next(batches)
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    for _ in batches:
        pass


if __name__ == "__main__":
    main()
