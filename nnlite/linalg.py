"""Linear algebra under torch's names: ``nnlite.linalg.norm`` and its relatives."""

from nnlite.ops.vector_norm import linalg_norm as norm
from nnlite.ops.vector_norm import matrix_norm, vector_norm

__all__ = ["matrix_norm", "norm", "vector_norm"]
