"""explain.why: every cause is told, with its cure."""

import pytest

import nnlite
from nnlite import nn
from nnlite.explain import why
from nnlite.tensor import detach_lookers


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))


@pytest.fixture
def x():
    return nnlite.randn(5, 3)


def test_frozen(model):
    model.freeze("0.*")
    assert "frozen (requires_grad=False)" in why(model[0].weight)
    assert "model.unfreeze" in why(model[0].weight)


def test_no_leaf(model, x):
    assert "is no leaf (LinearBackward0" in why(model[0](x)).replace("Addmm", "Linear")
    assert "retain_grad()" in why(model[0](x))


def test_never_asked_for():
    assert "call tensor.requires_grad_()" in why(nnlite.ones(2))
    assert "int64" in why(nnlite.tensor([1, 2]))


def test_detached_with_its_line(model, x):
    with nnlite.explain.recording():
        hidden = model[0](x).detach()
        loss = model[2](hidden.relu()).sum()
    found = why(model[0].weight, loss)
    assert "hidden = model[0](x).detach()" in found
    assert "was detached at" in found
    assert "detach()" in why(hidden)


def test_under_no_grad_with_its_line(model, x):
    with nnlite.explain.recording():
        with nnlite.no_grad():
            hidden = model[0](x)  # here
        loss = model[2](hidden).sum()
    assert "linear ran under no_grad at" in why(model[0].weight, loss)
    assert "# here" in why(model[0].weight, loss)
    assert "computed under no_grad" in why(hidden)


def test_not_used(model, x):
    found = why(model[2].weight, model[0](x).sum())
    assert found.startswith("No operation of this loss leads to the tensor")


def test_the_loss_has_no_graph(model, x):
    with nnlite.no_grad():
        loss = model(x).sum()
    assert "The loss has no graph" in why(model[0].weight, loss)
    assert "no_grad" in why(model[0].weight, loss)


def test_not_yet_and_cleared(model, x):
    weight = model[0].weight
    loss = model(x).sum()
    assert "backward() has not run yet" in why(weight, loss)
    assert "grad is None" in why(weight)
    loss.backward()
    assert "It has a gradient, of norm" in why(weight, loss)
    model.zero_grad()
    assert "zero_grad() has cleared it" in why(weight, loss)
    model(x).sum().backward()
    model.zero_grad(set_to_none=False)
    assert "set_to_none=False" in why(weight)
    assert "zero_grad() has cleared it after backward()" in why(weight, model(x).sum())


def test_dead_relu(model, x):
    with nnlite.no_grad():
        model[0].bias.fill_(-100.0)
    found = why(model[0].weight, model(x).sum())
    assert "100% of the units of a₁ are dead" in found
    assert "leaky_relu" in found


def test_some_dead_units(model, x):
    with nnlite.no_grad():
        model[0].bias[:2] = -100.0
        model[0].bias[2:] = 100.0
    loss = model(x).sum()
    loss.backward(retain_graph=True)
    assert "2 of 4 units of the ReLU that follows are dead" in why(model[0].weight, loss)


def test_saturated(model, x):
    found = why(model[0].weight, (model[0](x) * 1e5).sigmoid().sum())
    assert "sigmoid is saturated" in found
    assert "logits" in found


def test_multiplied_by_zero(model, x):
    mask = nnlite.zeros(5, 4)
    assert "multiplied by c, which is 0 everywhere" in why(
        model[0].weight, (model[0](x) * mask).sum()
    )
    with nnlite.no_grad():
        model[2].weight.zero_()
    assert "W₂, is 0: weights that start at 0" in why(model[0].weight, model(x).sum())


def test_no_derivative(model, x):
    assert "round has the derivative 0 everywhere" in why(
        model[0].weight, model[0](x).round().sum()
    )


def test_cancelled():
    w = nnlite.ones(2, requires_grad=True)
    assert "cancel each other exactly" in why(w, (w - w).sum())


def test_wrong_arguments():
    with pytest.raises(TypeError, match=r"explain\.why: expected a Tensor, got str"):
        why("0.weight")
    with pytest.raises(TypeError, match="loss must be a Tensor, got float"):
        why(nnlite.ones(2, requires_grad=True), 0.5)


