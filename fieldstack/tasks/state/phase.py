"""Where a task is, as a word. The whole of Tasks and the status of the cell use it."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a task is. RUNNING is not kept: it is what a READY task with a runner is called."""

    WAITING = "waiting"
    """For its period or its trigger."""
    READY = "ready"
    """It could go on, and waits for its axis group or for the machine."""
    RUNNING = "running"
    PAUSED = "paused"
    """By a person."""
    ASKING = "asking"
    """It needs a person's word, after a crash or where going on is not safe."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({Phase.DONE, Phase.FAILED, Phase.CANCELLED})
