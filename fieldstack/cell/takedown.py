"""Takes a cell down in order: Non-RT (it stops Core and RT), remaining processes, segment, cable, memory.

`fieldstack up` does so at its end; `fieldstack down`, for what an `up` left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from fieldstack.cell import children
from fieldstack.cell.cable import Cable, segments_of
from fieldstack.events import EventLog, spool
from fieldstack.events.writer import EventLogBusyError
from fieldstack.process.end_rt import Wire, end_rt
from fieldstack.status.beat import beat_file, read_beat
from fieldstack.status.up_record import UpRecord, read_record, record_file
from fieldstack_base.instance import Instance
from fieldstack_base.proc.process import by_systemd, names_instance, same_process
from fieldstack_ethercat.segment.veth import delete_veth
from fieldstack_rt.datastore import DataStore, StoreBusyError, StoreError, TornRecordError
from fieldstack_rt.datastore import memory as shared_memory
from fieldstack_rt.datastore.rt_process_search import RtProcess, rt_processes

NONRT_TIMEOUT_S = 15.0
STRAGGLER_TIMEOUT_S = 6.0
SEGMENT_TIMEOUT_S = 3.0

Say = Callable[[str], None]
_Listed = tuple[str, int, int, float]
"""Name, pid, when it was known to run, and how long it may take to end."""


def take_down(instance: Instance, say: Say, record: UpRecord | None = None) -> bool:
    """Ends everything of the instance that its record and its store name; True if there was anything.

    The `up` of this instance must be this process, or gone. What systemd runs is left alone. `record`: what
    an `up` knows about itself; None: what it has written.
    """
    record = record or read_record(instance)
    found = _end_all(instance, _processes(instance, record), say)
    found |= _end_rt(instance, say)
    found |= _end_all(instance, _segments(instance, record), say)
    found |= _remove_cable(instance, record)
    if record is not None:
        record_file(instance).unlink(missing_ok=True)
        found = True
    _remove_memory(instance, say)
    _save_events(instance, say)
    return found


def _end_all(instance: Instance, listed: Iterable[_Listed], say: Say) -> bool:
    """True if there was one."""
    found = False
    for name, pid, since_ns, timeout_s in listed:
        if same_process(pid, since_ns) is not None and not by_systemd([pid], instance.name):
            found = True
            end_process(name, pid, since_ns, timeout_s, say)
    return found


def _ours(instance: Instance) -> list[RtProcess]:
    """Whether RT processes live, also with damaged memory or without memory."""
    return [one for one in rt_processes(instance.name) if not by_systemd([one.pid], instance.name)]


def _end_rt(instance: Instance, say: Say) -> bool:
    """Ends RT processes that Non-RT did not end, while the bus is still there; reads back what happened to
    the outputs. True if there was one."""
    living, wire = _ours(instance), Wire.of(instance.plan_file)
    for one in living:
        say(f"ending RT (pid {one.pid})")
        say(str(end_rt(one, wire)))
        children.reap()
    return bool(living)


def _remove_cable(instance: Instance, record: UpRecord | None) -> bool:
    """True if there was one. A cable whose segment systemd runs is not ours."""
    master = record.veth if record is not None else Cable.of(instance).master
    if not master or not Path("/sys/class/net", master).exists() or any(segments_of(instance)):
        return False
    with contextlib.suppress(Exception):  # an interface of a namespace that is gone
        delete_veth(master)
    return True


def _save_events(instance: Instance, say: Say) -> None:
    """Writes the events that a killed Non-RT process did not write; a living one writes them itself."""
    if not spool.exists(instance.spool_name):
        return
    try:
        written = EventLog(instance.state_dir, spool=instance.spool_name).close()
    except EventLogBusyError:
        return
    except OSError as error:
        say(f"the last events stay in shared memory until the next start: {error}")
        return
    if not written:
        say(f"the last events stay in shared memory until the next start: {instance.state_dir} takes none")


def _remove_memory(instance: Instance, say: Say) -> None:
    try:
        shared_memory.check_free(instance.shm_name)
    except StoreBusyError as error:  # a cell of another version: its memory is not ours to remove
        say(str(error))
        return
    now_ns = time.monotonic_ns()
    rts = [("RT", one.pid, now_ns) for one in rt_processes(instance.name)]
    for name, pid, since_ns in (*_stored(instance), *rts):
        if same_process(pid, since_ns or now_ns) is not None:
            say(f"{name} (pid {pid}) still runs: the shared memory stays with it")
            return
    shared_memory.unlink(instance.shm_name)


def _processes(instance: Instance, record: UpRecord | None) -> list[_Listed]:
    """All processes except the segment and the RT processes that the kernel shows, in the order in which they
    end."""
    now_ns = time.monotonic_ns()
    listed: list[_Listed] = []
    if record is not None:
        listed.append(("Non-RT", record.nonrt_pid, record.written_ns, NONRT_TIMEOUT_S))
        # It has no beat yet when its cell goes down soon after its start.
        listed.append(("health server", record.health_pid, record.written_ns, STRAGGLER_TIMEOUT_S))
    beat = read_beat(beat_file(instance))
    if beat is not None:
        listed.append(("health server", beat.pid, beat.at_ns or now_ns, STRAGGLER_TIMEOUT_S))
    rts = {one.pid for one in rt_processes(instance.name)}
    stored = [entry for entry in _stored(instance) if entry[1] not in rts]
    return listed + [(name, pid, since_ns or now_ns, STRAGGLER_TIMEOUT_S) for name, pid, since_ns in stored]


def _segments(instance: Instance, record: UpRecord | None) -> list[_Listed]:
    """Also ends it if `up` was killed and its record is gone, or could not be written."""
    now_ns = time.monotonic_ns()
    known = (
        [("segment", record.segment_pid, record.written_ns, SEGMENT_TIMEOUT_S)] if record is not None else []
    )
    return known + [("segment", pid, now_ns, SEGMENT_TIMEOUT_S) for pid in segments_of(instance)]


def _stored(instance: Instance) -> list[tuple[str, int, int]]:
    """Whether the process belongs to this instance: damaged memory may contain any pid."""
    return [entry for entry in _recorded_pids(instance) if names_instance(entry[1], instance)]


def _recorded_pids(instance: Instance) -> list[tuple[str, int, int]]:
    try:
        store = DataStore.attach(instance, by_suffix=bool(rt_processes(instance.name)))
    except (StoreError, OSError):
        return []
    found = []
    for name, read, stamp in (
        ("Non-RT", store.nonrt_status, "pass_ns"),
        ("Main Core", store.core_status, "pass_ns"),
    ):
        with contextlib.suppress(TornRecordError):
            status = read()
            found.append((name, int(status.pid), int(getattr(status, stamp))))
    return [*found, ("RT", store.rt_pid, store.rt_beat_ns)]


def end_process(name: str, pid: int, since_ns: int, timeout_s: float, say: Say) -> None:
    """SIGTERM, then after `timeout_s` SIGKILL; returns when the process is gone."""
    _signal(pid, signal.SIGCONT)
    _signal(pid, signal.SIGTERM)
    say(f"ending {name} (pid {pid})")
    if not _gone(pid, since_ns, timeout_s):
        _signal(pid, signal.SIGKILL)
        say(f"{name} (pid {pid}) did not end within {timeout_s:g} s: killed")
        _gone(pid, since_ns, SEGMENT_TIMEOUT_S)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _gone(pid: int, since_ns: int, timeout_s: float) -> bool:
    until = time.monotonic() + timeout_s
    while same_process(pid, since_ns) is not None:
        if time.monotonic() >= until:
            return False
        children.reap()
        time.sleep(0.02)
    return True
