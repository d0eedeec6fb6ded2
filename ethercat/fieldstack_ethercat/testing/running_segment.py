"""Keeps a virtual segment running while a test needs it: veth pair, process, control socket.

The benches run on it too.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_ethercat.segment.description.errors import SegmentStartError
from fieldstack_ethercat.segment.veth import veth_pair

READY_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class RunningSegment:
    """`interface` is the master's end of the wire, `client` talks to the segment, `pid` is its process."""

    interface: str
    client: SegmentClient
    pid: int
    socket: Path


@contextlib.contextmanager
def running_segment(
    devices: str = "drive*4,dio",
    *,
    interface: str | None = None,
    cpu: int = 0,
    priority: int = 85,
    watchdog_ms: float = 100.0,
) -> Iterator[RunningSegment]:
    """Runs a segment of `devices`; everything is gone again afterwards.

    `interface` names the master's end (default: one of its own, derived from the process id). Raises
    VethError or SegmentStartError if it cannot run.
    """
    number = next(_numbers) % 1000
    master = interface or f"fm{os.getpid()}.{number}"
    peer = f"fs{os.getpid()}.{number}"
    with tempfile.TemporaryDirectory(prefix="fieldstack-segment-") as folder, veth_pair(master, peer):
        socket = Path(folder, "segment.sock")
        command = [sys.executable, "-m", "fieldstack_ethercat.segment", "--interface", peer]
        command += ["--devices", devices, "--socket", str(socket), "--cpu", str(cpu)]
        command += ["--priority", str(priority), "--watchdog-ms", str(watchdog_ms), "--lifeline"]
        with _process(command, Path(folder, "stderr")) as process, SegmentClient(socket) as client:
            yield RunningSegment(master, client, process.pid, socket)


@contextlib.contextmanager
def _process(command: list[str], errors: Path) -> Iterator[subprocess.Popen[bytes]]:
    with errors.open("wb") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
    try:
        _wait_ready(process, errors)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def _wait_ready(process: subprocess.Popen[bytes], errors: Path) -> None:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    readable, _, _ = select.select([process.stdout], [], [], READY_TIMEOUT_S)
    line = process.stdout.readline() if readable else b""
    if line and json.loads(line).get("event") == "ready":
        return
    reason = f"not ready within {READY_TIMEOUT_S:g} s" if not readable else "it ended"
    raise SegmentStartError(reason, errors.read_text(errors="replace"))
