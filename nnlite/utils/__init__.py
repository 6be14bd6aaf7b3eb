"""utils: what training needs beside the model."""

from nnlite.utils import data

__all__ = ["data"]