def test_an_earlier_recording_is_not_blamed_for_a_later_loss() -> None:
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    v = nnlite.tensor([1.0, 2.0], requires_grad=True)
    with nnlite.explain.recording(), nnlite.no_grad():
        (w * 2).sum()
    answer = nnlite.explain.why(w, ((w * 3).detach() * v).sum())
    assert "no_grad at" not in answer
    assert "recording()" in answer


@pytest.mark.parametrize("cut", [lambda h: h.detach(), lambda h: h.data])
def test_the_line_that_detached_is_named(cut):
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    v = nnlite.tensor([1.0, 2.0], requires_grad=True)
    with nnlite.explain.recording():
        (v * 2).detach()  # of another tensor, so not the reason
        h = w * 3
        kept = cut(h)
        loss = (kept * v).sum()
    answer = nnlite.explain.why(w, loss)
    assert "detached at" in answer
    assert "test_explain_why.py" in answer
    assert "lambda h: h." in answer
    assert not detach_lookers


def test_dead_units_are_counted_before_backward_too(model, x):
    nn.init.constant_(model[0].bias, 100.0)
    assert "dead" not in why(model[0].weight, model(x).sum())
    model[0].bias.data[:2] = -100.0
    assert "2 of 4 units" in why(model[0].weight, model(x).sum())


def test_what_is_multiplied_with_zeros_has_a_cure_of_its_own(model, x):
    with nnlite.no_grad():
        model[0].bias.fill_(-100.0)
    loss = model(x).sum()
    assert "a₁, is 0: all units of that ReLU are dead" in why(model[2].weight, loss)
    with nnlite.no_grad():
        model[0].bias.fill_(0.5)  # the cure
    assert "gradient is zero" not in why(model[2].weight, model(x).sum())
    assert "check the data" in why(model[0].weight, model[0](nnlite.zeros(5, 3)).sum())
    nothing = nnlite.ones(5, 3, requires_grad=True) * 0
    assert "explain(loss) shows how step" in why(model[0].weight, model[0](nothing).sum())


def test_a_loss_made_anew(model, x):
    loss = nnlite.tensor(model(x).sum().item(), requires_grad=True)
    assert "The loss is a leaf itself" in why(model[0].weight, loss)


def test_a_recording_without_a_use_of_the_tensor_says_so(model, x):
    with nnlite.explain.recording():
        loss = model[0](x).sum()
    assert "nothing under recording() has used it" in why(model[2].weight, loss)


def test_zeros_after_backward_may_come_from_zero_grad(model, x):
    loss = model(x).sum()
    loss.backward()
    model.zero_grad(set_to_none=False)
    assert "zero_grad(set_to_none=False) has cleared it" in why(model[0].weight, loss)


@pytest.mark.parametrize(("name", "large"), [("sigmoid", 8.0), ("tanh", 4.0)])
def test_what_is_almost_saturated_is_named(model, x, name, large):
    nn.init.zeros_(model[0].weight)
    nn.init.constant_(model[0].bias, -large)
    loss = getattr(model[0](x), name)().sum()
    assert f"100% of the {name} that follows is saturated" in why(model[0].bias, loss)
    nn.init.constant_(model[0].bias, 0.1)
    assert "saturated" not in why(model[0].bias, getattr(model[0](x), name)().sum())


def test_a_step_without_a_derivative_is_thought_of(model, x):
    found = why(model[0].weight, (model(x) > 0).float().sum())
    assert "a step without a derivative lies between (argmax, a comparison" in found


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda z: z.clamp(100, 200), "outside of the bounds"),
        (lambda z: z.clamp(min=100), "outside of the bounds"),
        (lambda z: nnlite.where(z > 100, z, nnlite.zeros(5, 4)), "check its condition"),
        (lambda z: z[:, :1].softmax(dim=1), "a dimension with one element is always 1"),
        (lambda z: nn.functional.hardshrink(z, 100.0), "where its derivative is not 0"),
    ],
)
def test_where_nothing_gets_through_there_is_a_cure(model, x, function, wanted):
    found = why(model[0].weight, function(model[0](x)).sum())
    assert found.startswith("Its gradient is zero: ")
    assert wanted in found


def test_a_number_that_it_is_multiplied_by_is_called_a_number():
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    said = nnlite.explain.why(w, (w * 0).sum())
    assert "it is multiplied by 0: check that factor" in said
