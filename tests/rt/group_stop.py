"""A cell whose processes are one process group, for a test that stops and continues the group."""

from __future__ import annotations

import signal
import sys

from fieldstack_base.instance import Instance
from tests.rt.rt_cell import rt_cell


def main() -> int:
    """0 after SIGTERM if the guard never tripped."""
    instance = Instance(sys.argv[1])
    instance.prepare()
    with rt_cell(instance) as cell:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # not inherited by the cell's processes
        print("up", flush=True)
        signal.sigwait({signal.SIGTERM})
        return int(cell.guard.status().trips)


if __name__ == "__main__":
    sys.exit(main())
