"""Random programs of in-place and out-of-place operations, to be run by nnlite and by torch.

A program is a list of steps; each takes tensors of a pool by number (modulo its size), so every
list of numbers is a program. What it leaves behind is compared: values, gradients, errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# Steps that make a new tensor with memory of its own.
FRESH: dict[str, Callable[..., Any]] = {
    "clone": lambda x, y: x.clone(),
    "add": lambda x, y: x + y,
    "sub": lambda x, y: 1.5 - x,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (y * y + 1),
    "tanh": lambda x, y: x.tanh(),
    "square": lambda x, y: x**2,
    "exp": lambda x, y: (x * 0.5).exp(),
    "sigmoid": lambda x, y: x.sigmoid(),
    "sum": lambda x, y: x.sum(-1, keepdim=True),
    "pick": lambda x, y: x[[0, -1]],
    "std": lambda x, y: (x * x + y * y + 1).sqrt(),
}
# Steps that make a view: writing into it, or into what it was taken of, shows in both.
VIEWS: dict[str, Callable[..., Any]] = {
    "row": lambda x, y: x[0],
    "slice": lambda x, y: x[..., 1:],
    "turn": lambda x, y: x.T,
    "flat": lambda x, y: x.reshape(-1),
    "lift": lambda x, y: x.unsqueeze(0),
    "half": lambda x, y: x.split(1)[0],
    "wide": lambda x, y: x.expand(2, *x.shape),
}
IN_PLACE: dict[str, Callable[..., Any]] = {
    "add_": lambda x, y: x.add_(y),
    "sub_": lambda x, y: x.sub_(y, alpha=0.5),
    "mul_": lambda x, y: x.mul_(y),
    "div_": lambda x, y: x.div_(2 + y * y),
    "scale_": lambda x, y: x.mul_(0.75),
    "self_": lambda x, y: x.add_(x),
    "zero_": lambda x, y: x.zero_(),
    "fill_": lambda x, y: x.fill_(0.5),
    "clamp_": lambda x, y: x.clamp_(-3.3, 1.1),
    "copy_": lambda x, y: x.copy_(y),
    "set first": lambda x, y: x.__setitem__(0, y),
    "set last": lambda x, y: x.__setitem__((..., -1), y),
    "set number": lambda x, y: x.__setitem__(0, 0.25),
    "set some": lambda x, y: x.__setitem__([0], y),
    "put row": lambda x, y: x[0].add_(y),
    "detach_": lambda x, y: x.detach_(),
}
# Steps that go behind the graph's back, as optimizers and initialisers do.
UNRECORDED: dict[str, Callable[..., Any]] = {
    "detach": lambda x, y: x.detach(),
    "detached mul_": lambda x, y: x.detach().mul_(0.9),
    "no_grad add_": lambda x, y: x.add_(y),
    "no_grad zero_": lambda x, y: x.zero_(),
    "no_grad set": lambda x, y: x.__setitem__(0, 0.125),
    "no_grad exp": lambda x, y: x.exp(),
}
NEED_A_ROW = {
    "row", "slice", "pick", "half", "set first", "set last", "set number", "set some", "put row",
    "no_grad set",
}  # fmt: skip
RECORDED = {**FRESH, **VIEWS, **IN_PLACE}
STEPS = {**RECORDED, **UNRECORDED}
HIDES = {"detach_", *UNRECORDED}

Program = list[tuple[str, int, int]]


class Outcome(NamedTuple):
    """What a program did.

    Attributes:
        error: what it raised, and at which step, from 1 (one more than there are: in backward).
        values: of all tensors in the pool.
        needs: which of them require gradients.
        gradients: of the leaves; None where there is none.
    """

    error: tuple[int, str] | None
    values: list[Any]
    needs: list[bool]
    gradients: list[Any]


def leaves_of(count: int = 2) -> list[Any]:
    """The values that every program starts with."""
    rng = np.random.default_rng(5)
    return [rng.uniform(0.5, 1.5, (2, 2)) for _ in range(count)]


def compatible(name: str, x: Any, y: Any) -> bool:
    """Whether the shapes allow the step; decided here, so that both libraries do the same."""
    sx, sy = tuple(x.shape), tuple(y.shape)
    target = sx
    if name in NEED_A_ROW:
        if not sx or 0 in sx:
            return False
        target = {"set last": sx[:-1], "set some": (1, *sx[1:])}.get(name, sx[1:])
    if name == "turn":
        return len(sx) == 2
    if name == "sum":
        return len(sx) > 0
    if name == "wide":
        return len(sx) < 3
    try:
        joined = np.broadcast_shapes(target, sy)
    except ValueError:
        return False
    return joined == target or name in FRESH


def run(
    library: Any, program: Program, leaves: list[Any], differentiate: bool = True
) -> tuple[Outcome, float]:
    """Run a program; returns its outcome and the value of the loss at its end."""
    starts = [library.tensor(value).requires_grad_(differentiate) for value in leaves]
    pool = [
        starts[0],
        starts[0] * 1.25,
        starts[1].clone(),
        library.tensor(np.full((2, 2), 0.75)),
        starts[0] + starts[1],
    ]
    step = 0
    loss = float("nan")
    try:
        for name, i, j in program:
            step += 1
            x, y = pool[i % len(pool)], pool[j % len(pool)]
            if not compatible(name, x, y):
                continue
            if name.startswith("no_grad"):
                with library.no_grad():
                    result = STEPS[name](x, y)
            else:
                result = STEPS[name](x, y)
            if name in FRESH or name in VIEWS or name in ("detach", "no_grad exp"):
                pool.append(result)
        step += 1
        total = library.tensor(np.zeros(()))
        for number, tensor in enumerate(pool):
            total = total + (tensor * (1 + 0.1 * number)).sum()
        loss = float(total.detach())
        if differentiate and total.requires_grad:
            total.backward()
    except RuntimeError as error:
        return Outcome((step, str(error)), [], [], []), loss
    values = [t.detach().numpy().copy() for t in pool]
    needs = [t.requires_grad for t in pool]
    gradients = [None if t.grad is None else t.grad.numpy().copy() for t in starts]
    return Outcome(None, values, needs, gradients), loss


def differences(library: Any, program: Program, eps: float = 1e-6) -> list[Any]:
    """The gradients of the loss by central differences: what they are, whatever the graph says."""
    leaves = leaves_of()
    found = []
    for leaf in leaves:
        slope = np.zeros_like(leaf)
        for place in np.ndindex(leaf.shape):
            sides = []
            original = leaf[place]
            for side in (eps, -eps):
                leaf[place] = original + side
                sides.append(run(library, program, leaves, differentiate=False)[1])
            leaf[place] = original
            slope[place] = (sides[0] - sides[1]) / (2 * eps)
        found.append(slope)
    return found
