"""Every transpose and every sum of a gradient has its reason, and what it says is so."""

import pytest

import nnlite
from nnlite import nn
from nnlite.nn import functional as F


def explained(model, x, names=None):
    with nnlite.explain.recording():
        result = model(x)
        loss = (result[0] if isinstance(result, tuple) else result).square().mean()
    return nnlite.explain(loss, model=model, names=names)


def reasons(explanation):
    return {
        (step.name, rule.role): " ".join(rule.reasons)
        for step in explanation.steps
        for rule in step.rules
    }


MODELS = {
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(2, 4, 2, groups=2), nn.Flatten(), nn.Linear(4, 3), nn.LogSoftmax(dim=1),
        ),
        (2, 1, 4, 4),
    ),
    "recurrent": (lambda: nn.LSTM(2, 3, num_layers=2), (4, 2, 2)),
    "gated": (lambda: nn.GRU(2, 3), (4, 2, 2)),
    "attention": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True), (2, 3, 4)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_no_sum_is_without_a_reason(name):
    make, shape = MODELS[name]
    nnlite.manual_seed(0)
    explanation = explained(make(), nnlite.randn(*shape))
    summed = 0
    for step in explanation.steps:
        for rule in step.rules:
            if "Σ" in rule.right or "ᵀ" in rule.right:
                assert rule.reasons, (step.name, rule.text)
                summed += 1
    assert summed >= 4


def test_what_the_reasons_of_convolutions_say():
    make, shape = MODELS["convolutions"]
    found = reasons(explained(make(), nnlite.randn(*shape)))
    assert found["LogSoftmax", "x"] == (
        "each element of z₃ enters the sum Σ e^z₃ of all 3 along its axis, so its gradient sums "
        "over these 3"
    )
    assert found["Convolution", "x"] == (
        "each element of u₂ meets up to 4 places of the kernel in each of 2 channels of z₂, so its "
        "gradient sums over them"
    )
    assert found["NativeBatchNorm", "x"] == (
        "the mean and the scale of 32 elements of z₁ are made from all of them, so each acts on "
        "all 32: its gradient sums over them"
    )
    assert found["Linear", "X"] == (
        "each element of u₃ acts on 3 elements of z₃, over which the product sums: (2, 3) times "
        "(3, 4) is (2, 4), the shape of u₃"
    )


def test_a_recurrent_weight_is_used_at_every_step():
    found = reasons(explained(nn.LSTM(2, 3), nnlite.randn(4, 5, 2)))
    assert found["Lstm", "U"] == (
        "the same U₁ is used at 4 steps of each of 5 sequences, so its gradient sums over all of "
        "them"
    )


def test_an_element_that_acts_once_is_not_said_to_act_in_several_places():
    x = nnlite.randn(4, requires_grad=True)
    for padded, several in ((F.pad(x, (1, 1)), False), (x.cumsum(0), True)):
        step = nnlite.explain(padded.sum()).steps[1]
        assert ("several" in reasons(nnlite.explain(padded.sum()))[step.name, "x"]) == several


def test_the_mean_of_a_classification_has_its_reason():
    x = nnlite.randn(3, 4, requires_grad=True)
    loss = F.cross_entropy(x, nnlite.tensor([0, 1, 3]))
    found = reasons(nnlite.explain(loss))
    assert found["NllLoss", "x"] == "the loss is the mean of 3, so every element is divided by 3"
