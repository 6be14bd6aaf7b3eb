"""A checkpoint: one file that holds any tree of plain values and arrays, and notices damage.

It is a safetensors file. The arrays are its tensors, named "0", "1", …; its metadata hold one text:
the format's number, the SHA-256 of the whole file (counted with zeros in the digest's place) and
the tree as JSON, in which an object ``{kind: …}`` stands for what JSON itself does not have.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np

from nnlite.io.atomic import StrPath, write_bytes
from nnlite.io.header import open_file, splice
from nnlite.tensor import Tensor, wrap

Array = np.ndarray[Any, np.dtype[Any]]

FORMAT = 1

_START = b'{"__metadata__":{"nnlite.checkpoint":"'
_BLANK = b"0" * 64
_DEEPEST = 100
_EXACT = 2**53  # whole numbers up to here survive any JSON reader
# bool, integers, float16/32/64: what every version of safetensors holds. The rest goes in as bytes.
_STORED = frozenset(map(np.dtype, "?bhilqBHILQefd"))


def save_checkpoint(tree: Any, path: StrPath) -> None:
    """Write a tree of values and arrays to one file in one step.

    Args:
        tree: dicts (with str or int keys), lists, tuples, str, int of any size, float (NaN and
            infinities too), bool, None, Tensors, ndarrays of any dtype but object, NumPy scalars.
        path: the file; any suffix.

    What `load_checkpoint` gives is equal in type, dtype, shape and every bit. A tensor keeps its
    ``requires_grad``, not its graph; a Parameter comes back as a Tensor, an OrderedDict as a dict,
    and what stood in two places comes back as two objects.

    Raises:
        TypeError: anything else; the message says where in the tree and what to do.
        ValueError: a tree that contains itself or is more than 100 levels deep.
        OSError: the file cannot be written; the message names it and the cause.

    >>> import nnlite, os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "checkpoint")
    >>> save_checkpoint({"epoch": 3, "best": float("inf"), "w": nnlite.tensor([1.0, 2.0])}, path)
    >>> load_checkpoint(path)
    {'epoch': 3, 'best': inf, 'w': tensor([1., 2.])}
    >>> folder.cleanup()
    """
    import hashlib
    import json

    from safetensors.numpy import save

    packer = _Packer()
    text = json.dumps(packer.pack(tree), separators=(",", ":"), check_circular=False)
    value = f"{FORMAT} {_BLANK.decode()} {text}"
    metadata = _START[len('{"__metadata__":') : -1] + json.dumps(value).encode("ascii") + b"}"
    try:
        head, body = splice(save(packer.arrays), metadata)
    except ValueError as error:
        raise ValueError(f"save_checkpoint: {error}") from None
    digest = hashlib.sha256(head)
    digest.update(body)
    at = _digest_place(FORMAT)
    head = head[:at] + digest.hexdigest().encode("ascii") + head[at + len(_BLANK) :]
    write_bytes(path, head, body)


def load_checkpoint(path: StrPath) -> Any:
    """Read back what `save_checkpoint` wrote, after checking that not a bit of it has changed.

    Args:
        path: the file.

    Returns:
        the tree; its arrays own their memory and can be written to.

    Raises:
        ValueError: the file is truncated, damaged, no checkpoint, or of another format version;
            the message names file and cause.
        OSError: the file cannot be opened or read.

    See `save_checkpoint` for an example.
    """
    try:
        file, _ = open_file(path)
        with file:
            return _decode(file.read())
    except ValueError as error:
        raise ValueError(f"load_checkpoint: cannot read {os.fsdecode(path)!r}: {error}") from error


def _digest_place(version: int) -> int:
    return 8 + len(_START) + len(f"{version} ")


def _decode(data: bytes) -> Any:
    import hashlib
    import json

    from safetensors.numpy import load

    if not data:
        raise ValueError("it is empty")
    if data[8 : 8 + len(_START)] != _START:
        raise ValueError(
            "it is no checkpoint of nnlite, or damaged (weights are read with nnlite.io.load)"
        )
    version = data[8 + len(_START) :][:20].split(b" ")[0]
    if not version.isdigit():
        raise ValueError("it is damaged (its format version is unreadable)")
    if int(version) != FORMAT:
        raise ValueError(
            f"it is in checkpoint format {int(version)}, "
            f"this version of nnlite reads format {FORMAT}: use the version that wrote it"
        )
    at = _digest_place(FORMAT)
    whole = memoryview(data)
    digest = hashlib.sha256(whole[:at])
    digest.update(_BLANK)
    digest.update(whole[at + len(_BLANK) :])
    if digest.hexdigest().encode("ascii") != data[at : at + len(_BLANK)]:
        raise ValueError("it is truncated or damaged (its contents do not match its checksum)")
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        text = header["__metadata__"]["nnlite.checkpoint"].split(" ", 2)[2]
        return _unpack(json.loads(text), load(data))
    except MemoryError:
        raise
    except Exception as error:  # whatever a file does that has a right checksum and wrong contents
        raise ValueError(f"it was not written by save_checkpoint ({error!r})") from error


# ---- from the tree to JSON and arrays ----------------------------------------------------------


class _Packer:
    """Turns a tree into what JSON holds, and collects the arrays that it meets."""

    __slots__ = ("arrays", "trail")

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self.trail: list[Any] = []

    def pack(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return value if value.isascii() or _is_unicode(value) else {"str": _points(value)}
        if kind is int:
            return value if -_EXACT <= value <= _EXACT else {"int": hex(value)}
        if kind is float:
            return value if value - value == 0 else {"float": struct.pack("<d", value).hex()}
        if kind is list:
            return self.pack_all(enumerate(value))
        if kind is tuple:
            return {"tuple": self.pack_all(enumerate(value))}
        if isinstance(value, dict):
            keys = [self.pack_key(key) for key in value]
            return {"dict": [keys, self.pack_all(value.items())]}
        if isinstance(value, Tensor):
            packed = self.store("tensor", value.array)
            if value.requires_grad:
                packed["requires_grad"] = True
            return packed
        if kind is np.ndarray:
            return self.store("array", value)
        if isinstance(value, np.generic) and value.dtype.kind not in "SUV":
            return self.store("scalar", np.asarray(value))
        raise TypeError(f"save_checkpoint: {self.where()} is {_described(value)}")

    def pack_all(self, items: Iterable[tuple[Any, Any]]) -> list[Any]:
        trail = self.trail
        if len(trail) >= _DEEPEST:
            raise ValueError(
                f"save_checkpoint: the tree contains itself or is over {_DEEPEST} levels deep, "
                f"at {self.where()[:200]}…"
            )
        packed = []
        for key, value in items:
            trail.append(key)
            packed.append(self.pack(value))
            trail.pop()
        return packed

    def pack_key(self, key: Any) -> Any:
        if type(key) is str or type(key) is int:
            return self.pack(key)
        raise TypeError(
            f"save_checkpoint: {self.where()} has the key {key!r:.60} ({type(key).__name__}): "
            "keys are str or int"
        )

    def store(self, kind: str, array: Any) -> dict[str, Any]:
        """Keep an array for the file, and return what stands for it in the tree."""
        if type(array) is not np.ndarray:
            raise TypeError(
                f"save_checkpoint: {self.where()} holds a {type(array).__name__}, no NumPy array"
            )
        name = str(len(self.arrays))
        if array.dtype in _STORED:
            self.arrays[name] = array.astype(array.dtype, order="C", copy=False)
            return {kind: name}
        self.arrays[name] = np.frombuffer(array.tobytes(), np.uint8)
        return {kind: name, "dtype": self.describe(array.dtype), "shape": array.shape}

    def describe(self, dtype: np.dtype[Any]) -> str:
        """NumPy's own description of a dtype, as it stands in an .npy file."""
        if dtype.kind in "biufcmMSUV" and not dtype.hasobject:
            description = np.lib.format.dtype_to_descr(dtype)
            if np.lib.format.descr_to_dtype(description) == dtype:
                return repr(description)
        raise TypeError(
            f"save_checkpoint: {self.where()} has dtype {dtype}, which cannot be stored exactly: "
            "convert it to numbers, or to a list of texts"
        )

    def where(self) -> str:
        """The place in the tree, as one would write it in Python."""
        return "tree" + "".join(f"[{key!r}]" for key in self.trail)


