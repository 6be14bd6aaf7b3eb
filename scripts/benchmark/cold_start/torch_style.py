"""Train the breast-cancer model with torch or nnlite, print its test accuracy.

Called with the package, the number of epochs and the CSV file of the data, which torch reads;
nnlite takes its own copy. All else is one text for both, as their users write it.
"""

import sys
from importlib import import_module

import numpy as np

package, epochs, path = sys.argv[1:]
torch = import_module(package)
nn = torch.nn
loading = import_module(f"{package}.utils.data")

if package == "nnlite":
    data, labels = import_module("nnlite.datasets").breast_cancer()
    x, y = data.numpy(), labels.numpy().reshape(-1, 1)
else:
    table = np.loadtxt(path, delimiter=",", dtype=np.float32)
    x, y = table[:, :-1], table[:, -1:]
order = np.random.default_rng(0).permutation(len(x))
test, train = order[: len(x) // 5], order[len(x) // 5 :]
x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)

torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
)
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
loader = loading.DataLoader(loading.TensorDataset(x[train], y[train]), batch_size=32, shuffle=True)
for _ in range(int(epochs)):
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        optimizer.step()

with torch.no_grad():
    logits = model(x[test]).numpy()
accuracy = float(((logits > 0) == (y[test].numpy() > 0.5)).mean())
print(f'{{"results": [{accuracy}]}}')
