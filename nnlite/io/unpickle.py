"""Reading a pickle as data: a small stack machine that knows containers and calls nothing.

A pickle is a program for a stack machine; Python's own ``pickle`` runs it, and it can call anything
that can be imported. This machine has no instruction that imports or calls: what a program names is
looked up in a table that the caller gives, and everything else is refused by its name. The standard
library's ``pickletools`` takes the instructions apart.

Source: the opcodes' documentation in ``pickletools``, protocols 0 to 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any, BinaryIO, NamedTuple, cast

__all__ = ["Global", "as_key", "unpickle"]

_MARK = object()
_MOST = 5_000_000  # instructions; a checkpoint of a thousand tensors has some forty thousand
_COPIED = 2**20  # elements that calls may copy beyond the file's own size: else each would copy …
_INTEGERS = 2**61 - 1  # … whatever stands before it. Below this, no two integers share a hash
_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NEW: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": set}
_SHORT_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_SIZED = (str, bytes, tuple, list, dict, set, frozenset)
_KEYS = (str, int, float, bool, bytes, type(None))


class Global(NamedTuple):
    """What a pickle names: a class or a function. Only a name here."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


Table = Mapping[Global, Any]


def unpickle(
    stream: BinaryIO,
    known: Table,
    persistent: Callable[[Any], Any],
    build: Callable[[Any, Any], Any],
) -> Any:
    """Read one pickle, and leave the stream behind its end.

    Args:
        stream: where the pickle begins.
        known: what the pickle may name. Where that is a function, it stands for the name when the
            pickle calls it; anything else is put in the name's place.
        persistent: gives the object that an identifier stands for.
        build: gives an object its state.

    Raises:
        ValueError: the pickle is damaged, or asks for something that ``known`` lacks.

    >>> import io, pickle
    >>> unpickle(io.BytesIO(pickle.dumps({"a": [1, (2.5, None)]})), {}, id, id)
    {'a': [1, (2.5, None)]}
    >>> unpickle(io.BytesIO(pickle.dumps(print)), {}, id, id)
    Traceback (most recent call last):
    ...
    ValueError: it names builtins.print, which is neither a tensor nor a plain container
    """
    import pickletools

    machine = _Machine(known, persistent, build)
    instructions = pickletools.genops(cast("IO[bytes]", _Whole(stream)))
    for _ in range(_MOST):
        try:
            opcode, argument, position = next(instructions)
        except Exception as error:  # it raises many kinds for a damaged file
            raise ValueError(f"its pickle is damaged ({error})") from error
        if opcode.name == "STOP":
            return machine.pop()
        machine.position = position or 0
        try:
            machine.run(opcode.name, argument)
        except (ArithmeticError, LookupError, TypeError, AttributeError, RuntimeError) as error:
            raise ValueError(f"its pickle is damaged (at {opcode.name}: {error!r})") from error
    raise ValueError(f"its pickle has more than {_MOST:,} instructions: keep long lists as tensors")


