"""Optimizers, schedules of the learning rate (``lr_scheduler``), and averages of weights."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnlite.missing import no_attribute
from nnlite.optim.optimizer import Optimizer
from nnlite.optim.sgd import SGD

if TYPE_CHECKING:
    from nnlite.optim import lr_scheduler, swa_utils
    from nnlite.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
    from nnlite.optim.adaptive import Adadelta, Adagrad, RMSprop
    from nnlite.optim.groups import param_groups
    from nnlite.optim.lbfgs import LBFGS
    from nnlite.optim.lion import Lion

# Imported when first asked for: a program uses one or two of them.
_LAZY = {
    "Adadelta": "adaptive", "Adagrad": "adaptive", "Adam": "adam", "AdamW": "adam",
    "Adamax": "adam", "LBFGS": "lbfgs", "Lion": "lion", "NAdam": "adam", "RAdam": "adam",
    "RMSprop": "adaptive", "lr_scheduler": "lr_scheduler", "param_groups": "groups",
    "swa_utils": "swa_utils",
}  # fmt: skip

__all__ = [
    "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "NAdam", "Optimizer",
    "RAdam", "RMSprop", "lr_scheduler", "param_groups", "swa_utils",
]  # fmt: skip


if not TYPE_CHECKING:  # else a type checker would take every name to be there

    def __getattr__(name: str) -> Any:
        file = _LAZY.get(name)
        if file is None:
            raise no_attribute("nnlite.optim", name, __all__)
        module = import_module(f"nnlite.optim.{file}")
        value = globals()[name] = module if name == file else getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
