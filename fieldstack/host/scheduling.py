"""Tries whether the kernel grants real-time priority; `fieldstack up` and `prepare` ask it.

Trying is the only way: root of a user namespace has the capability by name, but is refused.
"""

from __future__ import annotations

import os


def may_use_fifo() -> bool:
    """True if this thread can be SCHED_FIFO. Its scheduling is unchanged when this returns."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, policy, parameter)
    return True
