"""Averages of weights: means and moving averages as in torch, buffers, BatchNorm, freezing."""

import copy

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.optim import swa_utils
from nnlite.optim.swa_utils import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)

# How to make an averaged model, of a library's swa_utils and a model.
MAKES = {
    "mean": lambda U, m: U.AveragedModel(m),
    "mean of each": lambda U, m: U.AveragedModel(m, avg_fn=U.get_swa_avg_fn()),
    "mean of all": lambda U, m: U.AveragedModel(m, multi_avg_fn=U.get_swa_multi_avg_fn()),
    "moving, of each": lambda U, m: U.AveragedModel(m, avg_fn=U.get_ema_avg_fn(0.9)),
    "moving, of all": lambda U, m: U.AveragedModel(m, multi_avg_fn=U.get_ema_multi_avg_fn()),
    "moving, little kept": lambda U, m: U.AveragedModel(
        m, multi_avg_fn=U.get_ema_multi_avg_fn(0.3)
    ),
    "mean, buffers": lambda U, m: U.AveragedModel(m, use_buffers=True),
    "moving, buffers": lambda U, m: U.AveragedModel(
        m, multi_avg_fn=U.get_ema_multi_avg_fn(0.9), use_buffers=True
    ),
    "moving of each, buffers": lambda U, m: U.AveragedModel(
        m, avg_fn=U.get_ema_avg_fn(0.9), use_buffers=True
    ),
    "a function of one's own": lambda U, m: U.AveragedModel(
        m, avg_fn=lambda average, current, count: (average * count + 2 * current) / (count + 2)
    ),
}
makes = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)


def model_of(lib, dtype="float64"):
    """A model with a BatchNorm, the same in both libraries."""
    layers = [lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Tanh(), lib.nn.Linear(4, 1)]
    model = lib.nn.Sequential(*layers).to(getattr(lib, dtype))
    rng = np.random.default_rng(0)
    with lib.no_grad():
        for p in model.parameters():
            p.copy_(lib.tensor(rng.standard_normal(tuple(p.shape)).astype(dtype)))
    return model


def train(lib, model, average, first, last):
    """Steps of SGD, with the average after each."""
    optimizer = lib.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    for step in range(first, last):
        x = np.random.default_rng(step).standard_normal((8, 3)).astype(dtype)
        optimizer.zero_grad()
        (model(lib.tensor(x)) ** 2).mean().backward()
        optimizer.step()
        average.update_parameters(model)


def values(model):
    return {name: np.array(value.detach().numpy()) for name, value in model.state_dict().items()}


def in_bytes(model):
    return {name: value.tobytes() for name, value in values(model).items()}


@makes
def test_averages_are_torchs(torch, make):
    found = []
    for lib in (nnlite, torch):
        model = model_of(lib)
        average = make(lib.optim.swa_utils, model)
        train(lib, model, average, 0, 6)
        found.append(values(average))
    mine, theirs = found
    # torch has the weight 1 / (n + 1) of this one as a float32 tensor.
    rtol = 1e-6 if make is MAKES["mean of all"] else 1e-10
    assert set(mine) == set(theirs)
    for name, value in theirs.items():
        assert mine[name].dtype == value.dtype, name
        np.testing.assert_allclose(mine[name], value, rtol=rtol, atol=1e-13, err_msg=name)


@makes
def test_a_loaded_average_goes_on_to_the_last_bit(make):
    model = model_of(nnlite, "float32")
    average = make(swa_utils, model)
    train(nnlite, model, average, 0, 3)
    twin = model_of(nnlite, "float32")
    twin.load_state_dict(copy.deepcopy(model.state_dict()))
    other = make(swa_utils, model_of(nnlite, "float32"))
    other.load_state_dict(copy.deepcopy(average.state_dict()))
    assert other.n_averaged.item() == 3
    train(nnlite, model, average, 3, 6)
    train(nnlite, twin, other, 3, 6)
    assert in_bytes(average) == in_bytes(other)


def test_states_are_exchanged_with_torch(torch):
    average = AveragedModel(model_of(nnlite, "float32"))
    train(nnlite, average.module, AveragedModel(average.module), 0, 1)
    theirs = torch.optim.swa_utils.AveragedModel(model_of(torch, "float32"))
    theirs.load_state_dict({name: torch.tensor(value) for name, value in values(average).items()})
    back = AveragedModel(model_of(nnlite, "float32"))
    back.load_state_dict({name: nnlite.tensor(v) for name, v in values(theirs).items()})
    assert in_bytes(back) == in_bytes(average)


def test_means_recorded_by_hand():
    model = nn.Linear(1, 1, bias=False)
    mean = AveragedModel(model)
    moving = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.75))
    for value in (1.0, 2.0, 6.0):
        nn.init.constant_(model.weight, value)
        mean.update_parameters(model)
        moving.update_parameters(model)
    assert mean.module.weight.item() == 3.0
    assert moving.module.weight.item() == 0.75 * 1.25 + 0.25 * 6
    assert mean.n_averaged.item() == 3
    assert mean(nnlite.ones(1, 1)).item() == 3.0


def test_the_average_is_a_copy():
    model = model_of(nnlite)
    average = AveragedModel(model)
    before = in_bytes(average)
    nn.init.zeros_(model[0].weight)
    assert in_bytes(average) == before
    average.update_parameters(model)
    assert not average.module[0].weight.detach().numpy().any()


