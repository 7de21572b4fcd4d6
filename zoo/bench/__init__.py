"""Measuring: networks against other engines, single layers, our own kernels.

timing       medians, spread, and runs in turn
machine      what it was measured on
memory       what a process holds, and what is free
workers      one process per competitor, which runs when it is told to
peers        one file per engine; none is imported before it is used
net          ``zoo bench net``
layers       ``zoo bench layers``
kernels      ``zoo bench kernels``

Nothing is imported here: the processes that are measured start from this
package, and what it loads would count as theirs.
"""
