"""Recurrent layers: the simple one, LSTM and GRU; see ``nnlite.ops.recurrent``."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import numpy as np

from nnlite.nn import init
from nnlite.nn.checks import one_of, probability, whole_number
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.nn.utils.rnn import Layout, PackedSequence
from nnlite.ops.create import empty
from nnlite.ops.dropout import dropout as drop
from nnlite.ops.join import cat, stack
from nnlite.ops.recurrent import gru_layer, lstm_layer, rnn_layer
from nnlite.ops.shape import squeeze, transpose, unsqueeze
from nnlite.tensor import Tensor, wrap

__all__ = ["GRU", "LSTM", "RNN"]

States = tuple[Tensor, ...]  # h, and of an LSTM c


def add_weights(
    module: Module, gates: int, sizes: tuple[int, int], bias: bool, suffix: str, **options: Any
) -> None:
    """The weights and biases of a cell as parameters of the module."""
    inputs, size = sizes
    shapes: dict[str, tuple[int, ...]]
    shapes = {"weight_ih": (gates * size, inputs), "weight_hh": (gates * size, size)}
    if bias:
        shapes |= {"bias_ih": (gates * size,), "bias_hh": (gates * size,)}
    for label, shape in shapes.items():
        setattr(module, label + suffix, Parameter(empty(*shape, **options)))


def draw(module: Module, size: int) -> None:
    """Draw all parameters from U(-1/√H, 1/√H)."""
    bound = 1 / math.sqrt(size)
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


def sequences(module: Any, x: Tensor, first: States, weights: Any, reverse: bool) -> States:
    """The states after each step, of a layer or cell of the kind that ``module`` is."""
    w_ih, w_hh, *biases = weights
    b_ih, b_hh = biases or (None, None)
    cell = (w_ih, w_hh, b_ih, b_hh)
    if module._gates == 4:
        return lstm_layer(x, first[0], first[1], cell, reverse)
    if module._gates == 3:
        return (gru_layer(x, first[0], cell, reverse),)
    return (rnn_layer(x, first[0], cell, module.nonlinearity, reverse),)


def states_of(owner: str, hx: Any, count: int) -> States:
    """The states of ``hx``: a tensor, or for an LSTM a pair of them.

    Raises:
        TypeError: when it is something else.
    """
    states = (hx,) if count == 1 else hx
    is_right = isinstance(states, (tuple, list)) and len(states) == count
    if not is_right or not all(isinstance(state, Tensor) for state in states):
        needed = "a pair of tensors, (h_0, c_0)" if count == 2 else "a tensor, h_0"
        raise TypeError(f"{owner}: hx must be {needed}, got {type(hx).__name__}")
    return tuple(states)


class _Layer(Module):
    """What RNN, LSTM and GRU have in common (abstract)."""

    _gates: ClassVar[int]
    _count: ClassVar[int] = 1  # of states

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = self._get_name()
        self.input_size = whole_number(name, "input_size", input_size)
        self.hidden_size = whole_number(name, "hidden_size", hidden_size)
        self.num_layers = whole_number(name, "num_layers", num_layers)
        self.bias = bool(bias)
        self.batch_first = bool(batch_first)
        self.dropout = probability(name, "dropout", dropout)
        self.bidirectional = bool(bidirectional)
        if dropout and num_layers == 1:
            warnings.warn(
                f"{name}: dropout={dropout} has no effect: it drops between layers, and "
                "num_layers is 1",
                stacklevel=3,
            )
        directions = len(self._suffixes(0))
        for layer in range(self.num_layers):
            inputs = self.hidden_size * directions if layer else self.input_size
            for suffix in self._suffixes(layer):
                sizes = inputs, self.hidden_size
                add_weights(self, self._gates, sizes, self.bias, suffix, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters, from U(-1/√hidden_size, 1/√hidden_size)."""
        draw(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Nothing: in torch it lays parameters out for a GPU."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction: w_ih, w_hh, b_ih, b_hh."""
        return [
            list(self._weights(suffix))
            for layer in range(self.num_layers)
            for suffix in self._suffixes(layer)
        ]

    def _suffixes(self, layer: int) -> tuple[str, ...]:
        """What the names of parameters end with: for each direction of a layer."""
        ends = (f"_l{layer}", f"_l{layer}_reverse")
        return ends if self.bidirectional else ends[:1]

    def _weights(self, suffix: str) -> tuple[Any, ...]:
        labels = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return tuple(getattr(self, label + suffix) for label in labels[: 4 if self.bias else 2])

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        name = self._get_name()
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        shape = input.array.shape
        if len(shape) not in (2, 3):
            raise ValueError(
                f"{name}: expected an input of 2 dimensions (T, {self.input_size}) or 3, got "
                f"{list(shape)}"
            )
        batched = len(shape) == 3
        x = input
        if not batched:
            x = unsqueeze(input, 1)
        elif self.batch_first:
            x = transpose(input, 0, 1)
        y, last = self._run(x, self._first(hx, x, batched), None)
        if not batched:
            return squeeze(y, 1), self._as_hx(tuple(squeeze(state, 1) for state in last))
        return transpose(y, 0, 1) if self.batch_first else y, self._as_hx(last)

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> tuple[Any, Any]:
        """``forward`` of sequences of several lengths; states are in the order before sorting."""
        layout = Layout(packed.batch_sizes)
        x = layout.padded(packed.data, 0.0)
        first = self._first(hx, x, True)
        if packed.sorted_indices is not None and hx is not None:
            first = tuple(state[:, packed.sorted_indices] for state in first)
        y, last = self._run(x, first, layout)
        if packed.unsorted_indices is not None:
            last = tuple(state[:, packed.unsorted_indices] for state in last)
        return packed._replace(data=layout.packed(y)), self._as_hx(last)

    def _first(self, hx: Any, x: Tensor, batched: bool) -> States:
        """The initial states, each of shape (layers and directions, N, H); zeros by default."""
        name = self._get_name()
        features = x.array.shape[2]
        if features != self.input_size:
            raise RuntimeError(
                f"{name}: the input has {features} features, input_size is {self.input_size}; of "
                f"{list(x.array.shape)} the last size counts"
            )
        counts = self.num_layers * len(self._suffixes(0))
        shape = (counts, x.array.shape[1], self.hidden_size)
        if hx is None:
            return (wrap(np.zeros_like(x.array, shape=shape, order="C")),) * self._count
        states = states_of(name, hx, self._count)
        needed = shape if batched else (shape[0], shape[2])
        for label, state in zip(("h_0", "c_0"), states):
            if state.array.shape != needed:
                raise RuntimeError(
                    f"{name}: {label} must have the shape {list(needed)} (layers times directions, "
                    f"{'batch, ' if batched else ''}hidden_size), got {list(state.array.shape)}"
                )
        return states if batched else tuple(unsqueeze(state, 1) for state in states)

    def _run(self, x: Tensor, first: States, layout: Layout | None) -> tuple[Tensor, States]:
        """The states of the last layer after each step, and the last states of all layers."""
        ends: list[States] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = drop(x, self.dropout)
            outputs = []
            for suffix in self._suffixes(layer):
                start = tuple(state[len(ends)] for state in first)
                reverse = suffix.endswith("reverse")
                y, end = self._one_way(x, start, self._weights(suffix), reverse, layout)
                outputs.append(y)
                ends.append(end)
            x = cat(outputs, -1) if len(outputs) > 1 else outputs[0]
        return x, tuple(stack(states) for states in zip(*ends))

    def _one_way(
        self,
        x: Tensor,
        start: States,
        weights: tuple[Any, ...],
        reverse: bool,
        layout: Layout | None,
    ) -> tuple[Tensor, States]:
        """The states of a layer in one direction after each step, and the last ones."""
        if layout is None:
            states = sequences(self, x, start, weights, reverse)
            return states[0], tuple(state[0 if reverse else -1] for state in states)
        # Padding stands at the end, where it changes nothing; so a sequence is turned around first.
        states = sequences(self, layout.reversed(x) if reverse else x, start, weights, False)
        last = tuple(map(layout.last, states))
        return layout.reversed(states[0]) if reverse else states[0], last

    def _as_hx(self, states: States) -> Any:
        return states if self._count == 2 else states[0]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0,
            "bidirectional": False,
        }  # fmt: skip
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text


