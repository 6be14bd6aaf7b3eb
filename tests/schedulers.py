"""The table of schedules: how each is made, over which course it is compared with torch's.

A row is a name, and a function that makes the schedule from the module of schedulers and an
optimizer with two groups. A schedule that is not in the table fails a test.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

STEPS = 30


class Row(NamedTuple):
    """A schedule: a label that begins with its class, and how it is made."""

    label: str
    make: Callable[[Any, Any], Any]


class Decay:
    """A callable object, whose attributes are part of the state."""

    def __init__(self) -> None:
        self.rate = 0.9

    def __call__(self, epoch: float) -> float:
        return self.rate**epoch


def warm_up_and_decay(S, o):
    parts = [S.LinearLR(o, 0.1, 1.0, 4), S.CosineAnnealingLR(o, 9), S.ExponentialLR(o, 0.9)]
    return S.SequentialLR(o, parts, [4, 13])


def nested(S, o):
    first = S.SequentialLR(o, [S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, 0.9)], [3])
    return S.SequentialLR(o, [first, S.StepLR(o, 4)], [9])


def restarts_in_turn(S, o):
    parts = [S.CosineAnnealingWarmRestarts(o, 3), S.CosineAnnealingWarmRestarts(o, 4, 2)]
    return S.SequentialLR(o, parts, [9])


def chain_in_turn(S, o):
    chain = S.ChainedScheduler([S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, 0.9)])
    return S.SequentialLR(o, [chain, S.StepLR(o, 4)], [9])


def turns_in_chain(S, o):
    turns = S.SequentialLR(o, [S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, 0.9)], [3])
    return S.ChainedScheduler([turns, S.StepLR(o, 3, 0.5)], optimizer=o)


ROWS = [
    Row("LambdaLR", lambda S, o: S.LambdaLR(o, lambda t: 0.95**t)),
    Row("LambdaLR, one a group", lambda S, o: S.LambdaLR(o, [lambda t: 1 / (t + 1), Decay()])),
    Row("MultiplicativeLR", lambda S, o: S.MultiplicativeLR(o, lambda t: 0.9 + t * 0.001)),
    Row("MultiplicativeLR, objects", lambda S, o: S.MultiplicativeLR(o, [Decay(), Decay()])),
    Row("StepLR", lambda S, o: S.StepLR(o, 3)),
    Row("StepLR, gamma", lambda S, o: S.StepLR(o, 4, gamma=0.7)),
    Row("MultiStepLR", lambda S, o: S.MultiStepLR(o, [2, 5, 5, 9], 0.5)),
    Row("ConstantLR", lambda S, o: S.ConstantLR(o)),
    Row("ConstantLR, options", lambda S, o: S.ConstantLR(o, 0.3, 7)),
    Row("LinearLR", lambda S, o: S.LinearLR(o)),
    Row("LinearLR, falling", lambda S, o: S.LinearLR(o, 0.9, 0.1, 12)),
    Row("ExponentialLR", lambda S, o: S.ExponentialLR(o, 0.9)),
    Row("PolynomialLR", lambda S, o: S.PolynomialLR(o)),
    Row("PolynomialLR, power", lambda S, o: S.PolynomialLR(o, 11, 2.5)),
    Row("CosineAnnealingLR", lambda S, o: S.CosineAnnealingLR(o, 7)),
    Row("CosineAnnealingLR, eta_min", lambda S, o: S.CosineAnnealingLR(o, 12, 0.01)),
    Row("CosineAnnealingWarmRestarts", lambda S, o: S.CosineAnnealingWarmRestarts(o, 3)),
    Row(
        "CosineAnnealingWarmRestarts, T_mult",
        lambda S, o: S.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    ),
    Row("CyclicLR", lambda S, o: S.CyclicLR(o, 0.1, 0.4, 4)),
    Row(
        "CyclicLR, triangular2",
        lambda S, o: S.CyclicLR(
            o, [0.1, 0.2], [0.4, 0.9], 4, 3, "triangular2", base_momentum=[0.7, 0.8]
        ),
    ),
    Row("CyclicLR, exp_range", lambda S, o: S.CyclicLR(o, 0.1, 0.4, 4, 3, "exp_range", 0.9)),
    Row(
        "CyclicLR, scale_fn",
        lambda S, o: S.CyclicLR(
            o, 0.1, 0.4, 4, scale_fn=lambda x: 1 / (x + 1), scale_mode="iterations"
        ),
    ),
    Row("CyclicLR, object", lambda S, o: S.CyclicLR(o, 0.1, 0.4, 4, scale_fn=Decay())),
    Row("CyclicLR, rate alone", lambda S, o: S.CyclicLR(o, 0.1, 0.4, 4, cycle_momentum=False)),
    Row("OneCycleLR", lambda S, o: S.OneCycleLR(o, 0.7, STEPS)),
    Row(
        "OneCycleLR, three phases",
        lambda S, o: S.OneCycleLR(
            o, [0.7, 0.2], epochs=6, steps_per_epoch=5, anneal_strategy="linear", three_phase=True,
            pct_start=0.25, base_momentum=[0.5, 0.6], max_momentum=0.99,
        ),
    ),
    Row(
        "OneCycleLR, rate alone",
        lambda S, o: S.OneCycleLR(
            o, 0.7, 40, cycle_momentum=False, div_factor=10, final_div_factor=7
        ),
    ),
    Row("SequentialLR", warm_up_and_decay),
    Row("SequentialLR, nested", nested),
    Row("SequentialLR, restarts", restarts_in_turn),
    Row("SequentialLR, of a chain", chain_in_turn),
    Row(
        "SequentialLR, of a cycle",
        lambda S, o: S.SequentialLR(o, [S.PolynomialLR(o, 3), S.OneCycleLR(o, 0.9, 30)], [5]),
    ),
    Row(
        "ChainedScheduler",
        lambda S, o: S.ChainedScheduler(
            [S.ConstantLR(o), S.ExponentialLR(o, 0.9), S.StepLR(o, 3, 0.5)]
        ),
    ),
    Row("ChainedScheduler, of turns", turns_in_chain),
    Row("ReduceLROnPlateau", lambda S, o: S.ReduceLROnPlateau(o, patience=1)),
    Row(
        "ReduceLROnPlateau, max abs",
        lambda S, o: S.ReduceLROnPlateau(
            o, "max", 0.5, 2, 0.05, "abs", cooldown=2, min_lr=[0.02, 0.1]
        ),
    ),
    Row("ReduceLROnPlateau, min abs", lambda S, o: S.ReduceLROnPlateau(
        o, patience=0, threshold=0.1, threshold_mode="abs", min_lr=1e-3, eps=0.01
    )),
    Row("ReduceLROnPlateau, max rel", lambda S, o: S.ReduceLROnPlateau(
        o, "max", patience=0, threshold=0.1, cooldown=1
    )),
    Row("SWALR", lambda S, o: S.SWALR(o, 0.3)),
    Row("SWALR, linear", lambda S, o: S.SWALR(
        o, [0.3, 0.01], anneal_epochs=4, anneal_strategy="linear"
    )),
    Row("SWALR, at once", lambda S, o: S.SWALR(o, 0.3, anneal_epochs=0)),
]  # fmt: skip


class Schedulers:
    """The schedulers of a library, that of ``swa_utils`` among them."""

    def __init__(self, lib: ModuleType) -> None:
        self.modules = (lib.optim.lr_scheduler, lib.optim.swa_utils)

    def __getattr__(self, name: str) -> Any:
        scheduler, averages = self.modules
        return getattr(scheduler, name) if hasattr(scheduler, name) else getattr(averages, name)


class Course:
    """An optimizer with two groups and a schedule, in nnlite or torch, that go step by step."""

    def __init__(self, lib: ModuleType, row: Row, optimizer: str = "SGD") -> None:
        self.params = [lib.ones(2, requires_grad=True) for _ in range(2)]
        groups = [{"params": [self.params[0]]}, {"params": [self.params[1]], "lr": 0.5}]
        options = {"momentum": 0.9} if optimizer == "SGD" else {}
        self.optimizer = getattr(lib.optim, optimizer)(groups, lr=0.1, **options)
        with warnings.catch_warnings():
            if lib.__name__ == "torch":  # it warns of a SequentialLR in a SequentialLR
                warnings.simplefilter("ignore")
            self.schedule = row.make(Schedulers(lib), self.optimizer)
        self.count = 0
        self.needs_metric = row.label.startswith("ReduceLROnPlateau")

    def rates(self) -> list[Any]:
        """The learning rates now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def seen(self) -> Any:
        """All that can be seen: the groups' options, the state, the last rates."""
        options = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self.optimizer.param_groups
        ]
        last = list(self.schedule.get_last_lr())
        return in_lists((options, self.schedule.state_dict(), last))

    def step(self, epoch: int | None = None) -> Course:
        """The optimizer's step, and the schedule's, to ``epoch``."""
        self.optimizer.step()
        arguments = [] if epoch is None else [epoch]
        if self.needs_metric:
            # It falls, rises and falls again, with noise.
            noise = np.random.default_rng(self.count).random()
            arguments.insert(0, float(np.cos(self.count / 5) + 0.2 * noise + 1))
        with warnings.catch_warnings():
            if epoch is not None:
                warnings.filterwarnings("ignore", "The epoch parameter")
            self.schedule.step(*arguments)
        self.count += 1
        return self


def in_lists(tree: Any) -> Any:
    """A tree with lists in place of tuples, for comparisons."""
    if isinstance(tree, dict):
        return {key: in_lists(value) for key, value in tree.items()}
    return [in_lists(value) for value in tree] if isinstance(tree, (list, tuple)) else tree
