"""The table of layers: how each is made in nnlite and in torch, and what it is given.

One row is one way to make one layer. tests/test_layers.py runs every check over every row: forward,
gradients, buffers, weights exchanged with torch, printed form, copies. A new layer is a new row.
"""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from operators import Arg, cotangents, draw

import nnlite

MODES = ("train", "eval")


class Namespace:
    """The ``nn`` of a library, nnlite's or torch's, with ``tensor`` besides."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.tensor = root.tensor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.root.nn, name)


def plainly(module: Any, *inputs: Any) -> Any:
    """Call a module with its inputs."""
    return module(*inputs)


@dataclass(frozen=True)
class Row:
    """A layer, made in one way.

    Attributes:
        name: the class, and after a space what is special about this row; unique.
        make: makes the layer of a ``Namespace``: ``lambda nn: nn.Linear(4, 3)``; tensors for its
            arguments are ``nn.tensor(…)``.
        inputs: a shape, or an ``Arg`` where the row's domain does not fit (classes, masks), of each
            tensor that the layer is called with.
        also: more inputs that the same layer takes: unbatched, of other lengths, empty.
        call: how it is called with its inputs, where that is not ``layer(*inputs)``. The outputs
            may be nested in tuples; None among them is allowed.
        domain: what the values of the inputs are drawn from.
        constant: which inputs get no gradient; those of integers and bools never do.
        modes: in which it is compared: what draws random numbers in training only in ``"eval"``.
        slack: how many times the usual tolerance is allowed.
        differs: checks in which nnlite and torch differ, each with the reason. The check fails
            when they do not.
    """

    name: str
    make: Callable[[Any], Any]
    inputs: tuple[Any, ...]
    also: tuple[tuple[Any, ...], ...] = ()
    call: Callable[..., Any] = plainly
    domain: str | int = "real"
    constant: tuple[int, ...] = ()
    modes: tuple[str, ...] = MODES
    slack: float = 1.0
    differs: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The name of the class."""
        return self.name.split()[0]


# ---- running a row ------------------------------------------------------------------------------


def arrays_of(row: Row, inputs: tuple[Any, ...], seed: str, dtype: str) -> list[np.ndarray]:
    """Values for the inputs; the same at each call."""
    rng = random.Random(f"{row.name} {seed}")
    arrays = []
    for arg in inputs:
        shape, domain = arg if isinstance(arg, Arg) else (arg, row.domain)
        values = [draw(domain, rng) for _ in range(int(np.prod(shape)))]
        kind = "bool" if domain == "mask" else "int64" if isinstance(domain, int) else dtype
        arrays.append(np.array(values, dtype=kind).reshape(shape))
    return arrays


def filled(module: Any, seed: str) -> dict[str, np.ndarray]:
    """A state for the module: parameters and running statistics drawn anew, the rest as it is."""
    rng = random.Random(seed)
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    state = {}
    for name, value in module.state_dict().items():
        array = np.array(value.numpy())
        last = name.rpartition(".")[2]
        if name in parameters or last in ("running_mean", "running_var"):
            domain = "positive" if last == "running_var" else "real"
            values = [draw(domain, rng) for _ in range(array.size)]
            array = 0.5 * np.array(values, dtype=array.dtype).reshape(array.shape)
        state[name] = array
    return state


def made(library: Any, row: Row, mode: str = "train", dtype: str = "float64") -> Any:
    """The row's layer, of a dtype and in a mode, its parameters drawn by name."""
    module = row.make(Namespace(library))
    module = module.double() if dtype == "float64" else module.float()
    module.train(mode == "train")
    state = {name: library.tensor(a) for name, a in filled(module, row.name).items()}
    module.load_state_dict(state)
    return module


def flat(outputs: Any) -> Iterator[Any]:
    """The tensors of nested tuples, lists and dicts, in order; None is left out."""
    if isinstance(outputs, Mapping):
        outputs = outputs.values()
    elif not isinstance(outputs, (tuple, list)):
        if outputs is not None:
            yield outputs
        return
    for part in outputs:
        yield from flat(part)


