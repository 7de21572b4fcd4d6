"""Programs: a network as operations on arrays, and the passes over it.

:mod:`~zoo.program.operations` says what a program is made of. Every other module is one
pass: fusion and recomputing change the steps, strips and the schedule say in which
pieces they are worked off. None knows layers or back ends.
"""
