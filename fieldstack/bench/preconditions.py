"""What a benchmark needs beyond what a cell needs."""

from __future__ import annotations

from fieldstack.bench.errors import BenchError
from fieldstack.cell import capabilities
from fieldstack.cell.prerequisites import complete_path, require
from fieldstack.cell.scheduling import may_use_fifo


def require_for_bench(*, virtual: bool) -> None:
    """Raises MissingPrerequisitesError or BenchError: without real-time priority nothing is measured."""
    complete_path()
    require(virtual=virtual)
    missing = [f"CAP_{one.name}" for one in capabilities.missing(capabilities.BUS)]
    if not may_use_fifo():
        missing.append("CAP_SYS_NICE")
    if missing:
        raise BenchError(
            f"benchmarks need {', '.join(missing)}, which this process does not have: run as root"
        )
