"""PyTorch's files, read without torch: live against torch, damaged, and hostile."""

import io
import os
import pickle
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import nnlite
from nnlite.io import load, rebuild, unpickle

LAYOUTS = {"zip": {}, "before 1.6": {"_use_new_zipfile_serialization": False}}
layouts = pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)


def saved(torch, value, path, options=None):
    torch.save(value, path, **(options or {}))
    return path


def same(ours, theirs):
    """Whether an nnlite tensor has the values, shape and dtype of a torch tensor."""
    theirs = theirs.detach()
    if str(theirs.dtype) == "torch.bfloat16":
        theirs = theirs.float()
    expected = theirs.numpy()
    return ours.array.dtype == expected.dtype and np.array_equal(ours.array, expected)


@layouts
def test_every_dtype(torch, tmp_path, options):
    values = torch.tensor([[0.0, 1.0, 2.5], [3.0, 100.0, 7.0]])
    dtypes = [
        "float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64",
        "bool", "complex64", "complex128",
    ]  # fmt: skip
    if not options:
        dtypes += ["uint16", "uint32", "uint64"]
    state = {name: values.to(getattr(torch, name)) for name in dtypes}
    loaded = load(saved(torch, state, tmp_path / "w.pt", options))
    assert list(loaded) == dtypes
    for name in dtypes:
        assert same(loaded[name], state[name]), name
        assert loaded[name].array.flags.writeable


@layouts
def test_shared_storages_strides_and_offsets(torch, tmp_path, options):
    base = torch.arange(24.0).reshape(4, 6)
    state = {
        "base": base,
        "transposed": base.T,
        "part": base[1:3, ::2],
        "element": base[2, 3],
        "expanded": base[0, :1].expand(3, 5),
        "shown often": torch.arange(3.0).expand(4, 3),
        "empty": base[:0],
        "half": torch.arange(6).to(torch.bfloat16)[2:],
    }
    loaded = load(saved(torch, state, tmp_path / "w.pth", options))
    for name, theirs in state.items():
        assert same(loaded[name], theirs), name
        assert loaded[name].shape == theirs.shape
    with pytest.raises(RuntimeError, match="one element at several places"):
        loaded["shown often"].add_(1)
    loaded["base"].array[1, 2] = -1.0
    assert loaded["transposed"][2, 1].item() == -1.0
    assert loaded["part"][0, 1].item() == -1.0


@layouts
def test_a_whole_checkpoint(torch, tmp_path, options):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    checkpoint = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": 3,
        "best": np.float64(0.25),
        "history": [(1, 0.5), (2, None), {"a", "b"}],
        "curve": np.arange(6.0).reshape(2, 3),
        "shape": torch.Size([2, 3]),
        "dtype": torch.float64,
        "device": torch.device("cpu"),
        "weight": model[0].weight,
        "z": 1 + 2j,
        "bytes": b"\x00\xff",
    }
    loaded = load(saved(torch, checkpoint, tmp_path / "w.ckpt", options))
    assert list(loaded) == list(checkpoint)
    assert list(loaded["model"]) == list(model.state_dict())
    for name, theirs in model.state_dict().items():
        assert same(loaded["model"][name], theirs), name
    for index, theirs in optimizer.state_dict()["state"].items():
        assert same(loaded["optimizer"]["state"][index]["exp_avg"], theirs["exp_avg"])
    assert loaded["optimizer"]["param_groups"][0]["lr"] == 0.1
    assert loaded["scheduler"]["milestones"] == {3: 1, 5: 1}
    assert (loaded["epoch"], loaded["best"]) == (3, 0.25)
    assert loaded["history"] == checkpoint["history"]
    assert np.array_equal(loaded["curve"], checkpoint["curve"])
    assert loaded["shape"] == (2, 3)
    assert loaded["dtype"] == np.float64
    assert str(loaded["device"]) == "cpu"
    assert isinstance(loaded["weight"], nnlite.nn.Parameter)
    assert (loaded["z"], loaded["bytes"]) == (1 + 2j, b"\x00\xff")