def step(
    library: Any, module: Any, row: Row, inputs: tuple[Any, ...], seed: str, dtype: str = "float64"
) -> dict[str, Any]:
    """One forward and backward: outputs, gradients, and the buffers after it, as arrays."""
    leaves = []
    for i, array in enumerate(arrays_of(row, inputs, seed, dtype)):
        leaf = library.tensor(array)
        if array.dtype.kind == "f" and i not in row.constant:
            leaf.requires_grad_()
        leaves.append(leaf)
    # Not the leaves themselves: layers that work in place must not write over those.
    with warnings.catch_warnings():
        if library is not nnlite:
            warnings.simplefilter("ignore")
        result = row.call(module, *(x * 1 if x.requires_grad else x for x in leaves))
    outputs = list(flat(result))
    ends = [y for y in outputs if y.requires_grad]
    for parameter in module.parameters():
        parameter.grad = None
    if ends:
        slopes = cotangents([y.detach().numpy() for y in ends], "slopes")
        library.autograd.backward(ends, [library.tensor(slope) for slope in slopes])
    return {
        "outputs": [y.detach().numpy() for y in outputs],
        "input gradients": [gradient(x) for x in leaves if x.requires_grad],
        "parameter gradients": {name: gradient(p) for name, p in module.named_parameters()},
        "buffers": {name: np.array(b.numpy()) for name, b in module.named_buffers()},
    }


def gradient(tensor: Any) -> np.ndarray | None:
    """The gradient of a tensor as an array."""
    return None if tensor.grad is None else tensor.grad.detach().numpy()


def course(
    library: Any, row: Row, mode: str, dtype: str = "float64", steps: int = 3
) -> list[dict[str, Any]]:
    """Some steps of a row's layer, each with other values, the last ones with its other inputs."""
    module = made(library, row, mode, dtype)
    inputs = [*[row.inputs] * steps, *row.also]
    return [step(library, module, row, x, str(i), dtype) for i, x in enumerate(inputs)]


def state_of(module: Any) -> list[tuple[str, str, list[int]]]:
    """Names, dtypes and shapes of the state, in order."""
    return [
        (name, str(value.dtype).rpartition(".")[2], list(value.shape))
        for name, value in module.state_dict().items()
    ]


def constructor(nn: Any, name: str) -> list[list[str]]:
    """The arguments of a layer: name, kind and default of each."""
    kind = getattr(nn, name)
    if kind.__init__ is nn.Module.__init__:
        return []
    arguments = inspect.signature(kind).parameters.values()
    return [[p.name, p.kind.name, repr(p.default)] for p in arguments]


def every_row() -> list[Row]:
    """The rows of all tables."""
    import sequence_layers

    return [*ROWS, *sequence_layers.ROWS]


# ---- the rows -----------------------------------------------------------------------------------

A = (6, 4)


def activation(name: str, make: Callable[[Any], Any], *inputs: Any, **more: Any) -> Row:
    """A row of a layer that takes any shape."""
    return Row(name, make, inputs or (A,), also=more.pop("also", (((),), ((0, 4),))), **more)


ACTIVATIONS = [
    activation("ReLU", lambda nn: nn.ReLU()),
    activation("ReLU in place", lambda nn: nn.ReLU(inplace=True)),
    activation("LeakyReLU", lambda nn: nn.LeakyReLU()),
    activation("LeakyReLU in place", lambda nn: nn.LeakyReLU(0.2, True)),
    activation("Tanh", lambda nn: nn.Tanh()),
    activation("Sigmoid", lambda nn: nn.Sigmoid()),
    activation("GELU", lambda nn: nn.GELU()),
    activation("GELU tanh", lambda nn: nn.GELU(approximate="tanh")),
    activation("Softplus", lambda nn: nn.Softplus()),
    activation("Softplus sharp", lambda nn: nn.Softplus(beta=3, threshold=2)),
    Row("Softmax", lambda nn: nn.Softmax(dim=1), (A,)),
    Row("LogSoftmax", lambda nn: nn.LogSoftmax(dim=0), (A,)),
]

AFFINE = [
    Row(
        "Linear", lambda nn: nn.Linear(4, 3), (A,),
        also=(((4,),), ((2, 3, 4),), ((1, 2, 3, 4),), ((0, 4),)),
    ),
    Row("Linear without bias", lambda nn: nn.Linear(4, 3, bias=False), (A,)),
    activation("Identity", lambda nn: nn.Identity(3, unused=True)),
]  # fmt: skip

