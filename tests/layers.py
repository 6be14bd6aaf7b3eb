"""The table of layers: how each is made in nnlite and in torch, and what it is given.

One row is one way to make one layer. tests/test_layers.py runs every check over every row: forward,
gradients, buffers, weights exchanged with torch, printed form, copies. A new layer is a new row.
"""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from operators import Arg, draw

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


@cache
def drawn(seed: str, domain: str | int, shape: tuple[int, ...]) -> np.ndarray:
    """Values from a domain of tests/operators.py; the same at each call."""
    rng = random.Random(seed)
    values = np.array([draw(domain, rng) for _ in range(int(np.prod(shape)))])
    values.setflags(write=False)
    return values.reshape(shape)


def arrays_of(row: Row, inputs: tuple[Any, ...], seed: str, dtype: str) -> list[np.ndarray]:
    """Values for the inputs; the same at each call."""
    arrays = []
    for i, arg in enumerate(inputs):
        shape, domain = arg if isinstance(arg, Arg) else (arg, row.domain)
        kind = "bool" if domain == "mask" else "int64" if isinstance(domain, int) else dtype
        arrays.append(drawn(f"{row.name} {seed} {i}", domain, tuple(shape)).astype(kind))
    return arrays


def filled(module: Any, seed: str) -> dict[str, np.ndarray]:
    """A state for the module: parameters and running statistics drawn anew, the rest as it is."""
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    state = {}
    for name, value in module.state_dict().items():
        array = np.array(value.numpy())
        last = name.rpartition(".")[2]
        if name in parameters or last in ("running_mean", "running_var"):
            domain = "positive" if last == "running_var" else "real"
            array = 0.5 * drawn(f"{seed} {name}", domain, array.shape).astype(array.dtype)
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
    """One forward and backward: outputs, gradients, and the state after it, as arrays."""
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
        slopes = [drawn(f"slope {i}", "real", tuple(y.shape)) for i, y in enumerate(ends)]
        library.autograd.backward(ends, [library.tensor(v).to(y) for v, y in zip(slopes, ends)])
    return {
        "outputs": [y.detach().numpy() for y in outputs],
        "input gradients": [gradient(x) for x in leaves if x.requires_grad],
        "parameter gradients": {name: gradient(p) for name, p in module.named_parameters()},
        "state": {name: np.array(value.numpy()) for name, value in module.state_dict().items()},
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
    return [[p.name, p.kind.name, default_of(p)] for p in arguments]


def default_of(argument: inspect.Parameter) -> str:
    """The default of an argument in words; a function by its name."""
    default = argument.default
    return default.__name__ if inspect.isroutine(default) else repr(default)


def says_nothing(arguments: list[list[str]]) -> bool:
    """Whether the arguments are (*args, **kwargs), as those of torch's recurrent layers."""
    return [kind for _, kind, _ in arguments] == ["VAR_POSITIONAL", "VAR_KEYWORD"]


def every_row() -> list[Row]:
    """The rows of all tables."""
    import sequence_layers

    return [*ROWS, *sequence_layers.ROWS]


# ---- the rows -----------------------------------------------------------------------------------

A = (6, 4)


def activation(name: str, make: Callable[[Any], Any], *inputs: Any, **more: Any) -> Row:
    """A row of a layer that takes any shape."""
    return Row(name, make, inputs or (A,), also=more.pop("also", (((),), ((0, 4),))), **more)


def in_place(kind: str) -> list[Row]:
    """Rows of an activation whose only argument is ``inplace``."""
    return [
        activation(kind, lambda nn: getattr(nn, kind)()),
        activation(f"{kind} in place", lambda nn: getattr(nn, kind)(inplace=True)),
    ]


ACTIVATIONS = [
    *in_place("ReLU"),
    *in_place("ReLU6"),
    *in_place("SELU"),
    *in_place("SiLU"),
    *in_place("Mish"),
    *(replace(row, slack=1000) for row in in_place("Hardsigmoid")),  # torch: 1/6 in float32
    *in_place("Hardswish"),
    activation("LeakyReLU", lambda nn: nn.LeakyReLU()),
    activation("LeakyReLU in place", lambda nn: nn.LeakyReLU(0.2, True)),
    activation("PReLU", lambda nn: nn.PReLU()),
    Row("PReLU of channels", lambda nn: nn.PReLU(4, init=0.1), (A,), also=(((2, 4, 3),),)),
    activation("ELU", lambda nn: nn.ELU()),
    activation("ELU in place", lambda nn: nn.ELU(0.5, inplace=True)),
    activation("CELU", lambda nn: nn.CELU()),
    activation("CELU in place", lambda nn: nn.CELU(0.5, inplace=True)),
    activation("Threshold", lambda nn: nn.Threshold(0.1, 20)),
    activation("Threshold in place", lambda nn: nn.Threshold(-0.5, 2.0, inplace=True)),
    activation("GELU", lambda nn: nn.GELU()),
    activation("GELU tanh", lambda nn: nn.GELU(approximate="tanh")),
    activation("Softplus", lambda nn: nn.Softplus()),
    activation("Softplus sharp", lambda nn: nn.Softplus(beta=3, threshold=2)),
    activation("Tanh", lambda nn: nn.Tanh()),
    activation("Sigmoid", lambda nn: nn.Sigmoid()),
    activation("Hardtanh", lambda nn: nn.Hardtanh()),
    activation("Hardtanh in place", lambda nn: nn.Hardtanh(-0.5, 2, inplace=True)),
    activation("Softsign", lambda nn: nn.Softsign()),
    activation("LogSigmoid", lambda nn: nn.LogSigmoid()),
    activation("Tanhshrink", lambda nn: nn.Tanhshrink()),
    activation("Softshrink", lambda nn: nn.Softshrink()),
    activation("Softshrink by 1", lambda nn: nn.Softshrink(1)),
    activation("Hardshrink", lambda nn: nn.Hardshrink()),
    activation("Hardshrink by 1", lambda nn: nn.Hardshrink(1.0)),
    Row("GLU", lambda nn: nn.GLU(), (A,)),
    Row("GLU first", lambda nn: nn.GLU(dim=0), (A,)),
    Row("Softmax", lambda nn: nn.Softmax(dim=1), (A,)),
    Row("LogSoftmax", lambda nn: nn.LogSoftmax(dim=0), (A,)),
    Row("Softmin", lambda nn: nn.Softmin(dim=-1), (A,)),
    Row("Softmax2d", lambda nn: nn.Softmax2d(), ((2, 3, 2, 2),), also=(((3, 2, 2),),)),
]

AFFINE = [
    Row(
        "Linear", lambda nn: nn.Linear(4, 3), (A,),
        also=(((4,),), ((2, 3, 4),), ((1, 2, 3, 4),), ((0, 4),)),
    ),
    Row("Linear without bias", lambda nn: nn.Linear(4, 3, bias=False), (A,)),
    Row(
        "Bilinear", lambda nn: nn.Bilinear(4, 3, 2), (A, (6, 3)),
        also=(((4,), (3,)), ((2, 3, 4), (2, 3, 3))),
    ),
    Row("Bilinear without bias", lambda nn: nn.Bilinear(4, 3, 2, bias=False), (A, (6, 3))),
    activation("Identity", lambda nn: nn.Identity(3, unused=True)),
]  # fmt: skip

SEQUENCES, IMAGES = (2, 4, 7), (2, 4, 5, 4)
ONE_SEQUENCE, ONE_IMAGE = (4, 8), (4, 6, 5)


def of_sequences(name: str, make: Callable[[Any], Any], **more: Any) -> Row:
    """A row of a layer for sequences of 4 channels, batched and not."""
    return Row(name, make, (SEQUENCES,), also=((ONE_SEQUENCE,),), **more)


def of_images(name: str, make: Callable[[Any], Any], **more: Any) -> Row:
    """A row of a layer for images of 4 channels, batched and not."""
    return Row(name, make, (IMAGES,), also=((ONE_IMAGE,),), **more)


CONVOLUTIONS = [
    of_sequences("Conv1d", lambda nn: nn.Conv1d(4, 3, 3)),
    of_sequences(
        "Conv1d with everything",
        lambda nn: nn.Conv1d(4, 6, (2,), stride=2, padding=1, dilation=(3,), groups=2, bias=False),
    ),
    of_sequences("Conv1d same", lambda nn: nn.Conv1d(4, 2, 4, padding="same", dilation=2)),
    of_sequences("Conv1d valid", lambda nn: nn.Conv1d(4, 2, 3, padding="valid", stride=2)),
    *(
        of_sequences(
            f"Conv1d {mode}",
            lambda nn, mode=mode: nn.Conv1d(4, 2, 3, padding=2, padding_mode=mode),
        )
        for mode in ("reflect", "replicate", "circular")
    ),
    of_images("Conv2d", lambda nn: nn.Conv2d(4, 3, 3)),
    of_images(
        "Conv2d with everything",
        lambda nn: nn.Conv2d(
            4, 6, (2, 3), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False
        ),
    ),
    of_images("Conv2d of each channel", lambda nn: nn.Conv2d(4, 8, 3, padding=1, groups=4)),
    of_images("Conv2d of points", lambda nn: nn.Conv2d(4, 5, 1)),
    of_images("Conv2d same", lambda nn: nn.Conv2d(4, 2, (2, 3), padding="same", dilation=(2, 1))),
    of_images("Conv2d valid", lambda nn: nn.Conv2d(4, 2, 3, padding="valid")),
    *(
        of_images(
            f"Conv2d {mode}",
            lambda nn, mode=mode: nn.Conv2d(4, 2, 3, 2, padding=(1, 2), padding_mode=mode),
        )
        for mode in ("reflect", "replicate", "circular")
    ),
    of_images(
        "Conv2d same reflect",
        lambda nn: nn.Conv2d(4, 2, (2, 3), padding="same", padding_mode="reflect"),
    ),
    of_images(
        "Conv2d valid circular",
        lambda nn: nn.Conv2d(4, 2, 3, padding="valid", padding_mode="circular"),
    ),
    of_sequences("ConvTranspose1d", lambda nn: nn.ConvTranspose1d(4, 3, 3)),
    of_sequences(
        "ConvTranspose1d with everything",
        lambda nn: nn.ConvTranspose1d(
            4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, bias=False, dilation=2
        ),
    ),
    of_images("ConvTranspose2d", lambda nn: nn.ConvTranspose2d(4, 3, 2, stride=2)),
    of_images(
        "ConvTranspose2d with everything",
        lambda nn: nn.ConvTranspose2d(
            4, 6, (2, 3), (2, 1), (1, 2), (1, 0), groups=2, bias=False, dilation=(1, 2)
        ),
    ),
    of_images(
        "ConvTranspose2d to a size",
        lambda nn: nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1),
        call=lambda layer, x: layer(x, output_size=[2 * n for n in x.shape[-2:]]),
    ),
]

