"""Lesson 2: two layers, and where the transposes come from. `python examples/lessons/two_layers.py`

A hidden layer turns the inputs into features, a second one turns these into the answer. Gradients
go back through both. Every number below can be checked with a pencil.
"""

import numpy as np

import nnlite
from nnlite import explain, nn

print("--- 1. Three rows of data go through 2 → 2 → 1")
x = nnlite.tensor([[1.0, 2.0], [2.0, -1.0], [-1.0, 1.0]])
y = nnlite.tensor([[1.0], [1.0], [0.0]])
model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
model.load_state_dict(
    {
        "0.weight": nnlite.tensor([[0.5, -0.5], [1.0, 0.5]]),
        "0.bias": nnlite.tensor([0.25, -0.5]),
        "2.weight": nnlite.tensor([[1.0, -2.0]]),
        "2.bias": nnlite.tensor([0.25]),
    }
)
optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
with explain.recording():
    loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
print(f"The loss of the three opinions is {loss.item():.4f}.")

print("\n--- 2. The pass back, operation by operation")
lesson = explain(loss, model=model, optimizer=optimizer)
print(lesson)

print("\n--- 3. The same in four lines of NumPy")
loss.backward()
w1, b1, w2, b2 = (p.detach().numpy() for p in model.parameters())
a = np.tanh(x.numpy() @ w1.T + b1)
g = (1 / (1 + np.exp(-(a @ w2.T + b2))) - y.numpy()) / 3  # σ(z) - y, and the mean over three rows
grad_w2, grad_b2 = g.T @ a, g.sum(axis=0)
g = (g @ w2) * (1 - a**2)
grad_w1, grad_b1 = g.T @ x.numpy(), g.sum(axis=0)
for ours, theirs in zip(model.parameters(), (grad_w1, grad_b1, grad_w2, grad_b2)):
    assert np.allclose(ours.grad.numpy(), theirs, atol=1e-6)
print("All four gradients agree.")

print("\n--- 4. One weight: all its ways to the loss")
print(lesson.to(model[0].weight, index=(0, 1)))

print("""
--- What was learnt
- A layer z = a Wᵀ + b sends back ∂L/∂a = (∂L/∂z) W, and keeps ∂L/∂W = (∂L/∂z)ᵀ a: the only product
  of the two that has the shape of W, and it sums over the rows of the batch.
- tanh multiplies by its slope, 1 - a², which is small where |a| is near 1: there little is learnt.
- The gradient of one weight is the sum over its ways to the loss, each a product of slopes.""")
