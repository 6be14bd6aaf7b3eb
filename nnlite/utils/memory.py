"""Memory that is freed stays with the process, for the next training step."""

from __future__ import annotations

import os
import sys
from functools import cache

__all__ = ["keep_memory"]

# Parameters of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3

_LARGEST = 32 << 20  # bytes; glibc takes no higher threshold for single allocations
_KEPT = 1 << 30  # bytes


@cache
def keep_memory() -> bool:
    """Have freed memory kept for the next allocation, up to 1 GiB; optimizers call this.

    A training step allocates what the one before has freed. By default the C library of Linux
    gives large pieces back to the system in between, and fetching them anew (a page fault for each
    4 KB) can take longer than what is computed in them. What is kept is no more than the largest
    step has used.

    With ``NNLITE_KEEP_MEMORY=0`` in the environment, or with settings of the user's own for the C
    library there (``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_``, ``GLIBC_TUNABLES``),
    everything stays as it is; so it does where the C library is not glibc.

    Returns:
        Whether memory is kept.

    >>> from nnlite.utils.memory import keep_memory
    >>> keep_memory() in (True, False)
    True
    """
    own = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
    if os.environ.get("NNLITE_KEEP_MEMORY") == "0" or any(name in os.environ for name in own):
        return False
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST) and mallopt(_TRIM_THRESHOLD, _KEPT))
