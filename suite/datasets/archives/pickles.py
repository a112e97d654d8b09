"""Pickles of others: numbers, text, arrays and plain containers, and no way to run anything.

`pickle.Unpickler` with a guarded `find_class` stops imports, but not a memo index that allocates 34 GB, a tuple of
tuples whose hash never ends, or an array state that makes NumPy read addresses from the file. Here the machine is our
own, over the opcodes that `pickletools.genops` decodes: it has no import at all, builds arrays from bytes whose length
must match, and refuses every opcode that plain data do not need.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from suite.errors import SuiteError

# Real ones (the ground truths of R-Oxford and R-Paris, the tuples of SfM-120k) hold some hundred bytes an image.
MAX_PICKLE_BYTES = 256 * 2**20
# An opcode makes an object of at most some 200 bytes beyond what it brings itself; 100,000 images with a dozen names
# and numbers each need two or three million.
MAX_OPERATIONS = 10_000_000

_NUMBERS = re.compile(r"[biufcSU][0-9]{1,9}")
_SCALARS = (str, bytes, int, float, bool, type(None), np.generic)


class _Refused(ValueError):
    """What a pickle asked for and does not get."""


class _Dtype:
    """A dtype in the making: `numpy.dtype("f8", False, True)`, then its state."""

    def __init__(self, code: Any = "", *_: Any):
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            raise _Refused(f"an array of {ascii(code)[:40]}, neither numbers nor text")
        self.dtype = np.dtype(code)

    def build(self, state: Any) -> _Dtype:
        order, structure = state[1], state[2:5]
        if order not in ("<", ">", "|", "=") or any(part is not None for part in structure):
            raise _Refused("an array of records")
        self.dtype = self.dtype.newbyteorder(order)
        return self


class _Array:
    """An array in the making: `_reconstruct(ndarray, (0,), b"b")`, then its state."""

    def __init__(self, kind: Any, shape: Any, code: Any):
        if kind is not _Array or shape != (0,):
            raise _Refused("an array of its own class or size")
        self.noted: list[int] = []

    def build(self, state: Any) -> np.ndarray:
        _, shape, dtype, by_columns, raw = state
        if not isinstance(dtype, _Dtype) or not all(isinstance(side, int) and side >= 0 for side in shape):
            raise _Refused("an array of unknown kind")
        array = _values(dtype, raw, math.prod(shape))
        return array.reshape(shape, order="F" if by_columns else "C")


def _scalar(dtype: Any, raw: Any) -> np.generic:
    if not isinstance(dtype, _Dtype):
        raise _Refused("a number of unknown kind")
    return _values(dtype, raw, 1)[0]


def _values(dtype: _Dtype, raw: Any, count: int) -> np.ndarray:
    # Python 2 wrote bytes as text; read as Latin-1, each character is a byte.
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(data, bytes) or not dtype.dtype.itemsize or len(data) != count * dtype.dtype.itemsize:
        raise _Refused("an array whose bytes are not of its size")
    # frombuffer shares the bytes and cannot be written to.
    return np.frombuffer(data, dtype.dtype).copy()


def _encoded(text: Any, encoding: Any) -> bytes:
    """How Python 3 writes bytes in protocol 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise _Refused("text in another encoding than latin1")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


def _set(members: Any = ()) -> set[Any]:
    return set(_keys(members))


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    return dict(zip(_keys([key for key, _ in pairs]), [value for _, value in pairs], strict=True))


def _keys(values: Any) -> list[Any]:
    """`values` if they are scalars: the hash of a tuple of tuples of one tuple can take for ever."""
    keys = list(values)
    if not all(isinstance(key, _SCALARS) for key in keys):
        raise _Refused("a key that is no number or text")
    return keys


_KNOWN: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray _reconstruct": _Array,
    "numpy._core.multiarray _reconstruct": _Array,
    "numpy.core.multiarray scalar": _scalar,
    "numpy._core.multiarray scalar": _scalar,
    "numpy ndarray": _Array,
    "numpy dtype": _Dtype,
    "_codecs encode": _encoded,
    "__builtin__ bytes": _no_bytes,
    "builtins bytes": _no_bytes,
    "__builtin__ set": _set,
    "builtins set": _set,
    "collections OrderedDict": _ordered,
}