SHAPES = [
    Row("Flatten", lambda nn: nn.Flatten(), ((2, 3, 4),), also=((A,),)),
    Row("Flatten all", lambda nn: nn.Flatten(0, 1), (A,)),
    Row("Unflatten", lambda nn: nn.Unflatten(1, (2, 2)), (A,)),
    Row("Unflatten from the end", lambda nn: nn.Unflatten(-1, (-1, 2)), (A,)),
]

DROPOUTS = [
    activation("Dropout", lambda nn: nn.Dropout(0.3), modes=("eval",)),
    activation("Dropout of nothing", lambda nn: nn.Dropout(0.0)),
]

NORMS = [
    Row("BatchNorm1d", lambda nn: nn.BatchNorm1d(4), (A,), also=(((5, 4, 3),),)),
    Row("BatchNorm1d without bias", lambda nn: nn.BatchNorm1d(4, bias=False), (A,)),
    Row("BatchNorm1d cumulative", lambda nn: nn.BatchNorm1d(4, momentum=None), (A,)),
    Row("BatchNorm1d plain", lambda nn: nn.BatchNorm1d(4, eps=0.1, affine=False), (A,)),
    Row("BatchNorm1d of the batch", lambda nn: nn.BatchNorm1d(4, track_running_stats=False), (A,)),
]

CONTAINERS = [
    Row(
        "Sequential",
        lambda nn: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(inplace=True)),
        (A,),
    ),
    Row(
        "ModuleList",
        lambda nn: nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.Tanh()]),
        (A,),
        call=lambda layers, x: [layer(x) for layer in layers],
    ),
    Row(
        "ModuleDict",
        lambda nn: nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 1)}),
        (A,),
        call=lambda layers, x: {name: layer(x) for name, layer in layers.items()},
    ),
]


def loss(name: str, make: Callable[..., Any], *inputs: Any, **more: Any) -> list[Row]:
    """Rows of a loss with each reduction; ``make(nn, reduction=…)`` makes it."""
    return [
        Row(f"{name} {r}", lambda nn, r=r: make(nn, reduction=r), inputs, **more)
        for r in more.pop("reductions", ("mean", "sum", "none"))
    ]


TARGET = Arg(A, "zero and one")
CLASSES = Arg((6,), 4)
WEIGHTS = [1.0, 2.0, 0.5, 3.0]

LOSSES = [
    *loss("MSELoss", lambda nn, **o: nn.MSELoss(**o), A, A),
    *loss("L1Loss", lambda nn, **o: nn.L1Loss(**o), A, A),
    *loss(
        "BCEWithLogitsLoss", lambda nn, **o: nn.BCEWithLogitsLoss(**o), A, TARGET, constant=(1,)
    ),
    *loss(
        "BCEWithLogitsLoss weighted",
        lambda nn, **o: nn.BCEWithLogitsLoss(
            nn.tensor(WEIGHTS), pos_weight=nn.tensor([2.0, 1.0, 3.0, 0.1]), **o
        ),
        A, TARGET, constant=(1,),
    ),
    *loss("BCELoss", lambda nn, **o: nn.BCELoss(**o), A, TARGET, domain="unit", constant=(1,)),
    *loss(
        "BCELoss weighted", lambda nn, **o: nn.BCELoss(nn.tensor(WEIGHTS), **o), A, TARGET,
        domain="unit", constant=(1,),
    ),
    *loss("CrossEntropyLoss", lambda nn, **o: nn.CrossEntropyLoss(**o), A, CLASSES),
    *loss(
        "CrossEntropyLoss with everything",
        lambda nn, **o: nn.CrossEntropyLoss(
            nn.tensor(WEIGHTS), ignore_index=1, label_smoothing=0.1, **o
        ),
        A, CLASSES,
    ),
    *loss(
        "NLLLoss", lambda nn, **o: nn.NLLLoss(nn.tensor(WEIGHTS), ignore_index=0, **o), A, CLASSES
    ),
]  # fmt: skip

ROWS = [
    *ACTIVATIONS, *AFFINE, *SHAPES, *DROPOUTS, *NORMS, *CONTAINERS, *LOSSES,
]  # fmt: skip
