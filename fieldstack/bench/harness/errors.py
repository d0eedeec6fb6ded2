"""Errors for which a benchmark has no result. Benchmarks raise them; `fieldstack.cli.bench` prints them."""

from __future__ import annotations


class BenchError(Exception):
    """A benchmark could not run to its end; the text says what to do."""


class NoSamplesError(BenchError):
    """Nothing was measured, although something had to be."""

    def __init__(self, what: str) -> None:
        super().__init__(f"nothing was measured for {what}: give the benchmark more --seconds or --runs")
        self.what = what


class ProgramError(BenchError):
    """A program that the benchmark started did not do its part."""

    def __init__(self, program: str, reason: str, output: str) -> None:
        lines = "\n".join("    " + line for line in output.strip().splitlines()[-12:])
        super().__init__(f"{program}: {reason}" + (f". It said:\n{lines}" if lines else ""))
        self.program, self.reason = program, reason
