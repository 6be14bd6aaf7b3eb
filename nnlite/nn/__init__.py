"""Modules: layers, losses, containers, and what they are made of."""

from nnlite.nn import functional, init
from nnlite.nn.layers.activation import ReLU
from nnlite.nn.layers.containers import ModuleDict, ModuleList, Sequential
from nnlite.nn.layers.linear import Identity, Linear
from nnlite.nn.loss import BCEWithLogitsLoss
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter

__all__ = [
    "BCEWithLogitsLoss", "Identity", "Linear", "Module", "ModuleDict", "ModuleList", "Parameter",
    "ReLU", "Sequential", "functional", "init",
]  # fmt: skip
