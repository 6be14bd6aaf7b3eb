"""Random numbers, from generators whose state can be saved."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.ops import operands
from nnlite.ops.create import _finish, _on_cpu
from nnlite.ops.operands import array_of
from nnlite.ops.shape import sizes_of
from nnlite.tensor import Tensor, wrap

__all__ = [
    "Generator", "bernoulli", "get_rng_state", "initial_seed", "manual_seed", "multinomial",
    "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm",
    "seed", "set_rng_state",
]  # fmt: skip


class Generator:
    """A source of random numbers: NumPy's PCG64 with a seed, and a state that can be saved.

    The numbers differ from torch's for the same seed.

    >>> import nnlite
    >>> g = nnlite.Generator().manual_seed(7)
    >>> nnlite.randint(0, 10, (3,), generator=g)
    tensor([9, 6, 6])
    """

    __slots__ = ("_rng", "_seed")

    def __init__(self, device: Any = None) -> None:
        self.manual_seed(0)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from ``seed`` (a whole number, taken modulo 2⁶⁴); returns the generator."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"manual_seed: expected a whole number, got {seed!r}")
        self._seed = int(seed) % 2**64
        self._rng: np.random.Generator | None = None
        return self

    @property
    def rng(self) -> np.random.Generator:
        """The generator that draws, made when it is first asked: importing it takes 15 ms."""
        if self._rng is None:
            self._rng = np.random.Generator(np.random.PCG64(self._seed))
        return self._rng

    def seed(self) -> int:
        """Start again from a seed of the operating system's; returns it."""
        self.manual_seed(np.random.SeedSequence().entropy % 2**64)  # type: ignore[operator]
        return self._seed

    def initial_seed(self) -> int:
        """The seed that this generator started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """The state, as a dictionary that ``set_state`` and a checkpoint take."""
        return {"seed": self._seed, "bit_generator": self.rng.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state of ``get_state``."""
        try:
            self._seed = state["seed"]
            self.rng.bit_generator.state = state["bit_generator"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"set_state: not a state of Generator.get_state ({error})") from None


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, for reproducible runs; returns it.

    >>> import nnlite
    >>> _ = nnlite.manual_seed(0)
    >>> a = nnlite.rand(2)
    >>> _ = nnlite.manual_seed(0)
    >>> nnlite.equal(a, nnlite.rand(2))
    True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> dict[str, Any]:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(state: dict[str, Any]) -> None:
    """Go on from a state of ``get_rng_state``."""
    default_generator.set_state(state)


def _rng(generator: Generator | None) -> np.random.Generator:
    return (default_generator if generator is None else generator).rng


def _draw(draw: Any, size: tuple[int, ...], dtype: Any) -> Any:
    wanted = np.dtype(operands.default_float if dtype is None else dtype)
    if wanted.kind != "f":
        raise RuntimeError(f"random: floating point dtypes only, got {wanted}; use randint")
    if wanted == np.float16:
        return draw(size, dtype=np.float32).astype(wanted)
    return draw(size, dtype=wanted)


def rand(
    *sizes: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None,
    requires_grad: bool = False, device: Any = None,
) -> Tensor:  # fmt: skip
    """Uniform random numbers from [0, 1).

    >>> import nnlite
    >>> nnlite.rand(2, 3).shape
    nnlite.Size([2, 3])
    """
    _on_cpu("rand", device)
    shape = sizes_of(sizes if size is None else (size,))
    return _finish(_draw(_rng(generator).random, shape, dtype), requires_grad)


def randn(
    *sizes: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None,
    requires_grad: bool = False, device: Any = None,
) -> Tensor:  # fmt: skip
    """Random numbers from the normal distribution with mean 0 and variance 1.

    >>> import nnlite
    >>> nnlite.randn(5, 3, requires_grad=True).requires_grad
    True
    """
    _on_cpu("randn", device)
    shape = sizes_of(sizes if size is None else (size,))
    return _finish(_draw(_rng(generator).standard_normal, shape, dtype), requires_grad)


def rand_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None,
    requires_grad: bool = False, device: Any = None,
) -> Tensor:  # fmt: skip
    """``rand`` of the shape and dtype of ``input``."""
    dtype = input.array.dtype if dtype is None else dtype
    return rand(
        input.array.shape, generator=generator, dtype=dtype, requires_grad=requires_grad,
        device=device,
    )  # fmt: skip


def randn_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None,
    requires_grad: bool = False, device: Any = None,
) -> Tensor:  # fmt: skip
    """``randn`` of the shape and dtype of ``input``."""
    dtype = input.array.dtype if dtype is None else dtype
    return randn(
        input.array.shape, generator=generator, dtype=dtype, requires_grad=requires_grad,
        device=device,
    )  # fmt: skip


