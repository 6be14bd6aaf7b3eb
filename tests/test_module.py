"""Module and its containers: finding the parts, their names, state, hooks, modes, printing."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import nnlite
from nnlite import nn


class Block(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.scale = nn.Parameter(nnlite.ones(width))
        self.fc = nn.Linear(width, width)
        self.register_buffer("seen", nnlite.zeros(2))
        self.register_buffer("scratch", nnlite.zeros(1), persistent=False)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.fc(self.norm(x) * self.scale))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(Block(), Block())
        self.heads = [nn.Linear(3, 1), nn.Linear(3, 2, bias=False)]
        self.extra = {"a": nn.Linear(3, 1), "deep": ([nn.Parameter(nnlite.zeros(4))],)}
        self.note = "text"
        self.plain = nnlite.ones(7)
        self.history = [1, 2, [3.0, None]]

    def forward(self, x):
        h = self.body(x)
        return [head(h) for head in self.heads]


BLOCK = [
    "scale", "seen", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
    "norm.num_batches_tracked", "fc.weight", "fc.bias",
]  # fmt: skip


def bytes_of(module):
    return {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()}


# ---- finding the parts --------------------------------------------------------------------------


def test_names_come_in_torchs_order():
    names = list(nn.Sequential(Block()).state_dict())
    assert names == [f"0.{name}" for name in BLOCK]


def test_the_names_are_torchs(torch):
    class TorchBlock(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(3)
            self.scale = torch.nn.Parameter(torch.ones(3))
            self.fc = torch.nn.Linear(3, 3)
            self.register_buffer("seen", torch.zeros(2))
            self.register_buffer("scratch", torch.zeros(1), persistent=False)
            self.act = torch.nn.ReLU()

    mine, theirs = nn.Sequential(Block()), torch.nn.Sequential(TorchBlock())
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for method in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert [name for name, _ in getattr(mine, method)()] == [
            name for name, _ in getattr(theirs, method)()
        ]
    block, torch_block = mine[0], theirs[0]
    for recurse in (True, False):
        assert [n for n, _ in block.named_parameters("p", recurse)] == [
            n for n, _ in torch_block.named_parameters("p", recurse)
        ]


def test_parts_in_lists_tuples_and_dicts_are_found():
    net = Net()
    names = [name for name, _ in net.named_parameters()]
    assert names[0] == "extra.deep.0.0"
    assert names[-4:] == ["heads.0.bias", "heads.1.weight", "extra.a.weight", "extra.a.bias"]
    assert "plain" not in net.state_dict()
    assert [name for name, _ in net.named_children()] == ["body", "heads.0", "heads.1", "extra.a"]
    # And they train.
    sum(y.sum() for y in net(nnlite.randn(4, 3))).backward()
    assert net.heads[0].weight.grad is not None


def test_a_list_of_what_has_a_name_already_names_nothing(torch):
    def build(lib):
        class Net(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.pairs = []
                self.fc1 = lib.nn.Linear(2, 2)
                self.enc = lib.nn.Sequential(lib.nn.Linear(2, 2))
                self.layers = [self.fc1, self.enc[0], {"again": self.fc1}]
                self.weights = (self.fc1.weight, self.enc[0].bias)
                self.pairs.append((self, self.enc))

        return lib.nn.Sequential(Net())

    mine, theirs = build(nnlite), build(torch)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert repr(mine) == repr(theirs)
    hidden = nn.Linear(3, 3)
    mine[0].teacher = lambda: hidden
    assert list(mine.state_dict()) == list(theirs.state_dict())


def test_a_shared_parameter_is_one_parameter_with_two_names(torch):
    def tie(lib):
        model = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Linear(2, 2))
        model[1].weight = model[0].weight
        return model

    mine, theirs = tie(nnlite), tie(torch)
    for model in (mine, theirs):
        assert len(list(model.parameters())) == 3
        assert [n for n, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
        assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
        assert len(list(model.named_parameters(remove_duplicate=False))) == 4


def test_a_shared_module_is_visited_once():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(list(model.modules())) == 3
    assert [name for name, _ in model.named_modules()] == ["", "0", "1"]
    assert [name for name, _ in model.named_modules(remove_duplicate=False)] == ["", "0", "1", "2"]
    assert len(model.state_dict()) == 4
    assert len(model) == 3


def test_a_path_that_leads_back_is_not_followed():
    child = nn.Linear(2, 2)
    model = nn.Sequential(child)
    child.parent = [model]
    loop = []
    loop.append(loop)
    model.loop = loop
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    assert [name for name, _ in model.named_modules()] == ["", "0"]
    assert child.training
    model.eval()
    assert not child.training
    assert "..." in repr(model)
    assert copy.deepcopy(model)[0].parent[0] is not model


def test_attributes_keep_torchs_order_of_registration(torch):
    def build(lib):
        class Late(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.late = None
                self.a = lib.nn.Linear(1, 1)
                self.b = lib.nn.Linear(1, 1)
                self.late = lib.nn.Linear(1, 1)
                self.a = lib.nn.Linear(1, 2)

        return Late()

    assert list(build(nnlite).state_dict()) == list(build(torch).state_dict())


def test_without_super_init_a_module_works():
    class Forgetful(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(2, 1)
            self.register_buffer("b", nnlite.zeros(1))

        def forward(self, x):
            return self.fc(x)

    model = Forgetful()
    assert model.training
    assert list(model.state_dict()) == ["b", "fc.weight", "fc.bias"]
    assert model.eval()(nnlite.zeros(3, 2)).shape == (3, 1)
    assert Forgetful()._buffer_names is not model._buffer_names


def test_assigning_something_else_over_a_part_is_refused():
    layer = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=r"Tensor to Linear\.weight.*nn\.Parameter"):
        layer.weight = nnlite.zeros(1, 2)
    model = nn.Sequential(layer)
    with pytest.raises(TypeError, match=r"nn\.Module"):
        setattr(model, "0", 3)
    norm = nn.BatchNorm1d(2)
    with pytest.raises(TypeError, match="buffer"):
        norm.running_mean = [0.0, 0.0]
    norm.running_mean = nnlite.ones(2)
    assert norm.state_dict()["running_mean"].tolist() == [1.0, 1.0]
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]
    del layer.weight
    layer.weight = nnlite.zeros(1, 2)
    assert list(layer.parameters()) == []


def test_calling_a_module_without_forward():
    with pytest.raises(NotImplementedError, match=r"Lonely\.forward is missing"):
        type("Lonely", (nn.Module,), {})()(1)


def test_get_by_dotted_name():
    net = Net()
    assert net.get_submodule("body.1.fc") is net.body[1].fc
    assert net.get_submodule("") is net
    assert net.get_submodule("heads.1") is net.heads[1]
    assert net.get_parameter("heads.1.weight") is net.heads[1].weight
    assert net.get_buffer("body.0.seen") is net.body[0].seen
    with pytest.raises(AttributeError, match=r"no parameter 'heads\.1\.wieght'.*heads\.1\.weight"):
        net.get_parameter("heads.1.wieght")
    with pytest.raises(AttributeError, match=r"no module 'bodi'.*'body'"):
        net.get_submodule("bodi")
    with pytest.raises(AttributeError, match="no buffer"):
        net.get_buffer("fc")


def test_registering_by_name():
    model = nn.Module()
    model.register_parameter("w", nn.Parameter(nnlite.ones(1)))
    model.register_parameter("absent", None)
    model.register_module("fc", nn.Linear(1, 1))
    model.add_module("fc", nn.Linear(1, 2))
    assert model.absent is None
    assert list(model.state_dict()) == ["w", "fc.weight", "fc.bias"]
    for register, error, message in (
        (lambda: model.register_parameter("w", None), KeyError, "already"),
        (lambda: model.register_parameter("x", nnlite.ones(1)), TypeError, "Parameter or None"),
        (lambda: model.register_buffer("a.b", None), KeyError, "dot"),
        (lambda: model.register_buffer("", None), KeyError, "empty"),
        (lambda: model.register_buffer("w", nnlite.ones(1)), KeyError, "already"),
        (lambda: model.register_buffer("x", 1.0), TypeError, "Tensor or None, got float"),
        (lambda: model.register_buffer(1, None), TypeError, "string"),
        (lambda: model.add_module("forward", nn.ReLU()), KeyError, "already"),
        (lambda: model.add_module("x", nn.ReLU), TypeError, r"nn\.Module or None, got type"),
    ):
        with pytest.raises(error, match=message):
            register()


# ---- state --------------------------------------------------------------------------------------


def test_state_dict_shares_memory_and_load_copies():
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    state = a.state_dict()
    assert isinstance(state, OrderedDict)
    assert np.shares_memory(state["weight"].numpy(), a.weight.detach().numpy())
    assert not state["weight"].requires_grad
    assert a.state_dict(keep_vars=True)["weight"] is a.weight
    weight, memory = b.weight, b.weight.data_ptr()
    result = b.load_state_dict(state)
    assert result.missing_keys == result.unexpected_keys == []
    assert repr(result) == "<All keys matched successfully>"
    assert b.weight is weight
    assert b.weight.data_ptr() == memory
    assert bytes_of(a) == bytes_of(b)
    assert b.weight.requires_grad


def test_state_dict_with_prefix_and_destination():
    into = OrderedDict(first=nnlite.zeros(1))
    state = nn.Linear(1, 1).state_dict(destination=into, prefix="fc.")
    assert state is into
    assert list(state) == ["first", "fc.weight", "fc.bias"]


def test_names_that_collide_are_refused():
    model = nn.Module()
    model.parts = {1: nn.Linear(1, 1), "1": nn.Linear(1, 1)}
    with pytest.raises(ValueError, match=r"parts\.1\.weight"):
        model.state_dict()


def test_loading_reports_every_misfit_and_changes_nothing():
    model = nn.Sequential(OrderedDict(fc1=nn.Linear(3, 2), fc2=nn.Linear(2, 1)))
    state = model.state_dict()
    before = bytes_of(model)
    bad = {
        "fc1.weight": nnlite.zeros(2, 3),
        "fc1.bais": nnlite.zeros(2),
        "fc2.weight": nnlite.zeros(1, 5),
        "fc2.bias": "text",
    }
    with pytest.raises(RuntimeError) as caught:
        model.load_state_dict(bad)
    message = str(caught.value)
    assert message.startswith("Error(s) in loading state_dict for Sequential:\n\t")
    assert 'Missing key(s) in state_dict: "fc1.bias"' in message
    assert "Unexpected key(s) in state_dict: \"fc1.bais\" (near: 'fc1.bias')" in message
    assert (
        "size mismatch for fc2.weight: copying a param with shape nnlite.Size([1, 5]) from "
        "checkpoint, the shape in current model is nnlite.Size([1, 2])." in message
    )
    assert '"fc2.bias": expected a Tensor or a NumPy array, got str' in message
    assert bytes_of(model) == before
    with pytest.raises(TypeError, match="mapping"):
        model.load_state_dict([1])
    with pytest.raises(RuntimeError, match=r"rename=\{'module\.\*': '\*'\}"):
        model.load_state_dict({f"module.{name}": value for name, value in state.items()})


def test_the_error_has_torchs_lines(torch):
    lines = []
    for lib in (nnlite, torch):
        model = lib.nn.Sequential(lib.nn.Linear(3, 2))
        with pytest.raises(RuntimeError) as caught:
            model.load_state_dict({"0.weight": lib.zeros(1), "x": lib.zeros(1)})
        lines.append(str(caught.value).replace("nnlite", "torch").split("\n"))
    assert lines[0][0] == lines[1][0]
    for mine, theirs in zip(lines[0][1:], lines[1][1:]):
        assert mine.replace(" (near: '0.bias')", "").replace(" (near: 'x')", "") == theirs


def test_loading_without_strict():
    model = nn.Linear(3, 2)
    bias = model.bias.tolist()
    result = model.load_state_dict({"weight": np.ones((2, 3)), "x": nnlite.ones(1)}, strict=False)
    assert result == (["bias"], ["x"])
    assert repr(result) == "_IncompatibleKeys(missing_keys=['bias'], unexpected_keys=['x'])"
    assert model.weight.dtype == nnlite.float32
    assert model.weight.tolist() == [[1.0] * 3] * 2
    assert model.bias.tolist() == bias
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.load_state_dict({"weight": nnlite.ones(1)}, strict=False)


@pytest.mark.parametrize(
    "values",
    [
        np.array(["1", "2"]),
        np.array([1.0, None], dtype=object),
        np.array([1 + 2j, 3]),
        np.array(["2020-01-01", "2020-01-02"], "datetime64[D]"),
        np.array([(1.0,), (2.0,)], dtype=[("field", "f4")]),
    ],
)
def test_loading_what_is_no_real_number_is_refused(values):
    model = nn.Linear(3, 2)
    before = bytes_of(model)
    with pytest.raises(TypeError, match=r"load_state_dict: 'bias' .*astype") as caught:
        model.load_state_dict({"weight": np.ones((2, 3)), "bias": values})
    assert str(values.dtype) in str(caught.value)
    assert bytes_of(model) == before


def test_loading_converts_between_kinds_of_numbers():
    model = nn.BatchNorm1d(2)
    state = {name: value.double().numpy() + 0.7 for name, value in model.state_dict().items()}
    state["bias"] = np.array([True, False])
    model.load_state_dict(state)
    assert model.num_batches_tracked.dtype == nnlite.int64
    assert model.num_batches_tracked.item() == 0
    assert model.running_mean.tolist() == [np.float32(0.7)] * 2
    assert model.bias.tolist() == [1.0, 0.0]


def test_batches_counted_may_be_missing():
    norm = nn.BatchNorm1d(2)
    state = norm.state_dict()
    del state["num_batches_tracked"]
    norm.load_state_dict(state)


def test_a_backward_through_loaded_weights_is_refused():
    model = nn.Linear(2, 1)
    x = nnlite.ones(1, 2, requires_grad=True)
    loss = model(x).sum()
    model.load_state_dict(nn.Linear(2, 1).state_dict())
    with pytest.raises(RuntimeError, match="load_state_dict"):
        loss.backward()


def test_deepcopy_and_pickle():
    net = Net()
    net(nnlite.randn(5, 3))[0].sum().backward()
    net.body[0].freeze("fc")
    x = nnlite.randn(5, 3)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert bytes_of(twin) == bytes_of(net)
        assert twin.frozen == net.frozen
        assert isinstance(twin.heads[0].weight, nn.Parameter)
        assert twin.heads[0].weight.is_leaf
        assert twin.heads[0].weight.grad is None
        assert twin.eval()(x)[0].tolist() == copy.copy(net).eval()(x)[0].tolist()
        twin.heads[0].weight.data.zero_()
        assert net.heads[0].weight.abs().sum() > 0


def test_deepcopy_keeps_weights_shared():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    twin = copy.deepcopy(model)
    assert twin[1].weight is twin[0].weight
    assert twin[0].weight is not model[0].weight


def test_zero_grad():
    layer = nn.Linear(2, 1)
    layer(nnlite.ones(1, 2)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0.0, 0.0]]
    layer.zero_grad()
    assert layer.weight.grad is None


# ---- modes, dtypes, functions -------------------------------------------------------------------


def test_train_and_eval_reach_everything():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.body[0].train()
    assert [m.training for m in net.body] == [True, False]
    assert net.train(False) is net
    with pytest.raises(ValueError, match="mode must be True or False, got 'x'"):
        net.train("x")


def test_an_overridden_train_is_honoured():
    class Still(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

    model = nn.Sequential(Still(), nn.BatchNorm1d(2))
    model.train()
    assert model[0].training
    assert not model[0].norm.training
    assert model[1].training


def test_apply_goes_to_the_children_first(torch):
    def names(lib):
        seen = []
        model = lib.nn.Sequential(lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.ReLU()))
        assert model.apply(lambda module: seen.append(type(module).__name__)) is model
        return seen

    assert names(nnlite) == names(torch) == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_dtypes():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    weight = net[0].weight
    net(nnlite.randn(3, 2)).sum().backward()
    assert net.double() is net
    assert net[0].weight is weight
    assert weight.dtype == weight.grad.dtype == net[1].running_var.dtype == nnlite.float64
    assert net[1].num_batches_tracked.dtype == nnlite.int64
    assert net(nnlite.randn(3, 2).double()).dtype == nnlite.float64
    assert net.float()[0].weight.dtype == nnlite.float32
    assert net.half()[0].weight.dtype == nnlite.float16
    assert net.to(nnlite.float64)[0].weight.dtype == nnlite.float64
    assert net.to("cpu")[0].weight.dtype == nnlite.float64
    assert net.to(device="cpu", dtype=nnlite.float32)[0].weight.dtype == nnlite.float32
    assert net.to(nnlite.zeros(1).double())[0].weight.dtype == nnlite.float64
    assert net.cpu() is net
    with pytest.raises(TypeError, match="int64"):
        net.to(nnlite.int64)
    with pytest.raises(NotImplementedError, match="cuda"):
        net.to("cuda")


# ---- hooks --------------------------------------------------------------------------------------


def test_forward_hooks():
    layer = nn.Linear(2, 1, bias=False)
    nn.init.ones_(layer.weight)
    seen = []
    layer.register_forward_pre_hook(lambda m, args: seen.append("before"))
    double = layer.register_forward_pre_hook(lambda m, args: args[0] * 2)
    layer.register_forward_pre_hook(lambda m, args: seen.append("first"), prepend=True)
    layer.register_forward_hook(lambda m, args, y: seen.append(y.item()))
    negate = layer.register_forward_hook(lambda m, args, y: -y)
    assert layer(nnlite.ones(1, 2)).item() == -4
    assert seen == ["first", "before", 4]
    double.remove()
    double.remove()
    negate.remove()
    assert layer(nnlite.ones(1, 2)).item() == 2
    # Within a Sequential too.
    assert nn.Sequential(layer)(nnlite.ones(1, 2)).item() == 2
    assert seen[3:] == ["first", "before", 2] * 2


def test_a_handle_removes_its_own_hook_only():
    layer = nn.Identity()
    seen = []
    first = layer.register_forward_hook(lambda *_: seen.append(1))
    first.remove()
    layer.register_forward_hook(lambda *_: seen.append(2))
    first.remove()
    layer(0)
    assert seen == [2]


def test_hooks_with_keyword_arguments():
    class Scale(nn.Module):
        def forward(self, x, by=1):
            return x * by

    model = Scale()
    seen = []
    model.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True
    )
    model.register_forward_hook(
        lambda m, args, kwargs, y: seen.append((args, kwargs, y)), with_kwargs=True
    )
    assert model(2, by=3) == 8
    assert seen == [((2,), {"by": 4}, 8)]
    model.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="tuple"):
        model(2, by=3)


def test_a_module_that_overrides_call_is_called_in_a_sequential():
    class Counted(nn.Identity):
        calls = 0

        def __call__(self, *args):
            Counted.calls += 1
            return super().__call__(*args)

    nn.Sequential(Counted())(1)
    assert Counted.calls == 1


# ---- containers ---------------------------------------------------------------------------------


def test_sequential_as_a_list(torch):
    def walk(lib):
        nn = lib.nn
        model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))
        out = [list(model.state_dict()), list(model[1:].state_dict()), len(model), len(model[:-1])]
        model.append(nn.Tanh())
        model.extend([nn.Sigmoid(), nn.Identity()])
        out.append(repr(model))
        model.insert(1, nn.Linear(2, 2))
        out.append(repr(model))
        model[0] = nn.Linear(5, 2)
        model[-1] = nn.ReLU()
        out.append(repr(model))
        out.append(repr(model.pop(1)))
        del model[0]
        out.append(repr(model))
        del model[1:3]
        out.append(repr(model))
        out.append(repr(model + nn.Sequential(nn.ReLU())))
        out.append([type(m).__name__ for m in model])
        named = nn.Sequential(OrderedDict(fc=nn.Linear(1, 1), act=nn.ReLU()))
        out += [repr(named), repr(named[1:]), repr(named[-1]), repr(named.fc)]
        return out

    for mine, theirs in zip(walk(nnlite), walk(torch)):
        assert mine == theirs


def test_sequential_runs_in_order_and_takes_new_modules():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    x = nnlite.randn(3, 2)
    assert model(x).tolist() == model[0](x).relu().tolist()
    model.append(nn.Tanh())
    assert model(x).tolist() == model[0](x).relu().tanh().tolist()

    class Net(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(2, 4))
            self.limit = 3
            self.head = nn.Linear(4, 1)

    assert Net()(x).shape == (3, 1)
    assert nn.Sequential()(5) == 5


def test_wrong_uses_of_containers():
    with pytest.raises(TypeError, match=r"make an instance, ReLU\("):
        nn.Sequential(nn.Linear(1, 1), nn.ReLU)
    with pytest.raises(TypeError, match="argument '0'"):
        nn.Sequential(nnlite.relu)
    model = nn.Sequential(nn.ReLU())
    for wrong in (1, -2):
        with pytest.raises(IndexError, match=f"index {wrong} is out of range, there are 1"):
            model[wrong]
    with pytest.raises(TypeError):
        model["0"]
    with pytest.raises(TypeError, match="Module"):
        model.insert(0, 3)
    with pytest.raises(KeyError, match="no 'x', only a"):
        nn.ModuleDict({"a": nn.ReLU()})["x"]


def test_module_list(torch):
    def walk(lib):
        nn = lib.nn
        layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        layers.append(nn.ReLU())
        layers += [nn.ReLU()]
        out = [repr(layers), repr(layers[1:3]), repr(layers[-1]), len(layers)]
        layers.insert(1, nn.Tanh())
        out += [repr(layers), list(layers.state_dict())]
        layers[0] = nn.Sigmoid()
        layers.pop(2)
        del layers[-1]
        tail = [nn.ReLU()]
        out += [repr(layers), [type(m).__name__ for m in layers], repr(layers + tail)]
        out.append(repr(nn.ModuleList()))
        return out

    for mine, theirs in zip(walk(nnlite), walk(torch)):
        assert mine == theirs


def test_module_dict(torch):
    def walk(lib):
        nn = lib.nn
        parts = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.ReLU()})
        parts["c"] = nn.Tanh()
        parts.update([("d", nn.Tanh())])
        out = [repr(parts), list(parts), list(parts.keys()), len(parts), "a" in parts, "x" in parts]
        out += [repr(parts.pop("b")), repr(list(parts.items())), repr(list(parts.values()))]
        del parts["a"]
        out.append(list(parts.state_dict()))
        parts.clear()
        out.append(repr(parts))
        return out

    for mine, theirs in zip(walk(nnlite), walk(torch)):
        assert mine == theirs


# ---- printing -----------------------------------------------------------------------------------


def test_the_printed_form():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
            self.norm = nn.BatchNorm1d(2, momentum=None)
            self.parts = [nn.Dropout(0.1)]

        def extra_repr(self):
            return "a=1\nb=2"

    assert repr(Net()) == (
        "Net(\n"
        "  a=1\n"
        "  b=2\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=2, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (norm): BatchNorm1d(2, eps=1e-05, momentum=None, affine=True, bias=True, "
        "track_running_stats=True)\n"
        "  (parts.0): Dropout(p=0.1, inplace=False)\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"


# ---- parameters ---------------------------------------------------------------------------------


def test_a_parameter_shares_memory_with_its_tensor():
    x = nnlite.ones(2)
    p = nn.Parameter(x)
    x[0] = 5
    assert p.tolist() == [5.0, 1.0]
    assert p.is_leaf
    assert p.requires_grad
    assert repr(p) == "Parameter containing:\ntensor([5., 1.], requires_grad=True)"
    assert repr(nn.Parameter(x, requires_grad=False)) == "Parameter containing:\ntensor([5., 1.])"
    assert nn.Parameter().shape == (0,)
    assert nn.Parameter(p * 2).is_leaf
    assert not hasattr(p, "__dict__")
    # What is computed from it is an ordinary tensor.
    assert type(p * 2) is type(p.detach()) is nnlite.Tensor
    with pytest.raises(TypeError, match="must be a Tensor, got list"):
        nn.Parameter([1.0])
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(nnlite.tensor([1]))
    assert nn.Parameter(nnlite.tensor([1]), requires_grad=False).dtype == nnlite.int64


def test_parameters_print_as_torchs(torch):
    for values in ([1.0], [[0.5, -2.0]]):
        assert repr(nn.Parameter(nnlite.tensor(values))) == repr(
            torch.nn.Parameter(torch.tensor(values))
        )
