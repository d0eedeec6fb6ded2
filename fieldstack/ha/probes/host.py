"""Reads CPU, memory and temperatures of the host, and the use of one disk. Used by `resources`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldstack.ha.probes.readings import Reading, Resource
from fieldstack_base.proc.usage import TICKS

HOST = "host"
NO_LIMIT_C = 100.0
"""Used for a sensor without a critical temperature: processors throttle at about this value."""
_IDLE, _IOWAIT, _FIELDS = 3, 4, 8
_DISK_AGE_NS = 10_000_000_000


@dataclass(slots=True)
class _Cpu:
    busy_s: float = 0.0
    t_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Sensor:
    name: str
    value: Path
    limit_c: float
    source: str


class HostReader:
    """Reads the host; `proc` and `sys` are parameters so that a made-up machine can be read as well."""

    def __init__(self, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
        self._proc = proc
        self._cpu = _Cpu()
        self._sensors = tuple(_sensors(sys))
        self.memory_bytes = self._meminfo().get("MemTotal", 0)

    def read(self, now_ns: int) -> Iterator[Reading]:
        yield from self._read_cpu(now_ns)
        memory = self._meminfo()
        if "MemTotal" in memory and "MemAvailable" in memory:
            total, used = memory["MemTotal"], memory["MemTotal"] - memory["MemAvailable"]
            yield Reading(Resource.MEMORY, HOST, used, total, "MemTotal", "boot")
        for sensor in self._sensors:
            value = _milli(sensor.value)
            if value is not None:
                yield Reading(
                    Resource.TEMPERATURE,
                    f"{HOST}:{sensor.name}",
                    value,
                    sensor.limit_c,
                    sensor.source,
                    "boot",
                )

    def _read_cpu(self, now_ns: int) -> Iterator[Reading]:
        try:
            lines = (self._proc / "stat").read_text(encoding="ascii").splitlines()
        except OSError:
            return
        ticks = [int(word) for word in lines[0].split()[1 : 1 + _FIELDS]]
        cpus = sum(line.startswith("cpu") for line in lines) - 1
        busy_s = (sum(ticks) - ticks[_IDLE] - ticks[_IOWAIT]) / TICKS
        if self._cpu.t_ns and now_ns > self._cpu.t_ns:
            share = (busy_s - self._cpu.busy_s) / ((now_ns - self._cpu.t_ns) / 1e9)
            yield Reading(Resource.CPU, HOST, share, cpus, "all CPUs", "boot")
        self._cpu = _Cpu(busy_s, now_ns)

    def _meminfo(self) -> dict[str, int]:
        """Bytes by name."""
        try:
            lines = (self._proc / "meminfo").read_text(encoding="ascii").splitlines()
        except OSError:
            return {}
        pairs = (line.split(":") for line in lines[:8] if ":" in line)
        return {name: int(rest.split()[0]) * 1024 for name, rest in pairs}


def _sensors(sys: Path) -> Iterator[_Sensor]:
    """Every hwmon input with its critical (else maximal) value; thermal zones where there is no hwmon."""
    for value in sorted(sys.glob("class/hwmon/hwmon*/temp*_input")):
        stem = value.name.removesuffix("_input")
        label = _text(value.with_name(f"{stem}_label")) or stem
        name = f"{_text(value.with_name('name')) or value.parent.name} {label}"
        yield _with_limit(
            name, value, [(value.with_name(f"{stem}_{word}"), word) for word in ("crit", "max")]
        )
    if any(sys.glob("class/hwmon/hwmon*/temp*_input")):
        return
    for zone in sorted(sys.glob("class/thermal/thermal_zone*")):
        trips = sorted(zone.glob("trip_point_*_type"))
        limits = [
            (trip.with_name(trip.name.replace("_type", "_temp")), word)
            for word in ("critical", "hot")
            for trip in trips
            if _text(trip) == word
        ]
        yield _with_limit(_text(zone / "type") or zone.name, zone / "temp", limits)


def _with_limit(name: str, value: Path, limits: Sequence[tuple[Path, str]]) -> _Sensor:
    for file, word in limits:
        limit = _milli(file)
        if limit is not None and limit > 0:
            return _Sensor(name, value, limit, f"its {word} value")
    return _Sensor(name, value, NO_LIMIT_C, f"no value of its own: {NO_LIMIT_C:g} °C is taken")


def _milli(file: Path) -> float | None:
    try:
        return int(file.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


class DiskReader:
    """Use of a folder's file system. statvfs can block for ever on a dead mount: it has its own thread."""

    def __init__(self, folder: Path, period_s: float = 1.0) -> None:
        self._folder, self._period_s = folder, period_s
        self._stop = threading.Event()
        self._last: tuple[int, float, float] | None = None
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait: the thread may hang in the kernel; it is a daemon."""
        self._stop.set()

    def read(self, now_ns: int) -> Iterator[Reading]:
        """The last value; None if the disk has not answered for ten seconds."""
        last = self._last
        if last is not None and now_ns - last[0] <= _DISK_AGE_NS:
            yield Reading(Resource.DISK, HOST, last[1], last[2], f"file system of {self._folder}", "boot")

    def read_disk(self) -> None:
        """One system call, which may block."""
        found = os.statvfs(self._folder)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        usable = used + found.f_bavail * found.f_frsize  # without what is kept for root, as `df` has it
        self._last = (time.monotonic_ns(), float(used), float(usable))

    def _run(self) -> None:
        while True:
            try:
                self.read_disk()
            except Exception:  # what cannot be read is not reported, and is tried again
                self._last = None
            if self._stop.wait(self._period_s):
                return
