"""Tensor: an array and its place in the graph. Storage and conversion; no mathematics.

Operators, and the engine's ``backward``, come from the table ``nnlite.ops.methods``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nnlite import printing
from nnlite.device import device

if TYPE_CHECKING:
    from nnlite.autograd.node import Node
    from nnlite.ops.methods import Methods
else:
    Methods = object  # nnlite.ops binds them when it is imported

__all__ = ["Size", "Tensor", "wrap"]

ndarray = np.ndarray


def is_replayed(array: Any) -> bool:
    """Whether an array that is no ndarray notes down what is to be done with ndarrays.

    Operators take the same way for it as for an ndarray (nnlite.capture).
    """
    return hasattr(type(array), "is_replayed")


CPU = device("cpu")


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of ints that prints as torch's and knows its ``numel``.

    >>> import nnlite
    >>> nnlite.zeros(2, 3).shape
    nnlite.Size([2, 3])
    >>> nnlite.zeros(2, 3).shape.numel()
    6
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"nnlite.Size({list(self)})"

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        count = 1
        for length in self:
            count *= length
        return count


class NoGraph(tuple[str, ...]):
    """Why a tensor has no graph. Empty, hence false: it stands where a node would, at no cost."""

    rank: int
    cause: str
    origin: NoGraph | None  # itself; of a view of data: of the data

    def __new__(cls, rank: int, cause: str) -> NoGraph:
        self = super().__new__(cls)
        self.rank = rank
        self.cause = cause
        self.origin = self
        return self


# What is called with every tensor that detach() cuts from its graph. See explain.record.
detach_lookers: list[Callable[[Tensor], None]] = []

# Of several causes the one with the highest rank is named: the one that the user can act on.
NO_GRAD = NoGraph(
    1,
    "it was computed under no_grad (or inference_mode), where nothing is recorded; "
    "compute it outside of that block",
)
DETACHED = NoGraph(
    2,
    "it was cut from its graph by detach(), .data or a conversion from NumPy; "
    "use the tensor itself instead of its detached copy",
)
FROZEN = NoGraph(
    3,
    "everything that it was computed from is frozen (requires_grad=False); "
    "unfreeze what is to be trained: model.unfreeze(…) or tensor.requires_grad_()",
)


class AccumulateGrad:
    """The node at the end of every path: adds what arrives to the gradient of a leaf tensor.

    The gradient lives here, so that the graph need not hold the tensor, nor the tensor the graph.
    """

    __slots__ = ("__weakref__", "extras", "frozen", "grad", "tensor")

    edges: tuple[()] = ()
    saved: tuple[()] = ()
    seq = -1
    is_view = False

    grad: Tensor | None
    tensor: weakref.ref[Tensor]
    frozen: bool
    extras: Any  # its hooks, once it has any (autograd.hooks)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)
        self.grad = None
        self.frozen = False

    @property
    def variable(self) -> Tensor | None:
        """The leaf tensor whose gradient this is (None once it is gone)."""
        return self.tensor()

    @property
    def next_functions(self) -> tuple[()]:
        """Nothing: the graph ends here."""
        return ()

    def name(self) -> str:
        """The name as ``grad_fn`` shows it."""
        return "AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


class Tensor(Methods):
    """An n-dimensional array that knows how it was computed, so that gradients can be found.

    Args:
        data: anything that NumPy makes an array of (numbers, nested lists, an array, a tensor);
            it is copied. Numbers become float32, as ``torch.Tensor(data)`` has it; use
            ``nnlite.tensor`` to choose the dtype or to set ``requires_grad``.

    Attributes:
        array: the NumPy array (or an array that dispatches like one) that holds the values.

    >>> import nnlite
    >>> x = nnlite.tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "_leaf", "_node", "array")

    array: np.ndarray[Any, np.dtype[Any]]
    # A node when a gradient flows through this tensor; else None, or a NoGraph that says why not.
    _node: Node | AccumulateGrad | NoGraph | None
    _leaf: AccumulateGrad | None

    def __init__(self, data: Any = ()) -> None:
        if isinstance(data, Tensor):
            data = data.array
        self.array = np.array(data, dtype=np.float32)
        self._node = None
        self._leaf = None

    # ---- the graph -----------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether ``backward`` computes a gradient for this tensor."""
        return bool(self._node)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` of a leaf, in place; returns the tensor.

        Raises:
            RuntimeError: for an integer or bool tensor, and for turning off a non-leaf.
        """
        if not requires_grad:
            if not self.is_leaf:
                raise RuntimeError(
                    "requires_grad_: only leaf tensors can be frozen; this one was computed by "
                    f"{self._node!r}. Use tensor.detach() for a copy outside of the graph"
                )
            if self._node:
                cast(AccumulateGrad, self._node).frozen = True
                self._node = FROZEN
        elif not self._node:
            if self.array.dtype.kind not in "fc":
                raise RuntimeError(
                    "requires_grad_: only floating point tensors can have gradients, "
                    f"got {self.array.dtype}; convert first: tensor.float()"
                )
            if self._leaf is None:
                self._leaf = AccumulateGrad(self)
            self._leaf.frozen = False
            self._node = self._leaf
        return self

    @property
    def is_leaf(self) -> bool:
        """True for tensors made by the user; False for results of recorded operations."""
        return not self._node or type(self._node) is AccumulateGrad

    @property
    def grad_fn(self) -> Node | None:
        """The node that computed this tensor; None for a leaf."""
        if self.is_leaf:
            return None
        return cast("Node", self._node).function()

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, of the tensor's shape and dtype; None before ``backward``."""
        return None if self._leaf is None else self._leaf.grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is None:
            if self._leaf is not None:
                self._leaf.grad = None
            return
        if not isinstance(value, Tensor):
            raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}")
        if value is self:
            raise RuntimeError("grad: a tensor cannot be its own gradient")
        if value.array.shape != self.array.shape or value.array.dtype != self.array.dtype:
            raise RuntimeError(
                f"grad: a gradient has the shape and dtype of its tensor, {list(self.array.shape)} "
                f"{self.array.dtype}; got {list(value.array.shape)} {value.array.dtype}"
            )
        if self._leaf is None:
            self._leaf = AccumulateGrad(self)
            self._leaf.frozen = True
        self._leaf.grad = value

    @property
    def data(self) -> Tensor:
        """The same values outside of the graph, as ``detach()`` gives them."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}")
        self.array = value.array

    def detach(self) -> Tensor:
        """The same values (shared memory) as a tensor outside of the graph."""
        out = wrap(self.array)
        for look in detach_lookers:
            look(self)
        cause = DETACHED if self._node else getattr(self._node, "origin", None)
        out._node = DETACHED if cause is NO_GRAD else cause
        return out

    # ---- shape, dtype, conversion ---------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The length of each dimension."""
        return Size(self.array.shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements, a NumPy dtype: ``nnlite.float32`` …"""
        return self.array.dtype

    @property
    def device(self) -> device:
        """Always the CPU, for scripts that ask."""
        return CPU

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.array.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

    def size(self, dim: int | None = None) -> Size | int:
        """The shape, or the length of one dimension."""
        return Size(self.array.shape) if dim is None else self.array.shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.array.dtype.itemsize

    def stride(self, dim: int | None = None) -> tuple[int, ...] | int:
        """Steps between neighbours along each dimension, or along one, in elements."""
        steps = tuple(step // self.array.dtype.itemsize for step in self.array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in row-major order without gaps."""
        return self.array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating point one."""
        return self.array.dtype.kind == "f"

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self.array.ctypes.data

    def item(self) -> Any:
        """The value of a tensor of one element as a Python number.

        Raises:
            RuntimeError: when there is not exactly one element.
        """
        try:
            return self.array.item()
        except ValueError:
            raise RuntimeError(
                f"item: a tensor with {self.array.size} elements cannot be converted to a number; "
                "reduce it first (sum, mean …) or use tolist()"
            ) from None

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers (a number for a 0-d tensor)."""
        return self.array.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, np.dtype[Any]]:
        """The values as a NumPy array that shares memory with the tensor.

        Args:
            force: also for a tensor that requires a gradient, as ``detach().numpy()``.

        Raises:
            RuntimeError: for a tensor that requires a gradient, without ``force``.
        """
        if self._node and not force:
            raise RuntimeError(
                "numpy: the tensor requires a gradient, and NumPy operations would not be "
                "recorded; use tensor.detach().numpy()"
            )
        return self.array

    def cpu(self) -> Tensor:
        """The tensor itself: it is on the CPU already."""
        return self

    # ---- Python protocols -----------------------------------------------------------------------

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return cast(int, self.array.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if self.array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (cast(Any, self)[i] for i in range(self.array.shape[0]))

    def _scalar(self, convert: Callable[[Any], Any]) -> Any:
        if self.array.size != 1:
            raise RuntimeError(
                f"{convert.__name__}: the truth or number of a tensor with {self.array.size} "
                "elements is ambiguous; use any(), all(), item() on one element, or tolist()"
            )
        return convert(self.array.item())

    def __bool__(self) -> bool:
        return cast(bool, self._scalar(bool))

    def __float__(self) -> float:
        return cast(float, self._scalar(float))

    def __int__(self) -> int:
        return cast(int, self._scalar(int))

    def __index__(self) -> int:
        if self.array.size != 1 or self.array.dtype.kind not in "iub":
            raise TypeError(
                "only an integer tensor of one element can be an index, "
                f"got {self.array.dtype} {list(self.array.shape)}"
            )
        return int(self.array.item())

    def __contains__(self, value: Any) -> bool:
        return bool((self.array == (value.array if isinstance(value, Tensor) else value)).any())

    __hash__ = object.__hash__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        if dtype is not None and array.dtype != np.dtype(dtype):
            if copy is False:
                raise ValueError(f"__array__: {array.dtype} as {np.dtype(dtype)} needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __repr__(self) -> str:
        suffixes = []
        if not self.is_leaf:
            suffixes.append(f"grad_fn=<{cast('Node', self.grad_fn).name()}>")
        elif self._node:
            suffixes.append("requires_grad=True")
        return printing.format_array(self.array, suffixes=suffixes)

    def __format__(self, spec: str) -> str:
        if self.array.ndim == 0:
            return format(self.array.item(), spec)
        return format(str(self), spec)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                "only leaf tensors can be pickled or deep-copied, and this one was computed by "
                f"{self.grad_fn!r}; use tensor.detach()"
            )
        return _rebuild, (type(self), self.array, self.requires_grad, self.grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        build, arguments = self.__reduce_ex__(4)
        kind, array, requires_grad, grad = arguments
        out = build(kind, array.copy(), requires_grad, None)
        if grad is not None:
            out.grad = wrap(grad.array.copy())
        memo[id(self)] = out
        return cast(Tensor, out)


_new = Tensor.__new__


def wrap(array: Any) -> Tensor:
    """A tensor outside of any graph that holds ``array`` itself (shared memory, no checks).

    >>> import numpy
    >>> wrap(numpy.arange(3))
    tensor([0, 1, 2])
    """
    out = _new(Tensor)
    out.array = array if type(array) is ndarray else as_array(array)
    out._node = None
    out._leaf = None
    return out


def as_array(array: Any) -> Any:
    """``array`` as it may stand in a tensor: NumPy's scalars become 0-d arrays, the rest stays."""
    return np.asarray(array) if isinstance(array, np.generic) else array


def _rebuild(kind: type[Tensor], array: Any, requires_grad: bool, grad: Tensor | None) -> Tensor:
    """A leaf of the given class from its parts (for pickle and deepcopy)."""
    out = _new(kind)
    out.array = array
    out._node = None
    out._leaf = None
    out.requires_grad_(requires_grad)
    if grad is not None:
        out.grad = grad
    return out
