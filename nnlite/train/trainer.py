"""Trainer: the training loop, and what one does with a model beside it.

The loop is `Trainer.fit` and the methods below it; all else is in the files that it calls.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nnlite.tensor import Tensor
from nnlite.train import checks, measuring, modes, setup, state
from nnlite.train.callbacks.base import HOOKS, Callback
from nnlite.train.capturing import captured_gradients, tell
from nnlite.train.checks import NonFiniteLossError
from nnlite.train.feed import tell_epoch
from nnlite.train.frozen_cache import FrozenCache
from nnlite.train.history import History, learning_rates
from nnlite.train.interrupt import CtrlC, Limits
from nnlite.train.metrics import resolve
from nnlite.train.randomness import Streams
from nnlite.train.tally import Tally
from nnlite.train.using import Using

if TYPE_CHECKING:
    from nnlite.nn import Module
    from nnlite.train.weighting import Objective

    Tree = dict[str, Any]
    StrPath = str | os.PathLike[str]

__all__ = ["NonFiniteLossError", "Trainer"]


class Trainer(Using):
    """Trains a model, and keeps what happened: ``Trainer(…).fit(train, valid, epochs=…)``.

    The loss and the shapes say what the task is: two classes (`BCEWithLogitsLoss`, outputs and
    targets (n, 1)), several (`CrossEntropyLoss`, outputs (n, C), targets (n,) of ints), several
    labels (`BCEWithLogitsLoss`, both (n, labels)), or numbers (`MSELoss` …, both of one shape).

    Args:
        model: an ``nn.Module``.
        optimizer: of (some of) the model's parameters.
        loss: called as ``loss(output, target)``; gives one number, the mean over the batch (or its
            sum, if it has ``reduction="sum"``).
        metrics: names of metrics in ``nnlite.train.metrics``, or functions like those there.
        callbacks: what else happens: `Checkpoint`, `EarlyStopping`, `Schedule`, `ClipGradNorm`,
            `EMA` …, or one's own, see `Callback`.
        progress: whether to show a progress bar; default: if stderr is a terminal.
        accumulate: so many batches make one step of the optimizer, with the gradient of the mean
            over all their samples, as of one large batch; the last ones of an epoch may be fewer.
        class_weight: how much each class counts in a cross-entropy: "balanced" (each as much as
            any other, from the training targets), an array, or a mapping from class to weight.
        pos_weight: how much positive targets count in `BCEWithLogitsLoss`: "balanced" (as much as
            the negative ones together, for each column), a number, or one for each column.
        doctor: whether to watch for mistakes in training, and warn once of each with its cure; a
            ``nnlite.train.Doctor(silence=…)`` here or among the callbacks leaves some out.
        cache_frozen: compute what the frozen layers at the front of an ``nn.Sequential`` give once
            for all samples of array data, and run only what stands behind them. It is equal but
            for rounding (`FrozenCache.exact` says whether the bytes are the same); where it would
            not be, it warns and has no effect. What is unfrozen is trained from the next epoch on.
        compile: replay captured steps (``nnlite.compile``), which gives the same bytes; default:
            where there are enough steps ahead for it to pay. True: warn where it is not possible.

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
        *,
        accumulate: int = 1,
        class_weight: Any = None,
        pos_weight: Any = None,
        doctor: Any = True,
        cache_frozen: bool = False,
        compile: bool | None = None,
    ) -> None:
        setup.check_parts(model, optimizer, loss, accumulate)
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = resolve(metrics)
        self.callbacks = setup.callbacks_of(callbacks)
        self.progress = progress
        self.accumulate = accumulate
        self.class_weight, self.pos_weight, self.doctor = class_weight, pos_weight, doctor
        self.frozen_cache = FrozenCache() if cache_frozen else None
        self.compile = compile
        self.history = History()
        self.epoch = self.epochs = self.batch = self.batches = self.step = 0
        self.batch_loss = float("nan")
        self.stop = self.interrupted = self.stepped = False
        self.loaders: tuple[Any, Any] = (None, None)
        self.objectives: tuple[Objective, Objective] = setup.objectives(self)
        self.tally: Tally | None = None
        self._cut = self._looked_at = self.targets_known = False
        self._limits = Limits()
        self._save_point: Tree = {}
        self._ctrl_c = CtrlC()
        self._known: Tree = {}
        self._hooks: dict[str, list[Callable[[Trainer], None]]] = {hook: [] for hook in HOOKS}

    # ---- the loop --------------------------------------------------------------------------------

    def fit(
        self,
        train: Any,
        valid: Any = None,
        *,
        epochs: int,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        max_steps: int | None = None,
        max_seconds: float | None = None,
        split_seed: int = 0,
        resume: StrPath | Mapping[str, Any] | bool | None = None,
    ) -> History:
        """Train for some epochs, with validation after each one.

        Ctrl-C ends the training before the next batch (a second one at once): the model, the
        optimizer, the random generators and the history go back to the end of the last finished
        epoch, ``trainer.interrupted`` is True, and ``fit`` returns as usual.

        Args:
            train: a DataLoader (a `DistributedSampler` of it is told each epoch), a Dataset, or a
                tuple of tensors or arrays ``(x, y)`` with one entry per sample. With more than
                two, all but the last go to ``model(…)``. Arrays of floats take the dtype of the
                model.
            valid: the same, to measure on; or the share of ``train`` to hold out, such as 0.2
                (of each class alike).
            epochs: how many there will be, those before ``resume`` included.
            batch_size: samples in a batch, for data that are no loader.
            shuffle: in another order in each epoch, for training data that are no loader.
            sample_weight: how much each sample of ``train`` counts, an array (n,); or True: the
                data give ``(*inputs, target, weight)``, those of ``valid`` too.
            max_steps: end after so many steps of the optimizer, those before ``resume`` included.
            max_seconds: end after the batch in which so much time has passed. Both limits may cut
                an epoch short: a `Checkpoint` is written there, from which ``resume`` goes on in
                the middle of the epoch, and then what there is of the epoch gets its row.
            split_seed: what a share ``valid`` of the same data depends on.
            resume: go on where this file of a `Checkpoint` (or this ``state_dict``) was written,
                to the same bytes as a run that was never stopped, given the same data, model,
                optimizer and callbacks. True: from the file of the `Checkpoint` among the
                callbacks if there is one, else from the start. Of randomness are saved: the
                default generators of nnlite, NumPy and Python, and those that the data, loaders,
                samplers, the model or the loss hold in attributes.

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
        setup.prepare(self, train, valid, epochs, batch_size, shuffle, sample_weight, split_seed)
        self._limits = Limits(max_steps, max_seconds)
        self._cut = False
        at_the_end = self._hooks["on_fit_end"]
        with self._ctrl_c, modes.training(self.model):
            try:
                self._start(setup.state_to_resume(self.callbacks, resume))
                while self._goes_on():
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
                _, gradients = self._known.pop("gradients", (None, None))
                if self.frozen_cache is not None:
                    self.frozen_cache.release()
                self._call_all("on_fit_end", at_the_end)
        tell(self, gradients)
        return self.history

    def _run_epoch(self) -> None:
        begins = self.tally is None  # else the run was taken up in the middle of an epoch
        self.epoch += begins
        tell_epoch(self.loaders[0], self.epoch - 1)
        if begins:
            self._call("on_epoch_start")
            self.tally = Tally()
        if self.frozen_cache is not None:
            self.frozen_cache.refresh(self)
        tally: Any = self.tally
        row = {"epoch": self.epoch, "train_loss": self._train_once(tally)}
        if self.validates:
            row.update({f"valid_{name}": value for name, value in self._validate().items()})
        row.update(learning_rates(self.optimizer))
        row["seconds"] = tally.seconds
        self.tally = None
        self.history.append(row)
        self._call("on_epoch_end")
        if not self._cut:
            self._save_point = state.save_point(self, self._save_point)
            self._call("on_checkpoint")

    def _train_once(self, tally: Tally) -> float:
        """Go through the training data once; returns the mean loss (see `checks.divisor_of`)."""
        model, optimizer, ctrl_c = self.model_for(0), self.optimizer, self._ctrl_c
        loss_of, divisor_of, is_sum, parts = self.objectives[0][:4]
        accumulate, after_batch = self.accumulate, self._hooks["on_batch_end"]
        limits = self._limits if self._limits.given else None
        gradients = captured_gradients(self)
        batches = tally.batches(self.loaders[0], self.streams)
        if not self._looked_at:
            batches = checks.looked_at(batches, parts, self.targets_known)
        for batch in batches:
            if ctrl_c.noted:
                raise KeyboardInterrupt
            self.batch = tally.batch + 1
            inputs, rest = batch[:-parts], batch[-parts:]
            if gradients is not None:
                loss = gradients(*batch)
            else:
                if not tally.waiting:
                    optimizer.zero_grad()
                loss = loss_of(model(*inputs), *rest)
            self.batch_loss = value = loss.item()
            if value - value != 0:
                checks.diverged(self, value, inputs, rest[0])
            samples = len(rest[0])
            count = samples if divisor_of is len else divisor_of(*rest)
            if gradients is not None:
                pass
            elif accumulate == 1 or is_sum:
                loss.backward()
            else:  # the gradient of the sum, to be divided when all are there
                loss.backward(loss.new_tensor(count))
                tally.share += count
            tally.batch = self.batch
            tally.divisor += count
            tally.samples += samples
            tally.total += value if is_sum else value * count
            tally.waiting += 1
            self.stepped = tally.waiting == accumulate
            if self.stepped:
                self._step(tally)
            if after_batch:
                self._call("on_batch_end")
            if limits and limits.reached(self.step):
                self._cut = True
                self._call("on_checkpoint")
                self._save_point = state.save_point(self, self._save_point)
                break
        if tally.waiting and not self._cut:
            self._step(tally)
        self._looked_at = True
        return checks.mean("fit: train", tally.total, tally.divisor, tally.samples)

    def _step(self, tally: Tally) -> None:
        """A step of the optimizer, with the gradients that have been accumulated."""
        if tally.share:
            state.divide_gradients(self.optimizer, tally.share)
        tally.waiting, tally.share = 0, 0.0
        if self._hooks["on_backward_end"]:
            self._call("on_backward_end")
        self.optimizer.step()
        self.step += 1
        if self._hooks["on_step_end"]:
            self._call("on_step_end")

    def _validate(self) -> dict[str, float]:
        try:
            self._call("on_validation_start")
            return measuring.measure(self, self.loaders[1], self.objectives[1], self.model_for(1))
        finally:
            self._call_all("on_validation_end", self._hooks["on_validation_end"])

    # ---- around the loop -------------------------------------------------------------------------

    @property
    def validates(self) -> bool:
        """Whether this ``fit`` has validation data."""
        return self.loaders[1] is not None

    @property
    def ends(self) -> bool:
        """Whether this ``fit`` ends here, if this is the end of an epoch."""
        return self.stop or self._cut or self.epoch >= self.epochs

    @property
    def streams(self) -> Streams:
        """The random generators of this run."""
        train, valid = self.loaders
        roots = {"train": train, "valid": valid, "model": self.model, "loss": self.loss}
        found: Streams = self.once("streams", lambda: Streams(roots))
        return found

    def model_for(self, place: int) -> Any:
        """What the batches of ``loaders[place]`` go through: the model, or what is not cached."""
        if self.frozen_cache is None:
            return self.model
        return self.frozen_cache.model_for(self.loaders[place], self.model)

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """What is computed once for each ``fit``, when it is first needed."""
        if name not in self._known:
            self._known[name] = compute()
        return self._known[name]

    def _bind(self, loaders: tuple[Any, Any], epochs: int, batches: int) -> None:
        """Take up other data, and bind the hooks."""
        self.loaders, self.epochs, self.batches = loaders, epochs, batches
        self._known = {}
        self._looked_at = False
        shown = sys.stderr.isatty() if self.progress is None else self.progress
        self._hooks = setup.bound(setup.with_own(self.callbacks, self.doctor, shown))

    def _start(self, resume: Mapping[str, Any] | None) -> None:
        """Begin a new run, or take up another one."""
        self.epoch = self.batch = self.step = 0
        self.stop = self.interrupted = self.stepped = False
        self.tally = None
        self.history = History()
        self._save_point = {}
        self._call("on_fit_start")
        if resume is not None:
            self.load_state_dict(resume)
        checks.check_model(self.model, self.optimizer)
        if self.validates:
            checks.check_validation(self)
        self._save_point = state.save_point(self, self._save_point)
        if resume is None:
            self._call("on_checkpoint")

    def _goes_on(self) -> bool:
        if self._cut or self._limits.reached(self.step):
            return False
        return self.tally is not None or (self.epoch < self.epochs and not self.stop)

    def _call(self, hook: str) -> None:
        for method in self._hooks[hook]:
            try:
                method(self)
            except Exception as error:
                raise setup.failure(hook, method, error) from error

    def _call_all(self, hook: str, methods: list[Callable[[Trainer], None]]) -> None:
        """Call each, whatever the others raise: what they are to put back is put back."""
        if methods:
            try:
                methods[0](self)
            except Exception as error:
                raise setup.failure(hook, methods[0], error) from error
            finally:
                self._call_all(hook, methods[1:])

    def check_interrupt(self) -> None:
        """Raise KeyboardInterrupt if there was a Ctrl-C."""
        if self._ctrl_c.noted:
            raise KeyboardInterrupt

    # ---- the state of a run ----------------------------------------------------------------------

    @property
    def in_epoch(self) -> bool:
        """Whether an epoch is in progress: its figures are not in the history yet."""
        return self.tally is not None

    def state_dict(self) -> Tree:
        """All that the rest of the run depends on, as a tree for ``nnlite.io.save_checkpoint``.

        Model, optimizer, what is frozen, the random generators, the place in the epoch and the
        gradients accumulated there, the callbacks and the history. Its tensors are the model's
        own, not copies. It is whole wherever a hook of a callback runs after the step of a batch
        (``on_batch_end``) or the end of an epoch (``on_checkpoint``), and after `fit`, also where
        a limit cut an epoch short.

        After a fit that ended with the best weights restored (`EarlyStopping`) it pairs these with
        the optimizer, generators and history of the last epoch, which is no state that the run was
        ever in: to go on with such a run exactly, resume from the file of a `Checkpoint`, which is
        written before the weights are restored.
        """
        cut_short = self._cut and self.tally is None
        return state.whole(self, self._save_point if cut_short else None)

    def load_state_dict(self, tree: Any) -> None:
        """Take up the run that ``state_dict`` was called in; ``fit(…, resume=…)`` goes on with it.

        Raises:
            ValueError: the state of another model, optimizer, list of callbacks or other data
                (the message says what differs), or no state. Nothing has been changed then.
        """
        state.check_fits(self, tree)
        state.put_back(self, state.copied(tree))
        self._cut = False
        self.history = History(tree["history"])

    def copy_weights(self) -> dict[str, Tensor]:
        """The parameters and buffers that the model is validated with, for ``load_state_dict``.

        They are its own, or the averages of an `EMA` that evaluates. What is frozen and unchanged
        is shared between copies: treat them as read-only.
        """
        try:
            self._call("on_validation_start")
            return state.copy_weights(state.parts_of(self.model), self._save_point.get("model", {}))
        finally:
            self._call_all("on_validation_end", self._hooks["on_validation_end"])

    def _go_back(self) -> bool:
        """Return to the end of the last finished epoch, or to the start; False without a start."""
        if not self._save_point:
            return False
        state.put_back(self, self._save_point)
        self.history = self.history[: self._save_point["rows"]]
        return True
