"""The rows of recurrent layers, attention and transformers; see tests/layers.py."""

from __future__ import annotations

from layers import Row

ROWS: list[Row] = []
