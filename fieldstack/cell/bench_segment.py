"""Runs a virtual segment for as long as a block runs. `fieldstack bus` looks at such a bus without a cell."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldstack.cell.cable import Cable
from fieldstack_base.instance import Instance
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.description.errors import SegmentStartError
from fieldstack_ethercat.segment.veth import veth_pair

READY_S = 10.0
END_S = 3.0


@contextmanager
def bench_segment(instance: Instance, devices: str) -> Iterator[str]:
    """Yields the master's interface.

    Raises:
        DeviceListError: `devices` cannot be read.
        VethError, SegmentStartError: the cable could not be made, or the segment did not start.
    """
    parse_devices(devices)
    instance.prepare()
    cable = Cable.of(instance)
    command = (
        *(sys.executable, "-m", "fieldstack_ethercat.segment", "--interface", cable.segment),
        *("--devices", devices, "--socket", str(instance.segment_socket), "--priority", "0"),
    )
    try:
        with veth_pair(cable.master, cable.segment):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                _await(process, instance.segment_socket)
                yield cable.master
            finally:
                _end(process)
    finally:
        for folder in (instance.runtime_dir, instance.state_dir):
            _remove_if_empty(folder)


def _await(process: subprocess.Popen[bytes], socket: Path) -> None:
    until = time.monotonic() + READY_S
    while not socket.exists():
        if process.poll() is not None:
            said = process.stderr.read().decode(errors="replace") if process.stderr else ""
            raise SegmentStartError(f"exit code {process.returncode}", said)
        if time.monotonic() > until:
            raise SegmentStartError(f"not ready after {READY_S:g} s", "")
        time.sleep(0.01)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr:
        process.stderr.close()


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
