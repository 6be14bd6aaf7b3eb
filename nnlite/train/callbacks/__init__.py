"""Callbacks: what else happens during training, each a small class with hooks (see `Callback`)."""

from nnlite.train.callbacks.base import HOOKS, Callback, CallbackError
from nnlite.train.callbacks.ema import EMA
from nnlite.train.callbacks.fine_tuning import FreezeAudit, GradualUnfreezing
from nnlite.train.callbacks.gradients import ClipGradNorm, ClipGradValue
from nnlite.train.callbacks.progress import ProgressBar
from nnlite.train.callbacks.saving import Checkpoint
from nnlite.train.callbacks.schedule import Schedule
from nnlite.train.callbacks.stopping import EarlyStopping

__all__ = [
    "EMA",
    "HOOKS",
    "Callback",
    "CallbackError",
    "Checkpoint",
    "ClipGradNorm",
    "ClipGradValue",
    "EarlyStopping",
    "FreezeAudit",
    "GradualUnfreezing",
    "ProgressBar",
    "Schedule",
]
