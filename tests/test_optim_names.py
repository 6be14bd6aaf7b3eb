"""Every public name of the optimizers, schedules and averages is documented and in its table."""

import inspect
import re
from pathlib import Path

import optimizers
import pytest
import schedulers

import nnlite
from nnlite.optim import lr_scheduler, swa_utils

BASES = {"Optimizer", "LRScheduler"}
NAMES = [
    (module, name)
    for module in (nnlite.optim, lr_scheduler, swa_utils)
    for name in module.__all__
    if not inspect.ismodule(getattr(module, name))
]
each = pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda x: x if x is str(x) else "")


IN_A_TABLE = {
    *(row.name for row in optimizers.ROWS),
    *(row.label.split(",")[0] for row in schedulers.ROWS),
}


# What is no optimizer and no schedule has tests of its own.
ELSEWHERE = {
    "LRScheduler": "test_lr_scheduler.py",
    "Optimizer": "test_optim.py",
    "param_groups": "test_param_groups.py",
    **dict.fromkeys(set(swa_utils.__all__) - {"SWALR"}, "test_swa.py"),
}


@each
def test_it_is_documented(module, name):
    thing = getattr(module, name)
    text = inspect.getdoc(thing)
    assert text
    assert text.splitlines()[0].endswith((".", ":"))
    assert ">>> " in text, "no example that runs"
    for argument in inspect.signature(thing).parameters:
        assert argument in text.partition("Args:")[2], f"the argument {argument} is not explained"
    if name not in BASES and not name.startswith(("get_ema", "update_")):
        assert "Source" in text, "the formula has no source"


@each
def test_its_methods_are_documented(module, name):
    thing = getattr(module, name)
    for method in vars(thing) if inspect.isclass(thing) else ():
        if not method.startswith("_") and callable(getattr(thing, method)):
            assert inspect.getdoc(getattr(thing, method)), method


@each
def test_it_is_in_a_table(module, name):
    if name in ELSEWHERE:
        tests = (Path(__file__).parent / ELSEWHERE[name]).read_text(encoding="utf-8")
        assert re.search(rf"\b{name}\(", tests)
    else:
        assert name in IN_A_TABLE


def test_torchs_names_are_there_or_answered(torch):
    assert set(swa_utils.__all__) == set(torch.optim.swa_utils.__all__)
    assert set(lr_scheduler.__all__) == set(torch.optim.lr_scheduler.__all__)
    for name in set(torch.optim.__all__) - set(nnlite.optim.__all__):
        with pytest.raises(AttributeError, match=r"nnlite\.optim has no"):
            getattr(nnlite.optim, name)


def test_names_are_listed_and_loaded_when_asked_for():
    import subprocess
    import sys

    assert set(nnlite.optim.__all__) <= set(dir(nnlite.optim))
    code = (
        "import sys, nnlite\n"
        "late = ['adam', 'adaptive', 'lbfgs', 'lion', 'lr_scheduler', 'swa_utils']\n"
        "assert not [n for n in late if 'nnlite.optim.' + n in sys.modules]\n"
        "nnlite.optim.Adam, nnlite.optim.lr_scheduler.StepLR, nnlite.optim.swa_utils.SWALR\n"
        "from nnlite.optim import *\n"
        "assert RMSprop and lr_scheduler"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
