"""Weights in files: ``.safetensors`` and ``.npz``. Reading never runs what a file contains."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import numpy as np

from nnlite.io.atomic import StrPath, atomic_write, write_bytes
from nnlite.io.header import open_file, read_header, splice
from nnlite.tensor import Tensor, wrap

if TYPE_CHECKING:
    import zipfile

Array = np.ndarray[Any, np.dtype[Any]]

_SUFFIXES = (".safetensors", ".npz")
_PYTORCH = (".pt", ".pth", ".bin")
_NUMBERS = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64",
}  # fmt: skip
_HOLDS = {".safetensors": _NUMBERS, ".npz": _NUMBERS | {"complex128"}}
_NUMPY_LACKS = ("F8_", "F6_", "F4")
_NPZ_ALWAYS = 2**30  # bytes an .npz may unpack to, whatever its own size …
_NPZ_RATIO = 20  # … and above that, times its own size


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
        _save_npz(arrays, path)
    else:
        write_bytes(path, *_serialise(arrays, metadata or {}))


def load(
    path: StrPath, map_location: object = None, *, weights_only: bool = True
) -> dict[str, Tensor]:
    """Read the tensors that `save`, or any other program, wrote to a file.

    Args:
        path: a ``.safetensors`` or ``.npz`` file.
        map_location, weights_only: as torch's scripts give them; tensors are on the CPU here, and
            never is anything but weights read.

    Returns:
        name → Tensor, in the order of the file. bfloat16, which NumPy lacks, comes as float32,
        which holds each of its values exactly. Other byte orders become the machine's own.

    Raises:
        ValueError: an unknown suffix; a file that is truncated, damaged, hostile (a pickled
            object, a zip bomb), or holds a dtype that NumPy lacks. The message names file and
            cause.
        NotImplementedError: a PyTorch file, ``.pt``, ``.pth`` or ``.bin``.
        OSError: the file cannot be opened or read.

    See `save` for an example.
    """
    suffix = _suffix(path, "load")
    try:
        file, size = open_file(path)
        with file:
            if suffix == ".npz":
                arrays = _load_npz(file, size)
            else:
                arrays = _load_safetensors(file, size, path)
    except ValueError as error:
        raise ValueError(f"load: cannot read {os.fsdecode(path)!r}: {error}") from error
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
    suffix = os.path.splitext(os.fsdecode(path))[1].lower()
    if suffix in _SUFFIXES:
        return suffix
    if suffix in _PYTORCH:
        _refuse_pytorch(os.fsdecode(path), function)
    raise ValueError(
        f"{function}: cannot tell the format of {os.fsdecode(path)!r} from its suffix: "
        f"{' and '.join(_SUFFIXES)} are known"
    )


def _refuse_pytorch(path: str, function: str) -> NoReturn:
    other = os.path.splitext(path)[0] + ".safetensors"
    if function == "save":
        raise NotImplementedError(
            f"save: this version writes no PyTorch files: save as {other!r}, and read that with "
            f"safetensors.torch.load_file({other!r})"
        )
    raise NotImplementedError(
        f"{function}: this version reads no PyTorch files. Convert {path!r} once, where torch is "
        "installed:\n"
        "  import torch, safetensors.torch\n"
        f"  state = torch.load({path!r}, map_location='cpu', weights_only=True)\n"
        "  safetensors.torch.save_file("
        f"{{k: v.clone().contiguous() for k, v in state.items()}}, {other!r})"
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


def _load_safetensors(file: BinaryIO, size: int, path: StrPath) -> dict[str, Array]:
    from safetensors import SafetensorError, safe_open

    tensors = read_header(file, size).tensors
    for name, entry in tensors.items():
        if entry.dtype.startswith(_NUMPY_LACKS):
            raise ValueError(
                f"{name!r} is stored as {entry.dtype}, which NumPy lacks: convert it where torch "
                "is installed (tensor.float()) and save the file again"
            )
    arrays = {}
    try:
        with safe_open(os.fspath(path), framework="numpy") as reader:
            for name, entry in tensors.items():
                if entry.dtype == "BF16":
                    file.seek(entry.begin)
                    halves = np.frombuffer(file.read(entry.end - entry.begin), "<u2")
                    arrays[name] = _widen(halves).reshape(entry.shape)
                else:
                    arrays[name] = _checked(name, reader.get_tensor(name))
    except (SafetensorError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(str(error)) from error
    return arrays


def _widen(halves: Array) -> Array:
    """bfloat16 to float32: its 16 bits are the upper half of the float32 of the same value."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _checked(name: str, array: Array) -> Array:
    """A bool that is neither 0 nor 1 would make NumPy contradict itself."""
    if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        raise ValueError(f"it is damaged ({name!r} holds a bool that is neither 0 nor 1)")
    return array


