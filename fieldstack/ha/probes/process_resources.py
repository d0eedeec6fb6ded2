"""Reads CPU, memory and file descriptors of the cell's processes, each with its limit. For `resources`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fieldstack.ha.probes.readings import Reading, Resource
from fieldstack_base.proc import cgroup, usage
from fieldstack_base.proc.usage import SoftLimits, Usage

LIMITS_AGE_NS = 5_000_000_000
"""Limits of a running process are read again after so long: a process sets its own after its start."""
_MB = 1024 * 1024
_CELL = "cell"


@dataclass(slots=True)
class _Known:
    """What is remembered of one life of a process."""

    life: str
    cpu_s: float
    t_ns: int
    limits: SoftLimits
    group: str
    limits_ns: int = field(default=0)


class ProcessReader:
    """Reads all processes of the cell at once. A process that has gone, or may not be read, has no readings.

    Memory limits, all that apply: `memory_limit_mb` of the configuration (resident memory), RLIMIT_AS
    (address space), `memory.max` of the control group (its working set; of the cell if processes share the
    group); where there is none of these, the host's memory.
    """

    def __init__(
        self,
        memory_limit_mb: Mapping[str, int],
        host_memory_bytes: int,
        proc: Path = Path("/proc"),
        cgroups: Path = Path("/sys/fs/cgroup"),
    ) -> None:
        self._configured = memory_limit_mb
        self._host_memory = host_memory_bytes
        self._proc, self._cgroups = proc, cgroups
        self._known: dict[str, _Known] = {}

    def read(self, now_ns: int, pids: Mapping[str, int]) -> Iterator[Reading]:
        """Readings of the processes with these pids, by name; 0 is no pid."""
        alive: list[tuple[str, Path, Usage, _Known]] = []
        for name, pid in pids.items():
            folder = self._proc / str(pid)
            try:
                used = usage.usage(folder)
                alive.append((name, folder, used, self._know(now_ns, name, pid, folder, used)))
            except (OSError, ValueError):
                self._known.pop(name, None)
        yield from self._groups([known for _, _, _, known in alive])
        for name, folder, used, known in alive:
            yield from self._cpu(now_ns, name, used, known)
            yield from self._memory(name, used, known)
            yield from self._files(name, folder, known)

    def _know(self, now_ns: int, name: str, pid: int, folder: Path, used: Usage) -> _Known:
        life = f"{pid}:{used.start_ticks}"
        known = self._known.get(name)
        if known is None or known.life != life or now_ns - known.limits_ns > LIMITS_AGE_NS:
            limits, group = usage.soft_limits(folder), cgroup.cgroup_of(folder)
            same = known is not None and known.life == life
            before_s, before_ns = (known.cpu_s, known.t_ns) if known and same else (used.cpu_s, now_ns)
            known = self._known[name] = _Known(life, before_s, before_ns, limits, group, now_ns)
        return known

    def _cpu(self, now_ns: int, name: str, used: Usage, known: _Known) -> Iterator[Reading]:
        if now_ns > known.t_ns:
            share = (used.cpu_s - known.cpu_s) / ((now_ns - known.t_ns) / 1e9)
            yield Reading(Resource.CPU, name, share, 1.0, "one CPU", known.life)
        known.cpu_s, known.t_ns = used.cpu_s, now_ns

    def _memory(self, name: str, used: Usage, known: _Known) -> Iterator[Reading]:
        configured = self._configured.get(name, 0) * _MB
        if configured:
            yield self._bytes(name, used.resident_bytes, configured, "memory_limit_mb", known)
        if known.limits.address_space_bytes:
            limit = known.limits.address_space_bytes
            yield self._bytes(name, used.virtual_bytes, limit, "RLIMIT_AS", known)
        if not configured and not known.limits.address_space_bytes and self._host_memory:
            yield self._bytes(name, used.resident_bytes, self._host_memory, "the host's memory", known)

    @staticmethod
    def _bytes(name: str, used: int, limit: int, source: str, known: _Known) -> Reading:
        return Reading(Resource.MEMORY, name, used, limit, source, known.life)

    def _groups(self, alive: list[_Known]) -> Iterator[Reading]:
        """One reading a control group with a limit: of its process, or of the cell if several share it."""
        names = {known.life: name for name, known in self._known.items()}
        shared = Counter(known.group for known in alive)
        for known in {one.group: one for one in alive if one.group}.values():
            memory = cgroup.group_memory(self._cgroups, known.group)
            if memory is not None and memory.limit_bytes:
                alone = shared[known.group] == 1
                subject, life = (names[known.life], known.life) if alone else (_CELL, memory.path)
                source = f"memory.max of {memory.path}"
                yield Reading(Resource.MEMORY, subject, memory.used_bytes, memory.limit_bytes, source, life)

    def _files(self, name: str, folder: Path, known: _Known) -> Iterator[Reading]:
        try:
            count = usage.open_files(folder)
        except OSError:
            return  # another user's process
        limit = known.limits.open_files
        yield Reading(Resource.FILE_DESCRIPTORS, name, count, limit, "RLIMIT_NOFILE", known.life)
