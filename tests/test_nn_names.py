"""The names of nnlite.nn: where they come from, when they are imported, and names that are not."""

import importlib
import inspect
import re
import subprocess
import sys

import pytest

import nnlite
from nnlite import nn


def test_every_name_is_there_and_listed():
    assert set(nn.__all__) == {*nn._LAZY, "Module", "Parameter"}
    assert set(nn.__all__) <= set(dir(nn))
    for file, names in nn._FILES.items():
        module = importlib.import_module(f"nnlite.nn.{file}")
        for name in names.split():
            assert getattr(nn, name) is getattr(module, name)
    for name in ("functional", "init", "lora", "utils"):
        assert getattr(nn, name) is importlib.import_module(f"nnlite.nn.{name}")


def test_layers_are_imported_when_they_are_asked_for():
    code = (
        "import sys, nnlite\n"
        "from nnlite import nn\n"
        "found = {n for n in sys.modules if n.startswith(('nnlite.nn.layers', 'nnlite.nn.util'))}\n"
        "assert not found, found\n"
        "assert 'nnlite.nn.loss' not in sys.modules\n"
        "nn.Linear\n"
        "assert 'nnlite.nn.layers.linear' in sys.modules\n"
        "assert 'nnlite.nn.layers.recurrent' not in sys.modules\n"
        "from nnlite.nn import *\n"
        "assert LSTM and CrossEntropyLoss and functional.relu"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("owner", "name", "near"),
    [
        (nn, "Lienar", "Linear"),
        (nn, "LayerNorm2d", "LayerNorm"),
        (nn.functional, "relu6_", "relu6"),
        (nn.functional, "crossentropy", "cross_entropy"),
    ],
)
def test_a_name_that_is_not_there_gets_its_nearest(owner, name, near):
    with pytest.raises(AttributeError, match=rf"{owner.__name__} has no '{name}'.*\b{near}\b"):
        getattr(owner, name)


OWNERS = [
    nn.init, nn.utils, nn.utils.rnn, nn.utils.parametrize, nn.utils.parametrizations,
]  # fmt: skip


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner in OWNERS for name in owner.__all__]
)
def test_every_function_has_its_arguments_and_an_example_documented(owner, name):
    function = getattr(owner, name)
    if not inspect.isfunction(function):
        return
    text = inspect.getdoc(function)
    arguments = text.partition("Args:\n")[2].partition("\n\n")[0]
    for argument in inspect.signature(function).parameters:
        assert re.search(rf"^    ([\w, ]+, )?{argument}(, [\w, ]+)?:", arguments, re.M), argument
    assert f"{name}(" in text.partition(">>> ")[2], "an example"


def test_fans_are_torchs(torch):
    for shape in ((3, 4), (2, 5, 3), (6, 2, 3, 3)):
        mine = nn.init._calculate_fan_in_and_fan_out(nnlite.empty(*shape))
        assert mine == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(*shape))
