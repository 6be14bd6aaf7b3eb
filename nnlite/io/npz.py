"""``.npz`` files: NumPy arrays in a zip archive, read with mistrust."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from nnlite.io.atomic import StrPath, atomic_write

if TYPE_CHECKING:
    import zipfile

__all__ = ["checked", "load_npz", "save_npz"]

Array = np.ndarray[Any, np.dtype[Any]]

NUMBERS = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
}  # fmt: skip
_ALWAYS = 2**30  # bytes an .npz may unpack to, whatever its own size …
_RATIO = 20  # … and above that, times its own size


def checked(name: str, array: Array) -> Array:
    """The array, unless it holds a bool that is neither 0 nor 1: NumPy would contradict itself."""
    if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        raise ValueError(f"it is damaged ({name!r} holds a bool that is neither 0 nor 1)")
    return array


def save_npz(arrays: Mapping[str, Array], path: StrPath) -> None:
    """As `np.savez` does, which however fails for the name 'file' and stores the time of day."""
    import zipfile

    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(name + ".npy")
            if member.filename != name + ".npy" or len(name.encode("utf-8")) > 65000:
                raise ValueError(f"save: an .npz file cannot hold the name {name!r:.60}: change it")
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def load_npz(file: BinaryIO, size: int) -> dict[str, Array]:
    """The arrays in an archive of ``size`` bytes, in its order."""
    import zipfile

    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(members, _announced(file, size), size)
            for member in members:
                name = member.filename[: -len(".npy")]
                with archive.open(member) as stream:
                    arrays[name] = checked(name, _read_member(name, stream, member.file_size))
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
    if unpacked > max(_ALWAYS, _RATIO * size):
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
    if dtype.newbyteorder("=").name not in NUMBERS:
        raise ValueError(f"{name!r} has dtype {dtype}: weights are numbers or bools")
    expected = dtype.itemsize
    for length in shape:
        expected *= length
    if min(shape, default=0) < 0 or stream.tell() + expected != size:
        raise ValueError(f"it is damaged (shape and bytes of {name!r} do not agree)")
    flat = np.frombuffer(stream.read(), dtype)
    array = flat.reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), order="C")
