"""The options of a DataLoader: which go together, and what is wrong with those that do not."""

from __future__ import annotations

from typing import Any

from nnlite.ops.random import Generator
from nnlite.utils.data.sampler import is_count

__all__ = ["check_batches", "check_length", "check_order", "check_workers", "context_of"]

WORKER_TYPES = ("process", "thread")


def check_order(
    streams: bool,
    batch_size: Any,
    shuffle: Any,
    sampler: Any,
    batch_sampler: Any,
    drop_last: Any,
    generator: Any,
) -> None:
    """Raise unless these options say one order."""
    if streams:
        if shuffle:
            raise ValueError(
                "DataLoader: shuffle=True needs samples by number, an IterableDataset gives them "
                "one after the other; let the dataset shuffle (as CSVDataset's shuffle_buffer does)"
            )
        for name, value in (("sampler", sampler), ("batch_sampler", batch_sampler)):
            if value is not None:
                raise ValueError(
                    f"DataLoader: {name} needs samples by number, an IterableDataset gives them "
                    "one after the other; leave it out"
                )
    if sampler is not None and shuffle:
        raise ValueError(
            "DataLoader: sampler and shuffle=True exclude each other, both say the order"
        )
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        raise ValueError(
            "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last, "
            "for it says all that they say"
        )
    if batch_size is None and drop_last:
        raise ValueError("DataLoader: batch_size=None makes no batches: leave drop_last out")
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(
            f"DataLoader: generator must be a nnlite.Generator, got {type(generator).__name__}"
        )


def check_batches(who: str, batch_size: Any, drop_last: Any) -> None:
    """Raise unless these are the options of batches."""
    if batch_size is not None and not (is_count(batch_size) and batch_size >= 1):
        raise ValueError(f"{who}: batch_size must be a whole number from 1 on, got {batch_size!r}")
    if not isinstance(drop_last, bool):
        raise ValueError(f"{who}: drop_last must be True or False, got {drop_last!r}")


def check_length(dataset: Any) -> None:
    """Raise unless the dataset has a length."""
    try:
        len(dataset)
    except TypeError:
        raise TypeError(
            f"DataLoader: the dataset has no length ({type(dataset).__name__}); define __len__ "
            "and __getitem__, or make it an IterableDataset, which needs only __iter__"
        ) from None


def check_workers(
    num_workers: Any,
    timeout: Any,
    prefetch_factor: Any,
    persistent_workers: Any,
    worker_type: Any,
    context: Any,
) -> None:
    """Raise unless the options of workers are sound, and not set without workers."""
    if not is_count(num_workers) or num_workers < 0:
        raise ValueError(
            f"DataLoader: num_workers must be a whole number from 0 on, got {num_workers!r}"
        )
    if not timeout >= 0:
        raise ValueError(f"DataLoader: timeout must not be negative, got {timeout!r}")
    if worker_type not in WORKER_TYPES:
        raise ValueError(
            f"DataLoader: worker_type must be one of {WORKER_TYPES}, got {worker_type!r}"
        )
    if prefetch_factor is not None and not (is_count(prefetch_factor) and prefetch_factor >= 1):
        raise ValueError(
            f"DataLoader: prefetch_factor must be a whole number from 1 on, got {prefetch_factor!r}"
        )
    if num_workers == 0:
        given = {
            "timeout": timeout,
            "prefetch_factor": prefetch_factor,
            "persistent_workers": persistent_workers,
            "multiprocessing_context": context,
        }
        for name, value in given.items():
            if value:
                raise ValueError(
                    f"DataLoader: {name} is for workers, and num_workers is 0: leave it out, or "
                    "take workers"
                )
    elif context is not None:
        if worker_type == "thread":
            raise ValueError(
                "DataLoader: multiprocessing_context is for processes, and worker_type is "
                '"thread": leave one out'
            )
        context_of(worker_type, context)


def context_of(worker_type: str, chosen: Any) -> Any:
    """The context of multiprocessing for these options; None for threads."""
    if worker_type == "thread":
        return None
    import multiprocessing
    from multiprocessing.context import BaseContext

    if chosen is None:
        chosen = "spawn"  # a fork copies the locks of threads that it does not copy
    if isinstance(chosen, BaseContext):
        return chosen
    if not isinstance(chosen, str):
        raise TypeError(
            "DataLoader: multiprocessing_context must be a context of multiprocessing or the name "
            f"of one, got {type(chosen).__name__}"
        )
    names = multiprocessing.get_all_start_methods()
    if chosen not in names:
        raise ValueError(
            f"DataLoader: multiprocessing_context must be one of {names} on this system, got "
            f"{chosen!r}"
        )
    return multiprocessing.get_context(chosen)
