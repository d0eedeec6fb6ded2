"""Faults of the Main Core process on order, for benches and tests: real ones, not pretended.

The command handler takes the order, the process carries it out. Only cells with `fault_injection` have it.
"""

from __future__ import annotations

import time
from typing import Any

from fieldstack.tasks.state.table import TaskError

MIB = 1024 * 1024
PAGE = 4096
MAX_LEAK = 1024.0


class Injector:
    """`deadlock`: the feeding loop stops making progress while the process lives; `leak`: so many MiB/s."""

    def __init__(self) -> None:
        self._deadlock = False
        self._leak_mib_s = 0.0
        self._leaked: list[bytearray] = []
        self._last_ns = 0
        self._owed = 0.0

    def order(self, data: dict[str, Any]) -> str:
        """`{"fault": "deadlock"}` or `{"fault": "leak", "mib_per_s": 5}`. Raises TaskError."""
        fault = data.get("fault")
        if fault == "deadlock":
            self._deadlock = True
            return "the feeding loop stops now"
        rate = data.get("mib_per_s", 1.0)
        if fault != "leak" or not isinstance(rate, int | float) or not 0 <= rate <= MAX_LEAK:
            raise TaskError(
                f"fault {fault!r}: `deadlock`, or `leak` with mib_per_s from 0 (ends it) to {MAX_LEAK:g}"
            )
        self._leak_mib_s = float(rate)
        return f"leaks {rate:g} MiB/s from now on"

    def work(self, now_ns: int) -> None:
        """Once a pass, in the feeding loop."""
        while self._deadlock:
            time.sleep(1.0)
        passed_ns, self._last_ns = now_ns - (self._last_ns or now_ns), now_ns
        self._owed += self._leak_mib_s * MIB * passed_ns / 1e9
        if self._owed >= PAGE:
            block = bytearray(int(self._owed))
            block[::PAGE] = b"x" * len(range(0, len(block), PAGE))  # touched: it is really resident
            self._leaked.append(block)
            self._owed = 0.0
