"""Tables of vectors that are looked up by number."""

from __future__ import annotations

from typing import Any

from nnlite.nn import init
from nnlite.nn.checks import real_number, whole_number
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.create import empty
from nnlite.ops.embedding import embedding
from nnlite.tensor import Tensor, wrap

__all__ = ["Embedding"]


class Embedding(Module):
    """A table whose rows, to be learnt, are looked up by number.

    Indices of any shape (…), int64 or int32, give (…, embedding_dim).

    Args:
        num_embeddings: the number of rows.
        embedding_dim: the width of a row.
        padding_idx: a row that starts as zeros and gets no gradient; from the end if negative.
        max_norm: rows that are looked up and whose norm is larger are first scaled down to it, in
            the table itself; those of a frozen table only in the result.
        norm_type: p of that norm.
        scale_grad_by_freq, sparse: must be False.
        _weight: a table to use as it is; see ``from_pretrained``.
        _freeze: whether it starts frozen.
        device: ``"cpu"`` or None.
        dtype: of the table; default: the default dtype.

    Attributes:
        weight: shape (num_embeddings, embedding_dim); starts as N(0, 1).

    Raises:
        TypeError, ValueError: for sizes that are no whole numbers of at least 1, a ``padding_idx``
            that is no row, a table of another shape.
        NotImplementedError: for ``scale_grad_by_freq`` and ``sparse``.

    >>> import nnlite
    >>> layer = nnlite.nn.Embedding(10, 3, padding_idx=0)
    >>> layer(nnlite.tensor([[0, 9, 2], [4, 1, 0]])).shape
    nnlite.Size([2, 3, 3])
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        rows = whole_number("Embedding", "num_embeddings", num_embeddings)
        self.num_embeddings = rows
        self.embedding_dim = whole_number("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = None
        if padding_idx is not None:
            place = whole_number("Embedding", "padding_idx", padding_idx, None)
            if not -rows <= place < rows:
                raise ValueError(
                    f"Embedding: padding_idx must be a row of num_embeddings={rows}, from {-rows} "
                    f"to {rows - 1}, got {place}"
                )
            self.padding_idx = place % rows
        for name, asked in (("scale_grad_by_freq", scale_grad_by_freq), ("sparse", sparse)):
            if asked:
                raise NotImplementedError(f"Embedding: {name} is not available; leave it False")
        if max_norm is not None:
            max_norm = real_number("Embedding", "max_norm", max_norm, 0, open_low=True)
        self.max_norm = max_norm
        self.norm_type = real_number("Embedding", "norm_type", norm_type, 0, open_low=True)
        self.scale_grad_by_freq = self.sparse = False
        shape = (rows, self.embedding_dim)
        if _weight is None:
            table = empty(*shape, dtype=dtype, device=device)
        elif _weight.array.shape == shape:
            table = _weight
        else:
            raise ValueError(
                f"Embedding: _weight must have the shape {list(shape)}, got "
                f"{list(_weight.array.shape)}"
            )
        self.weight = Parameter(table, requires_grad=not _freeze)
        if _weight is None:
            self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An embedding with the given table, which it shares.

        Args:
            embeddings: floats, shape (num_embeddings, embedding_dim).
            freeze: whether the table is not to be trained.
            padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse: as for ``Embedding``.

        Raises:
            ValueError: when ``embeddings`` has not two dimensions.

        >>> import nnlite
        >>> table = nnlite.tensor([[0.0, 0.0], [1.0, 2.0]])
        >>> nnlite.nn.Embedding.from_pretrained(table)(nnlite.tensor([1]))
        tensor([[1., 2.]])
        """
        shape = embeddings.array.shape
        if len(shape) != 2:
            raise ValueError(
                "Embedding.from_pretrained: embeddings must have the shape (num_embeddings, "
                f"embedding_dim), got {list(shape)}"
            )
        rows, width = shape
        return cls(
            rows, width, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
            _weight=embeddings, _freeze=freeze,
        )  # fmt: skip

    def reset_parameters(self) -> None:
        """Draw a new table."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            init.zeros_(wrap(self.weight.array[self.padding_idx]))

    def forward(self, input: Tensor) -> Tensor:
        weight: Tensor = self.weight
        if self.max_norm is not None and not weight.requires_grad:
            weight = wrap(weight.array.copy())  # what is frozen must not be scaled itself
        return embedding(input, weight, self.padding_idx, self.max_norm, self.norm_type)

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        return ", ".join(parts)
