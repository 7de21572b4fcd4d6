"""Readers of file formats; a file per format, no knowledge of networks."""

from zoo.parsers.base import Checkpoint, Reader

__all__ = ["Checkpoint", "Reader"]
