"""why: the reason why a tensor has no gradient, or one of zeros, in a sentence with the cure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.engine import _reachable
from nnlite.autograd.node import Edge, Node
from nnlite.explain.explanation import Explanation
from nnlite.explain.model import Value
from nnlite.explain.record import cuts, detached_at, place_text, record_of, uses_of
from nnlite.explain.step import Step
from nnlite.tensor import FROZEN, NoGraph, Tensor, wrap

__all__ = ["why", "why_here"]

Array = Any
_FOR_DEAD_UNITS = "lower the learning rate, start the bias above 0, or use leaky_relu, gelu or silu"
_FLAT = 0.01  # of the largest slope of a sigmoid or tanh: what has less is saturated


def why(tensor: Tensor, loss: Tensor | None = None) -> str:
    """Why the gradient of a tensor is None, or zero, and what to do about it.

    Args:
        tensor: a parameter, or any other tensor.
        loss: what ``backward`` was or will be called on: with it the answer tells whether the
            tensor is reached, and where on the way its gradient becomes zero. Under
            ``nnlite.explain.recording()`` it names source lines.

    Returns:
        A sentence or two.

    Raises:
        TypeError: for something that is no tensor.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    >>> b = nnlite.tensor(0.0, requires_grad=True)
    >>> print(nnlite.explain.why(b, (w * w).sum()))
    No operation of this loss leads to the tensor, so its grad stays None: use it in the forward ...
    >>> print(nnlite.explain.why(w * 2))
    The tensor is no leaf (MulBackward0 computed it), and the gradients of such are not kept: ...
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"explain.why: expected a Tensor, got {type(tensor).__name__}; give a parameter "
            "(model.fc.weight), not its name or its gradient"
        )
    if loss is not None and not isinstance(loss, Tensor):
        raise TypeError(f"explain.why: loss must be a Tensor, got {type(loss).__name__}")
    if not tensor._node:
        return _without_graph(tensor)
    if isinstance(tensor._node, Node) and tensor._leaf is None:
        return (
            f"The tensor is no leaf ({tensor._node.function().name()} computed it), and the "
            "gradients of such are not kept: call tensor.retain_grad() before backward() to have "
            "it in tensor.grad"
        )
    if loss is not None and not loss._node:
        return f"The loss has no graph, so backward() reaches nothing: {_cause(loss)}"
    grad = None if tensor.grad is None else tensor.grad.array
    if loss is None:
        return _without_loss(grad)
    if tensor._node not in _reachable([loss._node]):
        return _not_reached(tensor, loss._node)
    return _reached(tensor, loss, grad)


def _without_graph(tensor: Tensor) -> str:
    if tensor.array.dtype.kind not in "fc":
        return (
            f"The tensor holds {tensor.array.dtype}, and only floating point tensors have "
            "gradients: convert it with tensor.float() and requires_grad_()"
        )
    if tensor._node is FROZEN and tensor._leaf is not None:
        return (
            "The tensor is frozen (requires_grad=False), so its grad stays as it is: "
            "tensor.requires_grad_() or model.unfreeze(pattern) trains it again"
        )
    if isinstance(tensor._node, NoGraph) and tensor._node.origin is not None:
        return f"The tensor has no gradient, because {_cause(tensor)}"
    return (
        "requires_grad of the tensor is False, and nothing that it was computed from has it: "
        "call tensor.requires_grad_() before the forward pass, or make it an nn.Parameter"
    )


def _cause(tensor: Tensor) -> str:
    node = tensor._node
    if isinstance(node, NoGraph) and node.origin is not None:
        return node.origin.cause
    return (
        "no tensor that it was computed from has requires_grad=True, or a step without a "
        "derivative lies between (argmax, a comparison, integers); make the ones to be trained "
        "with requires_grad=True or as nn.Parameter, and the loss without such a step"
    )


def _where_cut() -> str:
    """The line at which the last recording has first seen a graph cut."""
    return "".join(f": {what} at {place_text(site)}" for what, site in cuts()[:1])


def _without_loss(grad: Array) -> str:
    if grad is None:
        return (
            "Its grad is None: no backward() has reached it since it was made or since zero_grad() "
            "cleared it. Give the loss, explain.why(tensor, loss), to learn whether one can"
        )
    if not grad.any():
        return (
            "Its grad holds zeros: zero_grad(set_to_none=False) has cleared it, or what arrived "
            "was zero. Give the loss, explain.why(tensor, loss), to learn where it became zero"
        )
    return _present(grad)


def _present(grad: Array) -> str:
    share = float((grad == 0).mean()) if grad.size else 0.0
    zeros = f", {share:.0%} of its elements are 0" if share else ""
    return f"It has a gradient, of norm {np.linalg.norm(grad.astype(np.float64)):.4g}{zeros}"


