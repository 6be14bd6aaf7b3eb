"""Dropout: of elements, of whole channels, and the kind that suits SELU.

It changes no state, so freezing has no effect on it; ``eval()`` turns it off. The random numbers
come from the default generator.
"""

from __future__ import annotations

from nnlite.nn.checks import probability
from nnlite.nn.module import Module
from nnlite.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, feature_alpha_dropout
from nnlite.tensor import Tensor

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "FeatureAlphaDropout"]


class _Dropout(Module):
    """A kind of dropout (abstract)."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = probability(self._get_name(), "p", p)
        self.inplace = bool(inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training: each element set to 0 with probability p, the rest scaled by 1 / (1 - p).

    It takes any shape; in evaluation it returns its input. Source: Srivastava et al. 2014,
    "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".

    Args:
        p: the probability, in [0, 1].
        inplace: write the result over the input.

    Raises:
        TypeError, ValueError: when p is no probability.

    >>> import nnlite
    >>> nnlite.nn.Dropout(0.5).eval()(nnlite.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """In training: each channel of sequences set to 0 with probability p, the rest scaled.

    Shape (N, C, L) or (C, L); neighbours in a sequence tell the same, so that only whole channels
    drop information. Source: Tompson et al. 2015, "Efficient Object Localization Using
    Convolutional Networks", arXiv:1411.4280.

    Args:
        p: the probability, in [0, 1].
        inplace: write the result over the input.

    Raises:
        TypeError, ValueError: when p is no probability.

    >>> import nnlite
    >>> nnlite.nn.Dropout1d(1.0)(nnlite.ones(1, 2, 3))
    tensor([[[0., 0., 0.],
             [0., 0., 0.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training: each channel of images set to 0 with probability p, the rest scaled.

    Shape (N, C, H, W); three dimensions are taken as (N, C, L), as torch does. Source: Tompson et
    al. 2015, "Efficient Object Localization Using Convolutional Networks", arXiv:1411.4280.

    Args:
        p: the probability, in [0, 1].
        inplace: write the result over the input.

    Raises:
        TypeError, ValueError: when p is no probability.

    >>> import nnlite
    >>> nnlite.nn.Dropout2d(1.0)(nnlite.ones(1, 1, 1, 2))
    tensor([[[[0., 0.]]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout2d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Dropout for SELU: keeps mean 0 and variance 1, by its lowest value in place of 0.

    It takes any shape. Source: Klambauer et al. 2017, "Self-Normalizing Neural Networks",
    arXiv:1706.02515.

    Args:
        p: the probability, in [0, 1].
        inplace: write the result over the input.

    Raises:
        TypeError, ValueError: when p is no probability.

    >>> import nnlite
    >>> nnlite.nn.AlphaDropout(0.5).eval()(nnlite.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropout):
    """``AlphaDropout`` of whole channels, shape (N, C, …). Source: as there.

    Args:
        p: the probability, in [0, 1].
        inplace: write the result over the input.

    Raises:
        TypeError, ValueError: when p is no probability.

    >>> import nnlite
    >>> nnlite.nn.FeatureAlphaDropout(0.5).eval()(nnlite.ones(1, 2, 1))
    tensor([[[1.],
             [1.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return feature_alpha_dropout(input, self.p, self.training, self.inplace)
