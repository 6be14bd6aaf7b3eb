"""Recurrent layers over a whole sequence: the simple one, LSTM and GRU.

Each is one operator: the products with the inputs, and the gradients of the weights, are single
products over all steps; only what depends on the state before runs step by step. A cell is a layer
over a sequence of one step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record, record_outputs
from nnlite.ops.operands import Array
from nnlite.ops.sequence import (
    Weights,
    across,
    added,
    affine,
    joined,
    layer_operands,
    parts_of,
    room,
    start,
    states_after,
    states_before,
    weight_gradients,
)
from nnlite.tensor import Tensor

__all__ = ["gru_layer", "lstm_layer", "rnn_layer"]


# ---- the simple layer ---------------------------------------------------------------------------


def _rnn(x: Any, h: Any, weights: tuple[Any, ...], meta: tuple[bool, bool]) -> tuple[Any, Any]:
    """The inputs as rows, and the states before and after every step."""
    w_ih, w_hh, b_ih, b_hh = weights
    reverse, relu = meta
    steps, batch, _ = x.shape
    rows = x.reshape(steps * batch, x.shape[2])
    inputs = affine(rows, w_ih, added(b_ih, b_hh)).reshape(steps, *h.shape)
    states, hs = room(h, steps + 1, *h.shape, reverse=reverse)
    start(hs, h)
    recur = across(w_hh)
    for t, a in enumerate(parts_of(inputs, reverse=reverse)):
        z = np.matmul(hs[t], recur, out=hs[t + 1])
        z = np.add(z, a, out=hs[t + 1])
        hs[t + 1] = np.maximum(z, 0, out=hs[t + 1]) if relu else np.tanh(z, out=hs[t + 1])
    return rows, joined(states, hs, reverse=reverse)


class RnnBackward0(Node):
    """hₜ = φ(aₜ),  aₜ = W xₜ + b + U hₜ₋₁ + c:   ∂aₜ = φ′(aₜ) ∂hₜ,
    ∂hₜ = gₜ + Uᵀ ∂aₜ₊₁,   ∂xₜ = Wᵀ ∂aₜ,   ∂W = Σ ∂aₜ xₜᵀ,   ∂U = Σ ∂aₜ hₜ₋₁ᵀ,
    ∂b = ∂c = Σ ∂aₜ;   φ′ = 1 - hₜ² for tanh, [hₜ > 0] for relu"""

    __slots__ = ()
    lifts = (0, 1, 2, 3, 4, 5, "cache", "cache")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, h, *weights, rows, states = self.saved
        to_x, to_h, *to_weights = self.edges
        reverse, relu = self.meta
        if states is None:
            rows, states = _rnn(x, h, tuple(weights), self.meta)
        w_ih, w_hh = weights[:2]
        y = states_after(states, reverse)
        slopes = parts_of((y > 0).astype(y.dtype) if relu else 1 - y * y, reverse=not reverse)
        d, ds = room(h, *y.shape, reverse=not reverse, scratch="sums")
        _, (out,) = room(h, 1, *h.shape)
        last: Any = None
        for t, dh in enumerate(parts_of(g, reverse=not reverse)):
            if last is not None:
                dh = np.add(np.matmul(last, w_hh, out=out), dh, out=out)
            last = ds[t] = np.multiply(dh, slopes[t], out=ds[t])
        d = joined(d, ds, reverse=not reverse).reshape(-1, y.shape[2])
        return (
            np.dot(d, w_ih).reshape(x.shape) if to_x else None,
            np.matmul(last, w_hh) if to_h else None,
            *weight_gradients(tuple(to_weights), d, d, rows, states_before(states, reverse)),
        )


def rnn_layer(
    input: Tensor, h: Tensor, weights: Weights, nonlinearity: str = "tanh", reverse: bool = False
) -> Tensor:
    """The states of a simple recurrent layer: hₜ = φ(W xₜ + b + U hₜ₋₁ + c).

    Source: Elman 1990, "Finding Structure in Time".

    Args:
        input: shape (T, N, I).
        h: the initial state, shape (N, H).
        weights: W, shape (H, I); U, shape (H, H); b and c, shape (H,), or None.
        nonlinearity: φ, ``"tanh"`` or ``"relu"``.
        reverse: run from the last step to the first.

    Returns:
        The state after each step, shape (T, N, H).

    Raises:
        RuntimeError: when shapes or dtypes do not fit.
    """
    arrays, edges = layer_operands("rnn_layer", 1, input, weights, h=h)
    meta = (reverse, nonlinearity == "relu")
    rows, states = _rnn(arrays[0], arrays[1], arrays[2:], meta)
    return record(states_after(states, reverse), RnnBackward0, edges, (*arrays, rows, states), meta)


# ---- long short-term memory ---------------------------------------------------------------------


def _lstm(x: Any, h: Any, c: Any, weights: tuple[Any, ...], reverse: bool) -> tuple[Any, ...]:
    """The inputs as rows; states and cells before and after every step; tanh of the cells after;
    the gates i, f, o and g, shape (T, 4, N, H)."""
    w_ih, w_hh, b_ih, b_hh = weights
    (steps, batch, _), size = x.shape, w_hh.shape[1]
    w_ih, w_hh, bias = (_lstm_order(w, size) for w in (w_ih, w_hh, added(b_ih, b_hh)))
    inputs = _by_gate(x, w_ih, bias)
    states, hs = room(h, steps + 1, batch, size, reverse=reverse)
    cells, cs = room(h, steps + 1, batch, size, reverse=reverse)
    tanhs, tcs = room(h, steps, batch, size, reverse=reverse)
    gates, zs = room(h, steps, 4, batch, size, reverse=reverse)
    _, (new,) = room(h, 1, batch, size)
    start(hs, h)
    start(cs, c)
    recur = across(w_hh.reshape(4, size, size))
    for t, a in enumerate(parts_of(inputs, reverse=reverse)):
        z, out = np.matmul(hs[t], recur, out=zs[t]), zs[t]
        z = np.tanh(np.add(z, a, out=out), out=out)
        out = None if out is None else out[:3]
        s = np.add(np.multiply(z[:3], 0.5, out=out), 0.5, out=out)
        kept = np.multiply(s[1], cs[t], out=cs[t + 1])
        cs[t + 1] = np.add(kept, np.multiply(s[0], z[3], out=new), out=cs[t + 1])
        tcs[t] = np.tanh(cs[t + 1], out=tcs[t])
        hs[t + 1] = np.multiply(s[2], tcs[t], out=hs[t + 1])
        if gates is None:
            zs[t] = np.concatenate([s, z[3:]])
    return (
        x.reshape(steps * batch, x.shape[2]),
        joined(states, hs, reverse=reverse),
        joined(cells, cs, reverse=reverse),
        joined(tanhs, tcs, reverse=reverse),
        joined(gates, zs, reverse=reverse),
    )


def _by_gate(x: Any, weight: Any, bias: Any) -> Any:
    """W x + b of all steps in scratch memory, shape (T, 4, N, H); b as the weight of an input 1."""
    (steps, batch), size = x.shape[:2], len(weight) // 4
    if bias is not None:
        x = np.concatenate([x, np.ones_like(x[:, :, :1])], axis=2)
        weight = np.concatenate([weight, bias.reshape(-1, 1)], axis=1)
    _, (out,) = room(x, 1, steps, 4, batch, size, scratch="sums")
    per_gate = across(weight.reshape(4, size, x.shape[2]))
    return np.matmul(x.reshape(steps, 1, *x.shape[1:]), per_gate, out=out)


def _lstm_order(weight: Any, size: int) -> Any:
    """The rows of i, f and o, halved, before those of g; torch's order is i, f, g, o.

    σ(a) = (1 + tanh(a/2))/2, so one tanh serves all gates.
    """
    if weight is None:
        return None
    i_f, g, o = weight[: 2 * size], weight[2 * size : 3 * size], weight[3 * size :]
    return np.concatenate([i_f * 0.5, o * 0.5, g])


class LstmBackward0(Node):
    """hₜ = o tanh cₜ,  cₜ = f cₜ₋₁ + i g:   ∂cₜ = o (1 - tanh² cₜ) ∂hₜ + fₜ₊₁ ∂cₜ₊₁,
    (i, f, g, o) = (σ, σ, tanh, σ)(aₜ),  aₜ = W xₜ + U hₜ₋₁ + b,   ∂hₜ = gₜ + Uᵀ ∂aₜ₊₁,
    ∂aₜ = (g i (1 - i) ∂cₜ, cₜ₋₁ f (1 - f) ∂cₜ, i (1 - g²) ∂cₜ, o (1 - o) tanh cₜ ∂hₜ),
    ∂xₜ = Wᵀ ∂aₜ,   ∂W = Σ ∂aₜ xₜᵀ,   ∂U = Σ ∂aₜ hₜ₋₁ᵀ,   ∂b = Σ ∂aₜ"""

    __slots__ = ()
    lifts = (0, 1, 2, 3, 4, 5, 6, *("cache",) * 5)

    def backward(self, g: Any) -> tuple[Array, ...]:
        x, h, c, *weights, rows, states, cells, tanhs, gates = self.saved
        to_x, to_h, to_c, *to_weights = self.edges
        reverse, back = self.meta, not self.meta
        if gates is None:
            rows, states, cells, tanhs, gates = _lstm(x, h, c, tuple(weights), reverse)
        w_ih, w_hh = weights[:2]
        steps, batch, size = tanhs.shape
        on_c, on_o, slope = self._factors(tanhs, gates, states_before(cells, reverse))
        on_c = parts_of(on_c, axis=1, reverse=back)
        on_o, slope = parts_of(on_o, reverse=back), parts_of(slope, reverse=back)
        forget = parts_of(gates[:, 1], reverse=back)
        dhs = parts_of(g[0] if 0 in g else np.zeros_like(tanhs), reverse=back)
        dcs = parts_of(g[1], reverse=back) if 1 in g else [None] * steps
        d, ds = room(h, steps, batch, 4, size, reverse=back, scratch="sums")
        _, (dh_out, dc_out, kept) = room(h, 3, batch, size)
        last: Any = None
        dc_next: Any = None
        for t, dh in enumerate(dhs):
            if last is not None:
                dh = np.add(np.matmul(last, w_hh, out=dh_out), dh, out=dh_out)
            dc = np.multiply(dh, slope[t], out=dc_out)
            for more in (dc_next, dcs[t]):
                dc = dc if more is None else np.add(dc, more, out=dc_out)
            if d is None:
                d_o = (dh * on_o[t]).reshape(1, batch, size)
                ds[t] = np.concatenate([dc * on_c[t], d_o]).swapaxes(0, 1)
            else:
                np.multiply(dc, on_c[t], out=ds[t].swapaxes(0, 1)[:3])
                np.multiply(dh, on_o[t], out=ds[t][:, 3])
            last = ds[t].reshape(batch, 4 * size)
            dc_next = np.multiply(dc, forget[t], out=kept)
        d = joined(d, ds, reverse=back).reshape(steps * batch, 4 * size)
        return (
            np.dot(d, w_ih).reshape(x.shape) if to_x else None,
            np.matmul(last, w_hh) if to_h else None,
            dc_next if to_c else None,
            *weight_gradients(tuple(to_weights), d, d, rows, states_before(states, reverse)),
        )

    @staticmethod
    def _factors(tanhs: Any, gates: Any, before: Any) -> tuple[Any, Any, Any]:
        """What ∂c is multiplied with for the gates i, f and g, ∂h for o, and ∂h for its part
        of ∂c; of all steps at once."""
        apart = _apart(gates)
        i, f, o, g = (apart[k] for k in range(4))
        on_c, (on_i, on_f, on_g) = room(gates, 3, *tanhs.shape, scratch="factors")
        on_i = np.multiply(_slope(i, on_i), g, out=on_i)
        on_f = np.multiply(_slope(f, on_f), before, out=on_f)
        on_g = np.multiply(_tanh_slope(g, on_g), i, out=on_g)
        _, (on_o, to_c) = room(gates, 2, *tanhs.shape, scratch="factors of h")
        on_o = np.multiply(_slope(o, on_o), tanhs, out=on_o)
        to_c = np.multiply(_tanh_slope(tanhs, to_c), o, out=to_c)
        return joined(on_c, [on_i, on_f, on_g]), on_o, to_c


def _apart(gates: Any) -> Any:
    """The gates of all steps one after the other: what is in one piece is computed three times as
    fast as in pieces, more than the copy takes."""
    _, (whole,) = room(gates, 1, gates.shape[1], gates.shape[0], *gates.shape[2:], scratch="gates")
    if whole is None:
        return gates.swapaxes(0, 1)
    whole[...] = gates.swapaxes(0, 1)
    return whole


def _slope(s: Any, out: Any) -> Any:
    """s (1 - s), the derivative of s = σ(a)."""
    return np.multiply(np.subtract(1, s, out=out), s, out=out)


def _tanh_slope(y: Any, out: Any) -> Any:
    """1 - y², the derivative of y = tanh(a)."""
    return np.subtract(1, np.multiply(y, y, out=out), out=out)


def lstm_layer(
    input: Tensor, h: Tensor, c: Tensor, weights: Weights, reverse: bool = False
) -> tuple[Tensor, ...]:
    """The states and cells of a layer of long short-term memory.

    cₜ = f cₜ₋₁ + i g, hₜ = o tanh cₜ; i, f and o are σ, and g is tanh, of W xₜ + b + U hₜ₋₁ + c.
    Source: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"; Gers et al. 2000 (f).

    Args:
        input: shape (T, N, I).
        h, c: the initial state and cell, shape (N, H).
        weights: W, shape (4 H, I), for the gates i, f, g, o; U, shape (4 H, H); the two biases,
            shape (4 H,), or None.
        reverse: run from the last step to the first.

    Returns:
        The state and the cell after each step, each of shape (T, N, H).

    Raises:
        RuntimeError: when shapes or dtypes do not fit.
    """
    arrays, edges = layer_operands("lstm_layer", 4, input, weights, h=h, c=c)
    computed = _lstm(arrays[0], arrays[1], arrays[2], arrays[3:], reverse)
    outputs = states_after(computed[1], reverse), states_after(computed[2], reverse)
    return record_outputs(outputs, LstmBackward0, edges, (*arrays, *computed), reverse)


# ---- gated recurrent units ----------------------------------------------------------------------


def _gru(x: Any, h: Any, weights: tuple[Any, ...], reverse: bool) -> tuple[Any, ...]:
    """The inputs as rows; the states before and after every step; the gates r and z, the new
    state n, and the part U h + c of n: shape (T, 4, N, H)."""
    w_ih, w_hh, b_ih, b_hh = weights
    (steps, batch, _), size = x.shape, w_hh.shape[1]
    rows = x.reshape(steps * batch, x.shape[2])
    bias, inside = b_ih, None
    if b_hh is not None:
        inside = b_hh[2 * size :]
        bias = added(b_ih, np.concatenate([b_hh[: 2 * size], np.zeros_like(inside)]))
    w_ih, w_hh, bias = (_gru_halved(w, size) for w in (w_ih, w_hh, bias))
    inputs = affine(rows, w_ih, bias).reshape(steps, batch, 3, size).swapaxes(1, 2)
    states, hs = room(h, steps + 1, batch, size, reverse=reverse)
    gates, zs = room(h, steps, 4, batch, size, reverse=reverse)
    _, (product,) = room(h, 1, batch, 3 * size)
    _, (scratch,) = room(h, 1, batch, size)
    start(hs, h)
    recur = across(w_hh)
    for t, a in enumerate(parts_of(inputs, reverse=reverse)):
        u = np.matmul(hs[t], recur, out=product).reshape(batch, 3, size).swapaxes(0, 1)
        out = (None,) * 3 if gates is None else (zs[t][:2], zs[t][2], zs[t][3])
        s = np.tanh(np.add(u[:2], a[:2], out=out[0]), out=out[0])
        s = np.add(np.multiply(s, 0.5, out=out[0]), 0.5, out=out[0])
        hidden = np.add(u[2], 0 if inside is None else inside, out=out[2])
        n = np.add(np.multiply(s[0], hidden, out=out[1]), a[2], out=out[1])
        n = np.tanh(n, out=out[1])
        step = np.multiply(np.subtract(hs[t], n, out=scratch), s[1], out=scratch)
        hs[t + 1] = np.add(step, n, out=hs[t + 1])
        if gates is None:
            zs[t] = np.stack([s[0], s[1], n, hidden])
    return rows, joined(states, hs, reverse=reverse), joined(gates, zs, reverse=reverse)


def _gru_halved(weight: Any, size: int) -> Any:
    """The rows of r and z, halved for σ, before those of n."""
    return (
        None if weight is None else np.concatenate([weight[: 2 * size] * 0.5, weight[2 * size :]])
    )


class GruBackward0(Node):
    """hₜ = n + z (hₜ₋₁ - n),  n = tanh(Wₙ xₜ + b + r m):   ∂n = (1 - z) (1 - n²) ∂hₜ,
    (r, z) = σ(W xₜ + U hₜ₋₁ + b),  m = Uₙ hₜ₋₁ + c:   ∂z = z (1 - z) (hₜ₋₁ - n) ∂hₜ,
    ∂m = r ∂n,   ∂r = r (1 - r) m ∂n,   ∂hₜ = gₜ + zₜ₊₁ ∂hₜ₊₁ + Uᵀ (∂r, ∂z, ∂m)ₜ₊₁,
    ∂xₜ = Wᵀ (∂r, ∂z, ∂n),   ∂W = Σ (∂r, ∂z, ∂n) xₜᵀ,   ∂U = Σ (∂r, ∂z, ∂m) hₜ₋₁ᵀ,
    ∂b = Σ (∂r, ∂z, ∂n),   ∂c = Σ (∂r, ∂z, ∂m)"""

    __slots__ = ()
    lifts = (0, 1, 2, 3, 4, 5, *("cache",) * 3)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, h, *weights, rows, states, gates = self.saved
        to_x, to_h, *to_weights = self.edges
        reverse, back = self.meta, not self.meta
        if gates is None:
            rows, states, gates = _gru(x, h, tuple(weights), reverse)
        w_ih, w_hh = weights[:2]
        steps, _, batch, size = gates.shape
        before = states_before(states, reverse)
        factors = parts_of(self._factors(gates, before), reverse=back)
        keep = parts_of(gates[:, 1], reverse=back)
        # Of each step ∂n, ∂r, ∂z, ∂m: the first three are for the input, the others for the state.
        d, ds = room(h, steps, batch, 4, size, reverse=back, scratch="sums")
        _, (dh_out, kept) = room(h, 2, batch, size)
        dh_next: Any = None
        for t, dh in enumerate(parts_of(g, reverse=back)):
            if dh_next is not None:
                dh = np.add(dh_next, dh, out=dh_out)
            out = None if d is None else ds[t].swapaxes(0, 1)
            grads = np.multiply(dh, factors[t], out=out)
            if d is None:
                ds[t] = grads.swapaxes(0, 1)
            dh_next = np.multiply(dh, keep[t], out=kept)
            for_state = ds[t][:, 1:].reshape(batch, 3 * size)
            dh_next = np.add(np.matmul(for_state, w_hh, out=dh_out), dh_next, out=dh_out)
        d = joined(d, ds, reverse=back).reshape(steps * batch, 4 * size)
        d_in, d_state = d[:, : 3 * size], d[:, size:]
        w_ih_grad, w_hh_grad, b_ih_grad, b_hh_grad = weight_gradients(
            tuple(to_weights), d_in, d_state, rows, before
        )
        return (
            np.dot(d_in, _rolled(w_ih, 2 * size)).reshape(x.shape) if to_x else None,
            dh_next if to_h else None,
            _rolled(w_ih_grad, size),
            w_hh_grad,
            _rolled(b_ih_grad, size),
            b_hh_grad,
        )

    @staticmethod
    def _factors(gates: Any, before: Any) -> Any:
        """What ∂h is multiplied with for n, r, z and m; of all steps at once."""
        r, z, n, hidden = (gates[:, i] for i in range(4))
        factors, (on_n, on_r, on_z, on_m) = room(gates, *gates.shape, axis=1, scratch="factors")
        on_n = np.multiply(_tanh_slope(n, on_n), 1 - z, out=on_n)
        on_m = np.multiply(on_n, r, out=on_m)
        on_r = np.multiply(np.multiply(on_m, 1 - r, out=on_r), hidden, out=on_r)
        on_z = np.multiply(_slope(z, on_z), before - n, out=on_z)
        return joined(factors, [on_n, on_r, on_z, on_m], axis=1)


def _rolled(weight: Any, first: int) -> Any:
    """The rows from ``first`` on before the others."""
    return None if weight is None else np.concatenate([weight[first:], weight[:first]])


def gru_layer(input: Tensor, h: Tensor, weights: Weights, reverse: bool = False) -> Tensor:
    """The states of a layer of gated recurrent units.

    hₜ = (1 - z) n + z hₜ₋₁; r and z are σ of W xₜ + b + U hₜ₋₁ + c, n is tanh of
    W xₜ + b + r (U hₜ₋₁ + c).
    Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder",
    arXiv:1406.1078; r stands outside of the product, as in cuDNN and torch.

    Args:
        input: shape (T, N, I).
        h: the initial state, shape (N, H).
        weights: W, shape (3 H, I), for r, z and n; U, shape (3 H, H); b and c, shape (3 H,), or
            None.
        reverse: run from the last step to the first.

    Returns:
        The state after each step, shape (T, N, H).

    Raises:
        RuntimeError: when shapes or dtypes do not fit.
    """
    arrays, edges = layer_operands("gru_layer", 3, input, weights, h=h)
    computed = _gru(arrays[0], arrays[1], arrays[2:], reverse)
    saved = (*arrays, *computed)
    return record(states_after(computed[1], reverse), GruBackward0, edges, saved, reverse)
