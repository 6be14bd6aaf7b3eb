"""The error for a name that torch has and nnlite has not: it names the nearest that there is."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["no_attribute"]

_FEW = 15  # so many names are listed when none is near


def no_attribute(owner: str, name: str, names: Iterable[str]) -> AttributeError:
    """An ``AttributeError`` for ``owner.name``, with the near ones among ``names``.

    >>> no_attribute("nnlite.optim", "Adam", ["SGD", "Optimizer"])
    AttributeError("nnlite.optim has no 'Adam'; it has: SGD, Optimizer")
    """
    if name.startswith("__"):  # Python itself asks for these, often
        return AttributeError(f"{owner} has no {name!r}")
    from difflib import get_close_matches

    there = [other for other in names if not other.startswith("_")]
    lower = {other.lower(): other for other in there}
    near = [lower[match] for match in get_close_matches(name.lower(), lower, 3, 0.7)]
    if near:
        hint = f"; the nearest that it has: {', '.join(near)}"
    elif len(there) <= _FEW:
        hint = f"; it has: {', '.join(there)}"
    else:
        hint = f"; dir({owner}) lists what it has"
    return AttributeError(f"{owner} has no {name!r}{hint}")
