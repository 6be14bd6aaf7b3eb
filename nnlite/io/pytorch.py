"""PyTorch's ``.pt``, ``.pth`` and ``.bin`` files, read without torch and without running anything.

Two layouts are in use. Since torch 1.6 a file is a zip archive, stored without compression:
``*/data.pkl`` is the pickled object, in which each storage is named, and ``*/data/NAME`` the bytes
of the storage NAME. Before, a file was five pickles in a row (a magic number, the version, the
machine, the object, the list of the storages' names) and then, for each storage, the number of its
elements in 8 bytes and its bytes.

Source: ``torch/serialization.py`` and ``torch/_utils.py``, which write these files.
"""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

import numpy as np

from nnlite.io.rebuild import STORAGES, Storage, build, table
from nnlite.io.unpickle import Global, unpickle

__all__ = ["load_pytorch", "widen"]

Array = np.ndarray[Any, np.dtype[Any]]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LONGEST_PICKLE = 2**28  # bytes
_NATIVE = "<" if sys.byteorder == "little" else ">"
_WHOLE_MODULE = (
    "Only weights are read: save them where torch is installed, torch.save(model.state_dict(), …)"
)


def load_pytorch(
    file: BinaryIO, size: int, path: str | None = None, dtype: np.dtype[Any] | None = None
) -> Any:
    """Read the object that ``torch.save`` wrote.

    Args:
        file: the file, at its start.
        size: its size in bytes.
        path: the file's name, to map its storages into memory (copied on write) instead of reading
            them; None: they are read.
        dtype: of all floating-point tensors; None: as they are stored.

    Returns:
        What was saved: usually a dict of tensors, or a dict that holds some. bfloat16 comes as
        float32. Tensors that shared a storage share their memory.

    Raises:
        ValueError: the file is truncated or damaged, or holds something else than tensors, numbers,
            texts and containers of these; the message says what.
    """
    start = file.read(4)
    file.seek(0)
    if start == b"PK\3\4":
        return _Archive(file, size, path, dtype).load()
    if start[:1] == b"\x80":
        return _Sequence(file, size, dtype).load()
    if size == 0:
        raise ValueError("it is empty")
    raise ValueError(
        "it is no PyTorch file (neither a zip archive nor a pickle): "
        "it may be truncated, damaged, or a page that came instead of the file"
    )


def _named_storage(identifier: Any) -> tuple[str, str, int]:
    """The class, name and length of the storage that a persistent identifier stands for."""
    if type(identifier) is tuple and identifier[:1] == ("module",):
        raise ValueError(f"it holds a whole module with its source code. {_WHOLE_MODULE}")
    if type(identifier) is not tuple or len(identifier) < 5 or identifier[0] != "storage":
        raise ValueError("its pickle is damaged (the identifier of a storage)")
    kind, name, _, count = identifier[1:5]
    if not isinstance(kind, Global) or kind.name not in STORAGES:
        raise ValueError("its pickle is damaged (the class of a storage)")
    if not isinstance(name, str) or type(count) is not int or count < 0:
        raise ValueError("its pickle is damaged (the identifier of a storage)")
    if len(identifier) > 5 and identifier[5] is not None:
        raise ValueError("it holds a view of a storage, as only torch before 0.4 wrote them")
    return kind.name, name, count


class _Archive:
    """A zip archive, as torch has written it since 1.6."""

    def __init__(
        self, file: BinaryIO, size: int, path: str | None, dtype: np.dtype[Any] | None
    ) -> None:
        self.file = file
        self.size = size
        self.path = path
        self.dtype = dtype
        self.storages: dict[str, Storage] = {}

    def load(self) -> Any:
        import io
        import zipfile

        try:
            with zipfile.ZipFile(self.file) as archive:
                members = archive.infolist()
                self.members = {member.filename: member for member in members}
                if len(self.members) != len(members):
                    raise ValueError("it is damaged (the same name stands there twice)")
                if sum(member.file_size for member in members) > self.size:
                    raise ValueError("it is damaged (its entries overlap)")
                pickles = [name for name in self.members if name.endswith("/data.pkl")]
                if len(pickles) != 1:
                    raise ValueError("it is a zip archive without a 'data.pkl': no PyTorch file")
                self.root = pickles[0].removesuffix("data.pkl")
                if any(name.startswith(self.root + "code/") for name in self.members):
                    raise ValueError(f"it is a TorchScript program. {_WHOLE_MODULE}")
                order = self._read("byteorder") if self.root + "byteorder" in self.members else b""
                self.order = ">" if order == b"big" else "<"
                program = io.BytesIO(self._read("data.pkl"))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise ValueError(f"it is truncated or damaged ({error})") from error
        return unpickle(program, table(), self._storage, build)

    def _read(self, name: str) -> bytes:
        begin, length = self._place(name)
        if length > _LONGEST_PICKLE:
            raise ValueError(f"its {name!r} has {length} bytes, more than any such file needs")
        self.file.seek(begin)
        return self.file.read(length)

    def _place(self, name: str) -> tuple[int, int]:
        """Where the bytes of a member lie in the file: begin and length."""
        member = self.members.get(self.root + name)
        if member is None:
            raise ValueError(f"it is damaged ({name!r} is missing)")
        if member.compress_type or member.file_size != member.compress_size:
            raise ValueError(f"{name!r} in it is compressed, which torch never does: save it again")
        if not 0 <= member.header_offset < self.size:
            raise ValueError(f"it is damaged (the place of {name!r})")
        self.file.seek(member.header_offset)
        head = self.file.read(30)
        if len(head) < 30 or head[:4] != b"PK\3\4":
            raise ValueError(f"it is damaged ({name!r} is not where it should be)")
        names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        begin = member.header_offset + 30 + names
        if begin + member.file_size > self.size:
            raise ValueError(f"it is truncated (in {name!r})")
        return begin, member.file_size

    def _storage(self, identifier: Any) -> Storage:
        kind, name, count = _named_storage(identifier)
        if name not in self.storages:
            begin, length = self._place(f"data/{name}")
            if length != count * _width(kind):
                raise ValueError(f"it is damaged (storage {name!r} has {length} bytes)")
            self.storages[name] = Storage(self._array(kind, begin, count))
        return self.storages[name]

    def _array(self, kind: str, begin: int, count: int) -> Array:
        stored, wanted = STORAGES[kind], _dtype(kind, self.dtype)
        as_stored = stored == wanted != np.bool_ and self.order == _NATIVE  # bools are checked
        if self.path is not None and count and as_stored:
            mapped: Array = np.memmap(self.path, wanted, "c", begin, (count,))
            return mapped.view(np.ndarray)
        self.file.seek(begin)
        return _fill(self.file, np.empty(count, wanted), kind, self.order)


