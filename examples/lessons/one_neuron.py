"""Lesson 1: one neuron, and why its gradient is σ(z) - y. `python examples/lessons/one_neuron.py`

A neuron weighs its inputs, z = w·x + b, and says with which probability the answer is yes,
p = σ(z) = 1 / (1 + e⁻ᶻ). The loss is what it pays for its opinion: -ln p if the answer is yes
(y = 1), -ln(1 - p) if it is no (y = 0). To learn, it asks: what if w were a little larger?
"""

import math

import nnlite
from nnlite import explain
from nnlite.nn.functional import binary_cross_entropy_with_logits, linear

print("--- 1. One example: two inputs, and the answer is yes")
x = nnlite.tensor([[1.0, -2.0]])
y = nnlite.tensor([[1.0]])
w = nnlite.tensor([[0.5, 0.25]], requires_grad=True)
b = nnlite.tensor([0.1], requires_grad=True)
with explain.recording():
    z = linear(x, w, b)
    loss = binary_cross_entropy_with_logits(z, y)
p = 1 / (1 + math.exp(-z.item()))
print(f"z = 0.5 · 1 + 0.25 · (-2) + 0.1 = {z.item():.4f}")
print(f"p = σ(z) = {p:.4f}, L = -ln p = {loss.item():.4f}")

print("\n--- 2. How L changes with z, by hand")
print("""\
L = -y ln σ(z) - (1 - y) ln(1 - σ(z)).  The derivative of the sigmoid is σ'(z) = σ(z) (1 - σ(z)), so

  d/dz ln σ(z)       =  σ'(z) / σ(z)       =  1 - σ(z)
  d/dz ln(1 - σ(z))  = -σ'(z) / (1 - σ(z)) =  -σ(z)
  ∂L/∂z = -y (1 - σ(z)) + (1 - y) σ(z)     =  σ(z) - y:  the opinion less the truth.""")
print(f"Here it is {p:.4f} - 1 = {p - 1:.4f}.")

print("\n--- 3. From z to the weights: the chain rule, one operation at a time")
print("""\
Backward begins at the loss and goes through the operations in reverse. Each step shows what came
out of the operation and how L changes with that, then, for every input, how L changes with it: the
rule in symbols, and one element worked out with numbers. ✓: the line was worked out again from
what is printed, and compared with the engine and with what L does when the input is nudged.
""")
print(explain(loss, names={"w": w, "b": b, "x": x, "y": y, "z": z}))

print("\n--- 4. The same by asking: what if the first weight were 0.001 larger, or smaller?")
loss.backward()
with nnlite.no_grad():
    change = nnlite.tensor([[0.001, 0.0]])
    larger = binary_cross_entropy_with_logits(linear(x, w + change, b), y).item()
    smaller = binary_cross_entropy_with_logits(linear(x, w - change, b), y).item()
print(f"({larger:.6f} - {smaller:.6f}) / 0.002 = {(larger - smaller) / 0.002:.4f}")
print(f"backward said {w.grad[0, 0].item():.4f}")
assert math.isclose(w.grad[0, 0].item(), p - 1, rel_tol=1e-5)  # x is 1 there

print("""
--- What was learnt
- ∂L/∂z of a sigmoid with its cross-entropy is σ(z) - y: no logarithm is left, nothing overflows.
- ∂L/∂w is that times the input: ∂L/∂w = (σ(z) - y) x. An input of 0 teaches its weight nothing.
- A gradient is a slope, and a finite difference can check it.
- To practise: explain(loss, quiz=True).quiz(), before backward, asks for pieces of these lines.""")
