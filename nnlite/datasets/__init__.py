"""Small data sets: two real ones that ship with the package and one that is drawn.

>>> from nnlite import datasets
>>> x, y = datasets.breast_cancer()
>>> tuple(x.shape), tuple(y.shape)
((569, 30), (569,))
"""

from nnlite.datasets.bundle import Bundle
from nnlite.datasets.drawn import moons
from nnlite.datasets.shipped import breast_cancer, digits

__all__ = ["Bundle", "breast_cancer", "digits", "moons"]
