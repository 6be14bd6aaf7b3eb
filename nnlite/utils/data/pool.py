"""The loader's workers, seen from its own process: started, given tasks, heard and ended."""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from nnlite.utils.data import transfer
from nnlite.utils.data.worker import BATCH, END, Failure, Job, Result, Worker, serve

__all__ = ["Pass", "Pool", "WorkerError"]

_GRACE = 1.0  # seconds that a worker has to finish what it is at


class WorkerError(RuntimeError):
    """What happened in a worker of a loader: the cause of the exception that it raised."""


class _ProcessWorker:
    """A worker process and the pipes to it."""

    def __init__(self, context: Any, id: int, job: Job | None) -> None:
        self.id = id
        self.heard = False
        theirs, self._tasks = context.Pipe(duplex=False)
        self._results, answers = context.Pipe(duplex=False)
        self._process = context.Process(
            target=serve, args=(theirs, answers, id, job), daemon=True, name=f"DataLoader-{id}"
        )
        self._process.start()
        theirs.close()
        answers.close()

    def send(self, parcel: transfer.Parcel) -> None:
        try:
            transfer.send(self._tasks, parcel)
        except OSError:
            pass  # it is dead, which `receive` reports

    def receive(self, timeout: float) -> Result:
        from multiprocessing.connection import wait

        sentinel = self._process.sentinel
        ready = wait([self._results, sentinel], timeout or None)
        if not ready:
            raise TimeoutError
        try:
            if self._results in ready or self._results.poll():
                result: Result = transfer.receive(self._results)
                self.heard = True
                return result
        except (EOFError, OSError):
            pass
        raise WorkerError(self._obituary())

    def _obituary(self) -> str:
        process = self._process
        process.join(_GRACE)
        who = f"DataLoader worker {self.id} (process {process.pid})"
        code = process.exitcode
        if code is not None and code < 0:
            name = _signal_name(-code)
            cause = "; often that is the system running out of memory" * (name == "SIGKILL")
            return f"{who} was killed by {name}{cause}: try fewer workers or smaller batches"
        if self.heard:
            return f"{who} ended with exit status {code} in the middle of its work"
        return (
            f"{who} ended with exit status {code} before it could start; its own message is above. "
            'A script that starts workers must do so under `if __name__ == "__main__":`, for each '
            'worker imports the script; worker_type="thread" does not need that'
        )

    def hang_up(self) -> None:
        self._tasks.close()
        self._results.close()

    def end(self, until: float) -> None:
        process = self._process
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.terminate()
            process.join(_GRACE)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


class _ThreadWorker:
    """A worker thread and the queues to it."""

    def __init__(self, id: int, job: Job) -> None:
        self.id = id
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._over = threading.Event()
        worker = Worker(job, id, alone=False)
        self._thread = threading.Thread(
            target=_serve_thread,
            args=(worker, self._inbox, self._outbox, self._over),
            name=f"DataLoader-{id}",
            daemon=True,
        )
        self._thread.start()

    def send(self, message: Any) -> None:
        self._inbox.put(message)

    def receive(self, timeout: float) -> Result:
        try:
            return self._outbox.get(timeout=timeout or None)
        except queue.Empty:
            raise TimeoutError from None

    def hang_up(self) -> None:
        self._over.set()
        self._inbox.put(None)

    def end(self, until: float) -> None:
        if self._thread is not threading.current_thread():
            self._thread.join(max(0.0, until - time.monotonic()))


def _serve_thread(worker: Worker, inbox: Any, outbox: Any, over: threading.Event) -> None:
    while (message := inbox.get()) is not None and not over.is_set():
        name, *task = message
        if name == "begin":
            worker.begin(*task)
        else:
            outbox.put(worker.answer(*task))


class Pool:
    """The workers of a loader.

    Args:
        job: what they do.
        context: a context of multiprocessing; None: threads.
        timeout: seconds to wait for a batch; 0: for ever.

    Attributes:
        busy: whether a pass goes on.
    """

    def __init__(self, job: Job, context: Any, timeout: float) -> None:
        self.busy = False
        self.timeout = timeout
        self._serial = 0
        self._pack: Callable[[Any], Any] = _as_it_is if context is None else transfer.pack
        workers: list[Any] = []
        # Not a method: it must not keep the pool alive. It also runs when Python ends.
        self.close = weakref.finalize(self, _end, workers, os.getpid())
        try:
            if context is None:
                workers += [_ThreadWorker(id, job) for id in range(job.num_workers)]
            else:
                _start_processes(workers, job, context)
        except BaseException:
            self.close()
            raise
        self.workers = workers

    def begin(self, seed: int, epoch: int) -> int:
        """Begin a pass in all workers; returns its serial number."""
        self._serial += 1
        message = self._pack(("begin", seed, epoch))
        for worker in self.workers:
            worker.send(message)
        return self._serial

    def ask(self, worker: Any, serial: int, number: int, indices: Any) -> None:
        """Give a worker the task of one batch."""
        worker.send(self._pack(("answer", serial, number, indices)))

    def hear(self, worker: Any, serial: int, number: int) -> Result:
        """The next answer of a worker; those to an earlier pass are thrown away."""
        while True:
            try:
                result: Result = worker.receive(self.timeout)
            except TimeoutError:
                raise RuntimeError(
                    f"DataLoader: worker {worker.id} has not given batch {number} within "
                    f"timeout={self.timeout:g} seconds; allow more, or look what its dataset does"
                ) from None
            if result.serial == serial:
                return result


