import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from nnlite import printing
from nnlite.printing import format_array, set_printoptions

# The recorder owns the cases, so that the recorded ones and the live ones are of one kind.
_path = Path(__file__).parents[1] / "scripts" / "record_printing.py"
_spec = importlib.util.spec_from_file_location("record_printing", _path)
recorder = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recorder)

RECORDED = json.loads(recorder.REFERENCE.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _defaults():
    yield
    set_printoptions(profile="default")


@pytest.fixture
def as_torch(monkeypatch):
    monkeypatch.setattr(printing, "LIBRARY", "torch")


def text_of(case):
    set_printoptions(profile="default")
    set_printoptions(**case.get("options", {}))
    return format_array(recorder.build(case), suffixes=recorder.suffixes(case))


@pytest.mark.usefixtures("as_torch")
def test_prints_what_torch_printed():
    assert len(RECORDED) > 300
    for case in RECORDED:
        assert text_of(case) == case["text"], case


@pytest.mark.usefixtures("as_torch")
def test_prints_what_torch_prints_now(torch):
    rng = np.random.default_rng(7)
    for _ in range(3000):
        case = recorder.random_case(rng)
        assert text_of(case) == recorder.torch_text(torch, case), case


def test_recording_is_up_to_date():
    recorded = [{key: case[key] for key in case if key != "text"} for case in RECORDED]
    expected = list(recorder.fixed_cases())
    # Compared as JSON, where nan equals nan.
    assert json.dumps(recorded[: len(expected)]) == json.dumps(expected)


def test_dtypes_are_nnlites():
    assert format_array(np.ones(2)) == "tensor([1., 1.], dtype=nnlite.float64)"
    assert format_array(np.array([], bool)) == "tensor([], dtype=nnlite.bool)"


def test_default_float_prints_no_dtype():
    assert format_array(np.ones(1), default_float=np.float64) == "tensor([1.])"
    text = format_array(np.ones(1, np.float32), default_float=np.float64)
    assert text == "tensor([1.], dtype=nnlite.float32)"


def test_prefix_sets_the_indent():
    text = format_array(np.eye(2, dtype=np.int64), prefix="Mask(", suffixes=["x" * 80])
    assert text == f"Mask([[1, 0],\n      [0, 1]],\n     {'x' * 80})"


def test_scalars_and_foreign_byte_order():
    assert format_array(np.float32(0.5)) == "tensor(0.5000)"
    assert format_array(np.array([1.5], ">f4")) == "tensor([1.5000])"


def test_signalling_nan_prints_without_a_warning():
    bits = np.array([0x7D01, 0x3C00], np.uint16)
    assert format_array(bits.view(np.float16)) == "tensor([nan, 1.], dtype=nnlite.float16)"


def test_a_summary_reads_only_what_it_shows():
    huge = np.broadcast_to(np.float32(1), (10**6, 10**6, 10**5))
    assert format_array(huge).count("1., 1., 1.,  ..., 1., 1., 1.") == 36


def test_sci_mode_lasts_for_one_setting_only():
    set_printoptions(sci_mode=True)
    assert format_array(np.ones(1, np.float32)) == "tensor([1.0000e+00])"
    set_printoptions(precision=2)
    assert format_array(np.ones(1, np.float32)) == "tensor([1.])"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "long"}, "no profile 'long'; choose one of 'default', 'short', 'full'"),
        ({"precision": -1}, "precision is -1"),
        ({"edgeitems": 2.5}, "edgeitems is 2.5"),
        ({"linewidth": -3}, "linewidth is -3"),
        ({"threshold": float("nan")}, "threshold is nan"),
    ],
)
def test_bad_options_change_nothing(options, message):
    with pytest.raises(ValueError, match=message):
        set_printoptions(**{"precision": 1, **options})
    assert format_array(np.array([0.5], np.float32)) == "tensor([0.5000])"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(2, np.complex64), r"complex64; print \.real and \.imag"),
        (np.array(["a"]), "<U1; convert it to numbers first"),
        (np.array([], object), "object; convert"),
    ],
)
def test_other_dtypes_are_refused(array, message):
    with pytest.raises(NotImplementedError, match=message):
        format_array(array)
