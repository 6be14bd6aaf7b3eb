"""The freeze contract: what is frozen does not change by a byte, whatever happens around it."""

import copy
import pickle

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.optim import SGD

OPTIONS = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "dampening": {"momentum": 0.9, "dampening": 0.5},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "weight decay": {"weight_decay": 0.1},
    "momentum and weight decay": {"momentum": 0.9, "weight_decay": 0.1},
    "maximize": {"momentum": 0.9, "weight_decay": 0.1, "maximize": True},
}
BODY = [
    "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "body.1.running_mean",
    "body.1.running_var", "body.1.num_batches_tracked",
]  # fmt: skip


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU())
        self.norm = nn.BatchNorm1d(3, affine=False)
        self.head = nn.Linear(3, 1)

    def forward(self, x):
        return self.head(self.norm(self.body(x)))


def loss_of(model, seed=0):
    g = nnlite.Generator().manual_seed(seed)
    x = nnlite.randn(8, 4, generator=g) * 3 + 1
    return nn.BCEWithLogitsLoss()(model(x), (x[:, :1] > 0).float())


def train(model, optimizer, steps=3, set_to_none=True):
    for step in range(steps):
        optimizer.zero_grad(set_to_none)
        loss_of(model, step).backward()
        optimizer.step()


def bytes_of(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def changed(model, before):
    return [name for name, now in bytes_of(model).items() if now != before[name]]


@pytest.fixture
def net():
    nnlite.manual_seed(1)
    return Net()


# ---- the contract -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("when", ["before", "after", "after training", "between"])
def test_what_is_frozen_does_not_change(net, options, set_to_none, mode, when):
    getattr(net, mode)()
    if when == "before":
        net.freeze("body")
    optimizer = SGD(net.parameters(), lr=0.5, **options)
    if when == "after":
        net.freeze("body")
    if when == "after training":
        train(net, optimizer, 3, set_to_none)
        net.freeze("body")
    if when == "between":
        train(net, optimizer, 1, set_to_none)
        loss_of(net).backward()
        net.freeze("body")
        before = bytes_of(net)
        optimizer.step()
        assert changed(net, before) == ["head.weight", "head.bias"]
    before = bytes_of(net)
    train(net, optimizer, 4, set_to_none)
    expected = {"head.weight", "head.bias"}
    if mode == "train":
        expected |= {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}
    assert set(changed(net, before)) == expected


def test_everything_else_trains_as_if_the_frozen_part_were_constant(net):
    twin = copy.deepcopy(net)
    net.freeze("body").train()
    optimizer = SGD(net.parameters(), lr=0.5, momentum=0.9)
    train(net, optimizer)
    # The same by hand: the body in evaluation mode, and only the rest given to the optimizer.
    twin.body.eval()
    train(twin, SGD([*twin.norm.parameters(), *twin.head.parameters()], lr=0.5, momentum=0.9))
    assert bytes_of(net) == bytes_of(twin)


def test_requires_grad_by_hand_freezes_a_parameter_too(net):
    optimizer = SGD(net.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1)
    train(net, optimizer)
    net.body[0].weight.requires_grad = False
    before = bytes_of(net)
    train(net, optimizer)
    assert "body.0.weight" not in changed(net, before)
    assert "body.0.bias" in changed(net, before)
    assert net.frozen == ["body.0.weight"]
    net.body[0].weight.requires_grad = True
    before = bytes_of(net)
    train(net, optimizer)
    assert "body.0.weight" in changed(net, before)


def test_a_gradient_does_not_reach_what_is_frozen(net):
    optimizer = SGD(net.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1)
    train(net, optimizer)
    net.freeze("body.0")
    before = bytes_of(net)
    net.body[0].weight.grad = nnlite.ones(3, 4)
    net.body[0].bias.grad = nnlite.zeros(3)
    optimizer.step()
    assert not {"body.0.weight", "body.0.bias"} & set(changed(net, before))


def test_freezing_between_forward_and_backward(net):
    optimizer = SGD(net.parameters(), lr=0.5)
    loss = loss_of(net)
    net.freeze("body.0")
    before = bytes_of(net)
    loss.backward()
    assert net.body[0].weight.grad is None
    optimizer.step()
    assert "body.0.weight" not in changed(net, before)


def test_old_gradients_are_dropped_by_freeze_and_by_unfreeze(net):
    optimizer = SGD(net.parameters(), lr=0.5)
    loss_of(net).backward()
    net.freeze("head")
    assert net.head.weight.grad is None
    net.unfreeze("head")
    before = bytes_of(net)
    optimizer.step()
    assert not {"head.weight", "head.bias"} & set(changed(net, before))
    # One that was frozen by hand still has its gradient; unfreeze drops it.
    loss_of(net).backward()
    net.head.weight.requires_grad = False
    assert net.head.weight.grad is not None
    net.unfreeze("head")
    assert net.head.weight.grad is None
    # What trains keeps its gradient.
    net.zero_grad()
    loss_of(net).backward()
    net.unfreeze()
    assert net.head.weight.grad is not None


def test_momentum_rests_while_frozen():
    w = nn.Parameter(nnlite.tensor([1.0]))
    model = nn.Module()
    model.w = w
    optimizer = SGD([w], lr=1.0, momentum=0.5)
    (w * 2).sum().backward()
    optimizer.step()
    model.freeze()
    for _ in range(3):
        optimizer.zero_grad()
        optimizer.step()
    assert w.tolist() == [-1.0]
    assert optimizer.state[w]["momentum_buffer"].tolist() == [2.0]
    model.unfreeze()
    (w * 2).sum().backward()
    optimizer.step()
    assert w.tolist() == [-4.0]  # b = 0.5 * 2 + 2


def test_clip_norms_are_computed_over_what_trains(net):
    loss_of(net).backward()
    for p in net.parameters():
        p.grad = nnlite.ones(*p.shape)
    net.body[0].weight.requires_grad = False
    trained = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert nn.utils.clip_grad_norm_(net.parameters(), 1.0).item() == pytest.approx(trained**0.5)
    assert net.body[0].weight.grad.tolist() == nnlite.ones(3, 4).tolist()


def test_backward_does_no_work_for_what_is_frozen():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1)).freeze("0")
    y = model(nnlite.randn(2, 3))
    (linear,) = [node for node, _ in y.grad_fn.next_functions if node is not None][:1]
    assert linear.variable is model[2].weight
    assert len([node for node, _ in y.grad_fn.next_functions if node]) == 2  # not the input
    with pytest.raises(RuntimeError, match="unfreeze"):
        model.freeze()(nnlite.randn(2, 3)).sum().backward()


