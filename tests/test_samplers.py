"""utils.data: samplers, and what the order depends on."""

import numpy as np
import pytest

import nnlite
from nnlite.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def seeded(seed=0):
    return nnlite.Generator().manual_seed(seed)


def orders(loader, passes=1):
    return [[int(i) for batch in loader for i in batch] for _ in range(passes)]


# ---- beside torch ------------------------------

MADE = [
    ("SequentialSampler", (range(7),), {}),
    ("RandomSampler", (range(7),), {}),
    ("RandomSampler", (range(7),), {"num_samples": 3}),
    ("RandomSampler", (range(7),), {"num_samples": 17}),
    ("RandomSampler", (range(7),), {"replacement": True, "num_samples": 12}),
    ("SubsetRandomSampler", ([4, 2, 9],), {}),
    ("WeightedRandomSampler", ([0.1, 3.0, 0.0, 2.0], 9), {}),
    ("WeightedRandomSampler", ([0.1, 3.0, 0.0, 2.0], 3), {"replacement": False}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), MADE)
def test_lengths_and_sets_are_those_of_torch(torch, name, args, kwargs):
    ours = getattr(nnlite.utils.data, name)(*args, **kwargs)
    theirs = getattr(torch.utils.data, name)(*args, **kwargs)
    drawn = list(ours)
    assert len(ours) == len(drawn) == len(theirs)
    assert all(type(index) is int for index in drawn)
    if not kwargs.get("replacement", name == "WeightedRandomSampler"):
        most = max(drawn.count(index) for index in drawn)
        others = list(theirs)
        assert most == max(others.count(index) for index in others)
    for drop_last in (False, True):
        batches = BatchSampler(ours, 2, drop_last)
        beside = torch.utils.data.BatchSampler(theirs, 2, drop_last)
        assert list(map(len, batches)) == list(map(len, beside))
        assert len(batches) == len(beside)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("replicas", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [1, 2, 6, 10])
def test_shares_are_those_of_torch(torch, count, replicas, drop_last):
    options = {"num_replicas": replicas, "shuffle": False, "drop_last": drop_last}
    for rank in range(replicas):
        ours = DistributedSampler(range(count), rank=rank, **options)
        theirs = torch.utils.data.DistributedSampler(range(count), rank=rank, **options)
        assert list(ours) == list(theirs)
        assert len(ours) == len(theirs)
        assert (ours.num_samples, ours.total_size) == (theirs.num_samples, theirs.total_size)


# ---- orders and batches ----------------------


def test_a_random_sampler_gives_each_index_once_and_another_order_each_time():
    sampler = RandomSampler(range(30), generator=seeded())
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second
    assert all(type(index) is int for index in first)


def test_a_random_sampler_may_draw_more_or_fewer_than_there_are():
    many = list(RandomSampler(range(4), num_samples=10, generator=seeded()))
    assert len(many) == 10
    assert sorted(many[:4]) == sorted(many[4:8]) == [0, 1, 2, 3]
    few = RandomSampler(range(100), num_samples=3, generator=seeded())
    assert len(set(few)) == len(few) == 3


def test_drawing_with_replacement_repeats():
    drawn = list(RandomSampler(range(5), replacement=True, num_samples=50, generator=seeded()))
    assert len(drawn) == 50
    assert set(drawn) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("count", [0, -1, 2.0, True])
def test_a_random_sampler_refuses_counts_that_are_none(count):
    with pytest.raises(ValueError, match="num_samples"):
        RandomSampler(range(3), num_samples=count)


def test_batches_of_any_sampler():
    class Backwards(Sampler):
        def __len__(self):
            return 5

        def __iter__(self):
            return iter([4, 3, 2, 1, 0])

    assert list(BatchSampler(Backwards(), 2, False)) == [[4, 3], [2, 1], [0]]
    assert len(BatchSampler(Backwards(), 2, False)) == 3
    assert list(BatchSampler(Backwards(), 2, True)) == [[4, 3], [2, 1]]
    assert len(BatchSampler(Backwards(), 2, True)) == 2
    assert orders(DataLoader(range(10), batch_size=2, sampler=Backwards())) == [[4, 3, 2, 1, 0]]
    assert orders(DataLoader(range(10), batch_size=2, sampler=[1, 7])) == [[1, 7]]


