"""Writing in one step, and weights in safetensors and npz files, sound, damaged and hostile."""

import csv
import errno
import io
import json
import os
import stat
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from nnlite.io import load, read_metadata, save
from nnlite.io.atomic import atomic_path, atomic_write, write_bytes
from nnlite.tensor import Tensor, wrap

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX files")
DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64"]
SUFFIXES = [".safetensors", ".npz"]
quick = settings(derandomize=True, database=None, deadline=None, max_examples=200)


def array_of(dtype, shape=(2, 3)):
    return np.asarray(np.arange(np.prod(shape)).reshape(shape) * 37 % 11 - 3).astype(dtype)


def same(first, second):
    return (
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.tobytes() == second.tobytes()
    )


# ---- writing in one step -----------------------------------------------------------------------


@pytest.fixture
def old(tmp_path):
    """An older file, in a folder of its own."""
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    return path


def assert_untouched(old):
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["file.txt"]


def test_replaces_the_file_only_at_the_end(old):
    with atomic_write(old) as file:
        file.write(b"new")
        assert old.read_bytes() == b"old"
    assert old.read_bytes() == b"new"
    assert os.listdir(old.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
def test_an_error_leaves_the_old_file(old, error):
    def interrupted():
        with atomic_write(old) as file:
            file.write(b"new" * 10_000)
            raise error

    with pytest.raises(error):
        interrupted()
    assert_untouched(old)


def test_text_is_utf_8_with_the_line_ends_that_were_written(tmp_path):
    path = tmp_path / "table.csv"
    with atomic_write(path, "w") as file:
        file.write("ä\n")
        csv.writer(file).writerow([1, 2])
    assert path.read_bytes() == "ä\n1,2\r\n".encode()
    with atomic_write(path, "w", newline="\r\n") as file:
        file.write("b\n")
    assert path.read_bytes() == b"b\r\n"


def test_the_disk_has_the_contents_before_the_name(old, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("fsync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names)))
    write_bytes(old, b"new", b"er")
    assert calls[:2] == ["fsync", "replace"]
    assert calls[2:] == ([] if os.name == "nt" else ["fsync"])
    assert old.read_bytes() == b"newer"


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_a_full_disk_leaves_the_old_file_and_names_it(old, monkeypatch, step):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match=r"cannot write: No space left.*file\.txt") as caught:
        write_bytes(old, b"new")
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert_untouched(old)


@posix
@pytest.mark.parametrize("size", [100, 100_000], ids=["on closing", "on writing"])
def test_a_limit_of_the_system_leaves_the_old_file(old, size):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write: .*file\.txt"):
            write_bytes(old, b"x" * size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_untouched(old)


def test_a_killed_process_leaves_the_old_file(old):
    code = (
        "import os, sys; from nnlite.io.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'new'); file.flush(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(old)]).returncode == 9
    assert old.read_bytes() == b"old"
    leftover = [name for name in os.listdir(old.parent) if name != "file.txt"]
    assert len(leftover) == 1
    assert leftover[0].startswith(".tmp-")


@posix
def test_permissions(old):
    for permissions in (0o666, 0o600, 0o751):
        os.chmod(old, permissions)
        write_bytes(old, b"new")
        assert stat.S_IMODE(old.stat().st_mode) == permissions
    new = old.with_name("new")
    mask = os.umask(0o027)
    try:
        write_bytes(new, b"")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(new.stat().st_mode) == 0o640


def test_a_read_only_file_is_refused(old, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(PermissionError, match=r"read-only.*file\.txt"):
        write_bytes(old, b"new")
    assert_untouched(old)


@posix
def test_a_link_stays_a_link(old):
    folder = old.parent / "folder"
    folder.mkdir()
    link, dangling = folder / "link", folder / "dangling"
    link.symlink_to("../file.txt")
    dangling.symlink_to("../other.txt")
    write_bytes(link, b"new")
    write_bytes(dangling, b"other")
    assert link.is_symlink()
    assert old.read_bytes() == b"new"
    assert (old.parent / "other.txt").read_bytes() == b"other"
    assert sorted(os.listdir(folder)) == ["dangling", "link"]


@posix
def test_a_pipe_is_written_and_not_replaced(tmp_path):
    # Not tried on /dev/null: for root, code that is wrong here would replace it by a file.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_bytes(pipe, b"through")
        assert os.read(reader, 100) == b"through"
        with atomic_path(pipe) as path:
            assert path == str(pipe)
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing'.*create it"):
        write_bytes(tmp_path / "missing" / "file", b"")
    for path in (tmp_path, str(tmp_path) + os.sep, ""):
        with pytest.raises(IsADirectoryError, match="cannot write"):
            write_bytes(path, b"")
    with pytest.raises(ValueError, match="mode must be 'wb' or 'w', not 'a'"):
        atomic_write(tmp_path / "file", "a")
    assert os.listdir(tmp_path) == []


def test_other_errors_of_the_block_stay_as_they_are(old):
    with pytest.raises(FileNotFoundError, match="elsewhere") as caught, atomic_write(old):
        open(old.parent / "elsewhere")  # noqa: SIM115
    assert "cannot write" not in str(caught.value)

    def one_error_on_another():
        with atomic_write(old):
            try:
                raise KeyError("first")
            finally:
                raise ValueError("second")

    with pytest.raises(ValueError, match="second") as chained:
        one_error_on_another()
    assert isinstance(chained.value.__context__, KeyError)
    assert not chained.value.__suppress_context__
    assert_untouched(old)


def test_a_long_name(tmp_path):
    name = "n" * 250 + ".txt"
    write_bytes(tmp_path / name, b"x")
    assert os.listdir(tmp_path) == [name]


def test_a_path_for_a_library(old):
    with atomic_path(old) as path:
        assert os.path.dirname(path) == os.path.realpath(old.parent)
        assert path.endswith(".txt")
        with open(path, "wb") as file:
            file.write(b"new")
    assert old.read_bytes() == b"new"
    old.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_path(old) as path:
        raise KeyboardInterrupt
    assert_untouched(old)


# ---- weights that are sound --------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(tmp_path, suffix, dtype):
    arrays = {
        "2d": array_of(dtype),
        "0d": array_of(dtype, ()),
        "empty": array_of(dtype, (0, 3)),
        "strided": array_of(dtype, (4, 6))[::2, ::-3],
        "transposed": array_of(dtype).T,
        "swapped": array_of(dtype).astype(np.dtype(dtype).newbyteorder()),
    }
    path = tmp_path / f"weights{suffix}"
    save(arrays, path)
    loaded = load(path)
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        tensor = loaded[name]
        assert type(tensor) is Tensor
        assert not tensor.requires_grad
        assert same(tensor.array, array.astype(dtype)), name
        assert tensor.array.flags.writeable
        assert tensor.array.flags.aligned
        assert tensor.array.dtype.isnative


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_complex_numbers(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    array = np.array([1 + 2j, np.nan], np.complex64)
    try:
        save({"a": array}, path)
    except TypeError as error:
        pytest.skip(str(error))  # an older safetensors library
    assert same(load(path)["a"].array, array)
    if suffix == ".npz":
        save({"a": array.astype(np.complex128)}, path)
        assert load(path)["a"].array.dtype == np.complex128


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_are_kept(tmp_path, suffix):
    names = ["b.weight", "a", "file", "allow_pickle", "a.npy", "a/b", "", "ä☃", "x" * 300]
    tensors = {name: wrap(np.float32([place])) for place, name in enumerate(names)}
    path = tmp_path / f"weights{suffix}"
    save(tensors, path)
    assert {name: tensor.tolist() for name, tensor in load(path).items()} == {
        name: [place] for place, name in enumerate(names)
    }
    if suffix == ".npz":
        assert list(load(path)) == names


def test_entries_that_share_memory_are_each_whole(tmp_path):
    tied = wrap(np.ones((2, 2), np.float32))
    for suffix in SUFFIXES:
        save({"a": tied, "b": tied, "c": tied.array.T}, tmp_path / f"w{suffix}")
        loaded = load(tmp_path / f"w{suffix}")
        loaded["a"].array[:] = 0
        assert loaded["b"].tolist() == loaded["c"].tolist() == [[1, 1], [1, 1]]


def test_a_module_is_saved_by_its_state(tmp_path):
    class Line:
        def state_dict(self):
            return {"weight": wrap(np.float32([2]))}

    save(Line(), tmp_path / "line.npz")
    assert load(tmp_path / "line.npz")["weight"].tolist() == [2]


def test_no_tensors_at_all(tmp_path):
    for suffix in SUFFIXES:
        save({}, tmp_path / f"none{suffix}")
        assert load(tmp_path / f"none{suffix}") == {}
    save({}, tmp_path / "none.safetensors", metadata={"a": "b"})
    assert load(tmp_path / "none.safetensors") == {}
    assert read_metadata(tmp_path / "none.safetensors") == {"a": "b"}


def test_other_programs_read_it_and_are_read(tmp_path):
    arrays = {"a": array_of("float32"), "b": array_of("int64", (3,))}
    save(arrays, tmp_path / "a.safetensors", metadata={"x": "y"})
    save(arrays, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as npz:
        assert all(same(npz[name], arrays[name]) for name in arrays)
    library = load_file(tmp_path / "a.safetensors")
    assert all(same(library[name], arrays[name]) for name in arrays)
    save_file(arrays, tmp_path / "b.safetensors", {"x": "y"})
    np.savez(tmp_path / "b.npz", **arrays)
    np.savez_compressed(tmp_path / "c.NPZ.npz", **arrays, fortran=np.asfortranarray(arrays["a"]))
    for name in ("b.safetensors", "b.npz", "c.NPZ.npz"):
        loaded = load(tmp_path / name)
        assert all(same(loaded[name].array, arrays[name]) for name in arrays)
    assert same(loaded["fortran"].array, arrays["a"])
    assert read_metadata(tmp_path / "b.safetensors") == {"x": "y"}


def test_torch_reads_it_and_is_read(tmp_path, torch):
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch

    names = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
    ours = {name: np.arange(6).reshape(2, 3).astype(name) for name in names}
    ours["scalar"] = np.array(2.5)
    ours["empty"] = np.ones((0, 3), np.float32)
    save(ours, tmp_path / "ours.safetensors")
    theirs = load_torch(tmp_path / "ours.safetensors")
    assert theirs.keys() == ours.keys()
    for name, tensor in theirs.items():
        assert same(tensor.numpy(), ours[name]), name
    save_torch(theirs, tmp_path / "theirs.safetensors")
    for mmap in (False, True):
        again = load(tmp_path / "theirs.safetensors", mmap=mmap)
        assert again.keys() == ours.keys()
        for name, tensor in again.items():
            assert same(tensor.array, ours[name]), name


def test_metadata(tmp_path):
    path = tmp_path / "w.safetensors"
    metadata = {"epoch": "3", "text": 'quotes " \\ and\nlines ☃', "": ""}
    metadata.update({str(number): "x" for number in range(20)})
    save({"a": array_of("float32")}, path, metadata=metadata)
    first = path.read_bytes()
    assert read_metadata(path) == metadata
    assert same(load(path)["a"].array, array_of("float32"))
    save({"a": array_of("float32")}, path, metadata=metadata)
    assert path.read_bytes() == first
    save({}, tmp_path / "w.npz", metadata={})
    assert read_metadata(tmp_path / "w.npz") == {}
    with pytest.raises(ValueError, match=r"npz file holds no metadata.*\.safetensors"):
        save({}, tmp_path / "w.npz", metadata=metadata)
    with pytest.raises(TypeError, match="metadata holds texts, got 'epoch': 3: convert with str"):
        save({}, path, metadata={"epoch": 3})
    with pytest.raises(TypeError, match="metadata is a dict of texts, got list"):
        save({}, path, metadata=["epoch"])
    with pytest.raises(ValueError, match="not valid Unicode"):
        save({}, path, metadata={"epoch": "\ud800"})
    assert path.read_bytes() == first


def test_tensors_stay_aligned_in_the_file(tmp_path):
    path = tmp_path / "w.safetensors"
    for length in range(8):
        save({"a": array_of("float64")}, path, metadata={"k": "x" * length})
        assert struct.unpack("<Q", path.read_bytes()[:8])[0] % 8 == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_weights_make_the_same_file(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    save({"b": array_of("float32"), "a": array_of("int8")}, path)
    first = path.read_bytes()
    save({"b": array_of(">f4"), "a": array_of("int8", (3, 2)).reshape(2, 3)}, path)
    assert path.read_bytes() == first
    if suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            assert {member.date_time[0] for member in archive.infolist()} == {1980}


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_bfloat16_becomes_float32(tmp_path):
    path = tmp_path / "w.safetensors"
    # 1, -2, the largest and the smallest number, infinity, NaN and a NaN's payload
    bits = np.array([0x3F80, 0xC000, 0x7F7F, 0x0001, 0x7F80, 0x7FC0, 0xFFA5, 0x8000], "<u2")
    data = b"\x07" + bits.tobytes() + b"\x40\xc0"
    header = {
        "first": entry("U8", [1], 0, 1),
        "bf": entry("BF16", [2, 4], 1, 17),
        "0d": entry("BF16", [], 17, 19),
        "none": entry("BF16", [0, 3], 19, 19),
    }
    path.write_bytes(safetensors(header, data))
    loaded = load(path)
    assert {t.array.dtype.name for t in loaded.values()} == {"uint8", "float32"}
    assert same(loaded["bf"].array, (bits.astype(np.uint32) << 16).view("<f4").reshape(2, 4))
    assert loaded["bf"].array[0, :2].tolist() == [1.0, -2.0]
    assert loaded["0d"].item() == -3.0
    assert loaded["none"].shape == (0, 3)
    assert loaded["bf"].array.flags.writeable


def test_bfloat16_as_torch_widens_it(tmp_path, torch):
    from safetensors.torch import save_file as save_torch

    values = torch.randn(100, generator=torch.Generator().manual_seed(0)).bfloat16()
    save_torch({"a": values}, tmp_path / "w.safetensors")
    assert same(load(tmp_path / "w.safetensors")["a"].array, values.float().numpy())


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "F8_E8M0", "F4"])
def test_dtypes_that_numpy_lacks_are_named(tmp_path, dtype):
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors({"layer": entry(dtype, [2], 0, 1 + (dtype != "F4"))}, b"\0" * 2))
    if dtype == "F4":
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"w\.safetensors': 'layer' is stored as {dtype}.*float"):
        load(path)


# ---- wrong arguments ---------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ([1.0], "expected a dict of tensors or a module, got list"),
        ({1: np.ones(1)}, r"names are strings, got 1 \(int\)"),
        ({"a": {"b": np.ones(1)}}, "'a' is a dict: flatten it.*save_checkpoint"),
        ({"a": [1.0, 2.0]}, r"'a' is a list, not a Tensor.*nnlite\.tensor"),
        ({"a": 1.0}, "'a' is a float, not a Tensor or ndarray"),
        ({"a": None}, "'a' is a NoneType"),
        ({"a": np.ma.array([1.0])}, "'a' is a MaskedArray"),
        ({"a": np.array([None])}, "'a' has dtype object, which a .* file cannot hold: convert"),
        ({"a": np.array(["x"])}, "'a' has dtype <U1"),
        ({"a": np.array(["2020"], "M8[D]")}, r"'a' has dtype datetime64\[D\]"),
        ({"a": np.zeros(1, [("x", "f4")])}, "'a' has dtype"),
    ],
)
def test_what_is_no_flat_dict_of_numbers_is_refused(tmp_path, suffix, obj, message):
    path = tmp_path / f"w{suffix}"
    with pytest.raises(TypeError, match=rf"save: {message}"):
        save(obj, path)
    assert os.listdir(tmp_path) == []


def test_dtypes_that_safetensors_lacks(tmp_path):
    with pytest.raises(TypeError, match=r"'a' has dtype complex128.*astype"):
        save({"a": np.ones(1, complex)}, tmp_path / "w.safetensors")


def test_names_that_a_format_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match=r"'__metadata__' is reserved"):
        save({"__metadata__": np.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"cannot hold the name 'a\\x00b'"):
        save({"a\0b": np.ones(1)}, tmp_path / "w.npz")
    with pytest.raises(ValueError, match="cannot hold the name"):
        save({"a" * 70_000: np.ones(1)}, tmp_path / "w.npz")
    for suffix in SUFFIXES:
        with pytest.raises(ValueError, match="not valid Unicode"):
            save({"\ud800": np.ones(1)}, tmp_path / f"w{suffix}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", [3, None, io.BytesIO()])
def test_what_is_no_path(path):
    with pytest.raises(TypeError, match=r"^load: expected the path of a file"):
        load(path)
    with pytest.raises(TypeError, match=r"^save: expected the path of a file"):
        save({"a": np.ones(1)}, path)


@pytest.mark.parametrize("name", ["w", "w.h5", "w.safetensors.gz", ".npz"])
def test_unknown_suffix(tmp_path, name):
    for call in (load, read_metadata, lambda path: save({}, path)):
        with pytest.raises(ValueError, match=r"cannot tell.*\.safetensors, \.npz.* are known"):
            call(tmp_path / name)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".PT"])
