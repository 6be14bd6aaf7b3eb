"""Files: weights, checkpoints, and writing that never leaves half a file."""

from nnlite.io.atomic import atomic_write
from nnlite.io.checkpoint import load_checkpoint, save_checkpoint
from nnlite.io.weights import load, read_metadata, save

__all__ = [
    "atomic_write",
    "load",
    "load_checkpoint",
    "read_metadata",
    "save",
    "save_checkpoint",
]
