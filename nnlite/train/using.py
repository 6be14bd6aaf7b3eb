"""What one does with a model besides training it: measure, predict, and try things out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnlite.tensor import Tensor
from nnlite.train import checks, measuring, setup
from nnlite.train.feed import as_loader, with_weights

if TYPE_CHECKING:
    from nnlite.nn import Module
    from nnlite.train.history import History
    from nnlite.train.probe import Check, RateTest
    from nnlite.train.weighting import Objective

__all__ = ["Using"]


class Using:
    """The methods of `Trainer` that do not train for good (abstract)."""

    model: Module
    optimizer: Any
    loss: Callable[..., Tensor]
    objectives: tuple[Objective, Objective]

    def evaluate(
        self, data: Any, *, batch_size: int = 1024, sample_weight: Any = None
    ) -> dict[str, float]:
        """Measure the loss and the metrics on data, in evaluation mode and without gradients.

        Args:
            data: as for `fit`.
            batch_size: samples in a batch, for data that are no loader.
            sample_weight: as for `fit`.

        Returns:
            ``loss`` (the mean over the samples; with class weights or ``ignore_index`` as in `fit`,
            nan if no target counts) and each metric (over all of them; nan where it is not
            defined, as ROC AUC of one class). Weights that are "balanced" are those of the
            training data, and 1 before the first `fit`.

        Raises:
            ValueError: no samples, or targets that do not fit the loss.
            TypeError: data of a kind that cannot be measured on.

        >>> import nnlite
        >>> from nnlite import nn
        >>> from nnlite.train import Trainer
        >>> model = nn.Linear(2, 1)
        >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        >>> trainer = Trainer(model, optimizer, nn.MSELoss())
        >>> list(trainer.evaluate((nnlite.ones(8, 2), nnlite.zeros(8, 1))))
        ['loss']
        """
        dtype = measuring.dtype_of(self.model)
        if sample_weight is not None and sample_weight is not True:
            data = with_weights("evaluate: data", data, sample_weight, dtype)
        objective = setup.weighted(self, sample_weight is not None)
        loader = as_loader("evaluate: data", data, batch_size, False, dtype)
        checks.targets_are_probabilities(self.loss, "evaluate: data", loader, objective.parts)
        return measuring.measure(self, loader, objective)  # type: ignore[arg-type]

    def predict(self, x: Any, *, batch_size: int = 1024) -> Tensor:
        """The model's outputs (logits, usually), in evaluation mode and without gradients.

        Args:
            x: a tensor or array with one entry per sample; a tuple of them for several inputs.
            batch_size: how many samples at once.

        Returns:
            The outputs of all samples, in their order.

        >>> import nnlite
        >>> from nnlite.train import Trainer
        >>> model = nnlite.nn.Linear(2, 1)
        >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        >>> Trainer(model, optimizer, nnlite.nn.MSELoss()).predict(nnlite.ones(5, 2)).shape
        nnlite.Size([5, 1])
        """
        return measuring.outputs_of(self.model, x, batch_size)

    def predict_proba(self, x: Any, *, batch_size: int = 1024) -> Tensor:
        """The probabilities that the loss makes of the model's outputs.

        σ(z) for a binary cross-entropy (of class 1, or of each label; of the outputs' shape), the
        softmax over dimension 1 for a loss of several classes, the outputs themselves for
        `BCELoss`.

        Args:
            x, batch_size: as for `predict`.

        Raises:
            ValueError: a loss that knows no probabilities.

        >>> import nnlite
        >>> from nnlite.train import Trainer
        >>> model = nnlite.nn.Linear(2, 3)
        >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        >>> trainer = Trainer(model, optimizer, nnlite.nn.CrossEntropyLoss())
        >>> p = trainer.predict_proba(nnlite.ones(5, 2))
        >>> p.shape, nnlite.allclose(p.sum(dim=1), nnlite.ones(5))
        (nnlite.Size([5, 3]), True)
        """
        if checks.kind_of(self.loss) is None:
            name = getattr(self.loss, "__name__", type(self.loss).__name__)
            raise ValueError(
                f"predict_proba: {name} makes no probabilities of outputs; use predict, and what "
                "turns its outputs into probabilities"
            )
        return measuring.probabilities_of(self.loss, self.predict(x, batch_size=batch_size))

    def check(self, train: Any, valid: Any = None, **options: Any) -> Check:
        """Try one batch before a long run: forward, loss and backward, and nothing is changed.

        Args:
            train, valid, options: as for `fit` (``batch_size``, ``sample_weight``).

        Returns:
            What was found; printed, it says shapes, sizes, the loss, and what looks wrong.

        Raises:
            ValueError, TypeError: what `fit` would raise, or the model on this batch.

        >>> import nnlite
        >>> from nnlite import nn
        >>> from nnlite.train import Trainer
        >>> model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
        >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        >>> trainer = Trainer(model, optimizer, nn.MSELoss())
        >>> print(trainer.check((nnlite.ones(8, 2), nnlite.ones(8, 1))))
        inputs [8, 2] float32, target [8, 1] float32, output [8, 1] float32
        17 weights are trained, 0 are frozen; 1 batch in an epoch
        the first loss is ...
        """
        from nnlite.train import probe

        return probe.check(self, train, valid, **options)  # type: ignore[arg-type]

    def overfit_one_batch(
        self, train: Any, *, steps: int = 100, batch_size: int = 32, sample_weight: Any = None
    ) -> History:
        """Train on the first batch alone, and put everything back to where it was.

        A network that cannot learn one batch by heart cannot learn the data: then the loss, the
        targets, the learning rate or the model is wrong. (Dropout keeps the loss above 0.)

        Args:
            train, batch_size, sample_weight: as for `fit`.
            steps: how many.

        Returns:
            A history with one row per step: ``epoch`` (the step) and ``train_loss``.

        Raises:
            ValueError, TypeError: as `fit`.
            NonFiniteLossError: the loss became nan or infinite.

        >>> import nnlite
        >>> from nnlite import nn
        >>> from nnlite.train import Trainer
        >>> model = nn.Linear(2, 1)
        >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        >>> trainer = Trainer(model, optimizer, nn.MSELoss())
        >>> losses = trainer.overfit_one_batch((nnlite.ones(8, 2), nnlite.ones(8, 1)))["train_loss"]
        >>> losses[-1] < 1e-6 < losses[0]
        True
        """
        from nnlite.train import probe

        return probe.overfit(self, train, steps, batch_size, sample_weight)  # type: ignore[arg-type]

    def lr_find(
        self,
        train: Any,
        *,
        start: float = 1e-6,
        end: float = 10.0,
        steps: int = 100,
        batch_size: int = 32,
        sample_weight: Any = None,
    ) -> RateTest:
        """Find a learning rate: raise it from step to step until the loss grows beyond bounds.

        The model, the optimizer, the data loader and all random generators are put back.

        Source: L. N. Smith, Cyclical learning rates for training neural networks, WACV 2017.

        Args:
            train, batch_size, sample_weight: as for `fit`; it is gone through as often as needed.
            start, end: the first rate and the last, each a constant factor above the one before.
            steps: how many rates are tried.

        Returns:
            The rates, their losses and a suggestion: where the smoothed loss falls fastest. Its
            ``plot()`` draws them.

        Raises:
            ValueError: rates that do not rise, fewer than 10 steps, or as `fit`.

        >>> import nnlite
        >>> from nnlite import nn
        >>> from nnlite.train import Trainer
        >>> _ = nnlite.manual_seed(0)
        >>> x, y = nnlite.datasets.moons(200)
        >>> model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
        >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        >>> test = Trainer(model, optimizer, nn.CrossEntropyLoss()).lr_find((x, y), start=1e-4)
        >>> 1e-3 < test.suggestion < 10
        True
        """
        from nnlite.train import probe

        options = start, end, steps, batch_size, sample_weight
        return probe.lr_find(self, train, *options)  # type: ignore[arg-type]
