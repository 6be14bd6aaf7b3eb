"""Recurrent cells: one step of the recurrent layers at a call."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnlite.nn.checks import one_of, whole_number
from nnlite.nn.layers.recurrent import States, add_weights, draw, sequences, states_of
from nnlite.nn.module import Module
from nnlite.ops.shape import squeeze, unsqueeze
from nnlite.tensor import Tensor, wrap

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Cell(Module):
    """What the cells have in common (abstract): a layer over a sequence of one step."""

    _gates: ClassVar[int]
    _count: ClassVar[int] = 1  # of states

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, device: Any, dtype: Any
    ) -> None:
        super().__init__()
        name = self._get_name()
        self.input_size = whole_number(name, "input_size", input_size)
        self.hidden_size = whole_number(name, "hidden_size", hidden_size)
        self.bias = bool(bias)
        sizes = self.input_size, self.hidden_size
        add_weights(self, self._gates, sizes, self.bias, "", device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters, from U(-1/√hidden_size, 1/√hidden_size)."""
        draw(self, self.hidden_size)

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        name = self._get_name()
        shape = input.array.shape
        if len(shape) not in (1, 2):
            raise ValueError(
                f"{name}: expected an input ({self.input_size},) or (N, {self.input_size}), got "
                f"{list(shape)}"
            )
        if shape[-1] != self.input_size:
            raise RuntimeError(
                f"{name}: the input has {shape[-1]} features, input_size is {self.input_size}"
            )
        needed = (*shape[:-1], self.hidden_size)
        if hx is None:
            states: States = (wrap(np.zeros_like(input.array, shape=needed)),) * self._count
        else:
            states = states_of(name, hx, self._count)
        for label, state in zip(("h_0", "c_0"), states):
            if state.array.shape != needed:
                raise RuntimeError(
                    f"{name}: {label} must have the shape {list(needed)}, got "
                    f"{list(state.array.shape)}"
                )
        batched = len(shape) == 2
        x = unsqueeze(input, 0)
        if not batched:
            x, states = unsqueeze(x, 0), tuple(unsqueeze(state, 0) for state in states)
        labels = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if self.bias else 2]
        weights = tuple(getattr(self, label) for label in labels)
        after = tuple(state[0] for state in sequences(self, x, states, weights, False))
        if not batched:
            after = tuple(squeeze(state, 0) for state in after)
        return after if self._count == 2 else after[0]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if not self.bias:
            text += ", bias=False"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        if nonlinearity != "tanh":
            text += f", nonlinearity={nonlinearity}"
        return text


class RNNCell(_Cell):
    """A step of a simple recurrent layer: h′ = tanh(W x + b + U h + c); see ``RNN``.

    Args:
        input_size: I, the number of features.
        hidden_size: H, the size of the state.
        bias: whether there are b and c.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        device: ``"cpu"`` or None.
        dtype: default: the default dtype.

    Called with an input (N, I) or (I,) and optionally h, (N, H) or (H,); returns h′.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: W, U, b and c; start as U(-1/√H, 1/√H).

    Raises:
        TypeError, ValueError, RuntimeError: when arguments or shapes do not fit.

    >>> import nnlite
    >>> cell = nnlite.nn.RNNCell(10, 20)
    >>> h = nnlite.zeros(3, 20)
    >>> for x in nnlite.zeros(6, 3, 10):
    ...     h = cell(x, h)
    >>> h.shape
    nnlite.Size([3, 20])
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.nonlinearity = one_of("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(input_size, hidden_size, bias, device, dtype)


class LSTMCell(_Cell):
    """A step of long short-term memory; see ``LSTM``.

    Args:
        input_size: I, the number of features.
        hidden_size: H, the size of the state.
        bias, device, dtype: as of ``RNNCell``.

    Called with an input (N, I) or (I,) and optionally the pair of h and c, each (N, H) or (H,);
    returns the next pair.

    Attributes:
        weight_ih: shape (4 H, I), the rows of i, f, g and o; the other parameters accordingly.

    Raises:
        TypeError, ValueError, RuntimeError: when arguments or shapes do not fit.

    >>> import nnlite
    >>> h, c = nnlite.nn.LSTMCell(10, 20)(nnlite.zeros(3, 10))
    >>> h.shape, c.shape
    (nnlite.Size([3, 20]), nnlite.Size([3, 20]))
    """

    _gates = 4
    _count = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)


class GRUCell(_Cell):
    """A step of gated recurrent units; see ``GRU``.

    Args:
        input_size: I, the number of features.
        hidden_size: H, the size of the state.
        bias, device, dtype: as of ``RNNCell``.

    Called with an input (N, I) or (I,) and optionally h, (N, H) or (H,); returns the next h.

    Attributes:
        weight_ih: shape (3 H, I), the rows of r, z and n; the other parameters accordingly.

    Raises:
        TypeError, ValueError, RuntimeError: when arguments or shapes do not fit.

    >>> import nnlite
    >>> nnlite.nn.GRUCell(10, 20)(nnlite.zeros(3, 10)).shape
    nnlite.Size([3, 20])
    """

    _gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