def test_a_shared_parameter_is_frozen_everywhere():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert model.freeze("1").frozen == ["0.weight", "1.bias"]


# ---- BatchNorm ----------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_frozen_batch_norm_is_a_fixed_function(affine, momentum, mode):
    norm = nn.BatchNorm1d(3, affine=affine, momentum=momentum)
    norm(nnlite.randn(16, 3) * 2 + 1)
    expected = norm.eval()(nnlite.ones(4, 3)).tolist()
    norm.freeze()
    getattr(norm, mode)()
    before = bytes_of(norm)
    assert norm(nnlite.ones(4, 3)).tolist() == expected
    assert norm(nnlite.ones(1, 3)).tolist() == expected[:1]  # no batch is too small
    norm(nnlite.randn(16, 3))
    assert changed(norm, before) == []
    # What lies before it still gets its gradient.
    x = nnlite.randn(4, 3, requires_grad=True)
    norm(x).sum().backward()
    slope = np.ones(3) / np.sqrt(norm.running_var.numpy() + norm.eps)
    np.testing.assert_allclose(x.grad.numpy(), np.tile(slope, (4, 1)), rtol=1e-5)
    norm.unfreeze().train()
    norm(nnlite.randn(16, 3))
    assert changed(norm, before) == ["running_mean", "running_var", "num_batches_tracked"]


def test_requires_grad_by_hand_leaves_the_statistics_running_as_in_torch(torch):
    states = []
    for lib in (nnlite, torch):
        norm = lib.nn.BatchNorm1d(2)
        norm.requires_grad_(False)
        norm.weight.requires_grad = False
        norm(lib.tensor([[1.0, 2.0], [3.0, 6.0]]))
        states.append([value.tolist() for value in norm.state_dict().values()])
    assert states[0] == states[1]
    assert states[0][2] == [pytest.approx(0.2), pytest.approx(0.4)]


def test_requires_grad_of_a_module_set_to_true_unfreezes_the_statistics():
    norm = nn.BatchNorm1d(2, affine=False).freeze()
    assert norm.requires_grad_(True) is norm
    assert norm.frozen == []
    norm(nnlite.randn(4, 2))
    assert norm.num_batches_tracked.item() == 1


def test_without_running_statistics_there_is_nothing_to_hold():
    norm = nn.BatchNorm1d(2, track_running_stats=False).freeze()
    y = norm(nnlite.randn(64, 2) * 5 + 3)
    np.testing.assert_allclose(y.numpy().mean(axis=0), 0, atol=1e-6)
    assert norm.frozen == ["weight", "bias"]


def test_dropout_goes_on_in_a_frozen_module():
    model = nn.Sequential(nn.Dropout(0.5)).freeze()
    assert (model(nnlite.ones(100)) == 0).any()


# ---- patterns -----------------------------------------------------------------------------------


