"""Groups for fine-tuning: rates by depth, no decay for biases and norms."""

import pytest

from nnlite import nn, optim


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)) for _ in range(2)
        )
        self.scale = nn.Parameter(self.embedding.weight.data.clone())
        self.head = nn.Linear(4, 1)


def table(groups):
    return [(g["name"], round(g["lr"], 6), g["weight_decay"], len(g["params"])) for g in groups]


def test_rates_by_depth():
    model = Encoder()
    groups = optim.param_groups(model, 1.0, 0.5, weight_decay=0.1)
    assert table(groups) == [
        ("", 0.015625, 0.1, 1),
        ("embedding", 0.03125, 0.1, 1),
        ("blocks.0.0", 0.0625, 0.1, 1),
        ("blocks.0.0", 0.0625, 0.0, 1),
        ("blocks.0.1", 0.125, 0.0, 2),
        ("blocks.1.0", 0.25, 0.1, 1),
        ("blocks.1.0", 0.25, 0.0, 1),
        ("blocks.1.1", 0.5, 0.0, 2),
        ("head", 1.0, 0.1, 1),
        ("head", 1.0, 0.0, 1),
    ]
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
    optimizer = optim.Adam(groups)
    assert [g["lr"] for g in optimizer.param_groups][-1] == 1.0


def test_layers_by_name():
    groups = optim.param_groups(
        Encoder(), 1.0, 0.1, layers=[["embedding", "scale"], "blocks.0", "blocks.1", "head"]
    )
    assert [(name, lr, count) for name, lr, _, count in table(groups)] == [
        ("embedding, scale", 0.001, 2),
        ("blocks.0", 0.01, 1),
        ("blocks.0", 0.01, 3),
        ("blocks.1", 0.1, 1),
        ("blocks.1", 0.1, 3),
        ("head", 1.0, 1),
        ("head", 1.0, 1),
    ]


def test_frozen_and_shared_parameters():
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.Tanh(), shared, nn.Linear(3, 1)).freeze("0")
    groups = optim.param_groups(model, 1.0, 0.5)
    assert table(groups) == [
        ("0", 0.5, 0.0, 1),
        ("0", 0.5, 0.0, 1),
        ("3", 1.0, 0.0, 1),
        ("3", 1.0, 0.0, 1),
    ]
    optim.SGD(groups, lr=0.1)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((-1.0,), {}, "base_lr must not be negative, got -1.0"),
        ((1.0, 0.0), {}, r"decay must lie in \(0, 1\], got 0.0"),
        ((1.0, 1.5), {}, r"decay must lie in \(0, 1\], got 1.5"),
        ((1.0,), {"weight_decay": -1}, "weight_decay must not be negative, got -1"),
        ((1.0,), {"layers": ["embeding", "head"]}, r"no layer 'embeding' \(near: 'embedding'"),
        ((1.0,), {"layers": ["embedding", "head"]}, "'scale' belongs to none of the layers"),
    ],
)
def test_wrong_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        optim.param_groups(Encoder(), *arguments, **options)


def test_wrong_types():
    with pytest.raises(TypeError, match="param_groups: expected a Module, got int"):
        optim.param_groups(3, 0.1)
    with pytest.raises(TypeError, match="base_lr must be a number, got 'x'"):
        optim.param_groups(Encoder(), "x")
