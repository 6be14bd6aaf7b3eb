"""The rows of recurrent layers, attention and transformers; see tests/layers.py."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from layers import Row
from operators import Arg

X = (5, 3, 4)  # (T, N, I)


def recurrent(name: str, **options: Any) -> list[Row]:
    """Rows of a recurrent layer: with and without initial states, in all forms of input."""

    def make(**more: Any) -> Callable[[Any], Any]:
        return lambda nn: getattr(nn, name)(4, 2, **options, **more)

    def started(layer: Any, x: Any, *states: Any) -> Any:
        return layer(x, states if name == "LSTM" else states[0])

    def states(*shape: int) -> tuple[Any, ...]:
        return (shape,) * (2 if name == "LSTM" else 1)

    label = " ".join([name, *(str(value) for value in options.values())])
    everything: dict[str, Any] = {"num_layers": 2, "bidirectional": True, "dropout": 0.5}
    return [
        Row(label, make(), (X,), also=(((5, 4),), ((1, 1, 4),))),
        Row(f"{label} started", make(), (X, *states(1, 3, 2)), call=started,
            also=(((5, 4), *states(1, 2)),)),
        Row(f"{label} batch_first", make(batch_first=True, bias=False), ((3, 5, 4),),
            also=(((5, 4),),)),
        Row(f"{label} of two layers", make(num_layers=2), (X,)),
        Row(f"{label} in both directions", make(bidirectional=True), (X, *states(2, 3, 2)),
            call=started),
        Row(f"{label} with everything", make(**everything), (X, *states(4, 3, 2)), call=started,
            modes=("eval",), also=(((5, 4), *states(4, 2)),)),
        Row(f"{label} packed", make(num_layers=2, bidirectional=True), ((3, 5, 4),), call=packed),
    ]  # fmt: skip


def packed(layer: Any, x: Any) -> Any:
    """A recurrent layer on sequences of several lengths, not in their order."""
    rnn = library_of(x).nn.utils.rnn
    given = rnn.pack_padded_sequence(x, [2, 5, 4], batch_first=True, enforce_sorted=False)
    output, last = layer(given)
    return rnn.pad_packed_sequence(output, batch_first=True, padding_value=0.5), last


def library_of(x: Any) -> Any:
    """nnlite or torch, whichever the tensor is of."""
    import importlib

    return importlib.import_module(type(x).__module__.partition(".")[0])


def cell(name: str, **options: Any) -> list[Row]:
    """Rows of a cell."""

    def started(layer: Any, x: Any, *states: Any) -> Any:
        return layer(x, states if name == "LSTMCell" else states[0])

    states: tuple[Any, ...] = ((3, 2),) * (2 if name == "LSTMCell" else 1)
    label = " ".join([name, *(str(value) for value in options.values())])
    return [
        Row(label, lambda nn: getattr(nn, name)(4, 2, **options), ((3, 4),), also=(((4,),),)),
        Row(f"{label} without bias", lambda nn: getattr(nn, name)(4, 2, bias=False, **options),
            ((3, 4), *states), call=started),
    ]  # fmt: skip


RECURRENT = [
    *recurrent("RNN"), *recurrent("RNN", nonlinearity="relu"), *recurrent("LSTM"),
    *recurrent("GRU"),
    Row("RNN by position", lambda nn: nn.RNN(4, 2, 2, "relu", False, True, 0.0, True), (X,)),
    Row("LSTM by position", lambda nn: nn.LSTM(4, 2, 2, False, True, 0.0, True, 0), (X,)),
    Row("GRU by position", lambda nn: nn.GRU(4, 2, 2, False, True, 0.0, True), (X,)),
    *cell("RNNCell"), *cell("RNNCell", nonlinearity="relu"),
    *cell("LSTMCell"), *cell("GRUCell"),
]  # fmt: skip

MASK = Arg((4, 5), "mask")
PADDING = Arg((3, 5), "mask")
L, S = (4, 3, 6), (5, 3, 6)  # (L, N, E), (S, N, E)


def visible(mask: Any) -> Any:
    """A mask, bools of True where a key may not be seen, that leaves each query its first key."""
    columns = library_of(mask).arange(mask.shape[-1])
    return mask & (columns > 0)


def attention(**options: Any) -> Callable[[Any], Any]:
    """Makes attention of 6 features in 3 heads."""
    return lambda nn: nn.MultiheadAttention(6, 3, **options)


def on_itself(layer: Any, x: Any, **options: Any) -> Any:
    return layer(x, x, x, **options)


def masked(*names: str, **options: Any) -> Callable[..., Any]:
    """Calls attention with masks as its further inputs."""

    def call(layer: Any, q: Any, k: Any, v: Any, *masks: Any) -> Any:
        given = {
            name: visible(mask) if "bool" in str(mask.dtype) else mask
            for name, mask in zip(names, masks)
        }
        return layer(q, k, v, **given, **options)

    return call


def causal(layer: Any, x: Any) -> Any:
    """Attention to what came before, without weights."""
    mask = library_of(x).ones(x.shape[0], x.shape[0]).triu(1).bool()
    return layer(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)


ATTENTION = [
    Row("MultiheadAttention", attention(), (L,), also=(((4, 6),),), call=on_itself),
    Row("MultiheadAttention of others", attention(batch_first=True), ((3, 4, 6), *[(3, 5, 6)] * 2),
        also=(((4, 6), (5, 6), (5, 6)),)),
    Row("MultiheadAttention without weights", attention(bias=False), (L, S, S),
        call=masked(need_weights=False)),
    Row("MultiheadAttention of all heads", attention(batch_first=True), ((3, 4, 6),),
        also=(((4, 6),),),
        call=lambda layer, x: on_itself(layer, x, average_attn_weights=False)),
    Row("MultiheadAttention of other sizes", attention(kdim=2, vdim=5), (L, (5, 3, 2), (5, 3, 5))),
    Row("MultiheadAttention causal", attention(), (L,), call=causal, also=(((4, 6),),)),
    Row("MultiheadAttention dropout", attention(dropout=0.5), (L,), modes=("eval",),
        call=on_itself),
    Row("MultiheadAttention masked", attention(), (L, S, S, MASK), call=masked("attn_mask")),
    Row("MultiheadAttention masked by floats", attention(), (L, S, S, (9, 4, 5), (3, 5)),
        call=masked("attn_mask", "key_padding_mask"), constant=(3, 4)),
    Row("MultiheadAttention masked for each head", attention(batch_first=True),
        ((3, 4, 6), (3, 5, 6), (3, 5, 6), Arg((9, 4, 5), "mask"), PADDING),
        call=masked("attn_mask", "key_padding_mask", need_weights=False)),
    Row("MultiheadAttention padded", attention(), (L, S, S, PADDING),
        call=masked("key_padding_mask")),
    Row("MultiheadAttention padded, without a batch", attention(),
        ((4, 6), (5, 6), (5, 6), Arg((5,), "mask")), call=masked("key_padding_mask")),
    Row("MultiheadAttention with more keys", attention(add_bias_kv=True, add_zero_attn=True),
        (L, S, S, MASK, PADDING), call=masked("attn_mask", "key_padding_mask")),
    Row("MultiheadAttention with a key", attention(add_bias_kv=True, batch_first=True),
        ((3, 4, 6), (3, 5, 6), (3, 5, 6)), also=(((4, 6), (5, 6), (5, 6)),),
        call=masked(need_weights=False)),
]  # fmt: skip


def encoder(**options: Any) -> Callable[[Any], Any]:
    """Makes an encoder layer of 6 features in 3 heads."""
    return lambda nn: nn.TransformerEncoderLayer(6, 3, 5, **{"dropout": 0.0, **options})


def decoder(**options: Any) -> Callable[[Any], Any]:
    """Makes a decoder layer of 6 features in 3 heads."""
    return lambda nn: nn.TransformerDecoderLayer(6, 3, 5, **{"dropout": 0.0, **options})


def encode(layer: Any, x: Any, mask: Any, padding: Any) -> Any:
    """An encoder, or a layer of one, with masks."""
    name = "src_mask" if "Layer" in type(layer).__name__ else "mask"
    return layer(x, src_key_padding_mask=visible(padding), **{name: visible(mask)})


def decode(layer: Any, x: Any, memory: Any, *masks: Any) -> Any:
    """A decoder with the masks of both attentions."""
    return layer(x, memory, *map(visible, masks))


def transformer(*arguments: Any, **options: Any) -> Any:
    """What makes a transformer; torch warns that it has no faster way for some options."""

    def make(nn: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return nn.Transformer(6, 3, *arguments, **options)

    return make


def translate(model: Any, src: Any, tgt: Any, mask: Any, cross: Any, own: Any, padding: Any) -> Any:
    """A transformer with masks of the decoder's attentions and of what is padded."""
    return model(
        src, tgt,
        tgt_mask=visible(mask), memory_mask=visible(cross), tgt_key_padding_mask=visible(own),
        src_key_padding_mask=visible(padding), memory_key_padding_mask=visible(padding),
    )  # fmt: skip


