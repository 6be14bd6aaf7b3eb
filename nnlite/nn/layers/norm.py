"""Normalisation of each sample by itself: of groups of channels, and of the last dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.nn import init
from nnlite.nn.checks import real_number, whole_number, whole_numbers
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.create import ones, zeros
from nnlite.ops.norm import group_norm, layer_norm, rms_norm
from nnlite.tensor import Tensor

__all__ = ["GroupNorm", "LayerNorm", "RMSNorm"]


class Norm(Module):
    """A normalisation, with γ (``weight``) and β (``bias``) or without (abstract)."""

    weight: Parameter | None
    bias: Parameter | None

    def _make_affine(
        self, shape: tuple[int, ...], weight: bool, bias: bool, device: Any, dtype: Any
    ) -> None:
        self.weight = Parameter(ones(*shape, dtype=dtype, device=device)) if weight else None
        self.bias = Parameter(zeros(*shape, dtype=dtype, device=device)) if bias else None

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class GroupNorm(Norm):
    """Normalisation of groups of channels of each sample: y = γ (x - μ) / √(σ² + ε) + β.

    μ and σ² are those of each group of each sample of an input of shape (N, num_channels, …); γ and
    β are those of each channel. It is the same in training and evaluation, and works with small
    batches. Source: Wu and He 2018, "Group Normalization", arXiv:1803.08494.

    Args:
        num_groups: into how many groups of equal size the channels are split.
        num_channels: the number of channels; ``num_groups`` must divide it.
        eps: ε.
        affine: whether there are γ (``weight``) and β (``bias``).
        device: ``"cpu"`` or None.
        dtype: default: the default dtype.
        bias: whether there is a β, if ``affine``.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    >>> import nnlite
    >>> layer = nnlite.nn.GroupNorm(2, 4, affine=False)
    >>> layer(nnlite.tensor([[1.0, 3.0, 5.0, 5.0]]))
    tensor([[-1.0000,  1.0000,  0.0000,  0.0000]])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = whole_number("GroupNorm", "num_groups", num_groups)
        self.num_channels = whole_number("GroupNorm", "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise ValueError(
                "GroupNorm: num_channels must be divisible by num_groups, got "
                f"{num_channels} and {num_groups}"
            )
        self.eps = real_number("GroupNorm", "eps", eps, 0)
        self.affine = affine
        self._make_affine((self.num_channels,), affine, affine and bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        shape = input.array.shape
        if len(shape) < 2 or shape[1] != self.num_channels:
            raise ValueError(
                f"GroupNorm: expected an input of shape (N, {self.num_channels}, …), got "
                f"{list(shape)}"
            )
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class _LastNorm(Norm):
    """A normalisation over the last dimensions (abstract)."""

    def _keep_shape(self, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
        """Check and keep the sizes of the last dimensions."""
        try:
            count = len(normalized_shape)  # type: ignore[arg-type]
        except TypeError:
            count = 1
        name = self._get_name()
        self.normalized_shape = whole_numbers(name, "normalized_shape", normalized_shape, count)
        if not count:
            raise ValueError(f"{name}: normalized_shape must not be empty, got {normalized_shape}")
        return self.normalized_shape


class LayerNorm(_LastNorm):
    """Normalisation of each sample over its last dimensions: y = γ (x - μ) / √(σ² + ε) + β.

    An input of shape (…, *normalized_shape) keeps its shape; μ and σ² are taken over the last
    dimensions, the same in training and evaluation. Source: Ba, Kiros and Hinton 2016, "Layer
    Normalization", arXiv:1607.06450.

    Args:
        normalized_shape: the sizes of the last dimensions, or the last size alone.
        eps: ε.
        elementwise_affine: whether there are γ (``weight``) and β (``bias``), of that shape.
        bias: whether there is a β, if ``elementwise_affine``.
        device: ``"cpu"`` or None.
        dtype: default: the default dtype.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    >>> import nnlite
    >>> nnlite.nn.LayerNorm(2, bias=False)(nnlite.tensor([[1.0, 3.0]])).detach()
    tensor([[-1.0000,  1.0000]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = self._keep_shape(normalized_shape)
        self.eps = real_number("LayerNorm", "eps", eps, 0)
        self.elementwise_affine = elementwise_affine
        self._make_affine(shape, elementwise_affine, elementwise_affine and bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(_LastNorm):
    """Each sample divided by its root mean square over the last dimensions: y = γ x / √(x̄² + ε).

    An input of shape (…, *normalized_shape) keeps its shape; x̄² is the mean of the squares.
    Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467.

    Args:
        normalized_shape: the sizes of the last dimensions, or the last size alone.
        eps: ε; default: the machine epsilon of the input's dtype.
        elementwise_affine: whether there is a γ (``weight``), of that shape.
        device: ``"cpu"`` or None.
        dtype: default: the default dtype.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    >>> import nnlite
    >>> nnlite.nn.RMSNorm(2)(nnlite.tensor([[1.0, 7.0]])).detach()
    tensor([[0.2000, 1.4000]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = self._keep_shape(normalized_shape)
        self.eps = None if eps is None else real_number("RMSNorm", "eps", eps, 0)
        self.elementwise_affine = elementwise_affine
        self._make_affine(shape, elementwise_affine, False, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
