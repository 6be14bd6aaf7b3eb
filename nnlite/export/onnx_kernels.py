"""nnlite's own functions on arrays as operators of ONNX; see ``kernels``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnlite.export.onnx_graph import Graph, unmapped
from nnlite.tracing.calls import Call, Ref

__all__ = ["KERNELS"]


def _high(windows: Any, size: Any, kernel: Any, places: Any) -> list[int]:
    """The padding that the last windows need at the high end."""
    reach = windows.extent(kernel, places)
    return [max(0, r - n - low) for r, n, low in zip(reach, size, windows.padding)]


def _convolution(
    graph: Graph, call: Call, x: Ref, w: Ref, how: Any, bias: Ref | None = None
) -> str:
    names = [graph.read(value) for value in (x, w, bias) if value is not None]
    windows = how.windows
    return str(
        graph.node(
            "Conv", *names, kernel_shape=list(how.kernel), strides=list(windows.stride),
            pads=[*windows.padding, *_high(windows, how.size, how.kernel, how.places)],
            dilations=list(windows.dilation), group=how.groups,
        )
    )  # fmt: skip


def _transposed(graph: Graph, call: Call, x: Ref, w: Ref, how: Any, bias: Ref | None = None) -> str:
    names = [graph.read(value) for value in (x, w, bias) if value is not None]
    windows = how.windows
    reach = windows.extent(how.kernel, how.places)
    over = [r - low - n for r, low, n in zip(reach, windows.padding, how.size)]
    return str(
        graph.node(
            "ConvTranspose", *names, kernel_shape=list(how.kernel), strides=list(windows.stride),
            pads=[*windows.padding, *(max(0, o) for o in over)],
            output_padding=[max(0, -o) for o in over], dilations=list(windows.dilation),
            group=how.groups,
        )
    )  # fmt: skip


def _batched(graph: Graph, x: Ref, pool: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
    """Pooling of (…, H, W) by an operator that takes (N, C, H, W)."""
    name = graph.read(x)
    if len(graph.sizes(x)) == 4:
        return tuple(pool(name))
    first = graph.ints([0])
    results = pool(graph.node("Unsqueeze", name, first))
    return tuple(graph.node("Squeeze", result, first) for result in results)


def _max_pool(
    graph: Graph, call: Call, x: Ref, windows: Any, kernel: Any, places: Any
) -> tuple[str, ...]:
    size = graph.sizes(x)[-2:]
    high = _high(windows, size, kernel, places)
    wants_places = call.results[1] in graph.plan.users
    options: dict[str, Any] = {
        "kernel_shape": list(kernel), "strides": list(windows.stride),
        "pads": [*windows.padding, *high], "dilations": list(windows.dilation),
    }  # fmt: skip

    def pool(name: str) -> Sequence[str]:
        if not wants_places:
            return [graph.node("MaxPool", name, **options)]
        best, index = graph.node("MaxPool", name, outputs=2, **options)
        # ONNX counts through the whole array, nnlite within an image.
        return [best, graph.node("Mod", index, graph.constant(math.prod(size), np.int64))]

    return _batched(graph, x, pool)


def _average_pool(graph: Graph, call: Call, how: Any, x: Ref) -> str:
    windows, area = how.windows, math.prod(how.kernel)
    dtype = graph.dtype(x)

    def pool(name: str) -> Sequence[str]:
        mean = graph.node(
            "AveragePool", name, kernel_shape=list(how.kernel), strides=list(windows.stride),
            pads=[*windows.padding, *_high(windows, how.size, how.kernel, how.places)],
            count_include_pad=1,
        )  # fmt: skip
        divisor = how.divisor
        if isinstance(divisor, Ref):
            divisor = graph.trace.arrays[divisor.id]
        factor = np.asarray(area / np.asarray(divisor), dtype)
        if (factor == 1).all():
            return [mean]
        return [graph.node("Mul", mean, graph.constant(factor))]

    return _batched(graph, x, pool)[0]


def _sigmoid(graph: Graph, call: Call, x: Ref, e: Any = None) -> str:
    return str(graph.node("Sigmoid", graph.read(x)))


def _normal_cdf(graph: Graph, call: Call, x: Ref) -> str:
    """Φ(x) = (1 + erf(x / √2)) / 2."""
    dtype = graph.dtype(x)
    error = graph.node(
        "Erf", graph.node("Mul", graph.read(x), graph.constant(math.sqrt(0.5), dtype))
    )
    half = graph.constant(0.5, dtype)
    return str(graph.node("Add", graph.node("Mul", error, half), half))


# ---- normalisation ------------------------------------------------------------------------------


def _batch_norm(
    graph: Graph, call: Call, x: Ref, mean: Ref, var: Ref, weight: Any, bias: Any, training: bool,
    momentum: float, eps: float,
) -> str:  # fmt: skip
    dtype, channels = graph.dtype(x), graph.sizes(mean)
    scale, shift = (
        _filled(graph, value, channels, dtype) if given is None else graph.read(given)
        for given, value in ((weight, 1), (bias, 0))
    )
    statistics = graph.read(mean), graph.read(var)
    name = graph.node("BatchNormalization", graph.read(x), scale, shift, *statistics, epsilon=eps)
    return str(name)


def _filled(graph: Graph, value: int, sizes: Any, dtype: Any) -> str:
    name = graph.constant(value, dtype)
    return str(graph.node("Expand", name, graph.ints(sizes)))


def _layer_norm(
    graph: Graph, call: Call, x: Ref, shape: Any, weight: Any, bias: Any, eps: float
) -> str:
    sizes, dtype = tuple(shape), graph.dtype(x)
    scale = graph.constant(np.ones(sizes, dtype)) if weight is None else graph.read(weight)
    shift = () if bias is None else (graph.read(bias),)
    return str(
        graph.node(
            "LayerNormalization", graph.read(x), scale, *shift, axis=-len(sizes), epsilon=eps
        )
    )


def _softmax(op: str) -> Callable[..., str]:
    def apply(graph: Graph, call: Call, x: Ref, dim: int, dtype: Any) -> str:
        if not graph.sizes(x):
            raise unmapped(call, "softmax of a number")
        name = graph.operand(x, graph.dtype(Ref(call.results[0])))
        return str(graph.node(op, name, axis=dim))

    return apply


# ---- recurrent layers ---------------------------------------------------------------------------

# By the number of gates: the operator, and the place of each of its gates among nnlite's.
_RECURRENT = {1: ("RNN", (0,)), 3: ("GRU", (1, 0, 2)), 4: ("LSTM", (0, 3, 1, 2))}


def _recurrent(
    graph: Graph, call: Call, module: Any, x: Ref, start: Any, weights: Any, reverse: bool,
    layout: None,
) -> tuple[str, ...]:  # fmt: skip
    """A layer in one direction: the states after each step, the last state, and the last cell."""
    op, order = _RECURRENT[module._gates]
    size = module.hidden_size
    # Rows of gates in ONNX's order; nnlite's weights are those of one direction, ONNX's of several.
    rows = np.concatenate([np.arange(size) + gate * size for gate in order])
    first, places = graph.ints([0]), graph.constant(rows, np.int64)

    def arranged(weight: Ref) -> str:
        if graph.plan.is_constant(weight.id):
            return graph.constant(graph.trace.arrays[weight.id][rows][None])
        return str(graph.node("Unsqueeze", graph.node("Gather", graph.read(weight), places), first))

    w_ih, w_hh, *biases = map(arranged, weights)
    bias = ""
    if biases and all(graph.plan.is_constant(weight.id) for weight in weights[2:]):
        both = [graph.constants[name] for name in biases]
        bias = graph.constant(np.concatenate(both, axis=1))
    elif biases:
        bias = graph.node("Concat", *biases, axis=1)
    states = [graph.node("Unsqueeze", graph.read(state), first) for state in start]
    options: dict[str, Any] = {
        "hidden_size": size, "direction": "reverse" if reverse else "forward",
    }  # fmt: skip
    if op == "GRU":
        options["linear_before_reset"] = 1
    if op == "RNN":
        options["activations"] = ["Relu" if module.nonlinearity == "relu" else "Tanh"]
    steps, *last = graph.node(
        op, graph.read(x), w_ih, w_hh, bias, "", *states, outputs=len(states) + 1, **options
    )
    return (
        graph.node("Squeeze", steps, graph.ints([1])),
        *(graph.node("Squeeze", state, first) for state in last),
    )


KERNELS: dict[str, Callable[..., Any]] = {
    "batch norm": _batch_norm, "layer norm": _layer_norm, "softmax": _softmax("Softmax"),
    "log softmax": _softmax("LogSoftmax"), "recurrent": _recurrent,
    "convolution": _convolution, "transposed convolution": _transposed, "max pool": _max_pool,
    "average pool": _average_pool, "sigmoid": _sigmoid, "normal cdf": _normal_cdf,
}  # fmt: skip
