"""Callbacks for fine-tuning: unfreezing from the head down, and the audit of frozen bytes."""

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.optim import SGD, Adam
from nnlite.train import Callback, CallbackError, Trainer
from nnlite.train.callbacks.fine_tuning import FreezeAudit, GradualUnfreezing

X = nnlite.tensor(np.random.default_rng(0).standard_normal((20, 3)), dtype=nnlite.float32)
Y = (X[:, :1] > 0).float()


def network():
    nnlite.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Linear(4, 4), nn.Linear(4, 1)
    )


def trainer(model, *callbacks, optimizer=None):
    return Trainer(
        model,
        optimizer or SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01),
        nn.BCEWithLogitsLoss(),
        callbacks=callbacks,
        doctor=False,
    )


class Watch(Callback):
    """What is trained in each epoch."""

    def on_fit_start(self, trainer):
        self.trained = []

    def on_epoch_end(self, trainer):
        named = trainer.model.named_parameters()
        self.trained.append(
            sorted({name.rpartition(".")[0] for name, p in named if p.requires_grad})
        )


def test_from_the_head_down():
    watch = Watch()
    model = network()
    trainer(model, GradualUnfreezing(every=2), watch).fit((X, Y), epochs=7, batch_size=10)
    assert watch.trained == [
        ["2"],
        ["2"],
        ["1", "2"],
        ["1", "2"],
        ["0.1", "1", "2"],
        ["0.1", "1", "2"],
        ["0.0", "0.1", "1", "2"],
    ]
    assert model.frozen == []


def test_by_a_schedule():
    watch = Watch()
    model = network().freeze_except("2")
    schedule = {2: "1", 4: ["0.0", "0.1.*"]}
    trainer(model, GradualUnfreezing(schedule), watch).fit((X, Y), epochs=4, batch_size=10)
    assert watch.trained == [["2"], ["1", "2"], ["1", "2"], ["0.0", "0.1", "1", "2"]]


def test_a_resumed_run_goes_on_in_the_same_stage(tmp_path):
    def run(epochs, **options):
        model = network()
        nnlite.manual_seed(3)
        fitting = trainer(
            model, GradualUnfreezing(), nnlite.train.Checkpoint(tmp_path / f"{epochs}.ckpt")
        )
        fitting.fit((X, Y), epochs=epochs, batch_size=10, **options)
        return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}

    expected = run(5)
    run(2)
    assert run(5, resume=tmp_path / "2.ckpt") == expected


def test_a_parameter_that_the_optimizer_lacks():
    model = network()
    optimizer = SGD(model[2].parameters(), lr=0.1)
    with pytest.raises(CallbackError, match=r"does not have '0\.0\.weight' and 5 more"):
        trainer(model, GradualUnfreezing(), optimizer=optimizer).fit((X, Y), epochs=1)


def test_wrong_schedules():
    with pytest.raises(ValueError, match="every must be 1 or more epochs, got 0"):
        GradualUnfreezing(every=0)
    with pytest.raises(ValueError, match="epochs count from 1, got 0"):
        GradualUnfreezing({0: "2"})
    with pytest.raises(ValueError, match="every must be 1 or more epochs, got 'a'"):
        GradualUnfreezing(every="a")
    with pytest.raises(TypeError, match="epoch 2 needs a pattern or a list, got 3"):
        GradualUnfreezing({2: 3})
    with pytest.raises(CallbackError, match="matches 'head'"):
        trainer(network(), GradualUnfreezing({2: "head"})).fit((X, Y), epochs=1)
    with pytest.raises(CallbackError, match="not two layers"):
        trainer(nn.Linear(3, 1), GradualUnfreezing()).fit((X, Y), epochs=1)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_an_audit_of_an_honest_run(kind):
    model = network().freeze("0")
    audit = FreezeAudit()
    optimizer = kind(model.parameters(), lr=0.1, weight_decay=0.1)
    trainer(model, audit, GradualUnfreezing({3: "0.0"}), optimizer=optimizer).fit((X, Y), epochs=4)
    assert list(audit.digests) == [
        "0.1.weight", "0.1.bias", "0.1.running_mean", "0.1.running_var", "0.1.num_batches_tracked",
    ]  # fmt: skip


class Vandal(Callback):
    def __init__(self, how):
        self.how = how

    def on_batch_end(self, trainer):
        if trainer.epoch == 2:
            self.how(trainer.model)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda m: m[1].weight.data.mul_(2), r"epoch 2: 1\.weight \(last written to by mul_\)$"),
        (lambda m: m[1].bias.array.__setitem__(0, 9.0), r"epoch 2: 1\.bias$"),
        (lambda m: m[0][1].running_mean.add_(1), r"0\.1\.running_mean \(last written to by add_\)"),
    ],
)
def test_a_culprit_is_named(how, message):
    model = network().freeze("0", "1")
    with pytest.raises(CallbackError, match=message):
        trainer(model, FreezeAudit(), Vandal(how)).fit((X, Y), epochs=3)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("make", [SGD, Adam, nnlite.optim.AdamW])
def test_frozen_through_everything_that_a_trainer_does(make, affine, tmp_path):
    """Averages, clipping, decay, early stopping, a checkpoint and its resumption: not a byte."""

    def run(epochs, **options):
        nnlite.manual_seed(1)
        model = network()
        model[0][1] = nn.BatchNorm1d(4, affine=affine)
        model.freeze("0", "2.bias")
        before = {name: bytes_of(model, name) for name in model.frozen}
        kwargs = {"lr": 0.05, "weight_decay": 0.1}
        if make is SGD:
            kwargs["momentum"] = 0.9
        callbacks = [
            FreezeAudit(),
            nnlite.train.EMA(0.9, evaluate=True),
            nnlite.train.ClipGradNorm(0.5),
            nnlite.train.EarlyStopping(patience=9),
            nnlite.train.Checkpoint(tmp_path / f"{epochs}.ckpt"),
        ]
        fitting = trainer(model, *callbacks, optimizer=make(model.parameters(), **kwargs))
        fitting.fit((X, Y), (X, Y), epochs=epochs, batch_size=6, **options)
        assert {name: bytes_of(model, name) for name in model.frozen} == before
        return {name: bytes_of(model, name) for name in model.state_dict()}

    expected = run(6)
    assert expected["1.weight"] != run(3)["1.weight"]
    assert run(6, resume=tmp_path / "3.ckpt") == expected


def bytes_of(model, name):
    return model.state_dict()[name].numpy().tobytes()