def test_a_sampler_that_overrides_iter_alone_is_obeyed():
    class Sorted(RandomSampler):
        def __iter__(self):
            return iter(sorted(super().__iter__()))

    loader = DataLoader(range(10), batch_size=4, sampler=Sorted(range(10)))
    assert orders(loader) == [list(range(10))]


def test_a_batch_sampler_that_overrides_iter_alone_is_obeyed():
    class FirstOnly(BatchSampler):
        def __iter__(self):
            yield next(super().__iter__())

    batches = FirstOnly(SequentialSampler(range(10)), 3, False)
    assert orders(DataLoader(range(10), batch_sampler=batches)) == [[0, 1, 2]]


# ---- weights ------------------------------


def test_weights_are_the_frequencies():
    weights = np.array([1.0, 0.0, 2.0, 5.0])
    drawn = list(WeightedRandomSampler(weights, 20_000, generator=seeded()))
    shares = np.bincount(drawn, minlength=4) / 20_000
    assert shares[1] == 0
    np.testing.assert_allclose(shares, weights / 8, atol=4 * np.sqrt(0.25 / 20_000))


def test_without_replacement_each_is_drawn_by_the_weights_that_are_left():
    """P(first = i) = wᵢ / Σw, and P(second = j | first = i) = wⱼ / (Σw − wᵢ)."""
    sampler = WeightedRandomSampler([1.0, 2.0, 5.0, 0.0], 2, False, seeded())
    pairs = [tuple(sampler) for _ in range(4000)]
    expected = {
        (0, 1): 1 / 8 * 2 / 7, (0, 2): 1 / 8 * 5 / 7, (1, 0): 2 / 8 * 1 / 6,
        (1, 2): 2 / 8 * 5 / 6, (2, 0): 5 / 8 * 1 / 3, (2, 1): 5 / 8 * 2 / 3,
    }  # fmt: skip
    assert set(pairs) == set(expected)
    for pair, share in expected.items():
        deviation = np.sqrt(share * (1 - share) / 4000)
        assert abs(pairs.count(pair) / 4000 - share) < 4 * deviation


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([1.0, -1.0], 2), r"weights\[1\] is -1\.0"),
        (([1.0, float("nan")], 2), r"weights\[1\] is nan"),
        (([float("inf")], 2), "inf"),
        (([0.0, 0.0], 2), "all weights are zero"),
        (([], 2), "there are none"),
        (([[1.0]], 2), r"shape \(1, 1\)"),
        (([1.0], 0), "num_samples must be a whole number from 1 on, got 0"),
        (([1.0], True), "got True"),
        (([1.0], 1, 1), "replacement must be True or False, got 1"),
        (([1.0, 0.0], 2, False), "num_samples=2 cannot be drawn.*from 1 samples"),
    ],
)
def test_weights_that_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        WeightedRandomSampler(*arguments)


def test_a_random_sampler_refuses_what_it_cannot_draw():
    with pytest.raises(TypeError, match="replacement must be True or False, got 1"):
        RandomSampler(range(3), replacement=1)
    with pytest.raises(ValueError, match="the dataset is empty"):
        RandomSampler([], num_samples=2)


def test_a_subset_in_random_order():
    sampler = SubsetRandomSampler(nnlite.tensor([5, 3, 8]), generator=seeded())
    passes = [tuple(sampler) for _ in range(20)]
    assert {tuple(sorted(order)) for order in passes} == {(3, 5, 8)}
    assert len(set(passes)) > 3
    assert list(SubsetRandomSampler([])) == []


# ---- shares of several processes ------------------------------


def test_shuffled_shares_are_of_one_order_that_epoch_and_seed_say():
    def shares(epoch, seed=0):
        samplers = [DistributedSampler(range(11), 3, rank, seed=seed) for rank in range(3)]
        for sampler in samplers:
            sampler.set_epoch(epoch)
        return [list(sampler) for sampler in samplers]

    first = shares(0)
    nnlite.rand(3)
    assert first == shares(0)
    assert sorted({index for share in first for index in share}) == list(range(11))
    assert [len(share) for share in first] == [4, 4, 4]
    assert first != shares(1) != shares(0, seed=1)


