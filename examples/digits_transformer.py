"""A small transformer reads digits: `python examples/digits_transformer.py` (20 seconds).

Attention lets every part of a sequence look at every other part. Here the parts are the 16 tiles of
2 × 2 pixels of an image. A tile becomes a vector, a learnt vector says where it lies, and an extra
element in front collects what is needed to name the digit. The plot shows where that one looks.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

import nnlite
from nnlite import nn
from nnlite.train import Schedule, Trainer

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
runs = Path(__file__).resolve().parent.parent / "runs"
parser.add_argument("--out", type=Path, default=runs / "digits_transformer", help="folder")
parser.add_argument("--epochs", type=int, default=40, help="passes over the training data")
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)
nnlite.manual_seed(0)

print("--- 1. Data: 16 tiles of 4 pixels each for every image")
data = nnlite.datasets.digits()
tiles = (data.x / 16).reshape(-1, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(-1, 16, 4)
order = nnlite.randperm(len(data))
test_rows, train_rows = order[:360], order[360:]
train, test = (tiles[train_rows], data.y[train_rows]), (tiles[test_rows], data.y[test_rows])


class Reader(nn.Module):
    """Tiles to vectors of 48 numbers, two layers of attention, and a head on the first one."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.embed = nn.Linear(4, width)
        self.place = nn.Parameter(0.02 * nnlite.randn(17, width))
        self.first = nn.Parameter(nnlite.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(
            width, nhead=4, dim_feedforward=96, dropout=0.1, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, norm=nn.LayerNorm(width))
        self.head = nn.Linear(width, 10)

    def sequence(self, tiles: nnlite.Tensor) -> nnlite.Tensor:
        """(batch, 16, 4) to (batch, 17, width): one element more, and places."""
        first = self.first.expand(len(tiles), 1, -1)
        return nnlite.cat([first, self.embed(tiles)], dim=1) + self.place

    def forward(self, tiles: nnlite.Tensor) -> nnlite.Tensor:
        return self.head(self.encoder(self.sequence(tiles))[:, 0])


print("--- 2. Training: AdamW and a learning rate that warms up and falls")
model = Reader()
optimizer = nnlite.optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.05)
steps = arguments.epochs * -(-len(train_rows) // 64)
rate = nnlite.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.003, total_steps=steps)
trainer = Trainer(
    model,
    optimizer,
    nn.CrossEntropyLoss(),
    metrics="accuracy",
    callbacks=[Schedule(rate, per="step")],
)
history = trainer.fit(train, test, epochs=arguments.epochs, batch_size=64)
history.plot(arguments.out / "loss.png", title="Digits, read by a transformer")

print("--- 3. Where does the first element look in the first layer? (mean of four heads)")
layer = model.encoder.layers[0]
images = [(test[1] == digit).nonzero()[0].item() for digit in range(6)]
model.eval()
with nnlite.no_grad():
    sequence = layer.norm1(model.sequence(test[0][images]))
    _, weights = layer.self_attn(sequence, sequence, sequence)  # (6, 17, 17)
figure, axes = plt.subplots(2, 6, figsize=(10, 3.2), layout="constrained")
for column, image in enumerate(images):
    axes[0, column].imshow(data.x[test_rows[image]].numpy(), cmap="Greys")
    axes[0, column].set_title(f"a {column}")
    shown = axes[1, column].imshow(weights[column, 0, 1:].reshape(4, 4).numpy(), cmap="viridis")
    figure.colorbar(shown, ax=axes[1, column], shrink=0.6)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
axes[1, 0].set_ylabel("attention")
figure.savefig(arguments.out / "attention.png", dpi=150)

print(f"Test accuracy: {trainer.evaluate(test)['accuracy']:.4f}")
print(f"In {arguments.out}: loss.png, attention.png")
