"""An autoencoder squeezes digits through two numbers: `python examples/digits_autoencoder.py`.

The encoder makes 2 numbers of 64 pixels, the decoder makes 64 pixels of them again; nobody tells it
which digit it is. What it must keep to rebuild the image is what makes images differ, so the two
numbers become a map on which equal digits lie together. It takes seconds.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import nnlite
from nnlite import nn
from nnlite.train import Schedule, Trainer

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
runs = Path(__file__).resolve().parent.parent / "runs"
parser.add_argument("--out", type=Path, default=runs / "digits_autoencoder", help="folder")
parser.add_argument("--epochs", type=int, default=60, help="passes over the training data")
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)
nnlite.manual_seed(0)

print("--- 1. Data: the image is the input and the target")
data = nnlite.datasets.digits()
pixels = (data.x / 16).flatten(1)
order = nnlite.randperm(len(data))
test_rows, train_rows = order[:360], order[360:]
train, test = pixels[train_rows], pixels[test_rows]

print("--- 2. Training: 64 → 128 → 64 → 2 → 64 → 128 → 64 numbers")
encoder = nn.Sequential(
    nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 64), nn.SiLU(), nn.Linear(64, 2)
)
decoder = nn.Sequential(
    nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 64), nn.Sigmoid()
)
model = nn.Sequential(encoder, decoder)
optimizer = nnlite.optim.Adam(model.parameters(), lr=0.003)
rate = nnlite.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=arguments.epochs)
trainer = Trainer(model, optimizer, nn.MSELoss(), callbacks=[Schedule(rate)])
history = trainer.fit((train, train), (test, test), epochs=arguments.epochs, batch_size=32)
history.plot(arguments.out / "loss.png", title="Digits through two numbers")

print("--- 3. What came through")
rebuilt = trainer.predict(test)
with nnlite.no_grad():
    codes = encoder(pixels).numpy()
figure, axes = plt.subplots(2, 10, figsize=(10, 2.4), layout="constrained")
for digit in range(10):
    row = (data.y[test_rows] == digit).nonzero()[0].item()
    axes[0, digit].imshow(test[row].reshape(8, 8).numpy(), cmap="Greys", vmin=0, vmax=1)
    axes[1, digit].imshow(rebuilt[row].reshape(8, 8).numpy(), cmap="Greys", vmin=0, vmax=1)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("written")
axes[1, 0].set_ylabel("rebuilt")
figure.savefig(arguments.out / "reconstructions.png", dpi=150)

figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
for digit in range(10):
    chosen = codes[data.y.numpy() == digit]
    axis.scatter(*chosen.T, s=6, color=plt.get_cmap("tab10")(digit), alpha=0.5)
    axis.text(*np.median(chosen, axis=0), str(digit), fontsize=16, weight="bold", ha="center")
axis.set(title="Where each image lies", xlabel="first number", ylabel="second number")
figure.savefig(arguments.out / "map.png", dpi=150)

mean = ((test - train.mean(dim=0)) ** 2).mean().item()
error = ((test - rebuilt) ** 2).mean().item()
print(f"Test error: {error:.4f} per pixel; of the mean image alone: {mean:.4f}")
near = ((codes[test_rows.numpy()][:, None] - codes[train_rows.numpy()]) ** 2).sum(axis=2)
same = data.y[train_rows[nnlite.from_numpy(near.argmin(axis=1))]] == data.y[test_rows]
share = same.float().mean().item()
print(f"The nearest neighbour on the map is the same digit for {share:.4f} of the test images")
print(f"In {arguments.out}: loss.png, reconstructions.png, map.png")