POOLS = [
    of_sequences("MaxPool1d", lambda nn: nn.MaxPool1d(2)),
    of_sequences(
        "MaxPool1d with everything",
        lambda nn: nn.MaxPool1d(3, 2, 1, 2, return_indices=True, ceil_mode=True),
    ),
    of_images("MaxPool2d", lambda nn: nn.MaxPool2d(2)),
    of_images(
        "MaxPool2d with everything",
        lambda nn: nn.MaxPool2d((2, 3), (1, 2), (0, 1), 1, return_indices=True, ceil_mode=True),
    ),
    of_images("MaxPool2d dilated", lambda nn: nn.MaxPool2d(2, stride=1, dilation=(2, 1))),
    of_sequences("AvgPool1d", lambda nn: nn.AvgPool1d(2)),
    of_sequences(
        "AvgPool1d with everything",
        lambda nn: nn.AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=False),
    ),
    of_images("AvgPool2d", lambda nn: nn.AvgPool2d(2)),
    of_images(
        "AvgPool2d with everything",
        lambda nn: nn.AvgPool2d((2, 3), (1, 2), (0, 1), ceil_mode=True, count_include_pad=False),
    ),
    of_images("AvgPool2d of sums", lambda nn: nn.AvgPool2d(2, divisor_override=1)),
    of_sequences("AdaptiveAvgPool1d", lambda nn: nn.AdaptiveAvgPool1d(3)),
    of_images("AdaptiveAvgPool2d", lambda nn: nn.AdaptiveAvgPool2d((3, 2))),
    of_images("AdaptiveAvgPool2d global", lambda nn: nn.AdaptiveAvgPool2d(1)),
    of_images("AdaptiveAvgPool2d of rows", lambda nn: nn.AdaptiveAvgPool2d((None, 2))),
    of_sequences("AdaptiveMaxPool1d", lambda nn: nn.AdaptiveMaxPool1d(3)),
    of_images("AdaptiveMaxPool2d", lambda nn: nn.AdaptiveMaxPool2d((3, 2))),
    of_images(
        "AdaptiveMaxPool2d with indices",
        lambda nn: nn.AdaptiveMaxPool2d((2, None), return_indices=True),
    ),
]

