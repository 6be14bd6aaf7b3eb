"""What a framework's file hands to the worker."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


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


Step = Callable[[Any, Any], float]
"""Trains on one batch of inputs and targets and returns its loss."""


def steps(
    data: Sequence[tuple[Any, Any]], make_step: Callable[[], Step], untimed: int = 0
) -> Program:
    """Return the program that trains on one batch after the other.

    Args:
        data: the batches, in the framework's own arrays.
        make_step: makes the model and the optimizer afresh and returns the step.
        untimed: how many of the batches are trained on before the time starts: a step that is
            compiled at its first call is not timed then.
    """

    def prepare() -> Callable[[], list[float]]:
        step = make_step()
        for x, y in data[:untimed]:
            step(x, y)
        timed = data[untimed:]

        def run() -> list[float]:
            return [step(x, y) for x, y in timed]

        return run

    return Program(len(data) - untimed, prepare)
