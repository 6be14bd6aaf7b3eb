"""Models as files for other programs: a Python file that needs NumPy alone, and ONNX."""

from __future__ import annotations

from nnlite.export.numpy_file import to_numpy
from nnlite.export.onnx_file import to_onnx
from nnlite.export.trace import ExportError

__all__ = ["ExportError", "to_numpy", "to_onnx"]
