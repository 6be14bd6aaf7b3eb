"""A table of a model: its layers, what each gives, its parameters, and what of them is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nnlite.autograd.modes import no_grad
from nnlite.nn.module import Module
from nnlite.ops.create import zeros
from nnlite.tensor import Tensor

__all__ = ["Layer", "Summary", "summary"]


class Layer(NamedTuple):
    """One row: a module and what lies below it."""

    name: str
    kind: str
    depth: int
    output: str
    parameters: int
    trainable: int
    frozen: list[str]
    bytes: int

    @property
    def state(self) -> str:
        """``"trained"``, ``"frozen"``, ``"in part"``, or nothing without parameters and buffers."""
        if self.trainable:
            return "in part" if self.trainable < self.parameters or self.frozen else "trained"
        return "frozen" if self.frozen else ""


class Summary:
    """What ``summary`` found; printed, it is the table.

    Attributes:
        layers: a ``Layer`` for each module, the model itself first.
        parameters, trainable: how many numbers; shared parameters count once.
        bytes: memory of the parameters and buffers.
        output_bytes: memory of all outputs of the innermost layers for the given input, which is
            about what training keeps for backward; None without an input.
    """

    def __init__(self, layers: list[Layer], output_bytes: int | None) -> None:
        self.layers = layers
        self.parameters = layers[0].parameters
        self.trainable = layers[0].trainable
        self.bytes = layers[0].bytes
        self.output_bytes = output_bytes

    def __str__(self) -> str:
        rows = [("layer", "output", "parameters", "", "memory")]
        for layer in self.layers:
            label = f"{layer.name}: {layer.kind}" if layer.depth else layer.kind
            count = f"{layer.parameters:,}" if layer.parameters else "-"
            size = _size(layer.bytes) if layer.bytes else "-"
            rows.append(("  " * layer.depth + label, layer.output, count, layer.state, size))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            f"{label:{widths[0]}}  {output:{widths[1]}}  {count:>{widths[2]}}  "
            f"{state:{widths[3]}}  {size:>{widths[4]}}".rstrip()
            for label, output, count, state, size in rows
        ]
        rule = "-" * max(map(len, lines))
        frozen = self.parameters - self.trainable
        total = (
            f"{self.parameters:,} parameters ({_size(self.bytes)} with buffers): "
            f"{self.trainable:,} trained, {frozen:,} frozen"
        )
        if self.output_bytes is not None:
            total += f"; {_size(self.output_bytes)} of outputs"
        return "\n".join([lines[0], rule, *lines[1:], rule, total])

    __repr__ = __str__


def summary(model: Module, input: Any = None, *, depth: int | None = None) -> Summary:
    """A table of ``model``: layers, output shapes, parameters, trained or frozen, memory.

    Args:
        model: any module. Nothing of it changes: it is run once in ``eval()`` mode under
            ``no_grad``, and gets its modes back.
        input: what it is called with, a tensor or a tuple of its arguments; or the shape of a
            float tensor, a tuple of whole numbers such as ``(1, 3, 32, 32)``. Without it nothing
            is run, and no output shapes are known.
        depth: how deep to look into modules of modules; default: all the way.

    Raises:
        TypeError: ``model`` is no module.

    >>> from nnlite import nn
    >>> model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 1)).freeze("0")
    >>> print(summary(model, (32, 30)))
    layer        output    parameters           memory
    --------------------------------------------------
    Sequential   (32, 1)        2,049  in part  8.0 KB
      0: Linear  (32, 64)       1,984  frozen   7.8 KB
      1: ReLU    (32, 64)           -                -
      2: Linear  (32, 1)           65  trained   260 B
    --------------------------------------------------
    2,049 parameters (8.0 KB with buffers): 65 trained, 1,984 frozen; 16.1 KB of outputs
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected a Module, got {type(model).__name__}")
    outputs = {} if input is None else _outputs(model, _arguments(input))
    layers = []
    output_bytes = 0
    for name, module in model.named_modules():
        level = name.count(".") + 1 if name else 0
        if not any(True for _ in module.children()):
            output_bytes += sum(tensor.array.nbytes for tensor in _tensors(outputs.get(module)))
        if depth is None or level <= depth:
            layers.append(_layer(name.rpartition(".")[2], module, level, outputs.get(module)))
    return Summary(layers, None if input is None else output_bytes)


def _arguments(input: Any) -> tuple[Any, ...]:
    if isinstance(input, tuple) and input and all(type(length) is int for length in input):
        return (zeros(*input),)
    return input if isinstance(input, tuple) else (input,)


def _outputs(model: Module, arguments: tuple[Any, ...]) -> dict[Module, Any]:
    """What each module gives when the model is called; of several calls, the last."""
    outputs: dict[Module, Any] = {}
    modes = {module: module.training for module in model.modules()}
    hooks = [module.register_forward_hook(_keep(outputs)) for module in modes]
    try:
        with no_grad():
            model.eval()(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
    return outputs


def _keep(outputs: dict[Module, Any]) -> Any:
    def hook(module: Module, arguments: Any, output: Any) -> None:
        outputs[module] = output

    return hook


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def _layer(name: str, module: Module, depth: int, output: Any) -> Layer:
    parameters = list(module.parameters())
    return Layer(
        name=name,
        kind=type(module).__name__,
        depth=depth,
        output=", ".join(str(tuple(tensor.shape)) for tensor in _tensors(output)),
        parameters=sum(p.array.size for p in parameters),
        trainable=sum(p.array.size for p in parameters if p.requires_grad),
        frozen=module.frozen,
        bytes=sum(tensor.array.nbytes for tensor in [*parameters, *module.buffers()]),
    )


def _size(count: int) -> str:
    """A number of bytes for people."""
    if count < 1000:
        return f"{count} B"
    kilobytes = count / 1024
    for unit in ("KB", "MB"):
        if kilobytes < 1000:
            return f"{kilobytes:.1f} {unit}"
        kilobytes /= 1024
    return f"{kilobytes:.1f} GB"
