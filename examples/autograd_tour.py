"""A tour of automatic differentiation, from one linear layer to freezing a parameter.

It walks PyTorch's autograd tutorial with nnlite in torch's place, and goes on where that one stops.
Read it beside its output: `python examples/autograd_tour.py`.
"""

import nnlite as torch


def step(title: str) -> None:
    """Print the heading of a step."""
    print(f"\n--- {title} " + "-" * max(0, 86 - len(title)))


torch.manual_seed(0)

step("1. Forward: a layer and its loss")
x = torch.ones(5)  # input
y = torch.zeros(3)  # expected output
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w) + b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
print("z = x w + b           five inputs, three outputs: z_j = Σ_i x_i w_ij + b_j")
print("loss = mean over j of  -(y_j ln σ(z_j) + (1 - y_j) ln(1 - σ(z_j))),   σ(z) = 1 / (1 + e^-z)")
print(f"z = {z}")
print(f"loss = {loss}")

step("2. The graph: every result remembers the operation that made it")
print(f"Gradient function for z = {z.grad_fn}")
print(f"Gradient function for loss = {loss.grad_fn}")
print("w and b were made by you: they are leaves, and have no grad_fn:", w.grad_fn, b.grad_fn)
print("From the loss back to the leaves, each node knows where its inputs came from. (The product")
print("x w has torch's name for it: a matrix product of one row, whose dimension is dropped.)")
node, depth = loss.grad_fn, 1
while node is not None:
    print("   " * depth + node.name())
    inputs = [function for function, _ in node.next_functions if function is not None]
    for function in inputs[1:]:
        print("   " * (depth + 1) + function.name() + "   (b)")
    node, depth = (inputs[0] if inputs else None), depth + 1

step("3. Backward: the chain rule, from the loss to the leaves")
loss.backward()
print("BCE with logits:  ∂loss/∂z_j = (σ(z_j) - y_j) / 3     the mean over 3 outputs gives 1/3")
print("addition:         ∂loss/∂b_j = ∂loss/∂z_j              b is added: its slope is 1")
print("product:          ∂loss/∂w_ij = x_i ∂loss/∂z_j         and every x_i is 1 here")
print(f"w.grad =\n{w.grad}")
print(f"b.grad = {b.grad}")
by_hand = (torch.sigmoid(z) - y).detach() / 3
print(f"(σ(z) - y) / 3 = {by_hand}")
print("b.grad equals it:", torch.allclose(b.grad, by_hand))
print("and so does every row of w.grad:", all(torch.allclose(row, by_hand) for row in w.grad))

step("4. Turning it off: no_grad and detach")
z = torch.matmul(x, w) + b
print(z.requires_grad)
with torch.no_grad():
    z = torch.matmul(x, w) + b
print(z.requires_grad)
z = torch.matmul(x, w) + b
z_det = z.detach()
print(z_det.requires_grad)
print("Under no_grad nothing is recorded: use it to predict, it saves time and memory.")
print("detach() cuts one tensor out of its graph: what is computed from it sends nothing back.")

step("5. A graph is made afresh by each forward pass")
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
loss.backward()
try:
    loss.backward()
except RuntimeError as error:
    print("A second backward through the same graph is refused, because the values that the")
    print(f"derivatives read are given up after the first:\n  {str(error)[:96]}…")
for attempt in (1, 2):
    z = torch.matmul(x, w) + b  # plain Python: it may branch and loop differently every time
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
    print(f"forward pass {attempt}: a new {loss.grad_fn.name()}, node number {loss.grad_fn.seq}")

step("6. Leaves keep their gradient, results in between do not")
z = torch.matmul(x, w) + b
z.retain_grad()  # ask for it
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
loss.backward()
print(f"w.is_leaf = {w.is_leaf}, z.is_leaf = {z.is_leaf}")
print(f"z.grad, kept by z.retain_grad(), is ∂loss/∂z = {z.grad}")

step("7. Gradients accumulate: backward adds, zero_grad clears")
w.grad = None
for times in (1, 2, 3):
    z = torch.matmul(x, w) + b
    torch.nn.functional.binary_cross_entropy_with_logits(z, y).backward()
    print(f"after {times} backward: w.grad[0] = {w.grad[0]}")
print("Summed over several passes it is the gradient of the sum of their losses. A training loop")
print("that wants one batch at a time clears it first: optimizer.zero_grad(), or w.grad = None.")

step("8. Freezing a parameter: requires_grad = False")
w.grad = b.grad = None
w.requires_grad_(False)
z = torch.matmul(x, w) + b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
loss.backward()
print(f"w.grad = {w.grad}: nothing is computed for it, the product's derivative is skipped")
print(f"b.grad = {b.grad}: as before, since ∂loss/∂b does not depend on what else is trained")

step("9. One step of gradient descent on what is left")
learning_rate = 1.0
with torch.no_grad():  # the update itself is no part of any graph
    b -= learning_rate * b.grad  # b ← b - η ∂loss/∂b
after = torch.nn.functional.binary_cross_entropy_with_logits(torch.matmul(x, w) + b, y)
print(f"loss before = {loss.item():.4f}, after one step on b alone = {after.item():.4f}")
assert after < loss
