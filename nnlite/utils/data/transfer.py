"""Objects between processes, their arrays unpickled: pickle protocol 5 with buffers out of band.

An array goes through the pipe as it lies in memory and is read into its new place.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Parcel", "pack", "receive", "send"]

Parcel = list[Any]
"""What `pack` makes: the pickle, and the buffers that it refers to."""

_SMALL = 4096  # bytes; below that a message of its own costs more than a copy


def pack(message: Any) -> Parcel:
    """Pickle ``message``, without its arrays.

    Raises:
        Exception: what pickle raises for objects that it cannot store.
    """
    buffers: list[Any] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _SMALL:
            return True
        buffers.append(raw)
        return False

    return [pickle.dumps(message, protocol=5, buffer_callback=keep), *buffers]


def send(connection: Connection, parcel: Parcel) -> None:
    """Write a parcel; raises OSError when the other end is gone."""
    head, *buffers = parcel
    connection.send_bytes(pickle.dumps([buffer.nbytes for buffer in buffers]))
    connection.send_bytes(head)
    for buffer in buffers:
        connection.send_bytes(buffer)


def receive(connection: Connection) -> Any:
    """Read a message; raises EOFError or OSError when the other end is gone."""
    sizes = pickle.loads(connection.recv_bytes())
    head = connection.recv_bytes()
    buffers = [np.empty(size, np.uint8) for size in sizes]
    for buffer in buffers:
        connection.recv_bytes_into(buffer)
    return pickle.loads(head, buffers=buffers)
