"""Train the breast-cancer model with hand-written NumPy, print its test accuracy.

Called with `numpy`, the number of epochs and the CSV file of the data.
"""

import sys

import numpy as np
from benchmark.frameworks.hand_numpy import three_layers

package, epochs, path = sys.argv[1:]
table = np.loadtxt(path, delimiter=",", dtype=np.float32)
x, y = table[:, :-1], table[:, -1:]
order = np.random.default_rng(0).permutation(len(x))
test, train = order[: len(x) // 5], order[len(x) // 5 :]
x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)

step, predict = three_layers([x.shape[1], 64, 32, 1], lr=0.05, momentum=0.9)
rng = np.random.default_rng(0)
for _ in range(int(epochs)):
    rng.shuffle(train)
    for start in range(0, len(train), 32):
        rows = train[start : start + 32]
        step(x[rows], y[rows])

accuracy = float(((predict(x[test]) > 0) == (y[test] > 0.5)).mean())
print(f'{{"results": [{accuracy}]}}')
