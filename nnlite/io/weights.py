"""Weights in files: ``.safetensors`` and ``.npz``, and PyTorch's, which are only read.

Reading never runs what a file contains.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from nnlite.io.atomic import StrPath, write_bytes
from nnlite.io.header import open_file, read_header, splice
from nnlite.io.npz import NUMBERS, checked, load_npz, save_npz
from nnlite.io.pytorch import load_pytorch, widen
from nnlite.tensor import Tensor, wrap

Array = np.ndarray[Any, np.dtype[Any]]

_SUFFIXES = (".safetensors", ".npz")
_PYTORCH = (".pt", ".pth", ".bin", ".ckpt")
_HOLDS = {".safetensors": NUMBERS - {"complex128"}, ".npz": NUMBERS}
_DTYPES = {
    "BOOL": np.dtype("?"), "U8": np.dtype("u1"), "I8": np.dtype("i1"), "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"), "U32": np.dtype("<u4"), "I32": np.dtype("<i4"), "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"),
    "F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "C64": np.dtype("<c8"),
}  # fmt: skip


def save(obj: Any, path: StrPath, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors to a file in one step: a crash leaves the old file or the new one.

    Args:
        obj: a flat dict of name → Tensor or ndarray (a ``state_dict``), or a module, of which the
            ``state_dict`` is saved. Entries that share memory are each written in full.
        path: the file; its suffix chooses the format, ``.safetensors`` or ``.npz``.
        metadata: names and texts to go with the tensors (``.safetensors`` only).

    Dtypes: bool, integers, float16/32/64, complex64; in ``.npz`` complex128 too. The order of the
    names is kept in ``.npz``; ``.safetensors`` sorts by dtype and name.

    Raises:
        TypeError: an entry that is no array (a list, a nested dict), or of another dtype.
        ValueError: an unknown suffix, or a name or text that the format cannot hold.
        NotImplementedError: a PyTorch suffix, ``.pt``, ``.pth`` or ``.bin``.
        OSError: the file cannot be written; the message names it and the cause.

    >>> import nnlite, os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "line.safetensors")
    >>> save({"weight": nnlite.tensor([[1.0, 2.0]])}, path, metadata={"epoch": "3"})
    >>> load(path)
    {'weight': tensor([[1., 2.]])}
    >>> read_metadata(path)
    {'epoch': '3'}
    >>> folder.cleanup()
    """
    suffix = _suffix(path, "save")
    arrays = {name: _native(array) for name, array in _entries(obj, suffix)}
    if suffix == ".npz":
        if metadata:
            raise ValueError("save: an .npz file holds no metadata: use the suffix .safetensors")
        save_npz(arrays, path)
    else:
        write_bytes(path, *_serialise(arrays, metadata or {}))


def load(
    path: StrPath,
    map_location: object = None,
    *,
    mmap: bool = False,
    weights_only: bool = True,
    dtype: Any = None,
) -> Any:
    """Read the tensors that `save`, torch or any other program wrote to a file.

    Args:
        path: ``.safetensors``, ``.npz``, a PyTorch file (``.pt``, ``.pth``, ``.bin``, ``.ckpt``:
            the zip format and the one before torch 1.6), or the ``.index.json`` of weights that are
            spread over several files, which lie beside it.
        map_location, weights_only: as torch's scripts give them; tensors are on the CPU here, and
            never is anything but weights read.
        mmap: map the file into memory instead of reading it, so that of a large file only the
            tensors that are used are read. They can be changed in memory; the file stays as it is,
            and has to stay while they are used. Not for ``.npz`` and the older PyTorch format.
        dtype: of all floating-point tensors, float16, float32 or float64; default: as stored.

    Returns:
        name → Tensor, in the order of the file; of a PyTorch file whatever was saved: such a dict,
        or a checkpoint of dicts, lists, numbers, texts and tensors, in which what shared its memory
        shares it again. bfloat16, which NumPy lacks, comes as float32, which holds each of its
        values exactly. Other byte orders become the machine's own.

    Raises:
        ValueError: an unknown suffix; a file that is truncated, damaged, hostile (a pickled
            object, a zip bomb), or holds a dtype that NumPy lacks. The message names file and
            cause. Nothing in a file is ever run.
        OSError: the file cannot be opened or read.

    See `save` for an example.
    """
    suffix = _suffix(path, "load")
    floats = None if dtype is None else np.dtype(dtype)
    if floats is not None and floats.kind != "f":
        raise TypeError(f"load: dtype is that of floating-point tensors, got {floats}")
    if suffix == ".json":
        return _load_sharded(path, mmap, floats)
    try:
        file, size = open_file(path)
        with file:
            mapped = os.fspath(path) if mmap else None
            if suffix in _PYTORCH:
                return load_pytorch(file, size, mapped, floats)
            if suffix == ".npz":
                arrays = load_npz(file, size)
            else:
                arrays = _load_safetensors(file, size, mapped)
    except ValueError as error:
        raise ValueError(f"load: cannot read {os.fsdecode(path)!r}: {error}") from error
    if floats is not None:
        arrays = {
            name: array.astype(floats, copy=False) if array.dtype.kind == "f" else array
            for name, array in arrays.items()
        }
    return {name: wrap(array) for name, array in arrays.items()}


