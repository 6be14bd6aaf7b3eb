"""Attention, and how far or how alike vectors are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops import arithmetic, choose, reduce, softmax
from nnlite.ops.dropout import _kept
from nnlite.ops.operands import Array, array_of, unbroadcast
from nnlite.ops.shape import expand, permute, reshape, unsqueeze
from nnlite.ops.vector_norm import NormBackward1, vector_norm, vector_norm_of
from nnlite.tensor import Tensor, wrap

__all__ = [
    "bilinear", "cosine_similarity", "normalize", "pairwise_distance",
    "scaled_dot_product_attention",
]  # fmt: skip


# ---- attention ----------------------------------------------------------------------------------


def _weights(q: Any, k: Any, bias: Any, alive: Any, scale: float) -> Any:
    """softmax(s q kᵀ + bias) over the keys; rows that may see no key are 0."""
    scores = np.matmul(q, k.swapaxes(-1, -2)) * scale
    if bias is not None:
        scores = scores + np.where(alive, bias, 0)
    if isinstance(scores, Tensor):
        weights: Any = softmax.softmax(scores, -1)
    else:
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
    return weights if bias is None else np.where(alive, weights, 0)


class ScaledDotProductAttentionBackward0(Node):
    """Y = P V,  P = softmax(S),  S = s Q Kᵀ + M:   ∂V = Pᵀ G,   ∂P = G Vᵀ,
    ∂S = P (∂P - Σ ∂P P),   ∂Q = s ∂S K,   ∂K = s ∂Sᵀ Q,   ∂M = ∂S"""

    __slots__ = ()
    lifts = (0, 1, 2, 3, None, None, "cache")

    def backward(self, g: Array) -> tuple[Array, ...]:
        q, k, v, bias, alive, keep, weights = self.saved
        to_q, to_k, to_v, to_bias = self.edges
        (scale,) = self.meta
        if weights is None:
            weights = _weights(q, k, bias, alive, scale)
        grad_q = grad_k = grad_v = grad_bias = None
        if to_v:
            kept = weights if keep is None else weights * keep
            grad_v = unbroadcast(np.matmul(kept.swapaxes(-1, -2), g), v.shape)
        if to_q or to_k or to_bias:
            grad = np.matmul(g, v.swapaxes(-1, -2))
            if keep is not None:
                grad = grad * keep
            grad = weights * (grad - (grad * weights).sum(axis=-1, keepdims=True))
            if to_q:
                grad_q = unbroadcast(np.matmul(grad, k) * scale, q.shape)
            if to_k:
                grad_k = unbroadcast(np.matmul(grad.swapaxes(-1, -2), q) * scale, k.shape)
            if to_bias:
                grad_bias = unbroadcast(grad, bias.shape)
        return grad_q, grad_k, grad_v, grad_bias

    def name(self) -> str:
        """torch's name: a kernel of its own for the usual case, else single operations."""
        q, keep, to_bias = self.saved[0], self.saved[5], self.edges[3]
        if q.ndim == 4 and keep is None and not to_bias:
            return "ScaledDotProductFlashAttentionForCpuBackward0"
        return "MmBackward0" if q.ndim == 2 else "UnsafeViewBackward0"


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Means of the values, weighted by how well the keys suit the query.

    softmax(s Q Kᵀ + M) V. Source: Vaswani et al. 2017, "Attention Is All You Need",
    arXiv:1706.03762.

    Args:
        query: shape (…, L, E).
        key: shape (…, S, E).
        value: shape (…, S, F).
        attn_mask: broadcast to (…, L, S): bools, True where a query may see a key; or floats that
            are added to the scores. A query that may see no key gets zeros.
        dropout_p: the probability with which a weight is dropped; give 0 in evaluation.
        is_causal: a query sees keys up to its own position only; not together with a mask.
        scale: s, default 1/√E.
        enable_gqa: keys and values have fewer heads (dimension -3), each for several queries.

    Returns:
        Shape (…, L, F).

    Raises:
        RuntimeError: when shapes or dtypes do not fit, or both a mask and ``is_causal`` are given.

    >>> import nnlite
    >>> q, k, v = nnlite.zeros(1, 2), nnlite.ones(2, 2), nnlite.tensor([[1.0], [3.0]])
    >>> nnlite.nn.functional.scaled_dot_product_attention(q, k, v)
    tensor([[2.]])
    """
    name = "scaled_dot_product_attention"
    q, k, v = (array_of(name, t) for t in (query, key, value))
    shapes = f"query {list(q.shape)}, key {list(k.shape)}, value {list(v.shape)}"
    if not q.dtype == k.dtype == v.dtype or q.dtype.kind != "f":
        raise RuntimeError(
            f"{name}: query, key and value must have one floating point dtype, got {q.dtype}, "
            f"{k.dtype} and {v.dtype}"
        )
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise RuntimeError(f"{name}: expected (…, L, E), (…, S, E) and (…, S, F), got {shapes}")
    if not 0 <= dropout_p <= 1:
        raise ValueError(f"{name}: dropout_p is a probability in [0, 1], got {dropout_p}")
    if enable_gqa:
        key, value = _per_query_head(name, q, key), _per_query_head(name, q, value)
        k, v = key.array, value.array
    s = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    bias = alive = to_bias = None
    if attn_mask is not None or is_causal:
        if attn_mask is not None and is_causal:
            raise RuntimeError(f"{name}: give attn_mask or is_causal, not both")
        bias, to_bias = _bias(name, attn_mask, q, k)
        alive = (bias > -math.inf).any(axis=-1, keepdims=True)
    try:
        weights = _weights(q, k, bias, alive, s)
        keep = None
        if dropout_p > 0:
            keep = _kept(q, dropout_p, weights.shape, None) / max(1 - dropout_p, 1e-30)
        y = np.matmul(weights if keep is None else weights * keep, v)
    except ValueError:
        mask = "" if bias is None else f", attn_mask {list(bias.shape)}"
        raise RuntimeError(f"{name}: the shapes do not fit: {shapes}{mask}") from None
    edges = (query._node, key._node, value._node, to_bias)
    saved = (q, k, v, bias, alive, keep, weights)
    return record(y, ScaledDotProductAttentionBackward0, edges, saved, (s,))


def _bias(name: str, mask: Tensor | None, q: Array, k: Array) -> tuple[Array, Any]:
    """What is added to the scores, and where its gradient goes."""
    if mask is None:
        rows, columns = (np.arange(a.shape[-2], like=a) for a in (q, k))
        return np.where(columns <= rows.reshape(-1, 1), 0, -math.inf).astype(q.dtype), None
    bias = array_of(name, mask)
    if bias.dtype.kind == "b":
        return np.where(bias, 0, -math.inf).astype(q.dtype), None
    if bias.dtype != q.dtype:
        raise RuntimeError(
            f"{name}: attn_mask must hold bools or the query's {q.dtype}, got {bias.dtype}"
        )
    return bias, mask._node


def _per_query_head(name: str, q: Array, t: Tensor) -> Tensor:
    """Keys or values with each head repeated for the queries that share it."""
    *lead, heads, length, width = t.array.shape
    if q.ndim < 3 or not lead or q.shape[-3] % heads:
        raise RuntimeError(
            f"{name}: with enable_gqa the query's heads must be a multiple of {heads}, got the "
            f"query {list(q.shape)}"
        )
    times = q.shape[-3] // heads
    repeated = expand(unsqueeze(t, -3), *lead, heads, times, length, width)
    return reshape(repeated, *lead, heads * times, length, width)


# ---- distances ----------------------------------------------------------------------------------


def _at_least(x: Tensor, low: float) -> Tensor:
    """``x`` with values of at least ``low``, and the derivative of ``x`` everywhere, as torch."""
    return arithmetic.add(x, wrap(np.maximum(x.array, low) - x.array))


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors: x1 · x2 / (max(‖x1‖, ε) max(‖x2‖, ε)).

    Args:
        x1, x2: shapes that broadcast.
        dim: the dimension of the vectors, after broadcasting.
        eps: the least that a norm counts as.

    >>> import nnlite
    >>> a, b = nnlite.tensor([[1.0, 0.0]]), nnlite.tensor([[3.0, 4.0]])
    >>> nnlite.nn.functional.cosine_similarity(a, b)
    tensor([0.6000])
    """
    shape = np.broadcast_shapes(
        array_of("cosine_similarity", x1).shape, array_of("cosine_similarity", x2).shape
    )
    units = []
    for x in (x1, x2):
        whole = x if x.array.shape == shape else expand(x, *shape)
        norm = _at_least(vector_norm(whole, 2, dim, True), eps)
        units.append(arithmetic.div(whole, norm))
    return reduce.sum(arithmetic.mul(*units), dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + ε along the last dimension.

    Args:
        x1, x2: shape (N, D) or (D,).

    >>> import nnlite
    >>> a, b = nnlite.tensor([[3.0, 4.0]]), nnlite.tensor([[0.0, 0.0]])
    >>> nnlite.nn.functional.pairwise_distance(a, b)
    tensor([5.0000])
    """
    apart = arithmetic.add(arithmetic.sub(x1, x2), eps)
    return vector_norm_of(NormBackward1, apart, p, -1, keepdim)


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """Vectors divided by their p-norm: x / max(‖x‖, ε).

    Args:
        input: any shape.
        dim: the dimension of the vectors, or several.
        eps: the least that a norm counts as.

    >>> import nnlite
    >>> nnlite.nn.functional.normalize(nnlite.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return arithmetic.div(input, choose.clamp_min(vector_norm(input, p, dim, True), eps))


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[o] = Σ x1[i] W[o, i, j] x2[j] + b[o], a bilinear map.

    Args:
        input1: shape (…, I).
        input2: shape (…, J).
        weight: shape (O, I, J).
        bias: shape (O,), or None.

    Returns:
        Shape (…, O).

    Raises:
        RuntimeError: when the shapes do not fit.

    >>> import nnlite
    >>> x1, x2 = nnlite.tensor([1.0, 2.0]), nnlite.tensor([3.0])
    >>> nnlite.nn.functional.bilinear(x1, x2, nnlite.ones(1, 2, 1))
    tensor([9.])
    """
    a, b, w = (array_of("bilinear", t).shape for t in (input1, input2, weight))
    if len(w) != 3 or not a or a[:-1] != b[:-1] or (a[-1], b[-1]) != w[1:]:
        raise RuntimeError(
            "bilinear: expected (…, I), (…, J) and a weight (O, I, J), got "
            f"{list(a)}, {list(b)} and {list(w)}"
        )
    outs, first, second = w
    table = reshape(permute(weight, 1, 0, 2), first, outs * second)
    half = reshape(reshape(input1, -1, first) @ table, -1, outs, second)
    y = reduce.sum(half * unsqueeze(reshape(input2, -1, second), 1), -1)
    y = reshape(y, *a[:-1], outs)
    return y if bias is None else arithmetic.add(y, bias)
