"""Automatic differentiation: the graph, the engine, the grad modes, and the gradient checker."""

from nnlite.autograd import functional
from nnlite.autograd.anomaly import detect_anomaly, set_detect_anomaly
from nnlite.autograd.engine import backward, grad
from nnlite.autograd.equation import equation, latex
from nnlite.autograd.function import Function
from nnlite.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from nnlite.autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from nnlite.autograd.node import Node

__all__ = [
    "Function",
    "GradcheckError",
    "Node",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "equation",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "latex",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
