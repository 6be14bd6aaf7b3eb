"""What an explanation can be turned into beyond text: a page, a picture, a quiz."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnlite.explain.explanation import Explanation
    from nnlite.explain.quiz import Quiz, Score

__all__ = ["Outputs"]

StrPath = str | os.PathLike[str]


class Outputs:
    """What every ``Explanation`` can be turned into.

    Attributes:
        has_blanks: whether equations are shown with blanks, as ``explain(loss, quiz=True)`` wants.
    """

    has_blanks: bool = False

    def html(self) -> str:
        """The page: one HTML document that holds all it needs and loads nothing.

        It shows the graph, forward from left to right and gradients back. A click on an operation
        shows its equation with its numbers and checks; buttons, a slider and the arrow keys go
        through the steps.
        """
        from nnlite.explain.page import page_of

        return page_of(self._explanation, self._blanks())

    def save(self, path: StrPath) -> None:
        """Write a page, a picture, Markdown, a graph in DOT or the text, as the path ends.

        Args:
            path: it ends in .html, .png, .svg, .md, .dot or .txt. An old file is replaced in one
                step.

        Raises:
            ValueError: another ending.
            OSError: the file cannot be written.
        """
        ending = os.path.splitext(os.fspath(path))[1].lower()
        if ending in (".png", ".svg"):
            self.plot(path)
            return
        made = {
            ".html": self.html,
            ".htm": self.html,
            ".md": self._explanation.markdown,
            ".dot": self._explanation.dot,
            ".txt": self.__str__,
        }.get(ending)
        if made is None:
            raise ValueError(
                f"explanation.save: path is {os.fspath(path)!r}: give it the ending .html for the "
                "page, .png or .svg for a picture, .md for Markdown, .dot for Graphviz, or .txt "
                "for the text"
            )
        from nnlite.io.atomic import atomic_write

        text = made()
        with atomic_write(path, "w") as file:
            file.write(text if text.endswith("\n") else f"{text}\n")

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw the graph with its values and gradients, through matplotlib.

        Args:
            path: where to save it too, a name that ends in .png or .svg.

        Returns:
            The figure, which shows itself in a notebook.

        Raises:
            ValueError: another ending of the path.
            OSError: the file cannot be written.
        """
        from nnlite.explain.picture import picture_of

        return picture_of(self._explanation, path)

    def quiz(
        self,
        read: Callable[[str], str] = input,
        say: Callable[[str], object] = print,
        *,
        seed: int = 0,
    ) -> Score:
        """Ask for what is missing in the equations, in the terminal.

        Args:
            read: asks for a line, given the prompt.
            say: prints a line.
            seed: another number leaves other blanks.

        Returns:
            How many were right at once, with help, or shown.

        >>> import nnlite
        >>> w = nnlite.tensor([3.0], requires_grad=True)
        >>> answers = iter(["2 * 3 * 1", "q"])
        >>> score = nnlite.explain((w * w).sum(), names={"w": w}).quiz(
        ...     lambda prompt: next(answers), say=lambda line: None
        ... )
        >>> score.total
        6
        """
        from nnlite.explain.quiz import Quiz

        return Quiz(self._explanation, seed).ask(read, say)

    def _repr_html_(self) -> str:
        from nnlite.explain.page import shown_in_notebook

        return shown_in_notebook(self.html())

    @property
    def _explanation(self) -> Explanation:
        return cast("Explanation", self)

    def _blanks(self) -> Quiz | None:
        from nnlite.explain.quiz import Quiz

        return Quiz(self._explanation) if self.has_blanks else None
