"""Train a network on real data, fine-tune it with its body frozen, predict: nnlite in one sitting.

Read it beside its output: `python examples/breast_cancer.py`. Is a tumour malignant or benign?
Of 569 tumours 30 measures of the cell nuclei are known (Wisconsin, 1993). It takes a few seconds.
"""

import argparse
from pathlib import Path

import nnlite
from nnlite import nn
from nnlite.train import EarlyStopping, Trainer

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
runs = Path(__file__).resolve().parent.parent / "runs"
parser.add_argument("--out", type=Path, default=runs / "breast_cancer", help="folder for results")
out = parser.parse_args().out
out.mkdir(parents=True, exist_ok=True)
nnlite.manual_seed(0)  # the same split, weights and order of batches every time

print("--- 1. Data: learn from one part, watch a second one, judge by a third")
data = nnlite.datasets.breast_cancer()
order = nnlite.randperm(len(data))
test_rows, valid_rows, train_rows = order[:114], order[114:205], order[205:]
mean, std = data.x[train_rows].mean(dim=0), data.x[train_rows].std(dim=0)
x = (data.x - mean) / std  # every feature on one scale, measured on the training part alone
y = data.y.float().unsqueeze(1)  # (569, 1): the loss wants a target of the logits' shape and kind
train, valid, test = [(x[rows], y[rows]) for rows in (train_rows, valid_rows, test_rows)]
print(
    f"{len(train_rows)} tumours to train on, {len(valid_rows)} to watch, {len(test_rows)} to judge"
)
print(f"Class 0 is {data.classes[0]}, class 1 {data.classes[1]}. The first measures of a tumour:")
for name, value in list(zip(data.columns, data.x[0].tolist()))[:3]:
    print(f"  {name} = {value:.4g}")

print("\n--- 2. Training: 30 numbers in, one logit out; its sigmoid is the probability of class 1")
model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = nnlite.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
trainer = Trainer(
    model,
    optimizer,
    nn.BCEWithLogitsLoss(),
    metrics=["accuracy", "roc_auc"],
    callbacks=[EarlyStopping(patience=20)],  # at the end the best epoch's weights come back
)
history = trainer.fit(train, valid, epochs=100)
print(history)
history.plot(out / "loss.png", title="Breast cancer: training")
print(f"Test accuracy: {trainer.evaluate(test)['accuracy']:.3f}")

print("\n--- 3. Fine-tuning: the body is frozen, the head starts anew")
body = {name: p.numpy(force=True).tobytes() for name, p in model[:4].named_parameters()}
model.freeze("0", "2")  # layers by name; "0.weight" or "*.bias" would do as well
model[4].reset_parameters()  # as if the head were to learn another question
print(f"Frozen: {', '.join(model.frozen)}")
print(f"Test accuracy with a random head: {trainer.evaluate(test)['accuracy']:.3f}")
tuner = Trainer(
    model,
    nnlite.optim.SGD(model.parameters(), lr=0.01, momentum=0.9),  # skips what is frozen
    nn.BCEWithLogitsLoss(),
    metrics=["accuracy", "roc_auc"],
    callbacks=[EarlyStopping(patience=10)],
)
tuning = tuner.fit(train, valid, epochs=30)
tuning.plot(out / "fine_tuning.png", title="Breast cancer: a new head on the frozen body")
for name, p in model[:4].named_parameters():
    assert p.numpy(force=True).tobytes() == body[name], name
print(f"The {sum(map(len, body.values())):,} bytes of the body are unchanged.")
print(f"Test accuracy after {len(tuning)} epochs: {tuner.evaluate(test)['accuracy']:.3f}")

print("\n--- 4. Predicting: no_grad, since nobody will ask for gradients")
with nnlite.no_grad():
    probability = nnlite.sigmoid(model(x[test_rows[:8]])).squeeze(1)  # of class 1, benign
for p, truth in zip(probability.tolist(), data.y[test_rows[:8]].tolist()):
    guess = data.classes[p > 0.5]
    print(f"benign with probability {p:.3f}: predicted {guess:9}  is {data.classes[truth]}")

nnlite.save(model, out / "model.safetensors")
print(f"\nIn {out}: loss.png, fine_tuning.png, model.safetensors")
