"""The marks of checks on the page, in their colours."""

from __future__ import annotations

import re
from html import escape

__all__ = ["mark_of", "marked"]

_STATUS = {"✓": "right", "✗": "wrong", "≈": "kink"}


def mark_of(mark: str, status: str = "") -> str:
    """The mark of a check.

    Args:
        mark: ✓, ✗, ≈ or ~.
        status: what a pointer on it is told; default: what the mark means.
    """
    status = status or _STATUS.get(mark, "unverified")
    return f'<span class="mark {status}" title="{status}">{mark}</span>'


def marked(line: str) -> str:
    """A line of text as HTML, the mark that it may begin with in its colour.

    >>> marked("  ✓ 1 < 2")
    '  <span class="mark right" title="right">✓</span> 1 &lt; 2'
    """
    found = re.match(r"( *)([✓✗≈~]) ", line)
    if found is None:
        return escape(line)
    return f"{found[1]}{mark_of(found[2])} {escape(line[found.end() :])}"
