"""Ctrl-C and SIGTERM wait for the end of an update."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["deferred_signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_signals() -> Iterator[Callable[[], bool]]:
    """Within the block, keep the first signal until the block has ended.

    In the middle of an update weights and optimizer do not fit together, so that is
    no moment to write them down. The second signal does not wait. Signals that are
    ignored (``nohup``) stay so; threads other than the main one get none.

    Yields
    ------
    callable
        Whether a signal waits.
    """
    waiting: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        restore()
        waiting.append(number)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():
        before = {
            number: handler
            for number in _SIGNALS
            if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
        }
        for number in before:
            signal.signal(number, note)
    try:
        yield lambda: bool(waiting)
    finally:
        restore()
    if waiting:
        signal.raise_signal(waiting[0])
