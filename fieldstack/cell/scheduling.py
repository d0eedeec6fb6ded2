"""Whether the kernel grants real-time priority: asked by trying, for a user namespace's root has the
capability by name and is refused all the same."""

from __future__ import annotations

import os
import threading


def may_use_fifo() -> bool:
    """True if a thread of this process can be SCHED_FIFO; tried on a thread that ends at once."""
    granted: list[bool] = []

    def attempt() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            granted.append(False)
        else:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            granted.append(True)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return granted[0]
