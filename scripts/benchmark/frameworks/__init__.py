"""The frameworks that are compared: one entry each, in the order of their turns.

A framework's file holds `PROGRAMS`, a dictionary from the name of a program (see
`workloads`) to a function `(package, sizes) -> Program`.
"""

from importlib.util import find_spec
from typing import NamedTuple


class Framework(NamedTuple):
    """One framework.

    Args:
        package: the module that a user imports.
        file: the module of `benchmark.frameworks` and of `benchmark.cold_start` that drives it.
        distribution: its name among installed packages; empty: ask the module itself.
        title: how the table and the plot call it.
        trains: whether it computes results that can be compared.
    """

    package: str
    file: str
    distribution: str
    title: str
    trains: bool = True


FRAMEWORKS = {
    "numpy": Framework("numpy", "hand_numpy", "numpy", "NumPy by hand"),
    "nnlite": Framework("nnlite", "torch_style", "", "nnlite"),
    "torch": Framework("torch", "torch_style", "torch", "torch"),
    "sklearn": Framework("sklearn", "scikit_learn", "scikit-learn", "scikit-learn"),
    "jax": Framework("jax", "jax_style", "jax", "JAX, jit"),
    "mlx": Framework("mlx.core", "mlx_style", "mlx", "MLX"),
    "products": Framework("numpy", "products", "numpy", "products alone", trains=False),
}


def installed(name: str) -> bool:
    """Say whether a framework can be imported here, without importing it.

    >>> installed("numpy")
    True
    """
    try:
        spec = find_spec(FRAMEWORKS[name].package)
    except ModuleNotFoundError:  # of the package around it
        return False
    return spec is not None and spec.origin is not None
