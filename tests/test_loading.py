"""Loading weights that fit in part: other names, other shapes, other heads."""

import numpy as np
import pytest

import nnlite
from nnlite import nn


def body_and_head(classes):
    return nn.ModuleDict(
        {
            "encoder": nn.ModuleList([nn.Linear(3, 4), nn.Linear(4, 4)]),
            "head": nn.Linear(4, classes),
        }
    )


def test_a_head_of_another_size_is_skipped():
    theirs, ours = body_and_head(10), body_and_head(2)
    head = ours["head"].weight.numpy(force=True).copy()
    keys = ours.load_state_dict(theirs.state_dict(), mismatch="skip")
    assert keys == ([], [])
    assert keys.mismatched_keys == [
        ("head.weight", (10, 4), (2, 4)),
        ("head.bias", (10,), (2,)),
    ]
    assert repr(keys) == (
        "_IncompatibleKeys(missing_keys=[], unexpected_keys=[], mismatched_keys="
        "[('head.weight', nnlite.Size([10, 4]), nnlite.Size([2, 4])), "
        "('head.bias', nnlite.Size([10]), nnlite.Size([2]))])"
    )
    assert np.array_equal(ours["head"].weight.numpy(force=True), head)
    assert nnlite.equal(ours["encoder"][0].weight, theirs["encoder"][0].weight)
    with pytest.raises(RuntimeError, match=r"size mismatch for head\.bias"):
        ours.load_state_dict(theirs.state_dict())


def test_other_names():
    theirs, ours = body_and_head(2), body_and_head(2)
    state = {
        f"module.bert.{name.replace('encoder.', 'encoder.layer.')}": value
        for name, value in theirs.state_dict().items()
    }
    rename = {"module.bert.encoder.layer.*": "encoder.*", "module.bert.*": "*"}
    keys = ours.load_state_dict(state, rename=rename)
    assert repr(keys) == "<All keys matched successfully>"
    for name, value in theirs.state_dict().items():
        assert nnlite.equal(ours.state_dict()[name], value)


def test_a_part_of_the_weights():
    theirs, ours = body_and_head(2), body_and_head(2)
    part = {name: v for name, v in theirs.state_dict().items() if name.startswith("encoder.0.")}
    keys = ours.load_state_dict(part, strict=False)
    assert keys.missing_keys == ["encoder.1.weight", "encoder.1.bias", "head.weight", "head.bias"]
    layer = nn.Linear(3, 4)
    layer.load_state_dict(theirs.state_dict(), strict=False, rename={"encoder.0.*": "*"})
    assert nnlite.equal(layer.weight, theirs["encoder"][0].weight)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mismatch": "ignore"}, "mismatch must be 'raise' or 'skip', got 'ignore'"),
        ({"rename": {"encodr.*": "*"}}, r"no name matches 'encodr\.\*' \(near: 'encoder"),
        ({"rename": {"encoder.*": "*.*"}}, r"more \* in '\*\.\*' than in 'encoder\.\*'"),
        ({"rename": {"encoder.*.weight": "w"}}, "the same name, 'w'"),
    ],
)
def test_wrong_arguments_change_nothing(options, message):
    ours = body_and_head(2)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        ours.load_state_dict(body_and_head(2).state_dict(), **options)
    assert all(nnlite.equal(ours.state_dict()[name], value) for name, value in before.items())


def test_special_characters_are_no_patterns():
    layer = nn.Linear(1, 1, bias=False)
    layer.load_state_dict({"a+b[0]": np.ones((1, 1))}, rename={"a+b[0]": "weight"})
    assert layer.weight.item() == 1.0


def test_rename_is_a_dict():
    with pytest.raises(TypeError, match="rename must be a dict of pattern and new name, got str"):
        body_and_head(2).load_state_dict({}, rename="module.")
