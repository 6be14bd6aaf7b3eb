"""Devices, for scripts that ask for one: nnlite computes on the CPU."""

from __future__ import annotations

__all__ = ["device"]


class device(str):
    """Where a tensor lies: a text such as ``"cpu"`` that prints as torch's device.

    Args:
        type: ``"cpu"``, ``"cuda"`` …, with or without an index (``"cuda:0"``). Only ``"cpu"`` can
            hold tensors; asking for a tensor elsewhere raises ``NotImplementedError``.
        index: the index, if it is not part of ``type``.

    >>> import nnlite
    >>> nnlite.device("cuda" if nnlite.cuda.is_available() else "cpu")
    device(type='cpu')
    """

    __slots__ = ()

    def __new__(cls, type: str = "cpu", index: int | None = None) -> device:
        return super().__new__(cls, type if index is None else f"{type}:{index}")

    @property
    def type(self) -> str:
        """The kind of device, without the index."""
        return str(self).partition(":")[0]

    @property
    def index(self) -> int | None:  # type: ignore[override]
        """Which one of several, or None."""
        number = str(self).partition(":")[2]
        return int(number) if number else None

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"
