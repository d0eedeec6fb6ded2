"""The event log on a real disk: torn ends, SIGKILL in a write, rotation, followers, a disk that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fieldstack.events import EventKind, EventLog, EventReader
from fieldstack.events.event import DamagedLineError, decode
from fieldstack.events.segments import folder_of, segments
from fieldstack.events.writer import EventLogBusyError, SegmentWriter


def write(state: Path, count: int, **limits: Any) -> None:
    log = EventLog(state, sync=False, **limits)
    for number in range(count):
        log.append(EventKind.SUPERVISION, what=f"number {number} " + "x" * 50)
    assert log.close()


def numbers(state: Path) -> list[int]:
    return [event.sequence for event in EventReader(state).read()]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    written = log.append(EventKind.ALERT, rule="rt-dead", cause="gone")
    assert log.close()
    [event] = EventReader(tmp_path).read()
    assert event == written
    assert event.text == "ALERT [rt-dead] gone"
    assert event.kind is EventKind.ALERT


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    write(tmp_path, 3)
    write(tmp_path, 2)
    assert numbers(tmp_path) == [1, 2, 3, 4, 5]


def test_a_torn_end_is_cut_off_at_every_place_and_reported(tmp_path: Path) -> None:
    write(tmp_path, 2)
    [segment] = segments(folder_of(tmp_path))
    whole = segment.read_bytes()
    first_end = whole.index(b"\n") + 1
    for cut in range(first_end + 1, len(whole)):
        segment.write_bytes(whole[:cut])
        writer = SegmentWriter(tmp_path, 1 << 20, 1 << 20, sync=False)
        assert writer.repaired is not None
        assert (writer.last, writer.repaired.removed) == (1, cut - first_end)
        writer.close()
        assert segment.read_bytes() == whole[:first_end]
    segment.write_bytes(whole[:-5])
    EventLog(tmp_path, sync=False).close()
    events = list(EventReader(tmp_path).read())
    assert [event.kind for event in events] == [EventKind.SUPERVISION, EventKind.LOG_REPAIRED]
    assert [event.sequence for event in events] == [1, 2]


_VICTIM = """
import sys, time
from pathlib import Path
from fieldstack.events import EventKind, EventLog
log = EventLog(Path(sys.argv[1]), segment_bytes=200_000, sync=False)
for number in range(20_000):
    log.append(EventKind.SUPERVISION, what="y" * 20_000)
    if number == 20:
        log.flush()
        print("going", flush=True)
    if number % 10 == 0:
        time.sleep(0.001)
