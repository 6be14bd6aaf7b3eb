"""Train the breast-cancer model with JAX, print its test accuracy.

Called with `jax`, the number of epochs and the CSV file of the data.
"""

import sys
from importlib import import_module

import numpy as np
from benchmark.data import weights
from benchmark.frameworks.jax_style import compiled_step, logits

package, epochs, path = sys.argv[1:]
jax = import_module(package)
jnp = import_module(f"{package}.numpy")
table = np.loadtxt(path, delimiter=",", dtype=np.float32)
x, y = table[:, :-1], table[:, -1:]
order = np.random.default_rng(0).permutation(len(x))
test, train = order[: len(x) // 5], order[len(x) // 5 :]
x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)

parameters = jax.tree.map(jnp.array, weights([x.shape[1], 64, 32, 1]))
velocities = jax.tree.map(jnp.zeros_like, parameters)
step = compiled_step(jax, lr=0.05, momentum=0.9)
rng = np.random.default_rng(0)
for _ in range(int(epochs)):
    rng.shuffle(train)
    for start in range(0, len(train), 32):
        rows = train[start : start + 32]
        parameters, velocities, loss = step(parameters, velocities, x[rows], y[rows])

predicted = np.asarray(logits(jnp, parameters, jnp.array(x[test])))
accuracy = float(((predicted > 0) == (y[test] > 0.5)).mean())
print(f'{{"results": [{accuracy}]}}')
