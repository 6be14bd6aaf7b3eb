"""Sequences of several lengths: padded to one length, or packed without padding.

A packed sequence holds the first steps of all sequences, then the second steps of those that have
one, and so on; the longest comes first. Every function here is one selection of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnlite.ops.create import full
from nnlite.ops.join import cat
from nnlite.ops.lookup import index_select
from nnlite.ops.shape import reshape, transpose
from nnlite.tensor import Tensor, wrap

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class PackedSequence(NamedTuple):
    """Sequences without padding, step by step; made by ``pack_padded_sequence``.

    Attributes:
        data: the steps, shape (ΣT, …).
        batch_sizes: how many sequences have a first step, a second one, and so on; int64, (T,).
        sorted_indices: the order by falling length of the sequences; None: they were in it.
        unsorted_indices: the way back.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


class Layout:
    """Where the steps of a packed sequence lie when it is padded, (T, N, …), and back.

    Args:
        batch_sizes: of the packed sequence.
    """

    def __init__(self, batch_sizes: Tensor) -> None:
        sizes = batch_sizes.array
        self.steps, self.batch = len(sizes), int(sizes[0])
        self.samples = np.arange(self.batch)
        self.present = self.samples < sizes[:, None]
        self.lengths = self.present.sum(axis=0)

    def padded(self, data: Tensor, value: float) -> Tensor:
        """Shape (T, N, …), of the packed steps."""
        rows = np.where(self.present, self.present.cumsum().reshape(self.present.shape) - 1, -1)
        return _select(data, rows, value)

    def packed(self, x: Tensor) -> Tensor:
        """The packed steps, of shape (T, N, …)."""
        return _select(_rows(x), np.flatnonzero(self.present))

    def reversed(self, x: Tensor) -> Tensor:
        """Each sequence from its end to its beginning; the padding stays."""
        time = np.arange(self.steps)[:, None]
        turned = np.where(self.present, self.lengths - 1 - time, time)
        return _select(_rows(x), turned * self.batch + self.samples)

    def last(self, x: Tensor) -> Tensor:
        """The last step of each sequence, shape (N, …)."""
        return _select(_rows(x), (self.lengths - 1) * self.batch + self.samples)


def _rows(x: Tensor) -> Tensor:
    """(T, N, …) as (T · N, …)."""
    shape = x.array.shape
    return reshape(x, shape[0] * shape[1], *shape[2:])


def _select(rows: Tensor, index: Any, value: float | None = None) -> Tensor:
    """The rows of the given numbers, in the shape of these; with ``value``, that for number -1."""
    if value is not None:
        rest = rows.array.shape[1:]
        padding = full((1, *rest), value, dtype=rows.array.dtype)
        rows, index = cat([rows, padding]), np.where(index < 0, len(rows.array), index)
    chosen = index_select(rows, 0, wrap(index.reshape(-1)))
    return reshape(chosen, *index.shape, *rows.array.shape[1:])


