"""The real data sets that ship with the package; ``data/README.md`` has their full credits."""

from __future__ import annotations

import os

import numpy as np

from nnlite.datasets.bundle import Bundle
from nnlite.tensor import Tensor, wrap

_LICENCE = "CC BY 4.0"
_MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)


def breast_cancer() -> Bundle:
    """Load the Wisconsin diagnostic breast cancer data: is a tumour malignant or benign?

    Ten measures of the cell nuclei in a digitised image of a fine needle aspirate: of each the
    mean, the standard error, and the mean of the three largest values. Units are pixels and what
    follows from them; the features differ in scale by up to 10⁶, so standardise them.

    Returns:
        ``x`` float32 (569, 30), ``y`` int64 (569,): 0 malignant (212), 1 benign (357).

    >>> data = breast_cancer()
    >>> data
    Bundle(breast cancer: x 569×30 float32, y 569 int64; classes malignant, benign)
    >>> data.columns[:2]
    ('mean radius', 'mean texture')
    """
    return Bundle(
        "breast cancer",
        _load("breast_cancer_x", np.float32),
        _load("breast_cancer_y", np.int64),
        columns=(
            *(f"mean {measure}" for measure in _MEASURES),
            *(f"{measure} error" for measure in _MEASURES),
            *(f"worst {measure}" for measure in _MEASURES),
        ),
        classes=("malignant", "benign"),
        source=(
            "Wolberg, W., Mangasarian, O., Street, N., & Street, W. (1993). Breast Cancer "
            "Wisconsin (Diagnostic). UCI Machine Learning Repository. https://doi.org/10.24432/C5DW2B"
        ),
        licence=_LICENCE,
    )


def digits() -> Bundle:
    """Load the handwritten digits: images of 8 × 8 pixels, which of ten digits is it?

    A pixel counts the dark points in a 4 × 4 block of the scanned image, 0 to 16.

    Returns:
        ``x`` float32 (1797, 8, 8), ``y`` int64 (1797,): the digit, each about 180 times.

    >>> x, y = digits()
    >>> tuple(x.shape), float(x.numpy().max()), y[:5].tolist()
    ((1797, 8, 8), 16.0, [0, 1, 2, 3, 4])
    """
    return Bundle(
        "digits",
        _load("digits_x", np.float32),
        _load("digits_y", np.int64),
        columns=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
        classes=tuple("0123456789"),
        source=(
            "Alpaydin, E., & Kaynak, C. (1998). Optical Recognition of Handwritten Digits. "
            "UCI Machine Learning Repository. https://doi.org/10.24432/C50P49"
        ),
        licence=_LICENCE,
    )


def _load(name: str, dtype: type[np.float32] | type[np.int64]) -> Tensor:
    path = os.path.join(os.path.dirname(__file__), "data", f"{name}.npy")
    return wrap(np.load(path, allow_pickle=False).astype(dtype, copy=False))
