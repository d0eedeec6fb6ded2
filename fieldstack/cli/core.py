"""Entry point of `fieldstack-core`: the Main Core process, which runs the tasks. systemd's unit starts it."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script."""
    from fieldstack.tasks.__main__ import main as run_core

    sys.exit(run_core(sys.argv[1:]))
