"""Index expressions as they are printed: ``2 p + u - 1``."""

from __future__ import annotations

__all__ = ["plus", "scaled"]


def scaled(name: str, factor: int) -> str:
    """``2 p``"""
    return name if factor == 1 else f"{factor} {name}"


def plus(*parts: str | int) -> str:
    """A sum: ``2 p + u - 1``."""
    text = ""
    for part in parts:
        if isinstance(part, int) and part < 0:
            text += f" - {-part}" if text else str(part)
        elif part:
            text += f" + {part}" if text else str(part)
    return text or "0"
