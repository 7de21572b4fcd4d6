"""The passive half of the pickle machine: bytes in, a stack, and a budget."""

from __future__ import annotations

from typing import Any, Final

from zoo.errors import ReaderError

__all__ = ["MARK", "PickleStack"]

MARK: Final = object()
"""Stands on the stack where a run of values begins."""

_MAX_TEXT_NUMBER = 64
_MAX_LINE = 1 << 16


class PickleStack:
    """Reads a buffer from a position on, keeps a stack, and counts what it costs.

    Parameters
    ----------
    data : bytes
        The buffer.
    source : str
        What to call it in messages.
    start : int
        Where reading begins.
    budget : int
        Bytes, roughly, that values may take.
    """

    def __init__(self, data: bytes, source: str, start: int, budget: int) -> None:
        self._data = data
        self._source = source
        self._budget = budget
        self._stack: list[Any] = []
        self._at = start
        self.position = start

    def error(self, reason: str) -> ReaderError:
        """Make an error that names the file and the opcode's offset."""
        return ReaderError(
            f"{self._source}: {reason} (at byte {self._at} of the pickle)"
        )

    # -- bytes ---------------------------------------------------------------

    def _charge(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise self.error("the pickle builds far more than its size accounts for")

    def _bytes(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self._data):
            raise self.error(f"{size} bytes are announced and the pickle ends before")
        self._charge(size)
        chunk = self._data[self.position : end]
        self.position = end
        return chunk

    def _uint(self, width: int) -> int:
        return int.from_bytes(self._bytes(width), "little")

    def _line(self) -> bytes:
        limit = self.position + _MAX_LINE
        end = self._data.find(b"\n", self.position, limit)
        if end < 0:
            raise self.error("a line of text has no end")
        line = self._bytes(end - self.position)
        self.position += 1
        return line

    def _text(self, chunk: bytes) -> str:
        try:
            return chunk.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise self.error("a text is not UTF-8") from None

    def _number(self, line: bytes) -> int:
        if not 0 < len(line) <= _MAX_TEXT_NUMBER:
            raise self.error("a number in text form is empty or too long")
        try:
            return int(line)
        except ValueError:
            raise self.error("a number in text form is none") from None

    # -- stack ---------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is MARK:
            raise self.error("the stack has no value left")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack or self._stack[-1] is MARK:
            raise self.error("the stack has no value left")
        return self._stack[-1]

    def _pop_to_mark(self) -> list[Any]:
        stack = self._stack
        index = len(stack) - 1
        while index >= 0 and stack[index] is not MARK:
            index -= 1
        if index < 0:
            raise self.error("there is no mark on the stack")
        values = stack[index + 1 :]
        del stack[index:]
        self._charge(8 * len(values))
        return values
