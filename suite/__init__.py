"""Benchmarking and reproducibility suite for rank losses in image retrieval."""

__version__ = "0.1.0"
