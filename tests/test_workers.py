"""utils.data: loaders with worker processes and threads."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loading import CustomError, Numbers, Share, Told, fail_to_begin, say

import nnlite
from nnlite.utils.data import DataLoader, TensorDataset, get_worker_info
from nnlite.utils.data.pool import WorkerError

TYPES = ["process", "thread"]
HERE = Path(__file__).parent


def numbers(loader):
    return [batch[1].tolist() for batch in loader]


def drawn(loader):
    return [[column.tolist() for column in batch[2]] for batch in loader]


# ---- batches ---------------------------------------


@pytest.mark.parametrize("worker_type", TYPES)
def test_workers_give_what_the_loader_gives_itself(worker_type):
    def passes(**options):
        nnlite.manual_seed(4)
        loader = DataLoader(Numbers(), batch_size=5, shuffle=True, **options)
        return [(x[:, 7].tolist(), i.tolist(), x.shape) for _ in range(2) for x, i, _ in loader]

    workers = {"num_workers": 2, "persistent_workers": True, "worker_type": worker_type}
    assert passes() == passes(**workers)
    assert not multiprocessing.active_children()


def test_random_numbers_are_the_same_for_any_number_of_processes():
    def passes(workers):
        nnlite.manual_seed(4)
        loader = DataLoader(Numbers(9), 2, num_workers=workers, persistent_workers=True)
        return drawn(loader), drawn(loader)

    one, two = passes(1), passes(2)
    assert one == two
    first, second = one
    assert first != second
    assert len({number for batch in first for column in batch for number in column}) == 27


def test_threads_leave_the_random_generators_alone():
    before = nnlite.get_rng_state()
    assert numbers(DataLoader(Told(), 2, num_workers=2, worker_type="thread"))
    assert nnlite.get_rng_state() == before


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
def test_the_order_holds_when_there_are_more_workers_than_batches(workers):
    loader = DataLoader(Numbers(7), 3, num_workers=workers, worker_type="thread", prefetch_factor=3)
    assert numbers(loader) == [[0, 1, 2], [3, 4, 5], [6]]


def test_workers_take_batches_of_arrays_at_once():
    data = TensorDataset(nnlite.arange(10), nnlite.arange(10) ** 2)
    loader = DataLoader(data, 4, num_workers=1, worker_type="thread", drop_last=True)
    assert [[c.tolist() for c in batch] for batch in loader] == [
        [[0, 1, 2, 3], [0, 1, 4, 9]],
        [[4, 5, 6, 7], [16, 25, 36, 49]],
    ]


@pytest.mark.parametrize("worker_type", TYPES)
def test_workers_know_who_they_are(worker_type):
    options = {"num_workers": 2, "worker_type": worker_type, "worker_init_fn": say}
    loader = DataLoader(Told(), 1, collate_fn=lambda_free, **options)
    told = list(loader)
    assert [sample[:3] for sample in told] == [(0, 2, True), (1, 2, True)] * 2
    if worker_type == "process":  # threads share the dataset
        assert [sample[3] for sample in told] == [10, 11, 10, 11]
    assert get_worker_info() is None


def lambda_free(samples):
    (sample,) = samples
    return sample


def test_an_init_function_that_fails_is_heard():
    options = {"num_workers": 1, "worker_type": "thread", "worker_init_fn": fail_to_begin}
    with pytest.raises(OSError, match="worker 0 has no disk") as caught:
        list(DataLoader(Numbers(), **options))
    assert "worker 0 (a thread) failed at its start" in str(caught.value.__cause__)


# ---- streams (the lists are what torch gives) ---------


@pytest.mark.parametrize(
    ("count", "workers", "expected"),
    [
        (7, 1, [[0, 1], [2, 3], [4, 5], [6]]),
        (7, 2, [[0, 2], [1, 3], [4, 6], [5]]),
        (9, 3, [[0, 3], [1, 4], [2, 5], [6], [7], [8]]),
        (10, 4, [[0, 4], [1, 5], [2, 6], [3, 7], [8], [9]]),
        (1, 3, [[0]]),
    ],
)
def test_each_worker_has_its_share_of_a_stream(count, workers, expected):
    loader = DataLoader(Share(count), 2, num_workers=workers, worker_type="thread")
    assert [batch.tolist() for batch in loader] == expected


def test_a_stream_in_processes_hears_of_the_epoch():
    loader = DataLoader(Share(3), 2, num_workers=2, persistent_workers=True)
    found = [[batch.tolist() for batch in loader] for _ in range(2)]
    assert found == [[[0, 2], [1]], [[100, 102], [101]]]


# ---- resume ----------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_a_pass_with_workers_goes_on_where_its_state_was_taken(stream):
    def make():
        options = {"num_workers": 2, "worker_type": "thread"}
        if stream:
            return DataLoader(Share(12), 2, **options)
        return DataLoader(range(12), 2, shuffle=True, **options)

    loader = make()
    found = []
    for number, batch in enumerate(loader):
        found.append(batch.tolist())
        if number == 2:
            state = loader.state_dict()
    following = [batch.tolist() for batch in loader]
    again = make()
    again.load_state_dict(state)
    assert [batch.tolist() for batch in again] == found[3:]
    assert [batch.tolist() for batch in again] == following
    # Another number of workers changes nothing either.
    if not stream:
        alone = DataLoader(range(12), 2, shuffle=True)
        alone.load_state_dict(state)
        assert [batch.tolist() for batch in alone] == found[3:]


# ---- what goes wrong ---------------------------------


@pytest.mark.parametrize("worker_type", TYPES)
def test_an_exception_comes_out_with_its_place_and_trace(worker_type):
    loader = DataLoader(Numbers(bad=7), 3, num_workers=1, worker_type=worker_type)
    batches = iter(loader)
    assert [next(batches)[1].tolist() for _ in range(2)] == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(CustomError, match="no such picture") as caught:
        next(batches)
    assert caught.value.index == 7
    said = str(caught.value.__cause__)
    assert "DataLoader worker 0 " in said
    assert "failed in batch 2, dataset[7]" in said
    if worker_type == "process":
        assert "in __getitem__" in said
        assert "loading.py" in said
    if hasattr(caught.value, "__notes__"):
        assert "dataset[7]" in caught.value.__notes__[0]
    # The batch is lost, the others are not.
    assert numbers(batches) == [[9, 10, 11]]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [{}, {"num_workers": 1, "worker_type": "thread"}])
def test_an_iterator_that_ends_in_a_dataset_does_not_end_the_pass(workers):
    class Ends(Numbers):
        def __getitem__(self, index):
            return next(iter(()))

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(DataLoader(Ends(), **workers))


def test_a_killed_worker_is_noticed_and_named():
    loader = DataLoader(Numbers(deadly=4), 3, num_workers=2)
    with pytest.raises(WorkerError, match=r"worker 1 \(process \d+\)") as caught:
        list(loader)
    if os.name == "posix":
        assert "was killed by SIGTERM" in str(caught.value)
    assert not multiprocessing.active_children()


def test_a_late_worker_is_not_waited_for():
    loader = DataLoader(Numbers(seconds=0.4), num_workers=1, worker_type="thread", timeout=0.05)
    with pytest.raises(RuntimeError, match=r"worker 0 has not given batch 0.*timeout=0\.05"):
        list(loader)


@pytest.mark.parametrize("part", ["dataset", "collate_fn", "worker_init_fn"])
def test_what_cannot_be_sent_is_named(part):
    options = {"dataset": Numbers(), "num_workers": 1}
    options[part] = [lambda: 0] if part == "dataset" else lambda _: 0
    with pytest.raises(RuntimeError, match=rf"DataLoader: (the )?{part} cannot be sent.*thread"):
        list(DataLoader(**options))
    assert not multiprocessing.active_children()


def test_a_batch_that_cannot_be_sent_is_named():
    loader = DataLoader(Numbers(2), num_workers=1, collate_fn=make_lambda)
    with pytest.raises(Exception, match="lambda") as caught:
        list(loader)
    assert "to send its batch" in str(caught.value.__cause__)


def make_lambda(samples):
    return lambda: samples


@pytest.mark.parametrize("worker_type", TYPES)
def test_a_loop_that_is_left_leaves_nobody_behind(worker_type):
    import threading

    before = threading.active_count()
    for keep in (False, True):
        loader = DataLoader(
            Numbers(100), num_workers=1, persistent_workers=keep, worker_type=worker_type
        )
        for _ in loader:
            break
        if keep:
            assert numbers(loader) == [[i] for i in range(100)]
            first, second = iter(loader), iter(loader)  # both at once
            assert [next(first)[1], next(second)[1], next(first)[1]] == [0, 0, 1]
            del first, second
        del loader
        assert not multiprocessing.active_children()
        assert threading.active_count() == before


UNGUARDED = """
from nnlite.utils.data import DataLoader
print(list(DataLoader(range(4), num_workers=1)))
"""


def run(*command, **options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}
    return subprocess.Popen(
        [sys.executable, *command],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_script_without_the_guard_is_told_the_cure(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    with run(str(script)) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert "WorkerError: DataLoader worker 0" in last
    assert 'if __name__ == "__main__":' in last


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("ending", ["SIGINT", "SIGKILL"])
def test_no_process_is_left_behind(ending):
    with run(str(HERE / "loading.py"), start_new_session=True) as process:
        workers = [int(word) for word in process.stdout.readline().split()]
        assert len(workers) == 1
        if ending == "SIGINT":  # a terminal sends it to all of them
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.kill()
        _, errors = process.communicate(timeout=30)
    if ending == "SIGINT":
        assert errors.count("Traceback") == 1
        assert "KeyboardInterrupt" in errors
    patience = time.monotonic() + 20
    while any(map(alive, workers)):
        assert time.monotonic() < patience
        time.sleep(0.02)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and ") Z " in stat.read_text())
