"""Write a file in one step: after a crash there is the old file or the new one, never half of one.

The contents go to a temporary file in the same folder, are flushed to the disk, and take the
place of the old file in a single rename. Leftovers of a killed process start with ``.tmp-``, see
`remove_leftovers`.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import IO, Any, BinaryIO, Literal, TextIO, overload

StrPath = str | os.PathLike[str]

_ON_WINDOWS = os.name == "nt"
_BINARY: int = getattr(os, "O_BINARY", 0)


@overload
def atomic_write(
    path: StrPath, mode: Literal["wb"] = "wb", *, newline: str | None = ""
) -> AbstractContextManager[BinaryIO]: ...


@overload
def atomic_write(
    path: StrPath, mode: Literal["w"], *, newline: str | None = ""
) -> AbstractContextManager[TextIO]: ...


def atomic_write(
    path: StrPath, mode: str = "wb", *, newline: str | None = ""
) -> AbstractContextManager[Any]:
    r"""Open a file for writing that replaces ``path`` when the block ends without an error.

    Args:
        path: the file to write. A symbolic link stays a link: what it points to is replaced. A
            device or a pipe (``/dev/null``, ``/dev/stdout``) is written directly.
        mode: ``"wb"`` for bytes, ``"w"`` for text in UTF-8.
        newline: as in ``open``. The default writes line ends as given, the same on every system,
            which is also what the ``csv`` module asks for.

    An existing file passes its permissions on; a new one gets those of the umask. On any error,
    Ctrl-C included, the old file is whole and the temporary one is removed.

    Raises:
        ValueError: another mode.
        OSError: the file cannot be written (``PermissionError`` for a read-only file or folder,
            ``FileNotFoundError`` for a missing folder, ``ENOSPC`` for a full disk, …); the
            message names the file and the cause.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "notes.txt")
    >>> with atomic_write(path, "w") as file:
    ...     _ = file.write("two\nlines\n")
    >>> os.listdir(folder.name)
    ['notes.txt']
    >>> folder.cleanup()
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"atomic_write: mode must be 'wb' or 'w', not {mode!r}")
    return _write(path, mode, newline)


@contextmanager
def atomic_path(path: StrPath) -> Iterator[str]:
    """Give a temporary path to a library that insists on one; it replaces ``path`` at the end.

    Args:
        path: the file to write. The temporary path is in the same folder and has the same suffix;
            an empty file already lies there.

    All else is as in `atomic_write`.

    Raises:
        OSError: the file cannot be written.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with atomic_path(os.path.join(folder.name, "loss.png")) as temporary:
    ...     with open(temporary, "wb") as file:  # a library's save(temporary)
    ...         _ = file.write(b"pixels")
    >>> os.listdir(folder.name)
    ['loss.png']
    >>> folder.cleanup()
    """
    target, permissions = _resolve(path)
    if target is None:
        yield os.fsdecode(path)
        return
    temporary = _temporary_name(target)
    try:
        os.close(_create(temporary, permissions))
        yield temporary
        descriptor = os.open(temporary, os.O_RDWR | _BINARY)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)
        _commit(temporary, target, permissions)
    except BaseException as error:
        _discard(temporary)
        named = _named(error, path, temporary, target)
        if named is None:
            raise
        raise named from error