SHAPES = [
    Row("Flatten", lambda nn: nn.Flatten(), ((2, 3, 4),), also=((A,),)),
    Row("Flatten all", lambda nn: nn.Flatten(0, 1), (A,)),
    Row("Unflatten", lambda nn: nn.Unflatten(1, (2, 2)), (A,)),
    Row("Unflatten from the end", lambda nn: nn.Unflatten(-1, (-1, 2)), (A,)),
    Row("PixelShuffle", lambda nn: nn.PixelShuffle(2), (IMAGES,), also=((ONE_IMAGE,),)),
    Row("PixelUnshuffle", lambda nn: nn.PixelUnshuffle(2), ((2, 3, 4, 6),), also=(((1, 2, 2),),)),
    of_images("Unfold", lambda nn: nn.Unfold(2)),
    of_images("Unfold with everything", lambda nn: nn.Unfold((2, 3), 1, (1, 0), (2, 1))),
    Row("Fold", lambda nn: nn.Fold((4, 5), 2), ((2, 8, 12),), also=(((8, 12),),)),
    Row("Fold with everything", lambda nn: nn.Fold(5, (2, 3), 1, (1, 0), 2), ((2, 6, 6),)),
]


def resampled(what: str, shape: tuple[int, ...], *arguments: Any, **options: Any) -> Row:
    """A row of ``Upsample``, which takes batches only."""
    return Row(f"Upsample {what}".strip(), lambda nn: nn.Upsample(*arguments, **options), (shape,))


