"""The shared memory as a contract: made, attached, adopted, refused; words, latch and rings."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import posix_ipc
import pytest

from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import (
    Clear,
    DataStore,
    EstopSource,
    EventCode,
    LayoutMismatchError,
    StoreBusyError,
    StoreForbiddenError,
    StoreMissingError,
    TornRecordError,
    memory,
)
from fieldstack_rt.datastore import layout as mirrored
from fieldstack_rt.datastore.events import describe
from fieldstack_rt.datastore.layout import AgentReaction
from fieldstack_rt.datastore.rings import ALL_AXES, EVENT_SLOTS, SETPOINT_SLOTS, RtEvent


def _age(store: DataStore, *, rt_pid: int, owner_pid: int) -> None:
    """Makes the memory one of an older layout, with these users."""
    store.raw.header.layout_hash ^= 1
    store.raw.header.rt_pid, store.raw.header.owner_pid = rt_pid, owner_pid


@pytest.fixture
def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_new_memory_is_empty_and_stamped(store: DataStore) -> None:
    assert not store.adopted
    assert store.rt_epoch == store.rt_beat == store.nonrt_beat == 0
    assert store.raw.header.owner_pid == os.getpid()
    assert not store.estop.state().latched


def test_a_new_memory_asks_for_full_speed_and_leaves_the_agent_to_rt(store: DataStore) -> None:
    assert (store.speed_override, store.axes_blocked) == (1000, 0)
    assert store.agent_slow_ns == store.agent_timeout_ns == store.agent_grace_ns == store.agent_go_on_ns == 0
    assert store.agent_on_silent == store.agent_on_dead == AgentReaction.DEFAULT


def test_words_come_back_as_written(store: DataStore) -> None:
    store.speed_override, store.axes_blocked = 300, 2**63 | 5
    store.agent_slow_ns, store.agent_timeout_ns = 60_000_000, 500_000_000
    store.agent_grace_ns, store.agent_go_on_ns = 10_000_000_000, 2_000_000_000
    store.agent_on_silent, store.agent_on_dead = AgentReaction.STOP, AgentReaction.HOLD
    again = DataStore.attach(store.instance)
    assert (again.speed_override, again.axes_blocked) == (300, 2**63 | 5)
    assert (again.agent_slow_ns, again.agent_timeout_ns) == (60_000_000, 500_000_000)
    assert (again.agent_grace_ns, again.agent_go_on_ns) == (10_000_000_000, 2_000_000_000)
    assert (again.agent_on_silent, again.agent_on_dead) == (AgentReaction.STOP, AgentReaction.HOLD)


def test_a_damaged_reaction_reads_as_the_default(store: DataStore) -> None:
    store.raw.agent_on_dead = 0xDEADBEEF
    assert store.agent_on_dead is AgentReaction.DEFAULT


def test_it_is_for_owner_and_group_alone(store: DataStore) -> None:
    mode = Path(f"/dev/shm{store.instance.shm_name}").stat().st_mode
    assert mode & 0o777 == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_users_is_refused_with_its_owner_named(store: DataStore) -> None:
    name = store.instance.shm_name
    os.chmod(f"/dev/shm{name}", 0o600)  # nor is it the group's
    os.seteuid(65534)
    try:
        for use in (memory.attach, memory.create, memory.check_free, memory.unlink):
            with pytest.raises(StoreForbiddenError, match=r"of user root, .* take another --instance"):
                use(name)
    finally:
        os.seteuid(0)


def test_a_restarted_owner_adopts_what_is_there(store: DataStore) -> None:
    store.estop.raise_(EstopSource.OPERATOR, "door open")
    again = DataStore.create(store.instance)
    assert again.adopted
    assert again.estop.state().notes[0].reason == "door open"


def test_attaching_to_nothing_says_what_to_do(instance: Instance) -> None:
    with pytest.raises(StoreMissingError, match="fieldstack up"):
        DataStore.attach(instance)


def test_another_layout_is_refused_with_both_sides_named(store: DataStore, dead_pid: int) -> None:
    _age(store, rt_pid=dead_pid, owner_pid=dead_pid)
    with pytest.raises(LayoutMismatchError) as caught:
        DataStore.attach(store.instance)
    assert caught.value.expected in str(caught.value)
    assert caught.value.found in str(caught.value)


def test_a_stale_memory_of_another_layout_is_replaced(store: DataStore, dead_pid: int) -> None:
    _age(store, rt_pid=dead_pid, owner_pid=dead_pid)
    fresh = DataStore.create(store.instance)
    assert not fresh.adopted
    DataStore.attach(store.instance)


def test_one_that_a_live_process_uses_is_not(store: DataStore, dead_pid: int) -> None:
    _age(store, rt_pid=os.getppid(), owner_pid=dead_pid)
    with pytest.raises(StoreBusyError, match=str(os.getppid())):
        DataStore.create(store.instance)
    store.raw.header.rt_pid = 0


def test_foreign_memory_of_that_name_is_refused_on_attach(instance: Instance) -> None:
    shared = posix_ipc.SharedMemory(instance.shm_name, posix_ipc.O_CREX, size=4096)
    os.pwrite(shared.fd, b"something else", 0)
    shared.close_fd()
    try:
        with pytest.raises(LayoutMismatchError, match="magic"):
            DataStore.attach(instance)
        assert not DataStore.create(instance).adopted
    finally:
        posix_ipc.unlink_shared_memory(instance.shm_name)


def test_one_that_is_still_being_made_is_waited_for_and_replaced(instance: Instance) -> None:
    shared = posix_ipc.SharedMemory(instance.shm_name, posix_ipc.O_CREX, size=4096)
    shared.close_fd()
    try:
        with pytest.raises(StoreMissingError, match="still being made"):
            DataStore.attach(instance, timeout_s=0.02)
        assert not DataStore.create(instance).adopted
        DataStore.attach(instance)
    finally:
        posix_ipc.unlink_shared_memory(instance.shm_name)


@pytest.mark.parametrize(
    "block", ["nonrt_status", "core_status", "rt_bus", "checkpoint", "guard_plan", "bus_command"]
)
def test_records_come_back_as_written(store: DataStore, block: str) -> None:
    record = store.new(f"fs_{block}")
    size = ffi.sizeof(f"fs_{block}")
    ffi.buffer(record)[:] = bytes((i * 7) % 251 for i in range(size))
    getattr(store, f"write_{block}")(record)
    copy = getattr(store, block)()
    assert ffi.buffer(copy, size)[:] == ffi.buffer(record, size)[:]


@pytest.mark.parametrize("block", ["nonrt_status", "guard_status", "checkpoint", "bus_command"])
def test_its_owner_mends_what_one_before_left_torn(store: DataStore, block: str) -> None:
    size = lib.fs_block_size(getattr(lib, f"FS_BLOCK_{block.upper()}"))
    ffi.memmove(ffi.addressof(store.raw, block), b"\x5a" * size, size)
    lib.fs_block_tear(store.raw, getattr(lib, f"FS_BLOCK_{block.upper()}"))
    again = DataStore.create(store.instance)
    assert again.torn == (block,)
    assert bytes(ffi.buffer(getattr(again, block)())) == bytes(size), "half of a record may be anything"
    assert DataStore.create(store.instance).torn == ()


def test_a_record_of_another_writer_stays_as_it_is(store: DataStore) -> None:
    lib.fs_block_tear(store.raw, lib.FS_BLOCK_RT_STATUS)
    assert DataStore.create(store.instance).torn == ()
    with pytest.raises(TornRecordError, match="rt_status"):
        store.rt_status()


def test_an_empty_or_damaged_checkpoint_is_not_valid(store: DataStore) -> None:
    assert not store.checkpoint_valid(store.checkpoint())
    record = store.new("fs_checkpoint")
    record.generation, record.axis_count = 1, 2
    store.write_checkpoint(record)
    assert store.checkpoint_valid(store.checkpoint())
    store.raw.checkpoint.position[1] = 5
    assert not store.checkpoint_valid(store.checkpoint())


def test_latch_sources_are_cleared_one_by_one(store: DataStore) -> None:
    store.estop.raise_(EstopSource.OPERATOR, "person", until=Clear.ON_RESET)
    store.estop.raise_(EstopSource.GUARD, "guard", until=Clear.ON_RECOVERY)
    store.estop.clear(EstopSource, Clear.ON_RECOVERY)
    state = store.estop.state()
    assert state.latched
    assert state.sources() == (EstopSource.OPERATOR,)
    store.estop.clear([EstopSource.OPERATOR], Clear.ON_RESET)
    assert not store.estop.state().latched


@pytest.mark.parametrize("reason", ["T\udcfcr offen", "\ud83d", "x" * 110 + "\udcfc", "ü" * 200])
def test_the_latch_is_set_whatever_its_text_is(store: DataStore, reason: str) -> None:
    store.estop.raise_(EstopSource.OPERATOR, reason)
    state = store.estop.state()
    assert state.latched
    text = reason.encode(errors="replace")
    whole = text.decode() if len(text) <= 111 else text[:108].decode(errors="ignore") + "…"
    assert state.notes[0].reason == whole


def test_the_parts_of_a_store_outlive_it(store: DataStore) -> None:
    estop, ring = DataStore.attach(store.instance).estop, DataStore.attach(store.instance).setpoints
    gc.collect()
    assert not estop.state().latched
    assert ring.queued == 0


def test_a_long_reason_is_cut_at_a_character(store: DataStore) -> None:
    store.estop.raise_(EstopSource.OPERATOR, "ü" * 200)
    assert store.estop.state().notes[0].reason == "ü" * 54 + "…"


def test_a_full_event_ring_refuses_and_counts(store: DataStore) -> None:
    ring = store.host_events
    taken = sum(ring.push(EventCode.SLAVE_LOST, i) for i in range(EVENT_SLOTS + 10))
    assert (taken, ring.refused) == (EVENT_SLOTS, 10)
    first = ring.drain(2)
    assert [(event.sequence, event.subject) for event in first] == [(1, 0), (2, 1)]
    assert len(ring.drain(EVENT_SLOTS)) == EVENT_SLOTS - 2
    assert ring.drain() == []


def test_damaged_ring_indexes_do_not_lead_outside(store: DataStore) -> None:
    store.raw.host_events.head = 2**63
    assert store.host_events.drain(10) == []
    assert store.host_events.push(EventCode.SLAVE_LOST, 1)
    assert [event.subject for event in store.host_events.drain()] == [1]


@pytest.mark.parametrize("index", ["head", "tail"])
@pytest.mark.parametrize("stray", [0, 3, 12, 15, 1000, 2**63, 2**64 - 1])
def test_a_damaged_ring_tells_nothing_twice_and_nothing_that_was_not(
    store: DataStore, index: str, stray: int
) -> None:
    ring = store.host_events
    for subject in range(10):
        ring.push(EventCode.SLAVE_LOST, subject)
    assert len(ring.drain()) == 10
    setattr(store.raw.host_events, index, stray)
    assert ring.drain() == []
    assert ring.damages >= (not (index == "head" and 10 < stray <= 1000))
    for subject in range(20, 25):
        assert ring.push(EventCode.SLAVE_RECOVERED, subject)
    assert [event.subject for event in ring.drain()] == [20, 21, 22, 23, 24]


def test_the_setpoint_ring_takes_what_it_can_hold(store: DataStore) -> None:
    ring = store.setpoints
    pushed = 0
    while ring.push(1, [pushed, -pushed], [1, 2], b"\x01"):
        pushed += 1
    assert pushed == SETPOINT_SLOTS
    assert ring.free() == 0
    setpoint = lib.fs_setpoint_peek(ffi.addressof(store.raw.setpoints))
    assert (setpoint.stream, setpoint.position[0], setpoint.io[0]) == (1, 0, 1)
    assert setpoint.axes == ALL_AXES
    lib.fs_setpoint_drop(ffi.addressof(store.raw.setpoints))
    assert ring.free() == 1


def test_a_stray_head_of_the_setpoint_ring_brings_nothing_back(store: DataStore) -> None:
    """Setpoints of an earlier round are there still, and their stream may be the one that is played."""
    ring, raw = store.setpoints, ffi.addressof(store.raw.setpoints)
    played = []
    for number in range(SETPOINT_SLOTS + 3):
        assert ring.push(1, [number], [0])
        if number < SETPOINT_SLOTS:
            lib.fs_setpoint_drop(raw)
    store.raw.setpoints.head += 100
    while setpoint := lib.fs_setpoint_peek(raw):
        played.append(int(setpoint.position[0]) - SETPOINT_SLOTS)
        lib.fs_setpoint_drop(raw)
    assert played == [0, 1, 2]
    assert (ring.tail, ring.free()) == (ring.head, SETPOINT_SLOTS)


def test_too_many_axes_are_refused(store: DataStore) -> None:
    with pytest.raises(ValueError, match="64"):
        store.setpoints.push(1, [0] * 65, [0])


def _mirrors() -> Iterator[tuple[str, str]]:
    yield from (
        ("RtPhase", "FS_RT_"), ("AxisMode", "FS_AXIS_"), ("Stop", "FS_STOP_"),
        ("StreamState", "FS_STREAM_"), ("EstopSource", "FS_ESTOP_"), ("HaState", "FS_HA_"),
        ("GuardState", "FS_GUARD_"), ("TripCause", "FS_TRIP_"), ("CoreState", "FS_CORE_"),
        ("Inject", "FS_INJECT_"), ("SampleFlag", "FS_SAMPLE_"), ("EventCode", "FS_EV_"),
        ("PeerView", "FS_PEER_"), ("AgentReaction", "FS_AGENT_"), ("BusCommandKind", "FS_BUS_COMMAND_"),
    )  # fmt: skip


@pytest.mark.parametrize(("name", "prefix"), list(_mirrors()))
def test_no_enumeration_misses_a_value_of_the_header(name: str, prefix: str) -> None:
    declared = {member[len(prefix) :] for member in dir(lib) if member.startswith(prefix)}
    assert declared - {"NONE"} == {member.name for member in getattr(mirrored, name)} - {"NONE"}


@pytest.mark.parametrize("code", list(EventCode))
def test_every_event_has_a_text(code: EventCode) -> None:
    severity, text, _fields = describe(RtEvent(1, 1, code, 1, 1, 1, 1))
    assert severity in {"info", "warning", "error", "critical"}
    assert "newer" not in text


def test_an_unknown_event_is_still_told() -> None:
    assert "999" in describe(RtEvent(1, 1, 999, 0, 0, 0, 0))[1]


def test_reading_a_record_costs_microseconds(store: DataStore) -> None:
    """A bound with two orders of magnitude of room: what it must not become is milliseconds."""
    began = lib.fs_now_ns()
    for _ in range(1000):
        store.rt_status()
    assert (lib.fs_now_ns() - began) / 1000 < 200_000
