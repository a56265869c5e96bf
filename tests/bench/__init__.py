"""Benchmarks: each prints a table with the raw floor of the same run and writes build/results/<target>.json."""
