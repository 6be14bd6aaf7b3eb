"""Tally: what an epoch has come to so far, and its batches from where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from nnlite.utils.data import DataLoader, IterableDataset

if TYPE_CHECKING:
    from nnlite.train.randomness import Streams

    Tree = dict[str, Any]

__all__ = ["Tally"]

_SAVED = ("batch", "total", "divisor", "samples", "waiting", "share")


class Tally:
    """What the rest of an epoch depends on, besides the model, the optimizer and the like.

    Attributes:
        batch: how many batches have been trained on.
        total, divisor, samples: of their losses, see `checks.mean`.
        waiting: how many of them have their gradients accumulated, waiting for a step.
        share: what those gradients have to be divided by.
        seconds: how long the epoch has taken.
    """

    __slots__ = ("_begun", "_start", "batch", "divisor", "samples", "share", "total", "waiting")

    def __init__(self) -> None:
        self.batch = self.samples = self.waiting = 0
        self.total = self.divisor = self.share = 0.0
        self._begun = perf_counter()
        self._start: Tree | None = None

    @property
    def seconds(self) -> float:
        """How long the epoch has taken."""
        return perf_counter() - self._begun

    def batches(self, loader: Any, streams: Streams) -> Iterator[Any]:
        """The batches that are left.

        Where the loader cannot go on by itself, those that were trained on are gone through again,
        in the order that they had, and then the random generators are put back to where they were.
        """
        if _goes_on_by_itself(loader):
            whole: Iterator[Any] = iter(loader)
            return whole
        if self._start is None:
            self._start = {"random": streams.state(), "loader": _state_of(loader)}
            batches: Iterator[Any] = iter(loader)
            return batches
        now = streams.state()
        if self._start["loader"] is not None:
            loader.load_state_dict(self._start["loader"])
        streams.restore(self._start["random"])
        batches = iter(loader)
        for _ in range(self.batch):
            next(batches, None)
        streams.restore(now)
        return batches

    def state_dict(self) -> Tree:
        """Everything, as a checkpoint holds it."""
        tree = {name: getattr(self, name) for name in _SAVED}
        return {**tree, "seconds": self.seconds, "start": self._start}

    @classmethod
    def of(cls, tree: Tree | None) -> Tally | None:
        """The tally that ``state_dict`` was called on; None for None: no epoch was in progress."""
        if tree is None:
            return None
        tally = cls()
        for name in _SAVED:
            setattr(tally, name, tree[name])
        tally._begun -= tree["seconds"]
        tally._start = tree["start"]
        return tally


def _goes_on_by_itself(loader: Any) -> bool:
    """Whether the loader's state holds its place in a pass, exactly.

    A sampler of somebody else's may draw from generators that the loader knows nothing of.
    """
    return (
        type(loader) is DataLoader
        and not isinstance(loader.dataset, IterableDataset)
        and all(
            sampler is None or type(sampler).__module__.startswith("nnlite.")
            for sampler in (loader.sampler, loader.batch_sampler)
        )
    )


def _state_of(loader: Any) -> Any:
    return loader.state_dict() if hasattr(loader, "state_dict") else None