def test_pytorch_files_are_not_written(tmp_path, suffix):
    with pytest.raises(NotImplementedError, match=r"Save as '.*model\.safetensors'"):
        save({}, tmp_path / f"model{suffix}")
    with pytest.raises(NotImplementedError, match="has no metadata"):
        read_metadata(tmp_path / f"model{suffix}")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"w\.npz"):
        load(tmp_path / "w.npz")
    (tmp_path / "w.npz").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder.*w\.npz"):
        load(tmp_path / "w.npz")


@posix
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "w.npz")
    with pytest.raises(ValueError, match="a pipe or a device"):
        load(tmp_path / "w.npz")


# ---- damaged and hostile files -----------------------------------------------------------------


def small(folder, suffix):
    path = folder / f"small{suffix}"
    arrays = {"a": array_of("float32"), "flag": np.array([True, False]), "n": array_of("int64", ())}
    save(arrays, path, **({"metadata": {"k": "v"}} if suffix == ".safetensors" else {}))
    return path, arrays


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_at_every_byte(tmp_path, suffix):
    path, _ = small(tmp_path, suffix)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=rf"load: cannot read .*small{suffix}': "):
            load(path)
    path.write_bytes(data[:-1] if suffix == ".safetensors" else data[:100])
    with pytest.raises(ValueError, match=r"small.*': .*truncated"):
        load(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_flipped_bit_in_any_byte_is_an_error_or_harmless(tmp_path, suffix):
    path, arrays = small(tmp_path, suffix)
    data = path.read_bytes()
    bits = np.random.default_rng(0).integers(0, 8, len(data))
    for place, bit in enumerate(bits):
        damaged = bytearray(data)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            loaded = load(path)
        except ValueError as error:
            assert "cannot read" in str(error)  # noqa: PT017
            assert path.name in str(error)  # noqa: PT017
            continue
        # Either only a name has changed, or (safetensors has no checksum) a number.
        assert len(loaded) == len(arrays)
        if suffix == ".npz":
            for tensor in loaded.values():
                assert any(same(tensor.array, array) for array in arrays.values())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("suffix", SUFFIXES)
@quick
@given(data=st.binary(max_size=300))
def test_random_bytes(folder, suffix, data):
    path = folder / f"random{suffix}"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="cannot read"):
        load(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@quick
@given(data=st.data())
def test_random_damage(folder, suffix, data):
    path, _ = small(folder, suffix)
    contents = bytearray(path.read_bytes())
    place = st.integers(0, len(contents) - 1)
    for at, value in data.draw(st.dictionaries(place, st.integers(0, 255), max_size=8)).items():
        contents[at] = value
    begin, end = data.draw(st.tuples(place, place))
    if data.draw(st.booleans()):
        contents[begin:end] = []
    path.write_bytes(contents)
    try:
        load(path)
    except ValueError as error:
        assert "cannot read" in str(error)  # noqa: PT017


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
SIZES = st.lists(st.integers(-1, 2**65) | st.integers(0, 4) | JUNK, max_size=4)


@quick
@given(
    header=JUNK
    | st.dictionaries(
        st.sampled_from(["a", "b", "__metadata__"]),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "U8", "BOOL", "BF16", "F4", "F8_E4M3"]) | JUNK,
                "shape": SIZES | JUNK,
                "data_offsets": SIZES | JUNK,
            }
        )
        | JUNK,
    ),
    data=st.binary(max_size=8),
)
def test_random_headers(folder, header, data):
    path = folder / "header.safetensors"
    path.write_bytes(safetensors(header, data))
    try:
        ours = load(path)
    except ValueError as error:
        assert "cannot read" in str(error)  # noqa: PT017
    else:
        assert ours.keys() == load_file(path).keys() or "BF16" in str(header)


