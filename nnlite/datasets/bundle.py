"""What a data set is here: inputs, targets, their names, and where they come from."""

from __future__ import annotations

from collections.abc import Iterator

from nnlite.tensor import Tensor


class Bundle:
    """A data set that does not change; ``x, y = bundle`` takes the two tensors out.

    Args:
        name: what the data set is called.
        x: inputs, float32, the samples along the first dimension.
        y: targets, int64 (samples,): the index of the class of each sample.
        columns: the name of each feature, in the order of ``x[0]`` laid flat.
        classes: the name of each class.
        source: who made the data, and where it is published.
        licence: the terms under which it may be used and passed on.

    Raises:
        ValueError: sizes that do not belong together.
    """

    __slots__ = ("classes", "columns", "licence", "name", "source", "x", "y")
    name: str
    x: Tensor
    y: Tensor
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    source: str
    licence: str

    def __init__(
        self,
        name: str,
        x: Tensor,
        y: Tensor,
        *,
        columns: tuple[str, ...],
        classes: tuple[str, ...],
        source: str,
        licence: str,
    ) -> None:
        if tuple(y.shape) != tuple(x.shape[:1]):
            raise ValueError(f"Bundle: x has shape {tuple(x.shape)}, y {tuple(y.shape)}")
        if len(columns) * len(y) != x.numel():
            raise ValueError(f"Bundle: x has shape {tuple(x.shape)}, columns are {len(columns)}")
        given = {
            "name": name,
            "x": x,
            "y": y,
            "columns": columns,
            "classes": classes,
            "source": source,
            "licence": licence,
        }
        for key, value in given.items():
            object.__setattr__(self, key, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Bundle: {name} is fixed; x and y can be taken out and changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Bundle: {name} is fixed")

    def __setstate__(self, state: tuple[None, dict[str, object]]) -> None:
        for name, value in state[1].items():
            object.__setattr__(self, name, value)

    def __iter__(self) -> Iterator[Tensor]:
        yield self.x
        yield self.y

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return (
            f"Bundle({self.name}: x {'×'.join(map(str, self.x.shape))} {self.x.dtype}, "
            f"y {len(self.y)} {self.y.dtype}; classes {', '.join(self.classes)})"
        )