@layouts
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_and_bytes_in_every_protocol(torch, tmp_path, options, protocol):
    value = {
        "none": np.empty((0, 3)),
        "some": np.arange(6.0).reshape(2, 3),
        "by columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        "bytes": b"x" * 300,
        "no bytes": b"",
        "changeable": bytearray(b"ab"),
        "random": torch.get_rng_state(),
    }
    options = {"pickle_protocol": protocol, **options}
    loaded = load(saved(torch, value, tmp_path / "w.pt", options))
    for name in ("none", "some", "by columns"):
        assert loaded[name].shape == value[name].shape
        assert loaded[name].dtype == value[name].dtype
        assert np.array_equal(loaded[name], value[name])
        assert loaded[name].flags.writeable
    for name in ("bytes", "no bytes", "changeable"):
        assert loaded[name] == value[name]
    assert same(loaded["random"], value["random"])


@layouts
def test_weights_go_into_a_model(torch, tmp_path, options):
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).eval()
    ours = nnlite.nn.Sequential(nnlite.nn.Linear(3, 4), nnlite.nn.BatchNorm1d(4)).eval()
    ours.load_state_dict(load(saved(torch, theirs.state_dict(), tmp_path / "w.bin", options)))
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(nnlite.tensor(x)).detach().numpy(), expected, rtol=1e-6)


@layouts
def test_a_dtype_on_request(torch, tmp_path, options):
    state = {name: torch.ones(3).to(getattr(torch, name)) for name in ("float16", "bfloat16")}
    state["n"] = torch.arange(2)
    loaded = load(saved(torch, state, tmp_path / "w.pt", options), dtype=nnlite.float64)
    assert [t.array.dtype.name for t in loaded.values()] == ["float64", "float64", "int64"]
    assert loaded["bfloat16"].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(TypeError, match="floating-point tensors, got int64"):
        load(tmp_path / "w.pt", dtype=nnlite.int64)


def test_mapped_into_memory(torch, tmp_path):
    path = saved(torch, {"a": torch.arange(1000.0), "b": torch.ones(2)}, tmp_path / "w.pt")
    before = path.read_bytes()
    loaded = load(path, mmap=True)
    assert isinstance(base_of(loaded["a"].array), np.memmap)
    assert loaded["a"].sum().item() == 499500.0
    loaded["a"].zero_()
    assert path.read_bytes() == before


def base_of(array):
    while array.base is not None and not isinstance(array, np.memmap):
        array = array.base
    return array


def test_what_is_no_weight_is_refused_by_name(torch, tmp_path):
    class Loud:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was here"),)

    for value, message in [
        (Loud(), r"names (posix|nt)\.mkdir"),
        (torch.nn.Linear(2, 2), r"names torch\.nn\.modules\.linear\.Linear"),
        ({"f": torch.ones(2).to(torch.float8_e4m3fn)}, r"torch\.float8_e4m3fn"),
        (torch.ones(2).to_sparse(), "_rebuild_sparse_tensor"),
    ]:
        path = saved(torch, value, tmp_path / "w.pt")
        with pytest.raises(ValueError, match=rf"w\.pt'.*{message}"):
            load(path)
    assert os.listdir(tmp_path) == ["w.pt"]


def test_a_program_is_refused(torch, tmp_path):
    path = tmp_path / "w.pt"
    with pytest.warns(DeprecationWarning, match="jit"):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    with pytest.raises(ValueError, match=r"TorchScript.*state_dict"):
        load(path)


# ---- files made by hand: no torch needed --------------------------------------------------------


