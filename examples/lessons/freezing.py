"""Lesson 5: freezing, and what backward leaves out. `python examples/lessons/freezing.py`

To fine-tune is to keep what a network knows and to change its answer. Frozen weights get no
gradient; backward does no work for them, and stops where nothing is left to learn.
"""

from textwrap import fill

import nnlite
from nnlite import explain, nn

nnlite.manual_seed(0)
x, y = nnlite.randn(5, 3), (nnlite.randn(5, 1) > 0).float()
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))


def operations() -> list[str]:
    """The operations that backward would visit."""
    loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    return [step.name for step in explain(loss, model=model).steps]


print("--- 1. Everything is trained: backward goes all the way")
print(" → ".join(operations()))

print("\n--- 2. The first layer is frozen: backward ends behind it")
model.freeze("0")
print(" → ".join(operations()))
print(fill(explain.why(model[0].weight), 100))

print("\n--- 3. The middle is frozen instead: backward passes through it, for what lies below")
model.unfreeze().freeze("2")
print(" → ".join(operations()))

print("\n--- 4. Only the head: what the body computes, h, is data to it, and gets no gradient")
model.unfreeze().freeze_except("4")
with explain.recording():
    h = model[:4](x)
    loss = nn.functional.binary_cross_entropy_with_logits(model[4](h), y)
print(explain(loss, model=model, names={"h": h, "y": y}))

print("\n--- 5. Twenty steps of an optimizer that knows all parameters: the body keeps its bytes")
optimizer = nnlite.optim.SGD(model.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1)
before = {name: p.numpy(force=True).tobytes() for name, p in model.named_parameters()}
for _ in range(20):
    optimizer.zero_grad()
    loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    loss.backward()
    optimizer.step()
for name, p in model.named_parameters():
    moved = p.numpy(force=True).tobytes() != before[name]
    print(f"  {name}: {'changed' if moved else 'the same bytes'}")
    assert moved == name.startswith("4.")

print("\n--- 6. Other reasons for a gradient that is missing or zero")
with nnlite.no_grad():
    untracked = model(x).mean()
print(fill(explain.why(untracked), 100))
model.unfreeze()
with explain.recording():
    loss = model[4](model[:4](x).detach()).mean()
print(fill(explain.why(model[2].weight, loss), 100))
dead = nnlite.tensor([-1.0, -2.0], requires_grad=True)
print(fill(explain.why(dead, nnlite.relu(dead).sum()), 100))

print("""
--- What was learnt
- requires_grad is the one truth: a frozen parameter gets no gradient, and no optimizer touches it,
  with momentum and weight decay or without.
- Backward visits an operation only if something behind it is trained. Freezing the first layers
  makes a step cheaper; freezing a layer in the middle saves only its own part.
- explain.why(parameter) says why a gradient is None or zero, and what to do.""")
