"""Starts, finds, stops and watches the processes of a cell."""

from fieldstack.process.local import LocalProcessManager
from fieldstack.process.manager import Ended, ProcessHandle, ProcessManager, ProcessStartError

__all__ = ["Ended", "LocalProcessManager", "ProcessHandle", "ProcessManager", "ProcessStartError"]
