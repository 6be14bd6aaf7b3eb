"""Parameter groups for fine-tuning: a learning rate for each depth, no decay where none belongs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nnlite.nn.layers.containers import ModuleList, Sequential
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter

__all__ = ["param_groups"]


def param_groups(
    model: Module,
    base_lr: float,
    decay: float = 1.0,
    *,
    weight_decay: float = 0.0,
    layers: Sequence[Sequence[str] | str] | None = None,
) -> list[dict[str, Any]]:
    """Groups for an optimizer in which earlier layers learn more slowly.

    The last layer has the learning rate ``base_lr``, the one before it ``base_lr · decay``, then
    ``base_lr · decay²``, and so on: what is near the input is the most general, and needs the least
    change. Biases and the weights of normalisations (all parameters of one dimension) get no weight
    decay. Source: Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification"
    (arXiv:1801.06146), discriminative fine-tuning.

    Args:
        model: the model; frozen parameters get their groups too, so that they can be unfrozen
            later. Each parameter is in one group, the first that it belongs to.
        base_lr: the learning rate of the last layer.
        decay: by how much the rate shrinks from layer to layer, in (0, 1].
        weight_decay: of the parameters of two or more dimensions.
        layers: the layers from the input to the output, each a dotted name or several; a parameter
            belongs to the layer with the longest name before its own. Default: the children of the
            model, and in place of a Sequential or ModuleList its children.

    Returns:
        Dicts with ``"params"``, ``"lr"``, ``"weight_decay"`` and ``"name"``, from the input to the
        output; layers without parameters have none.

    Raises:
        TypeError: ``model`` is no module, or a rate no number.
        ValueError: ``base_lr``, ``decay`` or ``weight_decay`` out of range, a name in ``layers``
            that the model lacks, or a parameter that belongs to none of them.

    >>> from nnlite import nn, optim
    >>> model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    >>> groups = optim.param_groups(model, base_lr=0.1, decay=0.5, weight_decay=0.01)
    >>> [(group["name"], group["lr"], group["weight_decay"]) for group in groups]
    [('0', 0.05, 0.01), ('0', 0.05, 0.0), ('2', 0.1, 0.01), ('2', 0.1, 0.0)]
    >>> optimizer = optim.SGD(groups, lr=0.1, momentum=0.9)
    """
    if not isinstance(model, Module):
        raise TypeError(f"param_groups: expected a Module, got {type(model).__name__}")
    for name, value in [("base_lr", base_lr), ("decay", decay), ("weight_decay", weight_decay)]:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"param_groups: {name} must be a number, got {value!r}")
    for name, value, fits in [
        ("base_lr", base_lr, base_lr >= 0),
        ("decay", decay, 0 < decay <= 1),
        ("weight_decay", weight_decay, weight_decay >= 0),
    ]:
        if not fits:
            allowed = "lie in (0, 1]" if name == "decay" else "not be negative"
            raise ValueError(f"param_groups: {name} must {allowed}, got {value!r}")
    names = [
        [layer] if isinstance(layer, str) else list(layer) for layer in layers or _layers(model)
    ]
    members = _members(model, names)
    present = [depth for depth, parameters in enumerate(members) if parameters]
    groups = []
    for depth, parameters in enumerate(members):
        lr = base_lr * decay ** sum(other > depth for other in present)
        for decays in (True, False):
            chosen = [p for p in parameters if (p.array.ndim > 1) == decays]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "lr": lr,
                        "weight_decay": weight_decay if decays else 0.0,
                        "name": ", ".join(names[depth]),
                    }
                )
    return groups


def _layers(model: Module, prefix: str = "") -> Iterator[str]:
    """The names of the layers from the input to the output; "" for what is the model's own."""
    if not prefix and next(model.named_parameters(recurse=False), None) is not None:
        yield ""
    for name, child in model.named_children():
        if isinstance(child, (Sequential, ModuleList)):
            yield from _layers(child, f"{prefix}{name}.")
        else:
            yield prefix + name


def _members(model: Module, names: list[list[str]]) -> list[list[Parameter]]:
    """The parameters of each layer."""
    there = dict(model.named_modules(remove_duplicate=False))
    depths = {name: depth for depth, layer in enumerate(names) for name in layer}
    for name in depths:
        if name not in there and name not in dict(model.named_parameters()):
            from nnlite.nn.loading import nearest

            raise ValueError(f"param_groups: the model has no layer {name!r}{nearest(name, there)}")
    members: list[list[Parameter]] = [[] for _ in names]
    for name, parameter in model.named_parameters():
        owner = name
        while owner not in depths:
            if not owner:
                raise ValueError(f"param_groups: {name!r} belongs to none of the layers")
            owner = owner.rpartition(".")[0]
        members[depths[owner]].append(parameter)
    return members
