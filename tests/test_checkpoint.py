"""Checkpoints: whatever is saved comes back exactly, and damage is noticed."""

import collections
import enum
import hashlib
import json
import math
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open

from nnlite.io import checkpoint, load, load_checkpoint, save, save_checkpoint
from nnlite.tensor import Tensor, wrap

quick = settings(derandomize=True, database=None, deadline=None, max_examples=150)


def same(first, second):
    """Equal in type and in every bit, at every place."""
    if type(first) is not type(second):
        return False
    if isinstance(first, Tensor):
        return first.requires_grad == second.requires_grad and same(first.array, second.array)
    if isinstance(first, (np.ndarray, np.generic)):
        return (
            first.dtype == second.dtype
            and first.shape == second.shape
            and first.tobytes() == second.tobytes()
        )
    if isinstance(first, float):
        return struct.pack("<d", first) == struct.pack("<d", second)
    if isinstance(first, dict):
        return all(map(same, first, second)) and same([*first.values()], [*second.values()])
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def round_trip(tree, path):
    save_checkpoint(tree, path)
    return load_checkpoint(path)


# ---- what is saved comes back ------------------------------------------------------------------

DTYPES = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?")
    | hnp.complex_number_dtypes(endianness="?")
    | hnp.datetime64_dtypes()
    | hnp.timedelta64_dtypes()
    | hnp.unicode_string_dtypes()
    | hnp.byte_string_dtypes()
    | hnp.nested_dtypes(st.sampled_from([np.dtype("f4"), np.dtype(">i8"), np.dtype("U2")]))
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=3))
TENSORS = hnp.arrays(
    hnp.floating_dtypes(sizes=(16, 32, 64), endianness="=") | hnp.integer_dtypes(endianness="="),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=3),
).map(wrap)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**400), 2**400)
    | st.floats()
    | st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
    | st.text(st.characters(exclude_categories=()), max_size=5)
)
KEYS = st.text(max_size=3) | st.integers() | st.just("__metadata__") | st.just("tensor")
TREES = st.recursive(
    PLAIN | ARRAYS | TENSORS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


@quick
@given(tree=TREES)
def test_any_tree_round_trips(folder, tree):
    assert same(round_trip(tree, folder / "any"), tree)


FLOATS = [0.0, -0.0, math.nan, -math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1]
TREE = {
    "none": [None, True, False],
    "ints": [0, -1, 2**53, 2**53 + 1, -(2**63), 10**5000, -(2**128)],
    "floats": [*FLOATS, 1e16, struct.unpack("<d", b"\1\0\0\0\0\0\xf0\x7f")[0]],
    "texts": ["", "ä☃\0", '"\\\n', "\ud83d\ude00", "\udc80", "😀", '"nnlite.checkpoint":"1 '],
    "empty": [{}, [], (), [[]], ((),), {"": {}}],
    7: {-1: "int keys", 2**70: "long ones", "7": "and a text"},
    ("tensor"): {"tensor": "0", "dict": [[], []]},
    "order": {"b": 1, "a": 2, 3: 3, "c": 4},
    "scalars": [np.float32(0.1), np.int64(3), np.bool_(True), np.datetime64("2020-01-01", "ms")],
    "weights": {"w": wrap(np.arange(6, dtype=np.float32).reshape(2, 3)), "b": wrap(np.ones(()))},
    "trainable": wrap(np.ones(3)).requires_grad_(),
    "views": [np.arange(12).reshape(3, 4)[::2, ::-1], np.ones((2, 3), order="F").T],
    "dtypes": [
        np.array(["2020-01-01", "NaT"], "M8[D]"),
        np.array([1, 2], "m8[25s]"),
        np.array([1 + 2j], np.complex64),
        np.array([1.5], np.longdouble),
        np.array(["a", "long text", ""]),
        np.array([b"a\0b", b""]),
        np.array([1, 2], ">u2"),
        np.zeros((2, 0, 3), "<U5"),
        np.ndarray(3, "U0"),
        np.zeros(2, np.dtype([("ä☃", "<f4"), ("inner", [("x", ">i2", (2, 2))])], align=True)),
        np.array([1, 2, 3], np.uint64),
    ],
}


def test_a_tree_with_everything_in_it(tmp_path):
    loaded = round_trip(TREE, tmp_path / "c")
    for key, value in TREE.items():
        assert same(loaded[key], value), key
    assert same(loaded, TREE)
    assert list(loaded["order"]) == ["b", "a", 3, "c"]


def test_the_comparison_can_fail():
    assert not same(0.0, -0.0)
    assert not same(1, True)
    assert not same([1], (1,))
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same(np.zeros(2), wrap(np.zeros(2)))
    assert not same(np.zeros(2), np.zeros(2, np.float32))


@pytest.mark.parametrize(
    "name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"], ids=str.lower
)
def test_random_generators_go_on_where_they_were(tmp_path, name):
    rng = np.random.Generator(getattr(np.random, name)(7))
    rng.random(3, np.float32)  # PCG64 keeps half of a draw
    state = round_trip(rng.bit_generator.state, tmp_path / "c")
    expected = rng.random(5, np.float32)
    other = np.random.Generator(getattr(np.random, name)(0))
    other.bit_generator.state = state
    assert same(other.random(5, np.float32), expected)


