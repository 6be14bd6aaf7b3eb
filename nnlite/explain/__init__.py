"""Every equation of back-propagation, on your own network, with your own numbers.

``nnlite.explain(loss)`` after a forward pass gives an ``Explanation`` to print, to save as a page,
or to ask for the ways of one weight to the loss. Its arguments: ``help(nnlite.explain.__call__)``.
``why(tensor, loss)`` says why a gradient is None or zero. A forward pass under ``recording()`` is
explained with its source lines and with results that no derivative needs.

>>> import nnlite
>>> w = nnlite.tensor([1.0, 2.0], requires_grad=True)
>>> with nnlite.explain.recording():
...     loss = (w * w).sum()
>>> nnlite.explain(loss, names={"w": w})
<Explanation of 2 operations and 1 leaf>
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from nnlite.explain.explanation import Explanation
from nnlite.explain.record import recording
from nnlite.explain.why import why
from nnlite.tensor import Tensor

__all__ = ["Explanation", "explain", "recording", "why"]


class _Explain:
    """What ``nnlite.explain`` is to a type checker: a function with two more."""

    recording = recording
    why = staticmethod(why)

    def __call__(
        self,
        loss: Tensor,
        gradient: Tensor | None = None,
        *,
        model: Any = None,
        optimizer: Any = None,
        names: Mapping[str, Tensor] | None = None,
        depth: int | None = None,
        quiz: bool = False,
    ) -> Explanation:
        """Every equation of the backward pass from ``loss``, with the numbers of this pass.

        Call it after the forward pass: before ``backward()``, or after
        ``backward(retain_graph=True)``. Nothing is changed by it: no gradient, no graph, no random
        state. Every line is checked against the engine's gradient and a finite difference, and
        says by how much it is off.

        Args:
            loss: what is differentiated, usually one number.
            gradient: ∂L/∂loss, of the shape of a ``loss`` with more elements.
            model: the module, for the names of parameters and modules.
            optimizer: its next step is shown at each parameter.
            names: names for other tensors: ``{"x": x}``; single letters become their symbols.
            depth: how many names deep modules are shown, what is deeper is folded; default: as
                deep as fits about 60 lines. ``explanation.open(name)`` opens a fold.
            quiz: show it with blanks to be filled in.

        Raises:
            TypeError: when an argument is something else than this.
            RuntimeError: when the loss has no graph, when ``backward()`` has freed it, or when a
                value that a derivative reads has been overwritten.

        >>> import nnlite
        >>> w = nnlite.tensor([1.0, 2.0], requires_grad=True)
        >>> explanation = nnlite.explain((w * 3).sum(), names={"w": w})
        >>> [rule.text for step in explanation.steps for rule in step.rules]
        ['∂L/∂u₁[i] = ∂L/∂L', '∂L/∂w = 3 (∂L/∂u₁)']
        >>> rule = explanation.steps[1].rules[0]
        >>> rule.numbers, rule.total, rule.check.status
        ('3 · 1', 3.0, 'right')
        """
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"explain: expected the loss as a Tensor, got {type(loss).__name__}; give what the "
                "loss function returned, not loss.item()"
            )
        _check("model", model, "named_parameters", "a module")
        _check("optimizer", optimizer, "param_groups", "an optimizer, as optim.SGD(…) gives it")
        for name, tensor in (names or {}).items():
            _check(f"names[{name!r}]", tensor, "requires_grad", "a Tensor")
        return Explanation(
            loss, gradient, model=model, optimizer=optimizer, names=names, depth=depth, quiz=quiz
        )


def _check(what: str, given: Any, attribute: str, wanted: str) -> None:
    if given is not None and not hasattr(given, attribute):
        raise TypeError(f"explain: {what} is of type {type(given).__name__}: give {wanted}")


explain = _Explain()


class _Callable(ModuleType):
    """The package itself can be called: ``nnlite.explain(loss)``."""

    def __call__(self, *args: Any, **kwargs: Any) -> Explanation:
        return explain(*args, **kwargs)

    __call__.__doc__ = _Explain.__call__.__doc__


sys.modules[__name__].__class__ = _Callable
