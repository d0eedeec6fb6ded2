"""All instances of this machine: those with shared memory, and those whose `up` left its record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fieldstack.cell.processes import by_systemd, same_process
from fieldstack.cell.record import held_in, read_record_in
from fieldstack.cell.status import SHARED_MEMORY, StatusSource
from fieldstack_rt.datastore import StoreError
from fieldstack_rt.instance import Instance, InstanceNameError, folder_in, runtime_roots

PREFIX = "fieldstack-"
_RUNTIME = "FIELDSTACK_RUNTIME_DIR"


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One instance. `orphaned`: something of it runs, and neither an `up` nor systemd looks after it."""

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
        if (view := _look(instance)) is not None:
            yield view


def cell_on(interface: str, shared: Path = SHARED_MEMORY) -> str | None:
    """The instance whose RT process has this interface, if any that this user may look at."""
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
    for name in sorted(names):
        try:
            yield Instance(name)
        except InstanceNameError:
            continue  # something else, for example the spool of an event log


def _look(instance: Instance) -> InstanceView | None:
    try:
        snapshot = StatusSource(instance).take()
    except (StoreError, OSError) as error:
        return InstanceView(instance.name, "unreadable", 0, {}, orphaned=False, note=str(error))
    views = (("nonrt", snapshot.nonrt), ("rt", snapshot.rt), ("core", snapshot.core))
    processes = {name: view.pid for name, view in views if view.alive and view.pid}
    folder = folder_of(instance, list(processes.values()))
    record = read_record_in(folder)
    up = record.pid if record is not None and held_in(folder) else 0
    if record is not None:
        for name, pid in (("segment", record.segment_pid), ("nonrt", record.nonrt_pid)):
            if same_process(pid, record.written_ns) is not None:
                processes[name] = pid
    if not processes and not up and not _has_memory(instance):
        return None
    state = snapshot.ha.state if snapshot.cell == "up" else "down"
    orphaned = bool(processes) and not up and not by_systemd(list(processes.values()))
    note = _note(_down_command(instance, folder), processes, orphaned=orphaned)
    return InstanceView(instance.name, state, up, processes, orphaned, note)


def folder_of(instance: Instance, pids: Iterable[int]) -> Path:
    """Where these processes of it keep their files, by their own environment; else where this one would."""
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


def _down_command(instance: Instance, folder: Path) -> str:
    command = f"fieldstack down --instance {instance.name}"
    return command if folder == instance.runtime_dir else f"{_RUNTIME}={folder.parent} {command}"


def _note(end: str, processes: dict[str, int], *, orphaned: bool) -> str:
    if orphaned:
        return f"nobody looks after it: its `up` is gone; end it with: {end}"
    return f"end it with: {end}" if processes else f"left in shared memory by a cell that is down: {end}"
