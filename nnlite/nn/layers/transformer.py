"""Transformers: encoder and decoder layers, and stacks of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from nnlite.nn.checks import one_of, whole_number
from nnlite.nn.layers.attention import MultiheadAttention
from nnlite.nn.layers.containers import ModuleList
from nnlite.nn.layers.dropout import Dropout
from nnlite.nn.layers.linear import Linear
from nnlite.nn.layers.norm import LayerNorm
from nnlite.nn.module import Module
from nnlite.ops.activation import gelu, relu
from nnlite.tensor import Tensor

__all__ = [
    "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer",
]  # fmt: skip

Activation = str | Callable[[Tensor], Tensor]


def _activation(owner: str, activation: Activation) -> Callable[[Tensor], Tensor]:
    """A function of the activation's name; a function or module as it is."""
    if callable(activation):
        return activation
    return relu if one_of(owner, "activation", activation, ("relu", "gelu")) == "relu" else gelu


def _attend(
    attention: Any, query: Tensor, memory: Tensor, mask: Any, padding: Any, is_causal: bool
) -> Tensor:
    """The output of attention alone."""
    output: Tensor = attention(
        query, memory, memory,
        key_padding_mask=padding, need_weights=False, attn_mask=mask, is_causal=is_causal,
    )[0]  # fmt: skip
    return output