@pytest.mark.parametrize("names", [("WORLD_SIZE", "RANK"), ("PMI_SIZE", "PMI_RANK")])
def test_the_launcher_says_the_rank(monkeypatch, names):
    monkeypatch.setenv(names[0], "3")
    monkeypatch.setenv(names[1], "2")
    sampler = DistributedSampler(range(9), shuffle=False)
    assert list(sampler) == [2, 5, 8]
    assert DistributedSampler(range(9), rank=0).num_replicas == 3


def test_without_a_launcher_the_rank_must_be_given(monkeypatch):
    for name in ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match="num_replicas and rank are not given"):
        DistributedSampler(range(9))
    with pytest.raises(ValueError, match="rank must be from 0 to 1 for num_replicas=2, got 2"):
        DistributedSampler(range(9), 2, 2)
    with pytest.raises(ValueError, match="num_replicas must be a whole number from 1 on, got 0"):
        DistributedSampler(range(9), 0, 0)


# ---- seed and epoch alone ------------------------------


def weighted():
    return WeightedRandomSampler([1.0] * 12, 12)


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": True},
        {"sampler": weighted()},
        {"sampler": SubsetRandomSampler(range(12))},
        {"batch_sampler": BatchSampler(RandomSampler(range(12)), 5, False)},
    ],
)
def test_other_draws_do_not_change_the_order(options):
    size = {} if "batch_sampler" in options else {"batch_size": 5}
    loader = DataLoader(range(12), **size, **options)
    nnlite.manual_seed(3)
    expected = orders(loader, 2)
    nnlite.manual_seed(3)
    first = orders(loader)
    nnlite.rand(7)  # dropout, say
    assert first + orders(loader) == expected
    nnlite.manual_seed(4)
    assert orders(loader, 2) != expected


def test_two_loaders_have_orders_of_their_own():
    first, second = (DataLoader(range(20), shuffle=True) for _ in range(2))
    assert orders(first) != orders(second)


PLACES = [
    {"shuffle": True},
    {"shuffle": True, "generator": seeded(5)},
    {"sampler": SequentialSampler(range(12))},
    {"batch_sampler": BatchSampler(weighted(), 5, True)},
    {"sampler": DistributedSampler(range(12), 1, 0)},
    {"batch_size": None, "shuffle": True},
]


@pytest.mark.parametrize("options", PLACES, ids=str)
@pytest.mark.parametrize("at", [1, 2])
def test_a_pass_goes_on_where_its_state_was_taken(options, at):
    if not options.keys() & {"batch_sampler", "batch_size"}:
        options = {"batch_size": 5, **options}
    loader = DataLoader(range(12), **options)
    list(loader)
    for number, _ in enumerate(loader, start=1):
        if number == at:
            state = loader.state_dict()
            drawn = nnlite.get_rng_state()
    after = nnlite.rand(1).item()
    expected = [list(map(str, loader)) for _ in range(2)]

    again = DataLoader(range(12), **options)
    again.load_state_dict(state)
    nnlite.set_rng_state(drawn)
    rest = list(map(str, again))
    assert len(rest) == len(again) - at
    assert nnlite.rand(1).item() == after
    assert [list(map(str, again)) for _ in range(2)] == expected
    again.load_state_dict(state)
    assert again.state_dict() == state
    assert list(map(str, again)) == rest


def test_a_pass_that_was_left_is_over():
    loader = DataLoader(range(12), batch_size=5, shuffle=True)
    for _ in loader:
        break
    state = loader.state_dict()
    assert state["given"] == 0
    expected = orders(loader)
    loader.load_state_dict(state)
    assert orders(loader) == expected


def test_skipped_batches_are_not_read():
    class Counted:
        read = 0

        def __len__(self):
            return 100

        def __getitem__(self, index):
            self.read += 1
            return index

    data = Counted()
    loader = DataLoader(data, batch_size=10)
    for number, _ in enumerate(loader, start=1):
        if number == 9:
            state = loader.state_dict()
    data.read = 0
    loader.load_state_dict(state)
    assert orders(loader) == [list(range(90, 100))]
    assert data.read == 10


def test_a_state_of_another_kind_of_loader_is_refused():
    with pytest.raises(ValueError, match="1 generators of its own, this loader has 0; make it wi"):
        DataLoader(range(3)).load_state_dict(DataLoader(range(3), shuffle=True).state_dict())
