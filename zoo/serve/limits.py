"""How much a session takes of everything."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of a session.

    Attributes
    ----------
    body : int
        Bytes of a file that is dropped.
    text : int
        Bytes of any other body.
    pixels : int
        Of a picture, or voxels of a volume, by its header, before it is decoded.
    output_pixels : int
        Of a result.
    files : int
        That are dropped in a session; the oldest must be removed for others.
    stored : int
        Bytes of all of them together.
    jobs : int
        That wait.
    connections : int
        At a time.
    head_seconds, request_seconds, job_seconds : float
        Until a request has come, until it is answered, until a job has ended.
    """

    body: int = 256 << 20
    text: int = 64 << 10
    pixels: int = 1 << 25
    output_pixels: int = 1 << 28
    files: int = 64
    stored: int = 1 << 30
    jobs: int = 64
    connections: int = 32
    head_seconds: float = 10.0
    request_seconds: float = 60.0
    job_seconds: float = 3600.0