def randint(
    low: int = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = np.int64, requires_grad: bool = False, device: Any = None,
) -> Tensor:  # fmt: skip
    """Random whole numbers from ``low`` (default 0) up to, without, ``high``.

    >>> import nnlite
    >>> bool((nnlite.randint(3, 5, (100,)) >= 3).all())
    True
    """
    _on_cpu("randint", device)
    if size is None or high is None:
        low, high, size = 0, low, high if size is None else size
    drawn = _rng(generator).integers(low, high, sizes_of((size,))).astype(dtype)
    return _finish(drawn, requires_grad)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = np.int64, device: Any = None
) -> Tensor:
    """The numbers 0 to n - 1 in random order.

    >>> import nnlite
    >>> nnlite.randperm(4).numpy().sum()
    np.int64(6)
    """
    _on_cpu("randperm", device)
    return wrap(_rng(generator).permutation(n).astype(dtype, copy=False))


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with the probability that ``input`` gives (or ``p``, of the same shape), else 0.

    >>> import nnlite
    >>> nnlite.bernoulli(nnlite.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    a = array_of("bernoulli", input)
    u = np.asarray(_rng(generator).random(a.shape), like=a)
    return wrap((u < (a if p is None else p)).astype(a.dtype))


def randint_like(
    input: Tensor, low: int, high: int | None = None, *, generator: Generator | None = None,
    dtype: Any = None, requires_grad: bool = False, device: Any = None,
) -> Tensor:  # fmt: skip
    """``randint`` of the shape and dtype of ``input``."""
    if high is None:
        low, high = 0, low
    dtype = input.array.dtype if dtype is None else dtype
    return randint(
        low, high, input.array.shape, generator=generator, dtype=dtype,
        requires_grad=requires_grad, device=device,
    )  # fmt: skip


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False,
    *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Indices drawn with the probabilities, up to a factor, that ``input`` gives.

    Without replacement the smallest of exponential waiting times win: index i waits E / pᵢ.
    Source: Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir".

    Args:
        input: weights, not negative, shape (n,) or (rows, n).
        num_samples: how many are drawn, of each row.
        replacement: whether an index can be drawn again.

    Returns:
        int64, shape (num_samples,) or (rows, num_samples).

    Raises:
        RuntimeError: for weights that are negative or not finite, rows of zeros, and for more
            samples than weights above 0, without replacement.

    >>> import nnlite
    >>> nnlite.multinomial(nnlite.tensor([0.0, 3.0]), 2, replacement=True)
    tensor([1, 1])
    """
    p = array_of("multinomial", input)
    if p.ndim not in (1, 2) or p.dtype.kind != "f":
        raise RuntimeError(
            f"multinomial: needs floats of shape (n,) or (rows, n), got {p.dtype} {list(p.shape)}"
        )
    if num_samples <= 0:
        raise RuntimeError(f"multinomial: num_samples must be positive, got {num_samples}")
    rows = p.reshape((-1, p.shape[-1]))
    if not bool((np.isfinite(rows) & (rows >= 0)).all()):
        raise RuntimeError("multinomial: weights must be finite and not negative")
    possible = (rows > 0).sum(axis=1)
    least = 1 if replacement else num_samples
    if bool((possible < least).any()):
        raise RuntimeError(
            f"multinomial: a row has fewer than {least} weights above 0; draw fewer samples, or "
            "with replacement=True"
        )
    rng = _rng(generator)
    if replacement:
        bounds = np.cumsum(rows, axis=1, dtype=np.float64)
        u = np.asarray(rng.random((rows.shape[0], num_samples)), like=p) * bounds[:, -1:]
        drawn = [np.searchsorted(bounds[i], u[i], side="right") for i in range(rows.shape[0])]
        found = np.stack(drawn) if drawn else np.zeros_like(u, dtype=np.int64)
    else:
        waiting = np.asarray(rng.standard_exponential(rows.shape), like=p)
        times = np.where(rows > 0, waiting / np.where(rows > 0, rows, 1), np.inf)
        found = np.argsort(times, axis=1)[:, :num_samples]
    return wrap(found.reshape((*p.shape[:-1], num_samples)))


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal random numbers of the given mean and standard deviation.

    Args:
        mean, std: numbers, or tensors with one for each number drawn (they broadcast).
        size: the shape, where both are numbers.

    >>> import nnlite
    >>> nnlite.normal(2.0, 3.0, (4,)).shape
    nnlite.Size([4])
    >>> nnlite.normal(nnlite.tensor([0.0, 5.0]), 0.0)
    tensor([0., 5.])
    """
    tensors = [value.array for value in (mean, std) if isinstance(value, Tensor)]
    if not tensors:
        z = _draw(_rng(generator).standard_normal, sizes_of((() if size is None else size,)), dtype)
        z *= std
        z += mean
        return _finish(z, requires_grad)
    if size is not None:
        raise TypeError("normal: size is for numbers; tensors of mean and std have a shape")
    mean, std = (value.array if isinstance(value, Tensor) else value for value in (mean, std))
    shape = np.broadcast_shapes(*(array.shape for array in tensors))
    z = np.asarray(_draw(_rng(generator).standard_normal, shape, tensors[0].dtype), like=tensors[0])
    return _finish(z * std + mean, requires_grad)


def uniform_(
    input: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with uniform random numbers from [from_, to), in place; returns the tensor."""
    from nnlite.ops.inplace import copy_

    u = _draw(_rng(generator).random, input.array.shape, input.array.dtype)
    u *= to - from_
    u += from_
    return copy_(input, wrap(u))


def normal_(
    input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with normal random numbers, in place; returns the tensor."""
    from nnlite.ops.inplace import copy_

    return copy_(
        input, normal(mean, std, input.array.shape, generator=generator, dtype=input.array.dtype)
    )
