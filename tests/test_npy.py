"""utils.data: NpyDataset, arrays in files that may be larger than memory."""

import os
import pickle

import numpy as np
import pytest

import nnlite
from nnlite.utils.data import DataLoader, NpyDataset, Subset


@pytest.fixture
def saved(tmp_path):
    """Saves arrays under numbers, and gives their paths."""

    def save(*arrays):
        paths = [tmp_path / f"{number}.npy" for number in range(len(arrays))]
        for path, array in zip(paths, arrays):
            np.save(path, array)
        return paths

    return save


X = np.arange(20, dtype=np.float32).reshape(10, 2)
Y = np.arange(10)


def test_samples_and_batches_are_those_of_the_arrays(saved):
    data = NpyDataset(*saved(X, Y))
    assert len(data) == 10
    x, y = data[3]
    assert (x.tolist(), y.item()) == ([6.0, 7.0], 3)
    assert data[2:4][1].tolist() == [2, 3]
    for source, rows in ((data, range(10)), (Subset(data, [7, 2]), [7, 2])):
        batches = list(DataLoader(source, batch_size=4))
        assert [y for _, yb in batches for y in yb.tolist()] == list(rows)
        np.testing.assert_array_equal(np.concatenate([xb.numpy() for xb, _ in batches]), X[rows])
    assert type(batches[0][0]) is nnlite.Tensor
    assert type(batches[0][0].array) is np.ndarray


def test_batches_are_memory_of_their_own(saved):
    paths = saved(X)
    data = NpyDataset(*paths)
    (batch,) = next(iter(DataLoader(data, batch_size=10)))
    batch.mul_(0)
    data[0][0].mul_(0)
    data.close()
    assert np.load(paths[0]).tolist() == X.tolist()
    assert NpyDataset(*paths)[1][0].tolist() == [2.0, 3.0]


def test_arrays_in_the_order_of_fortran(saved):
    (batch,) = next(iter(DataLoader(NpyDataset(*saved(np.asfortranarray(X))), batch_size=10)))
    assert batch.tolist() == X.tolist()


def test_a_copy_for_a_worker_holds_paths_not_arrays(saved):
    data = NpyDataset(*saved(np.zeros((1000, 100)), np.arange(1000)))
    sent = pickle.dumps(data)
    assert len(sent) < 2000
    assert pickle.loads(sent)[5][1].item() == 5
    loader = DataLoader(data, 400, num_workers=2, worker_type="thread")
    assert [y[0].item() for _, y in loader] == [0, 400, 800]


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ((), "at least one file"),
        ((X, Y[:4]), "number of samples.*10 and 4"),
        ((np.zeros((0, 3)),), r"0\.npy has shape \[0, 3\], no samples"),
        ((np.array(1.0),), r"shape \[\], no samples"),
        ((np.array(["a"]),), "holds <U1, not numbers"),
        ((np.array([{}]),), "0.npy cannot be mapped as a .npy file"),
    ],
)
def test_arrays_that_are_refused(saved, arrays, text):
    with pytest.raises(ValueError, match=text):
        NpyDataset(*saved(*arrays))


def test_files_that_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        NpyDataset(tmp_path / "none.npy")
    (tmp_path / "text.npy").write_text("1,2\n")
    with pytest.raises(ValueError, match=r"text\.npy cannot be mapped as a \.npy file"):
        NpyDataset(tmp_path / "text.npy")
    np.savez(tmp_path / "two.npz", X)
    with pytest.raises(ValueError, match=r"two\.npz is a \.npz file: save each array as \.npy"):
        NpyDataset(tmp_path / "two.npz")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="measured by /proc")
def test_memory_stays_low_in_a_pass_over_a_large_file(tmp_path):
    path = tmp_path / "large.npy"
    rows, columns = 20_000, 8192
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * columns * 4)  # 655 MB of zeros that take no place
    data = NpyDataset(path)
    before, most = resident(), 0
    for (batch,) in DataLoader(data, batch_size=256):
        assert batch.shape[1] == columns
        most = max(most, resident() - before)
    data.close()
    assert 0 < most < 330e6
    assert resident() - before < 60e6


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
