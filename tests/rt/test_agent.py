"""RT's agent: what the cycle makes of the Non-RT process's beat, lock and settings."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import AgentReaction, DataStore, EventCode, PeerView
from fieldstack_rt.datastore.layout import AxisMode, Stop
from fieldstack_rt.guard import Guard, GuardConfig
from tests.rt.rt_cell import RtCell, rt_cell, wait_for

MS = 1_000_000
OWNER_DIED = 0xC0000000
"""FUTEX_WAITERS | FUTEX_OWNER_DIED: what the kernel leaves."""
SLOW_MS, TIMEOUT_MS, GRACE_MS = 60, 500, 1000


class Agent:
    """The native agent, a look a millisecond."""

    def __init__(self, store: DataStore, **defaults: int) -> None:
        self.store = store
        self.native = ffi.new("fs_agent *")
        given = {"slow_ns": SLOW_MS * MS, "timeout_ns": TIMEOUT_MS * MS, "grace_ns": GRACE_MS * MS}
        lib.fs_agent_begin(self.native, store.raw, ffi.new("fs_agent_settings *", given | defaults), MS)

    def look(self, times: int = 1) -> PeerView:
        for _ in range(times):
            lib.fs_agent_look(self.native, self.store.raw)
        return self.view

    def beat(self, times: int = 1) -> PeerView:
        for _ in range(times):
            self.store.beat_nonrt()
            self.look()
        return self.view

    @property
    def view(self) -> PeerView:
        return PeerView(self.native.view)

    @property
    def stop(self) -> Stop:
        return Stop(lib.fs_agent_stop(self.native))

    @property
    def reaction(self) -> AgentReaction:
        return AgentReaction(lib.fs_agent_reaction_now(self.native))

    def die(self) -> None:
        """The kernel's mark of an owner that died."""
        self.store.raw.nonrt_lock.word = OWNER_DIED

    def take_over(self) -> None:
        self.store.raw.nonrt_lock.word = lib.fs_lock_word_of(12345)


@pytest.fixture
def agent(store: DataStore) -> Agent:
    return Agent(store)


def test_one_that_was_never_seen_is_not_silent_and_nothing_moves(agent: Agent) -> None:
    assert agent.look(3 * GRACE_MS) is PeerView.NEVER
    assert agent.stop is Stop.NONRT_SILENT
    assert agent.beat() is PeerView.WELL
    assert agent.stop is Stop.NONE


def test_slow_then_silent_then_back(agent: Agent) -> None:
    agent.beat()
    assert agent.look(SLOW_MS) is PeerView.WELL
    assert agent.look() is PeerView.SLOW
    assert agent.stop is Stop.NONE
    assert agent.look(TIMEOUT_MS - SLOW_MS - 1) is PeerView.SLOW
    assert agent.look() is PeerView.SILENT
    assert agent.stop is Stop.NONRT_SILENT
    assert agent.beat() is PeerView.WELL
    assert agent.stop is Stop.NONE


def test_death_is_known_at_the_next_look_until_somebody_beats(agent: Agent) -> None:
    agent.beat()
    agent.die()
    assert agent.look() is PeerView.DEAD
    assert agent.stop is Stop.NONRT_DEAD
    agent.take_over()
    assert agent.look() is PeerView.DEAD, "who holds the lock has not shown yet that it works"
    assert agent.beat() is PeerView.WELL


def test_the_dead_ones_last_beat_is_no_sign_of_life(agent: Agent) -> None:
    agent.beat()
    agent.store.beat_nonrt()
    agent.die()
    assert agent.look() is PeerView.DEAD
    assert agent.look(5) is PeerView.DEAD


def test_a_mark_of_death_beside_a_beat_is_damage(agent: Agent) -> None:
    agent.beat()
    agent.die()
    assert agent.look() is PeerView.DEAD
    assert agent.beat(3) is PeerView.WELL
    assert agent.look(TIMEOUT_MS + 1) is PeerView.SILENT, "the beat still protects"
    agent.take_over()
    agent.beat()
    agent.die()
    assert agent.look() is PeerView.DEAD, "a whole lock is believed again"


