"""Benchmarks of a cell, each compared with a reference measured in the same run; see docs/benchmarks.md."""