def test_arrays_own_their_memory(tmp_path):
    tree = [np.ones(3), wrap(np.ones(3)), np.ones(3, complex), np.array(["a"])]
    for array in round_trip(tree, tmp_path / "c"):
        values = array.array if isinstance(array, Tensor) else array
        assert values.flags.writeable
        assert values.flags.aligned
        values[:] = values


def test_what_comes_back_as_something_plainer(tmp_path):
    ordered = collections.OrderedDict(b=1, a=2)
    assert same(round_trip(ordered, tmp_path / "c"), {"b": 1, "a": 2})
    shared = np.ones(2)
    first, second = round_trip([shared, shared], tmp_path / "c")
    first[0] = 5
    assert second.tolist() == [1, 1]


def test_the_same_tree_makes_the_same_file(tmp_path):
    save_checkpoint(TREE, tmp_path / "a")
    save_checkpoint(TREE, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_checkpoint_is_a_safetensors_file(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint({"w": wrap(np.float32([1, 2]))}, path)
    with safe_open(path, framework="numpy") as file:
        assert list(file.metadata()) == ["nnlite.checkpoint"]
    assert load(path)["0"].tolist() == [1, 2]


# ---- what is refused ---------------------------------------------------------------------------


class Colour(enum.IntEnum):
    RED = 1


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": [0, {"b": {1}}]}, r"tree\['a'\]\[1\]\['b'\] is a set, which a checkpoint cannot"),
        (object(), "tree is a object"),
        (1j, "tree is a complex"),
        (b"x", "tree is a bytes"),
        (Colour.RED, r"tree is a Colour, which would lose its type: convert it with int\(…\)"),
        ((Pair(1, 2),), r"tree\[0\] is a Pair.*tuple\(…\)"),
        (np.str_("a"), r"is a str_.*str\(…\)"),
        (np.ma.array([1.0]), r"is a MaskedArray.*np\.asarray"),
        ({1.5: 0}, r"tree has the key 1\.5 \(float\): keys are str or int"),
        ({"a": {True: 0}}, r"tree\['a'\] has the key True \(bool\)"),
        ({None: 0}, "has the key None"),
        ([np.array([None])], r"tree\[0\] has dtype object, which cannot be stored exactly"),
        ([np.zeros(1, [("x", "O")])], r"tree\[0\] has dtype"),
        ({"s": np.array(["a"], np.dtypes.StringDType())}, r"tree\['s'\] has dtype StringDType"),
        (wrap(np.ma.array([1.0])), "tree holds a MaskedArray, no NumPy array"),
    ],
)
def test_what_cannot_be_exact_is_refused(tmp_path, tree, message):
    with pytest.raises(TypeError, match=rf"save_checkpoint: .*{message}"):
        save_checkpoint(tree, tmp_path / "c")
    assert os.listdir(tmp_path) == []


def nested(levels):
    tree = []
    for _ in range(levels - 1):
        tree = [tree]
    return tree


def test_depth(tmp_path):
    deepest = nested(100)
    assert same(round_trip(deepest, tmp_path / "c"), deepest)
    endless = {}
    endless["a"] = [endless]
    for tree in (nested(101), nested(100_000), endless):
        with pytest.raises(ValueError, match="contains itself or is over 100 levels deep"):
            save_checkpoint(tree, tmp_path / "c")


def test_a_header_that_no_reader_would_take(tmp_path, monkeypatch):
    monkeypatch.setattr("nnlite.io.header.LONGEST", 1000)
    with pytest.raises(
        ValueError, match=r"save_checkpoint: .* put long lists of numbers into an a"
    ):
        save_checkpoint(list(range(1000)), tmp_path / "c")


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "c"
    save_checkpoint({"epoch": 1}, path)

    def interrupted(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint({"epoch": 2}, path)
    assert load_checkpoint(path) == {"epoch": 1}
    with pytest.raises(OSError, match=r"no folder .*missing"):
        save_checkpoint({}, tmp_path / "missing" / "c")
    assert os.listdir(tmp_path) == ["c"]


# ---- files that are not as they were written ---------------------------------------------------

SMALL = {"epoch": 3, "w": wrap(np.float32([1, 2])), "when": np.array(["2020"], "M8[Y]")}


def test_truncated_at_every_byte(tmp_path):
    path = tmp_path / "small"
    save_checkpoint(SMALL, path)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"load_checkpoint: cannot read .*small': it is "):
            load_checkpoint(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(ValueError, match="truncated or damaged"):
        load_checkpoint(path)


def test_a_flipped_bit_in_any_byte_is_noticed(tmp_path):
    path = tmp_path / "small"
    save_checkpoint(SMALL, path)
    data = path.read_bytes()
    for place, bit in enumerate(np.random.default_rng(0).integers(0, 8, len(data))):
        damaged = bytearray(data)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"cannot read .*small': it is "):
            load_checkpoint(path)


