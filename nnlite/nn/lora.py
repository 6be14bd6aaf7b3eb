"""Low-rank adapters: fine-tuning a few thousand numbers in place of a whole weight matrix.

A frozen weight W of shape (m, n) gets a learnt correction of low rank,

    y = x (W + s B A)ᵀ + b,   A of shape (r, n), B of shape (m, r), s = alpha / r,

which starts as nothing because B starts at zero. Source: Hu et al., "LoRA: Low-Rank Adaptation of
Large Language Models" (arXiv:2106.09685), and the authors' code for the initial A.

>>> import nnlite
>>> from nnlite import nn
>>> model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
>>> nn.lora.add(model, "0", rank=2)
['0']
>>> [name for name, p in model.named_parameters() if p.requires_grad]
['0.lora_A', '0.lora_B']
>>> nn.lora.merge(model)
['0']
>>> model[0]
Linear(in_features=8, out_features=8, bias=True)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.nn import init
from nnlite.nn.checks import probability, real_number, whole_number
from nnlite.nn.layers.attention import NonDynamicallyQuantizableLinear
from nnlite.nn.layers.linear import Linear
from nnlite.nn.loading import nearest
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.create import zeros
from nnlite.ops.dropout import dropout
from nnlite.ops.linalg import linear
from nnlite.tensor import Tensor

__all__ = ["LoRALinear", "add", "merge", "remove", "state_dict"]

_PLAIN = (Linear, NonDynamicallyQuantizableLinear)


class LoRALinear(Linear):
    """A ``Linear`` with a low-rank adapter: ``y = x Wᵀ + b + (alpha / r) drop(x) Aᵀ Bᵀ``.

    ``add`` makes them of the layers of a model, and ``merge`` or ``remove`` makes ``Linear`` of
    them again; weight and bias keep their names, so the weights of the model without adapters load
    into it.

    Attributes:
        lora_A: shape (rank, in_features); starts as U(-1/√in_features, 1/√in_features).
        lora_B: shape (out_features, rank); starts at zero.
        scaling: alpha / rank.
        dropout: the share of the adapter's inputs that is dropped in training.
        plain_class: what the layer becomes again when the adapter goes.
    """

    lora_A: Parameter
    lora_B: Parameter
    scaling: float
    dropout: float
    plain_class: type[Linear]

    def forward(self, input: Tensor) -> Tensor:
        dropped = dropout(input, self.dropout, self.training)
        correction = linear(linear(dropped, self.lora_A), self.lora_B)
        return linear(input, self.weight, self.bias) + correction * self.scaling

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, rank={self.lora_A.array.shape[0]}, scaling={self.scaling}"


def add(
    model: Module, *patterns: str, rank: int = 8, alpha: float | None = None, dropout: float = 0.0
) -> list[str]:
    """Freeze ``model`` and give the linear layers that ``patterns`` name adapters to be trained.

    Args:
        model: what to fine-tune; changed in place. Everything in it is frozen, but adapters that
            it has already are trained on. What else shall be trained, a new head for example, is
            unfrozen afterwards: ``model.unfreeze("head")``. Of a ``MultiheadAttention`` only
            ``out_proj`` is a layer; the projections of query, key and value are parameters of its
            own, which are frozen and get no adapter.
        patterns: dotted names of ``Linear`` layers or of modules that hold some, with ``*``, ``?``
            and ``[…]`` as in ``Module.freeze``; none: all linear layers.
        rank: r, the rank of the correction; at least 1.
        alpha: the correction counts alpha / rank; default: ``rank``, hence 1.
        dropout: the share of the adapters' inputs that is dropped in training, in [0, 1].

    Returns:
        The names of the layers that have got adapters.

    Raises:
        ValueError: a pattern that names no linear layer without an adapter, a layer whose weight
            another layer uses too, or a rank, alpha or dropout out of range.
    """
    adapted = _adapted(model)
    rank = whole_number("lora.add", "rank", rank)
    chosen_alpha = rank if alpha is None else alpha
    scaling = real_number("lora.add", "alpha", chosen_alpha, 0, open_low=True) / rank
    dropout = probability("lora.add", "dropout", dropout)
    plain = {
        name: cast(Linear, layer) for name, layer in model.named_modules() if type(layer) in _PLAIN
    }
    chosen = _chosen(plain, patterns)
    _check_untied("add", model, {name: plain[name] for name in chosen})
    model.freeze()
    for layer in adapted.values():
        layer.lora_A.requires_grad_()
        layer.lora_B.requires_grad_()
    for name in chosen:
        _adapt(plain[name], rank, float(scaling), float(dropout))
    return chosen


def merge(model: Module) -> list[str]:
    """Add the adapters of ``model`` to the weights, W ← W + s B A, and make plain layers of them.

    The product is computed in double precision and rounded once, so that the outputs stay what they
    were up to round-off. Everything stays frozen or not as it was. Returns the layers' names.

    Raises:
        ValueError: another layer uses the weight of one of them, too, and would change with it.
    """
    adapted = _adapted(model)
    _check_untied("merge", model, adapted)
    for layer in adapted.values():
        weight = layer.weight.array
        correction = layer.lora_B.array.astype(np.float64) @ layer.lora_A.array.astype(np.float64)
        weight[...] = weight + layer.scaling * correction
        note_write(weight, "lora.merge")
        _restore(layer)
    return list(adapted)


def remove(model: Module) -> list[str]:
    """Drop the adapters of ``model``: its weights are what they were before, byte for byte.

    Returns the layers' names.
    """
    adapted = _adapted(model)
    for layer in adapted.values():
        _restore(layer)
    return list(adapted)


def state_dict(model: Module) -> dict[str, Tensor]:
    """The adapters of ``model`` alone, by name: a small file to be kept for each task.

    ``model.load_state_dict(adapters, strict=False)`` puts them into a model to which ``add`` has
    given adapters of the same rank.
    """
    names = [f"{name}.{part}" for name in _adapted(model) for part in ("lora_A", "lora_B")]
    own = model.state_dict()
    return {name.removeprefix("."): own[name.removeprefix(".")] for name in names}


def _adapted(model: Module) -> dict[str, LoRALinear]:
    if not isinstance(model, Module):
        raise TypeError(f"lora: expected a Module, got {type(model).__name__}")
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoRALinear)}


def _check_untied(function: str, model: Module, layers: Mapping[str, Linear]) -> None:
    """Raise where the weight of one of ``layers`` belongs to another module of the model, too."""
    users: dict[Parameter, list[str]] = {}
    for place, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            users.setdefault(parameter, []).append(f"{place}.{name}".removeprefix("."))
    for place, layer in layers.items():
        own = f"{place}.weight".removeprefix(".")
        others = [name for name in users[layer.weight] if name != own]
        if others:
            raise ValueError(
                f"lora.{function}: {own!r} is {others[0]!r}, too, which a merged adapter would "
                "change: name the other layers, or give this one a weight of its own first"
            )


def _chosen(plain: dict[str, Linear], patterns: tuple[str, ...]) -> list[str]:
    """The names among ``plain`` that the patterns mean."""
    from fnmatch import fnmatchcase

    if not plain:
        raise ValueError("lora.add: the model has no Linear layer without an adapter")
    chosen: dict[str, None] = {}
    for pattern in patterns or ("*",):
        found = [
            name
            for name in plain
            if fnmatchcase(name, pattern) or any(fnmatchcase(p, pattern) for p in _above(name))
        ]
        if not found:
            raise ValueError(
                f"lora.add: no Linear layer without an adapter matches {pattern!r}"
                f"{nearest(pattern, plain)}"
            )
        chosen.update(dict.fromkeys(found))
    return [name for name in plain if name in chosen]


def _above(name: str) -> list[str]:
    """The names of the modules that a layer lies in: ``a.b`` and ``a`` for ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _adapt(layer: Linear, rank: int, scaling: float, dropout: float) -> None:
    """Make a ``LoRALinear`` of a ``Linear``: the same object, wherever the model keeps it."""
    dtype = layer.weight.array.dtype
    adapted = cast(LoRALinear, layer)
    adapted.plain_class = type(layer)
    adapted.__class__ = LoRALinear
    adapted.lora_A = Parameter(zeros(rank, layer.in_features, dtype=dtype))
    adapted.lora_B = Parameter(zeros(layer.out_features, rank, dtype=dtype))
    init.kaiming_uniform_(adapted.lora_A, a=math.sqrt(5))
    adapted.scaling = scaling
    adapted.dropout = dropout


def _restore(layer: Any) -> None:
    """Make of a ``LoRALinear`` what it was before."""
    plain = layer.plain_class
    for name in ("lora_A", "lora_B", "scaling", "dropout", "plain_class"):
        delattr(layer, name)
    layer.__class__ = plain
