"""Images and sequences in another size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.adaptive_pool import adaptive_avg_pool1d, adaptive_avg_pool2d
from nnlite.ops.operands import Array, array_of
from nnlite.ops.windows import per_dim
from nnlite.tensor import Tensor

__all__ = ["interpolate"]

_KINDS = {"nearest": "Nearest", "nearest-exact": "NearestExact", "linear": "Linear"}


class UpsampleBackward0(Node):
    """y = A x Bᵀ, the rows of A and B being the weights of the new pixels:   ∂x = Aᵀ g B"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        matrices, _ = self.meta
        return (_mapped(g, [matrix.T for matrix in matrices]),)

    def name(self) -> str:
        matrices, mode = self.meta
        kind = _KINDS.get(mode, "Bilinear")
        return f"Upsample{kind}{len(matrices)}DBackward0"


def _mapped(x: Any, matrices: list[Array]) -> Any:
    """``x`` with its last one or two dimensions multiplied by matrices."""
    y = np.matmul(x, matrices[-1].T)
    return np.matmul(matrices[0], y) if len(matrices) == 2 else y


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Images or sequences resampled to another size.

    Args:
        input: shape (N, C, H, W) or (N, C, L).
        size: the wanted size, one integer or one for each dimension.
        scale_factor: what to multiply the size by, instead of ``size``.
        mode: ``"nearest"``, ``"nearest-exact"`` (the centre of the pixel decides), ``"linear"`` (of
            sequences), ``"bilinear"`` (of images) or ``"area"`` (means, as adaptive_avg_pool2d).
        align_corners: for the linear modes: the centres of the corner pixels stay where they are;
            else the corners of the corner pixels do.
        recompute_scale_factor: use the ratio of the sizes instead of ``scale_factor``.
        antialias: not available, it must be False.

    Raises:
        ValueError: unless exactly one of ``size`` and ``scale_factor`` is given; for an option that
            the mode does not have.

    >>> import nnlite
    >>> x = nnlite.tensor([[[1.0, 3.0]]])
    >>> nnlite.nn.functional.interpolate(x, scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    >>> nnlite.nn.functional.interpolate(x, size=3, mode="linear", align_corners=True)
    tensor([[[1., 2., 3.]]])
    """
    x = array_of("interpolate", input)
    dims = x.ndim - 2
    linear = {1: "linear", 2: "bilinear"}.get(dims)
    if linear is None or x.dtype.kind != "f":
        raise NotImplementedError(
            "interpolate: expected floating point values of shape (N, C, L) or (N, C, H, W), got "
            f"{x.dtype} of shape {list(x.shape)}"
        )
    if antialias or mode not in ("nearest", "nearest-exact", "area", linear):
        raise NotImplementedError(
            f"interpolate: for {x.ndim} dimensions the modes are 'nearest', 'nearest-exact', "
            f"'area' and {linear!r} without antialias, got {mode!r}"
        )
    if align_corners is not None and mode != linear:
        raise ValueError(f"interpolate: align_corners is no option of mode {mode!r}; leave it out")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give one of size and scale_factor")
    scales: list[float | None] = [None] * dims
    if size is not None:
        sizes = per_dim("interpolate", "size", size, dims)
    else:
        try:
            factors = [float(factor) for factor in scale_factor]
        except TypeError:
            factors = [float(scale_factor)] * dims
        if len(factors) != dims:
            raise ValueError(f"interpolate: scale_factor needs {dims} numbers, got {factors}")
        sizes = tuple(int(n * factor) for n, factor in zip(x.shape[2:], factors))
        if not recompute_scale_factor:
            scales = list(factors)
    if min(*sizes, *x.shape[2:]) < 1:
        raise RuntimeError(
            f"interpolate: sizes must be at least 1, got {list(x.shape[2:])} to {list(sizes)}"
        )
    if mode == "area":
        return (adaptive_avg_pool1d if dims == 1 else adaptive_avg_pool2d)(input, sizes)
    matrices = [
        np.asarray(_weights(mode, n, m, scale, dims, bool(align_corners)), dtype=x.dtype, like=x)
        for n, m, scale in zip(x.shape[2:], sizes, scales)
    ]
    if mode == linear:
        y = _mapped(x, matrices)
    else:
        y = x
        for axis, (n, m, scale) in enumerate(zip(x.shape[2:], sizes, scales), 2):
            index = np.asarray(_nearest(mode, n, m, scale, dims), dtype=np.int64, like=x)
            y = y[(slice(None),) * axis + (index,)]
    return record(y, UpsampleBackward0, (input._node,), (), (matrices, mode))


def _nearest(mode: str, n: int, m: int, scale: float | None, dims: int) -> list[int]:
    """Which of ``n`` pixels each of ``m`` new ones is."""
    if mode == "nearest" and dims == 2 and m in (n, 2 * n):  # whatever the scale, as in torch
        return [i * n // m for i in range(m)]
    step = n / m if scale is None else 1 / scale
    shift = 0.5 if mode == "nearest-exact" else 0.0
    return [min(math.floor((i + shift) * step), n - 1) for i in range(m)]


def _weights(
    mode: str, n: int, m: int, scale: float | None, dims: int, align_corners: bool
) -> list[list[float]]:
    """The weights of ``n`` pixels in each of ``m`` new ones."""
    rows = [[0.0] * n for _ in range(m)]
    if mode in ("nearest", "nearest-exact"):
        for row, i in zip(rows, _nearest(mode, n, m, scale, dims)):
            row[i] = 1.0
        return rows
    if n == m:  # whatever the scale, as torch has it
        return [[float(i == j) for j in range(n)] for i in range(m)]
    if align_corners:
        step = (n - 1) / (m - 1) if m > 1 else 0.0
    else:
        step = n / m if scale is None else 1 / scale
    for i, row in enumerate(rows):
        place = i * step if align_corners else max((i + 0.5) * step - 0.5, 0.0)
        low = min(math.floor(place), n - 1)
        row[low] += 1 - (place - low)
        row[min(low + 1, n - 1)] += place - low
    return rows
