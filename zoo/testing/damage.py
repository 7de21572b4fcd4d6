"""Damaged copies of a good file, for readers that must bear them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["damaged_copies"]


def damaged_copies(good: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Cut anywhere, bits flipped, numbers written over, parts repeated: what, bytes."""
    rng = np.random.default_rng(seed)
    yield "the empty file", b""
    for index in range(count):
        at = int(rng.integers(len(good)))
        match index % 4:
            case 0:
                yield f"cut at byte {at}", good[:at]
            case 1:
                bit = int(rng.integers(8))
                changed = bytearray(good)
                changed[at] ^= 1 << bit
                yield f"bit {bit} of byte {at} flipped", bytes(changed)
            case 2:
                number = (b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f")[index // 4 % 3]
                yield (
                    f"{number.hex()} written at byte {at}",
                    good[:at] + number + good[at + len(number) :],
                )
            case _:
                length = int(rng.integers(1, 65))
                yield (
                    f"{length} bytes at byte {at} repeated",
                    good[:at] + good[at : at + length] + good[at:],
                )