U8 = entry("U8", [1], 0, 1)
HOSTILE = {
    "empty": (b"", "too few"),
    "no header": (struct.pack("<Q", 2**62), "its header should have .* truncated, or no"),
    "a header longer than the file": (struct.pack("<Q", 100) + b"{}", "100 bytes and only 2"),
    "no JSON": (safetensors(b"{]"), "header is damaged"),
    "no UTF-8": (safetensors(b'{"\xff": 1}'), "header is damaged"),
    "a list": (safetensors([]), "not a table"),
    "deep nesting": (safetensors(b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}"), "header is dam"),
    "a name twice": (
        safetensors(b'{"a":%s,"a":%s}' % ((json.dumps(U8).encode(),) * 2), b"0"),
        "'a' stands there twice",
    ),
    "metadata twice": (safetensors(b'{"__metadata__":{"a":"1","a":"2"}}'), "twice"),
    "metadata of numbers": (safetensors({"__metadata__": {"a": 1}}), "metadata"),
    "beyond the end": (safetensors({"a": entry("U8", [9], 0, 9)}, b"0"), "truncated"),
    "too many bytes": (safetensors({"a": U8}, b"00"), "1 bytes too many"),
    "a gap": (safetensors({"a": entry("U8", [1], 1, 2)}, b"00"), "a gap"),
    "an overlap": (
        safetensors({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, b"000"),
        "a gap or an overlap",
    ),
    "offsets turned round": (safetensors({"a": entry("U8", [1], 1, 0)}, b"0"), "do not agree"),
    "negative": (safetensors({"a": entry("U8", [-1], 0, -1)}, b"0"), "shape or the place"),
    "three offsets": (
        safetensors({"a": {**U8, "data_offsets": [0, 1, 1]}}, b"0"),
        "the shape or the place of 'a'",
    ),
    "a number as text": (safetensors({"a": entry("U8", ["1"], 0, 1)}, b"0"), "shape or the place"),
    "true as a number": (safetensors({"a": entry("U8", [True], 0, 1)}, b"0"), "shape or the pla"),
    "an unknown dtype": (safetensors({"a": entry("Q8", [1], 0, 1)}, b"0"), "unknown dtype 'Q8'"),
    "a dtype that is none": (safetensors({"a": entry([], [1], 0, 1)}, b"0"), "unknown dtype"),
    "a large shape": (safetensors({"a": entry("F64", [2**40], 0, 8)}, b"0" * 8), "do not agree"),
    "a large empty shape": (safetensors({"a": entry("U8", [0, 2**62, 2**62], 0, 0)}), "too big"),
    "too many dimensions": (safetensors({"a": entry("U8", [1] * 65, 0, 1)}, b"0"), "the shape"),
    "more in an entry": (safetensors({"a": {**U8, "x": 1}}, b"0"), "what it says of 'a'"),
    "a bool of 2": (safetensors({"a": entry("BOOL", [1], 0, 1)}, b"\2"), "neither 0 nor 1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_safetensors(tmp_path, name):
    data, message = HOSTILE[name]
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"load: cannot read .*w\.safetensors': .*{message}"):
        load(path)


def test_headers_that_would_take_for_ever(tmp_path):
    names = b",".join(b'"%d":0' % number for number in range(150_000))
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors(b"{" + names + b',"149999":0}'))
    with pytest.raises(ValueError, match=r"w\.safetensors': .*'149999' stands there twice"):
        load(path)
    for depth in range(800, 1100, 7):  # where it can still be read, but not shown
        nested = b"[" * depth + b"]" * depth
        entry = b'{"a":{"dtype":%b,"shape":[],"data_offsets":[0,0]}}' % nested
        path.write_bytes(safetensors(entry))
        with pytest.raises(ValueError, match=r"w\.safetensors'"):
            load(path)


def test_a_header_that_is_too_long(tmp_path):
    path = tmp_path / "w.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 10**8 + 1))
        file.truncate(10**8 + 9)  # takes no room on most disks
    for call in (load, read_metadata):
        with pytest.raises(ValueError, match="100000000 are the most"):
            call(path)


def test_a_damaged_file_has_no_metadata(tmp_path):
    path, _ = small(tmp_path, ".safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"read_metadata: cannot read .*small.*truncated"):
        read_metadata(path)


def npz(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)


def npy(descr, shape, data=b"", version=b"\1\0"):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


class Bomb:
    went_off = False

    def __reduce__(self):
        return (setattr, (Bomb, "went_off", True))


def test_pickled_objects_are_never_loaded(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, a=np.array([Bomb()], dtype=object))
    with pytest.raises(ValueError, match="'a' holds pickled Python objects, which could run code"):
        load(path)
    assert not Bomb.went_off
    with np.load(path, allow_pickle=True) as archive:  # the test can fail
        assert archive["a"].size
    assert Bomb.went_off


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a__txt": b"hello"}, r"'a\.txt', which is no NumPy array"),
        ({"a__npy": b"hello, I am no array"}, "magic"),
        ({"a__npy": npy("<f8", (10**15,))}, "shape and bytes of 'a' do not agree"),
        ({"a__npy": npy("<f8", (2,), b"0" * 8)}, "do not agree"),
        ({"a__npy": npy("<f8", (1,), b"0" * 9)}, "do not agree"),
        ({"a__npy": npy("<f8", (-1, -1), b"0" * 8)}, "do not agree"),
        ({"a__npy": npy("<f8", (0, 2**62, 2**62))}, "(too big|maximum)"),
        ({"a__npy": npy("<U1", (1,), b"0" * 4)}, "'a' has dtype <U1: weights are numbers"),
        ({"a__npy": npy([("x", "<f4")], (1,), b"0" * 4)}, "'a' has dtype"),
        ({"a__npy": npy([("x", "|O")], (1,), b"0" * 8)}, "pickled Python objects"),
        ({"a__npy": npy("<f8", (1,), b"0" * 8, b"\7\0")}, r"unknown format \(7, 0\)"),
        ({"a__npy": npy("|b1", (1,), b"\2")}, "neither 0 nor 1"),
        ({"a__npy": npy("|b1", "[" * 9000)}, ""),
    ],
)
def test_hostile_npz(tmp_path, members, message):
    path = tmp_path / "w.npz"
    npz(path, **members)
    with pytest.raises(ValueError, match=rf"(?s)load: cannot read .*w\.npz': .*{message}"):
        load(path)


def test_a_name_twice_in_an_npz(tmp_path):
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy("|u1", (1,), b"0"))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", npy("|u1", (1,), b"1"))
    with pytest.raises(ValueError, match="the same name stands there twice"):
        load(path)


