"""Write the breast-cancer data as CSV, label last, for the programs that bring no data along.

Called with the package to take it from (`sklearn` or `nnlite`) and the file to write.
"""

import sys
from importlib import import_module

import numpy as np

package, path = sys.argv[1:]
if package == "sklearn":
    x, y = import_module("sklearn.datasets").load_breast_cancer(return_X_y=True)
elif package == "nnlite":
    data, labels = import_module("nnlite.datasets").breast_cancer()
    x, y = data.numpy(), labels.numpy()
else:
    sys.exit("the breast-cancer data comes with scikit-learn or nnlite: neither is installed")
np.savetxt(path, np.column_stack([x, y]), delimiter=",", fmt="%.9g")
