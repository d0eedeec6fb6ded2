"""Saves under the tracer, in a process of one thread: `python -m tests.ha.cut_runner WHAT FOLDER`.

It prints JSON. WHAT is one of:

- `kill`: SIGKILL before each system call that a save makes.
- `random`: SIGKILL at random moments of processes that save without pause.
- `model`, `model-log`, `model-tasks`, `model-old`: every state that a power cut may leave, for the
  checkpoint, the event log, the tasks, and budgets and latches that are taken over from an older version.
- `ext4`: a power cut of a real ext4 before each system call: the file system is shut down, mounted again.

`kill`, `random`, `model` and `ext4` with `-counts` behind them are of the counts of restarts.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import gt
from pathlib import Path
from typing import Any

from fieldstack.events import EventKind, EventReader, Severity
from fieldstack.events.event import Event
from fieldstack.events.writer import SegmentWriter
from fieldstack.ha.checkpoint.restoring import OLD_HA_RECORD, RECORD, take_over
from fieldstack.tasks.keep.task_store import TaskStore
from fieldstack.tasks.state.stored_task import CallRecord, StoredTask
from fieldstack_base.counts_file import CountsFile
from fieldstack_base.durable import DurableRecord
from tests.ha import syscalls
from tests.ha.crash_states import Disk, put

SAVES = 4
SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN: what was not on the disk by now never comes there."""
WITH_JOURNAL, WITHOUT_JOURNAL = 1, 2


FIRST_SAVE_S = 10.0
Record = type[DurableRecord] | type[CountsFile]
record_type: Record = DurableRecord


def payload(generation: int) -> dict[str, Any]:
    return {"n": generation, "text": f"{generation}" * (300 * generation)}


def saved(folder: Path) -> int:
    """The generation that load gives; -1: what it gives was never saved so."""
    loaded = record_type(folder, "r").load()
    if loaded.data is None:
        return 0
    return loaded.generation if loaded.data == payload(loaded.data["n"]) else -1


def save(folder: Path) -> None:
    record = record_type(folder, "r")
    record.save(payload(record.load().generation + 1))
    if isinstance(record, CountsFile):
        record.close()


def kill(base: Path) -> dict[str, Any]:
    """For each number of saves before: what is found after a kill before each call of the next save."""
    found = []
    for before in range(3):
        place = 0
        while True:
            folder = base / f"{before}-{place}"
            folder.mkdir()
            for _ in range(before):
                save(folder)
            calls = syscalls.run(partial(save, folder), partial(gt, place))
            done = len(calls) < place
            after = saved(folder)
            save(folder)  # whatever was left behind is in nobody's way
            found.append([before, after, saved(folder), done])
            if done:
                break
            place += 1
    return {"found": found}


def endless(folder: Path, output: int) -> None:
    record = record_type(folder, "r")
    while True:
        generation = record.save(payload((record.load().generation + 1) % 50 + 1))
        os.write(output, b"%d\n" % generation)


def random_kills(base: Path) -> dict[str, Any]:
    """Every other process is given the time for its first save, however busy the machine is."""
    found = []
    for number in range(100):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            endless(base, writing)
        os.close(writing)
        if number % 2:
            select.select([reading], [], [], FIRST_SAVE_S)
        time.sleep(random.uniform(0.0, 0.008))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(reading, "rb") as told:
            said = [int(line) for line in told.read().split()]
        loaded = record_type(base, "r").load()
        whole = loaded.data is None or loaded.data == payload(loaded.data["n"])
        found.append([max(said, default=0), loaded.generation, whole])
    return {"found": found}


def model(base: Path, action: Callable[[int], None], check: Callable[[Path, int], str]) -> dict[str, Any]:
    """Three models of the same trace: as it is, without the files' fsyncs, without the folder's."""
    mark = os.open("/dev/null", os.O_WRONLY)
    live = base / "live"
    begin = base / "begin"
    shutil.copytree(live, begin)
    calls = syscalls.run(lambda: action(mark))
    shutil.rmtree(live)
    shutil.copytree(begin, live)
    result: dict[str, Any] = {"calls": [call.name for call in calls if call.name]}
    for name, syncs in (
        ("real", {}),
        ("no-fsync", {"syncs_files": False}),
        ("no-dir", {"syncs_names": False}),
    ):
        disk = Disk(live, mark, **syncs)
        seen: set[tuple[int, tuple[tuple[str, bytes], ...]]] = set()
        wrong: list[str] = []
        for call in [None, *calls]:
            if call is not None:
                disk.feed(call)
            for state in disk.states():
                key = (disk.marks, tuple(sorted(state.items())))
                if key not in seen:
                    seen.add(key)
                    folder = base / "state"
                    put(folder, state)
                    if text := check(folder, disk.marks):
                        wrong.append(text)
                    shutil.rmtree(folder)
        result[name] = {"states": len(seen), "wrong": wrong[:3], "wrong_count": len(wrong)}
    return result


def model_record(base: Path) -> dict[str, Any]:
    live = base / "live"
    live.mkdir()

    def action(mark: int) -> None:
        record = record_type(live, "r")
        for generation in range(1, SAVES + 1):
            record.save(payload(generation))
            os.write(mark, b".")

    def check(folder: Path, told: int) -> str:
        found = saved(folder)
        return "" if found in (told, told + 1) else f"{found} after {told} were told to be saved"

    return model(base, action, check)