def test_zip_bombs_are_refused_by_their_size(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    np.savez_compressed(path, a=np.zeros(10**6))
    assert load(path)["a"].shape == (10**6,)  # eight megabytes are nothing to be afraid of
    monkeypatch.setattr("nnlite.io.npz._ALWAYS", 10**6)
    with pytest.raises(ValueError, match=r"would unpack to 8000\d\d\d, \d+ times.*zip bomb"):
        load(path)


def test_zip_entries_that_overlap_are_refused(tmp_path):
    path = tmp_path / "w.npz"
    save({"a": array_of("float64", (50,)), "b": array_of("float64", (50,))}, path)
    data = path.read_bytes()
    directory = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", directory + 4)
    first_again = bytearray(data[directory:second])
    first_again[first_again.index(b"a.npy")] = ord("b")
    local = data.index(b"PK\x03\x04", 4)
    path.write_bytes(
        data[:local] + data[directory:second] + first_again + end_of_zip(data, local, second)
    )
    with pytest.raises(ValueError, match="its entries overlap"):
        load(path)


def end_of_zip(data, start, second):
    end = bytearray(data[data.index(b"PK\x05\x06") :])
    end[16:20] = struct.pack("<I", start)
    return end


def test_a_lie_about_the_size_in_an_npz(tmp_path):
    path = tmp_path / "w.npz"
    np.savez_compressed(path, a=np.zeros(1000))
    data = path.read_bytes()
    size = struct.pack("<I", zipfile.ZipFile(path).infolist()[0].file_size)
    directory = data.index(b"PK\x01\x02")
    lie = data[directory:].replace(size, struct.pack("<I", 10**9))
    path.write_bytes(data[:directory] + lie)
    with pytest.raises(ValueError, match="do not agree"):
        load(path)


def test_a_failed_save_leaves_the_old_weights(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for suffix in SUFFIXES:
        path, arrays = small(tmp_path, suffix)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left on device"):
                save({"a": array_of("float32")}, path)
        assert load(path).keys() == arrays.keys()
    assert sorted(os.listdir(tmp_path)) == ["small.npz", "small.safetensors"]
