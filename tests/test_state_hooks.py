"""Hooks around ``state_dict`` and ``load_state_dict``, and modules put in place of others."""

import pickle

import pytest

import nnlite
from nnlite import nn


def model_of(lib):
    return lib.nn.Sequential(lib.nn.Sequential(lib.nn.Linear(2, 2)), lib.nn.Linear(2, 1))


def each_kind(lib):
    """What the four kinds of hooks on three modules are called with, in order."""
    seen = []
    model = model_of(lib)
    for name, module in (("all", model), ("inner", model[0]), ("last", model[1])):
        module.register_state_dict_pre_hook(
            lambda m, prefix, keep, n=name: seen.append(("save", n, prefix, keep))
        )
        module.register_state_dict_post_hook(
            lambda m, state, prefix, notes, n=name: seen.append(("saved", n, prefix))
        )
        module.register_load_state_dict_pre_hook(
            lambda m, state, prefix, notes, strict, missing, unexpected, errors, n=name: (
                seen.append(("load", n, prefix, strict, missing, unexpected, errors))
            )
        )
        module.register_load_state_dict_post_hook(
            lambda m, keys, n=name: seen.append(("loaded", n, list(keys.missing_keys)))
        )
    state = model.state_dict()
    model.load_state_dict({k: v for k, v in state.items() if k != "1.bias"}, strict=False)
    return seen


CALLS = [
    ("save", "all", "", False),
    ("save", "inner", "0.", False),
    ("save", "last", "1.", False),
    ("saved", "inner", "0."),
    ("saved", "last", "1."),
    ("saved", "all", ""),
    ("load", "all", "", False, [], [], []),
    ("load", "inner", "0.", False, [], [], []),
    ("load", "last", "1.", False, [], [], []),
    ("loaded", "inner", ["1.bias"]),
    ("loaded", "last", ["1.bias"]),
    ("loaded", "all", ["1.bias"]),
]


def names_only(calls):
    """Without what torch collects while it goes: missing names it learns module by module."""
    return sorted(call[:3] if call[0] != "loaded" else call[:2] for call in calls)


def test_each_is_called_for_its_module():
    assert sorted(map(repr, each_kind(nnlite))) == sorted(map(repr, CALLS))


def test_each_is_called_as_torch_calls_it(torch):
    assert names_only(each_kind(nnlite)) == names_only(each_kind(torch))


def test_below_comes_before_above_after_the_work_and_after_it_before():
    order = [call[1] for call in each_kind(nnlite) if call[0] == "saved"]
    assert order[-1] == "all"
    order = [call[1] for call in each_kind(nnlite) if call[0] == "loaded"]
    assert order[-1] == "all"
    order = [call[1] for call in each_kind(nnlite) if call[0] == "load"]
    assert order[0] == "all"


def rename(module, state, prefix, *_):
    state[prefix + "weight"] = state.pop(prefix + "kernel")


def renaming(lib):
    """An old name is renamed on the way in; the caller's dictionary keeps it."""
    model = model_of(lib)
    model[1].register_load_state_dict_pre_hook(rename)
    state = dict(model.state_dict())
    state["1.kernel"] = state.pop("1.weight") * 0 + 3.0
    given = dict(state)
    result = model.load_state_dict(state)
    assert list(state) == list(given)
    return repr(result), model[1].weight.tolist()


def test_a_name_is_translated_before_loading():
    assert renaming(nnlite) == ("<All keys matched successfully>", [[3.0, 3.0]])


def test_a_name_is_translated_as_in_torch(torch):
    assert renaming(nnlite) == renaming(torch)


def forgiving(lib):
    model = model_of(lib)
    state = dict(model.state_dict())
    del state["1.bias"]
    handle = model.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    first = repr(model.load_state_dict(state))
    handle.remove()
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "1.bias"'):
        model.load_state_dict(state)
    return first


def test_a_missing_name_can_be_forgiven(torch):
    assert forgiving(nnlite) == forgiving(torch) == "<All keys matched successfully>"


def test_what_a_hook_does_not_forgive_is_an_error():
    model = model_of(nnlite)
    model.register_load_state_dict_post_hook(lambda m, keys: None)
    with pytest.raises(RuntimeError, match="Missing"):
        model.load_state_dict({})
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.load_state_dict({**model.state_dict(), "1.bias": nnlite.zeros(3)})


def complaining(lib):
    model = model_of(lib)
    model[0].register_load_state_dict_pre_hook(
        lambda m, state, prefix, notes, strict, missing, unexpected, errors: (
            missing.append(prefix + "lost"),
            unexpected.append(prefix + "odd"),
        )
    )
    result = model.load_state_dict(model.state_dict(), strict=False)
    with pytest.raises(RuntimeError, match=r"0\.lost"):
        model.load_state_dict(model.state_dict())
    model[0].register_load_state_dict_pre_hook(lambda *args: args[-1].append("too old"))
    with pytest.raises(RuntimeError, match="too old"):
        model.load_state_dict(model.state_dict(), strict=False)
    return list(result.missing_keys), list(result.unexpected_keys)


def test_what_hooks_report_counts(torch):
    assert complaining(nnlite) == complaining(torch) == (["0.lost"], ["0.odd"])


def test_a_saved_state_can_be_changed():
    model = model_of(nnlite)
    handle = model[1].register_state_dict_post_hook(
        lambda m, state, prefix, notes: state.pop(prefix + "bias")
    )
    assert list(model.state_dict(prefix="net.")) == [
        "net.0.0.weight", "net.0.0.bias", "net.1.weight",
    ]  # fmt: skip
    handle.remove()
    assert "1.bias" in model.state_dict()


def test_hooks_of_one_module_are_not_anothers():
    first, second = nn.Linear(2, 1), nn.Linear(2, 1)
    first.register_state_dict_post_hook(lambda m, state, *_: state.clear())
    assert list(second.state_dict()) == ["weight", "bias"]
    assert not nn.Module._state_hooks


def test_a_module_with_hooks_is_pickled_and_called_as_before():
    layer = nn.Linear(2, 1)
    layer.register_load_state_dict_pre_hook(rename)
    twin = pickle.loads(pickle.dumps(layer))
    twin.load_state_dict({"kernel": layer.weight, "bias": layer.bias})
    assert nnlite.equal(twin(nnlite.ones(2)), layer(nnlite.ones(2)))


def replaced(lib):
    model = model_of(lib)
    model.set_submodule("0.0", lib.nn.Linear(2, 2, bias=False))
    model.set_submodule("0.more", lib.nn.Linear(2, 2))
    return list(model.state_dict())


def test_a_submodule_is_replaced(torch):
    assert replaced(nnlite) == replaced(torch)


def test_what_set_submodule_refuses():
    model = model_of(nnlite)
    with pytest.raises(ValueError, match="target must be a dotted name, got ''"):
        model.set_submodule("", nn.ReLU())
    with pytest.raises(AttributeError, match=r"no module '5'"):
        model.set_submodule("5.0", nn.ReLU())
    with pytest.raises(AttributeError, match=r"no module '0.7'"):
        model.set_submodule("0.7", nn.ReLU(), strict=True)
    with pytest.raises(TypeError, match=r"must be an nn\.Module or None, got int"):
        model.set_submodule("0.0", 3)
