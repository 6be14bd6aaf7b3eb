"""utils.data: datasets, samplers, collation and the loader."""

import warnings
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnlite
from nnlite.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    Subset,
    TensorDataset,
    default_collate,
    default_convert,
    random_split,
)


def pairs(count=10, features=3):
    x = nnlite.arange(float(count * features)).reshape(count, features)
    return TensorDataset(x, nnlite.arange(count))


def seeded(seed=0):
    return nnlite.Generator().manual_seed(seed)


def orders(loader, passes=1):
    return [[int(i) for _, yb in loader for i in yb] for _ in range(passes)]


class Plain(Dataset):
    """Samples one by one, of the same values as `pairs`."""

    def __init__(self, count=10):
        self.data = pairs(count)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        assert type(index) is int
        return self.data[index]


# ---- datasets ----------------------------------------------------------------------------------


def test_a_tensor_dataset_is_indexed_like_its_tensors():
    data = pairs()
    x, y = data[2]
    assert x.tolist() == [6.0, 7.0, 8.0]
    assert y.item() == 2
    assert data[2:4][1].tolist() == [2, 3]
    assert data[[5, 1]][1].tolist() == [5, 1]


@pytest.mark.parametrize(
    ("tensors", "error", "text"),
    [
        ((), ValueError, "at least one"),
        ((np.zeros(3),), TypeError, "from_numpy"),
        (([1, 2],), TypeError, "list"),
        ((nnlite.tensor(1.0),), ValueError, "0-d"),
        ((nnlite.zeros(3), nnlite.zeros(4)), ValueError, "3 and 4"),
    ],
)
def test_what_a_tensor_dataset_refuses(tensors, error, text):
    with pytest.raises(error, match=text):
        TensorDataset(*tensors)


def test_a_dataset_without_getitem_says_what_to_define():
    with pytest.raises(NotImplementedError, match="Dataset: a dataset defines __getitem__"):
        Dataset()[0]


def test_a_subset_of_a_subset_keeps_to_its_indices():
    inner = Subset(pairs(), [9, 8, 7, 6])
    outer = Subset(inner, [3, 0])
    assert [int(y) for _, y in (outer[0], outer[1])] == [6, 9]
    assert orders(DataLoader(outer, batch_size=2)) == [[6, 9]]
    assert orders(DataLoader(Subset(Subset(Plain(), [9, 8]), [1]), batch_size=2)) == [[8]]
    assert outer[[1, 0]][1].tolist() == [9, 6]


@pytest.mark.parametrize(
    "indices", [[4, 2], (4, 2), np.array([4, 2]), nnlite.tensor([4, 2]), range(4, 0, -2)]
)
def test_indices_of_a_subset_may_be_any_sequence(indices):
    assert orders(DataLoader(Subset(pairs(), indices), batch_size=5)) == [[4, 2]]


def test_an_empty_subset_has_no_batches():
    assert list(DataLoader(Subset(pairs(), []), batch_size=5)) == []


# ---- random_split -------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [[6, 4], [0.6, 0.4], [0.55, 0.45], [1 / 3, 1 / 3, 1 / 3]])
def test_split_gives_every_sample_once(lengths):
    parts = random_split(pairs(), lengths, generator=seeded())
    assert sorted(i for part in parts for i in part.indices) == list(range(10))


@given(st.integers(1, 60), st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_shares_give_the_lengths_of_torch_rule(count, weights):
    shares = [weight / sum(weights) for weight in weights]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lengths = [len(part) for part in random_split(range(count), shares)]
    assert sum(lengths) == count
    for length, share in zip(lengths, shares):
        assert int(count * share) <= length <= int(count * share) + 1
    # The rest goes to the first parts.
    extra = [length - int(count * share) for length, share in zip(lengths, shares)]
    assert extra == sorted(extra, reverse=True)


@pytest.mark.parametrize(
    ("count", "shares"), [(10, [0.55, 0.45]), (7, [0.5, 0.25, 0.25]), (101, [0.7, 0.2, 0.1])]
)
def test_lengths_are_those_of_torch(torch, count, shares):
    theirs = torch.utils.data.random_split(range(count), shares)
    assert [len(p) for p in random_split(range(count), shares)] == [len(p) for p in theirs]


def test_a_split_depends_on_the_generator_alone():
    first, _ = random_split(pairs(), [5, 5], generator=seeded(3))
    nnlite.rand(4)
    again, _ = random_split(pairs(), [5, 5], generator=seeded(3))
    other, _ = random_split(pairs(), [5, 5], generator=seeded(4))
    assert first.indices == again.indices != other.indices
    before = nnlite.get_rng_state()
    random_split(pairs(), [5, 5], generator=seeded(3))
    assert nnlite.get_rng_state() == before


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ([5, 4], "add up to 9, but the dataset has 10"),
        ([0.5, 0.4], "shares must add up to 1"),
        ([11, -1], "negative"),
        ([float("nan")], "negative"),
        ([0.8, 0.4], "add up to 1.2"),
    ],
)
def test_what_a_split_refuses(lengths, text):
    with pytest.raises(ValueError, match=text):
        random_split(pairs(), lengths)


