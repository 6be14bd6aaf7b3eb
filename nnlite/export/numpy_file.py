"""A model as one Python file that needs NumPy alone."""

from __future__ import annotations

import base64
import os
import textwrap
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.export.batch import Array, Axes, arrays_of_example, axes_of, traced
from nnlite.export.check import check_sizes, flat, outputs_of
from nnlite.export.plan import Plan
from nnlite.export.source import Writer
from nnlite.io.atomic import write_bytes
from nnlite.nn.module import Module
from nnlite.version import __version__

__all__ = ["to_numpy"]

StrPath = str | os.PathLike[str]

_LINE = 100  # characters of the encoded weights in a line
_ALIGNMENT = 16  # bytes


def to_numpy(model: Module, example_input: Any, path: StrPath, *, batch_axis: Any = 0) -> None:
    """Write a model as one readable Python file that predicts with NumPy alone, without nnlite.

    The file holds the weights, ``predict(x)`` with every NumPy call that the model makes in
    evaluation mode, a line each, and example inputs and outputs on which it tests itself::

        from model import predict             # in Python
        python model.py x.npy y.npy           # on the command line
        python model.py --self-test

    The calls are those that the model makes for the example, for batches of any size along
    ``batch_axis``; all other sizes are fixed. Branches of Python code are those that the example
    takes: one that depends on the values of the input is refused where it can be seen (``if
    x.sum() > 0``, ``item()``), one that depends on sizes or on attributes is followed as it is.
    What nnlite itself checks in the values (that indices lie in a table) is checked in the file.

    Args:
        model: any module; it is run in evaluation mode and stays as it is.
        example_input: a tensor or array that the model can be called with, or a tuple of several
            for a model with several inputs. It is stored in the file: give one of a few samples.
        path: the file, which is written in one step.
        batch_axis: the axis of the samples in the inputs: an int, or a tuple with an entry for each
            input; None for an input of fixed shape.

    Raises:
        ExportError: the model does something that cannot be exported; the message says what to do.
        TypeError, ValueError: for an example that is no tensor or does not have the axis.
        OSError: the file cannot be written.

    >>> import os, tempfile
    >>> import nnlite
    >>> from nnlite import nn
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "model.py")
    >>> nnlite.export.to_numpy(model, nnlite.randn(2, 3), path)
    >>> import runpy
    >>> predict = runpy.run_path(path)["predict"]
    >>> x = nnlite.randn(5, 3)
    >>> bool((predict(x.numpy()) == model(x).detach().numpy()).all())
    True
    >>> folder.cleanup()
    """
    arrays = arrays_of_example(example_input)
    source = source_of(model, arrays, axes_of(arrays, batch_axis))
    write_bytes(path, source.encode("utf-8"))


def source_of(model: Module, arrays: Sequence[Array], axes: Axes, main: str | None = None) -> str:
    """The text of the file; ``main`` is the part with ``main(arguments)``."""
    names = ["x"] if len(arrays) == 1 else [f"x{i + 1}" for i in range(len(arrays))]
    writer = Writer(Plan(traced(model, arrays, axes)), names)
    outputs = flat(outputs_of(model, arrays))
    stored = dict(writer.weights)
    stored.update((f"example input {i}", array) for i, array in enumerate(arrays))
    stored.update((f"example output {i}", array) for i, array in enumerate(outputs))
    table, data = _encoded(stored)
    sizes = [
        tuple("n" if i == axis else size for i, size in enumerate(array.shape))
        for array, axis in zip(arrays, axes)
    ]
    checked = [
        f"{name} = _checked({name}, {name!r}, np.{array.dtype.name}, {_shape(size)})"
        for name, array, size in zip(names, arrays, sizes)
    ]
    measured = [
        f"{name}.shape[{axis}]" for name, axis in zip(names, axes) if axis is not None
    ]
    if len(measured) > 1:
        checked.append(f"n = _same({', '.join(measured)})")
    elif measured:
        checked.append(f"n = {measured[0]}")
    template = _template("network.txt")
    text = template.format(
        model=type(model).__name__,
        version=__version__,
        inputs=", ".join(names),
        shapes=", ".join(
            f"{name}: {array.dtype.name} {_shape(size)}"
            for name, array, size in zip(names, arrays, sizes)
        ),
        body=textwrap.indent("\n".join([*checked, "w = _WEIGHTS", "", *writer.lines]), "    "),
        table=table,
        input_count=len(arrays),
        main=main or _template("main.txt").format(input_count=len(arrays)),
        data=data,
    )
    _verify(text, model, arrays, axes)
    return text


def _verify(text: str, model: Module, arrays: Sequence[Array], axes: Axes) -> None:
    """Run the file for batches of other sizes than those that it was made from."""
    program: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported", "exec"), program)
    check_sizes(model, arrays, axes, program["predict"])


# ---- the weights in the file --------------------------------------------------------------------


def _encoded(arrays: dict[str, Array]) -> tuple[str, str]:
    """The table of the arrays, as Python, and their bytes in lines of base 85."""
    rows, parts, place = [], [], 0
    for name, array in arrays.items():
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        content = little.tobytes()
        gap = -place % _ALIGNMENT
        parts.append(b"\0" * gap + content)
        place += gap
        rows.append(f"    {name!r}: ({little.dtype.str!r}, {array.shape!r}, {place}),")
        place += len(content)
    text = base64.b85encode(zlib.compress(b"".join(parts), 9)).decode("ascii")
    lines = [text[i : i + _LINE] for i in range(0, len(text), _LINE)]
    return "\n".join(rows), "\n".join(lines)


def _shape(sizes: Sequence[int | str]) -> str:
    text = ", ".join(map(str, sizes)).replace("n", '"n"')
    return f"({text},)" if len(sizes) == 1 else f"({text})"


def _template(name: str) -> str:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(path, encoding="utf-8") as file:
        return file.read()


