"""Copying a ``state_dict`` into a module: all is checked before anything changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.tensor import Size, Tensor

# Names that are shown with their neighbours; of more than these only a list is shown.
_EXPLAINED = 8

_CONVERT = "array.astype(numpy.float32)"
_AS_NUMBERS = {
    "c": "array.real.astype(numpy.float32), if the imaginary part is to be lost",
    "V": "array.astype(numpy.float32), one field of it if it has several",
}


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class IncompatibleKeys(_Keys):
    """The names that ``load_state_dict`` did not find, and those that it had no use for.

    Attributes:
        mismatched_keys: names that were skipped because the shapes differ, each with the shape
            that was given and the model's own.
    """

    mismatched_keys: list[tuple[str, Size, Size]]

    def __new__(
        cls,
        missing_keys: list[str],
        unexpected_keys: list[str],
        mismatched_keys: Iterable[tuple[str, Size, Size]] = (),
    ) -> IncompatibleKeys:
        self = super().__new__(cls, missing_keys, unexpected_keys)
        self.mismatched_keys = list(mismatched_keys)
        return self

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys and not self.mismatched_keys:
            return "<All keys matched successfully>"
        skipped = f", mismatched_keys={self.mismatched_keys}" if self.mismatched_keys else ""
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys}{skipped})"
        )


def renamed(given: Mapping[str, Any], patterns: Mapping[str, str]) -> dict[str, Any]:
    """``given`` under the names that ``patterns`` give: see ``Module.load_state_dict``.

    Raises:
        ValueError: when a pattern matches nothing, or two names become one.

    >>> renamed({"module.encoder.0.weight": 1, "n": 2}, {"module.encoder.*.*": "body.*.*"})
    {'body.0.weight': 1, 'n': 2}
    """
    import re

    if not isinstance(patterns, Mapping):
        raise TypeError(
            "load_state_dict: rename must be a dict of pattern and new name, got "
            f"{type(patterns).__name__}"
        )
    rules = [
        (pattern, re.compile("(.*)".join(map(re.escape, pattern.split("*")))), new)
        for pattern, new in patterns.items()
    ]
    for pattern, _, new in rules:
        if new.count("*") > pattern.count("*"):
            raise ValueError(
                f"load_state_dict: rename has more * in {new!r} than in {pattern!r}, for which "
                "they stand"
            )
    unused = dict.fromkeys(patterns)
    result: dict[str, Any] = {}
    before: dict[str, str] = {}
    for name, value in given.items():
        other = name
        for pattern, expression, new in rules:
            match = expression.fullmatch(name)
            if match is not None:
                first, *others = new.split("*")
                other = first + "".join(map("".join, zip(match.groups(), others)))
                unused.pop(pattern, None)
                break
        if other in result:
            raise ValueError(
                f"load_state_dict: rename gives {before[other]!r} and {name!r} the same name, "
                f"{other!r}"
            )
        result[other] = value
        before[other] = name
    for pattern in unused:
        raise ValueError(
            f"load_state_dict: rename: no name matches {pattern!r}{nearest(pattern, given)}"
        )
    return result


class Target:
    """The tensors of a module that a ``state_dict`` is to be copied into.

    Args:
        title: the module's class, for the error.
        own: the tensors to write to.
        may_be_missing: names that are not missed.

    Attributes:
        missing, unexpected, errors: what hooks add to what is found here.
        after: functions that are called with the result, and may change it.
    """

    def __init__(
        self, title: str, own: Mapping[str, Tensor], may_be_missing: Collection[str]
    ) -> None:
        self._title = title
        self._own = own
        self._may_be_missing = may_be_missing
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.after: list[Callable[[IncompatibleKeys], object]] = []

    def load(
        self, given: Mapping[str, Any], strict: bool, mismatch: str = "raise"
    ) -> IncompatibleKeys:
        """Copy ``given`` into the tensors of the same names.

        Args:
            given: tensors or NumPy arrays.
            strict: whether missing and unexpected names are an error.
            mismatch: ``"raise"`` or ``"skip"``, where shapes differ.

        Raises:
            TypeError: when ``given`` is no mapping, or holds something else than real numbers.
            RuntimeError: with all misfits.
        """
        if not isinstance(given, Mapping):
            raise TypeError(
                "load_state_dict: expected a mapping of names to tensors, got "
                f"{type(given).__name__}"
            )
        if mismatch not in {"raise", "skip"}:
            raise ValueError(
                f"load_state_dict: mismatch must be 'raise' or 'skip', got {mismatch!r}"
            )
        own, optional = self._own, self._may_be_missing
        absent = [name for name in own if name not in given and name not in optional]
        result = IncompatibleKeys(
            self.missing + absent, self.unexpected + [name for name in given if name not in own]
        )
        # With functions that may forgive a missing name it is judged when they have been called.
        names = _names(*result) if strict and not self.after else []
        arrays = self._fitting(given, mismatch, result, names + self.errors)
        for name, array in arrays.items():
            target = own[name].array
            np.copyto(target, array, casting="unsafe")
            note_write(target, "load_state_dict")
        for function in self.after:
            function(result)
        if strict and self.after:
            self._refuse(_names(*result))
        return result

    def _fitting(
        self,
        given: Mapping[str, Any],
        mismatch: str,
        result: IncompatibleKeys,
        errors: list[str],
    ) -> dict[str, Any]:
        """The arrays that are to be copied; those of other shapes are errors, or in ``result``."""
        arrays = {}
        for name, tensor in self._own.items():
            if name not in given:
                continue
            value = given[name]
            if not isinstance(value, (Tensor, np.ndarray, np.generic)):
                errors.append(
                    f'"{name}": expected a Tensor or a NumPy array, got {type(value).__name__}'
                )
                continue
            array = value.array if isinstance(value, Tensor) else np.asarray(value)
            if array.dtype.kind not in "biuf":
                how = _AS_NUMBERS.get(array.dtype.kind, _CONVERT)
                raise TypeError(
                    f"load_state_dict: {name!r} holds {array.dtype}, which is no dtype of real "
                    f"numbers; give it as {tensor.array.dtype}: {how}"
                )
            if array.shape == tensor.array.shape:
                arrays[name] = array
            elif mismatch == "skip":
                result.mismatched_keys.append((name, Size(array.shape), tensor.shape))
            else:
                errors.append(
                    f"size mismatch for {name}: copying a param with shape {Size(array.shape)} "
                    f"from checkpoint, the shape in current model is {tensor.shape}."
                )
        self._refuse(errors)
        return arrays

    def _refuse(self, errors: list[str]) -> None:
        if errors:
            listed = "\n\t".join(errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {self._title}:\n\t{listed}")


def _names(missing: list[str], unexpected: list[str]) -> list[str]:
    """What to say about missing and unexpected names."""
    lines = []
    for kind, absent, others in (
        ("Missing", missing, unexpected),
        ("Unexpected", unexpected, missing),
    ):
        if absent:
            shown = [f'"{name}"' for name in absent]
            if len(absent) <= _EXPLAINED:
                shown = [f'"{name}"{nearest(name, others)}' for name in absent]
            lines.append(f"{kind} key(s) in state_dict: {', '.join(shown)}. ")
    if missing and {name.partition(".")[2] for name in unexpected} == set(missing):
        lead = unexpected[0].partition(".")[0]
        lines.append(
            f"All names of the state_dict have {lead + '.'!r} before them: "
            f"load_state_dict(state_dict, rename={{{lead + '.*'!r}: '*'}}) strips it"
        )
    return lines


def nearest(name: str, names: Iterable[str]) -> str:
    """``" (near: …)"`` with the names that resemble ``name``, or nothing."""
    from difflib import get_close_matches

    candidates = [candidate for candidate in names if candidate]
    near = get_close_matches(name, candidates, 3) or candidates[:3]
    return f" (near: {', '.join(map(repr, near))})" if near else ""
