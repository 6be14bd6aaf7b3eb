"""Trainer: the training loop, and what one does with a model beside it.

The loop is `Trainer.fit` and the two methods below it; all else is in the files that it calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from nnlite.nn.functional import sigmoid, softmax
from nnlite.tensor import Tensor, wrap
from nnlite.train import checks, modes, state
from nnlite.train.callbacks import HOOKS, Callback, CallbackError, ProgressBar
from nnlite.train.feed import as_loader, as_tensor
from nnlite.train.history import History
from nnlite.train.interrupt import CtrlC
from nnlite.train.metrics import evaluate, resolve
from nnlite.utils.data import DataLoader, TensorDataset
from nnlite.utils.data.sampler import is_count

if TYPE_CHECKING:
    import os

    from nnlite.nn import Module

    Tree = dict[str, Any]

__all__ = ["NonFiniteLossError", "Trainer"]

_WIDER = 4  # batches without gradients may be so many times larger


class NonFiniteLossError(FloatingPointError):
    """The loss became nan or infinite; the message names epoch, batch and the likely cure."""


class Trainer:
    """Trains a model, and keeps what happened: ``Trainer(…).fit(train, valid, epochs=…)``.

    Args:
        model: an ``nn.Module``.
        optimizer: of (some of) the model's parameters.
        loss: called as ``loss(output, target)``; gives one number, the mean over the batch (or its
            sum, if it has ``reduction="sum"``).
        metrics: names of metrics in ``nnlite.train.metrics``, or functions like those there.
        callbacks: what else happens, see `Callback`.
        progress: whether to show a progress bar; default: if stderr is a terminal.

    Attributes:
        history: one row per epoch of the last ``fit``, see `History`.
        epoch, epochs, batch, batches, step, batch_loss: where training is (see `Callback`).
        loaders: those of the training and of the validation data (None without).
        stop: set by a callback: the training ends after this epoch.
        interrupted: whether the last ``fit`` was ended by Ctrl-C.

    Raises:
        TypeError, ValueError: something that is no model, no callback, no metric.

    >>> import nnlite
    >>> from nnlite import nn
    >>> _ = nnlite.manual_seed(0)
    >>> x, y = nnlite.randn(64, 3), nnlite.ones(64, 1)
    >>> model = nn.Linear(3, 1)
    >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
    >>> trainer = Trainer(model, optimizer, nn.BCEWithLogitsLoss(), metrics=["accuracy"])
    >>> history = trainer.fit((x[:48], y[:48]), (x[48:], y[48:]), epochs=30)
    >>> history.columns
    ['epoch', 'train_loss', 'valid_loss', 'valid_accuracy', 'lr', 'seconds']
    >>> history[-1]["valid_loss"] < history[0]["valid_loss"], history[-1]["valid_accuracy"]
    (True, 1.0)
    """

    def __init__(
        self,
        model: Module,
        optimizer: Any,
        loss: Callable[..., Tensor],
        metrics: Any = (),
        callbacks: Iterable[Callback] = (),
        progress: bool | None = None,
    ) -> None:
        for name, value, need in (
            ("model", model, "named_parameters"),
            ("optimizer", optimizer, "param_groups"),
            ("loss", loss, "__call__"),
        ):
            if not hasattr(value, need):
                raise TypeError(f"Trainer: {value!r:.80} is no {name}; it has no {need}")
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = resolve(metrics)
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"Trainer: {callback!r:.80} is no Callback: subclass it")
        self.progress = progress
        self.history = History()
        self.epoch = self.epochs = self.batch = self.batches = self.step = 0
        self.batch_loss = float("nan")
        self.stop = self.interrupted = False
        self.loaders: tuple[Any, Any] = (None, None)
        self._targets_known = self._looked_at = False
        self._save_point: Tree = {}
        self._ctrl_c = CtrlC()
        self._hooks: dict[str, list[Callable[[Trainer], None]]] = {}

    # ---- the loop --------------------------------------------------------------------------------

    def fit(
        self,
        train: Any,
        valid: Any = None,
        *,
        epochs: int,
        batch_size: int = 32,
        shuffle: bool = True,
        resume: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    ) -> History:
        """Train for some epochs, with validation after each one.

        Ctrl-C ends the training before the next batch (a second one at once): the model, the
        optimizer, the random generators and the history go back to the end of the last finished
        epoch, ``trainer.interrupted`` is True, and ``fit`` returns as usual.

        Args:
            train: a DataLoader, a Dataset, or a tuple of tensors or arrays ``(x, y)`` with one
                entry per sample. With more than two, all but the last go to ``model(…)``. Arrays
                of floats take the dtype of the model.
            valid: the same, to measure on.
            epochs: how many there will be, those before ``resume`` included.
            batch_size: samples in a batch, for data that are no loader.
            shuffle: in another order in each epoch, for training data that are no loader.
            resume: go on where this file of a `Checkpoint` (or this ``state_dict``) was written,
                to the same bytes as a run that was never stopped, given the same data, model,
                optimizer and callbacks. Of randomness are saved: nnlite's default generator, and
                those of a DataLoader, its sampler and its batch sampler; a data set, model or
                collate function that draws from another one does not go on where it was.

        Returns:
            The history: ``epoch``, ``train_loss`` (the mean over the samples while they were
            trained on), ``valid_loss``, ``valid_<metric>``, ``lr`` and ``seconds`` (of the epoch).
            The mean of CrossEntropyLoss and NLLLoss is over the targets that are not
            ``ignore_index``, weighted by ``weight`` of their class, as in one large batch.

        Raises:
            ValueError: nothing to train, no samples, targets that do not fit the loss, a state of
                another run.
            TypeError: data of a kind that cannot be trained on.
            NonFiniteLossError: a loss that is nan or infinite; everything went back to the end of
                the last finished epoch.
            CallbackError: a callback failed.
        """
        self._prepare(train, valid, epochs, batch_size, shuffle)
        with self._ctrl_c, modes.training(self.model):
            try:
                self._start(resume)
                while self.epoch < epochs and not self.stop:
                    self._run_epoch()
            except KeyboardInterrupt:
                if not self._go_back():
                    raise
                self.interrupted = True
            except NonFiniteLossError:
                self._go_back()
                raise
            finally:
                self.interrupted |= self._ctrl_c.forget()
                self._call("on_fit_end")
        return self.history

    def _run_epoch(self) -> None:
        start = perf_counter()
        self.epoch += 1
        self._call("on_epoch_start")
        train, valid = self.loaders
        row = {"epoch": self.epoch, "train_loss": self._train_once(train)}
        if valid is not None:
            figures = self._measure(valid)
            row.update({f"valid_{name}": value for name, value in figures.items()})
        row["lr"] = self.optimizer.param_groups[0].get("lr", float("nan"))
        row["seconds"] = perf_counter() - start
        self.history.append(row)
        self._call("on_epoch_end")
        self._save_point = state.save_point(self, self._save_point)
        self._call("on_checkpoint")

    def _train_once(self, loader: Any) -> float:
        """Go through the training data once; returns the mean loss (see `checks.divisor_of`)."""
        model, optimizer, loss_of, call = self.model, self.optimizer, self.loss, self._call
        after_backward, after_step = self._hooks["on_backward_end"], self._hooks["on_step_end"]
        by_sample, divisor_of = not checks.is_sum(loss_of), checks.divisor_of(loss_of)
        total, divisor, samples = 0.0, 0.0, 0
        batches = loader if self._looked_at else self._first_pass(loader)
        for self.batch, batch in enumerate(batches, start=1):
            if self._ctrl_c.noted:
                raise KeyboardInterrupt
            *inputs, target = batch
            optimizer.zero_grad()
            loss = loss_of(model(*inputs), target)
            self.batch_loss = value = loss.item()
            if value - value != 0:
                self._diverged(value, inputs, target)
            loss.backward()
            if after_backward:
                call("on_backward_end")
            optimizer.step()
            self.step += 1
            if after_step:
                call("on_step_end")
            count = divisor_of(target)
            divisor += count
            samples += len(target)
            total += value * count if by_sample else value
        self._looked_at = True
        return checks.mean("fit: train", total, divisor, samples)

    def _measure(self, loader: Any) -> dict[str, float]:
        """The mean loss (see `checks.divisor_of`), and the metrics over all samples."""
        by_sample, divisor_of = not checks.is_sum(self.loss), checks.divisor_of(self.loss)
        total, divisor, samples = 0.0, 0.0, 0
        outputs, targets = [], []
        with modes.evaluating(self.model):
            for batch in loader:
                if self._ctrl_c.noted:
                    raise KeyboardInterrupt
                inputs, target = checks.split("evaluate", batch)
                output = self.model(*inputs)
                value, count = self.loss(output, target).item(), divisor_of(target)
                divisor += count
                samples += len(target)
                if count:  # else it is 0/0, and of nothing
                    total += value * count if by_sample else value
                if self.metrics:
                    outputs.append(output.array)
                    targets.append(target.array)
        figures = {"loss": checks.mean("evaluate", total, divisor, samples)}
        if self.metrics:
            scores = self._logits(np.concatenate(outputs))
            figures.update(evaluate(self.metrics, scores, np.concatenate(targets)))
        return figures

    # ---- around the loop -------------------------------------------------------------------------

    @property
    def validates(self) -> bool:
        """Whether this ``fit`` has validation data."""
        return self.loaders[1] is not None

    def _prepare(self, train: Any, valid: Any, epochs: int, batch_size: int, shuffle: bool) -> None:
        """Check what can be checked before anything is changed, and bind the hooks."""
        if not is_count(epochs) or epochs < 0:
            raise ValueError(f"fit: epochs must be a whole number from 0 on, got {epochs!r}")
        dtype = _dtype_of(self.model)
        train = as_loader("fit: train", train, batch_size, shuffle, dtype)
        known = checks.targets_are_probabilities(self.loss, "fit: train", train)
        if valid is not None:
            valid = as_loader("fit: valid", valid, batch_size * _WIDER, False, dtype)
            checks.targets_are_probabilities(self.loss, "fit: valid", valid)
        self.loaders = train, valid
        self._targets_known, self._looked_at = known, False
        self.epochs, self.batches = epochs, len(train)
        shown = sys.stderr.isatty() if self.progress is None else self.progress
        acting = [*self.callbacks, ProgressBar()] if shown else self.callbacks
        self._hooks = {hook: _bound(acting, hook) for hook in HOOKS}

    def _start(self, resume: str | os.PathLike[str] | Mapping[str, Any] | None) -> None:
        """Begin a new run, or take up another one."""
        self.epoch = self.batch = self.step = 0
        self.stop = self.interrupted = False
        self.history = History()
        self._save_point = {}
        self._call("on_fit_start")
        if resume is not None:
            self.load_state_dict(_read(resume))
        checks.check_model(self.model, self.optimizer)
        if self.validates:
            checks.check_validation(self)
        self._save_point = state.save_point(self, self._save_point)
        if resume is None:
            self._call("on_checkpoint")

    def _first_pass(self, loader: Any) -> Iterator[Any]:
        """The batches, each looked at before it is trained on."""
        for batch in loader:
            _, target = checks.split("fit: train", batch)
            if not self._targets_known:
                checks.check_probabilities("fit: train", target)
            yield batch

    def _call(self, hook: str) -> None:
        for method in self._hooks[hook]:
            try:
                method(self)
            except Exception as error:
                name = type(method.__self__).__name__  # type: ignore[attr-defined]
                kind = type(error).__name__
                raise CallbackError(f"{name}.{hook} failed with {kind}: {error}") from error

    def _diverged(self, value: float, inputs: list[Any], target: Any) -> NoReturn:
        why = checks.why_not_finite(self, inputs, target)
        raise NonFiniteLossError(
            f"fit: the loss is {value} in epoch {self.epoch}, batch {self.batch}. {why}"
        )

    # ---- the model's use -------------------------------------------------------------------------

    def evaluate(self, data: Any, *, batch_size: int = 1024) -> dict[str, float]:
        """Measure the loss and the metrics on data, in evaluation mode and without gradients.

        Args:
            data: as for `fit`.
            batch_size: samples in a batch, for data that are no loader.

        Returns:
            ``loss`` (the mean over the samples; with class weights or ``ignore_index`` as in `fit`,
            nan if no target counts) and each metric (over all of them; nan where it is not
            defined, as ROC AUC of one class).

        Raises:
            ValueError: no samples, or targets that do not fit the loss.
            TypeError: data of a kind that cannot be measured on.

        >>> import nnlite
        >>> from nnlite import nn
        >>> model = nn.Linear(2, 1)
        >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        >>> trainer = Trainer(model, optimizer, nn.MSELoss())
        >>> list(trainer.evaluate((nnlite.ones(8, 2), nnlite.zeros(8, 1))))
        ['loss']
        """
        loader = as_loader("evaluate: data", data, batch_size, False, _dtype_of(self.model))
        checks.targets_are_probabilities(self.loss, "evaluate: data", loader)
        return self._measure(loader)

    def predict(self, x: Any, *, batch_size: int = 1024) -> Tensor:
        """The model's outputs (logits, usually), in evaluation mode and without gradients.

        Args:
            x: a tensor or array with one entry per sample; a tuple of them for several inputs.
            batch_size: how many samples at once.

        Returns:
            The outputs of all samples, in their order.

        >>> import nnlite
        >>> model = nnlite.nn.Linear(2, 1)
        >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        >>> Trainer(model, optimizer, nnlite.nn.MSELoss()).predict(nnlite.ones(5, 2)).shape
        nnlite.Size([5, 1])
        """
        dtype = _dtype_of(self.model)
        parts = x if isinstance(x, tuple) else (x,)
        inputs = TensorDataset(*[as_tensor("predict: x", part, dtype) for part in parts])
        with modes.evaluating(self.model):
            batches: Any = DataLoader(inputs, batch_size) if len(inputs) else [inputs.tensors]
            outputs = [self.model(*batch) for batch in batches]
        for output in outputs[:1]:
            if not isinstance(output, Tensor):
                kind = type(output).__name__
                raise TypeError(f"predict: the model must return one Tensor, it returned a {kind}")
        return wrap(np.concatenate([output.array for output in outputs]))

    def predict_proba(self, x: Any, *, batch_size: int = 1024) -> Tensor:
        """The probabilities that the loss makes of the model's outputs.

        σ(z) for a binary cross-entropy (of class 1; of the outputs' shape), the softmax over
        dimension 1 for a loss of several classes, the outputs themselves for `BCELoss`.

        Args:
            x, batch_size: as for `predict`.

        Raises:
            ValueError: a loss that knows no probabilities.

        >>> import nnlite
        >>> model = nnlite.nn.Linear(2, 3)
        >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
        >>> trainer = Trainer(model, optimizer, nnlite.nn.CrossEntropyLoss())
        >>> p = trainer.predict_proba(nnlite.ones(5, 2))
        >>> p.shape, nnlite.allclose(p.sum(dim=1), nnlite.ones(5))
        (nnlite.Size([5, 3]), True)
        """
        kind = checks.kind_of(self.loss)
        if kind is None:
            name = getattr(self.loss, "__name__", type(self.loss).__name__)
            raise ValueError(
                f"predict_proba: {name} makes no probabilities of outputs; use predict, and what "
                "turns its outputs into probabilities"
            )
        outputs = self.predict(x, batch_size=batch_size)
        if kind == "probabilities":
            return outputs
        # The softmax of log-probabilities gives the probabilities.
        return sigmoid(outputs) if kind == "logits of two classes" else softmax(outputs, 1)

    def _logits(self, outputs: Any) -> Any:
        """The outputs as metrics take them; BCELoss is the one loss that has probabilities."""
        if checks.kind_of(self.loss) != "probabilities":
            return outputs
        p = outputs.astype(np.float64)
        with np.errstate(divide="ignore"):
            return np.log(p) - np.log1p(-p)

    # ---- the state of a run ----------------------------------------------------------------------

    def state_dict(self) -> Tree:
        """All that the next epoch depends on, as a tree for ``nnlite.io.save_checkpoint``.

        Model, optimizer, what is frozen, the random generators (the default one and those of the
        loaders), the callbacks, history and epoch. Its tensors are the model's own, not copies.

        After a fit that ended with the best weights restored (`EarlyStopping`) it pairs these with
        the optimizer, generators and history of the last epoch, which is no state that the run was
        ever in: to go on with such a run exactly, resume from the file of a `Checkpoint`, which is
        written before the weights are restored.
        """
        return state.whole(self)

    def load_state_dict(self, tree: Any) -> None:
        """Take up the run that ``state_dict`` was called in; ``fit(…, resume=…)`` goes on with it.

        Raises:
            ValueError: the state of another model, optimizer, list of callbacks or size of data
                (the message says what differs), or no state. Nothing has been changed then.
        """
        state.check_fits(self, tree)
        state.put_back(self, state.copied(tree))
        self.history = History(tree["history"])

    def copy_weights(self) -> dict[str, Tensor]:
        """The model's parameters and buffers as they are now, for ``model.load_state_dict``.

        What is frozen and unchanged is shared between copies: treat them as read-only.
        """
        return state.copy_weights(state.parts_of(self.model), self._save_point.get("model", {}))

    def _go_back(self) -> bool:
        """Return to the end of the last finished epoch, or to the start; False without a start."""
        if not self._save_point:
            return False
        state.put_back(self, self._save_point)
        self.history = self.history[: self._save_point["rows"]]
        return True


def _bound(callbacks: list[Callback], hook: str) -> list[Callable[[Trainer], None]]:
    """The hook of those callbacks that override it."""
    idle = getattr(Callback, hook)
    return [getattr(c, hook) for c in callbacks if getattr(type(c), hook) is not idle]


def _dtype_of(model: Module) -> Any:
    """The dtype that arrays of floats are given: that of the parameters."""
    for parameter in model.parameters():
        if parameter.array.dtype.kind == "f":
            return parameter.array.dtype
    return np.dtype(np.float32)


def _read(resume: str | os.PathLike[str] | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(resume, Mapping):
        return resume
    from nnlite.io.checkpoint import load_checkpoint

    tree: Mapping[str, Any] = load_checkpoint(resume)
    return tree
