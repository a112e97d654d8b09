"""The inner loops of the metrics, compiled by numba: one query after the other, without the interpreter's lock.

Nothing here allocates a query x gallery matrix or sorts a gallery. Modules of this folder call one another alone.
"""