def why_here(explanation: Explanation, tensor: Tensor) -> str:
    """Why a leaf has no gradient in a pass, or one of zeros; empty where it has one.

    Args:
        explanation: the pass.
        tensor: a parameter, or another leaf.
    """
    if not tensor._node:
        return _without_graph(tensor)
    if tensor._node not in explanation.run.arrived:
        return _not_reached(tensor, explanation.run.root)
    value = explanation.value_of(tensor)
    if not value.gradient.size:
        return ""
    if not value.gradient.any():
        return _vanished(explanation, tensor._node)
    return _blocked(explanation, value.used_by)


def _not_reached(tensor: Tensor, root: Edge) -> str:
    # What an earlier recording saw says nothing of a loss that it did not see.
    seen = isinstance(root, Node) and record_of(root) is not None
    used = uses_of(tensor._node) if seen else []
    site = detached_at(tensor._node) if used else None
    if site is not None:
        return (
            f"What was computed from the tensor was detached at {place_text(site)}, and no other "
            "way leads from it to this loss: compute the loss from the result itself, without "
            "detach() or .data"
        )
    if used:
        return (
            f"The tensor was used ({place_text(used[-1])}), but the graph is cut between there and "
            "this loss by detach(), .data, .numpy(), .item() or no_grad; compute the loss from the "
            f"results themselves, where gradients are recorded{_where_cut()}"
        )
    if not isinstance(root, Node):
        return (
            "The loss is a leaf itself, so nothing leads from it to the tensor: it was made anew, "
            "by tensor(loss.item(), requires_grad=True) or requires_grad_() on a result without a "
            "graph; call backward() on what the loss function returned"
        )
    if seen:
        return (
            "No operation of this loss leads to the tensor, and nothing under recording() has used "
            "it, so its grad stays None: use it in the forward pass, or record the whole of it to "
            "learn which line cuts it off"
        )
    return (
        "No operation of this loss leads to the tensor, so its grad stays None: use it in the "
        "forward pass, or look for a detach(), .data, .numpy() or no_grad between it and the loss "
        "(with the forward pass under nnlite.explain.recording() this names the line)"
    )


def _reached(tensor: Tensor, loss: Tensor, grad: Array) -> str:
    if any(isinstance(n, Node) and n.saved is None for n in _reachable([loss._node])):
        if grad is None:
            return (
                "backward() has gone through this loss, so a gradient was there: zero_grad() has "
                "cleared it. Read grad between backward() and zero_grad()"
            )
        if not grad.any():
            return (
                "Its grad holds zeros: zero_grad(set_to_none=False) has cleared it, or zeros have "
                "arrived. The graph that could tell has been freed: call explain.why(tensor, loss) "
                "before backward(), or backward(retain_graph=True)"
            )
        return _present(grad)
    explanation = Explanation(loss, None if loss.array.size == 1 else _ones(loss))
    value = explanation.value_of(tensor)
    if value.gradient.any():
        computed = f"norm {np.linalg.norm(value.gradient.astype(np.float64)):.4g}"
        dead = _blocked(explanation, value.used_by)
        dead = f". {dead}" if dead else ""
        if grad is None:
            return (
                f"The loss reaches it with a gradient of {computed}: backward() has not run yet, "
                f"or zero_grad() has cleared it since{dead}"
            )
        if not grad.any():
            return (
                f"Its grad holds zeros although the loss gives it a gradient of {computed}: "
                "zero_grad() has cleared it after backward(), or backward() has not run since"
            )
        return _present(grad) + dead
    return _vanished(explanation, tensor._node)


def _ones(loss: Tensor) -> Tensor:
    return wrap(np.ones_like(loss.array))


def _vanished(explanation: Explanation, target: Any) -> str:
    """The operation at which a gradient became zero on its way to ``target``."""
    leads = _leading(explanation, target)
    for step in explanation.steps:
        arrives = any(v.gradient.any() for v in step.outputs.values())
        if not arrives or step._node not in leads:
            continue
        for position, given in enumerate(step.inputs):
            edge = step._node.edges[position]
            node = edge.function() if isinstance(edge, Node) else edge
            if not given.wanted or node not in leads:
                continue
            sent = step._sent(position)
            if sent is not None and not sent.any():
                return (
                    f"Its gradient is zero: {_reason(explanation, step, position)} "
                    f"(step {step.number}, {step.name}{_at(step)})"
                )
    if not explanation.loss.gradient.any():
        return "Its gradient is zero because the pass starts with a gradient of zero"
    return (
        "Its gradient is zero although no single operation makes it so: the contributions of its "
        "uses cancel each other exactly; explain(loss).to(tensor) shows them"
    )


def _leading(explanation: Explanation, target: Any) -> set[Any]:
    leads = {target}
    for step in reversed(explanation.steps):
        for edge in step._node.edges:
            if edge and (edge.function() if isinstance(edge, Node) else edge) in leads:
                leads.add(step._node)
    return leads