def _is_unicode(text: str) -> bool:
    """False with surrogates, of which JSON would join a pair into one character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _points(text: str) -> str:
    return text.encode("utf-32-le", "surrogatepass").hex()


def _described(value: Any) -> str:
    kind = type(value).__name__
    for plain in (bool, int, float, str, list, tuple):
        if isinstance(value, plain):
            return f"a {kind}, which would lose its type: convert it with {plain.__name__}(…)"
    if isinstance(value, np.ndarray):
        return f"a {kind}, which would lose its type: convert it with np.asarray(…)"
    return (
        f"a {kind}, which a checkpoint cannot hold: keep numbers, texts, None, lists, tuples, "
        "dicts, Tensors and arrays (of an object with state_dict(), that dict)"
    )


# ---- and back ----------------------------------------------------------------------------------


def _unpack(value: Any, arrays: dict[str, Array]) -> Any:
    if type(value) is list:
        return [_unpack(item, arrays) for item in value]
    if type(value) is not dict:
        return value
    kind, content = next(iter(value.items()))
    if kind == "dict":
        keys, values = content
        return {
            _unpack(key, arrays): _unpack(item, arrays)
            for key, item in zip(keys, values, strict=True)
        }
    if kind == "tuple":
        return tuple([_unpack(item, arrays) for item in content])
    if kind == "tensor":
        tensor = wrap(_array(arrays[content], value))
        return tensor.requires_grad_() if value.get("requires_grad") else tensor
    if kind == "array":
        return _array(arrays[content], value)
    if kind == "scalar":
        return _array(arrays[content], value)[()]
    if kind == "int":
        return int(content, 16)
    if kind == "float":
        return struct.unpack("<d", bytes.fromhex(content))[0]
    if kind == "str":
        return bytes.fromhex(content).decode("utf-32-le", "surrogatepass")
    raise ValueError(f"it holds the unknown kind {kind!r}")


def _array(stored: Array, value: dict[str, Any]) -> Array:
    if "dtype" not in value:
        return stored
    import ast

    dtype = np.lib.format.descr_to_dtype(ast.literal_eval(value["dtype"]))
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    shape = value["shape"]
    if math.prod(shape) * dtype.itemsize != stored.nbytes:
        raise ValueError("an array's shape and bytes do not agree")
    return np.ndarray(shape, dtype, buffer=stored.data)
