"""A model as one Python file that needs NumPy alone."""

from __future__ import annotations

import base64
import os
import string
import textwrap
import zlib
from collections.abc import Sequence
from typing import Any

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


_USAGE = """\
    from model import predict               predict($inputs): arrays in, arrays out
    python model.py x.npy y.npy             the outputs for the inputs in .npy files
    python model.py --self-test             compare with the outputs stored in this file"""


def source_of(model: Module, arrays: Sequence[Array], axes: Axes) -> str:
    """The text of the file for a model of any kind."""
    usage = _USAGE.replace("$inputs", ", ".join(_input_names(arrays)))
    main = template("main.txt").substitute(input_count=len(arrays))
    name = type(model).__name__
    title = name if name.isidentifier() else "A model"  # it stands in the file's first text
    text = network_source(model, arrays, axes, title, "predict", usage, main)
    program: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported", "exec"), program)
    check_sizes(model, arrays, axes, program["predict"])
    return text


def _input_names(arrays: Sequence[Array]) -> list[str]:
    return ["x"] if len(arrays) == 1 else [f"x{i + 1}" for i in range(len(arrays))]


def network_source(
    model: Module,
    arrays: Sequence[Array],
    axes: Axes,
    title: str,
    function: str,
    usage: str,
    main: str,
) -> str:
    """The text of a file with a network.

    Args:
        title: what the file is, for its first line.
        function: the name of the function that computes the network.
        usage: lines that say how the file is used.
        main: the part of the file that has ``main(arguments)``.
    """
    names = _input_names(arrays)
    writer = Writer(Plan(traced(model, arrays, axes)), names)
    stored = dict(writer.weights)
    stored.update((f"example input {i}", array) for i, array in enumerate(arrays))
    outputs = flat(outputs_of(model, arrays))
    stored.update((f"example output {i}", array) for i, array in enumerate(outputs))
    table, data = _encoded(stored)
    shapes = [
        _shape(["n" if i == axis else size for i, size in enumerate(array.shape)])
        for array, axis in zip(arrays, axes)
    ]
    inputs = list(zip(names, arrays, shapes))
    lines = [
        f"{name} = _checked({name}, {name!r}, np.{array.dtype.name}, {shape})"
        for name, array, shape in inputs
    ]
    sizes = [f"{name}.shape[{axis}]" for name, axis in zip(names, axes) if axis is not None]
    if sizes:
        lines.append(f"n = _same({', '.join(sizes)})" if len(sizes) > 1 else f"n = {sizes[0]}")
    body = "\n".join([*lines, "w = _WEIGHTS", "", *writer.lines])
    return template("network.txt").substitute(
        model=title,
        version=__version__,
        function=function,
        usage=usage,
        inputs=", ".join(names),
        shapes=", ".join(f"{name}: {array.dtype.name} {shape}" for name, array, shape in inputs),
        body=textwrap.indent(body, "    "),
        table=table,
        input_count=len(arrays),
        main=main,
        data=data,
    )


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
    text = ", ".join('"n"' if size == "n" else str(size) for size in sizes)
    return f"({text},)" if len(sizes) == 1 else f"({text})"


def template(name: str) -> string.Template:
    """A part of the file, with ``$name`` where something is to be put in."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(path, encoding="utf-8") as file:
        return string.Template(file.read())
