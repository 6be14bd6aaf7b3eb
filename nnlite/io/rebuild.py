"""What the pickle in a PyTorch file may name, and what stands for it here.

Source: ``torch/_utils.py``, whose functions such a pickle names to rebuild its tensors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnlite.device import device
from nnlite.io.unpickle import Global, as_key
from nnlite.tensor import Size, Tensor, wrap

__all__ = ["STORAGES", "Storage", "build", "table"]

Array = np.ndarray[Any, np.dtype[Any]]

STORAGES: dict[str, np.dtype[Any] | None] = {
    "FloatStorage": np.dtype("f4"),
    "DoubleStorage": np.dtype("f8"),
    "HalfStorage": np.dtype("f2"),
    "BFloat16Storage": None,  # NumPy lacks it
    "LongStorage": np.dtype("i8"),
    "IntStorage": np.dtype("i4"),
    "ShortStorage": np.dtype("i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
    "ComplexFloatStorage": np.dtype("c8"),
    "ComplexDoubleStorage": np.dtype("c16"),
    "UntypedStorage": np.dtype("u1"),
}
_DTYPES = {
    "float32": "f4", "float64": "f8", "float16": "f2", "bfloat16": "f4", "int64": "i8",
    "int32": "i4", "int16": "i2", "int8": "i1", "uint8": "u1", "uint16": "u2", "uint32": "u4",
    "uint64": "u8", "bool": "?", "complex64": "c8", "complex128": "c16",
}  # fmt: skip


class Storage(NamedTuple):
    """A piece of memory in the file, in which tensors lie: its elements in a row."""

    array: Array


def table() -> dict[Global, Any]:
    """What the pickle in such a file may name, and what stands for it."""
    entries: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): _dict,
        ("collections", "defaultdict"): lambda factory=None: {},
        ("collections", "Counter"): _dict,
        ("builtins", "set"): lambda values=(): set(map(as_key, values)),
        ("builtins", "frozenset"): lambda values=(): frozenset(map(as_key, values)),
        ("builtins", "complex"): complex,
        ("builtins", "slice"): slice,
        ("builtins", "bytearray"): _encode,
        ("builtins", "bytes"): _encode,
        ("_codecs", "encode"): _encode,
        ("torch", "Size"): _size,
        ("torch", "device"): _device,
        ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor_v2,
        ("torch._utils", "_rebuild_tensor_v3"): _rebuild_tensor_v3,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter,
        ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
        ("torch.nn.parameter", "Parameter"): _only_a_name,
        ("torch", "Tensor"): _only_a_name,
        ("torch.storage", "UntypedStorage"): _only_a_name,
        ("numpy", "dtype"): _numpy_dtype,
        ("numpy", "ndarray"): _only_a_name,
    }
    for name in ("list", "dict", "int", "float"):
        entries["builtins", name] = _only_a_name
    for name in STORAGES:
        entries["torch", name] = _only_a_name
    for name, code in _DTYPES.items():
        entries["torch", name] = np.dtype(code)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        entries[module, "scalar"] = _numpy_scalar
        entries[module, "_reconstruct"] = _numpy_array
    for module in ("numpy.core.numeric", "numpy._core.numeric"):
        entries[module, "_frombuffer"] = _numpy_buffer
    for (module, name), meaning in list(entries.items()):
        if module == "builtins":
            entries["__builtin__", name] = meaning
    return {Global(*names): meaning for names, meaning in entries.items()}


def _only_a_name(*arguments: Any) -> Any:
    raise ValueError("it calls a class that stands in such files only as a name: it is damaged")


def _dict(items: Any = ()) -> dict[Any, Any]:
    pairs = items.items() if isinstance(items, dict) else items
    return {as_key(key): value for key, value in pairs}


def _size(lengths: Any) -> Size:
    if not all(type(length) is int for length in lengths):
        raise ValueError("its pickle is damaged (a shape)")
    return Size(lengths)


def _device(kind: Any, index: Any = None) -> device:
    if not isinstance(kind, str) or type(index) not in (int, type(None)):
        raise ValueError("its pickle is damaged (a device)")
    return device(kind, index)


def _encode(text: Any = "", encoding: Any = "latin-1") -> bytes:
    """Bytes, as protocol 2 spells them."""
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("it spells bytes in an encoding other than latin-1: it is damaged")
    return text.encode("latin-1")


class _Numpy:
    """A NumPy array that waits for its state."""


def _numpy_dtype(code: Any, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    if not isinstance(code, str) or len(code) > 5:
        raise ValueError("its pickle is damaged (a NumPy dtype)")
    dtype = np.dtype(code)
    if dtype.kind not in "biufcSU":
        raise ValueError(f"it holds NumPy values of dtype {dtype}: weights are numbers or bools")
    return dtype


def _numpy_scalar(dtype: Any, value: Any) -> Any:
    if not isinstance(dtype, np.dtype) or not isinstance(value, bytes):
        raise ValueError("its pickle is damaged (a NumPy number)")
    return np.frombuffer(value, dtype, count=1)[0]


def _numpy_array(kind: Any, shape: Any, code: Any) -> _Numpy:
    return _Numpy()


def _numpy_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> Array:
    """An array, as protocol 5 spells it."""
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes):
        raise ValueError("its pickle is damaged (a NumPy array)")
    return np.frombuffer(data, dtype).reshape(tuple(shape), order=order).copy()


def build(value: Any, state: Any) -> Any:
    """Give a NumPy array its values; what torch hangs onto a dict (``_metadata``) is left out."""
    if isinstance(value, _Numpy):
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, np.dtype) or not isinstance(data, bytes):
            raise ValueError("its pickle is damaged (a NumPy array)")
        order: Any = "F" if fortran else "C"
        return np.frombuffer(data, dtype).reshape(tuple(shape), order=order).copy()
    if isinstance(value, np.dtype):
        byte_order = state[1]
        return value.newbyteorder(byte_order) if byte_order in ("<", ">") else value
    if isinstance(value, (dict, Tensor)):
        return value
    raise ValueError(f"its pickle gives a {type(value).__name__} a state: it is damaged")


# ---- tensors ------------------------------------------------------------------------------------


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise ValueError("its pickle is damaged (a tensor without a storage)")
    return wrap(_strided(storage.array, offset, shape, strides))


def _strided(flat: Array, offset: Any, shape: Any, strides: Any) -> Array:
    """A view of a storage, checked to lie inside of it; strides in elements.

    Where it shows elements at several places, it is read-only, as what ``expand`` gives.
    """
    numbers = [offset, *shape, *strides]
    if len(shape) != len(strides) or len(shape) > 32:
        raise ValueError("its pickle is damaged (shape and strides of a tensor)")
    if any(type(n) is not int or not 0 <= n < 2**62 for n in numbers):
        raise ValueError("its pickle is damaged (shape and strides of a tensor)")
    count = 1
    last = offset
    for length, stride in zip(shape, strides):
        count *= length
        last += (length - 1) * stride
    if count == 0:
        return np.empty(shape, flat.dtype)
    if last >= flat.size:
        raise ValueError(
            f"it is damaged: a tensor of shape {tuple(shape)} reaches to element {last} of a "
            f"storage that has {flat.size}"
        )
    if count > max(flat.size * 1000, 2**24):  # more than any expanded tensor that one would save
        raise ValueError(
            f"it is damaged: a tensor of {count} elements lies in a storage of {flat.size}"
        )
    return np.lib.stride_tricks.as_strided(
        flat[offset:],
        shape,
        [stride * flat.itemsize for stride in strides],
        writeable=count <= flat.size,
    )


def _rebuild_tensor_v2(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any = False,
    backward_hooks: Any = None,
    metadata: Any = None,
) -> Tensor:
    tensor = _rebuild_tensor(storage, offset, shape, strides)
    if requires_grad is True and tensor.array.dtype.kind == "f":
        tensor.requires_grad_()
    return tensor


def _rebuild_tensor_v3(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any,
    backward_hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    """A tensor of a dtype that has no storage class of its own, in a storage of bytes."""
    if not isinstance(dtype, np.dtype) or not isinstance(storage, Storage):
        raise ValueError("its pickle is damaged (the dtype of a tensor)")
    viewed = Storage(storage.array.view(dtype))
    return _rebuild_tensor_v2(viewed, offset, shape, strides, requires_grad)


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any = None, state: Any = None) -> Any:
    from nnlite.nn import Parameter

    if not isinstance(data, Tensor):
        raise ValueError("its pickle is damaged (a parameter without a tensor)")
    return Parameter(data.detach(), requires_grad=requires_grad is True)


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor with attributes of its own, which are left out."""
    rebuild: Any = {
        "_rebuild_tensor_v2": _rebuild_tensor_v2,
        "_rebuild_tensor_v3": _rebuild_tensor_v3,
        "_rebuild_parameter": _rebuild_parameter,
    }.get(getattr(function, "name", ""))
    if rebuild is None:
        raise ValueError("its pickle is damaged (a tensor of an unknown class)")
    return rebuild(*arguments)
