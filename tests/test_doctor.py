"""The training doctor: silent about healthy training; each mistake named once, with its cure."""

import copy
import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.nn import functional as F
from nnlite.train import Callback, ClipGradNorm, Doctor, DoctorWarning, Trainer
from nnlite.train.doctor.check import Check

STEPS = 130  # the last visit is step 128


def breast_cancer():
    x, y = nnlite.datasets.breast_cancer()
    return (x - x.mean(dim=0)) / x.std(dim=0), y.unsqueeze(1).float()


def digits():
    x, y = nnlite.datasets.digits()
    return x.flatten(1), y


def mlp(*sizes, activation=nn.ReLU):
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def sgd(model, lr=0.05, **options):
    return nnlite.optim.SGD(model.parameters(), lr=lr, **options)


def batches(x, y, steps=STEPS, size=32):
    for _ in range(steps):
        chosen = nnlite.randperm(len(x))[:size]
        yield x[chosen], y[chosen]


def train(model, optimizer, loss_of, data, silence=()):
    """A loop of five lines; returns the doctor."""
    with Doctor(model, optimizer, silence=silence) as doctor:
        for xb, yb in data:
            optimizer.zero_grad()
            loss = loss_of(model(xb), yb)
            loss.backward()
            optimizer.step()
    return doctor


# ---- healthy training: warnings are errors, so that silence is tested by running it -------------


def test_breast_cancer_with_the_trainer():
    x, y = breast_cancer()
    model = mlp(30, 64, 32, 1)
    optimizer = sgd(model, 0.01, momentum=0.9)
    doctor = Doctor()
    trainer = Trainer(model, optimizer, nn.BCEWithLogitsLoss(), callbacks=[doctor])
    trainer.fit((x[:400], y[:400]), (x[400:], y[400:]), epochs=30)
    assert doctor.findings == []


@pytest.mark.parametrize("lr", [0.001, 0.01, 0.1, 1.0])
def test_breast_cancer_by_hand(lr):
    x, y = breast_cancer()
    model = mlp(30, 64, 32, 1)
    train(model, sgd(model, lr), F.binary_cross_entropy_with_logits, batches(x, y))


@pytest.mark.parametrize("scale", [1.0, 16.0])
@pytest.mark.parametrize("make", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_digits(make, scale):
    x, y = digits()
    model = mlp(64, 64, 32, 10)
    optimizer = getattr(nnlite.optim, make)(
        model.parameters(), lr=0.05 / scale if make == "SGD" else 1e-3
    )
    train(model, optimizer, F.cross_entropy, batches(x * scale, y))


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Sigmoid])
def test_deep_network(activation):
    x, y = digits()
    model = mlp(64, 64, 64, 64, 64, 64, 64, 10, activation=activation)
    train(model, sgd(model, 0.1), F.cross_entropy, batches(x, y))


def test_overfitting_until_the_loss_is_nearly_zero():
    x, y = breast_cancer()
    model = mlp(30, 64, 1)
    optimizer = nnlite.optim.Adam(model.parameters(), lr=0.01)
    data = ((x[:32], y[:32]) for _ in range(600))
    train(model, optimizer, F.binary_cross_entropy_with_logits, data)


def test_going_on_with_a_trained_model():
    x, y = breast_cancer()
    model = mlp(30, 64, 1)
    optimizer = nnlite.optim.Adam(model.parameters(), lr=0.01)
    doctor = Doctor()
    trainer = Trainer(model, optimizer, nn.BCEWithLogitsLoss(), callbacks=[doctor])
    for _ in range(3):
        trainer.fit((x, y), epochs=12, batch_size=128)
    assert doctor.findings == []


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel1 = nn.Parameter(nnlite.randn(8, 1, 3, 3) * 0.3)
        self.kernel2 = nn.Parameter(nnlite.randn(16, 8, 3, 3) * 0.15)
        self.norm = nn.BatchNorm1d(64)
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(F.conv2d(x, self.kernel1, padding=1)), 2)
        x = F.max_pool2d(F.relu(F.conv2d(x, self.kernel2, padding=1)), 2)
        return self.head(F.dropout(self.norm(x.flatten(1)), 0.3, self.training))


