"""What is learnt from many images helps with a few: `python examples/finetune_digits.py` (20 s).

A convolutional network learns to read the digits 0 to 4, somewhere in a noisy image. Then it has to
learn 5 to 9 from a handful of images. Its first layers, which see strokes, are frozen, and the rest
is trained on; beside it the same network learns from scratch, from the same images.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

import nnlite
from nnlite import Tensor, nn
from nnlite.train import Trainer

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
runs = Path(__file__).resolve().parent.parent / "runs"
parser.add_argument("--out", type=Path, default=runs / "finetune_digits", help="folder for results")
parser.add_argument("--epochs", type=int, default=25, help="passes over the few images")
parser.add_argument("--samples", type=int, default=5, help="images of each digit to learn from")
parser.add_argument("--draws", type=int, default=5, help="how often other images are drawn")
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)
nnlite.manual_seed(0)
data = nnlite.datasets.digits()


def images(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Digits of 8 × 8 pixels, each somewhere in a noisy image of 12 × 12; labels from 0 to 4."""
    x = 0.1 * nnlite.randn(len(rows), 1, 12, 12)
    for place, row in enumerate(rows.tolist()):
        top, left = nnlite.randint(0, 5, (2,)).tolist()
        x[place, 0, top : top + 8, left : left + 8] += data.x[row].view(8, 8) / 16
    return x, data.y[rows] % 5


def block(channels: int, filters: int) -> nn.Sequential:
    """Filters that slide over the image."""
    convolution = nn.Conv2d(channels, filters, kernel_size=3, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters), nn.ReLU())


def network() -> nn.Sequential:
    """Strokes, then parts of digits wherever they are, then one of five digits."""
    strokes = nn.Sequential(block(1, 16), nn.MaxPool2d(2), block(16, 32), nn.MaxPool2d(2))
    parts = nn.Sequential(block(32, 64), nn.AdaptiveMaxPool2d(1), nn.Flatten())
    return nn.Sequential(strokes, parts, nn.Linear(64, 5))


def learn(model: nn.Sequential, train: tuple, valid: tuple, epochs: int, size: int) -> list:
    """Train what is not frozen; returns the accuracy on ``valid`` after each epoch."""
    optimizer = nnlite.optim.AdamW(model.parameters(), lr=0.005, weight_decay=0.01)
    trainer = Trainer(
        model, optimizer, nn.CrossEntropyLoss(), metrics="accuracy", progress=False,
        cache_frozen=bool(model.frozen),  # what the frozen layers give is computed once
    )  # fmt: skip
    return trainer.fit(train, valid, epochs=epochs, batch_size=size)["valid_accuracy"]


print("--- 1. Digits 0 to 4: 901 images, each in four places, a fifth held out")
old, new = (data.y < 5).nonzero()[:, 0], (data.y >= 5).nonzero()[:, 0]
old = old[nnlite.randperm(len(old))]
pretrained = network()
many, held_out = images(nnlite.cat([old[180:]] * 4)), images(old[:180])
scores = learn(pretrained, many, held_out, epochs=min(arguments.epochs, 8), size=32)
print(f"Accuracy on those held out: {scores[-1]:.4f}")
weights = {name: tensor.clone() for name, tensor in pretrained.state_dict().items()}

print(f"--- 2. Digits 5 to 9 from {arguments.samples} images of each, {arguments.draws} times")
curves: dict[str, list] = {"fine-tuned on frozen strokes": [], "from scratch": []}
for _ in range(arguments.draws):
    order = new[nnlite.randperm(len(new))]
    drawn = [order[data.y[order] == digit][: arguments.samples] for digit in range(5, 10)]
    others = order[~(order[:, None] == nnlite.cat(drawn)).any(dim=1)]
    few, test = images(nnlite.cat(drawn)), images(others[:400])

    tuned = network()
    tuned.load_state_dict({**weights, **network()[2:].state_dict()})  # a new head
    tuned.freeze("0")
    curves["fine-tuned on frozen strokes"].append(learn(tuned, few, test, arguments.epochs, 10))
    for name in tuned.frozen:  # BatchNorm's statistics too
        assert np.array_equal(tuned.state_dict()[name].numpy(), weights[name].numpy()), name
    curves["from scratch"].append(learn(network(), few, test, arguments.epochs, 10))
print(nnlite.summary(tuned, (1, 1, 12, 12), depth=1))

print("--- 3. Accuracy on 400 others: mean and standard deviation over the draws")
figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
epochs = range(1, arguments.epochs + 1)
for (name, scores), color in zip(curves.items(), ("#0072B2", "#D55E00")):
    mean, spread = np.mean(scores, axis=0), np.std(scores, axis=0)
    print(f"  {name:28}  {mean[-1]:.4f} ± {spread[-1]:.4f}")
    label = f"{name}: {mean[-1]:.2f} ± {spread[-1]:.2f}"
    axis.plot(epochs, mean, "o-", markersize=4, color=color, label=label)
    axis.fill_between(epochs, mean - spread, mean + spread, color=color, alpha=0.18, linewidth=0)
axis.axhline(0.2, color="#595959", linestyle=":")
axis.text(arguments.epochs, 0.195, "guessing", color="#595959", ha="right", va="top")
axis.legend(frameon=False, loc="upper left")
axis.set(xlabel="epoch", ylabel="accuracy on images not seen", ylim=(0.1, 0.9))
axis.set_title(f"Digits 5 to 9, from {arguments.samples} images of each", loc="left")
axis.xaxis.set_major_locator(MaxNLocator(integer=True))
axis.spines[["top", "right"]].set_visible(False)
axis.grid(color="#e6e6e6")
figure.savefig(arguments.out / "accuracy.png", dpi=150)
print(f"Test accuracy: {np.mean(curves['fine-tuned on frozen strokes'], axis=0)[-1]:.4f}")
print(f"In {arguments.out}: accuracy.png")
