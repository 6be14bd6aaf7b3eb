"""What operations compute, in words, beside their formulas in index notation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["words_of"]

# Where the operation's equation is no help beside the formula, since it has letters of its own.
_WORDS = {
    "AdaptiveAvgPool2D": "the mean of each part of x",
    "AdaptiveMaxPool2D": "the largest element of each part of x",
    "AvgPool2D": "the mean of each window of x",
    "Baddbmm": "a product of matrices for each of the batch, added to x",
    "BasicIndex": "a part of x",
    "Bmm": "a product of matrices for each of the batch",
    "CopySlices": "x with a part of it written over",
    "Cumprod": "each element is the product of those of x up to it",
    "Cumsum": "each element is the sum of those of x up to it",
    "Embedding": "the rows of x that the indices pick",
    "Gather": "elements of x, for each place the one that an index picks",
    "Glu": "the first half of x times the sigmoid of the second half",
    "Index": "the elements of x that the indices or the mask pick",
    "Gru": "what a GRU makes of x: at each step a new state from the input and the state before",
    "IndexAdd": "x with something added to the slices that the indices pick",
    "IndexSelect": "the slices of x that the indices pick",
    "LogSoftmax": "x less the logarithm of the sum of its exponentials",
    "Logsumexp": "the logarithm of the sum of the exponentials of x",
    "Lstm": "what an LSTM makes of x: at each step a new state from the input and the state before",
    "MaxPool2DWithIndices": "the largest element of each window of x",
    "NativeBatchNorm": "x less a mean, divided by a deviation: each channel for itself",
    "NativeGroupNorm": "x less its mean, divided by its deviation: each group of channels for "
    "itself",
    "NativeLayerNorm": "x less its mean, divided by its deviation: each row for itself",
    "Pad": "x with more of its own elements around it",
    "RmsNorm": "x divided by the root of the mean of its squares: each row for itself",
    "Rnn": "what an RNN makes of x: at each step a new state from the input and the state before",
    "Scatter": "x with elements written over, at the places that the indices pick",
    "ScatterAdd": "x with something added, at the places that the indices pick",
    "Softmax": "the exponentials of x, divided by their sum",
    "Topk": "the elements of x that come first in order",
    "Upsample": "x with more pixels, which are weighted sums of those around them",
    "Vm": "the vector x times a matrix",
}  # fmt: skip


def words_of(step: Step, symbol: str) -> str:
    """What an operation computes, with the symbols of this pass.

    Args:
        step: the operation.
        symbol: of the output.
    """
    words = _WORDS.get(step.name)
    if words is None:
        return "" if "…" in step.forward else step.forward
    return f"{symbol} is {step.about(words)}"
