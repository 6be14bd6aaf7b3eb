"""What operations compute whose equation is in words: as NumPy expressions, for differences.

``TABLE`` has for a node's class a function of the node, of what it has saved, of the shape of its
output, and of its inputs (``None`` for one that is absent). Everything is in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.modes import no_grad
from nnlite.autograd.node import Node
from nnlite.tensor import wrap

__all__ = ["LINEAR", "ROUNDS", "TABLE", "WRITES", "is_partial"]

Array = Any
Compute = Callable[[Node, tuple[Any, ...], tuple[int, ...], list[Array]], Any]

# Operations that are linear in what they have not saved: the derivative is the same everywhere, so
# a difference may be taken at zero where the input is not known.
LINEAR = frozenset((
    "AddAtBackward", "AddBackward0", "AddmmBackward0", "AddmvBackward0", "AvgPool2DBackward0",
    "BaddbmmBackward0", "BasicIndexBackward0", "CatBackward0", "CloneBackward0",
    "ConvolutionBackward0", "DiagonalBackward0", "DivBackward1", "EmbeddingBackward0",
    "ExpandBackward0", "FlipBackward0", "GatherBackward0", "IndexBackward0",
    "IndexSelectBackward0", "LerpBackward0", "LinearBackward0", "MaskedFillBackward0",
    "MaxPool2DWithIndicesBackward0", "MeanBackward0", "MeanBackward1", "NegBackward0",
    "NllLossBackward0", "PermuteBackward0", "RollBackward0", "RsubBackward1", "SplitBackward0",
    "SplitWithSizesBackward0", "SqueezeBackward0", "SqueezeBackward1", "SqueezeBackward2",
    "StackBackward0", "SubBackward0", "SumBackward0", "SumBackward1", "TBackward0",
    "TransposeBackward0", "TransposedConvolutionBackward0", "UnbindBackward0",
    "UnsafeViewBackward0", "UnsqueezeBackward0", "ViewBackward0", "WhereBackward0",
    "NativeBatchNormBackward0", "NativeLayerNormBackward0", "NativeGroupNormBackward0",
    "ScaledDotProductAttentionBackward0", "CopyBackwards", "CopySlices", "FillBackward2",
    "ZeroBackward0", "AdaptiveAvgPool2DBackward0", "ConstantPadNdBackward0", "CumsumBackward0",
    "RollBackward0", "TraceBackward0", "TrilBackward0", "TriuBackward0",
    # In each factor; what is not kept is the factor whose partner wants no gradient.
    "BatchedMatmulBackward0", "BmmBackward0", "DivBackward0", "DotBackward0", "MmBackward0",
    "MulBackward0", "MvBackward0", "VmBackward0",
))  # fmt: skip


# Operations that round to another dtype, which a difference must not see.
# (or whose derivative is 0 by definition: the padding row of an embedding).
ROUNDS = frozenset(("EmbeddingBackward0", "ToCopyBackward0"))

# Operations that are recorded before they write: a recording has not seen what they computed.
WRITES = frozenset(("CopyBackwards", "CopySlices", "FillBackward2", "ZeroBackward0"))


def is_partial(node: Node) -> bool:
    """Whether the table has the derivative of an operation, but not all that it put in."""
    kind = type(node).__name__
    if kind == "EmbeddingBackward0":  # the row of the padding has values, and no derivative
        return node.meta[1] is not None
    return kind in WRITES or kind == "MaskedFillBackward0"


def _reshape(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return x[0].reshape(shape)


def _total(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return x[0].sum(axis=node.meta[1], keepdims=node.meta[2])


def _mean(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return x[0].sum(axis=node.meta[1], keepdims=node.meta[2]) / node.meta[3]


def _index(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return x[0][node.meta[1]]


def _cat(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return np.concatenate(x, axis=node.meta[0])


def _split(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    dim, shapes = node.meta[:2]
    ends = np.cumsum([s[dim] for s in shapes])[:-1]
    return dict(enumerate(np.split(x[0], ends, axis=dim)))


def _unbind(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return dict(enumerate(np.moveaxis(x[0], node.meta[0], 0)))


def _convolution(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    from nnlite.ops.columns import output_of

    return output_of(x[0], x[1], node.meta, x[2])


def _transposed(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    from nnlite.ops.columns import input_of

    return input_of(x[0], x[1], node.meta, x[2])


def _max_pool(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    from nnlite.ops.pool import _index_of_maxima

    index = _index_of_maxima(saved, node.meta)
    planes = x[0].reshape(*x[0].shape[:-2], -1)
    flat = index.reshape(*index.shape[:-2], -1)
    return np.take_along_axis(planes, flat, axis=-1).reshape(index.shape)


def _avg_pool(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return node.meta.pool(x[0])


def _exponentials(x: Array, axis: Any) -> Array:
    return np.exp(x - x.max(axis=axis, keepdims=True))


def _softmax(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    e = _exponentials(x[0], node.meta)
    return e / e.sum(axis=node.meta, keepdims=True)


def _log_softmax(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    shifted = x[0] - x[0].max(axis=node.meta, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=node.meta, keepdims=True))


def _nll(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    values = x[0] * saved[0]
    return values.sum(axis=1) if node.meta[0] else values.sum()


def _normal(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)


def _layer_norm(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    dims, eps = node.meta
    y = _normal(x[0], tuple(range(x[0].ndim - dims, x[0].ndim)), eps)
    y = y if x[1] is None else y * x[1]
    return y if x[2] is None else y + x[2]


def _batch_norm(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    training, eps = node.meta
    along = (1, -1) + (1,) * (x[0].ndim - 2)
    if training:
        y = _normal(x[0], (0, *range(2, x[0].ndim)), eps)
    else:
        y = (x[0] - saved[2].reshape(along)) / np.sqrt(saved[3].reshape(along) + eps)
    y = y if x[1] is None else y * x[1].reshape(along)
    return y if x[2] is None else y + x[2].reshape(along)


def _attention(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    q, k, v, mask = x
    scores = node.meta[0] * (q @ k.swapaxes(-1, -2))
    alive, keep = saved[4:6]
    if mask is not None:
        scores = scores + mask
    if alive is not None:
        scores = np.where(alive, scores, -np.inf)
    weights = _exponentials(scores, -1)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return (weights if keep is None else weights * keep) @ v


def _embedding(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    padding = node.meta[1]
    y = x[0][saved[0]]
    # The padding row is a constant: its derivative is 0 by definition.
    return y if padding is None else np.where(saved[0][..., None] != padding, y, 0)


def _where(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    a, b = (0.0 if value is None else value for value in x)
    return np.where(saved[0], a, b)


def _masked_fill(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return np.where(saved[0], 0.0 if len(x) < 2 or x[1] is None else x[1], x[0])


def _recurrent(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    """The layer's own function (it is one loop over the steps, however it is written)."""
    from nnlite.ops import recurrent

    tensors: list[Any] = [None if array is None else wrap(array) for array in x]
    kind = type(node).__name__
    with no_grad():
        if kind == "LstmBackward0":
            states = recurrent.lstm_layer(
                tensors[0], tensors[1], tensors[2], tuple(tensors[3:]), node.meta
            )
            return {i: state.array for i, state in enumerate(states)}
        weights = tuple(tensors[2:])
        if kind == "GruBackward0":
            return recurrent.gru_layer(tensors[0], tensors[1], weights, node.meta).array
        reverse, is_relu = node.meta
        how = "relu" if is_relu else "tanh"
        return recurrent.rnn_layer(tensors[0], tensors[1], weights, how, reverse).array