RESIZED = [
    resampled("", IMAGES, scale_factor=2),
    resampled("to a size", IMAGES, size=(4, 7)),
    resampled("exact", IMAGES, size=7, mode="nearest-exact"),
    resampled("bilinear", IMAGES, scale_factor=(1.5, 2), mode="bilinear"),
    resampled("recomputed", IMAGES, None, 1.7, "bilinear", recompute_scale_factor=True),
    resampled("corners", IMAGES, (8, 3), mode="bilinear", align_corners=True),
    resampled("linear", SEQUENCES, 9, mode="linear"),
    resampled("area", IMAGES, (3, 4), mode="area"),
]


def padding(kind: str, *value: Any) -> list[Row]:
    """Rows of the 1d and 2d forms of a kind of padding."""
    return [
        of_sequences(f"{kind}1d", lambda nn: getattr(nn, f"{kind}1d")(2, *value)),
        of_sequences(f"{kind}1d of sides", lambda nn: getattr(nn, f"{kind}1d")((3, -1), *value)),
        of_images(f"{kind}2d", lambda nn: getattr(nn, f"{kind}2d")(2, *value)),
        of_images(f"{kind}2d of sides", lambda nn: getattr(nn, f"{kind}2d")((3, 1, -2, 0), *value)),
    ]


