"""nnlite's own functions on arrays as operators of ONNX; see ``kernels``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnlite.export.calls import Call, Ref
from nnlite.export.onnx_graph import Graph

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


KERNELS: dict[str, Callable[..., Any]] = {
    "convolution": _convolution, "transposed convolution": _transposed, "max pool": _max_pool,
    "average pool": _average_pool, "sigmoid": _sigmoid, "normal cdf": _normal_cdf,
}  # fmt: skip