def test_patterns(net):
    assert net.freeze("body") is net
    assert net.frozen == BODY
    assert net.unfreeze("body.1*").frozen == BODY[:2]
    assert net.unfreeze().frozen == []
    assert net.freeze("body.*").frozen == BODY
    assert net.unfreeze().freeze("*.bias").frozen == ["body.0.bias", "body.1.bias", "head.bias"]
    assert net.unfreeze().freeze("head.weight", "body.?.bias").frozen == [
        "body.0.bias", "body.1.bias", "head.weight",
    ]  # fmt: skip
    statistics = ["norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]
    assert net.unfreeze().freeze("norm").frozen == statistics
    assert net.unfreeze().freeze("norm.running_mean").frozen == statistics
    everything = net.unfreeze().freeze().frozen
    assert everything == net.unfreeze().freeze("*").frozen == list(net.state_dict())
    assert net.freeze().frozen == everything
    assert not any(p.requires_grad for p in net.parameters())
    assert net.unfreeze("body.1.*").frozen == [n for n in everything if "body.1" not in n]
    # Below a module, names begin anew.
    assert net.unfreeze().body.freeze("1").frozen == [name[5:] for name in BODY[2:]]


def test_parts_in_lists_are_frozen_by_their_names():
    model = nn.Module()
    model.layers = [nn.Linear(1, 1), nn.Linear(1, 1)]
    model.by_name = {"a[0]": nn.Linear(1, 1)}
    assert model.freeze("layers.1").frozen == ["layers.1.weight", "layers.1.bias"]
    assert model.unfreeze().freeze("by_name.a[0]").frozen == [
        "by_name.a[0].weight", "by_name.a[0].bias",
    ]  # fmt: skip


def test_a_pattern_that_matches_nothing(net):
    for method in (net.freeze, net.unfreeze):
        with pytest.raises(ValueError, match=rf"{method.__name__}: .*Net matches 'bodi'.*'body'"):
            method("head", "bodi")
        assert net.frozen == []
    with pytest.raises(ValueError, match="matches ''"):
        net.freeze("")
    with pytest.raises(TypeError, match=r"strings over dotted names.*its own freeze\(\)"):
        net.freeze(net.body)
    with pytest.raises(TypeError, match="strings"):
        net.freeze(["body"])
    with pytest.raises(ValueError, match="matches 'x'"):
        nn.ReLU().freeze("x")
    assert nn.ReLU().freeze().frozen == []


def test_whole_numbers_are_never_unfrozen():
    model = nn.Module()
    model.index = nn.Parameter(nnlite.tensor([1, 2]), requires_grad=False)
    assert model.unfreeze().frozen == ["index"]


def test_everything_but_the_head(net):
    rest = [name for name in Net().freeze().frozen if not name.startswith("head")]
    assert net.freeze_except("head").frozen == rest
    net.freeze("head.bias")
    assert "head.bias" in net.freeze_except("head").frozen  # frozen before: it stays so
    before = bytes_of(net)
    train(net, SGD(net.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1))
    assert changed(net, before) == ["head.weight"]
    net.unfreeze()
    with pytest.raises(ValueError, match=r"matches 'haed' \(near: 'head"):
        net.freeze_except("head", "haed")
    with pytest.raises(ValueError, match="name what is not to be frozen"):
        net.freeze_except()
    assert net.frozen == []


# ---- keeping it ---------------------------------------------------------------------------------


def test_the_list_of_names_restores_exactly(net):
    for patterns in ([], ["body"], ["*.bias"], ["norm"], ["*"]):
        net.unfreeze()
        if patterns:
            net.freeze(*patterns)
        names = net.frozen
        twin = Net().freeze("head", "body.1")
        twin.frozen = names
        assert twin.frozen == names
        assert [m._statistics_frozen for m in twin.modules() if "Batch" in type(m).__name__] == [
            m._statistics_frozen for m in net.modules() if "Batch" in type(m).__name__
        ]
    # Frozen by hand, the statistics run on; that survives too.
    net.unfreeze()
    net.body.requires_grad_(False)
    twin = Net()
    twin.frozen = net.frozen
    assert twin.frozen == BODY[:4]
    with pytest.raises(ValueError, match=r"no parameter or buffer 'body\.0\.wait'.*weight"):
        twin.frozen = ["body.0.wait"]
    with pytest.raises(TypeError, match="string"):
        twin.frozen = "body"
    assert twin.frozen == BODY[:4]


def test_loading_keeps_what_is_frozen(net):
    net.freeze("body")
    names = net.frozen
    net.load_state_dict(Net().state_dict())
    assert net.frozen == names
    before = bytes_of(net)
    train(net, SGD(net.parameters(), lr=0.5, momentum=0.9))
    assert not set(names) & set(changed(net, before))


def test_copies_keep_what_is_frozen(net):
    net.freeze("body")
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.frozen == BODY
        before = bytes_of(twin)
        train(twin, SGD(twin.parameters(), lr=0.5, weight_decay=0.1))
        assert not set(BODY) & set(changed(twin, before))


def test_unfreezing_in_stages(net):
    net.freeze()
    net.unfreeze("head")
    optimizer = SGD(net.head.parameters(), lr=0.5, momentum=0.9)
    train(net, optimizer)
    net.unfreeze("body")
    optimizer.add_param_group({"params": net.body.parameters(), "lr": 0.05})
    before = bytes_of(net)
    train(net, optimizer)
    # (A bias in front of a normalisation has no effect, hence a gradient near 0.)
    assert set(changed(net, before)) | {"body.0.bias"} == {*BODY, "head.weight", "head.bias"}
