"""DataLoader: the batches of a dataset, pass after pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

from nnlite.ops.random import Generator, default_generator
from nnlite.utils.data import options
from nnlite.utils.data.collate import default_collate, default_convert
from nnlite.utils.data.dataset import IterableDataset
from nnlite.utils.data.fetch import Fetcher, batches_of_stream
from nnlite.utils.data.sampler import (
    BatchSampler,
    Drawing,
    OwnGenerator,
    RandomSampler,
    SequentialSampler,
    quick_form,
)

if TYPE_CHECKING:
    from nnlite.utils.data.pool import Pool

__all__ = ["DataLoader"]

_FIXED = (
    "batch_sampler", "batch_size", "dataset", "drop_last", "persistent_workers", "sampler",
)  # fmt: skip


class DataLoader:
    """Goes through a dataset in batches: ``for xb, yb in loader``.

    Array data (a `TensorDataset`, a tensor, an array, a `Subset` of one) is indexed a whole batch
    at once; of anything else the samples are fetched one by one and collated. A batch is always
    new memory: what is done to it in place does not reach the dataset.

    **Workers** are for datasets whose samples take long to make: each makes whole batches ahead of
    time, which come in the same order, and with the same random numbers in the dataset for any
    number of them. Worker processes are spawned, on every system, so a script that uses them
    has its code under ``if __name__ == "__main__":``; the dataset is pickled and sent to each.
    Threads need neither, and serve datasets that mostly wait (files, network) or compute in NumPy,
    which lets other threads run; in them the dataset must not draw from global random generators
    if the numbers are to be the same each time.

    Args:
        dataset: anything with ``__len__`` and ``__getitem__``, or an `IterableDataset`.
        batch_size: samples in a batch; None: single samples, not batches.
        shuffle: another random order in each pass.
        sampler: gives the order instead (an iterable of indices).
        batch_sampler: gives lists of indices, instead of all four of ``batch_size``, ``shuffle``,
            ``sampler`` and ``drop_last``.
        num_workers: how many workers make batches; 0: the loader itself, when they are asked for.
        collate_fn: makes a batch of a list of samples; default: `default_collate`.
        pin_memory: accepted and without effect: it is for copies to a GPU.
        drop_last: leave out a last batch that is smaller than the others.
        timeout: seconds to wait for a batch of a worker; 0: as long as it takes.
        worker_init_fn: called in each worker at its start with its number. The random generators
            of Python, NumPy and nnlite are seeded without it, before each batch.
        multiprocessing_context: "spawn", "fork", "forkserver" or a context of ``multiprocessing``;
            default: "spawn", on every system.
        generator: where the random order comes from; default: one that the default generator seeds
            at the first pass. The order depends on the seed and the number of the pass
            alone, and so do the seeds of the workers.
        prefetch_factor: how many batches each worker makes ahead of time; default: 2.
        persistent_workers: keep the workers from pass to pass.
        pin_memory_device, in_order: accepted and without effect; the order is always kept.
        worker_type: "process" or "thread".

    Raises:
        ValueError: arguments that contradict each other, a batch size below 1, an empty dataset to
            shuffle.
        TypeError: a dataset without a length.
        RuntimeError: while batches are made, a dataset that cannot be sent to a process, a worker
            that died or is late. What a dataset raises in a worker comes out as it is, with the
            place and the worker's traceback as its cause.

    >>> import nnlite
    >>> data = nnlite.utils.data.TensorDataset(nnlite.arange(10), nnlite.arange(10) ** 2)
    >>> loader = DataLoader(data, batch_size=4, shuffle=True, drop_last=True)
    >>> len(loader), [xb.shape for xb, yb in loader]
    (2, [nnlite.Size([4]), nnlite.Size([4])])
    >>> loader = DataLoader(data, batch_size=5, num_workers=2, worker_type="thread")
    >>> [xb.tolist() for xb, yb in loader]
    [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        worker_type: str = "process",
    ) -> None:
        self._streams = isinstance(dataset, IterableDataset)
        options.check_order(
            self._streams, batch_size, shuffle, sampler, batch_sampler, drop_last, generator
        )
        options.check_workers(
            num_workers, timeout, prefetch_factor, persistent_workers, worker_type,
            multiprocessing_context,
        )  # fmt: skip
        if self._streams:
            options.check_batches("DataLoader", batch_size, drop_last)
        elif batch_sampler is not None:
            sampler = getattr(batch_sampler, "sampler", None)
            batch_size, drop_last = None, False
        else:
            if sampler is None:
                options.check_length(dataset)
                sampler = (
                    RandomSampler(dataset, generator=generator)
                    if shuffle
                    else SequentialSampler(dataset)
                )
            if batch_size is not None:
                batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.num_workers = num_workers
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.worker_type = worker_type
        self._batched = batch_sampler is not None or (self._streams and batch_size is not None)
        if collate_fn is None:
            collate_fn = default_collate if self._batched else default_convert
        self.collate_fn: Callable[[Any], Any] = collate_fn
        self._passes = 0
        self._place: _Place | None = None
        self._next_place: _Place | None = None
        self._pool: Pool | None = None
        self._complete = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "_complete" in self.__dict__:
            raise ValueError(f"DataLoader: {name} is fixed once the loader is made; make a new one")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers:
            return self._by_workers()
        if self._streams:
            return self._in_place()
        return map(Fetcher(self.dataset, self.collate_fn, self._batched), self._in_place())

    def __len__(self) -> int:
        """The number of batches of one pass.

        Raises:
            TypeError: the dataset, or the sampler, has no length.
        """
        if self._streams:
            count = len(self.dataset)
            size = self.batch_size
            if size is None:
                return count
            return count // size if self.drop_last else -(-count // size)
        counted: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(counted)

    # ---- one pass --------------------------------------------------------------------------------

    def _in_place(self) -> Iterator[Any]:
        """The indices of each batch of one pass (of a stream: the batches), counted as they go."""
        place, source = self._begin()
        try:
            for item in source:
                place.given += 1
                yield item
        finally:
            self._forget(place)

    def _begin(self) -> tuple[_Place, Iterator[Any]]:
        """The place in a new pass, or in the one to resume, and what comes from there on."""
        place, self._next_place = self._next_place, None
        sources = self._sources()
        if place is None:
            self._passes += 1
            place = _Place(0, [source.get_state() for source in sources])
            self._place = place
            return place, self._items()
        # The order is drawn as it was; then the generators go on from where they are now.
        self._place = place
        now = [source.get_state() for source in sources]
        for source, state in zip(sources, place.start):
            source.set_state(state)
        items = self._items()
        for _ in islice(items, place.given):
            pass
        for source, state in zip(sources, now):
            source.set_state(state)
        return place, items

    def _items(self) -> Iterator[Any]:
        """The indices of each batch (or sample) of a pass; of a stream its batches, or None."""
        if self._streams:
            if self.num_workers:
                return repeat(None)
            if hasattr(self.dataset, "set_epoch"):
                self.dataset.set_epoch(self._passes - 1)
            return batches_of_stream(self.dataset, self.collate_fn, self.batch_size, self.drop_last)
        if self.batch_sampler is None:
            return iter(self.sampler or ())
        arrays = quick_form(self.batch_sampler, "order", "__iter__")
        batches = arrays() if arrays is not None else None
        return iter(self.batch_sampler if batches is None else batches)

    def _forget(self, place: _Place) -> None:
        if self._place is place:
            self._place = None

    # ---- workers ---------------------------------------------------------------------------------

    def _by_workers(self) -> Iterator[Any]:
        from nnlite.utils.data.pool import Pass

        place, items = self._begin()
        skipped = place.given if self._streams else 0
        pool = self._idle_pool()
        batches = Pass(
            pool,
            pool is self._pool,
            items,
            place.given - skipped,
            self._worker_seed(),
            self._passes - 1,
            self.prefetch_factor or 1,
            place.count,
            lambda: self._forget(place),
        )
        if skipped:
            place.given = 0
            for _ in islice(batches, skipped):
                pass
        return batches

    def _idle_pool(self) -> Pool:
        """The workers that were kept, if they are free; else new ones."""
        from nnlite.utils.data.pool import Pool
        from nnlite.utils.data.worker import Job

        kept = self._pool
        if kept is not None and not kept.busy and kept.close.alive:
            return kept
        job = Job(
            self.dataset, self.collate_fn, self.batch_size, self.drop_last, self._batched,
            self._streams, self.worker_init_fn, self.num_workers,
        )  # fmt: skip
        context = options.context_of(self.worker_type, self.multiprocessing_context)
        pool = Pool(job, context, self.timeout)
        if self.persistent_workers and (kept is None or not kept.busy):
            self._pool = pool
        return pool

    def _worker_seed(self) -> int:
        """Of this pass: it depends on the generator's seed and the number of the pass alone."""
        from numpy.random import SeedSequence

        generator = default_generator if self.generator is None else self.generator
        sequence = SeedSequence((generator.initial_seed(), self._passes))
        return int(sequence.generate_state(1, "uint64")[0] >> 1)

    # ---- state -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: all that the next batches, or the next passes, depend on.

        Taken inside of a loop over the loader, it is the place in that pass, after the batch that
        the loop is at: the next pass of a loader that loads it gives the batches that are left,
        without reading those before (of a stream: after reading them). Outside of a loop it
        is the start of the next pass.

        >>> loader = DataLoader(range(6), batch_size=2)
        >>> for batch in loader:
        ...     state = loader.state_dict()
        ...     break
        >>> other = DataLoader(range(6), batch_size=2)
        >>> other.load_state_dict(state)
        >>> [batch.tolist() for batch in other], [batch.tolist() for batch in other]
        ([[2, 3], [4, 5]], [[0, 1], [2, 3], [4, 5]])
        """
        place = self._next_place or self._place
        return {
            "generators": [_state_of(generator) for generator in self._generators()],
            "passes": self._passes,
            "given": 0 if place is None else place.given,
            "start": [] if place is None else place.start,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where the loader was when ``state`` was taken.

        Args:
            state: of `state_dict`, of a loader of the same data with the same options.

        Raises:
            ValueError: the state of a loader with other generators.
        """
        generators = self._generators()
        if len(generators) != len(state["generators"]):
            raise ValueError(
                f"DataLoader.load_state_dict: the state is of {len(state['generators'])} "
                f"generators of its own, this loader has {len(generators)}; make it with the same "
                "shuffle, sampler and generator"
            )
        for generator, its_state in zip(generators, state["generators"]):
            _put_back(generator, its_state)
        self._passes = state.get("passes", 0)
        given = state.get("given", 0)
        self._place = None
        self._next_place = _Place(given, state["start"]) if given else None

    def _generators(self) -> list[Generator | OwnGenerator]:
        """The generators that the order depends on, each once, those of the samplers' own too."""
        found: dict[int, Generator | OwnGenerator] = {}
        for holder in (self, self.sampler, self.batch_sampler):
            generator = getattr(holder, "generator", None)
            if generator is None and isinstance(holder, Drawing):
                generator = holder.own
            if isinstance(generator, (Generator, OwnGenerator)):
                found[id(generator)] = generator
        return list(found.values())

    def _sources(self) -> list[Generator]:
        """The generators that the order of the next pass may come from."""
        own = [g.get() if isinstance(g, OwnGenerator) else g for g in self._generators()]
        known = isinstance(self.sampler, (Drawing, SequentialSampler)) and (
            self.batch_sampler is None or type(self.batch_sampler) is BatchSampler
        )
        return own if known else [*own, default_generator]


def _state_of(generator: Generator | OwnGenerator) -> dict[str, Any] | None:
    found = generator.seeded if isinstance(generator, OwnGenerator) else generator
    return None if found is None else found.get_state()


def _put_back(generator: Generator | OwnGenerator, state: dict[str, Any] | None) -> None:
    if isinstance(generator, OwnGenerator):
        generator.adopt(None)
        if state is None:
            return
        own = Generator()
        generator.adopt(own)
        generator = own
    if state is not None:
        generator.set_state(state)


class _Place:
    """How far a pass has come, and the states of the generators at its start."""

    __slots__ = ("given", "start")

    def __init__(self, given: int, start: list[Any]) -> None:
        self.given = given
        self.start = start

    def count(self) -> None:
        """One more batch was handed out."""
        self.given += 1
