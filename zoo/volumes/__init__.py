"""Volumes: formats of medical imaging, and the geometry that must come through."""

from zoo.volumes.volume import Volume

__all__ = ["Volume"]
