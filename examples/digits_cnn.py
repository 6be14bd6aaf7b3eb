"""A convolutional network reads handwritten digits: `python examples/digits_cnn.py` (20 seconds).

An image has 8 × 8 pixels. Small kernels slide over it, so that a stroke is known wherever it is;
pooling makes the image smaller and what is seen of it larger; a linear layer names the digit.
"""

import argparse
from pathlib import Path

import nnlite
from nnlite import nn
from nnlite.train import Schedule, Trainer, plot_confusion_matrix

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
runs = Path(__file__).resolve().parent.parent / "runs"
parser.add_argument("--out", type=Path, default=runs / "digits_cnn", help="folder for results")
parser.add_argument("--epochs", type=int, default=30, help="passes over the training data")
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)
nnlite.manual_seed(0)

print("--- 1. Data: 1,797 digits that people wrote, a fifth of them kept for the test")
data = nnlite.datasets.digits()
order = nnlite.randperm(len(data))
x = data.x.unsqueeze(1) / 16  # (1797, 1, 8, 8): one channel, as convolutions want it
test_rows, train_rows = order[:360], order[360:]
train, test = (x[train_rows], data.y[train_rows]), (x[test_rows], data.y[test_rows])

print("--- 2. The network")
model = nn.Sequential(
    nn.Conv2d(1, 16, kernel_size=3, padding=1),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, 32, kernel_size=3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.MaxPool2d(2),  # 8 × 8 → 4 × 4
    nn.Dropout2d(0.1),
    nn.Conv2d(32, 64, kernel_size=3, padding=1),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.MaxPool2d(2),  # 4 × 4 → 2 × 2
    nn.Flatten(),
    nn.Dropout(0.3),
    nn.Linear(64 * 2 * 2, 10),  # ten logits; the largest one is the answer
)
print(nnlite.summary(model, (1, 1, 8, 8)))

print("\n--- 3. Training: cross-entropy, Adam, a learning rate that rises and falls")
optimizer = nnlite.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.01)
steps = arguments.epochs * -(-len(train_rows) // 64)
rate = nnlite.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=steps)
trainer = Trainer(
    model,
    optimizer,
    nn.CrossEntropyLoss(),
    metrics="accuracy",
    callbacks=[Schedule(rate, per="step")],
)
history = trainer.fit(train, test, epochs=arguments.epochs, batch_size=64)
history.plot(arguments.out / "loss.png", title="Digits: a convolutional network")

print("--- 4. The test: every digit that it gets wrong")
logits = trainer.predict(test[0])
guesses = logits.argmax(dim=1)
for truth, guess in zip(test[1].tolist(), guesses.tolist()):
    if truth != guess:
        print(f"  a {truth} was taken for a {guess}")
plot_confusion_matrix(logits, test[1], arguments.out / "confusion.png", classes=data.classes)
print(f"Test accuracy: {(guesses == test[1]).float().mean().item():.4f}")
print(f"In {arguments.out}: loss.png, confusion.png")
