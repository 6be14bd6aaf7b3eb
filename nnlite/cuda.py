"""What scripts ask before they choose a device: there is no GPU here."""

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """False: nnlite computes on the CPU.

    >>> import nnlite
    >>> nnlite.cuda.is_available()
    False
    """
    return False


def device_count() -> int:
    """How many GPUs can be used: none.

    >>> import nnlite
    >>> nnlite.cuda.device_count()
    0
    """
    return 0
