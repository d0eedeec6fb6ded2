"""What append returned for is in the log, also when its process is killed at that very moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import posix_ipc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.cell.takedown import take_down
from fieldstack.events import EventKind, EventLog, EventReader
from fieldstack.events.spool import Spool, exists
from fieldstack_base.instance import Instance


@pytest.fixture
def name() -> Iterator[str]:
    name = f"/fieldstack-t-spool-{os.getpid()}.events"
    yield name
    if exists(name):
        posix_ipc.unlink_shared_memory(name)


_VICTIM = """
import os, sys
from pathlib import Path
from fieldstack.events import EventKind, EventLog
from fieldstack.events.writer import SegmentWriter
state, spool, count, broken = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
if broken:
    def full(*_):
        raise OSError(28, "No space left on device")
    SegmentWriter._write_all = full
log = EventLog(state, spool=spool)
for number in range(count):
    event = log.append(EventKind.SUPERVISION, what=f"number {number}")
    os.write(1, b"%d\\n" % event.sequence)
os.kill(os.getpid(), 9)
"""


def victim(state: Path, spool: str, count: int, broken: str = "") -> int:
    """Lets a process append and die by SIGKILL; returns the last number that append returned."""
    done = subprocess.run(
        [sys.executable, "-c", _VICTIM, str(state), spool, str(count), broken],
        stdout=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    return int(done.stdout.split()[-1])


def numbers(state: Path) -> list[int]:
    return [event.sequence for event in EventReader(state).read()]


@pytest.mark.parametrize("count", [1, 2, 7, 300])
def test_sigkill_right_after_append_loses_nothing(tmp_path: Path, name: str, count: int) -> None:
    last = victim(tmp_path, name, count)
    log = EventLog(tmp_path, spool=name)
    told = log.append(EventKind.SUPERVISION, what="after")
    assert log.close()
    assert told.sequence > last
    assert numbers(tmp_path) == list(range(1, told.sequence + 1))
    assert not exists(name)


def test_what_a_broken_disk_held_up_outlives_the_process_too(tmp_path: Path, name: str) -> None:
    last = victim(tmp_path, name, 50, "broken")
    assert last == 50
    assert numbers(tmp_path) == []
    log = EventLog(tmp_path, spool=name)
    assert log.close()
    events = list(EventReader(tmp_path).read())
    assert [event.sequence for event in events] == list(range(1, 52))
    assert (events[-1].kind, events[-1].data["count"]) == (EventKind.LOG_RECOVERED, 50)


_ENDLESS = """
import os, sys
from pathlib import Path
from fieldstack.events import EventKind, EventLog
log = EventLog(Path(sys.argv[1]), segment_bytes=100_000, spool=sys.argv[2])
while True:
    event = log.append(EventKind.SUPERVISION, what="x" * (log.written % 700))
    os.write(1, b"%d\\n" % event.sequence)
"""


def test_sigkill_at_any_moment_loses_nothing(tmp_path: Path, name: str) -> None:
    before = 0
    for turn in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _ENDLESS, str(tmp_path), name], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        with process.stdout as output:
            assert output.readline()
            time.sleep(0.0031 * turn)
            process.send_signal(signal.SIGKILL)
            process.wait()
            last = int(output.read().rpartition(b"\n")[0].rpartition(b"\n")[2] or 0)
        EventLog(tmp_path, spool=name).close()
        found = numbers(tmp_path)
        assert found == list(range(1, found[-1] + 1))
        assert found[-1] >= max(last, before + 1)
        before = found[-1]


def test_taking_a_cell_down_saves_what_its_killed_writer_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    instance = Instance(f"t-spool-{os.getpid()}")
    instance.prepare()
    last = victim(instance.state_dir, instance.spool_name, 5, "broken")
    take_down(instance, lambda _text: None)
    assert numbers(instance.state_dir)[:last] == [1, 2, 3, 4, 5]
    assert not exists(instance.spool_name)


def test_another_logs_leavings_are_dropped(tmp_path: Path, name: str) -> None:
    victim(tmp_path / "one", name, 5, "broken")
    log = EventLog(tmp_path / "two", spool=name)
    log.append(EventKind.SUPERVISION, what="first")
    assert log.close()
    assert [event.text for event in EventReader(tmp_path / "two").read()] == ["supervision: first"]


def test_a_damaged_spool_gives_what_is_whole_of_it(tmp_path: Path, name: str) -> None:
    victim(tmp_path, name, 5, "broken")
    memory = Path("/dev/shm", name.lstrip("/"))
    content = bytearray(memory.read_bytes())
    content[content.index(b"number 3")] ^= 1
    memory.write_bytes(content)
    assert EventLog(tmp_path, spool=name).close()
    assert numbers(tmp_path) == [1, 2, 3, 4]  # three whole ones, and the one that tells of them


def test_a_spool_in_use_is_not_shared(tmp_path: Path, name: str) -> None:
    first = EventLog(tmp_path / "one", spool=name)
    second = EventLog(tmp_path / "two", spool=name)
    assert first.degraded == ""
    assert "no shared memory for events" in second.degraded
    second.append(EventKind.SUPERVISION, what="still kept")
    assert second.close()
    assert numbers(tmp_path / "two") == [1]
    assert first.close()


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=60), st.integers(40, 100))
def test_lines_come_out_as_they_went_in(steps: list[tuple[int, bool]], size: int) -> None:
    spool = Spool(None, size, 1)
    inside: list[bytes] = []
    for length, take in steps:
        line = bytes([97 + length % 26]) * (length - 1) + b"\n"
        fits = sum(map(len, inside)) + length <= size
        assert spool.put(line) is fits
        if fits:
            inside.append(line)
        if take and inside:
            found = spool.peek(1)
            assert found.startswith(inside[0])
            spool.take(len(inside.pop(0)))
        assert spool.peek() == b"".join(inside)
    spool.close()