def _at(step: Step) -> str:
    where = f" in {step.module}" if step.module else ""
    return where + (f", {step.place.file}:{step.place.line}" if step.place else "")


def _reason(explanation: Explanation, step: Step, position: int) -> str:
    name, output = step.name, step.output
    y = explanation.array_of(output)
    if name == "Relu":
        return (
            f"{_share(y is not None and (y <= 0), output.gradient)} of the units of "
            f"{output.symbol} are dead, the input of the ReLU is not above 0: {_FOR_DEAD_UNITS}"
        )
    if name == "Softmax" and y is not None and (y == 1).all():
        return (
            "softmax over a dimension with one element is always 1: give another dim, or use a "
            "sigmoid for a single output"
        )
    if name in ("Clamp", "ClampMin", "ClampMax"):
        return (
            f"all of {step.inputs[0].value.symbol} lies outside of the bounds, where the slope is "
            "0: widen them, or bring what goes in between them"
        )
    if name == "Where":
        return "where() takes the other value everywhere: check its condition"
    if name in ("Sigmoid", "Tanh", "Softmax", "Hardtanh", "Hardsigmoid"):
        return (
            f"{name.lower()} is saturated: {output.symbol} lies at its ends "
            f"{'' if y is None else f'(from {y.min():.6g} to {y.max():.6g}) '}where the slope "
            "is 0: make what goes in smaller (initialisation, normalisation), or give logits to a "
            "loss that takes them"
        )
    if name == "Mul":
        other = step.inputs[1 - position].value
        what = "0" if other.dtype is None else f"{other.label}, which is 0 everywhere"
        return (
            f"it is multiplied by {what}: check that factor (a mask, a weight initialised with "
            "zeros)"
        )
    if step.equation.rule_of(step.inputs[position].role).strip() == "0":
        return (
            f"{name.lower()} has the derivative 0 everywhere: it cannot be trained through; use a "
            "smooth function in its place, or x + (y - x).detach() (a straight-through estimate)"
        )
    if name in ("Linear", "Mm", "Addmm", "Bmm", "BatchedMatmul", "Convolution", "Mv"):
        return _factor_of_zeros(explanation, step.inputs[1 - position if position < 2 else 0].value)
    return (
        f"{step.forward} lets none of it through at these values ({step.rule}): bring them to "
        "where its derivative is not 0"
    )


def _factor_of_zeros(explanation: Explanation, other: Value) -> str:
    """What is said of a product whose other factor is 0, with the cure for that factor."""
    start = f"what it is multiplied with, {other.label}, is 0"
    if other.made_by is not None:
        maker = explanation.steps[other.made_by - 1]
        if maker.name == "Relu":
            return f"{start}: all units of that ReLU are dead; {_FOR_DEAD_UNITS}"
        return f"{start} everywhere: explain(loss) shows how step {maker.number} came to that"
    if other.kind == "leaf":
        return (
            f"{start}: weights that start at 0 let no gradient through; initialise them at random "
            "(nnlite.nn.init)"
        )
    return (
        f"{start}: neither inputs of zeros nor frozen weights of 0 let a gradient through; check "
        "the data and how they are scaled, or initialise the weights at random (nnlite.nn.init)"
    )


def _share(dead: Any, gradient: Array) -> str:
    if not hasattr(dead, "mean"):
        dead = gradient == 0
    return f"{float(np.mean(dead)):.0%}"


def _blocked(explanation: Explanation, users: list[int]) -> str:
    """What is said of a layer whose activation lets little through: dead units, flat slopes."""
    for number in users:
        output = explanation.steps[number - 1].output
        for follower in output.used_by:
            step = explanation.steps[follower - 1]
            y = explanation.array_of(step.output)
            if step.name in ("Sigmoid", "Tanh") and y is not None and y.size:
                slope = 1 - y * y if step.name == "Tanh" else 4 * y * (1 - y)
                share = float(np.mean(slope < _FLAT))
                if share >= 0.5:
                    return (
                        f"{share:.0%} of the {step.name.lower()} that follows is saturated, its "
                        "slope almost 0, so that little gets through: make what goes in smaller "
                        "(initialisation, normalisation), or give logits to a loss that takes them"
                    )
            if step.name != "Relu" or y is None or y.ndim < 2:
                continue
            units = math.prod(y.shape[1:])
            dead = int((y.reshape(len(y), -1) <= 0).all(axis=0).sum())
            if dead and len(y) == 1:
                return (
                    f"{dead} of {units} units of the ReLU that follows give 0 for this one row: "
                    "their weights get no gradient from it, which is usual; a unit is dead when it "
                    "gives 0 for every row"
                )
            if dead:
                return (
                    f"{dead} of {units} units of the ReLU that follows are dead in this batch: "
                    "their weights get no gradient; lower the learning rate, or use leaky_relu"
                )
    return ""
