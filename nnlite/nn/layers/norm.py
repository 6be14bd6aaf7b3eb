"""Normalisation layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.nn import init
from nnlite.nn.checks import whole_number
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.create import ones, zeros
from nnlite.ops.norm import batch_norm
from nnlite.tensor import Tensor, wrap

__all__ = ["BatchNorm1d"]


class _BatchNorm(Module):
    """What batch normalisation of any number of dimensions has in common (abstract).

    In training, each channel is normalised with the mean and variance of the batch, and the running
    statistics move towards those; in evaluation the running statistics are used.

    Frozen (by ``freeze``), the running statistics stay as they are, and they are used in training
    mode too. The layer then is a fixed function, the same in training and in evaluation: what
    is trained behind it sees what it will see when the model is used, and a small batch of the
    fine-tuning data cannot spoil what a long training has gathered. ``requires_grad=False`` set by
    hand, on weight and bias or on all parameters of a model, freezes these alone and leaves the
    statistics running, as in torch.
    """

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    # Files written before it was invented lack it.
    _may_be_missing: ClassVar[frozenset[str]] = frozenset({"num_batches_tracked"})

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
        name = self._get_name()
        self.num_features = whole_number(name, "num_features", num_features)
        if not eps >= 0:
            raise ValueError(f"{name}: eps must be at least 0, got {eps!r}")
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(
                f"{name}: momentum, the weight of the newest batch in the running statistics, must "
                f"lie in [0, 1], or be None for the mean of all batches; got {momentum!r}"
            )
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        size = self.num_features
        self.weight = self.bias = None
        if affine:
            self.weight = Parameter(ones(size, dtype=dtype, device=device))
            if bias:
                self.bias = Parameter(zeros(size, dtype=dtype))
        tracks = track_running_stats
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
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
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

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


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

    def _check_input_dim(self, input: Tensor) -> None:
        if input.array.ndim not in (2, 3):
            raise ValueError(
                "BatchNorm1d: expected an input of shape (N, C) or (N, C, L), got "
                f"{list(input.array.shape)}"
            )
