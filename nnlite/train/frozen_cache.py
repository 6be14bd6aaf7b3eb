"""What the frozen layers at the front of a model give for each sample, computed once for a fit."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd.modes import no_grad
from nnlite.nn import Sequential
from nnlite.nn.layers.dropout import _Dropout
from nnlite.tensor import Tensor, wrap
from nnlite.train import state
from nnlite.train.modes import evaluating
from nnlite.utils.data import DataLoader, TensorDataset, default_collate, default_convert
from nnlite.utils.data.dataset import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable
    from tempfile import TemporaryDirectory

    from nnlite.nn import Module
    from nnlite.train.trainer import Trainer

    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["FrozenCache", "constant_layers"]

_IN_MEMORY = 2**31  # bytes of features; more of them lie in a temporary file
_ROUNDING = 1000  # units in the last place of the largest feature
_BATCH = 256  # samples at once, where the loader has batches of its own making


class FrozenCache:
    """Feeds a Trainer's loop with the features of what is frozen (``Trainer(cache_frozen=True)``).

    Before each epoch it looks which layers at the front of the model are constant; where they are
    others than before (one was unfrozen, say), the features are computed anew. The loaders keep
    their samplers and their state; only what they take their samples from changes while it is used.
    A frozen weight that somebody writes to during a fit is none of its concern (see `FreezeAudit`).

    Attributes:
        layers: the layers whose outputs are kept, or were in the last epoch; empty: none.
        exact: whether a batch of other rows than the cache was computed with gave the same bytes;
            else it gave the same but for rounding, since a matrix product may add up in another
            order in a batch of another size. None where nothing is kept.
    """

    def __init__(self) -> None:
        self.layers: list[Module] = []
        self.exact: bool | None = None
        self._behind: Callable[[Any], Any] | None = None
        self._seen: list[Module] | None = None  # the constant layers at the last look
        self._own: dict[int, tuple[Any, Any]] = {}  # loaders with their own datasets
        self._files: list[TemporaryDirectory[str]] = []

    def refresh(self, trainer: Trainer) -> None:
        """Compute the features where those that are kept are not those of the model."""
        layers, behind = constant_layers(trainer.model)
        if layers == self._seen:
            return
        is_first = self._seen is None
        self.release()
        self.layers, self.exact, self._seen = [], None, layers
        if not any(True for layer in layers for _ in layer.parameters()):
            if is_first:
                _warn(
                    "no layer at the front of the model is frozen and the same in each epoch; it "
                    "must be an nn.Sequential whose first layers are frozen (model.freeze('0')), "
                    "without dropout and hooks"
                )
            return
        state.contents(trainer)  # of the samples themselves, before features take their place
        before = trainer.streams.state()
        try:
            for loader, objective in zip(trainer.loaders, trainer.objectives):
                if loader is not None and id(loader) not in self._own:
                    self._take_over(trainer, loader, layers, objective.parts)
        except _RefusedError as reason:
            self.release()
            self.exact, self._seen = None, layers
            _warn(str(reason))
            return
        finally:
            trainer.streams.restore(before)
        self.layers, self._behind = layers, _Chain(behind)

    def model_for(self, loader: Any, model: Module) -> Any:
        """What the loader's batches go through: the model, or its part behind what is kept."""
        return model if self._behind is None or id(loader) not in self._own else self._behind

    def release(self) -> None:
        """Give the loaders their own datasets back, and let go of the features."""
        for loader, dataset in self._own.values():
            vars(loader)["dataset"] = dataset
        self._own = {}
        self._behind = self._seen = None
        for folder in self._files:
            folder.cleanup()
        self._files = []

    def _take_over(self, trainer: Trainer, loader: Any, layers: list[Module], parts: int) -> None:
        """Put the features in the place of the loader's inputs."""
        if type(loader) is not DataLoader or loader.num_workers:
            raise _RefusedError("the data must be arrays, or a DataLoader of them without workers")
        if loader.collate_fn not in (default_collate, default_convert):
            raise _RefusedError("the loader has a collate_fn, which may change what goes in")
        dataset, rows = unwrap(loader.dataset)
        if type(dataset) is not TensorDataset or len(dataset.tensors) != parts + 1:
            raise _RefusedError("the data must be arrays, one of inputs and one of targets")
        tensors = [t if rows is None else wrap(t.array[rows]) for t in dataset.tensors]
        x = tensors[0].array
        size = min(loader.batch_size or _BATCH, len(x))
        features = self._features(trainer, layers, x, size)
        self._check(trainer.model, layers, x, features, size)
        self._own[id(loader)] = loader, loader.dataset
        # A loader refuses the assignment, since its sampler might not fit; here it does.
        vars(loader)["dataset"] = TensorDataset(wrap(features), *tensors[1:])

    def _features(self, trainer: Trainer, layers: list[Module], x: Array, size: int) -> Array:
        """The outputs for all samples, always so many at once: the last batch is filled up."""
        kept: Array | None = None
        for start in range(0, len(x), size):
            trainer.check_interrupt()
            rows = np.arange(start, start + size) % len(x)
            y = _run(layers, x[rows])
            if kept is None:
                kept = self._room((len(x), *y.shape[1:]), y.dtype)
            kept[start : start + size] = y[: len(x) - start]
        assert kept is not None
        return kept

    def _room(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if np.prod(shape, dtype=np.float64) * dtype.itemsize <= _IN_MEMORY:
            return np.empty(shape, dtype)
        from tempfile import TemporaryDirectory

        folder = TemporaryDirectory(prefix="nnlite-features-", ignore_cleanup_errors=True)
        self._files.append(folder)
        path = f"{folder.name}/features.npy"
        room: Array = np.lib.format.open_memmap(path, "w+", dtype, shape).view(np.ndarray)
        return room

    def _check(
        self, model: Module, layers: list[Module], x: Array, features: Array, size: int
    ) -> None:
        """Compare with a batch of other rows, twice in training mode, once in evaluation mode."""
        rows = np.linspace(0, len(x) - 1, size).astype(int)[::-1]
        expected = features[rows]
        found = [_run(layers, x[rows]) for _ in range(2)]
        with evaluating(model):
            found.append(_run(layers, x[rows]))
        scale = float(np.abs(expected).max(initial=0.0))
        if not np.isfinite(scale):
            raise _RefusedError("the frozen layers give nan or infinity for some samples")
        limit = _ROUNDING * scale * float(np.finfo(expected.dtype).eps)
        for y in found:
            if not float(np.abs(y - expected).max(initial=0.0)) <= limit:  # nan counts as unlike
                raise _RefusedError(
                    "the frozen layers do not give the same for the same sample each time: "
                    "something random stands in them, or samples of a batch influence each other"
                )
        same = all(y.tobytes() == expected.tobytes() for y in found)
        self.exact = same and self.exact is not False


def constant_layers(model: Module) -> tuple[list[Module], list[Module]]:
    """The layers at the front of a model that give the same each time, and those behind them.

    These are children of an ``nn.Sequential`` (and of one that stands in it) of which all
    parameters are frozen, whose statistics do not move, and which have no hooks and no dropout. Of
    a class of one's own `FrozenCache` finds out by trying whether it depends on chance or mode.

    >>> from nnlite import nn
    >>> body = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5), nn.Linear(3, 3))
    >>> constant, behind = constant_layers(nn.Sequential(body, nn.Linear(3, 1)).freeze("0"))
    >>> len(constant), len(behind)
    (1, 3)
    """
    chain = _chain(model)
    count = 0
    while count < len(chain) - 1 and _is_constant(chain[count]):
        count += 1
    return chain[:count], chain[count:]


def _chain(module: Module) -> list[Module]:
    """The modules that are called one after the other."""
    if type(module) is Sequential and not _has_hooks(module):
        return [layer for child in module for layer in _chain(child)]
    return [module]


def _is_constant(layer: Module) -> bool:
    for module in layer.modules():
        held = module._statistics_frozen or not module.training
        if _has_hooks(module) or not (held or next(module._own_buffers(), None) is None):
            return False
        chance = module.p if isinstance(module, _Dropout) else getattr(module, "dropout", 0.0)
        if module.training and isinstance(chance, (int, float)) and chance > 0:
            return False
    return not any(parameter.requires_grad for parameter in layer.parameters())


def _has_hooks(module: Module) -> bool:
    hooks = module._hooks
    return hooks is not None and any(vars(hooks).values())


def _run(layers: list[Module], x: Array) -> Array:
    with no_grad():
        y = _Chain(layers)(wrap(x))
    if not isinstance(y, Tensor) or y.ndim == 0 or len(y) != len(x) or y.array.dtype.kind != "f":
        raise _RefusedError("the frozen layers must give one tensor of floats, a row for a sample")
    return y.array


class _Chain:
    """Modules that are called one after the other."""

    def __init__(self, layers: list[Module]) -> None:
        self.layers = layers

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


class _RefusedError(Exception):
    """Why nothing can be kept."""


def _warn(reason: str) -> None:
    warnings.warn(f"Trainer: cache_frozen has no effect: {reason}", RuntimeWarning, stacklevel=5)