def test_buffers_are_copied_or_averaged():
    model = model_of(nnlite)
    copied, averaged = AveragedModel(model), AveragedModel(model, use_buffers=True)
    for value in (0.0, 4.0):
        nn.init.constant_(model[1].running_mean, value)
        nn.init.constant_(model[1].num_batches_tracked, int(value))
        for average in (copied, averaged):
            average.update_parameters(model)
    assert copied.module[1].running_mean.tolist() == [4.0] * 4
    assert averaged.module[1].running_mean.tolist() == [2.0] * 4
    assert copied.module[1].num_batches_tracked.item() == 4
    assert averaged.module[1].num_batches_tracked.item() == 2
    assert averaged.module[1].num_batches_tracked.dtype == nnlite.int64


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize(
    "function",
    [
        None,
        {"avg_fn": get_ema_avg_fn(0.9)},
        {"avg_fn": get_swa_avg_fn()},
        {"multi_avg_fn": get_ema_multi_avg_fn(0.9)},
        {"multi_avg_fn": get_swa_multi_avg_fn()},
    ],
    ids=lambda f: "default" if f is None else next(iter(f)),
)
def test_what_is_frozen_does_not_change_by_a_bit(function, use_buffers):
    model = model_of(nnlite, "float32")
    model.freeze("0", "1")
    average = AveragedModel(model, use_buffers=use_buffers, **(function or {}))
    before, head = in_bytes(model), model[3].weight.tolist()
    train(nnlite, model, average, 0, 7)
    after, averaged = in_bytes(model), in_bytes(average)
    for name, kept in before.items():
        if name.startswith(("0.", "1.")):
            assert after[name] == kept, name
            assert averaged[f"module.{name}"] == kept, name
    assert average.module[3].weight.tolist() not in (head, model[3].weight.tolist())


def test_a_backward_that_would_read_averaged_weights_is_refused():
    model = nn.Linear(2, 1)
    average = AveragedModel(model)
    average.update_parameters(model)
    loss = (average.module.weight**2).sum()
    nn.init.zeros_(model.weight)
    average.update_parameters(model)
    with pytest.raises(RuntimeError, match="the averaging of weights"):
        loss.backward()


def test_update_bn_is_torchs(torch):
    found = []
    for lib in (nnlite, torch):
        model = model_of(lib)
        model[1].momentum = 0.3
        model.eval()
        rng = np.random.default_rng(0)
        inputs = [lib.tensor(rng.standard_normal((n, 3))) for n in (5, 8, 2)]
        loader = [inputs[0], (inputs[1], 0), [inputs[2]]]
        lib.optim.swa_utils.update_bn(loader, model)
        assert model[1].momentum == 0.3
        assert not model.training
        assert not model[1].training
        found.append(values(model))
    for name, value in found[1].items():
        np.testing.assert_allclose(found[0][name], value, rtol=1e-12, err_msg=name)


def test_update_bn_without_batch_norm_reads_nothing():
    update_bn(iter(()), nn.Linear(2, 1))

    def broken():
        raise AssertionError("nothing should be read")
        yield

    update_bn(broken(), nn.Linear(2, 1))


def test_update_bn_leaves_what_is_frozen_and_every_mode():
    model = model_of(nnlite)
    model.train()
    model[1].eval()
    model.freeze("1")
    before = in_bytes(model)
    update_bn([nnlite.ones(4, 3, dtype=nnlite.float64)], model)
    assert in_bytes(model) == before
    model.unfreeze("1")
    with pytest.raises(ZeroDivisionError):
        update_bn((1 / 0 for _ in range(1)), model)
    assert model.training
    assert not model[1].training
    assert model[1].momentum == 0.1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: get_ema_avg_fn(1.5), ValueError, r"decay must lie in \[0, 1\], got 1.5"),
        (lambda o: get_ema_multi_avg_fn(-0.1), ValueError, "get_ema_multi_avg_fn: decay .* -0.1"),
        (
            lambda o: AveragedModel(nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max),
            AssertionError,
            "give one",
        ),
        (lambda o: swa_utils.SWALR(3, 0.1), TypeError, "int is not an Optimizer"),
        (lambda o: swa_utils.SWALR(o, [0.1, 0.2]), ValueError, "swa_lr .* 1; got 2"),
        (lambda o: swa_utils.SWALR(o, 0.1, -1), ValueError, "anneal_epochs .* got -1"),
        (lambda o: swa_utils.SWALR(o, 0.1, 2.5), ValueError, "anneal_epochs .* got 2.5"),
        (lambda o: swa_utils.SWALR(o, 0.1, 1, "exp"), ValueError, "anneal_strategy .* 'exp'"),
    ],
)
def test_wrong_arguments(make, error, message):
    optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)])
    with pytest.raises(error, match=message):
        make(optimizer)


def test_what_is_no_model_and_negative_rates():
    with pytest.raises(TypeError, match=r"model must be an nn\.Module, got int"):
        AveragedModel(3)
    optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)])
    with pytest.raises(ValueError, match="SWALR: swa_lr must be a number of at least 0, got -1"):
        swa_utils.SWALR(optimizer, -1)
    assert "swa_lr" not in optimizer.param_groups[0]
