"""Multi-head attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.nn import init
from nnlite.nn.checks import probability, whole_number
from nnlite.nn.layers.linear import Linear
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.attention import scaled_dot_product_attention
from nnlite.ops.create import empty, zeros
from nnlite.ops.dropout import dropout as drop
from nnlite.ops.join import cat, chunk
from nnlite.ops.linalg import linear
from nnlite.ops.pad import pad
from nnlite.ops.reduce import mean
from nnlite.ops.shape import expand, permute, reshape, squeeze, unsqueeze
from nnlite.ops.softmax import softmax
from nnlite.tensor import Tensor, wrap

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """A linear layer under the name that torch prints for the one behind attention."""


class MultiheadAttention(Module):
    """Attention in several heads: concat(head₁, …, head_h) Wᵒ + b.

    headᵢ = softmax(Qᵢ Kᵢᵀ / √d + M) Vᵢ, where Q, K and V are the query, key and value times their
    weights, each cut into h parts of d = embed_dim / h features, and M is the mask.
    Source: Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762.

    Args:
        embed_dim: E, the number of features; a multiple of ``num_heads``.
        num_heads: h.
        dropout: the probability with which a weight of the softmax is dropped in training.
        bias: whether the projections have biases.
        add_bias_kv: learn one more key and one more value, behind the others.
        add_zero_attn: one more key and value of zeros, behind those.
        kdim, vdim: the numbers of features of the keys and values; default: E.
        batch_first: inputs and the output are (N, T, E) instead of (T, N, E).
        device: ``"cpu"`` or None.
        dtype: default: the default dtype.

    Called with a query (L, N, E), a key (S, N, kdim) and a value (S, N, vdim), or all of them
    without N, it returns the output, of the shape of the query, and the weights, (N, L, S), or
    None. Its further arguments:

    - ``key_padding_mask``, (N, S): True for keys that nobody may see, or floats that are added;
    - ``need_weights``: whether to return the weights (faster without);
    - ``attn_mask``, (L, S) or (N · h, L, S): True where a query may not see a key, or floats that
      are added to the scores. A query that may see no key gets NaN if weights are needed, as in
      torch, else 0 from its heads;
    - ``average_attn_weights``: the mean of the heads' weights, instead of all: (N, h, L, S);
    - ``is_causal``: says that ``attn_mask`` is causal; the mask must be given all the same.

    Attributes:
        in_proj_weight: the weights of the query, key and value, shape (3 E, E), xavier uniform;
            ``q_proj_weight``, ``k_proj_weight`` and ``v_proj_weight`` where kdim or vdim is not E.
        in_proj_bias: shape (3 E,), starts at 0.
        out_proj: the linear layer behind the heads; its bias starts at 0.
        bias_k, bias_v: the key and value of ``add_bias_kv``, shape (1, 1, E), xavier normal.

    Raises:
        TypeError, ValueError: when an argument of the constructor is out of its range.
        RuntimeError: when shapes do not fit, naming the argument.

    >>> import nnlite
    >>> attention = nnlite.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = nnlite.randn(3, 5, 8)
    >>> y, weights = attention(x, x, x)
    >>> y.shape, weights.shape
    (nnlite.Size([3, 5, 8]), nnlite.Size([3, 5, 5]))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = self._get_name()
        size = self.embed_dim = whole_number(name, "embed_dim", embed_dim)
        self.num_heads = whole_number(name, "num_heads", num_heads)
        if size % self.num_heads:
            raise ValueError(
                f"{name}: embed_dim must be divisible by num_heads, got embed_dim={size} and "
                f"num_heads={num_heads}"
            )
        self.head_dim = size // self.num_heads
        self.dropout = probability(name, "dropout", dropout)
        self.batch_first = bool(batch_first)
        self.add_zero_attn = bool(add_zero_attn)
        self.kdim = size if kdim is None else whole_number(name, "kdim", kdim)
        self.vdim = size if vdim is None else whole_number(name, "vdim", vdim)

        def parameter(*shape: int) -> Parameter:
            return Parameter(empty(*shape, dtype=dtype, device=device))

        if self.kdim == self.vdim == size:
            self.in_proj_weight = parameter(3 * size, size)
        else:
            self.q_proj_weight = parameter(size, size)
            self.k_proj_weight = parameter(size, self.kdim)
            self.v_proj_weight = parameter(size, self.vdim)
            self.in_proj_weight = None
        self.in_proj_bias = parameter(3 * size) if bias else None
        self.out_proj = NonDynamicallyQuantizableLinear(size, size, bias, device, dtype)
        self.bias_k = parameter(1, 1, size) if add_bias_kv else None
        self.bias_v = parameter(1, 1, size) if add_bias_kv else None
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw new parameters for the projections of query, key and value; biases start at 0."""
        for weight in self._weights():
            init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def _weights(self) -> list[Parameter]:
        """Those of query, key and value: one for all, or each its own."""
        if self.in_proj_weight is not None:
            return [self.in_proj_weight]
        return [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        batched = query.array.ndim == 3
        self._check(query, key, value)
        if is_causal and attn_mask is None:
            raise RuntimeError(
                "MultiheadAttention: is_causal says that attn_mask is causal, so attn_mask must be "
                "given, too: nnlite.ones(L, L).triu(1).bool()"
            )
        q, k, v = self._projected(query, key, value)
        if not batched:
            axis = 0 if self.batch_first else 1
            q, k, v = (unsqueeze(t, axis) for t in (q, k, v))
        steps, samples = (1, 0) if self.batch_first else (0, 1)
        batch, length = q.array.shape[samples], q.array.shape[steps]
        if self.bias_k is not None and self.bias_v is not None:
            k, v = (
                cat([t, self._repeated(extra, batch)], steps)
                for t, extra in ((k, self.bias_k), (v, self.bias_v))
            )
        q, k, v = (self._heads(t) for t in (q, k, v))
        if self.add_zero_attn:
            shape = (batch, self.num_heads, 1, self.head_dim)
            k, v = (cat([t, zeros(*shape, dtype=t.array.dtype)], 2) for t in (k, v))
        sources = key.array.shape[steps if batched else 0]
        added = k.array.shape[2] - sources
        mask = self._mask(attn_mask, key_padding_mask, (batch, length, sources), added, q)
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = q * math.sqrt(1 / self.head_dim) @ permute(k, 0, 1, 3, 2)
            weights = softmax(scores if mask is None else scores + mask, -1)
            if dropout:
                weights = drop(weights, dropout)
            y = weights @ v
            if average_attn_weights:
                weights = mean(weights, 1)
            weights = weights if batched else squeeze(weights, 0)
        else:
            y = scaled_dot_product_attention(q, k, v, mask, dropout)
        y = permute(y, *((0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3)))
        y = self.out_proj(reshape(y, *y.array.shape[:2], self.embed_dim))
        return y if batched else squeeze(y, samples), weights

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        """Raise where the shapes of query, key and value do not fit."""
        name = "MultiheadAttention"
        q, k, v = (t.array.shape for t in (query, key, value))
        if len(q) not in (2, 3) or not len(q) == len(k) == len(v):
            raise RuntimeError(
                f"{name}: query, key and value must all have 3 dimensions, or 2 without a batch, "
                f"got {list(q)}, {list(k)} and {list(v)}"
            )
        for label, shape, size, option in (
            ("query", q, self.embed_dim, "embed_dim"),
            ("key", k, self.kdim, "kdim"),
            ("value", v, self.vdim, "vdim"),
        ):
            if shape[-1] != size:
                raise RuntimeError(
                    f"{name}: {label} has {shape[-1]} features, {option} is {size}; its shape is "
                    f"{list(shape)}"
                )
        samples = 0 if self.batch_first else 1
        if k[:-1] != v[:-1] or (len(q) == 3 and q[samples] != k[samples]):
            layout = "(N, T, E)" if self.batch_first else "(T, N, E)"
            raise RuntimeError(
                f"{name}: key and value must have the same steps, and all the same batch, in the "
                f"layout {layout}: got query {list(q)}, key {list(k)}, value {list(v)}"
            )

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """Q, K and V, of the layouts of query, key and value."""
        weight, bias = self.in_proj_weight, self.in_proj_bias
        if weight is not None and query is key and key is value:
            return chunk(linear(query, weight, bias), 3, -1)
        weights = self._weights() if weight is None else chunk(weight, 3)
        biases = (None,) * 3 if bias is None else chunk(bias, 3)
        return tuple(linear(*three) for three in zip((query, key, value), weights, biases))

    def _repeated(self, extra: Tensor, batch: int) -> Tensor:
        """The learnt key or value for each sample."""
        return expand(extra, *((batch, 1) if self.batch_first else (1, batch)), self.embed_dim)

    def _heads(self, t: Tensor) -> Tensor:
        """(N, h, T, d) of (N, T, E) or (T, N, E)."""
        parts = reshape(t, *t.array.shape[:2], self.num_heads, self.head_dim)
        return permute(parts, *((0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3)))

    def _mask(
        self,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        sizes: tuple[int, int, int],
        added: int,
        like: Tensor,
    ) -> Tensor | None:
        """What is added to the scores, or None.

        Args:
            sizes: N, L and S.
            added: how many keys of its own the layer has; everybody may see them.
            like: has the dtype.
        """
        batch, length, sources = sizes
        heads = self.num_heads
        masks = []
        if attn_mask is not None:
            allowed = (length, sources), (batch * heads, length, sources)
            mask = _additive("attn_mask", attn_mask, allowed, like)
            masks.append(reshape(mask, batch, heads, length, sources) if mask.ndim == 3 else mask)
        if key_padding_mask is not None:
            single = key_padding_mask.array.ndim == 1 and batch == 1
            allowed_padding = ((sources,),) if single else ((batch, sources),)
            mask = _additive("key_padding_mask", key_padding_mask, allowed_padding, like)
            masks.append(reshape(mask, batch, 1, 1, sources))
        if not masks:
            return None
        total = masks[0] if len(masks) == 1 else masks[0] + masks[1]
        return pad(total, (0, added)) if added else total


def _additive(label: str, mask: Tensor, allowed: tuple[tuple[int, ...], ...], like: Tensor) -> Any:
    """A mask as what is added to the scores: -inf for True."""
    array = mask.array
    if array.shape not in allowed:
        shapes = " or ".join(str(list(shape)) for shape in allowed)
        raise RuntimeError(
            f"MultiheadAttention: {label} must have the shape {shapes}, got {list(array.shape)}"
        )
    if array.dtype.kind == "b":
        return wrap(np.where(array, -math.inf, 0).astype(like.array.dtype))
    if array.dtype.kind != "f":
        raise RuntimeError(
            f"MultiheadAttention: {label} must hold bools or floats, got {array.dtype}"
        )
    return mask if array.dtype == like.array.dtype else mask.to(like.array.dtype)
