"""Models as files for other programs: a Python file that needs NumPy alone, and ONNX."""

from __future__ import annotations

from nnlite.export.errors import ExportError
from nnlite.export.numpy_file import to_numpy
from nnlite.export.onnx_file import to_onnx
from nnlite.export.tabular import classifier_to_numpy, classifier_to_onnx

__all__ = ["ExportError", "classifier_to_numpy", "classifier_to_onnx", "to_numpy", "to_onnx"]
