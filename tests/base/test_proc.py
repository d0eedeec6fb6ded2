"""What /proc says of a process is read in one place, whatever the process calls itself."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from fieldstack_base.proc.cgroup import cgroup_of, group_memory
from fieldstack_base.proc.memory_map import MemoryMap, parse_mapping
from fieldstack_base.proc.process import look_up, same_process
from fieldstack_base.proc.stat import parse_stat, read_stat
from fieldstack_base.proc.status import effective_capabilities, parse_status, read_status
from fieldstack_base.proc.usage import open_files, usage

SELF = Path("/proc/self")
LINE = "4242 ({name}) {state} 17 4242 1 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 3 0 987654 1 2"


@pytest.mark.parametrize("name", ["rt", "two words", "a) R 99 (b", "))))", "()"])
def test_a_name_with_brackets_does_not_shift_the_fields(name: str) -> None:
    stat = parse_stat(LINE.format(name=name, state="S"))
    assert (stat.state, stat.parent, stat.cpu_ticks, stat.start_ticks) == ("S", 17, 200, 987654)


@pytest.mark.parametrize(
    ("state", "alive"), [("R", True), ("D", True), ("T", True), ("Z", False), ("X", False)]
)
def test_a_zombie_is_not_alive(state: str, alive: bool) -> None:
    assert parse_stat(LINE.format(name="rt", state=state)).alive is alive


def test_this_process() -> None:
    assert read_stat(SELF).parent == os.getppid()
    found = look_up(os.getpid())
    assert found is not None
    assert 0 < found.started_ns < time.monotonic_ns()
    assert usage(SELF).start_ticks == read_stat(SELF).start_ticks
    assert open_files(SELF) >= 3


def test_a_process_that_has_ended_is_no_more() -> None:
    child = subprocess.Popen(["true"])
    while read_stat(Path(f"/proc/{child.pid}")).alive:
        time.sleep(0.001)
    with pytest.raises(ProcessLookupError):
        usage(Path(f"/proc/{child.pid}"))
    assert same_process(child.pid, time.monotonic_ns()) is None
    child.wait()
    assert look_up(child.pid) is None


def test_status_lines_by_name() -> None:
    fields = parse_status("Name:\ta:b\nVmLck:\t  12 kB\nno line\nCapEff:\t0000000000003000\n")
    assert (fields["Name"], fields["VmLck"]) == ("a:b", "12 kB")
    assert effective_capabilities(fields) == 1 << 12 | 1 << 13
    assert effective_capabilities({}) == 0
    assert int(read_status(SELF)["Pid"]) == os.getpid()


def test_mappings() -> None:
    one = parse_mapping("7f00-7fff r-xp 00000000 08:01 42   /usr/lib/with blank.so (deleted)")
    assert (one.start, one.end, one.readable) == (0x7F00, 0x7FFF, True)
    assert one.file == "/usr/lib/with blank.so (deleted)"
    assert not parse_mapping("7f00-7fff ---p 00000000 00:00 0").readable
    own, of_pid = MemoryMap.read(), MemoryMap.read(os.getpid())
    assert {one.file for one in own.mappings} & {one.file for one in of_pid.mappings}


def test_memory_of_the_nearest_group_that_has_a_limit(tmp_path: Path) -> None:
    group = tmp_path / "cell" / "rt"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    for name, content in (("max", "4096"), ("current", "3000"), ("stat", "anon 1\ninactive_file 1000\n")):
        (group.parent / f"memory.{name}").write_text(content)
    found = group_memory(tmp_path, "/cell/rt")
    assert found is not None
    assert (found.path, found.used_bytes, found.limit_bytes) == ("/cell", 2000, 4096)
    (tmp_path / "cgroup").write_text("1:name=systemd:/x\n0::/cell/rt\n")
    assert cgroup_of(tmp_path) == "/cell/rt"
