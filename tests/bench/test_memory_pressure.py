"""Memory that the kernel is asked to reclaim: what is not locked goes, what is locked stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fieldstack.bench.harness.memory_pressure import reclaim_memory

MAPPED = 8 << 20
_PROCESS = """
import mmap, sys
file = open(sys.argv[1], "rb")
memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
touched = sum(memory[::4096])
if sys.argv[2] == "locked":
    from pathlib import Path
    from fieldstack_rt.memory_lock import lock_for_the_guard
    assert lock_for_the_guard(Path(sys.argv[1])) is None
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="asking for another process's memory takes CAP_SYS_NICE")
@pytest.mark.parametrize("how", ["locked", "plain"])
def test_only_what_is_not_locked_goes(tmp_path: Path, how: str) -> None:
    file = tmp_path / "mapped"
    file.write_bytes(os.urandom(MAPPED))
    os.sync()  # a page that is not on the disk yet is written first, and may stay
    command = [sys.executable, "-c", _PROCESS, str(file), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        pressed = reclaim_memory(process.pid, file)
        process.stdin.write("\n")
    gone_kb = pressed.before_kb - pressed.after_kb
    if how == "locked":
        assert (gone_kb <= 0, pressed.missing_kb) == (True, 0)
    else:
        assert gone_kb > MAPPED // 2048
        assert pressed.missing_kb > MAPPED // 2048
