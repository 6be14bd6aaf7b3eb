"""The header of a safetensors file, read with mistrust: the file's size must bear out all it says.

Layout (https://huggingface.co/docs/safetensors): 8 bytes, the header's length n; n bytes of JSON,
name → dtype, shape and place of each tensor, and ``__metadata__``; the tensors' bytes, gapless.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

from nnlite.io.atomic import StrPath

LONGEST = 100_000_000  # bytes of header that the safetensors library accepts

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip


class Entry(NamedTuple):
    """What the header says of one tensor; ``begin`` and ``end`` are places in the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Header(NamedTuple):
    """A whole header: the tensors in the order of the file, and the metadata."""

    tensors: dict[str, Entry]
    metadata: dict[str, str]


def open_file(path: StrPath) -> tuple[BinaryIO, int]:
    """Open a regular file for reading; returns it and its size in bytes.

    Raises:
        OSError: there is no such file, it is a folder, or it may not be read.
        ValueError: a pipe or a device, whose end could not be known beforehand.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "this is a folder, not a file", os.fspath(path))
    if not stat.S_ISREG(mode):
        raise ValueError("it is a pipe or a device, not a file")
    file = open(path, "rb")  # noqa: SIM115
    return file, os.fstat(file.fileno()).st_size


def read_header(file: BinaryIO, size: int) -> Header:
    """Read and check the header of a safetensors file.

    Args:
        file: the file, at its start.
        size: its size in bytes.

    Raises:
        ValueError: the file is truncated, damaged or no safetensors file; the message says why,
            without the file's name.
    """
    if size < 8:
        raise ValueError(f"it has {size} bytes, too few for any header (empty or truncated)")
    length = int.from_bytes(file.read(8), "little")
    if length > size - 8:
        raise ValueError(
            f"its header should have {length} bytes and only {size - 8} follow: "
            "it is truncated, or no safetensors file"
        )
    if length > LONGEST:
        raise ValueError(f"its header has {length} bytes; {LONGEST} are the most that is allowed")
    return _check(_parse(file.read(length)), start=8 + length, size=size)


def splice(data: bytes, metadata: bytes) -> tuple[bytes, memoryview]:
    """Add metadata to a serialised file that has none; returns its new head and its old body.

    The library would write several entries in an order that changes from run to run.

    Args:
        data: the file, as the library serialised it.
        metadata: a JSON object of strings, in UTF-8.

    Raises:
        ValueError: the header would be longer than the library reads back.
    """
    length = int.from_bytes(data[:8], "little")
    tensors = data[8 : 8 + length].strip()[1:]
    comma = b"" if tensors == b"}" else b","
    header = b'{"__metadata__":' + metadata + comma + tensors
    header += b" " * (-len(header) % 8)
    if len(header) > LONGEST:
        raise ValueError(
            f"names, structure and metadata take {len(header)} bytes, {LONGEST} are the most that "
            "a safetensors file can hold: put long lists of numbers into an array"
        )
    return len(header).to_bytes(8, "little") + header, memoryview(data)[8 + length :]


def _parse(text: bytes) -> dict[str, Any]:
    import json

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is damaged ({error})") from error
    if not isinstance(header, dict):
        raise ValueError("its header is damaged (not a table of tensors)")
    return header


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        last = {name: place for place, (name, _) in enumerate(pairs)}
        twice = next(name for place, (name, _) in enumerate(pairs) if last[name] != place)
        raise ValueError(f"the name {twice!r:.100} stands there twice")
    return table


def _check(header: dict[str, Any], *, start: int, size: int) -> Header:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, Mapping) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its header is damaged (the metadata are not strings)")
    entries = {name: _entry(name, value, start) for name, value in header.items()}
    position = start
    for name, entry in sorted(entries.items(), key=_place):
        if entry.begin != position:
            raise ValueError(f"its header is damaged (a gap or an overlap before {name!r})")
        position = entry.end
    if position > size:
        raise ValueError(f"it is truncated: {size} bytes of {position}")
    if position < size:
        raise ValueError(f"it has {size - position} bytes too many after its last tensor")
    return Header(entries, dict(metadata))


def _place(item: tuple[str, Entry]) -> tuple[int, int]:
    return item[1].begin, item[1].end


def _entry(name: str, value: Any, start: int) -> Entry:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"its header is damaged (what it says of {name!r})")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        known = f"{dtype!r:.40}" if isinstance(dtype, str) else f"a {type(dtype).__name__}"
        raise ValueError(f"{name!r} has the unknown dtype {known}")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"its header is damaged (the shape or the place of {name!r})")
    bits = _BITS[dtype]
    for length in shape:
        bits *= length
    begin, end = offsets
    if bits != 8 * (end - begin):
        raise ValueError(f"its header is damaged (shape and bytes of {name!r} do not agree)")
    return Entry(dtype, tuple(shape), start + begin, start + end)


def _are_sizes(value: Any) -> bool:
    """Whether it is a list of as many lengths as an array can have, each of a possible size."""
    if not isinstance(value, list) or len(value) > 64:
        return False
    return all(type(length) is int and 0 <= length < 2**63 for length in value)
