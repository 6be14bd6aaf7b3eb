"""What nnlite has not, and what scripts for torch ask first: devices."""

import subprocess
import sys

import pytest

import nnlite
from nnlite import nn


@pytest.mark.parametrize(
    ("owner", "name", "hint"),
    [
        (nnlite, "arrange", "nnlite has no 'arrange'; the nearest that it has: arange"),
        (nnlite.optim, "ASGD", "nnlite.optim has no 'ASGD'; the nearest that it has: SGD"),
        (nn, "BatchNorm7d", "BatchNorm1d"),
    ],
)
def test_a_missing_name_is_answered_with_the_nearest(owner, name, hint):
    with pytest.raises(AttributeError) as error:
        getattr(owner, name)
    assert hint in str(error.value)


def test_python_names_the_nearest_method_of_a_tensor():
    """Tensor has no ``__getattr__`` of its own: it would slow every operation."""
    command = [sys.executable, "-c", "import nnlite; nnlite.ones(1).unsqeeze(0)"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert "'Tensor' object has no attribute 'unsqeeze'. Did you mean: 'unsqueeze'" in ended.stderr


def test_hasattr_still_says_no():
    assert not hasattr(nnlite.ones(1), "no_such_thing")
    assert not hasattr(nn, "no_such_thing")


def test_the_line_that_chooses_a_device():
    device = nnlite.device("cuda" if nnlite.cuda.is_available() else "cpu")
    assert repr(device) == "device(type='cpu')"
    assert (device.type, device.index, str(device)) == ("cpu", None, "cpu")
    x = nnlite.ones(2, device=device)
    assert x.device == device
    assert x.to(device) is x
    assert nn.Linear(2, 1).to(device).weight.device == device
    assert nnlite.cuda.device_count() == 0


def test_another_device_is_refused():
    device = nnlite.device("cuda", 1)
    assert repr(device) == "device(type='cuda', index=1)"
    with pytest.raises(NotImplementedError, match="computes on the CPU"):
        nnlite.ones(2, device=device)
    with pytest.raises(NotImplementedError, match="computes on the CPU"):
        nnlite.ones(2).to(device)


def test_device_prints_as_torch(torch):
    for arguments in [("cpu",), ("cuda",), ("cuda:1",), ("cuda", 0)]:
        ours, theirs = nnlite.device(*arguments), torch.device(*arguments)
        assert (repr(ours), str(ours), ours.type, ours.index) == (
            repr(theirs),
            str(theirs),
            theirs.type,
            theirs.index,
        )
