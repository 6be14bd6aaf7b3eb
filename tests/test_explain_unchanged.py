"""Explaining changes nothing: not a byte of gradients, graph, buffers, states or random numbers."""

import random

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.autograd.mutation import version
from nnlite.autograd.node import lookers
from nnlite.tensor import detach_lookers

X = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5))
        self.cell = nn.LSTM(4, 2, batch_first=True)
        self.head = nn.Linear(2, 1)
        self.fixed = nn.Linear(1, 1)
        self.fixed.requires_grad_(False)

    def forward(self, x):
        h = self.body(x)
        y, _ = self.cell(h[None])
        return self.fixed(self.head(y[0].tanh() + h[:, :2]))


def made():
    nnlite.manual_seed(5)
    model = Net()
    optimizer = nnlite.optim.AdamW(model.parameters(), lr=0.01, amsgrad=True)
    x = nnlite.tensor(X, requires_grad=True)
    model(x).square().mean().backward()
    optimizer.step()  # moments and gradients are there, from before
    return model, optimizer, x


def graph(loss):
    """Every node: class, place, connections, and the bytes and versions of what it saved."""
    nodes, stack = {}, [loss.grad_fn]
    while stack:
        node = stack.pop()
        if id(node) in nodes:
            continue
        saved = [(a.tobytes(), version(a)) for a in node.saved or () if isinstance(a, np.ndarray)]
        edges = [id(edge) for edge in node.edges]
        nodes[id(node)] = type(node), node.seq, saved, edges, repr(node.meta)
        stack += [edge for edge, _ in node.next_functions if edge is not None and edge.seq >= 0]
    return nodes


def state(model, optimizer, x, loss):
    tensors = [*model.parameters(), *model.buffers(), x, loss]
    return (
        graph(loss),
        [(id(t), t.array.tobytes(), version(t.array), t.requires_grad) for t in tensors],
        [None if t.grad is None else (id(t.grad), t.grad.array.tobytes()) for t in tensors],
        repr(optimizer.state_dict()),
        [module.training for module in model.modules()],
        repr(nnlite.get_rng_state()),
        repr(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        (list(lookers), list(detach_lookers), nnlite.is_grad_enabled(), np.geterr()),
    )


def shown(explanation, folder):
    """Everything that an explanation can be turned into, and asked."""
    yield "text", lambda: str(explanation)
    yield "repr", lambda: repr(explanation)
    yield "notebook", explanation._repr_html_
    yield "quiz", lambda: explanation.quiz(lambda prompt: "q", lambda line: None)
    if explanation.has_blanks:
        return
    yield "Markdown", explanation.markdown
    yield "DOT", explanation.dot
    yield "picture", lambda: explanation.plot(folder / "graph.svg")
    yield "files", lambda: [explanation.save(folder / f"lesson.{e}") for e in ("dot", "md", "txt")]
    yield "ways", lambda: str(explanation.to("head.weight", (0, 1)))
    yield "ways of x", lambda: str(explanation.to("x"))
    yield "unreached", lambda: explanation.unreached
    yield "another element", lambda: explanation.steps[-1].rule_for(0, (0, 0))
    yield "folds", lambda: [explanation.open(p.name) for p in explanation.parts if p.name in "body"]


@pytest.mark.parametrize("recorded", [True, False])
def test_nothing_is_changed(recorded, tmp_path):
    model, optimizer, x = made()
    called = []
    model.head.weight.register_hook(called.append)
    if recorded:
        with nnlite.explain.recording():
            loss = model(x).square().mean()
    else:
        loss = model(x).square().mean()
    before = state(model, optimizer, x, loss)
    for quiz in (False, True):
        explanation = nnlite.explain(
            loss, model=model, optimizer=optimizer, names={"x": x}, quiz=quiz
        )
        assert state(model, optimizer, x, loss) == before
        for name, show in shown(explanation, tmp_path):
            show()
            assert state(model, optimizer, x, loss) == before, name
    for parameter in (*model.parameters(), x):
        nnlite.explain.why(parameter, loss)
        nnlite.explain.why(parameter)
    assert state(model, optimizer, x, loss) == before
    assert not called
    expected = {n: explanation.value_of(n).gradient for n in ("head.weight", "x")}
    held = {n: t.grad.array.copy() for n, t in (("head.weight", model.head.weight), ("x", x))}
    loss.backward()  # the graph is whole
    assert len(called) == 1
    for name, tensor in (("head.weight", model.head.weight), ("x", x)):
        np.testing.assert_array_equal(tensor.grad.array, held[name] + expected[name])


def test_a_recording_computes_the_same_bytes():
    """Values, gradients, statistics and random numbers of a training run are the same with it."""
    results = []
    for recorded in (False, True):
        model, optimizer, x = made()
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            if recorded:
                with nnlite.explain.recording():
                    loss = model(x).square().mean()
                nnlite.explain(loss, model=model, optimizer=optimizer).markdown()
            else:
                loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.array.tobytes())
        tensors = [*model.parameters(), *model.buffers()]
        grads = [p.grad.array.tobytes() for p in model.parameters() if p.grad is not None]
        results.append(
            (losses, [t.array.tobytes() for t in tensors], grads, repr(nnlite.get_rng_state()))
        )
    assert results[0] == results[1]