def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences of several lengths as one tensor.

    Args:
        sequences: each of shape (Tᵢ, …).
        batch_first: the result is (N, T, …) instead of (T, N, …), T being the longest.
        padding_value: what stands behind the shorter ones.
        padding_side: ``"right"`` or ``"left"``.

    Raises:
        ValueError, RuntimeError: for no sequences, or for sizes that differ beside the length.

    >>> import nnlite
    >>> a, b = nnlite.tensor([1, 2, 3]), nnlite.tensor([4])
    >>> nnlite.nn.utils.rnn.pad_sequence([a, b], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if padding_side not in ("left", "right"):
        raise ValueError(
            f"pad_sequence: padding_side must be 'left' or 'right', got {padding_side!r}"
        )
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: there are no sequences")
    lengths = np.array([len(sequence.array) for sequence in sequences])
    steps = np.arange(lengths.max())[:, None]
    if padding_side == "left":
        steps = steps - (lengths.max() - lengths)
    starts = lengths.cumsum() - lengths
    rows = np.where((steps >= 0) & (steps < lengths), steps + starts, -1)
    return _select(cat(sequences), rows.T if batch_first else rows, padding_value)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded tensor: the way back from ``pad_sequence``.

    Args:
        padded_sequences: shape (T, N, …), or (N, T, …) with ``batch_first``.
        lengths: of each sequence.
        batch_first: whether the batch is the first dimension.

    >>> import nnlite
    >>> padded = nnlite.tensor([[1, 2], [4, 0]])
    >>> nnlite.nn.utils.rnn.unpad_sequence(padded, nnlite.tensor([2, 1]), batch_first=True)
    [tensor([1, 2]), tensor([4])]
    """
    samples = padded_sequences if batch_first else transpose(padded_sequences, 0, 1)
    return [samples[i, : int(length)] for i, length in enumerate(lengths.array)]


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Iterable[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Drop the padding.

    Args:
        input: shape (T, N, …), or (N, T, …) with ``batch_first``.
        lengths: of each sequence, at least 1.
        batch_first: whether the batch is the first dimension of ``input``.
        enforce_sorted: the sequences must come by falling length; without it they are sorted.

    Raises:
        RuntimeError: when a length is below 1 or beyond T, or the sequences are not sorted.

    >>> import nnlite
    >>> padded = nnlite.tensor([[1, 2, 3], [4, 5, 0]])
    >>> packed = nnlite.nn.utils.rnn.pack_padded_sequence(padded, [3, 2], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """
    name = "pack_padded_sequence"
    x = transpose(input, 0, 1) if batch_first else input
    sizes = np.array(lengths.array if isinstance(lengths, Tensor) else list(lengths), np.int64)
    steps, batch = x.array.shape[:2]
    if sizes.shape != (batch,):
        raise RuntimeError(f"{name}: {batch} sequences need as many lengths, got {sizes.tolist()}")
    if batch and not 1 <= sizes.min() <= sizes.max() <= steps:
        raise RuntimeError(
            f"{name}: lengths must lie between 1 and {steps} (the steps of the input), got "
            f"{sizes.tolist()}"
        )
    order = back = None
    if not enforce_sorted:
        order = wrap(np.argsort(-sizes, kind="stable"))
        back = invert_permutation(order)
        sizes = sizes[order.array]
        x = index_select(x, 1, order)
    elif (np.diff(sizes) > 0).any():
        raise RuntimeError(
            f"{name}: with enforce_sorted=True the lengths must fall, got {sizes.tolist()}; give "
            "enforce_sorted=False to have them sorted"
        )
    counts = wrap((np.arange(sizes.max())[:, None] < sizes).sum(axis=1))
    return PackedSequence(Layout(counts).packed(x), counts, order, back)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The way back from ``pack_padded_sequence``: the padded tensor and the lengths.

    Args:
        sequence: packed.
        batch_first: the tensor is (N, T, …) instead of (T, N, …).
        padding_value: what stands behind the shorter sequences.
        total_length: T, where it is to be more than the longest length.

    Raises:
        ValueError: when ``total_length`` is less.

    >>> import nnlite
    >>> from nnlite.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> packed = pack_sequence([nnlite.tensor([1, 2, 3]), nnlite.tensor([4])])
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 0, 0]]), tensor([3, 1]))
    """
    layout = Layout(sequence.batch_sizes)
    x, lengths = layout.padded(sequence.data, padding_value), wrap(layout.lengths)
    if total_length is not None:
        missing = total_length - layout.steps
        if missing < 0:
            raise ValueError(
                f"pad_packed_sequence: total_length must be at least {layout.steps}, the longest "
                f"length, got {total_length}"
            )
        shape = (missing, *x.array.shape[1:])
        x = cat([x, full(shape, padding_value, dtype=x.array.dtype)])
    if sequence.unsorted_indices is not None:
        x = index_select(x, 1, sequence.unsorted_indices)
        lengths = index_select(lengths, 0, sequence.unsorted_indices)
    return transpose(x, 0, 1) if batch_first else x, lengths


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of several lengths, each of shape (Tᵢ, …).

    Args:
        sequences: tensors that differ in their first size at most.
        enforce_sorted: as of ``pack_padded_sequence``.

    >>> import nnlite
    >>> nnlite.nn.utils.rnn.pack_sequence([nnlite.tensor([1, 2]), nnlite.tensor([4])]).data
    tensor([1, 4, 2])
    """
    lengths = [len(sequence.array) for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed one: the way back from ``pack_sequence``.

    Args:
        packed_sequences: what ``pack_sequence`` or a recurrent layer has made.

    >>> import nnlite
    >>> from nnlite.nn.utils.rnn import pack_sequence, unpack_sequence
    >>> unpack_sequence(pack_sequence([nnlite.tensor([1, 2]), nnlite.tensor([4])]))
    [tensor([1, 2]), tensor([4])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another one.

    Args:
        permutation: each of 0 … N - 1 once, shape (N,); None gives None.

    >>> import nnlite
    >>> nnlite.nn.utils.rnn.invert_permutation(nnlite.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    return None if permutation is None else wrap(np.argsort(permutation.array))
