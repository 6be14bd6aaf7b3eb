"""torch's other names of operators, and the names of their arguments."""

import numpy as np
import pytest

import nnlite

ALIASES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "clip": "clamp", "concat": "cat",
    "concatenate": "cat", "divide": "div", "greater": "gt", "greater_equal": "ge", "less": "lt",
    "less_equal": "le", "moveaxis": "movedim", "multiply": "mul", "negative": "neg",
    "not_equal": "ne", "subtract": "sub", "swapaxes": "transpose", "swapdims": "transpose",
    "true_divide": "div", "clip_": "clamp_", "true_divide_": "div_",
}  # fmt: skip


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias, torch):
    for ours, theirs in [(nnlite, torch), (nnlite.Tensor, torch.Tensor)]:
        assert hasattr(ours, alias) or not hasattr(theirs, alias) or alias.endswith("_")
        if hasattr(ours, alias):
            assert getattr(ours, alias) is getattr(ours, ALIASES[alias])


CALLS = {
    "zeros": lambda lib: lib.zeros(size=(2, 3)),
    "ones": lambda lib: lib.ones(size=[2], dtype=lib.int64, device="cpu"),
    "full": lambda lib: lib.full(size=(2,), fill_value=7, device="cpu"),
    "eye": lambda lib: lib.eye(n=2, m=3, device="cpu"),
    "arange": lambda lib: lib.arange(start=1, end=7, step=2, device="cpu"),
    "linspace": lambda lib: lib.linspace(start=0, end=1, steps=5, device="cpu"),
    "zeros_like": lambda lib: lib.zeros_like(lib.ones(2), dtype=lib.int32, device="cpu"),
    "full_like": lambda lib: lib.full_like(lib.ones(2), 3, device="cpu"),
    "reshape": lambda lib: lib.reshape(lib.arange(6), shape=(2, 3)),
    "permute": lambda lib: lib.permute(lib.ones(2, 3, 4), dims=(2, 0, 1)),
    "transpose": lambda lib: lib.ones(2, 3).transpose(dim0=0, dim1=1),
    "flip": lambda lib: lib.flip(lib.arange(6).reshape(2, 3), dims=[0, 1]),
    "tile": lambda lib: lib.tile(lib.arange(3), dims=(2, 2)),
    "expand": lambda lib: lib.arange(3).expand(size=(2, 3)),
    "broadcast_to": lambda lib: lib.broadcast_to(lib.arange(3), size=(2, 3)),
    "max": lambda lib: lib.max(lib.arange(3), other=lib.tensor([1, 1, 1])),
    "copy_": lambda lib: lib.zeros(2).copy_(other=lib.ones(2), non_blocking=True),
    "where": lambda lib: lib.arange(4).where(condition=lib.arange(4) > 1, other=lib.tensor(9)),
    "stride": lambda lib: lib.tensor([*lib.ones(2, 3).stride(), lib.ones(2, 3).stride(0)]),
    "sum over none": lambda lib: lib.ones(2, 3).sum(dim=()),
    "any of uint8": lambda lib: lib.tensor([0, 2], dtype=lib.uint8).any(),
    "pow of ints in place": lambda lib: lib.tensor([2, 3], dtype=lib.uint8).pow_(lib.tensor(2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_arguments(name, torch):
    ours, theirs = CALLS[name](nnlite), CALLS[name](torch)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), strict=True)


RANDOM = {
    "rand": lambda lib, g: lib.rand(size=(2, 3), generator=g, dtype=lib.float64, device="cpu"),
    "randn": lambda lib, g: lib.randn(size=(2,), generator=g, requires_grad=True),
    "rand_like": lambda lib, g: lib.rand_like(lib.zeros(2, 3), generator=g, requires_grad=True),
    "randn_like": lambda lib, g: lib.randn_like(lib.zeros(2), generator=g, dtype=lib.float64),
    "randint": lambda lib, g: lib.randint(high=5, size=(2,), generator=g, dtype=lib.int32),
    "randint_like": lambda lib, g: lib.randint_like(lib.zeros(4), 2, 5, generator=g),
    "randperm": lambda lib, g: lib.randperm(5, generator=g, dtype=lib.int32),
    "bernoulli": lambda lib, g: lib.bernoulli(lib.zeros(3), p=0.5, generator=g),
}


@pytest.mark.parametrize("name", RANDOM)
def test_arguments_of_random_functions(name, torch):
    """The same shape, dtype and requires_grad; a generator gives its numbers again."""
    drawn = []
    for lib in (nnlite, nnlite, torch):
        drawn.append(RANDOM[name](lib, lib.Generator().manual_seed(3)))
    ours, again, theirs = drawn
    assert nnlite.equal(ours, again)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    assert ours.requires_grad == theirs.requires_grad


def test_devices_that_are_not_there():
    for make in (nnlite.rand, nnlite.eye, nnlite.arange, nnlite.randperm):
        with pytest.raises(NotImplementedError, match="cuda"):
            make(2, device="cuda")
