"""The networks of the examples are explained: every line is right, with and without a recording."""

import contextlib

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.explain.fold import Fold

F = nn.functional


class LSTM(nn.Module):
    """As in examples/digits_lstm.py."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, 10)

    def forward(self, rows):
        return self.head(self.lstm(rows)[0])[:, -1]


class Transformer(nn.Module):
    """As in examples/digits_transformer.py."""

    def __init__(self, width=8):
        super().__init__()
        self.embed = nn.Linear(4, width)
        self.place = nn.Parameter(0.02 * nnlite.randn(17, width))
        self.first = nn.Parameter(nnlite.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(
            width, nhead=2, dim_feedforward=12, dropout=0.1, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, norm=nn.LayerNorm(width))
        self.head = nn.Linear(width, 10)

    def forward(self, tiles):
        first = self.first.expand(len(tiles), 1, -1)
        sequence = nnlite.cat([first, self.embed(tiles)], dim=1) + self.place
        return self.head(self.encoder(sequence)[:, 0])


def cnn():
    """As in examples/digits_cnn.py."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(24, 10),
    )


NETWORKS = {
    "cnn": (cnn, (3, 1, 8, 8)),
    "lstm": (LSTM, (3, 8, 8)),
    "transformer": (Transformer, (3, 16, 4)),
}


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_line_is_right(name, recorded):
    make, shape = NETWORKS[name]
    model = make()
    x, y = nnlite.rand(*shape), nnlite.tensor([3, 1, 4])
    with nnlite.explain.recording() if recorded else contextlib.nullcontext():
        loss = F.cross_entropy(model(x), y)
    explanation = nnlite.explain(loss, model=model)
    for step in explanation.steps:
        for rule in step.rules:
            # A maximum of several zeros behind a ReLU has no derivative: that is said.
            kinks = {"kink", "right"} if "Pool" in step.name else {"right"}
            assert rule.check.status in kinks, (step.name, rule.text, rule.check)
    text = str(explanation)
    assert max(map(len, text.splitlines())) <= 100
    loss.backward()
    for leaf in explanation.leaves:
        parameter = dict(model.named_parameters())[leaf.value.name]
        np.testing.assert_array_equal(leaf.value.gradient, parameter.grad.numpy())
    assert len(explanation.leaves) == len(list(model.parameters()))


def test_modules_are_named():
    model = Transformer()
    with nnlite.explain.recording():
        loss = F.cross_entropy(model(nnlite.rand(2, 16, 4)), nnlite.tensor([1, 2]))
    explanation = nnlite.explain(loss, model=model, depth=1)
    names = [part.name for part in explanation.parts]
    assert "encoder" in names
    opened = explanation.open("encoder")
    assert "encoder" not in [part.name for part in opened.parts]
    assert "encoder.layers.1" in [part.name for part in opened.parts]
    assert len(opened.parts) > len(explanation.parts)
    with pytest.raises(KeyError, match=r"no fold 'decoder'; there are: encoder"):
        explanation.open("decoder")


def test_leaves_of_what_is_folded_are_one_line():
    layers = [layer for _ in range(40) for layer in (nn.Linear(4, 4), nn.Tanh())]
    model = nn.Sequential(*layers)
    explanation = nnlite.explain(model(nnlite.ones(2, 4)).sum(), model=model)
    text = str(explanation)
    assert "and 78 other leaves, not shown here; the norms of their gradients go from" in " ".join(
        text.split()
    )
    assert len(text.splitlines()) < 120
    (name,) = (part.name for part in explanation.parts if isinstance(part, Fold))
    assert "and 20 other leaves" in str(explanation.open(name))
