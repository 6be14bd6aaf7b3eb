"""Normalisation with running statistics: of channels, over batches or instances."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.nn import init
from nnlite.nn.checks import real_number, whole_number
from nnlite.nn.layers.norm import Norm
from nnlite.ops.batch_norm import batch_norm, instance_norm
from nnlite.ops.create import ones, zeros
from nnlite.ops.shape import squeeze, unsqueeze
from nnlite.tensor import Tensor, wrap

__all__ = ["BatchNorm1d", "BatchNorm2d", "InstanceNorm1d", "InstanceNorm2d"]


class _ChannelNorm(Norm):
    """A normalisation of channels that may keep running statistics (abstract).

    In training the running statistics move towards those of the input; in evaluation they are used.

    Frozen (by ``freeze``), the running statistics stay as they are, and they are used in training
    mode too. The layer then is a fixed function, the same in training and in evaluation: what
    is trained behind it sees what it will see when the model is used, and a small batch of the
    fine-tuning data cannot spoil what a long training has gathered. ``requires_grad=False`` set by
    hand, on weight and bias or on all parameters of a model, freezes these alone and leaves the
    statistics running, as in torch.
    """

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    # Files written before it was invented lack it.
    _may_be_missing: ClassVar[frozenset[str]] = frozenset({"num_batches_tracked"})

    # The shapes that an input may have, by their number of dimensions.
    _shapes: ClassVar[dict[int, str]]

    def _prepare(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        """Check and keep the arguments, make parameters and buffers."""
        name = self._get_name()
        self.num_features = size = whole_number(name, "num_features", num_features)
        self.eps = real_number(name, "eps", eps, 0)
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(
                f"{name}: momentum, the weight of the newest batch in the running statistics, must "
                f"lie in [0, 1], or be None for the mean of all batches; got {momentum!r}"
            )
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = tracks = track_running_stats
        self._make_affine((size,), affine, affine and bias, device, dtype)
        self.register_buffer("running_mean", zeros(size, dtype=dtype) if tracks else None)
        self.register_buffer("running_var", ones(size, dtype=dtype) if tracks else None)
        count = wrap(np.zeros((), np.int64)) if tracks else None
        self.register_buffer("num_batches_tracked", count)

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, and no batches seen."""
        if self.running_mean is not None and self.running_var is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
        if self.num_batches_tracked is not None:
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and the running statistics as at the start."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input(self, input: Tensor) -> None:
        """Raise unless the input has one of the numbers of dimensions."""
        shape = input.array.shape
        if len(shape) not in self._shapes:
            raise ValueError(
                f"{self._get_name()}: expected an input of shape "
                f"{' or '.join(self._shapes.values())}, got {list(shape)}"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    """Batch normalisation of any number of dimensions (abstract)."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self._prepare(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input)
        mean, var = self.running_mean, self.running_var
        if mean is None or var is None:
            # Without running statistics those of the batch are used, in evaluation too.
            return batch_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)
        training = self.training and not self._statistics_frozen
        momentum = self._count_batch() if training else 0.0
        if not self.track_running_stats and training:
            mean = var = None
        return batch_norm(input, mean, var, self.weight, self.bias, training, momentum, self.eps)

    def _count_batch(self) -> float:
        """Count a batch of training; returns the weight of its statistics."""
        count = self.num_batches_tracked
        if count is None or not self.track_running_stats:
            return self.momentum or 0.0
        count.array += 1
        note_write(count.array, "the counting of batches in batch_norm")
        # The mean of n batches is the mean of n - 1, moved by 1/n towards the newest.
        return 1 / count.item() if self.momentum is None else self.momentum


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of features: y = γ (x - μ) / √(σ² + ε) + β for each channel.

    In training μ and σ² are the mean and variance of the batch, in evaluation the running ones.
    ``freeze`` holds the running statistics still, and has the layer use them in training too, so
    that a frozen layer is one fixed function. (``requires_grad=False`` set by hand freezes γ and β
    alone, as in torch.) Source: Ioffe and Szegedy 2015, "Batch Normalization", arXiv:1502.03167.

    Args:
        num_features: the number of channels C of an input (N, C) or (N, C, L).
        eps: ε.
        momentum: the weight of the newest batch in the running statistics; None for the mean of
            all batches.
        affine: whether there are γ (``weight``) and β (``bias``).
        track_running_stats: without, there are no running statistics, and the batch's are used in
            evaluation too.
        device: ``"cpu"`` or None.
        dtype: default: the default dtype.
        bias: whether there is a β, if ``affine``.

    Raises:
        ValueError: for an argument out of its range, and for an input of other dimensions.

    >>> import nnlite
    >>> layer = nnlite.nn.BatchNorm1d(2)
    >>> layer(nnlite.tensor([[1.0, 0.0], [3.0, 8.0]]))
    tensor([[-1.0000, -1.0000],
            [ 1.0000,  1.0000]], grad_fn=<NativeBatchNormBackward0>)
    >>> layer.running_mean
    tensor([0.2000, 0.4000])
    """

    _shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images: y = γ (x - μ) / √(σ² + ε) + β for each channel.

    μ and σ² are taken over N, H and W of an input of shape (N, C, H, W); all else is as in
    ``BatchNorm1d``. Source: Ioffe and Szegedy 2015, "Batch Normalization", arXiv:1502.03167.

    Args:
        num_features: the number of channels C.
        eps, momentum, affine, track_running_stats, device, dtype, bias: as for ``BatchNorm1d``.

    Raises:
        TypeError, ValueError: for an argument out of its range, and for an input of other
            dimensions.

    >>> import nnlite
    >>> layer = nnlite.nn.BatchNorm2d(3)
    >>> layer(nnlite.randn(8, 3, 5, 5)).shape, layer.num_batches_tracked
    (nnlite.Size([8, 3, 5, 5]), tensor(1))
    """

    _shapes: ClassVar = {4: "(N, C, H, W)"}


class _InstanceNorm(_ChannelNorm):
    """Instance normalisation of any number of dimensions (abstract)."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self._prepare(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input)
        batched = input.array.ndim == max(self._shapes)
        if not batched:
            input = unsqueeze(input, 0)
        channels = input.array.shape[1]
        if channels != self.num_features:
            text = f"{self._get_name()}: num_features is {self.num_features}, input has {channels}"
            if self.affine or self.track_running_stats:
                raise ValueError(f"{text} channels, its shape is {list(input.array.shape)}")
            warnings.warn(f"{text} channels; without affine that is allowed", stacklevel=2)
        training = self.training and not self._statistics_frozen
        y = instance_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias,
            training or not self.track_running_stats, self.momentum or 0.0, self.eps,
        )  # fmt: skip
        return y if batched else squeeze(y, 0)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of sequences: y = γ (x - μ) / √(σ² + ε) + β.

    μ and σ² are those of each channel of each sample of an input of shape (N, C, L) or (C, L). With
    ``track_running_stats`` the means over the samples are gathered in training and used in
    evaluation; ``freeze`` holds them still, and has the layer use them in training too.
    Source: Ulyanov, Vedaldi and Lempitsky 2016, "Instance Normalization", arXiv:1607.08022.

    Args:
        num_features: the number of channels C.
        eps: ε.
        momentum: the weight of the newest batch in the running statistics.
        affine: whether there are γ (``weight``) and β (``bias``).
        track_running_stats: whether there are running statistics.
        device: ``"cpu"`` or None.
        dtype: default: the default dtype.
        bias: whether there is a β, if ``affine``.

    Raises:
        TypeError, ValueError: for an argument out of its range, and for an input of other
            dimensions.

    >>> import nnlite
    >>> nnlite.nn.InstanceNorm1d(2)(nnlite.tensor([[1.0, 3.0], [5.0, 5.0]]))
    tensor([[-1.0000,  1.0000],
            [ 0.0000,  0.0000]])
    """

    _shapes: ClassVar = {2: "(C, L)", 3: "(N, C, L)"}


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of images: y = γ (x - μ) / √(σ² + ε) + β.

    μ and σ² are those of each channel of each sample of an input of shape (N, C, H, W) or
    (C, H, W); all else is as in ``InstanceNorm1d``. Source: Ulyanov, Vedaldi and Lempitsky 2016,
    "Instance Normalization", arXiv:1607.08022.

    Args:
        num_features: the number of channels C.
        eps, momentum, affine, track_running_stats, device, dtype, bias: as for ``InstanceNorm1d``.

    Raises:
        TypeError, ValueError: for an argument out of its range, and for an input of other
            dimensions.

    >>> import nnlite
    >>> nnlite.nn.InstanceNorm2d(1)(nnlite.tensor([[[1.0, 3.0], [1.0, 3.0]]]))
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])
    """

    _shapes: ClassVar = {3: "(C, H, W)", 4: "(N, C, H, W)"}