PADS = [
    *padding("ZeroPad"), *padding("ConstantPad", 3.5), *padding("ReflectionPad"),
    *padding("ReplicationPad"), *padding("CircularPad"),
]  # fmt: skip

DROPOUTS = [
    activation("Dropout", lambda nn: nn.Dropout(0.3), modes=("eval",)),
    activation("Dropout of nothing", lambda nn: nn.Dropout(0.0)),
    activation("Dropout of all", lambda nn: nn.Dropout(1.0, inplace=True)),
    of_sequences("Dropout1d", lambda nn: nn.Dropout1d(0.3), modes=("eval",)),
    of_sequences("Dropout1d of all", lambda nn: nn.Dropout1d(1.0)),
    of_images("Dropout2d", lambda nn: nn.Dropout2d(0.3, inplace=True), modes=("eval",)),
    Row("Dropout2d of all", lambda nn: nn.Dropout2d(1), (IMAGES,)),
    activation("AlphaDropout", lambda nn: nn.AlphaDropout(0.3), modes=("eval",)),
    activation("AlphaDropout of nothing", lambda nn: nn.AlphaDropout(0.0)),
    of_images("FeatureAlphaDropout", lambda nn: nn.FeatureAlphaDropout(), modes=("eval",)),
]

LOOKED_UP = Arg((3, 2), 5)
EMBEDDINGS = [
    Row(
        "Embedding", lambda nn: nn.Embedding(5, 3), (LOOKED_UP,),
        also=((Arg((), 5),), (Arg((0,), 5),)),
    ),
    Row("Embedding padded", lambda nn: nn.Embedding(5, 3, padding_idx=-4), (LOOKED_UP,)),
    Row(
        "Embedding of a norm", lambda nn: nn.Embedding(5, 3, max_norm=0.5, norm_type=1.0),
        (LOOKED_UP,),
    ),
    Row(
        "Embedding pretrained",
        lambda nn: nn.Embedding.from_pretrained(
            nn.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), freeze=False, padding_idx=1
        ),
        (Arg((3, 2), 3),),
    ),
    Row(
        "Embedding pretrained and frozen",
        lambda nn: nn.Embedding.from_pretrained(nn.tensor([[1.0, 2.0], [3.0, 4.0]])),
        (Arg((3, 2), 2),),
    ),
]  # fmt: skip


def with_statistics(kind: str, dims: int, shape: tuple[int, ...], **more: Any) -> list[Row]:
    """Rows of a normalisation that may have running statistics."""
    name = f"{kind}Norm{dims}d"

    def rowed(what: str, **options: Any) -> Row:
        return Row(
            f"{name} {what}".strip(), lambda nn: getattr(nn, name)(4, **options), (shape,), **more
        )

    return [
        rowed(""),
        rowed("affine", affine=True, track_running_stats=True),
        rowed("without bias", affine=True, bias=False),
        rowed("plain", eps=0.1, affine=False),
        rowed("slow", momentum=0.01, affine=False, track_running_stats=True),
        rowed("without momentum", momentum=None, track_running_stats=True),
        rowed("of the batch", track_running_stats=False),
    ]


