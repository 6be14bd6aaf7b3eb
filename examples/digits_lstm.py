"""An LSTM reads handwritten digits row by row: `python examples/digits_lstm.py` (seconds).

A recurrent network sees a sequence one element at a time and keeps what matters in its state. Here
the sequence is an image: eight rows of eight pixels. After the last row the state names the digit.
It learns from that answer alone; the plot asks it after every row all the same: when does it know?
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

import nnlite
from nnlite import nn
from nnlite.train import ClipGradNorm, Schedule, Trainer

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
runs = Path(__file__).resolve().parent.parent / "runs"
parser.add_argument("--out", type=Path, default=runs / "digits_lstm", help="folder for results")
parser.add_argument("--epochs", type=int, default=40, help="passes over the training data")
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)
nnlite.manual_seed(0)

print("--- 1. Data: (images, rows, pixels) is (batch, time, features) for an LSTM")
data = nnlite.datasets.digits()
order = nnlite.randperm(len(data))
x = data.x / 16
test_rows, train_rows = order[:360], order[360:]
train, test = (x[train_rows], data.y[train_rows]), (x[test_rows], data.y[test_rows])


class Reader(nn.Module):
    """An LSTM and a linear layer that reads its state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 64, batch_first=True)
        self.head = nn.Linear(64, 10)

    def opinions(self, rows: nnlite.Tensor) -> nnlite.Tensor:
        """The logits after every row: (batch, 8, 8) gives (batch, 8, 10)."""
        states, _ = self.lstm(rows)
        return self.head(states)

    def forward(self, rows: nnlite.Tensor) -> nnlite.Tensor:
        return self.opinions(rows)[:, -1]


print("--- 2. Training: gradients travel back through all eight steps, so their norm is clipped")
model = Reader()
optimizer = nnlite.optim.Adam(model.parameters(), lr=0.01)
rate = nnlite.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=arguments.epochs)
trainer = Trainer(
    model,
    optimizer,
    nn.CrossEntropyLoss(),
    metrics="accuracy",
    callbacks=[ClipGradNorm(1.0), Schedule(rate)],
)
history = trainer.fit(train, test, epochs=arguments.epochs, batch_size=64)
history.plot(arguments.out / "loss.png", title="Digits, read by an LSTM")

print("--- 3. When does it know? Its probability of the right digit after each row")
with nnlite.no_grad():
    probability = nnlite.softmax(model.opinions(test[0]), dim=2)  # (360, 8, 10)
right = probability[nnlite.arange(len(test[1])), :, test[1]]  # (360, 8)
hits = probability.argmax(dim=2) == test[1].unsqueeze(1)
for row, share in enumerate(hits.float().mean(dim=0).tolist(), start=1):
    print(f"  after row {row}: {share:6.1%} are right")
figure, axes = plt.subplots(2, 5, figsize=(10, 4.4), sharey="row", layout="constrained")
for column, digit in enumerate([1, 2, 3, 5, 8]):
    image = (test[1] == digit).nonzero()[0].item()
    axes[0, column].imshow(test[0][image].numpy(), cmap="Greys")
    axes[0, column].set(title=f"a {digit}", xticks=[], yticks=[])
    axes[1, column].plot(range(1, 9), right[image].numpy(), marker="o", color="#0072B2")
    axes[1, column].set(xlabel="rows read", ylim=(-0.05, 1.05), xticks=range(1, 9))
axes[1, 0].set_ylabel("probability of it")
figure.savefig(arguments.out / "opinions.png", dpi=150)

print(f"Test accuracy: {trainer.evaluate(test)['accuracy']:.4f}")
print(f"In {arguments.out}: loss.png, opinions.png")
