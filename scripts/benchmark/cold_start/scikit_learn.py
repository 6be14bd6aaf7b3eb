"""Train the breast-cancer model with scikit-learn, print its test accuracy.

Called with `sklearn`, the number of epochs and the CSV file of the data, which is not read:
scikit-learn brings its own copy.
"""

import sys
import warnings
from importlib import import_module

import numpy as np

package, epochs, _ = sys.argv[1:]
load_breast_cancer = import_module(f"{package}.datasets").load_breast_cancer
classifier = import_module(f"{package}.neural_network").MLPClassifier
scaler = import_module(f"{package}.preprocessing").StandardScaler

x, y = load_breast_cancer(return_X_y=True)
order = np.random.default_rng(0).permutation(len(x))
test, train = order[: len(x) // 5], order[len(x) // 5 :]
scale = scaler().fit(x[train])
x = scale.transform(x).astype(np.float32)

model = classifier(
    hidden_layer_sizes=(64, 32),
    solver="sgd",
    learning_rate_init=0.05,
    momentum=0.9,
    nesterovs_momentum=False,
    alpha=0.0,
    batch_size=32,
    max_iter=int(epochs),
    n_iter_no_change=int(epochs),
    random_state=0,
)
warnings.filterwarnings("ignore", message="Stochastic Optimizer: Maximum iterations")
model.fit(x[train], y[train])
print(f'{{"results": [{float(model.score(x[test], y[test]))}]}}')
