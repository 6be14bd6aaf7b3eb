"""L-BFGS: a quasi-Newton method with a short memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnlite.autograd.modes import enable_grad
from nnlite.autograd.mutation import note_write
from nnlite.optim.checks import check_number
from nnlite.optim.line_search import Point, strong_wolfe
from nnlite.optim.optimizer import Optimizer
from nnlite.optim.plan import Array
from nnlite.tensor import Tensor, wrap

__all__ = ["LBFGS"]

_ENOUGH_CURVATURE = 1e-10


class LBFGS(Optimizer):
    """L-BFGS: Newton's method with the curvature estimated from the last steps.

    All parameters count as one vector θ with the gradient g. An iteration of a step is

        s = last change of θ,  y = last change of g      remembered, the last ``history_size``
        d = -H g                                         H: the inverse Hessian that fits them
        θ ← θ + t d                                      t = γ, or from a line search

    A step evaluates the loss several times, so it needs a closure, with the same data at each call:
    this is a method for whole data sets and few parameters. It holds 2 ``history_size`` vectors.

    Sources: Nocedal and Wright 2006, "Numerical Optimization", algorithm 7.4; tolerances and the
    first step are torch's.

    Args:
        params: see ``Optimizer``; a single group.
        lr: γ, at least 0.
        max_iter: iterations in a step, at least 1.
        max_eval: evaluations of the loss in a step; default: 1.25 ``max_iter``.
        tolerance_grad: a step ends when no element of the gradient is larger.
        tolerance_change: a step ends when nothing changes by more.
        history_size: how many pairs s, y are remembered, at least 1.
        line_search_fn: ``"strong_wolfe"`` or None.

    Raises:
        TypeError, ValueError: for an option of another type or out of its range, several groups.
        RuntimeError: for another ``line_search_fn``.

    >>> import nnlite
    >>> w = nnlite.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = nnlite.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - nnlite.tensor([1.0, 2.0])) ** 4).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(272., grad_fn=<SumBackward0>)
    >>> bool(closure() < 1e-4)
    True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_number("LBFGS", "max_iter", max_iter, least=1)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        defaults = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_eval, "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add the one group of parameters that there may be.

        Raises:
            ValueError: for a second group.
        """
        if self.param_groups:
            raise ValueError(
                "LBFGS: there can be one parameter group only, for all parameters are one vector; "
                "give all of them as one list"
            )
        super().add_param_group(param_group)

    def _check_options(self, options: dict[str, Any]) -> None:
        for name, least in (
            ("lr", 0), ("max_iter", 1), ("max_eval", 1), ("history_size", 1),
            ("tolerance_grad", None), ("tolerance_change", None),
        ):  # fmt: skip
            check_number("LBFGS", name, options[name], least)
        if options["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(
                "LBFGS: line_search_fn must be 'strong_wolfe' or None, got "
                f"{options['line_search_fn']!r}"
            )

    def _check_shape(self, array: Any, parameter: Tensor, number: Any, key: str) -> None:
        total = sum(p.array.size for p in self.param_groups[0]["params"])
        if array.ndim and array.shape != (total,):
            raise ValueError(
                f"load_state_dict: {key!r} has the shape {list(array.shape)}, all parameters "
                f"together have {total} elements; was it saved for another model?"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do up to ``max_iter`` iterations.

        Args:
            closure: a function that computes the loss anew (with ``backward``) and returns it.

        Returns:
            The loss before the step.

        Raises:
            TypeError: without a closure.
        """
        if closure is None:
            raise TypeError(
                "LBFGS.step: needs a closure, for it evaluates the loss several times: a function "
                "that calls zero_grad(), computes the loss, calls backward() and returns the loss"
            )
        group = self.param_groups[0]
        line = _Line(group["params"], closure)
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = line.evaluate()
        loss, g = float(first_loss), line.gradient()
        evaluations = 1
        state["func_evals"] += 1
        if _largest(g) <= group["tolerance_grad"]:
            return first_loss
        memory = _Memory(state, group["history_size"])
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            is_first = state["n_iter"] == 1
            d = memory.first(g) if is_first else memory.direction(g, line)
            loss_before = loss
            t = group["lr"]
            if is_first:
                t *= min(1.0, 1.0 / float(np.absolute(g).sum()))
            slope = float(g.dot(d))
            memory.t = t
            if slope > -group["tolerance_change"]:
                break
            count = 0
            if group["line_search_fn"]:
                start = Point(0.0, loss, g, slope)
                limit = group["max_eval"] - evaluations
                tolerance = group["tolerance_change"]
                point, count = strong_wolfe(line.along(d), start, t, _largest(d), tolerance, limit)
                t, loss, g, _ = point
            line.move(t, d)
            memory.t = t
            if not group["line_search_fn"] and iteration < group["max_iter"]:
                loss, g = float(line.evaluate()), line.gradient()
                count = 1
            evaluations += count
            state["func_evals"] += count
            if (
                evaluations >= group["max_eval"]
                or _largest(g) <= group["tolerance_grad"]
                or _largest(d) * abs(t) <= group["tolerance_change"]
                or abs(loss - loss_before) < group["tolerance_change"]
            ):
                break
        memory.save(state, loss_before)
        return first_loss