NORMS = [
    *with_statistics("Batch", 1, A, also=(((5, 4, 3),),)),
    *with_statistics("Batch", 2, IMAGES),
    *with_statistics("Instance", 1, SEQUENCES, also=((ONE_SEQUENCE,),)),
    *with_statistics("Instance", 2, IMAGES, also=((ONE_IMAGE,),)),
    Row("LayerNorm", lambda nn: nn.LayerNorm(4), (A,), also=(((4,),), ((2, 3, 4),))),
    Row("LayerNorm of two", lambda nn: nn.LayerNorm([3, 4], eps=0.1), ((2, 3, 4),)),
    Row("LayerNorm without bias", lambda nn: nn.LayerNorm((4,), bias=False), (A,)),
    Row("LayerNorm plain", lambda nn: nn.LayerNorm(4, elementwise_affine=False), (A,)),
    Row("RMSNorm", lambda nn: nn.RMSNorm(4), (A,), also=(((4,),), ((2, 3, 4),))),
    Row("RMSNorm of two", lambda nn: nn.RMSNorm((3, 4), eps=0.1), ((2, 3, 4),)),
    Row("RMSNorm plain", lambda nn: nn.RMSNorm(4, elementwise_affine=False), (A,)),
    Row("GroupNorm", lambda nn: nn.GroupNorm(2, 4), (IMAGES,), also=(((6, 4),), ((2, 4, 3),))),
    Row("GroupNorm of one", lambda nn: nn.GroupNorm(1, 4, eps=0.1), (IMAGES,)),
    Row("GroupNorm without bias", lambda nn: nn.GroupNorm(4, 4, bias=False), (IMAGES,)),
    Row("GroupNorm plain", lambda nn: nn.GroupNorm(2, 4, affine=False), (IMAGES,)),
]

DISTANCES = [
    Row("CosineSimilarity", lambda nn: nn.CosineSimilarity(), (A, A), also=((A, (1, 4)),)),
    Row("CosineSimilarity of columns", lambda nn: nn.CosineSimilarity(0, eps=0.1), (A, A)),
    Row("PairwiseDistance", lambda nn: nn.PairwiseDistance(), (A, A), also=(((4,), (4,)),)),
    Row("PairwiseDistance of sums", lambda nn: nn.PairwiseDistance(1, 0.1, keepdim=True), (A, A)),
]

PRINTED_DTYPE = "dtypes are NumPy's, and are printed as such"

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
    Row(
        "ParameterList",
        lambda nn: nn.ParameterList([nn.tensor([1.0, 2.0, 3.0, 4.0]), nn.tensor(2.0)]),
        (A,),
        call=lambda held, x: [x * parameter for parameter in held],
        differs={"repr": PRINTED_DTYPE},
    ),
    Row(
        "ParameterDict",
        lambda nn: nn.ParameterDict(
            {"scale": nn.tensor([1.0, 2.0, 3.0, 4.0]), "by": nn.tensor(2.0)}
        ),
        (A,),
        call=lambda held, x: [x * held["scale"], held["by"]],
        differs={"repr": PRINTED_DTYPE},
    ),
]


def loss(
    name: str,
    inputs: tuple[Any, ...],
    make: Callable[..., Any] | None = None,
    also: tuple[str, ...] = (),
    options: Mapping[str, Any] | None = None,
    **more: Any,
) -> list[Row]:
    """Rows of a loss with each reduction.

    Args:
        name: the class, and what is special.
        inputs: what it is called with.
        make: makes it, of the ``nn`` and ``reduction``; default: the class, with ``options``.
        also: more reductions than the usual ones.
    """

    def plain(nn: Any, reduction: str) -> Any:
        return getattr(nn, name.split()[0])(reduction=reduction, **(options or {}))

    build = make or plain
    return [
        Row(f"{name} {r}", lambda nn, r=r: build(nn, reduction=r), inputs, **more)
        for r in ("mean", "sum", "none", *also)
    ]


TARGET, LABEL = Arg(A, "zero and one"), Arg(A, "label")
CLASSES = Arg((6,), 4)
WEIGHTS = [1.0, 2.0, 0.5, 3.0]
SECOND = {"constant": (1,)}
THIRD = {"constant": (2,)}