class _Whole:
    """A stream whose reads make room for what it holds, not for what is asked of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.readline = stream.readline
        self.tell = stream.tell
        self.stream = stream

    def read(self, count: int) -> bytes:
        if count < _COPIED:
            return self.stream.read(count)
        begin = self.stream.tell()
        end = self.stream.seek(0, 2)
        self.stream.seek(begin)
        return self.stream.read(min(count, end - begin))


class _Machine:
    """The stack and the memo."""

    def __init__(
        self,
        known: Table,
        persistent: Callable[[Any], Any],
        build: Callable[[Any, Any], Any],
    ) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.known = known
        self.persistent = persistent
        self.build = build
        self.position = 0  # of the instruction in the file
        self.copied = 0

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("its pickle is damaged (nothing on the stack)")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        """What was pushed since the last mark."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise ValueError("its pickle is damaged (a mark is missing)")

    def run(self, opcode: str, argument: Any) -> None:
        """One instruction."""
        push = self.stack.append
        if opcode in _LITERALS:
            push(argument)
        elif opcode == "BYTEARRAY8":
            push(bytes(argument))
        elif opcode in _CONSTANTS:
            push(_CONSTANTS[opcode])
        elif opcode in _NEW:
            push(_NEW[opcode]())
        elif opcode in _SHORT_TUPLES:
            values = [self.pop() for _ in range(_SHORT_TUPLES[opcode])]
            push(tuple(reversed(values)))
        elif opcode == "MARK":
            push(_MARK)
        elif opcode == "MEMOIZE":
            self.memo[len(self.memo)] = self._top()
        elif opcode in {"PUT", "BINPUT", "LONG_BINPUT"}:
            self.memo[argument] = self._top()
        elif opcode in {"GET", "BINGET", "LONG_BINGET"}:
            push(self.memo[argument])
        elif opcode in {"TUPLE", "LIST"}:
            values = self.pop_to_mark()
            push(tuple(values) if opcode == "TUPLE" else values)
        elif opcode in {"DICT", "FROZENSET"}:
            values = self.pop_to_mark()
            push(_dict({}, values) if opcode == "DICT" else frozenset(map(as_key, values)))
        elif opcode == "APPEND":
            value = self.pop()
            _list(self._top()).append(value)
        elif opcode == "APPENDS":
            values = self.pop_to_mark()
            _list(self._top()).extend(values)
        elif opcode == "ADDITEMS":
            values = self.pop_to_mark()
            self._top().update(map(as_key, values))
        elif opcode == "SETITEM":
            value, key = self.pop(), self.pop()
            _dict(self._top(), [key, value])
        elif opcode == "SETITEMS":
            values = self.pop_to_mark()
            _dict(self._top(), values)
        elif opcode == "POP":
            self.stack.pop()
        elif opcode == "POP_MARK":
            self.pop_to_mark()
        elif opcode == "DUP":
            push(self._top())
        elif opcode == "GLOBAL":
            module, _, name = argument.partition(" ")
            push(self._named(module, name))
        elif opcode == "STACK_GLOBAL":
            name, module = self.pop(), self.pop()
            push(self._named(module, name))
        elif opcode == "REDUCE":
            arguments, function = self.pop(), self.pop()
            push(self._call(function, arguments))
        elif opcode == "BUILD":
            state, value = self.pop(), self.pop()
            self._spend(state)
            push(self.build(value, state))
        elif opcode == "BINPERSID":
            push(self.persistent(self.pop()))
        elif opcode not in {"PROTO", "FRAME"}:
            raise ValueError(
                f"its pickle uses {opcode}, which no file of tensors needs and which could run code"
            )

    def _top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("its pickle is damaged (nothing on the stack)")
        return self.stack[-1]

    def _named(self, module: Any, name: Any) -> Any:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("its pickle is damaged (a name that is no text)")
        found = Global(module, name)
        if found not in self.known:
            raise ValueError(
                f"it names {found!s:.100}, which is neither a tensor nor a plain container"
            )
        meaning = self.known[found]
        return found if callable(meaning) else meaning

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Global) or type(arguments) is not tuple:
            raise ValueError("its pickle is damaged (it calls what is no function)")
        self._spend(arguments)
        return self.known[function](*arguments)

    def _spend(self, values: Any) -> None:
        """Count what a call may copy; a file gives each value once, so its size bounds it."""
        if type(values) is tuple:
            self.copied += sum(len(value) for value in values if isinstance(value, _SIZED))
        if self.copied > _COPIED + self.position:
            raise ValueError(f"its pickle copies {self.copied:,} elements, more than it has")


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TypeError(f"{type(value).__name__} is no list")
    return value


def _dict(value: Any, items: list[Any]) -> dict[Any, Any]:
    """Set keys and values, which take turns in ``items``."""
    if not isinstance(value, dict) or len(items) % 2:
        raise TypeError(f"{type(value).__name__} is no dict, or a value is missing")
    for place in range(0, len(items), 2):
        value[as_key(items[place])] = items[place + 1]
    return value


def as_key(value: Any) -> Any:
    """A key whose hash is quick to compute: a tuple in which tuples repeat could take for ever."""
    for part in value if type(value) is tuple and len(value) < 100 else (value,):
        if type(part) is int and abs(part) >= _INTEGERS:
            raise TypeError("an integer of 61 bits or more as a key")
        if type(part) not in _KEYS and not isinstance(part, Global):
            raise TypeError(f"{type(part).__name__} as a key")
    return value
