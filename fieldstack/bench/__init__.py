"""Benchmarks of the cell beside references that are taken in the same run; docs/benchmarks.md says how."""
