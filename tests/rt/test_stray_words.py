"""One stray word of the shared memory: it ends no healthy RT process, and hides none that hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from fieldstack.bench.failover.stray_words import WORDS, StrayWrite, all_stray_writes
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore, EventCode
from fieldstack_rt.datastore.layout import GuardState, RtPhase, TripCause
from fieldstack_rt.guard import Guard, GuardConfig
from tests.rt.rt_cell import NONRT_SIDE, RtCell, rt_cell, wait_for
from tests.rt.rt_without_bus import RtWithoutBus, rt_without_bus

THRESHOLD = 40
BOUND_MS = 3 * THRESHOLD + 100
"""A hang is known after so many observations of 1 ms each; a busy machine takes its time for each."""
ENDS = (
    "rt_phase",
    "rt_end",
    "guard_end",
    "rt_orderly_end",
    "rt_epoch",
    "rt_tid",
    "header.rt_pid",
    "rt_lock.word",
)
"""Words that have to do with an end, or with who has the bus."""


@pytest.fixture
def guard(store: DataStore) -> Iterator[Guard]:
    made = Guard(store, GuardConfig(priority=0, threshold_cycles=THRESHOLD)).start()
    yield made
    made.stop()


def looks(guard: Guard, count: int) -> None:
    seen = guard.status().observations
    wait_for(lambda: guard.status().observations >= seen + count, "the guard looks")


def _armed(guard: Guard) -> None:
    wait_for(lambda: guard.status().state == GuardState.ARMED, "the guard is armed")


@pytest.mark.system
def test_no_stray_word_trips_the_guard_on_a_healthy_process(store: DataStore, guard: Guard) -> None:
    with rt_without_bus(store) as rt:
        _armed(guard)
        for stray in all_stray_writes():
            stray.write(store)
            looks(guard, 3)
            status = guard.status()
            assert (status.state, status.trips, status.armed_epoch) == (GuardState.ARMED, 0, rt.epoch), stray
        beats = store.rt_beats
        wait_for(lambda: store.rt_beats > beats + 50, "it goes on")
        assert rt.lives()
        assert (store.rt_epoch, store.rt_pid, store.raw.rt_tid) == (rt.epoch, rt.pid, rt.tid)


def hangs(guard: Guard, store: DataStore, rt: RtWithoutBus, stray: StrayWrite) -> None:
    """Stopped by a signal, then the stray word: nobody writes it again."""
    os.kill(rt.pid, signal.SIGSTOP)
    at_ns = time.monotonic_ns()
    stray.write(store)
    wait_for(lambda: guard.status().trip_epoch == rt.epoch, f"the guard trips in spite of {stray}")
    status = guard.status()
    assert status.cause in (TripCause.SILENT, TripCause.CORRUPT), stray
    assert (status.detected_ns - at_ns) / 1e6 < BOUND_MS, stray
    wait_for(lambda: guard.status().fenced_ns, "it is fenced")
    assert not rt.lives()


@pytest.mark.system
@pytest.mark.parametrize("word", ENDS)
def test_no_stray_word_disarms_the_guard(store: DataStore, guard: Guard, word: str) -> None:
    for value in WORDS[word]:
        with rt_without_bus(store) as rt:
            _armed(guard)
            hangs(guard, store, rt, StrayWrite(word, value))


@pytest.mark.system
def test_a_word_that_was_damaged_before_does_not_keep_the_guard_from_arming(store: DataStore) -> None:
    with rt_without_bus(store) as rt:
        os.kill(rt.pid, signal.SIGSTOP)  # nobody writes again what is damaged
        store.raw.rt_phase, store.raw.rt_epoch, store.raw.rt_end = RtPhase.STOPPED, 77, rt.epoch
        guard = Guard(store, GuardConfig(priority=0, threshold_cycles=THRESHOLD)).start()
        try:
            wait_for(lambda: guard.status().trips == 1, "it arms, and trips")
            wait_for(lambda: guard.status().fenced_ns, "it is fenced")
        finally:
            guard.stop()


# ---- the orderly end ----


@pytest.mark.system
def test_a_hang_in_the_midst_of_an_orderly_end_trips(store: DataStore, guard: Guard) -> None:
    with rt_without_bus(store) as rt:
        _armed(guard)
        rt.tell("halt", "halted")
        wait_for(lambda: store.raw.guard_end, "the guard has answered")
        looks(guard, 3 * THRESHOLD)
        assert guard.status().trips == 0, "it beats while it ends"
        os.kill(rt.pid, signal.SIGSTOP)
        wait_for(lambda: guard.status().trips == 1, "the guard trips")
        assert guard.status().cause == TripCause.SILENT


@pytest.mark.system
def test_an_orderly_end_that_comes_to_nothing_trips(store: DataStore) -> None:
    """RT's main thread hangs; its cycle thread beats on."""
    guard = Guard(store, GuardConfig(priority=0, threshold_cycles=THRESHOLD, end_timeout_ms=300)).start()
    try:
        with rt_without_bus(store) as rt:
            _armed(guard)
            rt.tell("halt", "halted")
            at_ns = time.monotonic_ns()
            wait_for(lambda: guard.status().trips == 1, "the guard trips")
            assert guard.status().detected_ns - at_ns > 200_000_000, "it has its time"
            wait_for(lambda: guard.status().fenced_ns, "it is fenced")
    finally:
        guard.stop()