def test_going_down_by_request_is_told_apart(agent: Agent) -> None:
    agent.beat()
    agent.store.nonrt_stopping = True
    assert agent.look(SLOW_MS) is PeerView.WELL, "it still beats"
    assert agent.look() is PeerView.STOPPING
    assert agent.stop is Stop.NONE
    agent.look(TIMEOUT_MS)
    assert (agent.view, agent.stop) == (PeerView.STOPPING, Stop.NONRT_SILENT)


def test_motion_goes_on_for_the_time_allowed(agent: Agent) -> None:
    agent.store.agent_go_on_ns = 100 * MS
    agent.beat()
    agent.die()
    agent.look(100)
    assert (agent.view, agent.stop) == (PeerView.DEAD, Stop.NONE)
    agent.look()
    assert agent.stop is Stop.NONRT_DEAD


def test_one_that_died_before_this_rt_process_came_lets_nothing_go_on(agent: Agent) -> None:
    agent.store.agent_go_on_ns = 60_000 * MS
    agent.die()
    agent.look()
    assert (agent.view, agent.stop) == (PeerView.DEAD, Stop.NONRT_DEAD)


def test_new_settings_count_from_the_next_look(agent: Agent) -> None:
    agent.beat()
    agent.look(100)
    agent.store.agent_timeout_ns = 80 * MS
    assert agent.look() is PeerView.SILENT
    agent.store.agent_timeout_ns = 0
    assert agent.look() is PeerView.SLOW, "0: RT's own default"


def test_each_fact_has_its_reaction(agent: Agent) -> None:
    agent.store.agent_on_silent, agent.store.agent_on_dead = AgentReaction.STOP, AgentReaction.HOLD
    agent.beat()
    agent.look(TIMEOUT_MS + 1)
    assert agent.reaction is AgentReaction.STOP
    agent.die()
    agent.look()
    assert agent.reaction is AgentReaction.HOLD


def _gone(agent: Agent, how: str) -> None:
    if how != "never":
        agent.beat()
    if how == "dead":
        agent.die()
    agent.store.nonrt_stopping = how == "stopping"


@pytest.mark.parametrize("how", ["dead", "silent", "stopping", "never"])
def test_a_hold_has_an_end_however_nonrt_has_gone(agent: Agent, how: str) -> None:
    agent.store.agent_on_silent = AgentReaction.HOLD
    agent.store.agent_hold_at_most_ns = 2000 * MS
    _gone(agent, how)
    agent.look(2000)
    assert (agent.stop is not Stop.NONE, agent.reaction) == (True, AgentReaction.HOLD)
    agent.look()
    assert agent.reaction is AgentReaction.STOP
    agent.take_over()
    agent.beat()
    assert agent.stop is Stop.NONE
    assert not lib.fs_agent_hold_over(agent.native)


def test_a_hold_ends_by_default_as_well(agent: Agent) -> None:
    agent.beat()
    agent.die()
    agent.look(30_000)
    assert agent.reaction is AgentReaction.HOLD
    agent.look()
    assert agent.reaction is AgentReaction.STOP


_DAMAGE = [
    ("agent_hold_at_most_ns", 2**63, 64),
    ("agent_slow_ns", 2**63, 1),
    ("agent_timeout_ns", 1, 2),
    ("agent_timeout_ns", 2**64 - 1, 2),
    ("agent_grace_ns", 2**62, 4),
    ("agent_go_on_ns", 2**40, 8),
    ("agent_on_silent", 77, 16),
    ("agent_on_dead", 0xFFFFFFFF, 32),
]


@pytest.mark.parametrize(("word", "value", "bit"), _DAMAGE)
def test_a_damaged_word_leaves_the_default_and_the_protection(
    agent: Agent, word: str, value: int, bit: int
) -> None:
    agent.beat()
    setattr(agent.store.raw, word, value)
    agent.look(TIMEOUT_MS + 1)
    assert agent.native.damaged == bit
    assert (agent.view, agent.stop) == (PeerView.SILENT, Stop.NONRT_SILENT)
    assert agent.reaction is AgentReaction.HOLD


def test_a_look_costs_no_system_call_and_far_less_than_a_microsecond(agent: Agent) -> None:
    """A bound with much room: what it must not become is a thousandth of a cycle and more."""
    looks = 20_000
    began = lib.fs_now_ns()
    agent.look(looks)
    assert (lib.fs_now_ns() - began) / looks < 20_000


