"""utils.data: CSVDataset, the rows of a CSV file as a stream."""

import tracemalloc

import numpy as np
import pytest

import nnlite
from nnlite.io.preprocess import Preprocessor
from nnlite.io.table import read_csv
from nnlite.utils.data import CSVDataset, DataLoader


@pytest.fixture
def written(tmp_path):
    def write(text, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def table_of(rows, seed=0):
    """A CSV text with numbers, categories and a target that repeats the number of the row."""
    rng = np.random.default_rng(seed)
    lines = ["age, colour ,width,row,ill"]
    for row in range(rows):
        colour = "rgb"[rng.integers(3)]
        age, width = rng.normal(40, 9), rng.exponential()
        lines.append(f"{age:.3f}, {colour} ,{width:.5e},{row},{'ny'[row % 2]}")
    return "\n".join(lines) + "\n"


def gathered(loader):
    x, y = zip(*loader)
    return np.concatenate([b.numpy() for b in x]), np.concatenate([b.numpy() for b in y])


# ---- beside the reader of whole files -------------------------


def test_what_is_learnt_and_given_is_that_of_the_whole_table(written):
    path = written(table_of(3000))
    data = CSVDataset(path, "ill")
    table = read_csv(path, target="ill")
    whole = Preprocessor.fit(table, "ill")
    assert len(data) == 3000
    assert data.feature_names == whole.feature_names
    assert data.classes == whole.classes == ("n", "y")
    for ours, theirs in zip(data.features, whole.features):
        assert (ours.name, ours.kind) == (theirs.name, theirs.kind)
        if ours.kind == "number":
            np.testing.assert_allclose([ours.mean, ours.std], [theirs.mean, theirs.std], 1e-13)
    x, y = gathered(DataLoader(data, batch_size=700))
    np.testing.assert_allclose(x, whole.transform(table), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(y[:, 0], whole.targets(table))
    assert (x.dtype, y.dtype, y.shape) == (np.float32, np.float32, (3000, 1))
    assert data.preprocessor.feature_names == whole.feature_names


def test_samples_and_batches_are_alike(written):
    data = CSVDataset(written(table_of(30)), "ill", shuffle_buffer=10)
    singly = list(DataLoader(data, batch_size=None))
    x, y = gathered(DataLoader(data, batch_size=4))
    assert [sample[0].shape for sample in singly[:1]] == [(x.shape[1],)]
    data.set_epoch(1)
    again = list(data)
    data.set_epoch(0)
    assert np.stack([x.numpy() for x, _ in data]).tolist() != x.tolist()[::-1]
    assert np.stack([x.numpy() for x, _ in data]).tolist() == x.tolist()
    assert np.stack([y.numpy() for _, y in singly]).tolist() == y.tolist()
    assert np.stack([x.numpy() for x, _ in again]).tolist() != x.tolist()


@pytest.mark.parametrize(("size", "drop_last"), [(1, False), (7, True), (7, False), (5000, False)])
def test_sizes_of_batches(written, size, drop_last):
    data = CSVDataset(written(table_of(2100)), "ill", shuffle_buffer=500)
    loader = DataLoader(data, batch_size=size, drop_last=drop_last)
    sizes = [len(x) for x, _ in loader]
    expected = [size] * (2100 // size) + ([2100 % size] if 2100 % size and not drop_last else [])
    assert sizes == expected
    assert len(loader) == len(sizes)


# ---- order ----------------------------------------


def rows(loader):
    """The numbers of the rows, which are in their own column."""
    return np.concatenate([batch.numpy()[:, 0] for (batch,) in loader]).round(6).tolist()


def numbered(written, count):
    return written("row\n" + "\n".join(map(str, range(count))) + "\n")


@pytest.mark.parametrize("buffer", [1, 10, 1000, 5000])
def test_a_buffer_shuffles_and_loses_nothing(written, buffer):
    path = numbered(written, 3000)
    in_order = rows(DataLoader(CSVDataset(path), batch_size=64))
    assert in_order == sorted(in_order)
    loader = DataLoader(CSVDataset(path, shuffle_buffer=buffer), batch_size=64)
    first, second = rows(loader), rows(loader)
    assert sorted(first) == sorted(second) == in_order
    assert (first == in_order) == (buffer == 1)
    assert (first == second) == (buffer == 1)
    # The rows that are held wait as long as chance has it, B on average: then |wait - B| is 0.7 B.
    moved = np.abs(np.argsort(np.argsort(first)) - np.arange(3000)).mean()
    assert moved == 0 if buffer == 1 else moved > 0.4 * min(buffer, 1000)


def test_the_order_depends_on_seed_and_epoch_alone(written):
    path = numbered(written, 200)

    def passes(seed, **options):
        data = CSVDataset(path, shuffle_buffer=50, seed=seed)
        loader = DataLoader(data, batch_size=16, **options)
        first = rows(loader)
        nnlite.rand(3)
        return first, rows(loader)

    assert passes(1) == passes(1) == passes(1, num_workers=1, worker_type="thread")
    assert passes(1)[0] != passes(2)[0]


def test_workers_share_the_rows(written):
    data = CSVDataset(numbered(written, 5000), shuffle_buffer=2000)
    found = rows(DataLoader(data, 64, num_workers=2, worker_type="thread"))
    assert sorted(found) == sorted(rows(DataLoader(data, 64)))


def test_a_pass_goes_on_where_its_state_was_taken(written):
    def make():
        return DataLoader(CSVDataset(numbered(written, 300), shuffle_buffer=80), batch_size=16)

    loader = make()
    rows(loader)
    found = []
    for (batch,) in loader:
        found.append(batch.tolist())
        if len(found) == 7:
            state = loader.state_dict()
    again = make()
    again.load_state_dict(state)
    assert [batch.tolist() for (batch,) in again] == found[7:]


# ---- targets --------------------------------------


@pytest.mark.parametrize(
    ("values", "dtype", "classes", "expected"),
    [
        ("4 9 4 9", None, ("4", "9"), [[0.0], [1.0], [0.0], [1.0]]),
        ("4 9 4 9", np.int64, ("4", "9"), [0, 1, 0, 1]),
        ("a c b a", None, ("a", "b", "c"), [0, 2, 1, 0]),
        ("1 2 3.5 1", None, (), [[1.0], [2.0], [3.5], [1.0]]),
        ("1 2 3.5 1", np.float64, (), [[1.0], [2.0], [3.5], [1.0]]),
    ],
)
def test_kinds_of_targets(written, values, dtype, classes, expected):
    lines = "".join(f"{number},{value}\n" for number, value in enumerate(values.split()))
    data = CSVDataset(written("x,y\n" + lines), "y", target_dtype=dtype)
    assert data.classes == classes
    _, y = gathered(DataLoader(data, batch_size=3))
    assert y.tolist() == expected
    assert dtype is None or y.dtype == dtype
    if len(classes) != 2:
        with pytest.raises(ValueError, match="Preprocessor is for a target of two classes"):
            _ = data.preprocessor


def test_numbers_may_be_told_to_be_categories(written):
    path = written("x,y\n1,10\n2,9\n1,11\n")
    data = CSVDataset(path, "y", columns={"x": "category", "y": "category"})
    assert data.feature_names == ("x=1", "x=2")
    assert data.classes == ("9", "10", "11")


def test_other_rows_are_prepared_like_the_first(written):
    train = CSVDataset(written(table_of(100)), "ill")
    path = written(table_of(50, seed=5), "valid.csv")
    expected, targets = gathered(DataLoader(CSVDataset(path, like=train), batch_size=50))
    assert len(CSVDataset(path, like=train)) == 50
    other = CSVDataset(path, like=train.preprocessor)
    x, y = gathered(DataLoader(other, batch_size=50))
    assert x.tolist() == expected.tolist() == train.preprocessor.transform(read_csv(path)).tolist()
    assert y.tolist() == targets.tolist()


# ---- memory, progress -------------------------------


def test_memory_does_not_grow_with_the_file(written):
    short, long = written(table_of(2000), "a.csv"), written(table_of(20_000), "b.csv")

    def peak(path):
        tracemalloc.start()
        data = CSVDataset(path, "ill", columns={"age": "number"}, shuffle_buffer=500)
        for _ in DataLoader(data, batch_size=32):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(short)
    assert peak(long) < 1.2 * peak(short) + 50_000


def test_progress_is_told_in_bytes(written):
    path = written(table_of(9000))
    told = []
    CSVDataset(path, progress=lambda done, size: told.append((done, size)))
    size = path.stat().st_size
    done = [bytes_read for bytes_read, _ in told]
    assert len(told) >= 3
    assert done == sorted(done)
    assert 0 < done[0] < size
    assert told[-1] == (size, size)


# ---- errors ----------------------------------------

GOOD = "x,colour,y\n1,red,0\n2,blue,1\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (GOOD + "3,,1\n", r"line 4, column 'colour': the value is missing \(''\)"),
        (GOOD + "NA,red,1\n", r"line 4, column 'x': the value is missing \('NA'\)"),
        (GOOD + "three,red,1\n", "line 4, column 'x': 'three' is text in a column of numbers"),
        (GOOD + '"1,5",red,1\n', "line 4, column 'x': '1,5' has a comma"),
        (GOOD + "inf,red,1\n", "line 4, column 'x': 'inf' is no finite number"),
        (GOOD + "3,red\n", "line 4: 2 values for 3 columns"),
        (GOOD + '3,"red,1\n', "line 4: a double quote"),
        (GOOD.encode() + b"3,r\xe9d,1\n", "line 4: byte 0xe9 is not UTF-8"),
        ("x,colour,y\n", "no rows below the column names"),
        ("y\n1\n2\n", "no columns besides the target"),
        ("x,y\n1,3\n2,3\n", "column 'y': every value is '3'"),
        ("x,y\n1e308,0\n-1e308,1\n", "column 'x': numbers from -1e.308 to 1e.308 are too large"),
        (b"PK\x03\x04", "spreadsheet or ZIP"),
        ("", "is empty"),
    ],
)
def test_errors_name_the_place(written, text, place):
    path = written(text)
    with pytest.raises(ValueError, match=place) as caught:
        CSVDataset(path, "y")
    assert str(caught.value).startswith(str(path))


def test_errors_of_a_later_pass_name_the_place(written):
    data = CSVDataset(written(GOOD), "y")
    for line, place in (
        ("3,green,1\n", "line 4, column 'colour': 'green' was not in the training data"),
        ("3,red,2\n", "line 4, column 'y': '2' is none of the classes '0', '1'"),
        ("x,red,1\n", "line 4, column 'x': 'x' is text"),
        ("3,red,?\n", "line 4, column 'y': the value is missing"),
    ):
        other = CSVDataset(written(GOOD + line, "other.csv"), like=data)
        with pytest.raises(ValueError, match=place):
            list(DataLoader(other, batch_size=2))
    with pytest.raises(KeyError, match="no column 'colour'"):
        CSVDataset(written("x,y\n1,2\n", "other.csv"), like=data)


def test_texts_that_look_like_identifiers_are_refused(written):
    lines = "".join(f"name{row},{row % 2}\n" for row in range(300))
    with pytest.raises(
        ValueError, match=r"column 'x': more than 100 different texts.* leave the col"
    ):
        CSVDataset(written("x,y\n" + lines), "y")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"target": "z"}, KeyError, "no column 'z'"),
        ({"target": "y", "drop": ["y"]}, ValueError, "'y' is among those to drop"),
        ({"columns": {"x": "text"}}, ValueError, "kind of column 'x' is 'text'"),
        ({"shuffle_buffer": -1}, ValueError, "shuffle_buffer must be .* got -1"),
        ({"target": "y", "target_dtype": "U1"}, ValueError, "target_dtype must be integers or fl"),
    ],
)
def test_arguments_that_are_refused(written, options, error, text):
    with pytest.raises(error, match=text):
        CSVDataset(written(GOOD), **options)


def test_like_says_all(written):
    path = written(GOOD)
    with pytest.raises(ValueError, match="leave target, columns and drop out"):
        CSVDataset(path, "y", like=CSVDataset(path, "y"))
    with pytest.raises(FileNotFoundError, match=r"none\.csv: there is no such file"):
        CSVDataset(path.parent / "none.csv")
    with pytest.raises(IsADirectoryError, match="name a CSV file in it"):
        CSVDataset(path.parent)
