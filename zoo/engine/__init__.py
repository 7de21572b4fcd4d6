"""The engine: from a network to what is really executed for one picture size.

lowering  a network's layers to a program of array operations
fusion    operations that can be done in one pass over the pixels
recompute cheap values that are read late are made twice
schedule  which rows of which value are computed when, and how much is kept
plan      all of it together, ready to run
"""

from zoo.engine.plan import Plan, Progress

__all__ = ["Plan", "Progress"]
