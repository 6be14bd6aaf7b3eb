"""Writing at indices along a dimension, where torch has no derivative to compare with."""

import nnlite
from nnlite.autograd import gradcheck, gradgradcheck


def doubles(*shape):
    return nnlite.randn(shape, dtype=nnlite.float64, requires_grad=True)


def test_a_source_larger_than_the_index_is_differentiated_too():
    x, source = doubles(2, 3), doubles(3, 4)
    index = nnlite.tensor([[0, 2], [1, 0]])
    for function in (nnlite.scatter, nnlite.scatter_add):
        assert gradcheck(lambda x, v: function(x, 1, index, v), (x, source))  # noqa: B023
        assert gradgradcheck(lambda x, v: function(x, 1, index, v), (x, source))  # noqa: B023
