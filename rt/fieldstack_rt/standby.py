"""A warm spare: an RT process that has done everything that needs no bus, and waits until it is needed.

The local process manager keeps it (`fieldstack.process.warm_spare`). Starting an interpreter and loading
modules takes longer than bringing the bus up. A spare has done this already, and its memory is locked. It
uses neither the bus nor the shared memory before it is released. It ends when the process that keeps it ends.
"""

from __future__ import annotations

import sys

from fieldstack_rt import realtime

NAME = "fs-rt-standby"


def wait_for_call() -> bool:
    """True when the keeper writes to standard input: be the RT process now. False when it closed it."""
    realtime.name_process(NAME)
    realtime.lock_memory()
    return bool(sys.stdin.buffer.read(1))
