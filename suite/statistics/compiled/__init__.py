"""Inner loops of the statistics, compiled by numba."""
