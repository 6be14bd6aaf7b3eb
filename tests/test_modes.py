"""The grad modes: as blocks and decorators, with generators, coroutines and threads."""

import asyncio
import gc
import threading

import pytest

import nnlite
from nnlite import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    ones,
    set_grad_enabled,
)


@pytest.fixture(autouse=True)
def _mode_is_restored():
    """Whatever a test does, gradients are on before and after it."""
    assert is_grad_enabled()
    yield
    left_on = is_grad_enabled()
    set_grad_enabled(True)
    assert left_on
    assert not is_inference_mode_enabled()


def records():
    """Whether an operation is recorded now, by what comes out of it."""
    recorded = (ones(1, requires_grad=True) * 2).requires_grad
    assert recorded == is_grad_enabled()
    return recorded


OFF = [no_grad, inference_mode, lambda: set_grad_enabled(False), lambda: inference_mode(True)]
ON = [enable_grad, lambda: set_grad_enabled(True)]
each_off = pytest.mark.parametrize(
    "mode", OFF, ids=["no_grad", "inference", "set", "inference(True)"]
)
each_on = pytest.mark.parametrize("mode", ON, ids=["enable_grad", "set"])


# ---- blocks -------------------------------------------------------------------------------------


@each_off
def test_block(mode):
    with mode():
        assert not records()
    assert records()


@each_on
def test_blocks_within_blocks(mode):
    with no_grad():
        assert not records()
        with enable_grad():
            assert records()
            with mode():
                pass
            assert records()
        assert not records()
    assert records()


@each_on
def test_on_within_off(mode):
    with no_grad():
        with mode():
            assert records()
        assert not records()


@each_off
def test_exception_ends_the_mode(mode):
    with pytest.raises(ZeroDivisionError), mode():
        1 / 0  # noqa: B018
    assert records()


@each_off
def test_one_instance_entered_again(mode):
    block = mode()
    for _ in range(2):
        with block:
            with enable_grad():
                with block:
                    assert not records()
                assert records()
            assert not records()
        assert records()


def test_set_grad_enabled_works_at_once():
    set_grad_enabled(False)
    try:
        assert not records()
    finally:
        set_grad_enabled(True)
    assert records()
    with set_grad_enabled(False):
        assert not records()
        with set_grad_enabled(mode=True):
            assert records()
        assert not records()
    assert records()


def test_inference_mode():
    with inference_mode():
        assert is_inference_mode_enabled()
        with inference_mode(False):
            assert is_inference_mode_enabled()
            assert not records()
        assert is_inference_mode_enabled()
    assert not is_inference_mode_enabled()
    with inference_mode(False):
        assert records()


def test_modes_end_in_order_when_interleaved():
    """Two blocks that end in another order than they began leave the first one's mode behind."""
    with no_grad():
        inner = enable_grad()
        inner.__enter__()
        assert records()
        inner.__exit__(None, None, None)
        assert not records()


def test_results_say_why_they_have_no_graph():
    with no_grad():
        y = ones(1, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="under no_grad"):
        y.backward()
    assert y.is_leaf
    assert y.grad_fn is None


def test_leaves_made_under_no_grad_can_require_gradients():
    with no_grad():
        x = ones(2, requires_grad=True)
    assert x.requires_grad
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_backward_under_no_grad():
    """The mode is about recording: a graph that exists can be differentiated."""
    x = ones(2, requires_grad=True)
    y = (x * x).sum()
    with no_grad():
        y.backward()
        assert not records()
    assert x.grad.tolist() == [2.0, 2.0]


def test_create_graph_records_under_no_grad():
    x = ones(2, requires_grad=True)
    y = (x * x * x).sum()
    with no_grad():
        (g,) = nnlite.autograd.grad(y, x, create_graph=True)
        assert not records()
    assert g.requires_grad
    assert nnlite.autograd.grad(g.sum(), x)[0].tolist() == [6.0, 6.0]


# ---- decorators ---------------------------------------------------------------------------------


@pytest.mark.parametrize("decorate", [no_grad, no_grad(), inference_mode, inference_mode()])
def test_decorated_function(decorate):
    @decorate
    def function(x, *, y):
        """What it does."""
        assert not records()
        return x + y

    assert function(1, y=2) == 3
    assert function.__name__ == "function"
    assert function.__doc__ == "What it does."
    assert records()


@pytest.mark.parametrize("decorate", [enable_grad, enable_grad(), set_grad_enabled(True)])
def test_decorated_function_on(decorate):
    @decorate
    def function():
        return records()

    with no_grad():
        assert function()
        assert not records()


def test_set_grad_enabled_as_decorator_leaves_the_mode_alone():
    @set_grad_enabled(False)
    def function():
        return records()

    assert records()
    assert not function()
    assert records()


def test_decorated_method():
    class Model:
        @no_grad()
        def predict(self, x):
            return records(), x

        @staticmethod
        @no_grad
        def still():
            return records()

        @classmethod
        @no_grad()
        def kind(cls):
            return records(), cls

    assert Model().predict(3) == (False, 3)
    assert Model.still() is False
    assert Model.kind() == (False, Model)


def test_decorated_function_raises():
    @no_grad()
    def function():
        raise KeyError("x")

    with pytest.raises(KeyError):
        function()
    assert records()


def test_decorated_function_calls_itself():
    @no_grad()
    def count(n):
        assert not records()
        with enable_grad():
            assert records()
            return 0 if n == 0 else 1 + count(n - 1)

    assert count(5) == 5
    assert records()