LOSSES = [
    *loss("MSELoss", (A, A)),
    *loss("L1Loss", (A, A)),
    *loss("SmoothL1Loss", (A, A)),
    *loss("SmoothL1Loss sharp", (A, A), options={"beta": 0.3}),
    *loss("SmoothL1Loss without a square", (A, A), options={"beta": 0}),
    *loss("HuberLoss", (A, A)),
    *loss("HuberLoss wide", (A, A), options={"delta": 2}),
    *loss("GaussianNLLLoss", (A, A, Arg(A, "positive"))),
    *loss("GaussianNLLLoss full", (A, A, Arg((6, 1), "positive")), options={"full": True}),
    *loss("GaussianNLLLoss bounded", (A, A, Arg((6,), "unit")), options={"eps": 0.5}),
    *loss("PoissonNLLLoss", (A, Arg(A, "positive"))),
    *loss("PoissonNLLLoss full", (A, Arg(A, "positive")), options={"full": True}),
    *loss(
        "PoissonNLLLoss of counts", (A, A), options={"log_input": False, "eps": 0.1},
        domain="positive",
    ),
    *loss("KLDivLoss", (A, Arg(A, "unit")), also=("batchmean",)),
    *loss("KLDivLoss of logarithms", (A, A), also=("batchmean",), options={"log_target": True}),
    *loss("BCEWithLogitsLoss", (A, TARGET), **SECOND),
    *loss(
        "BCEWithLogitsLoss weighted", (A, TARGET),
        lambda nn, **o: nn.BCEWithLogitsLoss(
            nn.tensor(WEIGHTS), pos_weight=nn.tensor([2.0, 1.0, 3.0, 0.1]), **o
        ),
        **SECOND,
    ),
    *loss("BCELoss", (A, TARGET), domain="unit", **SECOND),
    *loss(
        "BCELoss weighted", (A, TARGET), lambda nn, **o: nn.BCELoss(nn.tensor(WEIGHTS), **o),
        domain="unit", **SECOND,
    ),
    *loss("CrossEntropyLoss", (A, CLASSES)),
    *loss("CrossEntropyLoss unbatched", ((4,), Arg((), 4))),
    *loss("CrossEntropyLoss of images", ((2, 4, 3, 2), Arg((2, 3, 2), 4))),
    *loss("CrossEntropyLoss of probabilities", (A, Arg(A, "unit")), **SECOND),
    *loss(
        "CrossEntropyLoss with everything", (A, CLASSES),
        lambda nn, **o: nn.CrossEntropyLoss(
            nn.tensor(WEIGHTS), ignore_index=1, label_smoothing=0.1, **o
        ),
    ),
    *loss("NLLLoss", (A, CLASSES)),
    *loss(
        "NLLLoss weighted", (A, CLASSES),
        lambda nn, **o: nn.NLLLoss(nn.tensor(WEIGHTS), ignore_index=0, **o),
    ),
    *loss("SoftMarginLoss", (A, LABEL), **SECOND),
    *loss("MultiLabelSoftMarginLoss", (A, TARGET), **SECOND),
    *loss(
        "MultiLabelSoftMarginLoss weighted", (A, TARGET),
        lambda nn, **o: nn.MultiLabelSoftMarginLoss(nn.tensor(WEIGHTS), **o), **SECOND,
    ),
    *loss("HingeEmbeddingLoss", (A, LABEL), **SECOND),
    *loss("HingeEmbeddingLoss wide", (A, LABEL), options={"margin": 1.7}, **SECOND),
    *loss("MarginRankingLoss", (A, A, LABEL), **THIRD),
    *loss("MarginRankingLoss wide", (A, A, LABEL), options={"margin": 0.5}, **THIRD),
    *loss("TripletMarginLoss", (A, A, A)),
    *loss(
        "TripletMarginLoss with everything", (A, A, A),
        options={"margin": 2.0, "p": 3, "eps": 1e-3, "swap": True},
    ),
    *loss("CosineEmbeddingLoss", (A, A, Arg((6,), "label")), **THIRD),
    *loss(
        "CosineEmbeddingLoss with a margin", (A, A, Arg((6,), "label")), options={"margin": -0.3},
        **THIRD,
    ),
    *loss("CosineEmbeddingLoss unbatched", ((4,), (4,), Arg((), "label")), **THIRD),
]  # fmt: skip

ROWS = [
    *ACTIVATIONS, *AFFINE, *CONVOLUTIONS, *POOLS, *SHAPES, *RESIZED, *PADS, *DROPOUTS, *EMBEDDINGS,
    *NORMS, *DISTANCES, *CONTAINERS, *LOSSES,
]  # fmt: skip
