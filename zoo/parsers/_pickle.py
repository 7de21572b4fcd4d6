"""A machine for pickle streams that can execute nothing.

A pickle is a program for a small stack machine. Python's own machine imports
modules and calls what it finds in them, which is why loading a pickle runs
whatever its author wished. This one imports nothing and calls nothing of the
file's choice: a name stays a :class:`Global`, a call of an unknown name becomes
an inert :class:`Opaque` that only remembers what was asked, and the few names
that mean data are looked up in a table of functions written here.

All opcodes of protocols 0 to 5 are understood, except for the extension
registry and out-of-band buffers, which a file on disk cannot mean.

Time and memory are bounded: every instruction is charged to a budget that the
caller sets from the size of the file, lengths are checked before anything is
allocated, and dictionary keys are limited to what hashes in constant time.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from zoo.parsers._pickle_stack import MARK, PickleStack
from zoo.parsers._pickle_values import (
    Global,
    Opaque,
    Unnamed,
    is_hostile,
    is_plain_key,
    quoted,
)

__all__ = ["Constructor", "PickleMachine"]

Constructor = Callable[..., Any]

_MAX_LONG = 1 << 10
_MAX_TEXT_NUMBER = 64
_OPCODE_COST = 16
# The text between the quotes of a string as Python 2's repr wrote it.
_ESCAPED = re.compile(
    rb"(?:[\x20-\x5b\x5d-\x7e]|\\[\\'\"abfnrtv]|\\x[0-9a-fA-F]{2}"
    rb"|\\[0-3][0-7]{2}|\\[0-7]{1,2}(?![0-7]))*"
)


def _reason(error: Exception) -> str:
    """What a constructor complains of, as a short phrase."""
    return str(error).partition("\n")[0][:200] or type(error).__name__


class PickleMachine(PickleStack):
    """Runs one pickle of a buffer.

    Parameters
    ----------
    data : bytes
        The buffer.
    source : str
        What to call the buffer in messages.
    constructors : mapping of str to callable
        What calls of dotted names give; unknown ones give :class:`Opaque`.
        They raise ValueError or TypeError for arguments that they cannot mean.
    persistent : callable, optional
        Turns a persistent id into a value; without it such ids are an error.
    start : int
        Where the pickle begins.
    budget : int, optional
        Bytes, roughly, that values may take; 64 MiB and four times the buffer
        unless given. Each opcode costs 16 of them at least, so it bounds time too.

    Attributes
    ----------
    position : int
        Where the next opcode is; after :meth:`run`, the byte after the pickle.
    """

    def __init__(
        self,
        data: bytes,
        *,
        source: str,
        constructors: Mapping[str, Constructor],
        persistent: Callable[[Any], Any] | None = None,
        start: int = 0,
        budget: int | None = None,
    ) -> None:
        allowed = (64 << 20) + 4 * len(data) if budget is None else budget
        super().__init__(data, source, start, allowed)
        self._constructors = constructors
        self._persistent = persistent
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Execute up to STOP and return the value that is left.

        Raises
        ------
        ReaderError
            If the stream is malformed or asks for too much; names the offset.
        """
        data, table = self._data, self._OPCODES
        while True:
            self._at = self.position
            if self._at >= len(data):
                raise self.error("the pickle ends without its STOP opcode")
            opcode = data[self._at]
            self.position += 1
            if opcode == 0x2E:  # STOP
                value = self._pop()
                if self._stack:
                    raise self.error("values are left on the stack at STOP")
                return value
            handler = table.get(opcode)
            if handler is None:
                raise self.error(f"0x{opcode:02x} is no pickle opcode known here")
            self._charge(_OPCODE_COST)
            handler(self)

    # -- opcodes: framing and constants --------------------------------------

    def _proto(self) -> None:
        version = self._uint(1)
        if version > 5:
            raise self.error(f"pickle protocol {version} is not known (0 to 5 are)")

    def _frame(self) -> None:
        size = self._uint(8)
        if size > len(self._data) - self.position:
            raise self.error(f"a frame of {size} bytes exceeds the pickle")

    def _text_int(self) -> None:
        line = self._line()
        # Protocol 0 writes bools so.
        truth = line in (b"00", b"01")
        self._push(line == b"01" if truth else self._number(line))

    def _text_long(self) -> None:
        self._push(self._number(self._line().removesuffix(b"L")))

    def _text_float(self) -> None:
        try:
            self._push(float(self._line()[:_MAX_TEXT_NUMBER]))
        except ValueError:
            raise self.error("a number in text form is none") from None

    def _binint(self) -> None:
        self._push(int.from_bytes(self._bytes(4), "little", signed=True))

    def _long(self, width: int) -> None:
        size = self._uint(width)
        if size > _MAX_LONG:
            raise self.error(f"a whole number of {size} bytes is too long")
        self._push(int.from_bytes(self._bytes(size), "little", signed=True))

    def _binfloat(self) -> None:
        self._push(struct.unpack(">d", self._bytes(8))[0])

    def _string(self, chunk: bytes) -> None:
        # Python 2 wrote text and bytes alike; what is UTF-8 is taken for text.
        try:
            self._push(chunk.decode("utf-8"))
        except UnicodeDecodeError:
            self._push(chunk)

    def _text_string(self) -> None:
        line = self._line().strip()
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
            raise self.error("a string lacks its quotes")
        if _ESCAPED.fullmatch(line[1:-1]) is None:
            raise self.error("a string has a wrong escape or character")
        self._string(line[1:-1].decode("unicode_escape").encode("latin-1"))

    def _text_unicode(self) -> None:
        try:
            self._push(self._line().decode("raw_unicode_escape"))
        except UnicodeDecodeError:
            raise self.error("a text has a wrong escape") from None

    def _unicode(self, width: int) -> None:
        self._push(self._text(self._bytes(self._uint(width))))

    def _bytearray(self) -> None:
        self._push(bytearray(self._bytes(self._uint(8))))

    # -- opcodes: containers -------------------------------------------------

    def _empty(self, make: Callable[[], Any], cost: int) -> None:
        self._charge(cost)
        self._push(make())

    def _tuple(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._charge(40)
        self._push(tuple(reversed(values)))

    def _key(self, key: Any) -> Any:
        if not is_plain_key(key):
            self._charge(64)
            return Unnamed(key)
        return key

    def _extend(self, values: list[Any]) -> None:
        target = self._top()
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, set):
            target.update(self._key(value) for value in values)
            self._charge(64 * len(values))
        elif not isinstance(target, Opaque):
            raise self.error(f"values are added to a {type(target).__name__}")

    def _set_items(self, values: list[Any]) -> None:
        target = self._top()
        if len(values) % 2:
            raise self.error("a key has no value")
        if isinstance(target, dict):
            self._charge(48 * len(values))
            for key, value in zip(values[::2], values[1::2], strict=True):
                target[self._key(key)] = value
        elif isinstance(target, Opaque):
            # A dictionary of a class that is not known: its items are data.
            self._charge(48 * len(values))
            for key, value in zip(values[::2], values[1::2], strict=True):
                target.items[self._key(key)] = value
        else:
            raise self.error(f"items are set in a {type(target).__name__}")

    def _make_dict(self) -> None:
        values = self._pop_to_mark()
        self._empty(dict, 64)
        self._set_items(values)

    def _make_frozenset(self) -> None:
        values = self._pop_to_mark()
        self._charge(216 + 64 * len(values))
        self._push(frozenset(self._key(value) for value in values))

    def _append(self) -> None:
        value = self._pop()
        self._extend([value])

    def _setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    def _appends(self) -> None:
        self._extend(self._pop_to_mark())

    def _setitems(self) -> None:
        self._set_items(self._pop_to_mark())

    def _drop(self) -> None:
        if not self._stack:
            raise self.error("the stack has no value left")
        self._stack.pop()

    # -- opcodes: memo -------------------------------------------------------

    def _put(self, index: int) -> None:
        if not 0 <= index < 1 << 32:
            raise self.error(f"the memo has no place {index}")
        self._charge(64)
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise self.error(f"memo place {index} is read before it is written")
        self._push(self._memo[index])

    # -- opcodes: names and calls --------------------------------------------

    def _name(self, module: str, name: str) -> Global:
        if is_hostile(module, name):
            raise self.error(
                f"the file wants to use {quoted(f'{module}.{name}')}, which only "
                f"code needs and no weights do; it is refused, and nothing was run: "
                f"do not open it with torch.load"
            )
        self._charge(256)
        return Global(module, name)

    def _global(self) -> None:
        module, name = self._text(self._line()), self._text(self._line())
        self._push(self._name(module, name))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise self.error("the name of a class is not a text")
        self._push(self._name(module, name))

    def _call(self, function: Any, arguments: Any, keywords: Any = None) -> Any:
        if isinstance(function, Opaque):
            # What an inert call would give is called in turn: as inert.
            self._charge(128)
            return Opaque(function.function, (), function.reason)
        if not isinstance(function, Global):
            raise self.error(f"a {type(function).__name__} is called")
        if not isinstance(arguments, tuple):
            raise self.error(f"{quoted(str(function))} is called without a tuple")
        constructor = self._constructors.get(str(function))
        self._charge(128)
        if constructor is None or keywords:
            return Opaque(function, arguments)
        self._charge_copies(arguments)
        for argument in arguments:
            if isinstance(argument, Opaque) and argument.reason:
                return Opaque(function, (), argument.reason)
        try:
            return constructor(*arguments)
        except (ValueError, TypeError, IndexError) as error:
            return Opaque(function, (), _reason(error))

    def _charge_copies(self, values: tuple[Any, ...]) -> None:
        """Charge what may be copied: it can come from the memo, again and again."""
        for value in values:
            if isinstance(value, (list, tuple, dict)):
                self._charge(128 * len(value))
            elif isinstance(value, (str, bytes, bytearray)):
                self._charge(2 * len(value))

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        self._push(self._call(function, arguments))

    def _newobj_ex(self) -> None:
        keywords, arguments, function = self._pop(), self._pop(), self._pop()
        self._push(self._call(function, arguments, keywords))

    def _inst(self) -> None:
        self._global()
        function = self._pop()
        self._push(self._call(function, tuple(self._pop_to_mark())))

    def _obj(self) -> None:
        values = self._pop_to_mark()
        if not values:
            raise self.error("an object has no class")
        self._push(self._call(values[0], tuple(values[1:])))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        build = getattr(type(target), "build", None)
        if build is not None:
            if isinstance(state, tuple) and not isinstance(target, Opaque):
                self._charge_copies(state)
            try:
                build(target, state)
            except (ValueError, TypeError, IndexError) as error:
                # The target knows by now that it is unreadable.
                target.reason = _reason(error)
        elif not isinstance(target, dict) and self._is_plain(target):
            # A dict's attributes (torch's _metadata of versions) are let go, and
            # so are a tensor's.
            raise self.error(f"a {type(target).__name__} is given attributes")

    @staticmethod
    def _is_plain(value: Any) -> bool:
        return value is None or isinstance(
            value, (bool, int, float, str, bytes, bytearray, list, tuple, set, Global)
        )

    def _persistent_id(self, pid: Any) -> None:
        if self._persistent is None:
            raise self.error("there is a persistent id and no container around")
        try:
            self._push(self._persistent(pid))
        except (ValueError, TypeError) as error:
            self._charge(128)
            named = pid[1] if isinstance(pid, tuple) and len(pid) > 1 else None
            name = named if isinstance(named, Global) else Global("", "persistent_id")
            self._push(Opaque(name, (), _reason(error)))

    _OPCODES: ClassVar[Mapping[int, Callable[[PickleMachine], None]]] = {
        0x80: _proto,
        0x95: _frame,
        # constants
        ord("N"): lambda m: m._push(None),
        0x88: lambda m: m._push(True),
        0x89: lambda m: m._push(False),
        ord("I"): _text_int,
        ord("L"): _text_long,
        ord("F"): _text_float,
        ord("J"): _binint,
        ord("K"): lambda m: m._push(m._uint(1)),
        ord("M"): lambda m: m._push(m._uint(2)),
        0x8A: lambda m: m._long(1),
        0x8B: lambda m: m._long(4),
        ord("G"): _binfloat,
        ord("S"): _text_string,
        ord("T"): lambda m: m._string(m._bytes(m._uint(4))),
        ord("U"): lambda m: m._string(m._bytes(m._uint(1))),
        ord("V"): _text_unicode,
        0x8C: lambda m: m._unicode(1),
        ord("X"): lambda m: m._unicode(4),
        0x8D: lambda m: m._unicode(8),
        ord("C"): lambda m: m._push(m._bytes(m._uint(1))),
        ord("B"): lambda m: m._push(m._bytes(m._uint(4))),
        0x8E: lambda m: m._push(m._bytes(m._uint(8))),
        0x96: _bytearray,
        # containers
        ord("]"): lambda m: m._empty(list, 56),
        ord("}"): lambda m: m._empty(dict, 64),
        ord(")"): lambda m: m._push(()),
        0x8F: lambda m: m._empty(set, 216),
        ord("("): lambda m: m._push(MARK),
        ord("t"): lambda m: m._push(tuple(m._pop_to_mark())),
        0x85: lambda m: m._tuple(1),
        0x86: lambda m: m._tuple(2),
        0x87: lambda m: m._tuple(3),
        ord("l"): lambda m: m._push(m._pop_to_mark()),
        ord("d"): _make_dict,
        0x91: _make_frozenset,
        ord("a"): _append,
        ord("e"): _appends,
        0x90: _appends,
        ord("s"): _setitem,
        ord("u"): _setitems,
        ord("0"): _drop,
        ord("1"): lambda m: m._pop_to_mark().clear(),
        ord("2"): lambda m: m._push(m._top()),
        # memo
        ord("p"): lambda m: m._put(m._number(m._line())),
        ord("q"): lambda m: m._put(m._uint(1)),
        ord("r"): lambda m: m._put(m._uint(4)),
        0x94: lambda m: m._put(len(m._memo)),
        ord("g"): lambda m: m._get(m._number(m._line())),
        ord("h"): lambda m: m._get(m._uint(1)),
        ord("j"): lambda m: m._get(m._uint(4)),
        # names and calls
        ord("c"): _global,
        0x93: _stack_global,
        ord("R"): _reduce,
        0x81: _reduce,
        0x92: _newobj_ex,
        ord("i"): _inst,
        ord("o"): _obj,
        ord("b"): _build,
        ord("P"): lambda m: m._persistent_id(m._text(m._line())),
        ord("Q"): lambda m: m._persistent_id(m._pop()),
    }
