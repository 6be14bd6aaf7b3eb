"""Read a file of weights once: `read.py PACKAGE PATH`; prints the time, and the share that it read.

numpy reads the bytes alone, into one array; nnlite gives the tensors by their names.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

package, path = sys.argv[1], Path(sys.argv[2])
lite = import_module(package)
size = path.stat().st_size

begin = perf_counter()
if package == "numpy":
    with path.open("rb", buffering=0) as file:
        buffer: Any = np.empty(size, np.uint8)
        count = file.readinto(buffer)
else:
    weights = lite.load(path)
seconds = perf_counter() - begin

if package != "numpy":
    count = sum(tensor.numpy().nbytes for tensor in weights.values())
print(json.dumps({"seconds": seconds, "results": [count / size]}))