class _Line:
    """The parameters as one vector: its gradient, and moves along a direction."""

    def __init__(self, parameters: list[Tensor], closure: Callable[[], Any]) -> None:
        self._closure = closure
        self._dtype = np.result_type(*(p.array.dtype for p in parameters))
        self._places: list[tuple[Tensor, slice]] = []
        self._frozen: list[slice] = []
        start = 0
        for p in parameters:
            place = slice(start, start + p.array.size)
            start = place.stop
            if p.requires_grad:
                self._places.append((p, place))
            else:
                self._frozen.append(place)
        self._like = parameters[0].array
        self._size = start

    def evaluate(self) -> Any:
        """The loss; the parameters have its gradients then."""
        with enable_grad():
            return self._closure()

    def gradient(self) -> Array:
        """The gradients as one vector, 0 where there is none."""
        g = np.zeros_like(self._like, dtype=self._dtype, shape=(self._size,))
        for p, place in self._places:
            if p.grad is not None:
                g[place] = p.grad.array.reshape(-1)
        return g

    def hold_frozen(self, vector: Array) -> Array:
        """Set ``vector`` to 0 where the parameters are frozen."""
        for place in self._frozen:
            vector[place] = 0
        return vector

    def move(self, t: float, d: Array) -> None:
        """θ ← θ + t d."""
        for p, place in self._places:
            p.array += (t * d[place]).reshape(p.array.shape).astype(p.array.dtype, copy=False)
            note_write(p.array, "the step of an optimizer")

    def along(self, d: Array) -> Callable[[float], Point]:
        """The point at a distance in the direction ``d``, with the parameters as they were."""
        before = [p.array.copy() for p, _ in self._places]

        def evaluate(t: float) -> Point:
            self.move(t, d)
            loss = float(self.evaluate())
            g = self.gradient()
            for (p, _), values in zip(self._places, before):
                np.copyto(p.array, values)
                note_write(p.array, "the step of an optimizer")
            return Point(t, loss, g, float(g.dot(d)))

        return evaluate


class _Memory:
    """The last changes s of the parameters and y of the gradient, under torch's names."""

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self._size = size
        self._s = [tensor.array for tensor in state.get("old_stps") or []]
        self._y = [tensor.array for tensor in state.get("old_dirs") or []]
        self._inverse = [float(number) for number in state.get("ro") or []]  # 1 / y·s
        self._scale: float | None = None if state.get("H_diag") is None else float(state["H_diag"])
        self._g: Array = _array(state.get("prev_flat_grad"))
        self._d: Array = _array(state.get("d"))
        self.t = float(state.get("t") or 0)

    def first(self, g: Array) -> Array:
        """The direction before anything is known: down the gradient."""
        self._s, self._y, self._inverse, self._scale = [], [], [], None
        self._g = g
        self._d = -g
        return self._d

    def direction(self, g: Array, line: _Line) -> Array:
        """Remember the last step, and find -H g in two loops over what is remembered."""
        y = line.hold_frozen(g - self._g)
        s = line.hold_frozen(self._d * self.t)
        ys = float(y.dot(s))
        if ys > _ENOUGH_CURVATURE:
            if len(self._s) == self._size:
                del self._s[0], self._y[0], self._inverse[0]
            self._s.append(s)
            self._y.append(y)
            self._inverse.append(1.0 / ys)
            self._scale = ys / float(y.dot(y))
        d = -g
        weights = []
        product = np.empty_like(d)
        for s, y, inverse in zip(self._s[::-1], self._y[::-1], self._inverse[::-1]):
            weights.append(float(s.dot(d)) * inverse)
            d -= np.multiply(y, weights[-1], product)
        if self._scale is not None:
            d *= self._scale
        for s, y, inverse, weight in zip(self._s, self._y, self._inverse, weights[::-1]):
            d += np.multiply(s, weight - float(y.dot(d)) * inverse, product)
        self._g = g
        self._d = line.hold_frozen(d)
        return self._d

    def save(self, state: dict[str, Any], loss: float) -> None:
        """Put all into the state of the optimizer."""
        dtype = self._d.dtype
        state["d"] = wrap(self._d)
        state["t"] = self.t
        state["old_dirs"] = [wrap(y) for y in self._y]
        state["old_stps"] = [wrap(s) for s in self._s]
        state["ro"] = [wrap(np.array(number, dtype)) for number in self._inverse]
        state["H_diag"] = 1 if self._scale is None else wrap(np.array(self._scale, dtype))
        state["prev_flat_grad"] = wrap(self._g)
        state["prev_loss"] = loss


def _array(tensor: Tensor | None) -> Array:
    return None if tensor is None else tensor.array


def _largest(vector: Array) -> float:
    return float(max(vector.max(), -vector.min())) if vector.size else 0.0
