"""Super-resolution networks as text files, run and trained on a CPU."""

from zoo._version import __version__

__all__ = ["__version__"]