"""


def test_sigkill_in_the_middle_of_writing_loses_no_whole_line(tmp_path: Path) -> None:
    before = 0
    for turn in range(8):
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert victim.stdout is not None
        try:
            assert victim.stdout.readline()
            time.sleep(0.002 * turn)
        finally:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            victim.stdout.close()
        reader = EventReader(tmp_path)
        found = [event.sequence for event in reader.read()]
        assert reader.damaged == 0
        assert found == list(range(found[0], found[-1] + 1))
        assert found[-1] > before
        before = found[-1]


def test_segments_rotate_and_their_total_is_bounded(tmp_path: Path) -> None:
    for _ in range(20):
        write(tmp_path, 20, segment_bytes=4096, total_bytes=20_000)
    found = segments(folder_of(tmp_path))
    assert len(found) > 1
    assert sum(segment.stat().st_size for segment in found) < 20_000 + 2 * 20 * 400
    kept = numbers(tmp_path)
    assert kept[-1] == 400
    assert kept[0] > 1
    assert kept == list(range(kept[0], 401))


def test_a_follower_sees_events_as_they_come(tmp_path: Path) -> None:
    log = EventLog(tmp_path, segment_bytes=4096, sync=False)
    seen: list[int] = []
    done = threading.Event()

    def follow() -> None:
        for event in EventReader(tmp_path).read(since=5, follow=True, stop=done.is_set):
            seen.append(event.sequence)
            if event.sequence == 100:
                return

    thread = threading.Thread(target=follow)
    thread.start()
    for _ in range(100):
        log.append(EventKind.SUPERVISION, what="z" * 60)
        time.sleep(0.001)
    thread.join(10)
    done.set()
    thread.join(10)
    log.close()
    assert seen == list(range(6, 101))


def test_a_damaged_line_is_skipped_and_counted(tmp_path: Path) -> None:
    write(tmp_path, 3)
    [segment] = segments(folder_of(tmp_path))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + lines[1].replace(b"number 1", b"number 7") + lines[2])
    reader = EventReader(tmp_path)
    assert [event.sequence for event in reader.read()] == [1, 3]
    assert reader.damaged == 1
    with pytest.raises(DamagedLineError):
        decode(b"{}")


def test_a_disk_that_fails_stops_nobody_and_is_told_of_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    full = threading.Event()
    full.set()

    def failing(descriptor: int, content: bytes) -> int:
        if full.is_set():
            real(descriptor, bytes(content[:7]))  # what a full disk leaves behind: a torn line
            raise OSError(28, "No space left on device")
        return real(descriptor, content)

    monkeypatch.setattr("fieldstack.events.writer.os.write", failing)
    log = EventLog(tmp_path, sync=False, spool_bytes=3000)
    began = time.monotonic()
    for number in range(30):
        log.append(EventKind.SUPERVISION, what=f"{number:03}")
    assert time.monotonic() - began < 0.5
    while not log.failure:
        time.sleep(0.005)
    assert log.failure == "No space left on device"
    count, why = log.refused()["events"]
    assert (count >= 1, why) == (True, log.failure)
    kept = 30 - log.lost
    assert 5 < kept < 20
    full.clear()
    assert log.close(5)
    assert log.refused() == {}
    events = list(EventReader(tmp_path).read())
    assert [event.sequence for event in events[:kept]] == list(range(1, kept + 1))
    assert events[-1].kind is EventKind.LOG_LOST
    assert events[-1].data["count"] == 30 - kept
    assert events[-1].data["first"] == kept + 1


def test_a_log_has_one_writer(tmp_path: Path) -> None:
    log = EventLog(tmp_path, sync=False)
    with pytest.raises(EventLogBusyError, match="another process writes"):
        EventLog(tmp_path, sync=False)
    log.close()
    EventLog(tmp_path, sync=False).close()


def test_the_last_events_are_read_from_the_end(tmp_path: Path) -> None:
    for _ in range(4):
        write(tmp_path, 10, segment_bytes=4096)
    assert [event.sequence for event in EventReader(tmp_path).last(3)] == [38, 39, 40]
    assert EventReader(tmp_path / "none").last(3) == []
    assert EventReader(tmp_path).last(0) == []
    for count in range(1, 50):
        assert len(EventReader(tmp_path).last(count)) == min(count, 40)


def test_the_last_events_are_read_past_damage_and_long_lines(tmp_path: Path) -> None:
    log = EventLog(tmp_path, sync=False)
    for number in range(20):
        log.append(EventKind.SUPERVISION, what=f"number {number} " + "x" * (3000 if number % 3 == 0 else 1))
    assert log.close()
    [segment] = segments(folder_of(tmp_path))
    lines = segment.read_bytes().split(b"\n")
    lines[17] = lines[17].replace(b"number", b"NUMBER", 1)
    segment.write_bytes(b"\n".join(lines))
    reader = EventReader(tmp_path)
    assert [event.sequence for event in reader.last(4)] == [16, 17, 19, 20]
    assert reader.damaged == 1


def test_what_came_since_is_read_without_what_was_there(tmp_path: Path) -> None:
    write(tmp_path, 5)
    reader = EventReader(tmp_path)
    assert [event.sequence for event in reader.more()] == [1, 2, 3, 4, 5]
    for name in segments(folder_of(tmp_path)):  # read again, the old ones would be missing their first line
        content = name.read_bytes()
        name.write_bytes(b"#" + content[1:])
    assert reader.more(5) == []
    write(tmp_path, 2, segment_bytes=100)
    assert [event.sequence for event in reader.more(5)] == [6, 7]
    assert reader.damaged == 0


def test_a_damaged_spool_costs_the_damaged_events_and_no_other(tmp_path: Path) -> None:
    """It is shared memory: whatever is written over it, the thread goes on, and says what is lost."""
    log = EventLog(tmp_path, sync=False)
    with log._changed:  # the log's thread waits: damage comes before it looks
        for text in ("before", "behind", "damaged"):
            log.append(EventKind.SUPERVISION, what=text)
        damaged = log._spool.peek().splitlines(keepends=True)[-1]
        begin = 64 + log._spool.pending - len(damaged)
        log._spool._memory[begin : begin + 20] = b"\xff" * 20
    assert log.flush()
    log.append(EventKind.SUPERVISION, what="afterwards")
    assert log.close()
    events = [event.data.get("what", event.kind) for event in EventReader(tmp_path).read()]
    assert events == ["before", "behind", EventKind.LOG_LOST, "afterwards"]
