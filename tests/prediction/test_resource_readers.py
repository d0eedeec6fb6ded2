"""Resource readings: of real processes, and of made-up trees where this machine has nothing to read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.probes.host import DiskReader, HostReader
from fieldstack.ha.probes.process_resources import ProcessReader
from fieldstack.ha.probes.readings import Reading, Resource
from fieldstack.ha.probes.resources import MAX_AGE_NS, ResourceProbe, ResourceSampler

SECOND = 1_000_000_000
GIB = 2**30
CHILD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
resource.setrlimit(resource.RLIMIT_AS, (2 ** 30, 2 ** 30))
held = []
print(flush=True)
for line in sys.stdin:
    held += [open("/dev/null") for _ in range(50)]
    held.append(bytearray(b"x" * 50_000_000))
    print(flush=True)
"""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process with limits of its own that holds 50 files and 50 MB more for each line it reads."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        step(process, ask=False)
        yield process
        process.kill()


def step(process: subprocess.Popen[str], *, ask: bool = True) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    if ask:
        process.stdin.write("\n")
        process.stdin.flush()
    process.stdout.readline()


def by_source(readings: Iterator[Reading]) -> dict[tuple[Resource, str], Reading]:
    return {(one.resource, one.source): one for one in readings}


def test_a_real_process_is_read_against_its_own_limits(child: subprocess.Popen[str]) -> None:
    reader = ProcessReader({"p": 1000}, 0)
    before = by_source(reader.read(SECOND, {"p": child.pid}))
    step(child)
    after = by_source(reader.read(2 * SECOND, {"p": child.pid}))

    files = (Resource.FILE_DESCRIPTORS, "RLIMIT_NOFILE")
    assert after[files].limit == 200
    assert after[files].value == before[files].value + 50
    for source, limit in (("memory_limit_mb", 1000 * 2**20), ("RLIMIT_AS", 2**30)):
        key = (Resource.MEMORY, source)
        assert after[key].limit == limit
        assert after[key].value - before[key].value == pytest.approx(50e6, rel=0.1)
    assert {one.life for one in (*before.values(), *after.values())} == {before[files].life}
    assert (Resource.CPU, "one CPU") not in before
    assert 0 <= after[Resource.CPU, "one CPU"].value < 1


def test_a_restarted_process_is_another_life(child: subprocess.Popen[str]) -> None:
    reader = ProcessReader({}, GIB)
    first = {one.life for one in reader.read(SECOND, {"p": child.pid})}
    other = {one.life for one in reader.read(2 * SECOND, {"p": os.getpid()})}
    assert len(first) == len(other) == 1
    assert first != other


def test_processes_that_have_gone_have_no_readings(child: subprocess.Popen[str]) -> None:
    reader = ProcessReader({}, GIB)
    assert list(reader.read(SECOND, {"p": child.pid, "never": 0}))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie still has its folder
    assert not list(reader.read(2 * SECOND, {"p": child.pid, "never": 0}))
    child.wait()
    assert not list(reader.read(3 * SECOND, {"p": child.pid}))


def test_without_any_limit_the_hosts_memory_is_the_limit() -> None:
    sources = by_source(ProcessReader({}, 64 * GIB).read(SECOND, {"p": os.getpid()}))
    assert sources[Resource.MEMORY, "the host's memory"].limit == 64 * GIB


def make_process(proc: Path, pid: int, group: str) -> None:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "fd" / "0").touch()
    (folder / "stat").write_text(f"{pid} (a) b) S " + " ".join(["0"] * 10 + ["50", "50"] + ["7"] * 30))
    (folder / "statm").write_text("1000 100 10 1 0 1 0")
    (folder / "limits").write_text(
        "Max open files            1024                 4096                 files\n"
    )
    (folder / "cgroup").write_text(f"3:cpu:/\n0::{group}\n")


def make_group(root: Path, name: str, limit: str, used: int) -> None:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text("anon 5\ninactive_file 1000\n")


def test_a_control_group_of_its_own_limits_its_process(tmp_path: Path) -> None:
    make_process(tmp_path / "proc", 7, "/slice/core.service")
    make_group(tmp_path / "cgroup", "slice", "max", 9000)
    make_group(tmp_path / "cgroup", "slice/core.service", "8000", 5000)
    reader = ProcessReader({}, 0, tmp_path / "proc", tmp_path / "cgroup")
    found = [one for one in reader.read(SECOND, {"core": 7}) if one.resource is Resource.MEMORY]
    assert [(one.subject, one.value, one.limit) for one in found] == [("core", 4000, 8000)]


