"""Going through data without training: figures, outputs, probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.nn.functional import sigmoid, softmax
from nnlite.tensor import Tensor, wrap
from nnlite.train import checks, modes
from nnlite.train.feed import as_tensor
from nnlite.train.metrics import evaluate
from nnlite.utils.data import DataLoader, TensorDataset

if TYPE_CHECKING:
    from nnlite.nn import Module
    from nnlite.train.trainer import Trainer
    from nnlite.train.weighting import Objective

__all__ = ["dtype_of", "measure", "outputs_of", "probabilities_of"]


def measure(
    trainer: Trainer, loader: Any, objective: Objective, model: Any = None
) -> dict[str, float]:
    """The mean loss (see `checks.divisor_of`), and the metrics over all samples.

    Args:
        trainer, loader, objective: whose figures, on which data, of which loss.
        model: what the batches go through; None: the trainer's model.
    """
    model = trainer.model if model is None else model
    total, divisor, samples = 0.0, 0.0, 0
    outputs: list[Any] = []
    others: list[list[Any]] = [[] for _ in range(objective.parts)]
    with modes.evaluating(trainer.model):
        for batch in loader:
            trainer.check_interrupt()
            inputs, rest = checks.split("evaluate", batch, objective.parts)
            output = model(*inputs)
            value, count = objective.loss(output, *rest).item(), objective.divisor(*rest)
            divisor += count
            samples += len(rest[0])
            if count:  # else it is 0/0, and of nothing
                total += value if objective.is_sum else value * count
            if trainer.metrics:
                outputs.append(output.array)
                for kept, part in zip(others, rest):
                    kept.append(part.array)
    figures = {"loss": checks.mean("evaluate", total, divisor, samples)}
    if trainer.metrics:
        scores = _logits(trainer.loss, np.concatenate(outputs))
        target, *weights = [np.concatenate(parts) for parts in others]
        weight = weights[0] if weights else None
        figures.update(evaluate(trainer.metrics, scores, target, sample_weight=weight))
    return figures


def outputs_of(model: Module, x: Any, batch_size: int) -> Tensor:
    """The model's outputs for all samples of ``x``, see `Trainer.predict`."""
    parts = x if isinstance(x, tuple) else (x,)
    dtype = dtype_of(model)
    inputs = TensorDataset(*[as_tensor("predict: x", part, dtype) for part in parts])
    with modes.evaluating(model):
        batches: Any = DataLoader(inputs, batch_size) if len(inputs) else [inputs.tensors]
        outputs = [model(*batch) for batch in batches]
    if not isinstance(outputs[0], Tensor):
        kind = type(outputs[0]).__name__
        raise TypeError(f"predict: the model must return one Tensor, it returned a {kind}")
    return wrap(np.concatenate([output.array for output in outputs]))


def probabilities_of(loss: Any, outputs: Tensor) -> Tensor:
    """What a loss takes the outputs for, as probabilities, see `Trainer.predict_proba`."""
    kind = checks.kind_of(loss)
    if kind == "probabilities":
        return outputs
    # The softmax of log-probabilities gives the probabilities.
    return sigmoid(outputs) if kind == "logits of two classes" else softmax(outputs, 1)


def dtype_of(model: Module) -> Any:
    """The dtype that arrays of floats are given: that of the parameters."""
    for parameter in model.parameters():
        if parameter.array.dtype.kind == "f":
            return parameter.array.dtype
    return np.dtype(np.float32)


def _logits(loss: Any, outputs: Any) -> Any:
    """The outputs as metrics take them; BCELoss is the one loss that has probabilities."""
    if checks.kind_of(loss) != "probabilities":
        return outputs
    p = outputs.astype(np.float64)
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)