def test_convolutions_dropout_and_batch_norm():
    x, y = digits()
    model = ConvNet()
    data = batches(x.reshape(-1, 1, 8, 8), y, size=16)
    train(model, sgd(model, 0.05, momentum=0.9), F.cross_entropy, data)


def test_evaluation_between_epochs():
    x, y = digits()
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))
    optimizer = sgd(model)
    with Doctor(model, optimizer):
        for number, (xb, yb) in enumerate(batches(x, y)):
            if number % 4 == 0:
                model.eval()
                with nnlite.no_grad():
                    model(x).argmax(dim=1)
                model(xb).softmax(1)  # an evaluation that forgot no_grad
                model.train()
            loss = F.cross_entropy(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_fine_tuning_of_a_head(mode):
    x, y = breast_cancer()
    body = nn.Sequential(nn.Linear(30, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1))
    model = nn.Sequential(body, nn.Linear(32, 1)).freeze("0")
    getattr(body, mode)()
    optimizer = sgd(model[1])
    train(model, optimizer, F.binary_cross_entropy_with_logits, batches(x, y))
    model.eval()  # nothing that learns depends on the mode
    train(model, sgd(model), F.binary_cross_entropy_with_logits, batches(x, y))


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradient_accumulation(set_to_none):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    optimizer = sgd(model)
    with Doctor(model, optimizer):
        optimizer.zero_grad(set_to_none=set_to_none)
        for number, (xb, yb) in enumerate(batches(x, y, 4 * STEPS, 8)):
            loss = F.binary_cross_entropy_with_logits(model(xb), yb) / 4
            loss.backward()
            if number % 4 == 3:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad(set_to_none=set_to_none)


class Tied(nn.Module):
    """The first and the last layer share their weights, and one layer is used twice."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(64, 16)
        self.middle = nn.Linear(16, 16)
        self.decode = nn.Linear(16, 64)
        self.decode.weight = nn.Parameter(nnlite.zeros(64, 16))
        self.encode.weight = nn.Parameter(nnlite.randn(16, 64) * 0.1)

    def forward(self, x):
        h = self.middle(self.middle(self.encode(x).relu()).relu()).relu()
        return F.linear(h, self.encode.weight.T, self.decode.bias)


def test_weight_tying():
    x, _ = digits()
    model = Tied()
    model.decode.weight = None
    train(model, sgd(model, 0.001), F.mse_loss, batches(x, x))


@pytest.mark.parametrize("zero_first", [True, False])
def test_two_models_that_train_each_other(zero_first):
    generator, judge = mlp(4, 16, 2), mlp(2, 16, 1)
    optimizers = [nnlite.optim.Adam(m.parameters(), lr=1e-3) for m in (generator, judge)]
    real, fake = nnlite.ones(32, 1), nnlite.zeros(32, 1)
    bce = F.binary_cross_entropy_with_logits
    with Doctor(generator, optimizers[0]), Doctor(judge, optimizers[1]):
        for _ in range(STEPS):
            made = generator(nnlite.randn(32, 4))
            if zero_first:
                optimizers[1].zero_grad()
            loss = bce(judge(nnlite.randn(32, 2) + 2), real) + bce(judge(made.detach()), fake)
            if not zero_first:
                judge.zero_grad()
            loss.backward()
            optimizers[1].step()
            optimizers[0].zero_grad()
            bce(judge(made), real).backward()
            optimizers[0].step()


def test_two_optimizers_of_one_model():
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    first, second = sgd(model[0]), sgd(model[2])
    with Doctor(model, first):
        for xb, yb in batches(x, y):
            model.zero_grad()
            F.binary_cross_entropy_with_logits(model(xb), yb).backward()
            first.step()
            second.step()


def test_schedule_with_a_warm_up_from_zero():
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    optimizer = sgd(model, 0.0)
    with Doctor(model, optimizer):
        for step, (xb, yb) in enumerate(batches(x, y)):
            optimizer.param_groups[0]["lr"] = 1e-9 * step
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(xb), yb).backward()
            optimizer.step()


def test_regression_with_large_targets():
    x = nnlite.randn(256, 5)
    y = 1e4 * (x @ nnlite.randn(5, 1)) + 1e5
    model = mlp(5, 16, 1)
    optimizer = nnlite.optim.Adam(model.parameters(), lr=0.1)
    train(model, optimizer, F.mse_loss, batches(x, y))


def test_recurrent_state_that_is_detached():
    model = nn.ModuleDict({"a": nn.Linear(3, 8), "b": nn.Linear(8, 8), "c": nn.Linear(8, 1)})
    optimizer = sgd(model)
    h = nnlite.zeros(16, 8)
    with Doctor(model, optimizer):
        for _ in range(STEPS):
            x = nnlite.randn(16, 3)
            h = (model["a"](x) + model["b"](h.detach())).tanh()
            loss = F.mse_loss(model["c"](h), x.mean(dim=1, keepdim=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def test_attention_with_masked_scores():
    model = nn.ModuleDict({"q": nn.Linear(8, 8), "k": nn.Linear(8, 8), "v": nn.Linear(8, 1)})
    optimizer = sgd(model)
    mask = nnlite.ones(5, 5).triu(1).bool()
    with Doctor(model, optimizer):
        for _ in range(STEPS):
            x = nnlite.randn(16, 5, 8)
            scores = model["q"](x) @ model["k"](x).transpose(1, 2)
            weights = scores.masked_fill(mask, float("-inf")).softmax(-1)
            loss = F.mse_loss(weights @ model["v"](x), x.mean(dim=-1, keepdim=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def test_losses_as_numbers_and_the_best_one_with_its_graph():
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    optimizer = sgd(model)
    losses, best = [], None
    with Doctor(model, optimizer):
        for xb, yb in batches(x, y):
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(xb), yb)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            best = loss if best is None else best


def test_pairwise_differences_are_no_mistake():
    model = nn.Linear(3, 1)
    optimizer = sgd(model, 0.01)
    with Doctor(model, optimizer):
        for _ in range(20):
            x = nnlite.randn(8, 3)
            z = model(x).squeeze(1)
            wanted = x[:, :1] - x[:, 0]
            optimizer.zero_grad()
            F.mse_loss(z[:, None] - z, wanted).backward()
            optimizer.step()


def test_steps_with_a_closure():
    x, y = breast_cancer()
    model = mlp(30, 8, 1)
    optimizer = nnlite.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)

    def closure():
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(x[:64]), y[:64])
        loss.backward()
        return loss

    with Doctor(model, optimizer):
        for _ in range(40):
            optimizer.step(closure)


class Reader(nn.Module):
    """Tokens through an embedding and a recurrent layer, or a block of attention, to a class."""

    def __init__(self, recurrent):
        super().__init__()
        self.tokens = nn.Embedding(500, 16)
        self.recurrent = nn.GRU(16, 16, batch_first=True) if recurrent else None
        self.block = None
        if not recurrent:
            self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        h = self.tokens(x)
        h = self.recurrent(h)[0] if self.block is None else self.block(h)
        return self.head(h.mean(dim=1))


@pytest.mark.parametrize("recurrent", [True, False])
def test_tokens(recurrent):
    x = nnlite.randint(0, 500, (256, 7))
    y = x[:, 0] % 3
    model = Reader(recurrent)
    optimizer = nnlite.optim.Adam(model.parameters(), lr=1e-3)
    train(model, optimizer, F.cross_entropy, batches(x, y, size=16))


# ---- it changes nothing -------------------------------------------------------------------------


class Weights(Callback):
    def __init__(self):
        self.seen = []

    def on_step_end(self, trainer):
        self.seen.append([p.array.tobytes() for p in trainer.model.parameters()])


def test_training_is_the_same_to_the_byte():
    runs = []
    for doctors in ([], [Doctor()]):
        nnlite.manual_seed(3)
        x, y = breast_cancer()
        model = nn.Sequential(nn.Linear(30, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
        weights = Weights()
        callbacks = [ClipGradNorm(0.5), weights, *doctors]
        trainer = Trainer(model, sgd(model, momentum=0.9), nn.BCEWithLogitsLoss(), (), callbacks)
        trainer.fit((x, y), epochs=2)
        runs.append((weights.seen, nnlite.randn(3).tolist()))
    assert runs[0] == runs[1]


def test_nothing_is_left_behind():
    from nnlite.autograd import hooks, node

    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    optimizer = sgd(model)
    kept = []

    def loop():
        with Doctor(model, optimizer):
            kept.append(F.binary_cross_entropy_with_logits(model(x), y))
            kept[0].backward()
            optimizer.step()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop()
    assert node.lookers == []
    assert hooks.marked == {}
    assert not optimizer._hooks["step_post"]


def test_other_threads_are_not_looked_at():
    from threading import Thread

    model = mlp(4, 8, 1)
    optimizer = sgd(model)
    with Doctor(model, optimizer) as doctor:
        bad = lambda: F.binary_cross_entropy_with_logits(  # noqa: E731
            model(nnlite.randn(4, 4)).sigmoid(), nnlite.ones(4, 1)
        )
        thread = Thread(target=bad)
        thread.start()
        thread.join()
        assert doctor.findings == []


# ---- each mistake is named, once ----------------------------------------------------------------


def only(caught, name, *words):
    """The text of the one warning there is, which has this name and these words."""
    assert [type(w.message) for w in caught] == [DoctorWarning]
    message = caught[0].message
    assert message.name == name
    for word in words:
        assert word in str(message)
    assert caught[0].filename == __file__  # it points to the line of the user's program
    return message.text


@pytest.fixture
def caught():
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


def test_zero_grad_forgotten(caught):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    optimizer = sgd(model, 0.001)
    with Doctor(model, optimizer):
        for xb, yb in batches(x, y):
            F.binary_cross_entropy_with_logits(model(xb), yb).backward()
            optimizer.step()
    only(caught, "zero-grad", "'0.weight'", "optimizer.zero_grad()")


def test_zero_grad_of_the_wrong_optimizer(caught):
    x, y = breast_cancer()
    model, other = mlp(30, 16, 1), mlp(30, 16, 1)
    optimizer = sgd(model, 0.001)
    with Doctor(model, optimizer):
        for xb, yb in batches(x, y, 20):
            other.zero_grad()
            F.binary_cross_entropy_with_logits(model(xb), yb).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    only(caught, "zero-grad")


class Forgetful(nn.Module):
    def __init__(self, cut):
        super().__init__()
        self.body = nn.Linear(30, 16)
        self.extra = nn.Linear(16, 16)
        self.head = nn.Linear(16, 1)
        self.cut = cut

    def forward(self, x):
        h = self.body(x).relu()
        return self.head(h + self.extra(h).detach() if self.cut else h)


@pytest.mark.parametrize(
    ("cut", "words"),
    [(True, ["is used in the forward pass", "detach()"]), (False, ["forward does not use"])],
)
def test_parameters_without_gradient(caught, cut, words):
    x, y = breast_cancer()
    model = Forgetful(cut)
    words = [word.replace("is used", "are used") for word in words]
    train(model, sgd(model), F.binary_cross_entropy_with_logits, batches(x, y))
    only(caught, "no-gradient", "extra.weight, extra.bias", *words)


def test_parameters_whose_gradient_stays_zero(caught):
    x, y = breast_cancer()
    model = Forgetful(cut=False)
    for p in model.extra.parameters():
        p.grad = nnlite.zeros_like(p)
    optimizer = sgd(model)
    with Doctor(model, optimizer):
        for xb, yb in batches(x, y):
            optimizer.zero_grad(set_to_none=False)
            F.binary_cross_entropy_with_logits(model(xb), yb).backward()
            optimizer.step()
    only(caught, "no-gradient", "extra.weight, extra.bias", "forward does not use")


def test_optimizer_of_another_model(caught):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    optimizer = sgd(copy.deepcopy(model))
    with Doctor(model, optimizer):
        for xb, yb in batches(x, y, 20):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(xb), yb).backward()
            optimizer.step()
    only(caught, "other-model", "holds no parameter", "SGD(model.parameters(), …)")


def test_layer_replaced_after_the_optimizer_was_made(caught):
    x, y = breast_cancer()
    model = mlp(30, 16, 5)
    optimizer = sgd(model)
    model[2] = nn.Linear(16, 1)
    train(model, optimizer, F.binary_cross_entropy_with_logits, batches(x, y, 20))
    only(caught, "other-model", "2.weight, 2.bias", "layers were replaced")


def test_layer_replaced_during_training(caught):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    optimizer = sgd(model)
    with Doctor(model, optimizer):
        for step, (xb, yb) in enumerate(batches(x, y, 20)):
            if step == 5:
                model[2] = nn.Linear(16, 1)
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(xb), yb).backward()
            optimizer.step()
    only(caught, "other-model", "2.weight, 2.bias")


def test_optimizer_of_a_part_of_the_model(caught):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    train(model, sgd(model[2]), F.binary_cross_entropy_with_logits, batches(x, y))
    only(caught, "not-in-optimizer", "0.weight, 0.bias", "model.freeze('0')")


def test_no_step(caught):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    optimizer = sgd(model)
    with Doctor(model, optimizer):
        for xb, yb in batches(x, y, 5):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(xb), yb).backward()
    only(caught, "no-step", "5 backward passes", "optimizer.step()")


def test_nothing_to_train(caught):
    model = mlp(30, 16, 1)
    optimizer = sgd(model)
    model.freeze()
    with Doctor(model, optimizer):
        pass
    only(caught, "nothing-to-train", "all 4 parameters", "model.unfreeze('2')")


def test_evaluation_mode(caught):
    x, y = breast_cancer()
    model = nn.Sequential(nn.Linear(30, 16), nn.Dropout(0.2), nn.Linear(16, 1))
    model.eval()
    train(model, sgd(model), F.binary_cross_entropy_with_logits, batches(x, y))
    only(caught, "eval-mode", "1 (Dropout)", "model.train()")


def test_evaluation_mode_that_makes_no_difference():
    x, y = breast_cancer()
    model = mlp(30, 16, 1).eval()
    train(model, sgd(model), F.binary_cross_entropy_with_logits, batches(x, y))


@pytest.mark.parametrize("how", ["sum", "in place", "list"])
def test_loss_kept_with_its_graph(caught, how):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    optimizer = sgd(model)
    total, losses = 0, []
    with Doctor(model, optimizer):
        for xb, yb in batches(x, y, 40):
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(xb), yb)
            loss.backward()
            optimizer.step()
            if how == "sum":
                total = total + loss
            elif how == "in place":
                total += loss
            else:
                losses.append(loss)
    only(caught, "kept-graph", "loss.item()")


@pytest.mark.parametrize("last", [nn.Sigmoid(), nn.Softmax(1)])
def test_probabilities_where_logits_are_wanted(caught, last):
    x, y = breast_cancer()
    model = nn.Sequential(*mlp(30, 16, 1), last, nn.Flatten(0))
    loss_of = nn.BCEWithLogitsLoss()
    with Doctor(model, sgd(model)):
        for xb, yb in batches(x, y, 5):
            loss_of(model(xb), yb.squeeze(1)).backward()
    assert [w.message.name for w in caught] == ["sigmoid-twice", "no-step"]
    assert "in module '3'" in str(caught[0].message)


def test_logits_where_probabilities_are_wanted(caught):
    model = nn.Linear(3, 1)
    with nnlite.no_grad():
        model.weight.mul_(0.01)
        model.bias.fill_(0.5)
    data = [(nnlite.rand(8, 3), nnlite.ones(8, 1))] * 3
    train(model, sgd(model, 0.01), F.binary_cross_entropy, data)
    only(caught, "logits-as-probabilities", "BCEWithLogitsLoss")


def test_nll_of_logits(caught):
    x, y = digits()
    model = mlp(64, 16, 10)
    train(model, sgd(model), nn.NLLLoss(), batches(x, y, 20))
    only(caught, "logits-as-probabilities", "layer '2'", "CrossEntropyLoss")


@pytest.mark.parametrize("loss_of", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize("last", [nn.Softmax(1), nn.Sigmoid()])
def test_softmax_before_cross_entropy(caught, last, loss_of):
    x, y = digits()
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10), last)
    train(model, sgd(model), loss_of, batches(x, y, 20))
    only(caught, "softmax-twice", "in module '3'", "CrossEntropyLoss")


def test_targets_out_of_range(caught):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    data = ((xb, 1.1 * yb) for xb, yb in batches(x, y, 3))
    train(model, sgd(model, 0.001), F.binary_cross_entropy_with_logits, data)
    only(caught, "target-range", "from 0 to 1.1", "(y + 1) / 2")


def test_targets_of_the_wrong_shape(caught):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    loss_of = lambda output, target: ((output - target) ** 2).mean()  # noqa: E731
    data = ((xb, yb.squeeze(1)) for xb, yb in batches(x, y, 20))
    train(model, sgd(model, 0.001), loss_of, data)
    only(caught, "target-shape", "[32, 1]", "[32, 32]", "output.squeeze(-1)")


def test_dead_relus(caught):
    x, y = breast_cancer()
    model = mlp(30, 16, 16, 1)
    with nnlite.no_grad():
        model[0].bias.fill_(-100.0)
    train(model, sgd(model, 0.001), F.binary_cross_entropy_with_logits, batches(x, y, 20))
    only(caught, "dead-relu", "module '1'", "layer '0'", "16 of 16", "LeakyReLU")


def test_dead_relus_of_a_function(caught):
    x, y = digits()
    model = ConvNet()
    with nnlite.no_grad():
        model.kernel2.fill_(-1.0)
    train(model, sgd(model, 1e-5), F.cross_entropy, batches(x.reshape(-1, 1, 8, 8), y, 20, 8))
    only(caught, "dead-relu", "relu", "kernel2", "16 of 16")


def test_vanishing_gradients(caught):
    x, y = breast_cancer()
    model = mlp(30, *[16] * 12, 1, activation=nn.Sigmoid)
    train(model, sgd(model, 0.01), F.binary_cross_entropy_with_logits, batches(x, y))
    only(caught, "vanishing-gradients", "0.weight", "24.weight", "ReLU or GELU")


def test_exploding_gradients(caught):
    model = nn.Linear(3, 1)
    x = nnlite.randn(64, 3) * 15
    data = ((x, x.sum(dim=1, keepdim=True)) for _ in range(20))
    train(model, sgd(model, 0.01), F.mse_loss, data, silence=["lr-too-large"])
    only(caught, "exploding-gradients", "weight", "ClipGradNorm(1.0)")


def test_learning_rate_too_large(caught):
    x, y = digits()
    model = mlp(64, 64, 32, 10)
    data = batches(x * 16, y)
    train(model, sgd(model), F.cross_entropy, data, silence=["exploding-gradients", "dead-relu"])
    only(caught, "lr-too-large", "lr=0.05")


@pytest.mark.parametrize("lr", [0.0, 1e-9])
def test_learning_rate_too_small(caught, lr):
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    train(model, sgd(model, lr), F.binary_cross_entropy_with_logits, batches(x, y))
    only(caught, "lr-too-small", f"lr={lr:g}")


def test_stuck_loss(caught):
    x, y = breast_cancer()
    model = nn.Linear(30, 1)
    data = ((x, y) for _ in range(STEPS))
    train(model, sgd(model, 1e-7), F.binary_cross_entropy_with_logits, data, ["lr-too-small"])
    only(caught, "stuck-loss", "at every visit")


def test_a_few_steps_in_many_epochs():
    """In so few steps of such a size the loss need not have fallen yet."""
    x, y = breast_cancer()
    model = nn.Linear(30, 1)
    trainer = Trainer(model, sgd(model, 2e-5), nn.BCEWithLogitsLoss())
    losses = trainer.fit((x, y), epochs=12, batch_size=len(x))["train_loss"]
    assert losses[-1] > 0.999 * losses[0]


def test_stuck_loss_of_epochs(caught):
    x, y = nnlite.randn(96, 3), nnlite.zeros(96, 1)
    model = nn.Linear(3, 1)
    doctor = Doctor(silence=["lr-too-small"])
    loss = nn.MSELoss()
    trainer = Trainer(model, sgd(model, 1e-9), loss, callbacks=[doctor])
    trainer.fit((x, y), epochs=12, batch_size=4)
    only(caught, "stuck-loss", "10 epochs")


class RootOfZero(nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.inner = nn.Linear(3, 1)
        self.factor = factor

    def forward(self, x):
        return (self.factor * self.inner(x)).sqrt()


def test_loss_that_is_nan(caught):
    model = RootOfZero()
    data = [(nnlite.randn(8, 3), nnlite.ones(8, 1))] * 20
    with np.errstate(invalid="ignore"):
        train(model, sgd(model), F.mse_loss, data)
    only(caught, "non-finite", "sqrt", "RootOfZero", "test_doctor.py", "return (self.factor")


def test_gradient_that_is_nan(caught):
    model = RootOfZero(0.0)
    data = [(nnlite.randn(8, 3), nnlite.ones(8, 1))] * 20
    with np.errstate(invalid="ignore", divide="ignore"):
        train(model, sgd(model), F.mse_loss, data)
    only(caught, "non-finite", "inner.weight, inner.bias", "detect_anomaly()")


# ---- names, silence, two forms ------------------------------------------------------------------


def test_in_the_trainer_it_warns_once(caught):
    x, y = breast_cancer()
    model = nn.Sequential(*mlp(30, 16, 1), nn.Sigmoid())
    doctor = Doctor()
    loss = nn.BCEWithLogitsLoss()
    trainer = Trainer(model, sgd(model), loss, callbacks=[doctor], doctor=True)
    trainer.fit((x, y), epochs=3)
    trainer.fit((x, y), epochs=3)
    only(caught, "sigmoid-twice", "module '3'")
    assert [finding.name for finding in doctor.findings] == ["sigmoid-twice"]


def test_silence(caught):
    x, y = breast_cancer()
    model = nn.Sequential(*mlp(30, 16, 1), nn.Sigmoid())
    loss_of = F.binary_cross_entropy_with_logits
    train(model, sgd(model), loss_of, batches(x, y, 5), silence=["sigmoid-twice"])
    warnings.filterwarnings("ignore", "sigmoid-twice", DoctorWarning)
    train(model, sgd(model), loss_of, batches(x, y, 5))
    assert caught == []


def test_names_of_checks():
    checks = Doctor.checks()
    assert len(checks) == 20
    assert all(meaning and meaning != Check.meaning() for meaning in checks.values())
    with pytest.raises(ValueError, match="did you mean 'zero-grad'"):
        Doctor(silence=["zero_grad"])


def test_without_model_and_optimizer():
    with pytest.raises(TypeError, match="with Doctor\\(model, optimizer\\)"), Doctor():
        pass


def test_a_warning_can_be_copied():
    warning = pickle.loads(pickle.dumps(DoctorWarning("zero-grad", "mend it")))
    assert (warning.name, warning.text, str(warning)) == (
        "zero-grad",
        "mend it",
        "zero-grad: mend it",
    )


def test_the_trainer_names_the_place_where_nan_began():
    model = RootOfZero(-1.0)
    with nnlite.no_grad():
        model.inner.weight.fill_(1.0)
    x = nnlite.rand(32, 3) + 1
    trainer = Trainer(model, sgd(model), nn.MSELoss())
    with np.errstate(invalid="ignore"), pytest.raises(FloatingPointError) as raised:
        trainer.fit((x, x[:, :1]), epochs=1)
    for word in ("made by sqrt in the forward pass", "RootOfZero", "return (self.factor", "cure:"):
        assert word in str(raised.value)


def test_the_trainer_names_parameters_that_are_nan():
    model = RootOfZero(0.0)
    x = nnlite.rand(64, 3)
    trainer = Trainer(model, sgd(model), nn.MSELoss(), doctor=False)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError) as raised:
        trainer.fit((x, x[:, :1]), epochs=1)
    assert "inner.weight, inner.bias held nan or infinity before this batch" in str(raised.value)
    assert "detect_anomaly()" in str(raised.value)


class Broken(Check):
    """A check with a mistake of its own."""

    name = "broken"

    def after_step(self, patient):
        raise KeyError(patient.step)


def test_a_check_that_fails_does_not_end_the_training(caught, monkeypatch):
    from nnlite.train.doctor import doctor

    monkeypatch.setattr(doctor, "CHECKS", (Broken,))
    x, y = breast_cancer()
    model = mlp(30, 16, 1)
    train(model, sgd(model), F.binary_cross_entropy_with_logits, batches(x, y, 5))
    only(caught, "doctor", "'broken' failed with KeyError: 1", "goes on without it")