def read_metadata(path: StrPath) -> dict[str, str]:
    """Read the texts that were saved with the tensors, without reading the tensors.

    Args:
        path: a ``.safetensors`` file; an ``.npz`` file has no metadata and gives an empty dict.

    Raises:
        ValueError: an unknown suffix, or a truncated or damaged file.
        NotImplementedError: a PyTorch file.
        OSError: the file cannot be opened or read.

    See `save` for an example.
    """
    suffix = _suffix(path, "read_metadata")
    try:
        file, size = open_file(path)
        with file:
            return {} if suffix == ".npz" else read_header(file, size).metadata
    except ValueError as error:
        raise ValueError(f"read_metadata: cannot read {os.fsdecode(path)!r}: {error}") from error


def _suffix(path: StrPath, function: str) -> str:
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(
            f"{function}: expected the path of a file, got {type(path).__name__}; what a "
            "file object holds has to be written to a file first"
        )
    suffix = os.path.splitext(os.fsdecode(path))[1].lower()
    if suffix in _SUFFIXES:
        return suffix
    if function == "load" and (suffix in _PYTORCH or suffix == ".json"):
        return suffix
    if suffix in _PYTORCH:
        other = os.path.splitext(os.fsdecode(path))[0] + ".safetensors"
        raise NotImplementedError(
            f"{function}: a PyTorch file can be read (nnlite.load), not written, and has no "
            f"metadata. Save as {other!r}; torch reads that with safetensors.torch.load_file(…)"
        )
    raise ValueError(
        f"{function}: cannot tell the format of {os.fsdecode(path)!r} from its suffix: "
        f"{', '.join(_SUFFIXES + (_PYTORCH if function == 'load' else ()))} are known"
    )


def _entries(obj: Any, suffix: str) -> Iterator[tuple[str, Array]]:
    """The names and arrays to save, each checked."""
    if not isinstance(obj, Mapping) and callable(getattr(obj, "state_dict", None)):
        obj = obj.state_dict()
    if not isinstance(obj, Mapping):
        raise TypeError(f"save: expected a dict of tensors or a module, got {type(obj).__name__}")
    for name, value in obj.items():
        if not isinstance(name, str):
            raise TypeError(f"save: names are strings, got {name!r} ({type(name).__name__})")
        array = value.array if isinstance(value, Tensor) else value
        if isinstance(array, Mapping):
            raise TypeError(
                f"save: {name!r} is a dict: flatten it ('{name}.key': tensor), or keep the whole "
                "tree with save_checkpoint"
            )
        if type(array) is not np.ndarray and not isinstance(array, np.memmap):
            raise TypeError(
                f"save: {name!r} is a {type(array).__name__}, not a Tensor or ndarray: "
                "convert it with nnlite.tensor(…) or np.asarray(…)"
            )
        if array.dtype.newbyteorder("=").name not in _HOLDS[suffix]:
            raise TypeError(
                f"save: {name!r} has dtype {array.dtype}, which a {suffix} file cannot hold: "
                "convert it, for example with .astype(np.float32)"
            )
        _check_text(name, "name")
        if suffix == ".safetensors" and name == "__metadata__":
            raise ValueError("save: the name '__metadata__' is reserved: use another one")
        yield name, array