def tensor_program(name="0", shape=(2, 3), strides=(3, 1), offset=0, count=6):
    """The pickle of ``{"w": tensor}``, in protocol 2."""
    integers = b"".join(b"J" + struct.pack("<i", n) for n in [offset])
    tuples = b"".join(
        b"(" + b"".join(b"J" + struct.pack("<i", n) for n in numbers) + b"t"
        for numbers in (shape, strides)
    )
    text = b"X" + struct.pack("<I", len(name)) + name.encode()
    return (
        b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(("
        + b"X\x07\0\0\0storagectorch\nFloatStorage\n" + text
        + b"X\x03\0\0\0cpuJ" + struct.pack("<i", count) + b"tQ"
        + integers + tuples + b"\x89ccollections\nOrderedDict\n)RtRs."
    )  # fmt: skip


def archive(program, storages, **options):
    """A zip archive in torch's layout."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as out:
        out.writestr("model/data.pkl", program)
        out.writestr("model/byteorder", "little")
        for name, data in storages.items():
            out.writestr(f"model/data/{name}", data)
    return file.getvalue()


SIX = np.arange(6, dtype="<f4").tobytes()
GOOD = archive(tensor_program(), {"0": SIX})


def older(program, storage):
    """The layout before 1.6."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    head = b"".join(pickle.dumps(part, 2) for part in parts)
    return head + program + pickle.dumps(["0"], 2) + struct.pack("<q", 6) + storage


OLD = older(tensor_program(), SIX)


@pytest.mark.parametrize("data", [GOOD, OLD], ids=list(LAYOUTS))
def test_a_file_made_by_hand(tmp_path, data):
    path = tmp_path / "w.pt"
    path.write_bytes(data)
    assert load(path)["w"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


@pytest.mark.parametrize("data", [GOOD, OLD], ids=list(LAYOUTS))
def test_truncated_at_every_byte(tmp_path, data):
    path = tmp_path / "w.pt"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"w\.pt'"):
            load(path)


def loads(path):
    """Whether the file can be read; where not, the error is one that names it."""
    try:
        load(path)
    except ValueError as error:
        if repr(str(path)) not in str(error):
            raise
        return False
    return True


@pytest.mark.parametrize("data", [GOOD, OLD], ids=list(LAYOUTS))
def test_bytes_changed_at_random(tmp_path, data):
    """An error or a result of the right type; nothing else."""
    path = tmp_path / "w.pt"
    choice = random.Random(0)
    errors = 0
    for _ in range(1500):
        damaged = bytearray(data)
        for _ in range(choice.randint(1, 4)):
            damaged[choice.randrange(len(data))] = choice.randrange(256)
        path.write_bytes(damaged)
        errors += not loads(path)
    assert 300 < errors < 1500


def in_layouts(program):
    return [archive(program, {"0": SIX}), older(program, SIX)]


CALLS = {
    "GLOBAL and REDUCE": b"cos\nsystem\n(X\x04\0\0\0trueTtR.".replace(b"T", b""),
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "INST": b"(X\x04\0\0\0trueios\nsystem\n.",
    "OBJ": b"(cbuiltins\nset\nX\x04\0\0\0trueo.",
    "NEWOBJ": b"cbuiltins\nset\n)\x81.",
    "NEWOBJ_EX": b"\x80\x04cbuiltins\nset\n)}\x92.",
    "EXT1": b"\x82\x01.",
    "PERSID": b"Pstorage\n.",
    "BUILD of a dict with __reduce__": b"cbuiltins\nset\n)R}b.",
    "a class that is only a name": b"cbuiltins\nlist\n)R.",
    "a storage as a tensor": b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR.",
    "BYTEARRAY8": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "getattr": b"cbuiltins\ngetattr\n.",
    "an attribute of a name": b"\x80\x04\x8c\x05torch\x8c\x0aSize.__new__\x93.",
}


@pytest.mark.parametrize("program", CALLS.values(), ids=CALLS)
def test_every_instruction_that_could_call_is_refused(tmp_path, program):
    path = tmp_path / "w.pt"
    for data in in_layouts(program):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"w\.pt'"):
            load(path)


HOSTILE = {
    "a storage that is missing": tensor_program(name="1"),
    "a storage outside of the folder": tensor_program(name="../../etc/passwd"),
    "more elements than are there": tensor_program(shape=(2, 4), strides=(4, 1)),
    "an offset behind the end": tensor_program(offset=3),
    "a negative stride": tensor_program(strides=(-3, 1)),
    "a negative offset": tensor_program(offset=-1),
    "an expanded tensor of an exabyte": tensor_program(shape=(2**30, 2**30), strides=(0, 0)),
    "another length": tensor_program(count=5),
    "a large memo": b"\x80\x02}r\xff\xff\xff\x7f0j\xff\xff\xff\x7f.",  # loads as {}
    "a long text that is not there": b"\x80\x04\x8d" + struct.pack("<Q", 2**50) + b"a.",
    "nothing at all": b".",
    "a mark alone": b"(.",
    "a tuple of tuples of tuples as a key": b"}" + b")" + b"2\x86" * 60 + b"Ns.",
    "a text that is no number": b"Ixyz\n.",
    "a long text in a list": b"\x80\x04](\x8d" + struct.pack("<Q", 2**34) + b"ae.",
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files(tmp_path, program):
    path = tmp_path / "w.pt"
    for data in in_layouts(program):
        path.write_bytes(data)
        tracemalloc.start()
        try:
            assert not loads(path) or load(path) == {}
            assert tracemalloc.get_traced_memory()[1] < 2**22  # bytes, whatever the file claims
        finally:
            tracemalloc.stop()


def doubled(times=50):
    """A tuple of a tuple of a tuple …, each twice: short to write, endless to hash or to show."""
    return b")" + b"2\x86" * times


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


LARGE_DICT = (
    b"\x80\x02}(" + b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(3000)) + b"u"
)
BOMBS = {
    "a module that is endless to show": doubled() + text("a") + b"\x93.",
    "a name that is endless to show": text("a") + doubled() + b"\x93.",
    "an encoding": b"c_codecs\nencode\n" + text("a") + doubled() + b"\x86R.",
    "a device": b"ctorch\ndevice\n" + doubled() + b"\x85R.",
    "the index of a device": b"ctorch\ndevice\n" + text("cpu") + doubled() + b"\x86R.",
    "a number as a key": b"}(" + b"\x8b" + struct.pack("<i", 16) + b"\x7f" * 16 + b"Nu.",
    "a dict, copied": LARGE_DICT + b"q\x000](" + b"ccollections\nOrderedDict\n"
    b"q\x01" + b"h\x01h\x00\x85R" * 3000 + b"e.",
    "a text, copied": text("a" * 100_000) + b"q\x000](c_codecs\nencode\nq\x01"
    + b"h\x01h\x00\x85R" * 1000 + b"e.",
    "an array, copied": b"(K\x01K\x64\x85cnumpy\ndtype\n" + text("u1") + b"\x85R\x89B"
    + struct.pack("<I", 100_000) + b"a" * 100_000 + b"tq\x000](cnumpy.core.multiarray\n"
    b"_reconstruct\nq\x01cnumpy\nndarray\nK\x00\x85C\x01b\x87q\x02"
    + b"h\x01h\x02Rh\x00b" * 1000 + b"e.",
}  # fmt: skip


@pytest.mark.parametrize("program", BOMBS.values(), ids=BOMBS)
def test_short_programs_that_would_take_for_ever_or_all_memory(tmp_path, program):
    path = tmp_path / "w.pt"
    for data in in_layouts(program):
        path.write_bytes(data)
        tracemalloc.start()
        try:
            assert not loads(path)
            assert tracemalloc.get_traced_memory()[1] < 2**28
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("part", range(4))
def test_the_pickles_around_an_older_file_are_data_of_strangers_too(tmp_path, part):
    parts = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {})]
    parts += [tensor_program(), pickle.dumps(["0"], 2)]
    for program in (b"\x80\x02" + doubled() + b".", b"\x80\x02](K\x00e.", b"\x80\x02}."):
        changed = list(parts)
        changed[part if part < 3 else 4] = program
        if part == 2 and program.endswith(b"}."):
            continue
        (tmp_path / "w.pt").write_bytes(b"".join(changed) + struct.pack("<q", 6) + SIX)
        assert not loads(tmp_path / "w.pt")