@pytest.mark.system
def test_a_death_in_the_midst_of_an_orderly_end_is_a_death(store: DataStore, guard: Guard) -> None:
    with rt_without_bus(store) as rt:
        _armed(guard)
        rt.tell("halt", "halted")
        os.kill(rt.pid, signal.SIGKILL)
        wait_for(lambda: guard.status().trips == 1, "the guard trips")
        assert guard.status().cause == TripCause.DEAD


@pytest.mark.system
def test_an_end_is_answered_and_nobody_is_waited_for_in_vain(store: DataStore, guard: Guard) -> None:
    with rt_without_bus(store) as rt:
        _armed(guard)
        rt.tell("end")
        assert rt.process.wait(5) == 0
        wait_for(lambda: guard.status().state == GuardState.IDLE, "the guard idles")
        assert store.rt_released(rt.epoch)
        assert guard.status().trips == 0
    guard.stop()
    with rt_without_bus(store) as rt:
        rt.tell("end")
        assert rt.process.wait(5) == 0


@pytest.mark.system
def test_a_guard_that_stands_still_holds_no_end_up(store: DataStore) -> None:
    command = [sys.executable, str(NONRT_SIDE), store.instance.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as nonrt, rt_without_bus(store) as rt:
        try:
            wait_for(lambda: store.guard_status().armed_epoch == rt.epoch, "its guard is armed")
            os.kill(nonrt.pid, signal.SIGSTOP)
            rt.tell("end")
            assert rt.process.wait(5) == 0
            os.kill(nonrt.pid, signal.SIGCONT)
            wait_for(
                lambda: store.guard_status().state == GuardState.IDLE, "it finds that RT has ended in order"
            )
            assert store.guard_status().trips == 0
        finally:
            nonrt.kill()


@pytest.mark.system
def test_a_demand_that_comes_too_late_is_not_for_the_next_process(store: DataStore, guard: Guard) -> None:
    guard.demand_trip()
    with rt_without_bus(store):
        _armed(guard)
        looks(guard, 20)
        assert guard.status().trips == 0


# ---- with a bus ----


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


@pytest.mark.system
def test_a_cycle_goes_on_through_all_stray_words_and_no_slave_leaves_op(cell: RtCell) -> None:
    assert cell.guard is not None
    expiries = [slave.watchdog_expiries for slave in cell.segment.client.truth()]
    for stray in all_stray_writes():
        stray.write(cell.store)
        beat = cell.store.rt_beat
        wait_for(lambda seen=beat: cell.store.rt_beat != seen, "it goes on")  # type: ignore[misc]
    cell.wait_until_free_to_move()
    assert cell.guard.status().trips == 0
    assert cell.rt.poll() is None
    assert [slave.watchdog_expiries for slave in cell.segment.client.truth()] == expiries
    assert not cell.seen(EventCode.CYCLE_STOPPED)
