"""Finds all instances of this machine by shared memory and by records of their `up`, and who runs each.

`fieldstack cells` lists them; `up` and `down` look here whether a cell runs, `bus` whose an interface is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fieldstack.cell.cable import segments_of
from fieldstack.status.snapshot import Snapshot
from fieldstack.status.status import SHARED_MEMORY, StatusSource
from fieldstack.status.up_record import held_in, holder_in, read_record_in
from fieldstack_base.instance import Instance, InstanceNameError, folder_in, runtime_roots
from fieldstack_base.proc.process import by_systemd, same_process
from fieldstack_rt.datastore import StoreError
from fieldstack_rt.datastore.rt_process_search import all_rt_processes, rt_processes

PREFIX = "fieldstack-"
_RUNTIME = "FIELDSTACK_RUNTIME_DIR"


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One instance. `orphaned`: a part of it runs, but neither an `up` nor systemd keeps it running."""

    instance: str
    state: str
    """HA state, UNSUPERVISED, `down`, or `unreadable` (another version, or no permission)."""
    up_pid: int
    processes: dict[str, int]
    orphaned: bool
    note: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def instances(shared: Path = SHARED_MEMORY) -> Iterator[InstanceView]:
    """Every instance that this user can see, by name."""
    for instance in _named(shared):
        if (view := _view_of(instance)) is not None:
            yield view


def cell_on(interface: str, shared: Path = SHARED_MEMORY) -> str | None:
    """The instance whose RT process uses this interface, if there is one that this user may see."""
    for instance in _named(shared):
        try:
            snapshot = StatusSource(instance).take()
        except (StoreError, OSError):
            continue
        if snapshot.cell == "up" and snapshot.bus.interface == interface and snapshot.rt.alive:
            return instance.name
    return None


def _named(shared: Path) -> Iterator[Instance]:
    names = {file.name.removeprefix(PREFIX) for file in shared.glob(f"{PREFIX}*")}
    names |= {file.parent.name for root in runtime_roots() for file in root.glob("*/up.json")}
    if shared == SHARED_MEMORY:
        names |= {one.instance for one in all_rt_processes()}
    for name in sorted(names):
        try:
            yield Instance(name)
        except InstanceNameError:
            continue  # something else, for example the spool of an event log


def _view_of(instance: Instance) -> InstanceView | None:
    try:
        snapshot = StatusSource(instance).take()
    except (StoreError, OSError) as error:
        return InstanceView(instance.name, "unreadable", 0, {}, orphaned=False, note=str(error))
    processes = _processes(snapshot)
    for one in rt_processes(instance.name):  # one whose memory was removed or replaced
        processes.setdefault("rt", one.pid)
    folder = folder_of(instance, list(processes.values()))
    record = read_record_in(folder)
    up = holder_in(folder)
    if record is not None:
        for name, pid in (("segment", record.segment_pid), ("nonrt", record.nonrt_pid)):
            if same_process(pid, record.written_ns) is not None:
                processes[name] = pid
    if not processes and not up and not _has_memory(instance):
        return None
    state = snapshot.ha.state if snapshot.cell == "up" else "down"
    pids = list(processes.values())
    orphaned = bool(processes) and not is_managed(instance, pids)
    note = _note(end_command(instance, pids), processes, orphaned=orphaned)
    return InstanceView(instance.name, state, up, processes, orphaned, note)


def running_pids(instance: Instance) -> dict[str, int]:
    """The pids of its processes that run now, by name. If its memory is of another version or user, damaged
    or gone, only the processes that the kernel shows."""
    segment = next(segments_of(instance), 0)
    found = {"segment": segment} if segment else {}
    for one in rt_processes(instance.name):
        found["rt"] = one.pid
    try:
        return found | _processes(StatusSource(instance).take())
    except (StoreError, OSError):
        return found


def _processes(snapshot: Snapshot) -> dict[str, int]:
    views = (("nonrt", snapshot.nonrt), ("rt", snapshot.rt), ("core", snapshot.core))
    return {name: view.pid for name, view in views if view.alive and view.pid}


def is_managed(instance: Instance, pids: Collection[int]) -> bool:
    """Whether systemd, or an `up`, keeps these processes of the instance running."""
    return by_systemd(pids, instance.name) or held_in(folder_of(instance, pids))


def end_command(instance: Instance, pids: Collection[int]) -> str:
    """The command that ends the instance of these processes, whoever has started them."""
    if by_systemd(pids, instance.name):
        return f"systemctl stop fieldstack@{instance.name}.target"
    command, folder = f"fieldstack down --instance {instance.name}", folder_of(instance, pids)
    return command if folder == instance.runtime_dir else f"{_RUNTIME}={folder.parent} {command}"


def folder_of(instance: Instance, pids: Iterable[int]) -> Path:
    """The folders in which these processes keep their files, by their environment; else those that this
    process would use."""
    for pid in pids:
        try:
            content = Path(f"/proc/{pid}/environ").read_text(errors="replace")
        except OSError:
            continue
        pairs = (entry.partition("=") for entry in content.split("\0"))
        return folder_in(runtime_roots({name: value for name, _, value in pairs}), instance.name)
    return instance.runtime_dir


def _has_memory(instance: Instance) -> bool:
    return (SHARED_MEMORY / instance.shm_name.lstrip("/")).exists()


def _note(end: str, processes: dict[str, int], *, orphaned: bool) -> str:
    if orphaned:
        return f"nobody looks after it: its `up` is gone; end it with: {end}"
    return f"end it with: {end}" if processes else f"left in shared memory by a cell that is down: {end}"
