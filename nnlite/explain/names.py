"""Symbols for the values of a pass: ``W₁`` and ``b₁`` for parameters, ``z₁``, ``a₁``, ``L``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from nnlite.autograd.node import Edge, Node
from nnlite.explain.formula import subscript
from nnlite.tensor import Tensor

__all__ = ["Symbols", "called", "meaning", "operation_name"]

_PARAMETERS = {
    "weight": "W", "bias": "b", "weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "c",
    "in_proj_weight": "W", "in_proj_bias": "b",
}  # fmt: skip
_AFFINE = re.compile(
    r"(Linear|Addmm|Addmv|Mm|Mv|Vm|Bmm|Baddbmm|BatchedMatmul|Convolution|TransposedConvolution|Dot|"
    r"Einsum)"
)
_ACTIVATIONS = re.compile(
    r"(Relu|Sigmoid|Tanh|Softmax|LogSoftmax|Gelu|Silu|Elu|Celu|LeakyRelu|Mish|Softplus|Hardtanh|"
    r"Hardswish|Hardsigmoid|LogSigmoid|Glu|PreluKernel|Threshold)"
)


def operation_name(node: Node) -> str:
    """An operation as it is called in a text: ``Linear``, ``Sigmoid``."""
    function = getattr(type(node), "function_class", None)
    if function is not None:
        return str(function.__name__)
    return re.sub(r"Backwards?\d*$", "", type(node).__name__)


# What the names of operations do not say to those who do not know them.
_MEANINGS = {
    "Addmm": "matrix times matrix, plus a matrix", "Addmv": "matrix times vector, plus a vector",
    "Addcdiv": "plus a quotient", "Addcmul": "plus a product", "Amax": "the largest",
    "Amin": "the smallest", "BatchedMatmul": "matrix times matrix, for each of a batch",
    "Baddbmm": "matrix times matrix, plus a matrix, for each of a batch",
    "Bmm": "matrix times matrix, for each of a batch", "Cat": "joined along an axis",
    "Dot": "vector times vector", "Lerp": "a value between two", "Mm": "matrix times matrix",
    "Mv": "matrix times vector", "NllLoss": "negative log-likelihood",
    "Rsub": "subtracted from", "Stack": "joined along a new axis", "T": "transposed",
    "Vm": "vector times matrix",
}  # fmt: skip


def called(name: str) -> str:
    """An operation as it is shown: ``Vm``, which is no function that one can call, as ``Matmul``.

    >>> called("Vm"), called("BatchedMatmul"), called("Tanh")
    ('Matmul', 'Matmul', 'Tanh')
    """
    return "Matmul" if name in ("Vm", "BatchedMatmul") else name


def meaning(name: str) -> str:
    """What an operation does, where its name does not say it: ``matrix times vector`` for ``Mv``.

    >>> meaning("Mv"), meaning("Tanh")
    ('matrix times vector', '')
    """
    return _MEANINGS.get(name, "")


class Symbols:
    """Gives out symbols, each once.

    Args:
        model: a module whose parameters' dotted names are used.
        names: more tensors and how they are called.
    """

    def __init__(self, model: Any = None, names: Mapping[str, Tensor] | None = None) -> None:
        self._taken: dict[str, int] = {}
        self._given: set[str] = {"L"}
        self.names: dict[int, str] = {}  # by the id of a leaf's node or of an array's memory
        self._keep: list[Any] = []
        if model is not None:
            for name, parameter in model.named_parameters():
                self._note(name, parameter)
        for name, tensor in (names or {}).items():
            self._note(name, tensor)

    def _note(self, name: str, tensor: Tensor) -> None:
        self._keep.append(tensor)
        for key in (tensor._node or tensor._leaf, tensor.array):
            if key is not None:
                self.names[id(key)] = name

    @property
    def in_use(self) -> set[str]:
        """The symbols that have been given out."""
        return self._given

    def name_of(self, edge: Edge, array: Any = None, source: int | None = None) -> str:
        """The name that a leaf, an output or an array (or what it is a copy of) has been given."""
        found = self.names.get(id(edge)) or self.names.get(id(array))
        return found or self.names.get(cast(int, source), "")

    def of_leaf(self, name: str, ndim: int, is_added: bool = False) -> str:
        """A symbol for a leaf: ``W`` and ``w`` for weights, ``b`` for what is only added."""
        last = name.rpartition(".")[2]
        if "." not in name and re.fullmatch(r"[A-Za-z]\d?", last) and last != "g":
            return self._once(last[0] + (subscript(int(last[1])) if last[1:] else ""))
        letter = _PARAMETERS.get(re.sub(r"(_l\d+)?(_reverse)?$", "", last))
        return self.numbered(letter or ("b" if is_added else "W" if ndim > 1 else "w"))

    def of_output(self, node: Node, given: str = "") -> str:
        """A symbol for what an operation computes, the ``given`` name where it is a letter."""
        if re.fullmatch(r"[A-Za-z]\d?", given) and given != "g":
            return self.of_leaf(given, 0)
        name = operation_name(node)
        return self.numbered(
            "z" if _AFFINE.fullmatch(name) else "a" if _ACTIVATIONS.fullmatch(name) else "u"
        )

    def numbered(self, letter: str) -> str:
        """The letter with the next free number."""
        while True:
            number = self._taken.get(letter, 0) + 1
            self._taken[letter] = number
            symbol = letter + subscript(number)
            if symbol not in self._given:
                self._given.add(symbol)
                return symbol

    def of_data(self, name: str, role: str, ndim: int) -> str:
        """A symbol for what gets no gradient: as a leaf's where the name or the role tells one."""
        is_letter = re.fullmatch(r"[A-Za-z]\d?", name) is not None
        if is_letter or "." in name or name in _PARAMETERS:
            return self.of_leaf(name, ndim)
        return self.numbered("W") if role == "W" and ndim > 1 else self.of_constant(role)

    def of_constant(self, role: str) -> str:
        """The letter itself for data, with a number from the second on."""
        letter = role.rstrip("₀₁₂₃₄₅₆₇₈₉").lower()
        if letter in "abgl":  # these mean something else: activations, biases, gradients, losses
            letter = "c"
        if letter in self._given:
            return self.numbered(letter)
        self._given.add(letter)
        self._taken.setdefault(letter, 1)
        return letter

    def of_unknown(self, role: str) -> str:
        """The letter of the equation, or another where something else is called so."""
        return self.of_constant(role) if role in self._given else role

    def _once(self, symbol: str) -> str:
        if symbol in self._given:
            return self.numbered(symbol[0])
        self._given.add(symbol)
        return symbol
