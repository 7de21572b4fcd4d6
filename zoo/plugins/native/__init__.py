"""The native back end: C kernels behind Cython.

What C does not cover (float64, activations across channels, empty arrays) goes to
the NumPy back end, from which this one inherits. Results are the same bits for
every number of threads.
"""

from zoo.plugins.native.codes import ALGORITHMS, Algorithm
from zoo.plugins.native.kernels import NativeKernels

__all__ = ["ALGORITHMS", "Algorithm", "NativeKernels"]
