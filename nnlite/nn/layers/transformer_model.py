"""The transformer as a whole: an encoder, and a decoder that looks at what it makes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.nn import init
from nnlite.nn.layers.norm import LayerNorm
from nnlite.nn.layers.transformer import (
    Activation,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from nnlite.nn.module import Module
from nnlite.ops.activation import relu
from nnlite.ops.create import full
from nnlite.tensor import Tensor, wrap

__all__ = ["Transformer"]


class Transformer(Module):
    """An encoder of ``src`` and a decoder of ``tgt`` that attends to what the encoder makes of it.

    Embeddings, positions and the layer that predicts are the user's. All matrices are drawn by
    Xavier's uniform rule. Source: Vaswani et al. 2017, arXiv:1706.03762.

    Args:
        d_model: E, the number of features.
        nhead: the number of heads; divides E.
        num_encoder_layers: the number of encoder layers.
        num_decoder_layers: the number of decoder layers.
        dim_feedforward, dropout, activation, layer_norm_eps: as of ``TransformerEncoderLayer``.
        custom_encoder: a module in the encoder's place, called as ``TransformerEncoder``.
        custom_decoder: a module in the decoder's place, called as ``TransformerDecoder``.
        batch_first, norm_first, bias, device, dtype: as of ``TransformerEncoderLayer``.

    Called with ``src`` of shape (S, N, E) and ``tgt`` of shape (T, N, E) (without N for a single
    pair; N first with ``batch_first``) and optionally the masks of the three attentions:
    ``src_mask``, ``tgt_mask``, ``memory_mask``, ``src_key_padding_mask``,
    ``tgt_key_padding_mask``, ``memory_key_padding_mask``, ``src_is_causal``, ``tgt_is_causal``,
    ``memory_is_causal``. The output has the shape of ``tgt``.

    Raises:
        TypeError, ValueError, RuntimeError: when arguments or shapes do not fit.

    >>> import nnlite
    >>> model = nnlite.nn.Transformer(8, 2, 1, 1, dim_feedforward=16, batch_first=True)
    >>> src, tgt = nnlite.randn(3, 5, 8), nnlite.randn(3, 4, 8)
    >>> model(src, tgt, tgt_mask=model.generate_square_subsequent_mask(4)).shape
    nnlite.Size([3, 4, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        layer = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype,
        )  # fmt: skip
        norm: dict[str, Any] = {
            "eps": layer_norm_eps, "bias": bias, "device": device, "dtype": dtype,
        }  # fmt: skip
        self.encoder = custom_encoder
        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(*layer)
            last = LayerNorm(d_model, **norm)
            self.encoder = TransformerEncoder(encoder_layer, num_encoder_layers, last)
        self.decoder = custom_decoder
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(*layer)
            last = LayerNorm(d_model, **norm)
            self.decoder = TransformerDecoder(decoder_layer, num_decoder_layers, last)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = bool(batch_first)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        if src.ndim != tgt.ndim or src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"Transformer: src and tgt must have d_model={self.d_model} features and as many "
                f"dimensions as each other, got shapes {list(src.shape)} and {list(tgt.shape)}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        output: Tensor = self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            tgt_is_causal, memory_is_causal,
        )  # fmt: skip
        return output

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The mask (sz, sz) that hides what comes later: -inf above the diagonal, 0 elsewhere.

        >>> from nnlite import nn
        >>> nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        hidden = full((sz, sz), -np.inf, device=device, dtype=dtype)
        return wrap(np.triu(hidden.array, 1))
