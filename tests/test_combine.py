"""utils.data: datasets made of datasets, and streams."""

import numpy as np
import pytest

import nnlite
from nnlite.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
)


class Letters(Dataset):
    def __init__(self, text):
        self.text = text

    def __len__(self):
        return len(self.text)

    def __getitem__(self, index):
        return self.text[index]


class Count(IterableDataset):
    def __init__(self, start, stop):
        self.numbers = range(start, stop)

    def __iter__(self):
        return iter(self.numbers)


class CountWithLength(Count):
    def __len__(self):
        return len(self.numbers)


# ---- side by side ------------------------------


def test_stacks_are_those_of_torch(torch):
    for args, kwargs in [(([1, 2, 3], "abc"), {}), ((), {"x": [1, 2, 3], "name": "abc"})]:
        ours = StackDataset(*args, **kwargs)
        theirs = torch.utils.data.StackDataset(*args, **kwargs)
        assert len(ours) == len(theirs) == 3
        assert [ours[i] for i in range(3)] == [theirs[i] for i in range(3)]
        assert ours.__getitems__([2, 0]) == theirs.__getitems__([2, 0])


@pytest.mark.parametrize("named", [False, True])
def test_stacked_arrays_are_read_a_batch_at_once(named):
    x, y = nnlite.arange(12.0).reshape(6, 2), np.arange(6)
    parts = (x, Subset(y, [5, 4, 3, 2, 1, 0]))
    stack = StackDataset(x=parts[0], y=parts[1]) if named else StackDataset(*parts)

    def slow(samples):
        return nnlite.utils.data.default_collate(samples)

    for quick, plain in zip(
        DataLoader(stack, batch_size=4), DataLoader(stack, batch_size=4, collate_fn=slow)
    ):
        assert type(quick) is type(plain)
        one, two = (list(b.values()) if named else b for b in (quick, plain))
        assert [part.tolist() for part in one] == [part.tolist() for part in two]
        assert [part.dtype for part in one] == [part.dtype for part in two]


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "at least one"),
        (([1],), {"x": [1]}, "with names"),
        (([1], [1, 2]), {}, "equal lengths, got 1 and 2"),
    ],
)
def test_stacks_that_are_refused(args, kwargs, text):
    with pytest.raises(ValueError, match=text):
        StackDataset(*args, **kwargs)


# ---- one after the other ------------------------------


def test_concatenations_are_those_of_torch(torch):
    parts = ["abc", "", "defg"]
    ours, theirs = ConcatDataset(parts), torch.utils.data.ConcatDataset(parts)
    assert len(ours) == len(theirs) == 7
    assert ours.cumulative_sizes == theirs.cumulative_sizes
    assert [ours[i] for i in range(-7, 7)] == [theirs[i] for i in range(-7, 7)]
    for index in (7, -8):
        with pytest.raises(IndexError, match=f"no sample {index}, there are 7"):
            ours[index]


def test_a_concatenation_asks_each_part_once():
    class Many(Letters):
        calls = 0

        def __getitems__(self, indices):
            self.calls += 1
            return [self.text[index] for index in indices]

    first, second = Many("abc"), Many("de")
    loader = DataLoader(ConcatDataset([first, second]), batch_sampler=[[4, 0, 3, 2]])
    assert list(loader) == [["e", "a", "d", "c"]]
    assert (first.calls, second.calls) == (1, 1)


def test_what_getitems_forgets_is_noticed():
    class Few(Letters):
        def __getitems__(self, indices):
            return []

    with pytest.raises(ValueError, match=r"Few.__getitems__: 0 samples for 2 indices"):
        list(DataLoader(Few("ab"), batch_size=2))


def test_datasets_are_added():
    both = Letters("ab") + Letters("c")
    assert type(both) is ConcatDataset
    assert [both[i] for i in range(3)] == ["a", "b", "c"]
    stream = Count(0, 2) + Count(5, 7)
    assert type(stream) is ChainDataset
    assert list(stream) == [0, 1, 5, 6]


def test_what_cannot_be_joined():
    with pytest.raises(ValueError, match="datasets is empty"):
        ConcatDataset([])
    with pytest.raises(TypeError, match=r"datasets\[1\] is an IterableDataset \(Count\).*Chain"):
        ConcatDataset(["ab", Count(0, 1)])
    with pytest.raises(TypeError, match=r"datasets\[0\] is no IterableDataset but str"):
        list(ChainDataset(["ab"]))


# ---- streams ------------------------------


@pytest.mark.parametrize("batch_size", [None, 1, 3, 7])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_of_a_stream_are_those_of_torch(torch, batch_size, drop_last):
    class Theirs(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(7))

        def __len__(self):
            return 7

    if batch_size is None and drop_last:
        pytest.skip("excluded by both")
    options = {"batch_size": batch_size, "drop_last": drop_last}
    ours = DataLoader(CountWithLength(0, 7), **options)
    theirs = torch.utils.data.DataLoader(Theirs(), **options)
    plain = [b if batch_size is None else b.tolist() for b in ours]
    assert plain == [b if batch_size is None else b.tolist() for b in theirs]
    assert len(ours) == len(theirs)


def test_a_stream_may_make_batches_itself():
    class Quick(Count):
        def iter_batches(self, batch_size, drop_last):
            assert (batch_size, drop_last) == (2, True)
            yield "quick"

    assert list(DataLoader(Quick(0, 5), batch_size=2, drop_last=True)) == ["quick"]

    class Changed(Quick):
        def __iter__(self):
            return iter([9, 8, 7])

    assert [b.tolist() for b in DataLoader(Changed(0, 5), batch_size=2)] == [[9, 8], [7]]


def test_a_stream_hears_of_the_epoch():
    class Epochs(Count):
        def set_epoch(self, epoch):
            self.numbers = range(epoch, epoch + 2)

    loader = DataLoader(Epochs(0, 0), batch_size=2)
    assert [[b.tolist() for b in loader] for _ in range(3)] == [[[0, 1]], [[1, 2]], [[2, 3]]]


def test_a_stream_goes_on_where_its_state_was_taken():
    loader = DataLoader(Count(0, 9), batch_size=2)
    for _ in loader:
        state = loader.state_dict()
        if state["given"] == 3:
            break
    loader.load_state_dict(state)
    assert [b.tolist() for b in loader] == [[6, 7], [8]]
    assert next(iter(loader)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shuffle": True}, "shuffle=True needs samples by number"),
        ({"sampler": [0]}, "sampler needs samples by number"),
        ({"batch_sampler": [[0]]}, "batch_sampler needs samples by number"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 on, got 0"),
        ({"batch_size": 1, "drop_last": 1}, "drop_last must be True or False"),
    ],
)
def test_what_a_loader_of_a_stream_refuses(options, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(Count(0, 3), **options)


def test_what_a_stream_has_not():
    with pytest.raises(TypeError, match="len"):
        len(DataLoader(Count(0, 3)))
    with pytest.raises(TypeError, match="Count: an iterable dataset has no samples by number"):
        Count(0, 3)[0]
    with pytest.raises(NotImplementedError, match="defines __iter__"):
        iter(IterableDataset())


def test_tensor_datasets_in_a_concatenation():
    parts = [TensorDataset(nnlite.arange(3)), TensorDataset(nnlite.arange(3) + 10)]
    (batch,) = next(iter(DataLoader(ConcatDataset(parts), batch_sampler=[[5, 0, 3]])))
    assert batch.tolist() == [12, 0, 10]