SQUARE, OWN_PADDING = Arg((4, 4), "mask"), Arg((3, 4), "mask")
TRANSFORMERS = [
    Row("TransformerEncoderLayer", encoder(), (L,), also=(((4, 6),),)),
    Row("TransformerEncoderLayer masked", encoder(activation="gelu"), (L, SQUARE, OWN_PADDING),
        call=encode),
    Row("TransformerEncoderLayer norm first",
        encoder(norm_first=True, batch_first=True, layer_norm_eps=0.1), ((3, 4, 6),)),
    Row("TransformerEncoderLayer without bias", encoder(bias=False, dropout=0.5), (L,),
        modes=("eval",)),
    Row("TransformerEncoderLayer of a module",
        lambda nn: nn.TransformerEncoderLayer(6, 3, 5, 0.0, nn.LeakyReLU(0.1)), (L,)),
    Row("TransformerEncoder",
        lambda nn: nn.TransformerEncoder(encoder()(nn), 2, enable_nested_tensor=False),
        (L, SQUARE, OWN_PADDING), call=encode),
    Row("TransformerEncoder with a norm",
        lambda nn: nn.TransformerEncoder(
            encoder(norm_first=True)(nn), 2, nn.LayerNorm(6), enable_nested_tensor=False),
        (L,), also=(((4, 6),),)),
    Row("TransformerDecoderLayer", decoder(), (L, S), also=(((4, 6), (5, 6)),)),
    Row("TransformerDecoderLayer masked", decoder(activation="gelu"),
        (L, S, SQUARE, MASK, OWN_PADDING, PADDING), call=decode),
    Row("TransformerDecoderLayer norm first",
        decoder(norm_first=True, batch_first=True, bias=False), ((3, 4, 6), (3, 5, 6))),
    Row("TransformerDecoder", lambda nn: nn.TransformerDecoder(decoder()(nn), 2, nn.LayerNorm(6)),
        (L, S, SQUARE, MASK, OWN_PADDING, PADDING), call=decode),
    Row("Transformer", transformer(2, 1, 5, 0.0, "gelu", batch_first=True),
        ((3, 5, 6), (3, 4, 6)), also=(((5, 6), (4, 6)),)),
    Row("Transformer masked",
        transformer(1, 2, 5, 0.0, norm_first=True, bias=False, layer_norm_eps=0.1),
        (S, L, SQUARE, MASK, OWN_PADDING, PADDING), call=translate),
    Row("Transformer of given parts",
        lambda nn: nn.Transformer(
            6, 3, dropout=0.0, custom_encoder=nn.TransformerEncoder(
                encoder()(nn), 1, enable_nested_tensor=False),
            custom_decoder=nn.TransformerDecoder(decoder()(nn), 1)),
        (S, L)),
]  # fmt: skip

ROWS: list[Row] = [*RECURRENT, *ATTENTION, *TRANSFORMERS]