def test_lists_that_are_deep_or_hold_themselves(tmp_path):
    deep = b"]" * 100_000 + b"a" * 99_999 + b"."
    for data in in_layouts(deep):
        (tmp_path / "w.pt").write_bytes(data)
        assert not loads(tmp_path / "w.pt") or type(load(tmp_path / "w.pt")) is list
    (tmp_path / "w.pt").write_bytes(archive(b"]q\0h\0a.", {}))
    loaded = load(tmp_path / "w.pt")
    assert loaded[0] is loaded


def test_entries_of_an_archive_that_overlap_or_share_a_name(tmp_path):
    path = tmp_path / "w.pt"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("model/data.pkl", tensor_program())
        out.writestr("model/data/0", SIX * 1000)
        info = out.getinfo("model/data/0")
        for number in range(1, 100):
            copy = zipfile.ZipInfo(f"model/data/{number}")
            copy.header_offset, copy.CRC = info.header_offset, info.CRC
            copy.file_size = copy.compress_size = info.file_size
            out.filelist.append(copy)
    path.write_bytes(file.getvalue())
    with pytest.raises(ValueError, match=r"w\.pt': .*overlap"):
        load(path)
    twice = archive(tensor_program(), {"0": SIX, "9": SIX}).replace(b"data/9", b"data/0")
    path.write_bytes(twice)
    with pytest.raises(ValueError, match=r"w\.pt': .*stands there twice"):
        load(path)


