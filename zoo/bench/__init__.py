"""Measuring: networks against other engines, single layers, our own kernels.

timing       medians, spread, and runs in turn
machine      what it was measured on
memory       what a process holds
workers      one process per competitor, which runs when it is told to
worker       what such a process does
subject      what it has loaded: net_subject a network, layer_subject single layers
peers        whole networks in other engines, one file each
layer_peers  single layers in other frameworks, one file each
results      what is known of a network in several engines
net          ``zoo bench net``
layers       ``zoo bench layers``
kernels      ``zoo bench kernels``
installed    what is known of a network before it runs, and its time
report       tables and charts of all three

Nothing is imported here: the processes that are measured start from this
package, and what it loads would count as theirs.
"""
