"""Measures the references for recovery: bare bring-ups, and how long an interpreter takes to start.

`bench failover` compares recovery with them.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field

from fieldstack.bench.harness.errors import ProgramError

TIMEOUT_S = 30.0


@dataclass(slots=True)
class BringupReference:
    """Times in ns, one for each measurement of the reference; `phases_ns`: of the bring-ups by name."""

    bringup_ns: list[int] = field(default_factory=list)
    interpreter_ns: list[int] = field(default_factory=list)
    phases_ns: dict[str, list[int]] = field(default_factory=dict)

    def take(self, interface: str) -> None:
        """Makes two bring-ups on a free bus. The first only prepares the bus: it leaves the slaves in
        SAFE-OP.

        Raises:
            ProgramError: the bus did not come up.
        """
        _bare_bringup(interface)
        found = _bare_bringup(interface)
        self.bringup_ns.append(found.pop("bringup_ns"))
        for name, value in found.items():
            self.phases_ns.setdefault(name.removesuffix("_ns"), []).append(value)
        self.interpreter_ns.append(interpreter_start("pysoem"))


def _bare_bringup(interface: str) -> dict[str, int]:
    command = [sys.executable, "-m", "fieldstack.bench.harness.bare_bringup", interface]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError("the bare bring-up", "it did not end in time", str(error.stderr or "")) from error
    if done.returncode != 0:
        raise ProgramError("the bare bring-up", f"it ended with code {done.returncode}", done.stderr)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def interpreter_start(module: str) -> int:
    """The time from the start of a process until it has imported the module; ns.

    Raises:
        ProgramError: it did not get this far.
    """
    begun_ns = time.monotonic_ns()
    process = subprocess.Popen(
        [sys.executable, "-c", f"import {module}, os; os.write(1, b'.')"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with process.stdout as output:
        readable, _, _ = select.select([output], [], [], TIMEOUT_S)
        ready = bool(readable) and os.read(output.fileno(), 1) == b"."
        ended_ns = time.monotonic_ns()
    process.wait(TIMEOUT_S)
    if not ready:
        raise ProgramError(f"an interpreter with {module}", "it did not start", "")
    return ended_ns - begun_ns