def _as_it_is(message: Any) -> Any:
    return message


def _start_processes(workers: list[Any], job: Job, context: Any) -> None:
    import multiprocessing

    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(
            f"DataLoader: num_workers={job.num_workers} starts processes, each of which imports "
            "this script, which would start processes again: put what the script does under "
            '`if __name__ == "__main__":`, or take worker_type="thread"'
        )
    forked = context.get_start_method() == "fork"
    parcel = None if forked else _packed(job)
    with _ctrl_c_held_back():
        for id in range(job.num_workers):
            workers.append(_ProcessWorker(context, id, job if forked else None))
    if parcel is not None:
        for worker in workers:
            worker.send(parcel)


def _packed(job: Job) -> transfer.Parcel:
    try:
        return transfer.pack(job)
    except Exception as error:
        names = {"dataset": job.dataset, "collate_fn": job.collate, "worker_init_fn": job.init}
        part = next((name for name, value in names.items() if not _packs(value)), "the dataset")
        raise RuntimeError(
            f"DataLoader: {part} cannot be sent to worker processes ({type(error).__name__}: "
            f"{error}); define its class and functions at the top level of a module and open "
            'files in the worker, or take worker_type="thread"'
        ) from error


def _packs(value: Any) -> bool:
    try:
        transfer.pack(value)
    except Exception:
        return False
    return True


class _ctrl_c_held_back:
    """Ctrl-C waits: a process that starts inherits that, and so is not stopped in its imports."""

    def __enter__(self) -> None:
        import signal

        self._before: Any = None
        if hasattr(signal, "pthread_sigmask"):
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])

    def __exit__(self, *exception: object) -> None:
        import signal

        if self._before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def _end(workers: list[Any], owner: int) -> None:
    """End all workers; those that do not finish in time are terminated."""
    if os.getpid() != owner:
        return  # a forked child, whose parent will do it
    for worker in workers:
        worker.hang_up()
    until = time.monotonic() + _GRACE
    for worker in workers:
        worker.end(until)
    workers.clear()


class Pass:
    """One pass through the batches that the workers of a pool make, in order.

    Args:
        pool: the workers.
        keep: whether the pool goes on living afterwards.
        batches: the indices of each batch; of a stream: None for ever.
        first: the number of the first batch.
        seed, epoch: of the workers: what their seeds derive from, and the number of the pass.
        ahead: how many batches each worker is asked for in advance.
        given: called with each batch that is handed out.
        over: called at the end.
    """

    def __init__(
        self,
        pool: Pool,
        keep: bool,
        batches: Iterator[Any],
        first: int,
        seed: int,
        epoch: int,
        ahead: int,
        given: Callable[[], None],
        over: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._keep = keep
        self._batches = batches
        self._number = first
        self._given = given
        self._over = over
        self._closed = False
        self._asked: deque[tuple[Any, int]] = deque()
        self._turn = deque(pool.workers)  # whose turn it is to get a task
        pool.busy = True
        self._serial = pool.begin(seed, epoch)
        for _ in range(max(ahead, 1) * len(pool.workers)):
            self._ask()

    def __iter__(self) -> Pass:
        return self

    def __next__(self) -> Any:
        try:
            result = self._next()
        except BaseException:  # Ctrl-C, a dead worker, a timeout
            self._pool.close()
            self.close()
            raise
        if result is None:
            self.close()
            raise StopIteration
        if result.kind == BATCH:
            self._given()
            return result.content
        # The traceback must not keep the workers alive by way of this frame.
        del self
        _raise(result.content)

    def _next(self) -> Result | None:
        while self._asked:
            worker, number = self._asked.popleft()
            result = self._pool.hear(worker, self._serial, number)
            if result.kind == END and worker in self._turn:
                self._turn.remove(worker)
            self._ask()
            if result.kind != END:
                return result
        return None

    def _ask(self) -> None:
        if not self._turn:
            return
        for indices in self._batches:
            worker = self._turn[0]
            self._turn.rotate(-1)
            self._pool.ask(worker, self._serial, self._number, indices)
            self._asked.append((worker, self._number))
            self._number += 1
            return

    def close(self) -> None:
        """End the pass, and the workers if they are of this pass alone."""
        if self._closed:
            return
        self._closed = True
        self._asked.clear()
        self._turn.clear()
        self._pool.busy = False
        if not self._keep:
            self._pool.close()
        self._over()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()


def _raise(failure: Failure) -> None:
    """Raise what a worker raised, with what it said as the cause."""
    import pickle

    if isinstance(failure.error, Exception):  # of a thread: it has its traceback
        error, told = failure.error, failure.where
    else:
        told = f"{failure.where}:\n\n{failure.trace}"
        error = RuntimeError(f"{failure.where}: {failure.summary}")
        if failure.error is not None:
            error = pickle.loads(failure.error)
    if hasattr(error, "add_note"):
        error.add_note(failure.where)
    if error.__cause__ is not None:
        raise error
    raise error from WorkerError(told)