def load_pickle(data: bytes, where: str) -> Any:
    """The plain value that a pickle of protocol 0 to 4 holds; strings of Python 2 are read as Latin-1.

    Args:
        data: the pickle.
        where: what it is, for error messages.

    Returns:
        None, bool, int, float, str, bytes, list, tuple, dict, set, and NumPy arrays and scalars of numbers or text.

    Raises:
        SuiteError: it asks for anything else (naming what it wanted to import), or is damaged or oversized.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise SuiteError(f"{where}: a pickle of {len(data):,} bytes, more than {MAX_PICKLE_BYTES:,}; do not use it")
    try:
        return _Machine().run(data)
    except _Refused as error:
        raise SuiteError(f"{where}: a pickle that asks for {error}; do not use it: only plain data are read") from None
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, MemoryError) as error:
        raise SuiteError(f"{where}: not a sound pickle ({str(error)[:120]}); fetch it again") from None


class _Machine:
    """The stack machine of pickle, as far as plain data need it."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        stream = io.BytesIO(data)
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MAX_OPERATIONS:
                raise _Refused(f"more than {MAX_OPERATIONS:,} operations")
            if opcode.name in _PUSHED:
                self.stack.append(argument)
            elif opcode.name in _STEPS:
                _STEPS[opcode.name](self, argument)
            elif opcode.name != "STOP":
                raise _Refused(f"the operation {opcode.name}")
        (value,) = self.stack
        if self.marks or stream.read(1) or callable(value) or isinstance(value, _Dtype | _Array):
            raise ValueError("it does not end where it should")
        return value

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def pop_many(self, count: int) -> tuple[Any, ...]:
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise ValueError("too few values for a tuple")
        del self.stack[-count:]
        return items

    def pop_value(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def note(self, index: int) -> None:
        value = self.memo[index] = self.stack[-1]
        if isinstance(value, _Array):
            value.noted.append(index)

    def find(self, name: str) -> None:
        if name not in _KNOWN:
            raise _Refused(ascii(name.replace(" ", "."))[1:-1][:120])
        self.stack.append(_KNOWN[name])

    def call(self) -> None:
        function, arguments = self.pop_many(2)
        if not isinstance(arguments, tuple) or not callable(function):
            raise _Refused("a call of something that is no function")
        self.stack.append(function(*arguments))

    def build(self) -> None:
        made, state = self.pop_many(2)
        if not isinstance(made, _Dtype | _Array):
            raise _Refused("a state for plain data")
        built = made.build(state)
        self.stack.append(built)
        if isinstance(made, _Array):
            for index in made.noted:
                self.memo[index] = built

    def extend(self, values: list[Any]) -> None:
        self.last(list).extend(values)

    def add(self, values: list[Any]) -> None:
        self.last(set).update(_keys(values))

    def make_dict(self) -> None:
        values = self.since_mark()
        self.stack.append({})
        self.update(values)

    def update(self, values: list[Any]) -> None:
        self.last(dict).update(zip(_keys(values[::2]), values[1::2], strict=True))

    def last(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"no {kind.__name__} to fill")
        return self.stack[-1]


# Opcodes whose decoded argument is the value itself.
_NUMBER_CODES = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXT_CODES = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_BYTES_CODES = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8")
_PUSHED = frozenset((*_NUMBER_CODES, *_TEXT_CODES, *_BYTES_CODES))
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "MARK": lambda machine, _: machine.mark(),
    "LIST": lambda machine, _: machine.push(machine.since_mark()),
    "DICT": lambda machine, _: machine.make_dict(),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.push(machine.pop_many(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.pop_many(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.pop_many(3)),
    "APPEND": lambda machine, _: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update(list(machine.pop_many(2))),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.add(machine.since_mark()),
    "POP": lambda machine, _: machine.pop_value(),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    "PUT": lambda machine, index: machine.note(index),
    "BINPUT": lambda machine, index: machine.note(index),
    "LONG_BINPUT": lambda machine, index: machine.note(index),
    "MEMOIZE": lambda machine, _: machine.note(len(machine.memo)),
    "GET": lambda machine, index: machine.push(machine.memo[index]),
    "BINGET": lambda machine, index: machine.push(machine.memo[index]),
    "LONG_BINGET": lambda machine, index: machine.push(machine.memo[index]),
    "GLOBAL": lambda machine, name: machine.find(name),
    "STACK_GLOBAL": lambda machine, _: machine.find(" ".join(map(str, machine.pop_many(2)))),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}
