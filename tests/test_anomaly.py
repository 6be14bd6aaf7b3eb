"""Anomaly detection: what is found, what is said about it, and what is left alone."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.autograd import detect_anomaly, hooks, node, set_detect_anomaly
from nnlite.autograd.anomaly import (
    AnomalyError,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
)
from nnlite.nn import functional as F
from nnlite.utils.checkpoint import checkpoint

inf, nan = float("inf"), float("nan")


@pytest.fixture(autouse=True)
def _off_again():
    yield
    assert not is_anomaly_enabled()


def report(compute):
    """What detection says about ``compute``, whose result (if any) is differentiated."""

    def run():
        result = compute()
        if result is not None:
            result.sum().backward()

    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        run()
    return str(caught.value)


def leaf(*values, dtype=None):
    return nnlite.tensor(values, dtype=dtype, requires_grad=True)


# ---- what is found, and the cure ----------------------------------------------------------------


def softmax_by_hand(x):
    e = x.exp()
    return e / e.sum()


FORWARD = {
    "log of a softmax": (
        lambda: F.softmax(leaf(0.0, 200.0), 0).log(),
        ["made by log in the forward pass: -inf (1 of 2 elements)", "F.log_softmax(x, dim)"],
    ),
    "log of a moved softmax": (
        lambda: F.softmax(leaf(0.0, 200.0), 0).reshape(2, 1)[:1].log(),
        ["by log", "F.log_softmax"],
    ),
    "log of a sigmoid": (
        lambda: leaf(-200.0).sigmoid().log(),
        ["by log", "F.logsigmoid(x)", "F.binary_cross_entropy_with_logits"],
    ),
    "log of 1 - sigmoid": (
        lambda: (1 - leaf(200.0).sigmoid()).log(),
        ["by log", "F.logsigmoid(-x)"],
    ),
    "log of a sum of exponentials": (
        lambda: leaf(-200.0, -300.0).exp().sum().log(),
        ["by log", "logsumexp"],
    ),
    "log of 0": (lambda: leaf(1.0, 0.0).log(), ["-inf", "1 × 0", "clamp(min=1e-8).log()"]),
    "log of a negative number": (
        lambda: leaf(1.0, -2.0).log(),
        ["NaN (1 of 2", "from -2 to 1", "negative number"],
    ),
    "log2": (lambda: leaf(0.0).log2(), ["by log2", "logarithm of 0"]),
    "log1p": (lambda: leaf(-1.0).log1p(), ["by log1p", "values above -1"]),
    "exp": (
        lambda: (leaf(1.0, 2.0) * 100).exp(),
        ["by exp", "inf (2 of 2", "from 100 to 200", "above 88.72", "softmax"],
    ),
    "exp in float64": (
        lambda: leaf(1000.0, dtype=nnlite.float64).exp(),
        ["by exp", "float64 above 709.78"],
    ),
    "exp in float16": (lambda: leaf(20.0).half().exp(), ["by exp", "float16 above 11.09"]),
    "softmax by hand": (
        lambda: softmax_by_hand(leaf(-200.0, -300.0)),
        ["by div", "NaN (2 of 2", "this is a softmax"],
    ),
    "division by 0": (
        lambda: leaf(1.0, 2.0) / leaf(0.0, 1.0),
        ["by div", "input:    float32 [2], from 1 to 2", "other:    float32 [2]", "division by 0"],
    ),
    "division by a norm": (
        lambda: leaf(0.0, 0.0) / nnlite.linalg.norm(leaf(0.0, 0.0)),
        ["by div", "norm.clamp(min=1e-12)"],
    ),
    "division by a deviation": (
        lambda: leaf(1.0, 1.0) / leaf(1.0, 1.0).std(),
        ["by div", "x / (std + 1e-5)"],
    ),
    "division by an empty sum": (
        lambda: (leaf(1.0) * nnlite.zeros(1)).sum() / leaf(0.0).sum(),
        ["by div", "clamp(min=1)"],
    ),
    "reciprocal": (lambda: 1 / leaf(0.0), ["ReciprocalBackward0", "division by 0"]),
    "square root of a negative number": (
        lambda: leaf(-1e-9).sqrt(),
        ["by sqrt", "clamp(min=0).sqrt()"],
    ),
    "0 times infinity": (
        lambda: leaf(0.0, 1.0) * nnlite.tensor([inf, 1.0]),
        ["by mul", "1 × inf", "0 · ∞", "masked_fill"],
    ),
    "infinity minus infinity": (
        lambda: leaf(1.0) * inf - nnlite.tensor([inf]),
        ["by sub", "∞ - ∞"],
    ),
    "power": (lambda: leaf(0.0) ** -0.5, ["by pow", "power of 0"]),
    "broken power": (lambda: leaf(-2.0) ** 0.5, ["by pow", "broken power of a negative"]),
    "power that overflows": (lambda: leaf(1e30) ** 2, ["by pow", "too large"]),
    "masked softmax": (
        lambda: F.softmax(leaf(1.0, 2.0).masked_fill(nnlite.ones(2, dtype=bool), -inf), 0),
        ["by softmax", "2 × -inf", "all -inf has no softmax"],
    ),
    "mean of nothing": (lambda: leaf(1.0)[:0].mean(), ["by mean", "mean of no elements"]),
    "loss over nothing": (
        lambda: F.mse_loss(leaf(1.0)[:0], nnlite.zeros(0)),
        ["by mse_loss", "over no elements"],
    ),
    "every target ignored": (
        lambda: F.cross_entropy(leaf(1.0, 2.0).reshape(1, 2), nnlite.tensor([-100])),
        ["by cross_entropy", "every target ignored"],
    ),
    "variance of one value": (lambda: leaf(1.0).var(), ["by var", "correction=0"]),
    "arcsine": (lambda: nnlite.asin(leaf(1.5)), ["by asin", "between -1 and 1", "clamp(-1"]),
    "float16": (lambda: leaf(300.0).half() * 300, ["by mul", "65504"]),
    "growth": (lambda: leaf(1e30) * 1e30, ["by mul", "lower the learning rate", "clip_grad_norm_"]),
    "product": (lambda: leaf(1e30).reshape(1, 1) @ leaf(1e30).reshape(1, 1), ["matmul", "too lar"]),
}


@pytest.mark.parametrize("name", FORWARD)
def test_forward(name):
    compute, words = FORWARD[name]
    said = report(compute).replace("nnlite.nn.functional.", "F.")
    for word in words:
        assert word in said, said


def masked_root(x):
    return nnlite.where(x > 0, x.sqrt(), nnlite.zeros(()))


BACKWARD = {
    "square root of 0": (
        lambda x: x.sqrt(),
        (0.0, 4.0),
        ["'SqrtBackward0' returned inf values in its 0th output: inf (1 of 2", "steep at 0"],
        "output:   float32 [2], from 0 to 2, 1 × 0",
    ),
    "length of the zero vector": (
        lambda x: (x**2).sum().sqrt(),
        (0.0, 0.0),
        ["'SqrtBackward0' returned inf", "nnlite.linalg.norm"],
        "output:   float32 [], all 0",
    ),
    "root of a product": (
        lambda x: (x * x).sum().sqrt(),
        (0.0, 0.0),
        ["'SqrtBackward0' returned inf", "nnlite.linalg.norm"],
        "output:   float32 [], all 0",
    ),
    "masked afterwards": (
        masked_root,
        (0.0, 4.0),
        ["'SqrtBackward0' returned nan", "mask after the operation does not help"],
        "gradient: float32 [2], from 0 to 1",
    ),
    "power of 0": (
        lambda x: x**0.5,
        (0.0, 4.0),
        ["'PowBackward0' returned inf", "(x + 1e-8) ** p"],
        "input 0:  float32 [2], from 0 to 4",
    ),
    "second input": (
        lambda x: (nnlite.ones(1) / x * 1e-30) * 1e30,
        (1e-30,),
        ["'DivBackward0' returned inf values in its 1th output: -inf", "bound the denominator"],
        "gradient: float32",
    ),
    "arcsine at 1": (
        lambda x: nnlite.asin(x),
        (1.0, 0.0),
        ["'AsinBackward0' returned inf", "clamp(-1 + 1e-6"],
        "input 0:  float32 [2], from 0 to 1",
    ),
}


@pytest.mark.parametrize("name", BACKWARD)
def test_backward(name):
    function, values, words, ranges = BACKWARD[name]
    said = report(lambda: function(leaf(*values)))
    assert said.startswith("anomaly: Function '")
    for word in (*words, ranges):
        assert word in said, said


def test_names_the_function_that_torch_names(torch):
    """torch finds NaN in backward only; what both find is the same function."""
    for function, values in (
        (masked_root, (0.0, 4.0)),
        (lambda x: (x * 0).sqrt() * 0, (0.0, 1.0)),
    ):
        x = torch.tensor(values, requires_grad=True)
        where = torch.where

        def theirs(x, function=function, where=where):
            if function is masked_root:
                return where(x > 0, x.sqrt(), torch.zeros(()))
            return function(x)

        with (
            pytest.warns(UserWarning, match="Anomaly Detection"),
            pytest.raises(RuntimeError) as caught,
            torch.autograd.detect_anomaly(),
            pytest.warns(UserWarning, match="Error detected"),
        ):
            theirs(x).sum().backward()
        expected = re.search(r"Function '\w+' returned nan values in its 0th output", str(caught))
        assert expected[0] in report(lambda f=function, v=values: f(leaf(*v)))


def test_every_name_in_a_remedy_exists():
    source = Path(nnlite.autograd.__file__).with_name("remedies.py").read_text(encoding="utf-8")
    texts = " ".join(sentences(ast.parse(source)))
    names = set(re.findall(r"nnlite((?:\.\w+)+)", texts))
    names |= {f".Tensor.{name}" for name in re.findall(r"[a-z)]\.(\w+)\(", texts)}
    names |= {f".nn.functional.{name}" for name in ("softplus", "sigmoid", "tanh", "log_softmax")}
    assert {".nn.functional.log_softmax", ".linalg.norm", ".Tensor.clamp"} < names
    for name in sorted(names - {".Tensor.x"}):
        if name.removeprefix(".Tensor") in {n.removeprefix(".nn.functional") for n in names}:
            continue
        value = nnlite
        for part in name.split(".")[1:]:
            value = getattr(value, part)


def sentences(tree):
    """The texts in a program, with what stands in braces filled in where it is a constant."""
    for item in ast.walk(tree):
        if isinstance(item, ast.JoinedStr):
            yield "".join(
                part.value
                if isinstance(part, ast.Constant)
                else "nnlite.nn.functional"
                if getattr(part.value, "id", "") == "F"
                else "x"
                for part in item.values
            )
        elif isinstance(item, ast.Constant) and isinstance(item.value, str) and " " in item.value:
            yield item.value


# ---- where it is found --------------------------------------------------------------------------


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.Linear(2, 2)
        self.logarithm = Logarithm()

    def forward(self, x):
        return self.logarithm(self.norm(x) * 0)


class Logarithm(nn.Module):
    def forward(self, x):
        return x.log()  # the line that is bad


class Net(nn.Module):
    def __init__(self, *parts):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), *parts)
        self.others = {"a": [nn.ReLU()]}

    def forward(self, x):
        return self.others["a"][0](self.encoder(x))


def test_module_path_and_line():
    said = report(lambda: Net(Normed())(nnlite.ones(1, 2)))
    assert "  module:   encoder.2.logarithm (Logarithm) in Net\n" in said
    assert re.search(
        r"\n  line:     \S*test_anomaly\.py:\d+, in forward: return x\.log\(\)  # the", said
    )
    assert re.search(r"\n +called from \S*py:\d+, in forward: return self\.logarithm\(self", said)
    assert "nnlite" + "/nn" not in said


def test_module_path_in_backward():
    net = Net(nn.Linear(2, 2))
    net.others["a"][0].forward = lambda x: (x * 0).sqrt()
    said = report(lambda: net(nnlite.ones(1, 2)))
    assert "  module:   others.a.0 (ReLU) in Net\n" in said
    assert "in <lambda>: net.others" in said


def test_module_path_of_what_is_not_a_part():
    hidden = Logarithm()
    net = Net()
    net.encoder.forward = lambda x: hidden(x * 0)
    assert "  module:   encoder.<Logarithm> (Logarithm) in Net\n" in report(
        lambda: net(nnlite.ones(1, 2, requires_grad=True))
    )
    assert "  module:   Logarithm\n" in report(lambda: hidden(leaf(0.0)))
    assert "\n  module:" not in report(lambda: leaf(0.0).log())


def test_module_path_with_hooks():
    net = Net(Logarithm())
    net.encoder[2].register_forward_pre_hook(lambda module, args: (args[0] * 0,))
    net.encoder.register_forward_hook(lambda module, args, output: None)
    assert "  module:   encoder.2 (Logarithm) in Net\n" in report(lambda: net(nnlite.ones(1, 2)))


def test_numpy_functions_are_named_by_their_operator():
    said = report(lambda: np.log(leaf(0.0)))
    assert "made by log in" in said
    assert "in <lambda>: said = report(lambda: np.log(leaf(0.0)))" in said


def test_custom_functions():
    class Bad(nnlite.autograd.Function):
        @staticmethod
        def forward(ctx, x, wrong):
            second = nnlite.from_numpy(x.detach().numpy() / (0 if wrong else 1))
            return x * 2, second

        @staticmethod
        def backward(ctx, g, h):
            return g / 0, None

    x = leaf(0.0, 1.0)
    said = report(lambda: Bad.apply(x, True)[0])
    assert "made by Bad in the forward pass: NaN (2 of 2 elements)" in said
    assert "args[0]:  float32 [2], from 0 to 1" in said
    said = report(lambda: Bad.apply(x, False)[0])
    assert "'BadBackward' returned inf values" in said
    assert "operator: Bad (BadBackward)" in said


def test_checkpoints():
    x = leaf(0.0, 1.0)
    assert "'SqrtBackward0' returned inf" in report(lambda: checkpoint(lambda x: x.sqrt(), x))


def test_operations_in_place():
    def run():
        h = leaf(0.0, 1.0) * 1
        h.div_(nnlite.zeros(2))
        return h

    assert "made by div" in report(run)


def test_several_outputs():
    assert "'SqrtBackward0'" in report(lambda: leaf(1.0, 0.0).split(1)[1].sqrt())


def test_forward_pass_from_before():
    y = leaf(0.0, 1.0).sqrt()
    said = report(lambda: y)
    assert "SqrtBackward0, which ran before anomaly detection was switched on" in said


def test_higher_derivatives():
    x = leaf(0.0, 1.0)

    def run():
        (g,) = nnlite.autograd.grad((x**1.5).sum(), x, create_graph=True)
        return g

    said = report(run)
    assert "PowBackward0" in said
    assert "in run: (g,) = nnlite.autograd.grad(" in said


# ---- values that were bad before ----------------------------------------------------------------


def test_data_with_nan():
    said = report(lambda: leaf(1.0, 2.0) * nnlite.tensor([nan, 1.0]))
    assert "mul in the forward pass is given NaN (other): NaN (1 of 2 elements)" in said
    assert "it was in the data, or in a parameter, before" in said
    assert "cure" not in said


def test_bad_data_is_traced_to_the_operation_that_made_it():
    def run():
        features = nnlite.tensor([0.0, 1.0]).log()
        features = features.reshape(1, 2)
        return features @ (leaf(1.0, 2.0) * 0).reshape(2, 1)

    said = report(run)
    assert "made by matmul" in said
    assert re.search("earlier operation:\n  operator: log .*\n  line: .*features = nnlite", said)


def test_gradients_that_were_bad_before():
    said = report(lambda: (leaf(1.0) * 2).sum().backward(nnlite.tensor(nan)))
    assert "the gradient that arrives at SumBackward0 in the backward pass is bad: NaN" in said
    assert "a hook has returned it" in said

    def run():
        y = leaf(1.0) * 2
        y.register_hook(lambda g: g / 0)
        return y

    said = report(run)
    assert "the gradient that arrives at MulBackward0 in the backward pass is bad: inf" in said


# ---- what is left alone -------------------------------------------------------------------------


def attention(x):
    mask = nnlite.tensor([[0.0, -inf], [0.0, 0.0]])
    return F.softmax(x @ x.T + mask, -1)


LEFT_ALONE = {
    "mask of -inf": lambda x: attention(x),
    "masked_fill": lambda x: F.softmax(x.masked_fill(x > 1.5, -inf), -1),
    "where": lambda x: F.softmax(nnlite.where(x > 1.5, -inf, x), -1),
    "log of a mask": lambda x: F.softmax(x + nnlite.tensor([[0.0, 1.0], [1.0, 1.0]]).log(), -1),
    "missing values": lambda x: x * nnlite.tensor([[nan, 1.0], [1.0, 1.0]]).nan_to_num(),
    "chosen values": lambda x: x[nnlite.tensor([[nan, 1.0], [1.0, 1.0]]).isfinite()],
    "a metric without a graph": lambda x: (x, nnlite.zeros(1) / nnlite.zeros(1))[0],
    "a detached loss": lambda x: (x, (x.detach() * 0).log())[0],
    "norm at 0": lambda x: nnlite.linalg.norm(x * 0),
    "deviation of equal values": lambda x: (x * 0).std(),
    "binary cross entropy": lambda x: F.binary_cross_entropy(
        (x * 1000).sigmoid(), nnlite.zeros(2, 2)
    ),
    "integers": lambda x: x[nnlite.tensor([0])],
    "no elements": lambda x: x[:0].sum(),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_left_alone(name):
    with detect_anomaly():
        x = leaf([0.5, 1.0], [2.0, -1.0])
        LEFT_ALONE[name](x).sum().backward()
        assert np.isfinite(x.grad.numpy()).all()
        del x


def test_under_no_grad_models_are_looked_at_and_metrics_not():
    net = Net(Logarithm())
    with nnlite.no_grad(), detect_anomaly():
        net.encoder[0].weight.fill_(nan)
        with pytest.raises(
            AnomalyError, match=r"linear in the forward pass is given NaN \(weight\)"
        ):
            net(nnlite.ones(1, 2))
        nnlite.zeros(1) / nnlite.zeros(1)


def steps(detect):
    nnlite.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1)
    )
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss_function = nn.BCEWithLogitsLoss()
    with set_detect_anomaly(detect):
        for _ in range(3):
            optimizer.zero_grad()
            y = checkpoint(model, nnlite.randn(5, 3))
            loss_function(y, nnlite.ones(5, 1)).backward()
            optimizer.step()
    return [t.numpy().tobytes() for t in model.state_dict().values()]


def test_training_is_what_it_is_without():
    assert steps(True) == steps(False)


# ---- switching ----------------------------------------------------------------------------------


def test_switching_and_nesting():
    errors = np.geterr()
    states = []

    def look():
        states.append((is_anomaly_enabled(), is_anomaly_check_nan_enabled()))

    with detect_anomaly():
        look()
        assert node.lookers
        with set_detect_anomaly(False):
            look()
            assert not node.lookers
        with detect_anomaly(check_nan=False):
            look()
        look()
    look()
    assert states == [(True, True), (False, True), (True, False), (True, True), (False, True)]
    set_detect_anomaly(True)
    assert is_anomaly_enabled()
    set_detect_anomaly(False)
    assert not is_anomaly_enabled()
    assert not node.lookers
    assert np.geterr() == errors


def test_the_object_can_be_used_again():
    detection = detect_anomaly()
    for _ in range(2):
        with detection:
            assert is_anomaly_enabled()
        assert not is_anomaly_enabled()


def test_off_nodes_carry_nothing():
    with detect_anomaly():
        leaf(1.0) * 2
    y = leaf(1.0) * 2
    assert type(y.grad_fn.edges) is tuple
    assert id(y.grad_fn) not in hooks.marked


def test_without_checking_values():
    x = leaf(0.0)
    with detect_anomaly(check_nan=False), np.errstate(all="ignore"):
        x.log().backward()
        x.sqrt().backward()
        h = x * 2
        y = h * h
        h.add_(1)
        with pytest.raises(RuntimeError) as caught:
            y.backward()
        del y, h
    assert "MulBackward0 needs input 0" in str(caught.value)
    assert re.search(
        r"forward pass:\n  operator: mul .*\n  line: .*: y = h \* h", str(caught.value)
    )


def test_errors_of_derivatives_get_their_place():
    class Fails(nnlite.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise KeyError("lost", 3)

    with detect_anomaly():
        y = Fails.apply(leaf(1.0))  # here
        with pytest.raises(KeyError) as caught:
            y.backward()
        del y
    assert "operator: Fails (FailsBackward)" in caught.value.args[0]
    assert "y = Fails.apply(leaf(1.0))  # here" in caught.value.args[0]
    assert caught.value.args[1] == 3