class RNN(_Layer):
    """A simple recurrent layer, or several: hₜ = tanh(W xₜ + b + U hₜ₋₁ + c).

    Source: Elman 1990, "Finding Structure in Time".

    Args:
        input_size: I, the number of features of a step.
        hidden_size: H, the size of the state.
        num_layers: how many layers; each takes the states of the one before as its input.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether there are b and c.
        batch_first: the input is (N, T, I) and the output (N, T, …), instead of (T, N, …). The
            states are (…, N, H) either way.
        dropout: the probability with which outputs of layers but the last are dropped in training.
        bidirectional: D = 2 layers side by side, the second from the last step to the first; else
            D = 1.
        device: ``"cpu"`` or None.
        dtype: default: the default dtype.

    Called with an input of shape (T, N, I), without a batch (T, I), or a packed sequence
    (``nn.utils.rnn``), and optionally the initial states (D · num_layers, N, H), it returns the
    states of the last layer after each step, (T, N, D · H), and the last state of each layer.

    Attributes:
        weight_ih_l0: W of the first layer, shape (H, I); ``_l0_reverse`` of the other direction.
        weight_hh_l0, bias_ih_l0, bias_hh_l0: U, b and c. All start as U(-1/√H, 1/√H).

    Raises:
        TypeError, ValueError: when an argument is out of its range; for an input of other
            dimensions.
        RuntimeError: when the sizes of an input do not fit.

    >>> import nnlite
    >>> rnn = nnlite.nn.RNN(10, 20, num_layers=2)
    >>> output, h = rnn(nnlite.zeros(5, 3, 10))
    >>> output.shape, h.shape
    (nnlite.Size([5, 3, 20]), nnlite.Size([2, 3, 20]))
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.nonlinearity = one_of("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device,
            dtype,
        )  # fmt: skip


class LSTM(_Layer):
    """Long short-term memory: cₜ = f cₜ₋₁ + i g, hₜ = o tanh(cₜ).

    The gates i, f and o are σ, and g is tanh, of W xₜ + b + U hₜ₋₁ + c, each of its own rows.
    Source: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"; Gers et al. 2000, "Learning
    to Forget" (f).

    Args:
        input_size: I, the number of features of a step.
        hidden_size: H, the size of the state.
        num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as of ``RNN``.
        proj_size: only 0.

    Called with an input as ``RNN`` and optionally the pair of the initial states and cells, each
    (D · num_layers, N, H), it returns the states of the last layer after each step and the pair of
    the last states and cells.

    Attributes:
        weight_ih_l0: shape (4 H, I), the rows of i, f, g and o; the other parameters accordingly.

    Raises:
        TypeError, ValueError, RuntimeError: as ``RNN``.
        NotImplementedError: for a projection.

    >>> import nnlite
    >>> lstm = nnlite.nn.LSTM(10, 20, batch_first=True, bidirectional=True)
    >>> output, (h, c) = lstm(nnlite.zeros(3, 5, 10))
    >>> output.shape, c.shape
    (nnlite.Size([3, 5, 40]), nnlite.Size([2, 3, 20]))
    """

    _gates = 4
    _count = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if proj_size:
            raise NotImplementedError(
                f"LSTM: proj_size={proj_size} is not available; use 0, and an nn.Linear behind"
            )
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device,
            dtype,
        )  # fmt: skip


class GRU(_Layer):
    """Gated recurrent units: hₜ = (1 - z) n + z hₜ₋₁.

    r and z are σ of W xₜ + b + U hₜ₋₁ + c, and n is tanh of W xₜ + b + r (U hₜ₋₁ + c), each of its
    own rows. Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder",
    arXiv:1406.1078; r stands outside of the product with U, as in torch.

    Args:
        input_size: I, the number of features of a step.
        hidden_size: H, the size of the state.
        num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as of ``RNN``.

    Called as ``RNN``, and returns what it returns.

    Attributes:
        weight_ih_l0: shape (3 H, I), the rows of r, z and n; the other parameters accordingly.

    Raises:
        TypeError, ValueError, RuntimeError: as ``RNN``.

    >>> import nnlite
    >>> gru = nnlite.nn.GRU(10, 20)
    >>> output, h = gru(nnlite.zeros(5, 10))
    >>> output.shape, h.shape
    (nnlite.Size([5, 20]), nnlite.Size([1, 20]))
    """

    _gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device,
            dtype,
        )  # fmt: skip