# ---- the real lock ----


def test_the_guards_thread_holds_the_lock_for_its_life(store: DataStore) -> None:
    lock = ffi.addressof(store.raw, "nonrt_lock")
    guard = Guard(store, GuardConfig(priority=0)).start()
    wait_for(lambda: lib.fs_lock_has_living_owner(lock), "the guard has it")
    guard.stop()
    assert not lib.fs_lock_has_living_owner(lock)
    assert not lib.fs_lock_died(lib.fs_lock_word(lock)), "an orderly end is no death"


def test_the_guard_mends_a_damaged_lock(store: DataStore) -> None:
    lock = ffi.addressof(store.raw, "nonrt_lock")
    guard = Guard(store, GuardConfig(priority=0)).start()
    try:
        wait_for(lambda: lib.fs_lock_has_living_owner(lock), "the guard has it")
        ffi.memmove(lock, b"\x5a" * ffi.sizeof("fs_lock"), ffi.sizeof("fs_lock"))
        wait_for(lambda: lib.fs_lock_has_living_owner(lock), "it is whole again")
    finally:
        guard.stop()


def test_a_lock_that_was_damaged_before_is_made_anew(store: DataStore) -> None:
    lock = ffi.addressof(store.raw, "nonrt_lock")
    ffi.memmove(lock, b"\xa5" * ffi.sizeof("fs_lock"), ffi.sizeof("fs_lock"))
    guard = Guard(store, GuardConfig(priority=0)).start()
    try:
        wait_for(lambda: lib.fs_lock_has_living_owner(lock), "the guard has it")
    finally:
        guard.stop()


# ---- a whole RT process ----


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance, own_nonrt=True) as found:
        yield found


class Stream(threading.Thread):
    """Setpoints at rest without end: what a Main Core that outlives Non-RT goes on to push."""

    def __init__(self, cell: RtCell) -> None:
        super().__init__()
        self._cell, self.over, self._stream = cell, threading.Event(), 1

    def run(self) -> None:
        ring = self._cell.store.setpoints
        while not self.over.wait(0.005):
            status = self._cell.store.rt_status()
            if status.stream_state != lib.FS_STREAM_PLAYING and not ring.queued:
                self._stream = int(status.stream) + 1
            targets = [int(status.axes[i].target) for i in range(len(self._cell.plan.axes))]
            while ring.queued < 300:
                ring.push(self._stream, targets, [0] * len(targets))

    def __enter__(self) -> Stream:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def _status(cell: RtCell) -> Any:
    return cell.store.rt_status()


@pytest.mark.system
def test_a_killed_nonrt_process_is_known_before_its_beat_is_missed(cell: RtCell) -> None:
    cell.store.agent_timeout_ns = 60_000 * MS
    cell.store.agent_slow_ns = 60_000 * MS
    cell.kill_nonrt()
    wait_for(lambda: _status(cell).nonrt_view == PeerView.DEAD, "RT knows")
    wait_for(lambda: _status(cell).stop_reason == Stop.NONRT_DEAD, "the axes stop")
    assert cell.seen(EventCode.NONRT_DEAD)
    assert not cell.seen(EventCode.NONRT_SILENT)
    assert all(_status(cell).axes[i].state == AxisMode.HOLDING for i in range(len(cell.plan.axes)))
    cell.start_nonrt()
    cell.wait_until_free_to_move()
    assert cell.seen(EventCode.NONRT_BACK)


@pytest.mark.system
def test_the_reaction_stop_takes_the_power_and_the_return_gives_it_back(cell: RtCell) -> None:
    cell.store.agent_on_dead = AgentReaction.STOP
    cell.kill_nonrt()
    axes = range(len(cell.plan.axes))
    wait_for(lambda: not any(_powered(cell, i) for i in axes), "the axes lose their power")
    wait_for(lambda: _status(cell).wkc == _status(cell).expected_wkc, "the bus goes on in OP")
    cell.start_nonrt()
    cell.wait_until_free_to_move()
    assert all(_powered(cell, i) for i in axes)