class _Sequence:
    """Pickles and storages in a row, as torch wrote them before 1.6."""

    def __init__(self, file: BinaryIO, size: int, dtype: np.dtype[Any] | None) -> None:
        self.file = file
        self.size = size
        self.dtype = dtype
        self.storages: dict[str, tuple[str, Storage]] = {}
        self.claimed = 0

    def load(self) -> Any:
        if self._next() != _MAGIC:
            raise ValueError(
                "it is a pickle that torch did not write; pickles can run code, so it is not read"
            )
        version, machine = self._next(), self._next()
        if version != _PROTOCOL or not isinstance(machine, dict):
            known = f" {version}" if type(version) is int and abs(version) < 2**31 else ""
            raise ValueError(f"it is of the unknown version{known}")
        order = "<" if machine.get("little_endian", True) else ">"
        loaded = unpickle(self.file, table(), self._storage, build)
        names = self._next()
        listed = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not listed or set(names) != set(self.storages):
            raise ValueError("it is damaged (the list of its storages)")
        for name in names:
            kind, storage = self.storages[name]
            count = self.file.read(8)
            if len(count) < 8 or int.from_bytes(count, "little") != storage.array.size:
                raise ValueError(f"it is truncated or damaged (at storage {name!r})")
            _fill(self.file, storage.array, kind, order)
        return loaded

    def _next(self) -> Any:
        return unpickle(self.file, {}, _named_storage, build)

    def _storage(self, identifier: Any) -> Storage:
        kind, name, count = _named_storage(identifier)
        if name not in self.storages:
            self.claimed += count * _width(kind)
            if self.claimed > self.size:
                raise ValueError(f"it is truncated: its storages have {self.claimed} bytes or more")
            self.storages[name] = kind, Storage(np.empty(count, _dtype(kind, self.dtype)))
        known, storage = self.storages[name]
        if known != kind or storage.array.size != count:
            raise ValueError(f"it is damaged (storage {name!r} is named in two ways)")
        return storage


def _width(kind: str) -> int:
    """Bytes of an element in the file."""
    dtype = STORAGES[kind]
    return 2 if dtype is None else dtype.itemsize


def _dtype(kind: str, floats: np.dtype[Any] | None) -> np.dtype[Any]:
    """The dtype in which a storage is given."""
    dtype = STORAGES[kind] or np.dtype(np.float32)
    return floats if floats is not None and dtype.kind == "f" else dtype


def _fill(file: BinaryIO, array: Array, kind: str, order: str) -> Array:
    """Read a storage into ``array``."""
    stored = STORAGES[kind] or np.dtype(np.uint16)
    raw = array if array.dtype == stored else np.empty(array.size, stored)
    if file.readinto(raw.view(np.uint8)) != raw.nbytes:  # type: ignore[attr-defined]
        raise ValueError("it is truncated (in a storage)")
    if order != _NATIVE:
        raw.byteswap(inplace=True)
    if raw.dtype == np.bool_ and raw.size and raw.view(np.uint8).max() > 1:
        raise ValueError("it is damaged (it holds a bool that is neither 0 nor 1)")
    if raw is not array:
        array[:] = widen(raw) if STORAGES[kind] is None else raw
    return array


def widen(halves: Array) -> Array:
    """bfloat16 to float32: its 16 bits are the upper half of the float32 of the same value."""
    return (halves.astype(np.uint32) << 16).view(np.float32)
