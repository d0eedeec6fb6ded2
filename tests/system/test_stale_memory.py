"""A shared memory of an older layout is there at the start."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import posix_ipc
import pytest

from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore.memory import MAGIC
from tests.system.running_cell import wait_for

pytestmark = pytest.mark.system

OLDER_SIZE = 4096


@contextmanager
def older_memory(instance: Instance, rt_pid: int) -> Iterator[Path]:
    """As a cell of another version left it, or still uses it."""
    shared = posix_ipc.SharedMemory(instance.shm_name, posix_ipc.O_CREX, mode=0o660, size=OLDER_SIZE)
    file = Path("/dev/shm", instance.shm_name.lstrip("/"))
    header = ffi.new("fs_header *")
    header.magic, header.layout_hash, header.size = MAGIC, 0x0BAD, OLDER_SIZE
    header.rt_pid = rt_pid
    os.pwrite(shared.fd, ffi.buffer(header)[:], 0)
    shared.close_fd()
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def a_dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def number_of(file: Path) -> int:
    """0: there is none, for the moment between two."""
    return file.stat().st_ino if file.exists() else 0


def test_one_that_nobody_uses_is_replaced(instance: Instance, start_cell: Any) -> None:
    with older_memory(instance, a_dead_pid()) as file:
        before = file.stat().st_ino
        cell = start_cell()
        wait_for(lambda: number_of(file) not in (0, before), "it is replaced")
        cell.await_motion()
        assert cell.end() == 0


def test_one_with_a_living_rt_process_is_left_alone(instance: Instance, start_cell: Any) -> None:
    other = subprocess.Popen(["sleep", "120"])
    try:
        with older_memory(instance, other.pid) as file:
            before = file.stat().st_ino
            cell = start_cell()
            assert cell.up.wait(60) == 6
            output = cell.output()
            assert f"another layout and process {other.pid} still uses it" in output
            assert file.stat().st_ino == before, "the other cell still needs its memory"
            assert other.poll() is None
            down = cell.command("down")
            assert file.exists(), down.stdout
    finally:
        other.kill()
        other.wait()
