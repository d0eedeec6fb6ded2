"""Whatever stands in the shared memory, Python's readers take it, refuse it or report it, and come back."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from fieldstack.ha.checkpoint.record import CheckpointFormatError, from_memory
from fieldstack.ha.checkpoint.restore_for_core import restore_for_core
from fieldstack.ha.checkpoint.restoring import find
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.standstill import read_back, unsettled
from fieldstack.ha.monitor.axis_facts import axes_facts
from fieldstack.ha.monitor.rt_records import RtRecords
from fieldstack.ha.probes.axes import Axes
from fieldstack.ha.probes.cycle import Cycle
from fieldstack.ha.probes.housekeeping import Housekeeping
from fieldstack.ha.probes.power import Power
from fieldstack.ha.probes.process_progress import ProcessProgress
from fieldstack.ha.probes.slaves import Slaves
from fieldstack.ha.probes.store_health import StoreHealth
from fieldstack.ha.probes.tasks import Tasks
from fieldstack.health.metrics import bus, cell
from fieldstack.health.sources.memory import MemorySource
from fieldstack.status.next_step import next_step
from fieldstack.status.snapshot import Clock, take
from fieldstack.tasks.motion.rt_facts import read_facts
from fieldstack_base.durable import DurableRecord
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.events import describe

Rounds = Callable[[], Iterator[Random]]
CONFIG = Path(__file__).parents[2] / "config" / "ethercat" / "cell.yaml"
PLAN = plan_from_file(CONFIG)
CELL = CellMap.of(PLAN)
RECORDS = (
    *("rt_status", "rt_bus", "guard_plan", "nonrt_status", "guard_status"),
    *("checkpoint", "core_status", "bus_command"),
)
KEYS = (
    *("failed", "refused", "tasks", "lost", "p", "g", "r", "s", "w", "h", "v", "rev", "mem", "x"),
    *("state", "origin", "restore", "plan", "written_ns", "boot", "wall_ns", "positions", "verdict", "rule"),
)
"""Of the task state and of a checkpoint's extra."""
LONGEST_S = 5.0
EDGES = (0, 1, 63, 64, 65, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataStore]:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    instance = Instance("fuzz")
    instance.prepare()
    made = DataStore.create(instance)
    yield made
    made.unlink()


def any_json(random: Random, depth: int) -> Any:
    kind = random.randrange(3 if depth else 1)
    if kind == 0:
        return random.choice([None, True, 0, -1, 2**64, 10**400, 0.5, "", "x", [], {}])
    if kind == 1:
        return [any_json(random, depth - 1) for _ in range(random.randrange(4))]
    return {random.choice(KEYS): any_json(random, depth - 1) for _ in range(random.randrange(1, 12))}


class Damage:
    """Bytes of a store, again for each round: all of them, or words here and there."""

    def __init__(self, store: DataStore) -> None:
        size = ffi.sizeof("fs_store")
        self._raw, self._memory = store.raw, ffi.buffer(ffi.cast("char *", store.raw), size)
        self._whole = bytes(self._memory)
        self._first, self._end = ffi.sizeof("fs_header"), size - ffi.sizeof("fs_identity")

    def apply(self, random: Random) -> None:
        self._memory[:] = self._whole
        if random.random() < 0.5:
            self._memory[self._first : self._end] = random.randbytes(self._end - self._first)
        for _ in range(random.randrange(2000)):
            at = random.randrange(self._first // 8, self._end // 8) * 8
            self._memory[at : at + 8] = random.choice(EDGES).to_bytes(8, "little")
        for name in RECORDS:
            if random.random() < 0.9:  # whole, or nothing of it would be read
                setattr(self._raw, f"{name}_seq", random.getrandbits(63) << 1)
        if random.random() < 0.5:
            self._put(self._raw.core_status, "task", random)
            self._put(self._raw.checkpoint, "ha", random)
        if random.random() < 0.5:
            self._stamp()

    @staticmethod
    def _put(record: Any, name: str, random: Random) -> None:
        """JSON in place of noise: else no reader would get beyond its first byte."""
        text = json.dumps(any_json(random, 4)).encode()[: len(getattr(record, name))]
        ffi.memmove(getattr(record, name), text, len(text))
        setattr(record, f"{name}_size", len(text))

    def _stamp(self) -> None:
        record = self._raw.checkpoint
        record.checksum = 0
        record.checksum = lib.fs_checksum(ffi.addressof(record), ffi.sizeof(record))


def record(store: DataStore, name: str) -> Any:
    try:
        return getattr(store, name)()
    except TornRecordError:
        return store.new(f"fs_{name}")


def words(store: DataStore, _random: Random) -> None:
    for name in dir(type(store)):
        if isinstance(getattr(type(store), name), property):
            getattr(store, name)
    store.estop.state()


def records(store: DataStore, _random: Random) -> None:
    for name in RECORDS:
        record(store, name)
        store.peek(name)
    store.bus_command_valid(record(store, "bus_command"))


def events(store: DataStore, _random: Random) -> None:
    for ring in (store.cycle_events, store.host_events):
        for event in ring.drain(2000):
            assert describe(event)


def checkpoint(store: DataStore, _random: Random) -> None:
    found = record(store, "checkpoint")
    if store.checkpoint_valid(found):
        with contextlib.suppress(CheckpointFormatError):
            from_memory(found)
    folder = store.instance.state_dir
    assert find(store, DurableRecord(folder, "none"), folder)
    restore_for_core(store)


def facts(store: DataStore, random: Random) -> None:
    status = record(store, "rt_status")
    axes_facts(status)
    read_back(status, PLAN.axes, random.getrandbits(64))
    unsettled(status, PLAN.axes)
    rt = RtRecords(store, CELL)
    rt.read(time.monotonic_ns())
    rt.facts(time.monotonic_ns())
    with contextlib.suppress(TornRecordError):
        read_facts(store)


def probes(store: DataStore, _random: Random) -> None:
    now_ns = time.monotonic_ns()
    view = SimpleNamespace(**{name: record(store, name) for name in RECORDS})
    for probe in (
        *(Axes(view, CELL), Slaves(view, CELL), Power(view, CELL), Cycle(view)),
        *(Housekeeping(view, store), ProcessProgress(view), StoreHealth(store)),
    ):
        for look in range(3):
            assert all(measure.subject for measure in probe.measures(now_ns + look * 10**9))
    with contextlib.suppress(ValueError, TypeError, AttributeError):  # a report that nobody can read
        list(Tasks(view).measures(now_ns))


def snapshot(store: DataStore, random: Random) -> None:
    taken = take(store, random.choice([None, PLAN]), Clock.read())
    json.dumps(taken.to_dict())
    next_step(taken)


def metrics(store: DataStore, _random: Random) -> None:
    view = MemorySource(store.instance).read()
    assert [*bus.families(view), *cell.families(view)]


READERS = (words, records, events, checkpoint, facts, probes, snapshot, metrics)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_any_bytes_are_read(
    store: DataStore, rounds: Rounds, read: Callable[[DataStore, Random], None]
) -> None:
    damage = Damage(store)
    for random in rounds():
        damage.apply(random)
        begun = time.monotonic()
        read(store, random)
        assert time.monotonic() - begun < LONGEST_S