def test_a_shared_control_group_is_the_cells(tmp_path: Path) -> None:
    for pid in (7, 8):
        make_process(tmp_path / "proc", pid, "/box/inner")
    make_group(tmp_path / "cgroup", "box", "8000", 5000)
    make_group(tmp_path / "cgroup", "box/inner", "max", 5000)
    reader = ProcessReader({}, 0, tmp_path / "proc", tmp_path / "cgroup")
    found = [one for one in reader.read(SECOND, {"core": 7, "rt": 8}) if one.resource is Resource.MEMORY]
    assert [(one.subject, one.source) for one in found] == [("cell", "memory.max of /box")]


def test_what_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    make_process(tmp_path, 7, "/")
    (tmp_path / "7" / "fd" / "0").unlink()
    (tmp_path / "7" / "fd").rmdir()
    found = list(ProcessReader({}, GIB, tmp_path, tmp_path).read(SECOND, {"core": 7}))
    assert {one.resource for one in found} == {Resource.MEMORY}


def sensor(sys: Path, name: str, **files: str) -> None:
    folder = sys / "class/hwmon/hwmon0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text("coretemp\n")
    for key, value in files.items():
        (folder / f"{name}_{key}").write_text(value + "\n")


def test_temperatures_come_with_the_sensors_own_limits(tmp_path: Path) -> None:
    sensor(tmp_path, "temp1", input="61500", crit="105000", max="90000", label="Package")
    sensor(tmp_path, "temp2", input="40000", max="80000")
    sensor(tmp_path, "temp3", input="30000")
    sensor(tmp_path, "temp4", input="no number")
    found = {one.subject: one for one in HostReader(sys=tmp_path).read(SECOND) if "coretemp" in one.subject}
    assert {name: (one.value, one.limit) for name, one in found.items()} == {
        "host:coretemp Package": (61.5, 105.0),
        "host:coretemp temp2": (40.0, 80.0),
        "host:coretemp temp3": (30.0, 100.0),
    }
    assert "100 °C is taken" in found["host:coretemp temp3"].source


def test_thermal_zones_are_read_where_there_is_no_hwmon(tmp_path: Path) -> None:
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    for name, value in {
        "type": "cpu", "temp": "50000", "trip_point_0_type": "passive", "trip_point_0_temp": "80000",
        "trip_point_1_type": "critical", "trip_point_1_temp": "95000",
    }.items():  # fmt: skip
        (zone / name).write_text(value)
    (found,) = (one for one in HostReader(sys=tmp_path).read(SECOND) if one.resource is Resource.TEMPERATURE)
    assert (found.subject, found.value, found.limit) == ("host:cpu", 50.0, 95.0)


def test_the_host_is_read_from_proc() -> None:
    reader = HostReader()
    list(reader.read(time.monotonic_ns()))
    found = {one.resource: one for one in reader.read(time.monotonic_ns() + SECOND)}
    assert 0 < found[Resource.MEMORY].share < 1
    assert found[Resource.CPU].limit == os.cpu_count()


def test_a_disk_that_does_not_answer_has_no_reading(tmp_path: Path) -> None:
    disk = DiskReader(tmp_path)
    assert not list(disk.read(time.monotonic_ns()))
    disk.read_disk()
    now_ns = time.monotonic_ns()
    (found,) = disk.read(now_ns)
    assert 0 < found.share < 1
    assert not list(disk.read(now_ns + 11 * SECOND))


def test_the_probe_hands_out_the_last_sample_while_it_is_fresh(tmp_path: Path) -> None:
    sampler = ResourceSampler(lambda: {"fieldstack-core": os.getpid()}, tmp_path, {"fieldstack-core": 4096})
    probe = ResourceProbe(sampler)
    assert probe.measures(0) == ()
    now_ns = sampler.sample(time.monotonic_ns()).t_ns
    found = {(one.fact, one.subject): one for one in probe.measures(now_ns)}
    memory = found[FactKind.MEMORY_HIGH, "fieldstack-core"]
    assert 0 < memory.value < 1
    assert "of 4096 MiB (memory_limit_mb)" in memory.detail
    assert (FactKind.FILE_DESCRIPTORS_HIGH, "fieldstack-core") in found
    assert probe.measures(now_ns + MAX_AGE_NS + 1) == ()


def test_the_thread_samples_by_itself_and_ends(tmp_path: Path) -> None:
    sampler = ResourceSampler(lambda: {"p": os.getpid()}, tmp_path, period_s=0.01)
    sampler.start()
    until = time.monotonic() + 10
    while sampler.beat < 3 and time.monotonic() < until:
        time.sleep(0.01)
    sampler.stop()
    assert sampler.last is not None
    assert {one.resource for one in sampler.last.readings} >= {Resource.DISK, Resource.CPU, Resource.MEMORY}