def write_bytes(path: StrPath, *parts: bytes | bytearray | memoryview) -> None:
    """Write ``parts`` one after the other as the whole file ``path``, as `atomic_write` does.

    Args:
        path: the file to write.
        parts: what it will hold; several parts save the copy that joining them would cost.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_write(path) as file:
        for part in parts:
            file.write(part)


def move(source: StrPath, path: StrPath) -> None:
    """Put a file in the place of another, of the same file system, in one step.

    Args:
        source: the file; it is gone afterwards.
        path: what it is called then; an earlier file of that name is replaced.

    Raises:
        OSError: it cannot be moved; both files are as they were.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> draft, final = (os.path.join(folder.name, name) for name in ("draft", "final"))
    >>> write_bytes(draft, b"text")
    >>> move(draft, final)
    >>> os.listdir(folder.name)
    ['final']
    >>> folder.cleanup()
    """
    try:
        _commit(os.fsdecode(source), os.path.realpath(os.fsdecode(path)), None)
    except OSError as error:
        raise OSError(error.errno, f"cannot write: {error.strerror}", os.fsdecode(path)) from error


@contextmanager
def _write(path: StrPath, mode: str, newline: str | None) -> Iterator[IO[Any]]:
    text: dict[str, Any] = {} if mode == "wb" else {"encoding": "utf-8", "newline": newline}
    target, permissions = _resolve(path)
    temporary = "" if target is None else _temporary_name(target)
    try:
        where = path if target is None else _create(temporary, permissions)
        with open(where, mode, **text) as file:
            yield file
            file.flush()
            if target is not None:
                _sync(file.fileno())
        if target is not None:
            _commit(temporary, target, permissions)
    except BaseException as error:
        if target is not None:
            _discard(temporary)
        named = _named(error, path, temporary, target)
        if named is None:
            raise
        raise named from error


def _resolve(path: StrPath) -> tuple[str | None, int | None]:
    """The file to replace (None for a device or a pipe) and its permissions (None if it is new)."""
    name = os.fsdecode(path)
    try:
        if not os.path.basename(name):
            raise IsADirectoryError(errno.EISDIR, "the name of a file is missing")
        try:
            status = os.stat(name)
        except FileNotFoundError:
            return _new(os.path.realpath(name)), None
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "this is a folder")
        if not stat.S_ISREG(status.st_mode):
            return None, None
        if not os.access(name, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is read-only")
        return os.path.realpath(name), stat.S_IMODE(status.st_mode) & 0o777
    except OSError as error:
        raise _named(error, path, error.filename) or error from None


def _new(target: str) -> str:
    folder = os.path.dirname(target)
    try:
        os.stat(folder)
    except FileNotFoundError:
        cause = f"there is no folder {folder!r}: create it first"
        raise FileNotFoundError(errno.ENOENT, cause) from None
    return target


def remove_leftovers(pattern: str) -> None:
    """Remove what killed processes left behind of files that they were writing.

    Args:
        pattern: the paths of the files, as ``glob`` takes them; nobody may be writing them now.
    """
    from glob import glob

    folder, name = os.path.split(pattern)
    for path in glob(os.path.join(folder, f".tmp-{'[0-9a-f]' * 12}-{name}")):
        with suppress(OSError):
            os.remove(path)


def _temporary_name(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".tmp-{os.urandom(6).hex()}-{name[-40:]}")


def _create(temporary: str, permissions: int | None) -> int:
    """Create the file, never readable by more people than the one that it will replace."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY
    return os.open(temporary, flags, 0o666 if permissions is None else permissions | 0o600)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not every file system can
            raise


def _commit(temporary: str, target: str, permissions: int | None) -> None:
    if permissions is not None and not _ON_WINDOWS:
        with suppress(OSError):  # a file system without permissions
            os.chmod(temporary, permissions)
    if _ON_WINDOWS:
        _patiently(lambda: os.replace(temporary, target))
        return
    os.replace(temporary, target)
    # The rename itself is on the disk only once the folder is. Some file systems cannot do this;
    # the file is whole either way.
    with suppress(OSError):
        descriptor = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _patiently(action: Callable[[], None]) -> None:
    """On Windows a virus scanner or an indexer may hold the old file open for a moment."""
    for delay in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4):
        try:
            return action()
        except PermissionError:
            time.sleep(delay)
    return action()


def _discard(temporary: str) -> None:
    with suppress(OSError):
        os.unlink(temporary)


def _named(error: BaseException, path: StrPath, *ours: str | None) -> OSError | None:
    """An error of the writing with the file's name in its text; None for any other error."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if error.filename is not None and error.filename not in ours:
        return None
    return OSError(error.errno, f"cannot write: {error.strerror}", os.fsdecode(path))