def test_another_format_version(tmp_path, monkeypatch):
    path = tmp_path / "c"
    monkeypatch.setattr(checkpoint, "FORMAT", 12)
    save_checkpoint(SMALL, path)
    assert same(load_checkpoint(path), SMALL)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"checkpoint format 12, this version .* reads format 1"):
        load_checkpoint(path)
    path.write_bytes(path.read_bytes().replace(b'":"12 ', b'":"x2 '))
    with pytest.raises(ValueError, match="it is damaged"):
        load_checkpoint(path)


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "w.safetensors"
    save({"a": np.ones(3)}, path, metadata={"a": "b"})
    with pytest.raises(ValueError, match=r"w\.safetensors': it is no checkpoint.*nnlite\.io\.load"):
        load_checkpoint(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="it is empty"):
        load_checkpoint(path)
    path.write_bytes(np.random.default_rng(0).bytes(1000))
    with pytest.raises(ValueError, match="no checkpoint"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError, match="missing"):
        load_checkpoint(tmp_path / "missing")
    with pytest.raises(IsADirectoryError, match="folder"):
        load_checkpoint(tmp_path)


def forged(text, tensors="", data=b""):
    """A checkpoint with a right checksum and any contents."""
    value = json.dumps(f"1 {'0' * 64} {text}")
    header = f'{{"__metadata__":{{"nnlite.checkpoint":{value}}}{tensors}}}'.encode()
    header += b" " * (-len(header) % 8)
    file = struct.pack("<Q", len(header)) + header + data
    digest = hashlib.sha256(file).hexdigest().encode()
    return file.replace(b"0" * 64, digest, 1)


TENSOR = ',"0":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}'


@pytest.mark.parametrize(
    ("text", "tensors"),
    [
        ("nonsense", ""),
        ("[" * 50_000 + "]" * 50_000, ""),
        ('{"array":"0"}', ""),
        ('{"dict":[["a"],[]]}', ""),
        ('{"dict":[[{"tuple":[[]]}],[0]]}', ""),
        ('{"dict":0}', ""),
        ("{}", ""),
        ('{"eval":"1"}', ""),
        ('{"int":"x"}', ""),
        ('{"int":7}', ""),
        ('{"float":"00"}', ""),
        ('{"str":"00"}', ""),
        ('{"array":"0"}', ',"0":{"dtype":"F32","shape":[1],"data_offsets":[0,9]}'),
        ('{"array":"0"}', ',"0":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}'),
        ('{"tensor":"0","requires_grad":true}', TENSOR),
        ('{"array":"0","dtype":"\'|O\'","shape":[1]}', TENSOR),
        ('{"array":"0","dtype":"[(\'a\', \'|O\')]","shape":[1]}', TENSOR),
        ('{"array":"0","dtype":"__import__(\'os\')","shape":[1]}', TENSOR),
        ('{"array":"0","dtype":"\'<f8\'","shape":[2]}', TENSOR),
        ('{"array":"0","dtype":"\'<f8\'","shape":[1000000000000000]}', TENSOR),
        ('{"array":"0","dtype":"\'<f8\'","shape":[-1]}', TENSOR),
        ('{"array":"0","dtype":"\'<f8\'","shape":[-1,-1]}', TENSOR),
        ('{"array":"0","dtype":"\'<f8\'","shape":[0]}', TENSOR),
        ('{"array":"0","dtype":"\'<f8\'"}', TENSOR),
    ],
)
def test_a_right_checksum_over_wrong_contents(tmp_path, text, tensors):
    path = tmp_path / "forged"
    path.write_bytes(forged(text, tensors, b"\0" * 8 if tensors else b""))
    with pytest.raises(ValueError, match=r"forged': it was not written by save_checkpoint"):
        load_checkpoint(path)


def test_the_forger_can_write_a_right_one(tmp_path):
    path = tmp_path / "forged"
    path.write_bytes(forged('{"array":"0","dtype":"\'<f8\'","shape":[1]}', TENSOR, b"\0" * 8))
    assert same(load_checkpoint(path), np.zeros(1))
