"""Lesson 3: one value, used many times. `python examples/lessons/broadcasting.py`

A bias is added to every row; a value may be used in two places. Each use sends a gradient back, and
the gradient of the value is their sum. From this come all the sums in backward passes.
"""

import nnlite
from nnlite import explain

print("--- 1. A bias of shape (3,) is added to each of 2 rows")
x = nnlite.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
b = nnlite.tensor([0.1, 0.2, 0.3], requires_grad=True)
weights = nnlite.tensor([[1.0, 10.0, 100.0], [2.0, 20.0, 200.0]])  # how much each result counts
with explain.recording():
    loss = ((x + b) * weights).sum()
print(explain(loss, names={"x": x, "b": b, "c": weights}))
loss.backward()
assert b.grad.tolist() == [3.0, 30.0, 300.0]  # the columns of the weights, summed

print("\n--- 2. A column and a row: both are repeated, each is summed where it was")
column = nnlite.tensor([[1.0], [2.0]], requires_grad=True)
row = nnlite.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
with explain.recording():
    loss = (column * row).sum()
print(explain(loss, names={"u": column, "v": row}))
loss.backward()
assert column.grad.tolist() == [[6.0], [6.0]]  # Σ row
assert row.grad.tolist() == [[3.0, 3.0, 3.0]]  # Σ column

print("\n--- 3. A value that is used four times: the addends of its gradient")
print("""\
"via L" is what the use of t in L contributes; in t · t it is both factors of the product a · b, so
it contributes once "as a" and once "as b".
""")
t = nnlite.tensor(3.0, requires_grad=True)
with explain.recording():
    square = t * t
    loss = square * t + t
print(explain(loss, names={"t": t}))
loss.backward()
assert t.grad.item() == 3 * 3.0**2 + 1  # d/dt (t³ + t)

print("\n--- 4. backward again without zero_grad: what is there already is one more addend")
with explain.recording():
    loss = (b * 2).sum()
print(explain(loss, names={"b": b}))
loss.backward()
assert b.grad.tolist() == [3.0 + 2, 30.0 + 2, 300.0 + 2]

print("""
--- What was learnt
- Where one value was used n times, its gradient is the sum of the n gradients. Broadcasting is
  such a use, so backward sums over the dimensions that were repeated.
- backward adds to what .grad holds already, which is why a loop calls zero_grad.
- A loss whose prediction is (n, 1) and whose target is (n,) would broadcast to (n, n): nnlite's
  losses raise instead.""")