def test_classes_cannot_be_decorated():
    with pytest.raises(TypeError, match="cannot decorate the class Model; decorate its methods"):

        @no_grad()
        class Model:
            pass


# ---- generators and coroutines ------------------------------------------------------------------


def test_generator_keeps_its_mode_to_itself():
    @no_grad()
    def numbers():
        for i in range(3):
            assert not records()
            yield i
            assert not records()

    seen = []
    for i in numbers():
        assert records()
        seen.append(i)
    assert seen == [0, 1, 2]
    assert records()


def test_generator_under_another_mode_of_its_consumer():
    @enable_grad()
    def numbers():
        yield records()
        yield records()

    source = numbers()
    with no_grad():
        assert next(source)
        assert not records()
    assert next(source)


def test_generator_send_throw_close_and_return():
    events = []

    @no_grad()
    def talk():
        """Doc."""
        try:
            got = yield "first"
            events.append((got, records()))
            try:
                yield "second"
            except ValueError:
                events.append(("thrown", records()))
                yield "third"
            return "value"
        finally:
            events.append(("closed", records()))

    source = talk()
    assert talk.__doc__ == "Doc."
    assert next(source) == "first"
    assert source.send(7) == "second"
    assert source.throw(ValueError()) == "third"
    assert records()
    with pytest.raises(StopIteration) as stop:
        next(source)
    assert stop.value.value == "value"
    assert events == [(7, False), ("thrown", False), ("closed", False)]
    events.clear()
    source = talk()
    next(source)
    source.close()
    assert events == [("closed", False)]
    assert records()


def test_generator_that_is_dropped():
    @no_grad()
    def numbers():
        yield 1
        yield 2

    source = numbers()
    next(source)
    del source
    gc.collect()
    assert records()


def test_generator_exceptions_reach_the_consumer():
    @no_grad()
    def broken():
        yield 1
        raise KeyError("x")

    source = broken()
    next(source)
    with pytest.raises(KeyError):
        next(source)
    assert records()

    @no_grad()
    def unmoved():
        yield 1

    source = unmoved()
    next(source)
    with pytest.raises(ValueError, match="mine"):
        source.throw(ValueError("mine"))
    assert records()


def test_generator_delegation():
    @no_grad()
    def inner():
        got = yield 1
        return (got, records())

    def outer():
        result = yield from inner()
        yield result, records()

    source = outer()
    assert next(source) == 1
    assert source.send("x") == (("x", False), True)


def test_coroutine():
    @no_grad()
    async def predict(x):
        assert not records()
        await asyncio.sleep(0)
        assert not records()
        return x

    async def train():
        seen = []
        for _ in range(5):
            seen.append(records())
            await asyncio.sleep(0)
        return seen

    async def both():
        return await asyncio.gather(predict(3), train(), predict(4))

    assert asyncio.run(both()) == [3, [True] * 5, 4]
    assert records()


def test_block_across_an_await_stays_in_its_task():
    async def quiet(started, go):
        with no_grad():
            started.set()
            await go.wait()
            return records()

    async def main():
        started, go = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(quiet(started, go))
        await started.wait()
        here = records()
        go.set()
        return here, await task, records()

    assert asyncio.run(main()) == (True, False, True)


def test_async_generator():
    @no_grad()
    async def numbers():
        for i in range(3):
            assert not records()
            yield i

    async def consume():
        seen = []
        async for i in numbers():
            assert records()
            seen.append(i)
        return seen

    assert asyncio.run(consume()) == [0, 1, 2]


def test_async_generator_that_is_closed_early():
    ended = []

    @no_grad()
    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            ended.append(records())

    async def consume():
        source = numbers()
        async for _ in source:
            break
        await source.aclose()

    asyncio.run(consume())
    assert ended == [False]


def test_async_generator_send_and_throw():
    @no_grad()
    async def talk():
        got = yield 1
        try:
            yield got, records()
        except ValueError:
            yield "thrown", records()

    async def consume():
        source = talk()
        first = await source.__anext__()
        second = await source.asend("x")
        third = await source.athrow(ValueError())
        return first, second, third, records()

    assert asyncio.run(consume()) == (1, ("x", False), ("thrown", False), True)


# ---- threads ------------------------------------------------------------------------------------


def in_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join(10)
    return result[0]


def test_mode_belongs_to_its_thread():
    with no_grad():
        assert in_thread(records)
        assert not records()

    def switch():
        set_grad_enabled(False)
        return records()

    assert not in_thread(switch)
    assert records()


def test_decorated_function_in_two_threads_at_once():
    """One decorator object serves all calls: they must not share what is to be restored."""
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    @no_grad()
    def predict(is_in, may_leave):
        is_in.set()
        may_leave.wait(10)
        return records()

    results = {}

    def first():
        set_grad_enabled(False)
        results["first"] = predict(first_is_in, second_is_in), records()
        first_is_out.set()

    def second():
        first_is_in.wait(10)
        results["second"] = predict(second_is_in, first_is_out), records()

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == {"first": (False, False), "second": (False, True)}


# ---- as torch -----------------------------------------------------------------------------------


def test_results_have_torchs_flags(torch):
    def flags(library):
        x = library.ones(2, requires_grad=True)
        with library.no_grad():
            y = x * 2
            z = library.ones(1, requires_grad=True)
            with library.enable_grad():
                w = x * 2
        d = x.detach()
        i = x > 0
        return [(t.requires_grad, t.is_leaf, t.grad_fn is None) for t in (x, y, z, w, d, i)]

    assert flags(nnlite) == flags(torch)
