"""How decoders say that data are broken, and what they got of them."""

from __future__ import annotations

__all__ = ["Broken"]


class Broken(Exception):
    """Data that cannot be decoded to their end.

    Parameters
    ----------
    partial : bytes
        What was decoded before the fault.
    reason : str
        As in "is damaged: REASON".
    """

    def __init__(self, partial: bytes, reason: str) -> None:
        super().__init__(reason)
        self.partial = partial
        self.reason = reason
