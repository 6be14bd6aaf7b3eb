"""The table of a model."""

import numpy as np
import pytest

import nnlite
from nnlite import nn


def network():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5)),
        nn.Flatten(),
        nn.Linear(8 * 16, 2),
    )


def test_the_table():
    model = network().freeze("0")
    text = str(nnlite.summary(model, (5, 3, 4, 4)))
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["layer", "output", "parameters", "memory"]
    assert lines[2] == ["Sequential", "(5,", "2)", "498", "in", "part", "2.0", "KB"]
    assert lines[4] == ["0:", "Conv2d", "(5,", "8,", "4,", "4)", "224", "frozen", "896", "B"]
    assert lines[5] == ["1:", "BatchNorm2d", "(5,", "8,", "4,", "4)", "16", "frozen", "136", "B"]
    assert lines[6] == ["2:", "ReLU", "(5,", "8,", "4,", "4)", "-", "-"]
    assert lines[9] == ["2:", "Linear", "(5,", "2)", "258", "trained", "1.0", "KB"]
    assert text.splitlines()[-1] == (
        "498 parameters (2.0 KB with buffers): 258 trained, 240 frozen; 12.5 KB of outputs"
    )


def test_nothing_of_the_model_changes():
    model = network()
    model[0].eval()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = nnlite.get_rng_state()
    nnlite.summary(model, nnlite.randn(2, 3, 4, 4, generator=nnlite.Generator()))
    assert [module.training for module in model.modules()] == modes
    assert all(np.array_equal(v.numpy(), before[name]) for name, v in model.state_dict().items())
    assert repr(nnlite.get_rng_state()) == repr(state)
    with pytest.raises(RuntimeError):
        nnlite.summary(model, (2, 4))
    assert [module.training for module in model.modules()] == modes
    model(nnlite.zeros(2, 3, 4, 4))  # no hooks are left behind that would fail


def test_without_input_and_less_deep():
    found = nnlite.summary(network(), depth=1)
    assert [layer.kind for layer in found.layers] == [
        "Sequential",
        "Sequential",
        "Flatten",
        "Linear",
    ]
    assert found.output_bytes is None
    assert (found.parameters, found.trainable) == (498, 498)
    assert repr(found) == str(found)


def test_shared_parameters_count_once_and_several_inputs_and_outputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 2)
            self.b = self.a

        def forward(self, x, y):
            return self.a(x), {"sum": self.b(y) + x}

    found = nnlite.summary(Two(), (nnlite.zeros(3, 2), nnlite.zeros(4, 1, 2)[:, 0][:3]))
    assert found.parameters == 6
    assert found.layers[0].output == "(3, 2), (3, 2)"


def test_no_module():
    with pytest.raises(TypeError, match="summary: expected a Module, got int"):
        nnlite.summary(3)
