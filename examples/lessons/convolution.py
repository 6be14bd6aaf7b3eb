"""Lesson 4: a convolution and its gradient. `python examples/lessons/convolution.py`

A kernel slides over a signal and weighs what it sees; the same weights are used at every place. So
the gradient of a weight is a sum over places, and what goes back to the signal is spread by the
same kernel.
"""

import numpy as np

import nnlite
from nnlite import explain
from nnlite.nn.functional import conv1d

print("--- 1. A kernel of 3 slides over 6 numbers: 4 results")
numbers = [[[1.0, 2.0, 4.0, 7.0, 5.0, 3.0]]]  # one sample, one channel, six places
signal = nnlite.tensor(numbers, requires_grad=True)
kernel = nnlite.tensor([[[-1.0, 0.0, 1.0]]], requires_grad=True)  # it measures the slope
with explain.recording():
    result = conv1d(signal, kernel)
    loss = (result**2).sum() / 2
x, k, y = (t.detach().numpy().ravel() for t in (signal, kernel, result))
for place, value in enumerate(y):
    seen = x[place : place + 3]
    print(f"  y[{place}] = -1 · {seen[0]:g} + 0 · {seen[1]:g} + 1 · {seen[2]:g} = {value:g}")

print("\n--- 2. The pass back, for L = Σ y² / 2: then ∂L/∂y is y itself")
print("""\
In the formulas a place such as l - n may lie outside of y: there is nothing to add there.
""")
print(explain(loss, names={"x": signal, "k": kernel, "y": result}))

print("\n--- 3. By hand")
loss.backward()
by_hand = [sum(y * x[offset : offset + 4]).item() for offset in range(3)]
print(f"∂L/∂k[o] = Σ over places p of ∂L/∂y[p] x[p + o] = {by_hand}")
assert np.allclose(kernel.grad.numpy().ravel(), by_hand)
spread = np.convolve(y, k)  # each ∂L/∂y[p] goes back to the three numbers that made y[p]
print(f"∂L/∂x = ∂L/∂y spread by the kernel = {spread.tolist()}")
assert np.allclose(signal.grad.numpy().ravel(), spread)

print("""
--- What was learnt
- One weight of a kernel acts at every place, so its gradient is a sum over all places.
- The gradient of the signal is the kernel spread at every place, weighed by ∂L/∂y: a transposed
  convolution. Networks that draw images use it forward.
- A convolution has few weights, each with much evidence: that is why it learns from few images.""")