def _rms_norm(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    dims, eps = node.meta
    axes = tuple(range(x[0].ndim - dims, x[0].ndim))
    y = x[0] / np.sqrt((x[0] * x[0]).mean(axis=axes, keepdims=True) + eps)
    return y if x[1] is None else y * x[1]


def _einsum(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    inputs, output = node.meta
    return np.einsum(f"{','.join(inputs)}->{output}", *x)


def _group_norm(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    groups, eps = node.meta
    y = _normal(x[0].reshape(len(x[0]), groups, -1), (2,), eps).reshape(shape)
    along = (1, -1) + (1,) * (len(shape) - 2)
    y = y if x[1] is None else y * x[1].reshape(along)
    return y if x[2] is None else y + x[2].reshape(along)


def _largest(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return x[0].max(axis=node.meta[1], keepdims=node.meta[2])


def _smallest(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return x[0].min(axis=node.meta[1], keepdims=node.meta[2])


def _product(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return x[0].prod(axis=node.meta[1], keepdims=node.meta[2])


def _variance(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    _, axis, keepdims, count = node.meta
    apart = x[0] - x[0].mean(axis=axis, keepdims=True)
    return (apart * apart).sum(axis=axis, keepdims=keepdims) / count


def _deviation(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return np.sqrt(_variance(node, saved, shape, x))


def _logsumexp(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return np.log(np.exp(x[0]).sum(axis=node.meta[1], keepdims=node.meta[2]))


def _copy_slices(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    steps = node.meta[0]
    part = y = np.zeros(shape) if x[0] is None else np.array(x[0])
    for step in steps[:-1]:
        part = part[step]
    part[steps[-1]] = 0.0 if x[1] is None else x[1]
    return y


def _overwritten(node: Node, saved: Any, shape: tuple[int, ...], x: list[Array]) -> Any:
    return np.broadcast_to(0.0 if len(x) < 2 else x[1], shape)


TABLE: dict[str, Compute] = {
    "AdaptiveAvgPool2DBackward0": lambda node, saved, shape, x: saved[0] @ x[0] @ saved[1].T,
    "AmaxBackward0": _largest,
    "AminBackward0": _smallest,
    "Atan2Backward0": lambda node, saved, shape, x: np.arctan2(x[0], x[1]),
    "AvgPool2DBackward0": _avg_pool,
    "BasicIndexBackward0": _index,
    "BatchedMatmulBackward0": lambda node, saved, shape, x: np.matmul(x[0], x[1]),
    "BmmBackward0": lambda node, saved, shape, x: np.matmul(x[0], x[1]),
    "CatBackward0": _cat,
    "CloneBackward0": _reshape,
    "ConstantPadNdBackward0": lambda node, saved, shape, x: np.pad(
        x[0], node.meta[0], constant_values=node.meta[1]
    ),
    "ConvolutionBackward0": _convolution,
    "CopyBackwards": _overwritten,
    "CopySlices": _copy_slices,
    "CumprodBackward0": lambda node, saved, shape, x: np.cumprod(x[0], axis=node.meta),
    "CumsumBackward0": lambda node, saved, shape, x: np.cumsum(x[0], axis=node.meta),
    "DiagonalBackward0": _index,
    "DiagonalCopyBackward": _index,
    "EinsumBackward": _einsum,
    "EmbeddingBackward0": _embedding,
    "ExpandBackward0": lambda node, saved, shape, x: np.broadcast_to(x[0], shape),
    "FillBackward2": _overwritten,
    "FlipBackward0": lambda node, saved, shape, x: x[0][node.meta],
    "GatherBackward0": _index,
    "GruBackward0": _recurrent,
    "IndexBackward0": _index,
    "IndexSelectBackward0": _index,
    "LogSoftmaxBackward0": _log_softmax,
    "LogsumexpBackward0": _logsumexp,
    "LstmBackward0": _recurrent,
    "MaskedFillBackward0": _masked_fill,
    "MaskedFillBackward1": _masked_fill,
    "MaxBackward0": _largest,
    "MaxBackward1": _largest,
    "MaxPool2DWithIndicesBackward0": _max_pool,
    "MeanBackward0": _mean,
    "MeanBackward1": _mean,
    "MinBackward0": _smallest,
    "MinBackward1": _smallest,
    "NativeBatchNormBackward0": _batch_norm,
    "NativeGroupNormBackward0": _group_norm,
    "NativeLayerNormBackward0": _layer_norm,
    "NllLossBackward0": _nll,
    "PermuteBackward0": lambda node, saved, shape, x: x[0].transpose(node.meta),
    "ProdBackward0": _product,
    "ProdBackward1": _product,
    "RmsNormBackward0": _rms_norm,
    "RnnBackward0": _recurrent,
    "RollBackward0": lambda node, saved, shape, x: np.roll(x[0], *node.meta),
    "ScaledDotProductAttentionBackward0": _attention,
    "SoftmaxBackward0": _softmax,
    "SplitBackward0": _split,
    "SplitWithSizesBackward0": _split,
    "SqueezeBackward0": _reshape,
    "SqueezeBackward1": _reshape,
    "SqueezeBackward2": _reshape,
    "StackBackward0": lambda node, saved, shape, x: np.stack(x, axis=node.meta),
    "StdBackward0": _deviation,
    "SumBackward0": _total,
    "SumBackward1": _total,
    "TBackward0": lambda node, saved, shape, x: x[0].transpose(node.meta),
    "ToCopyBackward0": _reshape,
    "TraceBackward0": lambda node, saved, shape, x: np.trace(x[0]),
    "TransposeBackward0": lambda node, saved, shape, x: x[0].transpose(node.meta),
    "TransposedConvolutionBackward0": _transposed,
    "TrilBackward0": lambda node, saved, shape, x: np.tril(x[0], node.meta),
    "TriuBackward0": lambda node, saved, shape, x: np.triu(x[0], node.meta),
    "UnbindBackward0": _unbind,
    "UnsafeViewBackward0": _reshape,
    "UnsqueezeBackward0": _reshape,
    "VarBackward0": _variance,
    "ViewBackward0": _reshape,
    "ZeroBackward0": _overwritten,
}
