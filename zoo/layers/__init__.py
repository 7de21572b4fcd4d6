"""Layers: a file per layer, with its keys, shape rule and mathematics."""

from zoo.layers.base import Array, Layer, Optimizer, Window

__all__ = ["Array", "Layer", "Optimizer", "Window"]