class TransformerEncoderLayer(Module):
    """A block of self-attention and one of two linear layers, each with a residual connection.

    x ← norm₁(x + attention(x)), x ← norm₂(x + W₂ φ(W₁ x)), with dropout at the end of both blocks
    and behind φ. With ``norm_first`` x ← x + attention(norm₁(x)), x ← x + W₂ φ(W₁ norm₂(x)).
    Sources: Vaswani et al. 2017, arXiv:1706.03762; norm first: Xiong et al. 2020, "On Layer
    Normalization in the Transformer Architecture", arXiv:2002.04745.

    Args:
        d_model: E, the number of features.
        nhead: the number of heads; divides E.
        dim_feedforward: the number of features between the two linear layers.
        dropout: the probability, in attention too.
        activation: φ: ``"relu"``, ``"gelu"``, a function or a module.
        layer_norm_eps: ε of the normalisations.
        batch_first: the input and output are (N, T, E) instead of (T, N, E).
        norm_first: normalise before the blocks instead of behind them.
        bias: whether linear layers and normalisations have biases.
        device: ``"cpu"`` or None.
        dtype: default: the default dtype.

    Called with ``src`` and optionally ``src_mask``, ``src_key_padding_mask`` and ``is_causal``: the
    masks of ``MultiheadAttention``. The output has the shape of ``src``.

    Raises:
        TypeError, ValueError, RuntimeError: when arguments or shapes do not fit.

    >>> import nnlite
    >>> layer = nnlite.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(nnlite.randn(3, 5, 8)).shape
    nnlite.Size([3, 5, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, **made
        )
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = bool(norm_first)
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **made)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **made)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(self._get_name(), activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        masks = src_mask, src_key_padding_mask, is_causal
        x = src
        if self.norm_first:
            x = x + self._attention_block(self.norm1(x), *masks)
            return x + self._linear_block(self.norm2(x))  # type: ignore[no-any-return]
        x = self.norm1(x + self._attention_block(x, *masks))
        y: Tensor = self.norm2(x + self._linear_block(x))
        return y

    def _attention_block(self, x: Tensor, mask: Any, padding: Any, is_causal: bool) -> Any:
        return self.dropout1(_attend(self.self_attn, x, x, mask, padding, is_causal))

    def _linear_block(self, x: Tensor) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """An encoder layer with attention to a memory (an encoder's output) between its blocks.

    x ← norm₁(x + attention(x)), x ← norm₂(x + attention(x, memory)), x ← norm₃(x + W₂ φ(W₁ x)), or
    with ``norm_first`` the normalisations before the blocks. Source: Vaswani et al. 2017,
    arXiv:1706.03762.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps: as of
            ``TransformerEncoderLayer``.
        batch_first, norm_first, bias, device, dtype: as there.

    Called with ``tgt`` and ``memory``, and optionally the masks of the two attentions:
    ``tgt_mask``, ``memory_mask``, ``tgt_key_padding_mask``, ``memory_key_padding_mask``,
    ``tgt_is_causal``, ``memory_is_causal``. The output has the shape of ``tgt``.

    Raises:
        TypeError, ValueError, RuntimeError: when arguments or shapes do not fit.

    >>> import nnlite
    >>> layer = nnlite.nn.TransformerDecoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(nnlite.randn(3, 4, 8), nnlite.randn(3, 5, 8)).shape
    nnlite.Size([3, 4, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn, self.multihead_attn = (
            MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **made)
            for _ in range(2)
        )
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = bool(norm_first)
        self.norm1, self.norm2, self.norm3 = (
            LayerNorm(d_model, eps=layer_norm_eps, **made) for _ in range(3)
        )
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))
        self.activation = _activation(self._get_name(), activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def itself(x: Tensor) -> Any:
            mask = tgt_mask, tgt_key_padding_mask, tgt_is_causal
            return self.dropout1(_attend(self.self_attn, x, x, *mask))

        def other(x: Tensor) -> Any:
            mask = memory_mask, memory_key_padding_mask, memory_is_causal
            return self.dropout2(_attend(self.multihead_attn, x, memory, *mask))

        def between(x: Tensor) -> Any:
            return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        x = tgt
        blocks = (self.norm1, itself), (self.norm2, other), (self.norm3, between)
        for norm, block in blocks:
            x = x + block(norm(x)) if self.norm_first else norm(x + block(x))
        return x


class _Stack(Module):
    """Copies of a layer, one behind the other (abstract)."""

    norm: Module | None

    def __init__(self, label: str, layer: Module, num_layers: int, norm: Module | None) -> None:
        super().__init__()
        name = self._get_name()
        for part, value in ((label, layer), ("norm", norm)):
            if not isinstance(value, Module) and (part != "norm" or value is not None):
                raise TypeError(f"{name}: {part} must be an nn.Module, got {type(value).__name__}")
        self.num_layers = whole_number(name, "num_layers", num_layers)
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(self.num_layers)])
        self.norm = norm

    def _through(self, x: Tensor, *args: Any, **options: Any) -> Tensor:
        for layer in self.layers:
            x = layer(x, *args, **options)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """Encoder layers, one behind the other.

    Args:
        encoder_layer: an ``nn.TransformerEncoderLayer``; the layers are copies of it, so all start
            with the same values.
        num_layers: how many.
        norm: a normalisation behind the last one, or None; with ``norm_first`` there should be one.
        enable_nested_tensor, mask_check: without effect: there are no nested tensors.

    Called with ``src`` and optionally ``mask``, ``src_key_padding_mask`` and ``is_causal``, the
    masks of ``MultiheadAttention``. The output has the shape of ``src``.

    Raises:
        TypeError, ValueError: when an argument is none of these.

    >>> import nnlite
    >>> layer = nnlite.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> encoder = nnlite.nn.TransformerEncoder(layer, num_layers=2)
    >>> encoder(nnlite.randn(3, 5, 8)).shape
    nnlite.Size([3, 5, 8])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__("encoder_layer", encoder_layer, num_layers, norm)
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        return self._through(
            src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal)
        )


class TransformerDecoder(_Stack):
    """Decoder layers, one behind the other.

    Args:
        decoder_layer: an ``nn.TransformerDecoderLayer``; the layers are copies of it.
        num_layers: how many.
        norm: a normalisation behind the last one, or None.

    Called as ``TransformerDecoderLayer``. The output has the shape of ``tgt``.

    Raises:
        TypeError, ValueError: when an argument is none of these.

    >>> import nnlite
    >>> layer = nnlite.nn.TransformerDecoderLayer(8, 2, dim_feedforward=16)
    >>> decoder = nnlite.nn.TransformerDecoder(layer, num_layers=2)
    >>> decoder(nnlite.randn(4, 3, 8), nnlite.randn(5, 3, 8)).shape
    nnlite.Size([4, 3, 8])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__("decoder_layer", decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        return self._through(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            bool(tgt_is_causal), memory_is_causal,
        )  # fmt: skip
