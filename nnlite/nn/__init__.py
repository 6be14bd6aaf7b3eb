"""Modules: layers, losses, containers, and what they are made of."""

from typing import NoReturn

from nnlite.missing import no_attribute
from nnlite.nn import functional, init, utils
from nnlite.nn.layers.activation import (
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from nnlite.nn.layers.containers import ModuleDict, ModuleList, Sequential
from nnlite.nn.layers.dropout import Dropout
from nnlite.nn.layers.linear import Identity, Linear
from nnlite.nn.layers.norm import BatchNorm1d
from nnlite.nn.layers.shape import Flatten, Unflatten
from nnlite.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
)
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter

__all__ = [
    "GELU", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "CrossEntropyLoss", "Dropout", "Flatten",
    "Identity", "L1Loss", "LeakyReLU", "Linear", "LogSoftmax", "MSELoss", "Module", "ModuleDict",
    "ModuleList", "NLLLoss", "Parameter", "ReLU", "Sequential", "Sigmoid", "Softmax", "Softplus",
    "Tanh", "Unflatten", "functional", "init", "utils",
]  # fmt: skip


def __getattr__(name: str) -> NoReturn:
    raise no_attribute("nnlite.nn", name, __all__)
