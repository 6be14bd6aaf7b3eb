"""What forward formulas in index notation are made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nnlite.explain.facts import Facts, Formula
from nnlite.explain.record import Held, record_of

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["Maker", "Result"]


class Result(Facts):
    """Facts about one output of an operation.

    Attributes:
        which: the output.
        x, y: the shapes of the first input and of this output.
        roles: the letters of all inputs.
    """

    def __init__(self, step: Step, which: int) -> None:
        super().__init__(step, 0)
        self.which = which
        self.y = step.outputs[which].shape
        self.roles = [given.role for given in step.inputs]

    @cached_property
    def places(self) -> list[str]:
        """Letters for the axes of the output."""
        return self.letters(len(self.y))

    def gives(
        self, right: str, where: Sequence[str] = (), data: dict[str, Any] | None = None
    ) -> Formula:
        """A formula for every element of the output."""
        places = f"[{', '.join(self.places)}]" if self.places else ""
        return Formula(right, places, tuple(where), data or {})

    def option(self, *names: str) -> Any:
        """What the operator was given under one of these names; None without a recording."""
        record = record_of(self.step._node)
        for call in () if record is None else record.calls:
            for name in names:
                found = call.argument(name)
                if found is not None:
                    return found
        return None

    def operand(self, *names: str) -> str:
        """A number that an operator was given, as it is printed; a letter where it is none."""
        found = self.option(*names)
        if isinstance(found, Held) and not found.array.ndim:
            found = found.array.item()
        return self.number(found)

    @staticmethod
    def number(value: Any) -> str:
        """A number as it is printed; a letter where it is not known."""
        return f"{float(value):.6g}" if isinstance(value, (int, float)) else "c"


Maker = Callable[[Result], Formula]