def _check_text(text: str, what: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"save: the {what} {text!r} is not valid Unicode: change it") from None


def _native(array: Array) -> Array:
    """The same values, contiguous and in the machine's byte order."""
    return array.astype(array.dtype.newbyteorder("="), order="C", copy=False)


# ---- safetensors -------------------------------------------------------------------------------


def _serialise(arrays: Mapping[str, Array], metadata: Any) -> tuple[bytes, bytes | memoryview]:
    from safetensors import SafetensorError
    from safetensors.numpy import save as serialise

    text = _metadata_text(metadata)
    try:
        data = serialise(dict(arrays))
    except SafetensorError as error:  # complex64 in an older version of the library
        raise TypeError(f"save: {error}: update the safetensors library, or convert") from error
    try:
        return splice(data, text) if metadata else (data, b"")
    except ValueError as error:
        raise ValueError(f"save: {error}") from None


def _metadata_text(metadata: Any) -> bytes:
    import json

    if not isinstance(metadata, Mapping):
        raise TypeError(f"save: metadata is a dict of texts, got {type(metadata).__name__}")
    for name, text in metadata.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(
                f"save: metadata holds texts, got {name!r}: {text!r:.60}: "
                "convert with str(…) or json.dumps(…)"
            )
        _check_text(name, "metadata name")
        _check_text(text, "metadata text")
    return json.dumps(dict(metadata), ensure_ascii=False).encode("utf-8")


def _load_safetensors(file: BinaryIO, size: int, mapped: StrPath | None) -> dict[str, Array]:
    arrays = {}
    for name, entry in read_header(file, size).tensors.items():
        stored = _DTYPES.get(entry.dtype)
        if stored is None:
            raise ValueError(
                f"{name!r} is stored as {entry.dtype}, which NumPy lacks: convert it where torch "
                "is installed (tensor.float()) and save the file again"
            )
        count = (entry.end - entry.begin) // stored.itemsize
        array: Array
        checks = entry.dtype in ("BF16", "BOOL")
        if mapped is not None and count and not checks and stored.isnative:
            memory = np.memmap(mapped, stored, "c", entry.begin, (count,))
            array = memory.view(np.ndarray)
        else:
            file.seek(entry.begin)
            array = np.empty(count, stored)
            if file.readinto(array.view(np.uint8)) != array.nbytes:  # type: ignore[attr-defined]
                raise ValueError(f"it is truncated (in {name!r})")
            array = widen(array) if entry.dtype == "BF16" else checked(name, _native(array))
        arrays[name] = array.reshape(entry.shape)
    return arrays


# ---- weights that are spread over several files -------------------------------------------------


def _load_sharded(path: StrPath, mmap: bool, dtype: Any) -> dict[str, Tensor]:
    """The tensors that an index names, from the files beside it."""
    import json

    folder = os.path.dirname(os.fsdecode(path))
    place = f"load: cannot read {os.fsdecode(path)!r}: "
    try:
        file, _ = open_file(path)
        with file:
            places = json.loads(file.read().decode("utf-8"))["weight_map"]
        pairs = [(name, os.path.basename(shard), shard) for name, shard in places.items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{place}it is no index of weights, which has a table 'weight_map' from each tensor's "
            "name to its file"
        ) from error
    shards: dict[str, Any] = {}
    tensors = {}
    for name, base, shard in pairs:
        if shard not in shards:
            if base != shard or _suffix(shard, "load") == ".json":
                raise ValueError(f"{place}{shard!r} is no file of weights beside it")
            shards[shard] = load(os.path.join(folder, shard), mmap=mmap, dtype=dtype)
        held = shards[shard]
        if not isinstance(held, dict) or not isinstance(held.get(name), Tensor):
            raise ValueError(f"{place}{shard!r} has no tensor {name!r}, which is said to be there")
        tensors[name] = held[name]
    return tensors