@pytest.mark.system
def test_a_hold_ends_when_nonrt_does_not_come_back(cell: RtCell) -> None:
    cell.store.agent_hold_at_most_ns = 1000 * MS
    cell.kill_nonrt()
    axes = range(len(cell.plan.axes))
    wait_for(lambda: _status(cell).nonrt_view == PeerView.DEAD, "RT knows")
    wait_for(lambda: not any(_powered(cell, i) for i in axes), "the axes lose their power")
    gap_ns = int(_status(cell).nonrt_gap_ns)
    assert gap_ns > 1000 * MS
    assert cell.seen(EventCode.NONRT_HOLD_OVER)
    cell.start_nonrt()
    cell.wait_until_free_to_move()


@pytest.mark.system
@pytest.mark.parametrize("order", ["fault-then-death", "death-then-fault"])
def test_the_reaction_stop_holds_whatever_else_stops_the_axes(cell: RtCell, order: str) -> None:
    """A drive fault is the worse reason and the one that is shown: it gives nobody power back."""
    cell.store.agent_on_dead = AgentReaction.STOP
    axes = range(len(cell.plan.axes))
    if order == "death-then-fault":
        cell.kill_nonrt()
        wait_for(lambda: not any(_powered(cell, i) for i in axes), "the axes lose their power")
    cell.segment.client.drive_fault(0, 0x2310)
    wait_for(lambda: _status(cell).stop_reason == Stop.AXIS_FAULT, "the fault is shown")
    if order == "fault-then-death":
        cell.kill_nonrt()
        wait_for(lambda: not any(_powered(cell, i) for i in axes), "the axes lose their power")
    cycle = int(_status(cell).cycle)
    wait_for(lambda: _status(cell).cycle > cycle + 50, "time to give it back, if anything did")
    assert not any(_powered(cell, i) for i in axes)


def _powered(cell: RtCell, axis: int) -> bool:
    return int(cell.segment.client.truth()[cell.plan.axes[axis].slave].statusword) & 0x6F == 0x27


@pytest.mark.system
def test_motion_goes_on_over_a_quick_restart_of_nonrt(cell: RtCell) -> None:
    cell.store.agent_go_on_ns = 30_000 * MS
    with Stream(cell):
        wait_for(lambda: _status(cell).axes_playing == 0b1111, "all axes play")
        stream = int(_status(cell).stream)
        cell.kill_nonrt()
        wait_for(lambda: _status(cell).nonrt_view == PeerView.DEAD, "RT knows")
        tail = int(_status(cell).setpoint_tail)
        wait_for(lambda: _status(cell).setpoint_tail > tail + 20, "setpoints are played meanwhile")
        cell.start_nonrt()
        wait_for(lambda: _status(cell).nonrt_view == PeerView.WELL, "Non-RT is back")
        assert (int(_status(cell).stream), int(_status(cell).stop_reason)) == (stream, Stop.NONE)


@pytest.mark.system
def test_when_both_are_killed_the_drives_watchdogs_make_the_outputs_safe(cell: RtCell) -> None:
    axes = range(len(cell.plan.axes))
    cell.rt.kill()
    cell.kill_nonrt()
    cell.rt.wait()
    wait_for(lambda: all(slave.safe for slave in cell.segment.client.truth()), "outputs are safe")
    wait_for(lambda: not any(_powered(cell, i) for i in axes), "the drives stopped by themselves")
    cell.start_nonrt()
    cell.recover()
    assert all(_powered(cell, i) for i in axes)


@pytest.mark.system
def test_an_rt_process_without_nonrt_says_so_after_the_grace(instance: Instance) -> None:
    with rt_cell(instance, own_nonrt=True) as cell:
        cell.stop_rt()
        cell.kill_nonrt()
        cell.store.raw.nonrt_lock.word = 0  # as if there had never been one
        cell.store.agent_grace_ns = 200 * MS
        began = time.monotonic_ns()
        cell.start_rt()
        wait_for(lambda: cell.seen(EventCode.NONRT_NEVER), "it says so")
        assert time.monotonic_ns() - began > 200 * MS
        assert _status(cell).nonrt_view == PeerView.NEVER
        cell.start_nonrt()
        cell.wait_until_free_to_move()