def test_an_empty_part_is_warned_of():
    with pytest.warns(UserWarning, match="part 1 of 10 samples is empty"):
        random_split(pairs(), [10, 0])


# ---- collation -----------------------------------------------------------------------------------

Point = namedtuple("Point", "x label")

COLLATED = [
    [1, 2],
    [True, False],
    [1.5, 2.5],
    ["a", "b"],
    [(1.0, 2), (3.0, 4)],
    [[1.0, 2], [3.0, 4]],
    [{"a": 1, "b": (2.0, "t")}, {"a": 3, "b": (4.0, "u")}],
    [Point(1, "p"), Point(2, "q")],
    [np.float32(1), np.float32(2)],
    [np.arange(3), np.arange(3)],
    [np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)],
    [()] * 2,
]


def described(value):
    """Structure, dtypes and values, the same for tensors of both packages."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return ["tensor", str(value.dtype).split(".")[-1], value.tolist()]
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(described, value)]
    return value


@pytest.mark.parametrize("batch", COLLATED, ids=str)
def test_collation_is_that_of_torch(torch, batch):
    theirs = torch.utils.data.default_collate(batch)
    assert described(default_collate(batch)) == described(theirs)
    convert = torch.utils.data.default_convert
    assert described(default_convert(batch[0])) == described(convert(batch[0]))


def test_collating_tensors():
    one = default_collate([nnlite.ones(2), nnlite.zeros(2)])
    assert one.tolist() == [[1.0, 1.0], [0.0, 0.0]]
    x, y = default_collate([(nnlite.ones(2), nnlite.tensor(1)), (nnlite.ones(2), nnlite.tensor(0))])
    assert x.shape == (2, 2)
    assert y.tolist() == [1, 0]


def test_collating_keeps_the_graph():
    w = nnlite.ones(2, requires_grad=True)
    default_collate([w * 2, w * 3]).sum().backward()
    assert w.grad.tolist() == [5.0, 5.0]
    (batch,) = next(iter(DataLoader(TensorDataset(w * 2), batch_size=2)))
    batch.sum().backward()
    assert w.grad.tolist() == [7.0, 7.0]


@pytest.mark.parametrize(
    ("batch", "error", "text"),
    [
        ([], ValueError, "no sample"),
        ([nnlite.ones(2), nnlite.ones(3)], RuntimeError, r"\[2\] and \[3\]"),
        ([(1, 2), (1,)], RuntimeError, r"equal lengths, got \[1, 2\]"),
        ([object(), object()], TypeError, "object objects into a batch.*collate_fn"),
        ([np.array(["a"]), np.array(["b"])], TypeError, "cannot be tensors"),
    ],
)
def test_what_cannot_be_collated(batch, error, text):
    with pytest.raises(error, match=text):
        default_collate(batch)


# ---- the loader ----------------------------------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("count", [9, 10])
@pytest.mark.parametrize("kind", [pairs, Plain])
def test_batches_and_their_number(kind, count, drop_last):
    loader = DataLoader(kind(count), batch_size=5, drop_last=drop_last)
    batches = list(loader)
    assert [len(yb) for _, yb in batches] == (
        [5, 5] if count == 10 else [5] if drop_last else [5, 4]
    )
    assert len(loader) == len(batches)
    assert type(batches[0]) is list
    assert batches[0][0].shape == (5, 3)


def test_indexing_at_once_gives_what_collating_gives():
    at_once = DataLoader(pairs(), batch_size=4, shuffle=True, generator=seeded())
    singly = DataLoader(Plain(), batch_size=4, shuffle=True, generator=seeded())
    by_own_function = DataLoader(
        pairs(),
        batch_size=4,
        shuffle=True,
        generator=seeded(),
        collate_fn=lambda s: default_collate(s),
    )
    for one, two, three in zip(at_once, singly, by_own_function):
        for a, b, c in zip(one, two, three):
            assert a.tolist() == b.tolist() == c.tolist()
            assert a.dtype == b.dtype == c.dtype


def test_batches_are_new_memory():
    """Work in place on a batch (scaling, noise) must not reach the data."""
    x = nnlite.ones(6, 2)
    for data in (TensorDataset(x), Subset(TensorDataset(x), range(6)), x, x.numpy()):
        for options in ({}, {"shuffle": True}, {"batch_size": 6}):
            for batch in DataLoader(data, **options):
                (batch if isinstance(batch, nnlite.Tensor) else batch[0]).mul_(0)
    assert x.tolist() == nnlite.ones(6, 2).tolist()


def test_tensors_and_arrays_are_datasets():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    for data in (nnlite.from_numpy(x), x):
        batches = list(DataLoader(data, batch_size=2))
        assert [batch.tolist() for batch in batches] == [[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0]]]
    assert [b.tolist() for b in DataLoader([3, 4, 5], batch_size=2)] == [[3, 4], [5]]


def test_a_dataset_may_offer_whole_batches():
    class Squares(Dataset):
        calls = 0

        def __len__(self):
            return 7

        def __getitem__(self, index):
            return nnlite.tensor(index**2)

        def get_batch(self, indices):
            self.calls += 1
            return nnlite.from_numpy(indices**2)

    data = Squares()
    assert [b.tolist() for b in DataLoader(data, batch_size=4)] == [[0, 1, 4, 9], [16, 25, 36]]
    assert data.calls == 2

    class Cubes(Squares):
        def __getitem__(self, index):
            return nnlite.tensor(index**3)

    data = Cubes()
    assert next(iter(DataLoader(data, batch_size=4))).tolist() == [0, 1, 8, 27]
    assert data.calls == 0


def test_getitems_of_torch_is_called():
    class Many(Plain):
        def __getitems__(self, indices):
            assert type(indices) is list
            return [(nnlite.tensor(-index), nnlite.tensor(index)) for index in indices]

    for data in (Many(), Subset(Many(), range(10))):
        xb, yb = next(iter(DataLoader(data, batch_size=3)))
        assert (xb.tolist(), yb.tolist()) == ([0, -1, -2], [0, 1, 2])


def test_a_subclass_of_tensor_dataset_that_changes_samples_is_obeyed():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x * 2, y

    xb, _ = next(iter(DataLoader(Doubled(*pairs().tensors), batch_size=2)))
    assert xb.tolist() == [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]


def test_collate_fn_gets_the_list_of_samples():
    loader = DataLoader(pairs(3), batch_size=2, collate_fn=lambda samples: samples)
    first = next(iter(loader))
    assert type(first) is list
    assert [int(y) for _, y in first] == [0, 1]


def test_no_batch_size_gives_single_samples():
    samples = list(DataLoader(pairs(3), batch_size=None))
    assert [y.item() for _, y in samples] == [0, 1, 2]
    assert len(DataLoader(pairs(3), batch_size=None, shuffle=True)) == 3


def test_the_order_depends_on_the_seed_alone():
    first = orders(DataLoader(pairs(), 3, shuffle=True, generator=seeded(1)), passes=3)
    nnlite.rand(5)
    again = orders(DataLoader(pairs(), 4, shuffle=True, generator=seeded(1)), passes=3)
    assert first == again
    assert len({tuple(order) for order in first}) == 3
    nnlite.manual_seed(5)
    by_default = orders(DataLoader(pairs(), 3, shuffle=True), passes=2)
    nnlite.manual_seed(5)
    assert orders(DataLoader(pairs(), 3, shuffle=True), passes=2) == by_default


@pytest.mark.parametrize("own_sampler", [False, True])
def test_the_place_of_a_loader_can_be_saved(own_sampler):
    def make(seed):
        if own_sampler:
            sampler = RandomSampler(range(10), generator=seeded(seed))
            return DataLoader(pairs(), batch_size=3, sampler=sampler)
        return DataLoader(pairs(), batch_size=3, shuffle=True, generator=seeded(seed))

    loader = make(0)
    orders(loader)
    state = loader.state_dict()
    expected = orders(loader, passes=2)
    other = make(9)
    other.load_state_dict(state)
    assert orders(other, passes=2) == expected
    assert len(state["generators"]) == 1
    with pytest.raises(ValueError, match="1 generators of its own, this loader has 0"):
        DataLoader(pairs()).load_state_dict(state)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number from 1 on, got 0"),
        ({"batch_size": -3}, ValueError, "-3"),
        ({"batch_size": 2.0}, ValueError, r"2\.0"),
        ({"batch_size": True}, ValueError, "True"),
        ({"shuffle": True, "sampler": [0]}, ValueError, "sampler and shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, ValueError, "batch_sampler excludes"),
        ({"batch_sampler": [[0]], "shuffle": True}, ValueError, "batch_sampler excludes"),
        ({"batch_size": None, "drop_last": True}, ValueError, "drop_last"),
        ({"num_workers": -1}, ValueError, "num_workers must be a whole number from 0 on, got -1"),
        ({"num_workers": 1.0}, ValueError, r"got 1\.0"),
        ({"prefetch_factor": 2}, ValueError, "prefetch_factor is for workers, and num_workers is"),
        ({"num_workers": 1, "prefetch_factor": 0}, ValueError, "prefetch_factor must be"),
        ({"timeout": 3}, ValueError, "timeout is for workers"),
        ({"num_workers": 1, "timeout": -3}, ValueError, "timeout must not be negative, got -3"),
        ({"num_workers": 1, "worker_type": "fiber"}, ValueError, "'process', 'thread'.*'fiber'"),
        ({"multiprocessing_context": "spawn"}, ValueError, "multiprocessing_context is for work"),
        (
            {"num_workers": 1, "multiprocessing_context": "spwan"},
            ValueError,
            r"multiprocessing_context must be one of \[.*'spwan'",
        ),
        ({"num_workers": 1, "multiprocessing_context": 3}, TypeError, "got int"),
        (
            {"num_workers": 1, "multiprocessing_context": "spawn", "worker_type": "thread"},
            ValueError,
            "is for processes",
        ),
        ({"persistent_workers": True}, ValueError, "persistent_workers"),
        ({"generator": 3}, TypeError, "nnlite.Generator, got int"),
        ({"drop_last": 1}, ValueError, "drop_last must be True or False"),
    ],
)
def test_arguments_that_a_loader_refuses(options, error, text):
    with pytest.raises(error, match=text):
        DataLoader(pairs(), **options)


def test_data_that_a_loader_refuses():
    with pytest.raises(ValueError, match="empty"):
        DataLoader(TensorDataset(nnlite.zeros(0, 3)), shuffle=True)
    with pytest.raises(TypeError, match="no length"):
        DataLoader(iter([1, 2]))
    assert list(DataLoader(TensorDataset(nnlite.zeros(0, 3)))) == []


def test_a_loader_cannot_be_changed_without_effect():
    loader = DataLoader(pairs(), batch_size=2)
    with pytest.raises(ValueError, match="batch_size is fixed"):
        loader.batch_size = 4


def test_options_without_effect_are_accepted():
    DataLoader(pairs(), pin_memory=True, worker_init_fn=print, timeout=0, num_workers=0)


def test_a_batch_sampler_alone_decides():
    loader = DataLoader(pairs(), batch_sampler=[[3, 1], [2]])
    assert [yb.tolist() for _, yb in loader] == [[3, 1], [2]]
    assert len(loader) == 2
    assert loader.batch_size is None
    batches = BatchSampler(RandomSampler(range(10), generator=seeded()), 4, True)
    assert (
        orders(DataLoader(pairs(), batch_sampler=batches), 1)[0]
        == orders(DataLoader(pairs(), 4, shuffle=True, drop_last=True, generator=seeded()), 1)[0]
    )
