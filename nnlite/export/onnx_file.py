"""A model as an ONNX file: the only file that imports onnx, and onnxruntime to check the result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.export.batch import Array, Axes, Size, arrays_of_example, axes_of, traced
from nnlite.export.check import check_sizes
from nnlite.export.errors import ExportError
from nnlite.export.kernels import noted_as_kernels
from nnlite.export.onnx_graph import Graph
from nnlite.export.plan import Plan
from nnlite.io.atomic import write_bytes
from nnlite.nn.module import Module
from nnlite.tracing.calls import Ref, refs
from nnlite.version import __version__

__all__ = ["to_onnx"]

StrPath = str | os.PathLike[str]

OLDEST_OPSET = 18  # from here on all reductions take their axes as an input
_LARGEST = 2**31 - 1  # bytes of a protocol buffer


def to_onnx(
    model: Module,
    example_input: Any,
    path: StrPath,
    *,
    opset: int = 18,
    batch_axis: Any = 0,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a model as an ONNX file, for onnxruntime and whatever else reads ONNX.

    It is made from the NumPy calls that the model makes for the example (see `to_numpy` for what
    that means for Python's own branches); convolution, pooling, the logistic and the error
    function become operators of their own, recurrent layers are unrolled to the example's steps.
    The file passes ``onnx.checker``; where onnxruntime is installed, its results are compared with
    the model's before the file is written, for batches of several sizes.

    What nnlite checks in values (that indices lie in a table) is not in the file.

    Args:
        model: any module; it is run in evaluation mode and stays as it is.
        example_input: a tensor or array that the model can be called with, or a tuple of several.
        path: the file, which is written in one step.
        opset: the version of ONNX's operators, at least 18.
        batch_axis: the axis of the samples in the inputs, which may then be of any size: an int, or
            a tuple with an entry for each input; None for an input of fixed shape.
        input_names, output_names: default: ``x`` and ``y``, or ``x1``, ``x2`` … of several.
            Outputs that are nested are in the order in which they stand.
        metadata: texts that are stored with the model.

    Raises:
        ExportError: the model does something that cannot be exported, or an operator has no
            counterpart; the message says what to do.
        ImportError: onnx is not installed.
        TypeError, ValueError: for an example that is no tensor, a wrong axis, number of names or
            opset, a model beyond 2 GB.
        OSError: the file cannot be written.

    >>> import os, tempfile
    >>> import nnlite
    >>> from nnlite import nn
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "model.onnx")
    >>> nnlite.export.to_onnx(model, nnlite.randn(2, 3), path)  # doctest: +SKIP
    >>> import onnxruntime  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(path)  # doctest: +SKIP
    >>> (y,) = session.run(None, {"x": nnlite.randn(5, 3).numpy()})  # doctest: +SKIP
    >>> y.shape  # doctest: +SKIP
    (5, 1)
    >>> folder.cleanup()
    """
    onnx = _onnx()
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise ValueError(
            f"to_onnx: opset must lie between {OLDEST_OPSET} and {newest}, the newest that onnx "
            f"{onnx.__version__} knows; got {opset}"
        )
    arrays = arrays_of_example(example_input)
    axes = axes_of(arrays, batch_axis)
    inputs = _names("input_names", input_names, "x", len(arrays))
    trace = traced(model, arrays, axes, noted_as_kernels)
    trace.calls = [call for call in trace.calls if call.kind != "bool"]
    graph = Graph(Plan(trace), inputs, axes)
    graph.run()
    found = refs(trace.outputs)
    outputs = _names("output_names", output_names, "y", len(found))
    for name, ref in zip(outputs, found):
        graph.rename_output(ref, name)
    made = _proto(onnx, graph, type(model).__name__, inputs, outputs, found, opset)
    for key, value in (metadata or {}).items():
        made.metadata_props.add(key=key, value=value)
    size = made.ByteSize()
    if size > _LARGEST:
        raise ValueError(
            f"to_onnx: the model has {size / 1e9:.1f} GB, a protocol buffer holds 2 GB at most; "
            "use nnlite.save for its weights"
        )
    _check(onnx, made)
    content = made.SerializeToString()
    _compare(content, model, arrays, axes, inputs)
    write_bytes(path, content)


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.defs
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError(
            "to_onnx: the package onnx is not installed; install nnlite with the extra onnx, from "
            'the folder of its sources: pip install ".[onnx]"'
        ) from error
    return onnx


def _names(label: str, given: Sequence[str] | None, letter: str, count: int) -> list[str]:
    if given is None:
        return [letter] if count == 1 else [f"{letter}{i + 1}" for i in range(count)]
    names = [given] if isinstance(given, str) else list(given)
    if len(names) != count or len(set(names)) != count:
        raise ValueError(f"to_onnx: {label} must be {count} different names, got {names}")
    return names


def _proto(
    onnx: Any,
    graph: Graph,
    name: str,
    inputs: list[str],
    outputs: list[str],
    found: list[Ref],
    opset: int,
) -> Any:
    helper = onnx.helper

    def described(label: str, ref: Ref) -> Any:
        sizes = [_dimension(size) for size in graph.sizes(ref)]
        return helper.make_tensor_value_info(label, _type(onnx, graph.dtype(ref)), sizes)

    nodes = []
    for node in graph.nodes:
        options = {
            key: _type(onnx, value) if isinstance(value, np.dtype) else value
            for key, value in node.attributes.items()
        }
        nodes.append(helper.make_node(node.op, node.inputs, node.outputs, node.name, **options))
    used = {name for node in graph.nodes for name in node.inputs}
    constants = [
        onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), label)
        for label, array in graph.constants.items()
        if label in used
    ]
    made = helper.make_graph(
        nodes,
        name,
        [described(label, Ref(i)) for label, i in zip(inputs, graph.trace.inputs)],
        [described(label, ref) for label, ref in zip(outputs, found)],
        constants,
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(
        made,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="nnlite",
        producer_version=__version__,
    )


def _dimension(size: Any) -> int | str:
    """A size as ONNX describes it; one that depends on the batch is a name."""
    if not isinstance(size, Size):
        return int(size)
    text = "batch" if size.factor == 1 else f"{size.factor}*batch"
    return f"{text}{size.offset:+d}" if size.offset else text


def _type(onnx: Any, dtype: Any) -> int:
    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _check(onnx: Any, made: Any) -> None:
    try:
        onnx.checker.check_model(made, full_check=True)
    except Exception as error:  # each part of the checker has exceptions of its own
        text = " ".join(str(error).split())
        raise ExportError(
            f"to_onnx: the model has no valid form in ONNX ({text}); use float32 "
            "(model.float()) and inputs that are not empty, or nnlite.export.to_numpy"
        ) from error


def _compare(
    content: bytes, model: Module, arrays: Sequence[Array], axes: Axes, inputs: list[str]
) -> None:
    """Compare what onnxruntime computes with the model, where it is installed."""
    try:
        import onnxruntime
    except ImportError:
        return
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:
        raise ExportError(
            f"to_onnx: onnxruntime {onnxruntime.__version__} does not take the model ({error}); "
            "use float32 (model.float()), or nnlite.export.to_numpy"
        ) from error

    def predict(*given: Array) -> list[Array]:
        return list(session.run(None, dict(zip(inputs, given))))

    check_sizes(model, arrays, axes, predict)
