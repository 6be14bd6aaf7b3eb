"""What a framework's file hands to the worker."""

from collections.abc import Callable
from typing import NamedTuple


class Program(NamedTuple):
    """A workload as one framework runs it.

    Args:
        units: how many units (steps, additions) one run does.
        prepare: makes everything afresh from the seed (weights, optimizer) and returns the
            run, which is what is timed. The run returns its results: numbers that every
            framework must agree on, the loss after each step for instance.
    """

    units: int
    prepare: Callable[[], Callable[[], list[float]]]