# ---- npz ---------------------------------------------------------------------------------------


def _save_npz(arrays: Mapping[str, Array], path: StrPath) -> None:
    """As `np.savez` does, which however fails for the name 'file' and stores the time of day."""
    import zipfile

    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(name + ".npy")
            if member.filename != name + ".npy" or len(name.encode("utf-8")) > 65000:
                raise ValueError(f"save: an .npz file cannot hold the name {name!r:.60}: change it")
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def _load_npz(file: BinaryIO, size: int) -> dict[str, Array]:
    import zipfile

    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(members, _announced(file, size), size)
            for member in members:
                name = member.filename[: -len(".npy")]
                with archive.open(member) as stream:
                    arrays[name] = _checked(name, _read_member(name, stream, member.file_size))
    except OSError as error:
        if error.errno != errno.EINVAL:  # zipfile seeks wherever a damaged file sends it
            raise
        raise ValueError("it is damaged") from error
    except MemoryError:
        raise
    except ValueError:
        raise
    except Exception as error:  # zipfile and zlib raise many kinds for a damaged archive
        raise ValueError(f"it is truncated, damaged or no .npz file ({error})") from error
    return arrays


def _announced(file: BinaryIO, size: int) -> int | None:
    """How many entries the end of the archive announces, which zipfile does not compare."""
    file.seek(max(0, size - 22))
    end = file.read(22)
    count = int.from_bytes(end[10:12], "little")
    if end[:4] != b"PK\5\6" or count == 0xFFFF:  # a comment follows, or a 64-bit count elsewhere
        return None
    return count


def _check_members(members: list[zipfile.ZipInfo], announced: int | None, size: int) -> None:
    if announced not in (None, len(members)):
        raise ValueError(f"it is damaged ({len(members)} entries found of {announced})")
    names = {member.filename for member in members}
    if len(names) != len(members):
        raise ValueError("it is damaged (the same name stands there twice)")
    for member in members:
        if not member.filename.endswith(".npy"):
            raise ValueError(f"it holds {member.filename!r:.60}, which is no NumPy array")
    unpacked = sum(member.file_size for member in members)
    if sum(member.compress_size for member in members) > size:
        raise ValueError("it is damaged (its entries overlap)")
    if unpacked > max(_NPZ_ALWAYS, _NPZ_RATIO * size):
        raise ValueError(
            f"its {size} bytes would unpack to {unpacked}, {unpacked // size} times as many: "
            "refused as a zip bomb. If you trust it, save it again without compression (np.savez)"
        )


def _read_member(name: str, stream: Any, size: int) -> Array:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"{name!r} is in the unknown format {version}")
    if dtype.hasobject:
        raise ValueError(
            f"{name!r} holds pickled Python objects, which could run code and are never loaded: "
            "save it again as an array of numbers"
        )
    if dtype.newbyteorder("=").name not in _HOLDS[".npz"]:
        raise ValueError(f"{name!r} has dtype {dtype}: weights are numbers or bools")
    expected = dtype.itemsize
    for length in shape:
        expected *= length
    if min(shape, default=0) < 0 or stream.tell() + expected != size:
        raise ValueError(f"it is damaged (shape and bytes of {name!r} do not agree)")
    flat = np.frombuffer(stream.read(), dtype)
    array = flat.reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), order="C")