@pytest.mark.parametrize("mmap", [False, True])
def test_bools_that_are_neither(tmp_path, mmap):
    program = tensor_program().replace(b"FloatStorage", b"BoolStorage")
    (tmp_path / "w.pt").write_bytes(archive(program, {"0": b"\0\1\2\0\0\0"}))
    with pytest.raises(ValueError, match="a bool that is neither"):
        load(tmp_path / "w.pt", mmap=mmap)


def test_random_programs_of_known_instructions():
    """Nothing but ValueError comes out of the machine, whatever it is fed."""
    import pickletools

    choice = random.Random(1)
    codes = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
    names = [b"torch\nFloatStorage\n", b"collections\nOrderedDict\n", b"torch\nSize\n", b"0\n"]
    finished = 0
    for _ in range(3000):
        program = b"(" * choice.randint(0, 2) + b"".join(
            choice.choice(codes) + choice.choice([b"", b"\0", b"\x01\0", *names])
            for _ in range(choice.randint(1, 12))
        )
        try:
            unpickle.unpickle(io.BytesIO(program + b"."), rebuild.table(), str, rebuild.build)
            finished += 1
        except ValueError:
            pass
    assert finished > 10


def test_too_many_instructions(monkeypatch):
    monkeypatch.setattr(unpickle, "_MOST", 1000)
    with pytest.raises(ValueError, match="more than 1,000 instructions"):
        unpickle.unpickle(io.BytesIO(b"N0" * 1000 + b"N."), {}, id, id)


def test_compressed_and_doubled_archives_are_refused(tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(archive(tensor_program(), {"0": SIX}, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match="compressed"):
        load(path)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("a.txt", "no weights")
    path.write_bytes(file.getvalue())
    with pytest.raises(ValueError, match="no PyTorch file"):
        load(path)
    path.write_bytes(b"<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(ValueError, match="a page that came instead"):
        load(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="a pickle that torch did not write"):
        load(path)


def test_a_file_of_the_other_byte_order(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("m/data.pkl", tensor_program())
        out.writestr("m/byteorder", "big")
        out.writestr("m/data/0", np.arange(6, dtype=">f4").tobytes())
    path = tmp_path / "w.pt"
    path.write_bytes(file.getvalue())
    assert load(path)["w"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert load(path, mmap=True)["w"].sum().item() == 15.0


# ---- weights in several files -------------------------------------------------------------------


def test_weights_in_several_files(tmp_path):
    nnlite.save({"a": np.ones(2, np.float32)}, tmp_path / "m-1.safetensors")
    (tmp_path / "m-2.bin").write_bytes(GOOD)
    index = tmp_path / "m.safetensors.index.json"
    index.write_text('{"weight_map": {"w": "m-2.bin", "a": "m-1.safetensors"}}')
    loaded = load(index, dtype=nnlite.float64)
    assert list(loaded) == ["w", "a"]
    assert loaded["a"].tolist() == [1.0, 1.0]
    assert loaded["w"].dtype == np.float64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "no index of weights"),
        ("[1]", "no index of weights"),
        ("{", "no index of weights"),
        ('{"weight_map": {"w": "../m.safetensors"}}', "no file of weights beside it"),
        ('{"weight_map": {"w": "i.json"}}', "no file of weights beside it"),
        ('{"weight_map": {"b": "m.safetensors"}}', "has no tensor 'b'"),
        ('{"weight_map": {"a": 3}}', "no index of weights"),
        ('{"weight_map": {"a": "list.bin"}}', "has no tensor 'a'"),
    ],
)
def test_wrong_indexes(tmp_path, text, message):
    nnlite.save({"a": np.ones(2)}, tmp_path / "m.safetensors")
    (tmp_path / "list.bin").write_bytes(archive(b"](X\x01\0\0\0ae.", {}))
    (tmp_path / "i.json").write_text(text)
    with pytest.raises(ValueError, match=rf"i\.json.*{message}"):
        load(tmp_path / "i.json")
