"""Parameter: a tensor that is part of a module and is to be trained."""

from __future__ import annotations

from typing import Any

from nnlite.tensor import FROZEN, AccumulateGrad, Tensor, wrap

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that a module counts among its parameters when it is one of its attributes.

    Args:
        data: the values; the parameter shares their memory. Default: an empty tensor.
        requires_grad: whether it is trained; False is what ``Module.freeze`` makes of it.

    Raises:
        TypeError: when ``data`` is no tensor.

    >>> import nnlite
    >>> nnlite.nn.Parameter(nnlite.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            super().__init__()
        elif isinstance(data, Tensor):
            self.array = data.array
        else:
            raise TypeError(
                f"Parameter: data must be a Tensor, got {type(data).__name__}; "
                "make one with nnlite.tensor(data)"
            )
        self._leaf = AccumulateGrad(self)
        self._leaf.frozen = True
        self._node = FROZEN
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"

    def __reduce_ex__(self, protocol: Any) -> Any:
        # The gradient stays behind, as in torch: it belongs to a step, not to the model.
        return _rebuild, (type(self), self.array, self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        out = memo[id(self)] = _rebuild(type(self), self.array.copy(), self.requires_grad)
        return out


def _rebuild(kind: type[Parameter], array: Any, requires_grad: bool) -> Parameter:
    """A parameter from its parts (for pickle and deepcopy)."""
    out = kind.__new__(kind)
    Parameter.__init__(out, wrap(array), requires_grad)
    return out
