"""What one worker of a loader does, in a process or a thread of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from nnlite.ops.random import default_generator
from nnlite.utils.data.fetch import Fetcher, batches_of_stream

__all__ = ["Job", "Worker", "WorkerInfo", "get_worker_info", "serve"]

BATCH = "batch"
END = "end"
FAILED = "failed"

ORPHAN_CHECK = 5.0  # seconds between looks at whether the parent still lives

_here = threading.local()


class WorkerInfo:
    """Which worker this is: what `get_worker_info` gives.

    Attributes:
        id: its number, from 0 on.
        num_workers: how many there are.
        seed: differs between workers and passes, and depends on the seed of the loader's generator
            and the number of the pass.
        dataset: the dataset as this worker has it (a copy in a process, the same in a thread).
    """

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self) -> str:
        return (
            f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed}, "
            f"dataset={self.dataset!r})"
        )


def get_worker_info() -> WorkerInfo | None:
    """Which worker of a `DataLoader` runs this code; None outside of them.

    >>> from nnlite.utils.data import get_worker_info
    >>> print(get_worker_info())
    None
    """
    return getattr(_here, "info", None)


class Job(NamedTuple):
    """What all workers of a loader are told at their start."""

    dataset: Any
    collate: Callable[[Any], Any]
    batch_size: int | None
    drop_last: bool
    batched: bool
    streams: bool  # whether the dataset is an iterable one
    init: Callable[[int], None] | None
    num_workers: int


class Result(NamedTuple):
    """An answer to one task: a batch, the end of the stream, or a `Failure`."""

    serial: int  # of the pass
    kind: str
    content: Any


class Failure(NamedTuple):
    """An exception, and where it arose; ``error`` is its pickle when it came from a process."""

    error: Any
    where: str
    summary: str
    trace: str


class Worker:
    """Answers the tasks of one worker.

    Args:
        job: what all workers do.
        id: the number of this one.
        alone: whether it has a process of its own, whose random generators it may seed.
    """

    def __init__(self, job: Job, id: int, alone: bool) -> None:
        self._job = job
        self._alone = alone
        self._ready = False
        self._seed = 0
        self._info = WorkerInfo(id, job.num_workers, 0, job.dataset)
        self._fetch = Fetcher(job.dataset, job.collate, job.batched)
        self._stream: Iterator[Any] = iter(())
        self._broken: Failure | None = None

    def begin(self, seed: int, epoch: int) -> None:
        """Begin the pass of a number."""
        _here.info = self._info
        self._seed = seed
        self._info.seed = seed + self._info.id
        self._broken = None
        try:
            if self._alone:
                _seed_generators(self._info.seed)
            if not self._ready and self._job.init is not None:
                self._job.init(self._info.id)
            self._ready = True
            if self._job.streams:
                job = self._job
                if hasattr(job.dataset, "set_epoch"):
                    job.dataset.set_epoch(epoch)
                self._stream = batches_of_stream(
                    job.dataset, job.collate, job.batch_size, job.drop_last
                )
        except Exception as error:
            self._broken = self._failure(error, "at its start")

    def answer(self, serial: int, number: int, indices: Any) -> Result:
        """The batch of some indices (of a stream: its next one), or what went wrong."""
        if self._broken is not None:
            return Result(serial, FAILED, self._broken)
        try:
            if self._job.streams:
                for batch in self._stream:
                    return Result(serial, BATCH, batch)
                return Result(serial, END, None)
            if self._alone:
                # Random augmentation must not depend on how many workers there are, or on where
                # a resumed pass began.
                _seed_generators((self._seed, number))
            return Result(serial, BATCH, self._fetch(indices))
        except Exception as error:
            index = self._fetch.index
            where = f"in batch {number}" + ("" if index is None else f", dataset[{index}]")
            return Result(serial, FAILED, self._failure(error, where))

    def _failure(self, error: Exception, where: str) -> Failure:
        import traceback

        place = f"process {os.getpid()}" if self._alone else "a thread"
        whole = f"DataLoader worker {self._info.id} ({place}) failed {where}"
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        summary = f"{type(error).__name__}: {error}"
        return Failure(_pickled(error) if self._alone else error, whole, summary, trace)


def _pickled(error: Exception) -> bytes | None:
    """The exception for another process; None where it could not be rebuilt there."""
    import pickle

    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return None
    return data


def _seed_generators(seed: Any) -> None:
    """Seed all that a dataset may draw from: nnlite's, Python's and NumPy's global generators."""
    import random

    first, second = np.random.SeedSequence(seed).generate_state(2, np.uint64).tolist()
    default_generator.manual_seed(first)
    random.seed(second)
    np.random.seed(second % 2**32)  # noqa: NPY002  for datasets that draw from the old one


def serve(tasks: Any, results: Any, id: int, job: Job | None) -> None:
    """The life of a worker process.

    Args:
        tasks: the end of a pipe to read from.
        results: the end of a pipe to write to.
        id: the number of the worker.
        job: its job; None: it comes as the first message.
    """
    import queue

    from nnlite.utils.data import transfer

    _leave_ctrl_c_to_the_parent()
    outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def post() -> None:
        # In a thread of its own: the next batch is made while this one goes through the pipe.
        while (parcel := outbox.get()) is not None:
            try:
                transfer.send(results, parcel)
            except OSError:
                return

    threading.Thread(target=post, daemon=True).start()
    parent = os.getppid()
    worker: Worker | None = None
    unable: Failure | None = None
    try:
        if job is None:
            try:
                job = transfer.receive(tasks)
            except (AttributeError, ImportError, TypeError) as error:
                unable = _not_rebuilt(id, error)
        if job is not None:
            worker = Worker(job, id, alone=True)
        while True:
            while not tasks.poll(ORPHAN_CHECK):
                if os.getppid() != parent:
                    return
            name, *task = transfer.receive(tasks)
            if worker is None:
                if name == "answer":
                    outbox.put(transfer.pack(Result(task[0], FAILED, unable)))
            elif name == "begin":
                worker.begin(*task)
            else:
                outbox.put(_packed(worker, worker.answer(*task)))
    except (EOFError, OSError):
        return  # the parent hung up: it is done, or dead


def _packed(worker: Worker, result: Result) -> Any:
    from nnlite.utils.data import transfer

    try:
        return transfer.pack(result)
    except Exception as error:
        failure = worker._failure(error, "to send its batch (what collate_fn returns)")
        return transfer.pack(Result(result.serial, FAILED, failure))


def _not_rebuilt(id: int, error: Exception) -> Failure:
    import traceback

    return Failure(
        None,
        f"DataLoader worker {id} (process {os.getpid()}) cannot rebuild the dataset",
        f"{error}. A worker process imports what it needs: move the dataset's class and functions "
        'from the notebook or prompt into a module, or take worker_type="thread"',
        "".join(traceback.format_exception(type(error), error, error.__traceback__)),
    )


def _leave_ctrl_c_to_the_parent() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
