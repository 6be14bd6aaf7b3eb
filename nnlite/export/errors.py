"""What an export raises."""

from __future__ import annotations

from nnlite.tracing.calls import TraceError

__all__ = ["ExportError"]


class ExportError(TraceError):
    """What a model does that cannot be exported, and what to do about it."""
