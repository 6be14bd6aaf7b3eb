"""The table of optimizers: each with its options, run on the same gradients in any library.

A row is a name in ``nnlite.optim`` with the options to try, each a dict of arguments; an optimizer
that is not in the table fails a test. `path` runs one case.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

SHAPES = [(3, 4), (4,), (), (2, 1, 3), (0,), (1,)]
STEPS = 20


class Row(NamedTuple):
    """An optimizer: its name, the options to try, and its paper's lines where torch has none."""

    name: str
    options: list[dict[str, Any]]
    by_hand: Callable[..., Any] | None = None
    needs_closure: bool = False


class Case(NamedTuple):
    """A row with one of its options."""

    row: Row
    options: dict[str, Any]

    @property
    def label(self) -> str:
        """The name of a test."""
        given = " ".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.row.name} {given or 'plain'}"


def each(**choices: list[Any]) -> list[dict[str, Any]]:
    """All combinations of options."""
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


def lion(theta, gradients, *, lr, betas=(0.9, 0.99), weight_decay=0.0, maximize=False):
    """Lion by algorithm 2 of its paper, in plain NumPy."""
    m = np.zeros_like(theta)
    for g in gradients:
        g = -g if maximize else g
        c = betas[0] * m + (1 - betas[0]) * g
        theta = theta - lr * (np.sign(c) + weight_decay * theta)
        m = betas[1] * m + (1 - betas[1]) * g
    return theta


ADAM = each(
    weight_decay=[0, 0.1], amsgrad=[False, True], maximize=[False, True],
)  # fmt: skip

ROWS = [
    Row("SGD", [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "maximize": True},
    ]),
    Row("Adam", [
        *ADAM,
        {"lr": 0.1, "betas": (0.3, 0.7), "eps": 0.1},
        {"lr": 0.1, "betas": (0.0, 0.0)},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ]),
    Row("AdamW", [*ADAM, {}, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}]),
    Row("Adamax", [
        *each(weight_decay=[0, 0.1], maximize=[False, True]),
        {"lr": 0.1, "betas": (0.3, 0.7), "eps": 0.1},
    ]),
    Row("NAdam", [
        *each(weight_decay=[0, 0.1], decoupled_weight_decay=[False, True], maximize=[False, True]),
        {"lr": 0.1, "betas": (0.3, 0.7), "eps": 0.1, "momentum_decay": 0.5},
    ]),
    Row("RAdam", [
        *each(weight_decay=[0, 0.1], decoupled_weight_decay=[False, True], maximize=[False, True]),
        {"lr": 0.1, "betas": (0.3, 0.9), "eps": 0.1},
        {"lr": 0.1, "betas": (0.3, 0.5)},
    ]),
    Row("RMSprop", [
        *each(weight_decay=[0, 0.1], momentum=[0, 0.9], centered=[False, True]),
        {"lr": 0.1, "alpha": 0.5, "eps": 0.1, "maximize": True},
    ]),
    Row("Adagrad", [
        *each(lr_decay=[0, 0.1], weight_decay=[0, 0.1], initial_accumulator_value=[0, 0.5]),
        {"lr": 0.1, "eps": 0.1, "maximize": True},
    ]),
    Row("Adadelta", [
        *each(weight_decay=[0, 0.1], maximize=[False, True]),
        {"lr": 10.0, "rho": 0.5, "eps": 0.1},
    ]),
    Row("Lion", [
        *each(lr=[0.01], weight_decay=[0, 0.1], maximize=[False, True]),
        {"lr": 0.1, "betas": (0.3, 0.7)},
    ], by_hand=lion),
    Row("LBFGS", [
        {"lr": 0.1, "max_iter": 5},
        {"lr": 0.1, "max_iter": 4, "history_size": 3},
        {"line_search_fn": "strong_wolfe", "max_iter": 2},
        {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 2, "max_eval": 5},
        {"lr": 0.1, "max_iter": 5, "tolerance_grad": 0.5},
        {"lr": 0.1, "max_iter": 5, "tolerance_change": 0.01},
    ], needs_closure=True),
]  # fmt: skip

CASES = [Case(row, options) for row in ROWS for options in row.options]
ELEMENTWISE = [case for case in CASES if not case.row.needs_closure]


class Run:
    """Parameters and an optimizer of them, in nnlite or torch, that take step after step.

    Args:
        lib: ``nnlite`` or ``torch``.
        case: which optimizer.
        dtype: of the parameters.
        seed: of their first values and their gradients.
        shapes: of the parameters.
    """

    def __init__(
        self, lib: ModuleType, case: Case, dtype: str = "float64", seed: int = 0, shapes: Any = None
    ) -> None:
        self.lib, self.case, self.dtype, self.seed = lib, case, dtype, seed
        rng = np.random.default_rng(seed)
        values = [rng.standard_normal(shape).astype(dtype) for shape in shapes or SHAPES]
        # The minimum of the loss that L-BFGS is given.
        self.targets = [rng.standard_normal(v.shape).astype(dtype) for v in values]
        self.params = [lib.tensor(value, requires_grad=True) for value in values]
        self.optimizer = getattr(lib.optim, case.row.name)(self.params, **case.options)
        self.count = 0

    def gradients(self, step: int) -> list[Any]:
        """What the parameters' gradients are at a step."""
        rng = np.random.default_rng([self.seed, step])
        return [rng.standard_normal(tuple(p.shape)).astype(self.dtype) for p in self.params]

    def loss(self) -> Any:
        """A smooth and convex loss with a minimum that all parameters share in."""
        self.optimizer.zero_grad()
        terms = [
            ((p - self.lib.tensor(target)) ** 2).sum() * (i + 1)
            for i, (p, target) in enumerate(zip(self.params, self.targets))
        ]
        loss = sum(terms[1:], terms[0])
        loss = loss + 0.1 * (self.params[0].sum() - self.params[1].sum()) ** 4
        loss.backward()
        return loss

    def step(self, count: int = 1) -> Run:
        """Take steps."""
        for _ in range(count):
            if self.case.row.needs_closure:
                self.optimizer.step(self.loss)
            else:
                for p, g in zip(self.params, self.gradients(self.count)):
                    p.grad = self.lib.tensor(g)
                self.optimizer.step()
            self.count += 1
        return self

    def values(self) -> list[Any]:
        """Copies of the parameters."""
        return [p.detach().numpy().copy() for p in self.params]


def plain(tree: Any) -> Any:
    """A tree with arrays in place of tensors."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(plain(value) for value in tree)
    return np.array(tree.detach().numpy()) if hasattr(tree, "detach") else tree


def tensors(tree: Any, lib: ModuleType) -> Any:
    """A tree with a library's tensors in place of arrays."""
    if isinstance(tree, dict):
        return {key: tensors(value, lib) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(tensors(value, lib) for value in tree)
    return lib.tensor(tree) if isinstance(tree, np.ndarray) else tree