def model_tasks(base: Path) -> dict[str, Any]:
    """A task is handed in, its call begins and ends, and it ends itself."""
    live = base / "live"
    live.mkdir()
    task = StoredTask("u", {"id": "t"}, "me", 1)

    def store_of(folder: Path) -> TaskStore:
        store = TaskStore(base)
        store._folder = folder
        return store

    def action(mark: int) -> None:
        store = store_of(live)
        writes: tuple[Callable[[], None], ...] = (
            lambda: store.save(task),
            lambda: store.note_call("t", "u", CallRecord((0, 1), ended=False)),
            lambda: store.note_call("t", "u", CallRecord((0, 1), ended=True)),
            lambda: store.save(replace(task, outcome={"state": "done"})),
        )
        for write in writes:
            write()
            os.write(mark, b".")

    def check(folder: Path, told: int) -> str:
        store = store_of(folder)
        found = store.load().get("t")
        call = found.call if found else None
        stage = 0 if found is None else 1 + (call is not None) + (call is not None and call.ended)
        stage += found is not None and found.outcome is not None
        whole = not store.remarks and not (call and call.damaged) and stage in (told, told + 1)
        return "" if whole else f"{found}, {store.remarks} after {told} were told to be written"

    return model(base, action, check)


def model_old(base: Path) -> dict[str, Any]:
    live = base / "live"
    live.mkdir()
    for generation in (1, 2):
        DurableRecord(live, OLD_HA_RECORD).save(payload(generation))

    def action(mark: int) -> None:
        take_over(DurableRecord(live, RECORD), live, payload(2))
        os.write(mark, b".")

    def check(folder: Path, told: int) -> str:
        new, old = (DurableRecord(folder, name).load().data for name in (RECORD, OLD_HA_RECORD))
        whole = payload(2) in ((new,) if told else (new, old))
        return "" if whole else f"{sorted(path.name for path in folder.iterdir())} after {told}"

    return model(base, action, check)


def line(number: int) -> bytes:
    text = "x" * 60
    return Event(number, 1, 1, "boot", EventKind.SUPERVISION, Severity.INFO, text, {}).encode()


def model_log(base: Path) -> dict[str, Any]:
    live = base / "live"
    (live / "events").mkdir(parents=True)
    SegmentWriter(live, 500, 10**6).close()
    os.rename(live / "events", base / "flat")
    shutil.rmtree(live)
    (base / "flat").rename(live)  # the model knows one flat folder: here it is the log's own

    def action(mark: int) -> None:
        link = base / "events"
        link.symlink_to(live)
        writer = SegmentWriter(base, 500, 10**6)
        writer._folder = live
        number = 1
        for count in (1, 2, 1, 3):
            lines = b"".join(line(number + place) for place in range(count))
            writer.write(lines, number, number + count - 1)
            number += count
            os.write(mark, b"." * count)

    def check(folder: Path, told: int) -> str:
        state = base / "check"
        state.mkdir()
        folder.rename(state / "events")
        try:
            writer = SegmentWriter(state, 500, 10**6)
            last = writer.last
            writer.write(line(last + 1), last + 1, last + 1)
            writer.close()
            reader = EventReader(state)
            found = [event.sequence for event in reader.read()]
        finally:
            (state / "events").rename(folder)
            state.rmdir()
        whole = found == list(range(1, len(found) + 1)) and reader.damaged == 0
        return "" if whole and len(found) > told else f"{found}, damaged {reader.damaged}, told {told}"

    return model(base, action, check)


def ext4(base: Path) -> dict[str, Any]:
    image, mounted = base / "image", base / "mounted"
    mounted.mkdir()
    with (base / "fresh").open("wb") as file:
        file.truncate(8 << 20)
    run("mkfs.ext4", "-q", "-b", "1024", "-J", "size=1", str(base / "fresh"))
    run("mount", "-o", "loop", str(base / "fresh"), str(mounted))
    for _ in range(2):
        save(mounted)
    run("umount", str(mounted))
    found = []
    for flag in (WITHOUT_JOURNAL, WITH_JOURNAL):
        place, done = 0, False
        while not done:
            shutil.copyfile(base / "fresh", image)
            run("mount", "-o", "loop", str(image), str(mounted))
            try:
                done = power_cut(mounted, place, flag)
                run("umount", str(mounted))
                run("mount", "-o", "loop", str(image), str(mounted))
                found.append([saved(mounted), done])
            finally:
                run("umount", str(mounted))
            place += 1
    return {"found": found}


def power_cut(mounted: Path, place: int, flag: int) -> bool:
    """Cuts before the save's call number `place`; True: the save was through before."""

    def before(number: int) -> bool:
        if number == place:
            shut_down(mounted, flag)
        return number < place

    record = record_type(mounted, "r")
    calls = syscalls.run(lambda: record.save(payload(record.load().generation + 1)), before)
    if len(calls) < place:
        shut_down(mounted, flag)
        return True
    return False


def shut_down(mounted: Path, flag: int) -> None:
    folder = os.open(mounted, os.O_RDONLY)
    fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", flag))
    os.close(folder)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=20)


if __name__ == "__main__":
    what, where = sys.argv[1].removesuffix("-counts"), Path(sys.argv[2])
    record_type = CountsFile if what != sys.argv[1] else DurableRecord
    todo = {
        "kill": kill,
        "random": random_kills,
        "model": model_record,
        "model-log": model_log,
        "model-tasks": model_tasks,
        "model-old": model_old,
        "ext4": ext4,
    }
    print(json.dumps(todo[what](where)))
