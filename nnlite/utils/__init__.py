"""utils: what training needs beside the model."""

from nnlite.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
