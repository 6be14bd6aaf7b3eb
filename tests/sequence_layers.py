"""The rows of recurrent layers, attention and transformers; see tests/layers.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layers import Row

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

ROWS: list[Row] = [*RECURRENT]
