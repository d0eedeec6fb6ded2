"""The guard against real faults of a real RT process; the truth is the segment's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import Clear, DataStore, EstopSource, EventCode, TornRecordError
from fieldstack_rt.datastore.layout import GuardState, Inject, RtPhase, TripCause
from fieldstack_rt.guard import Guard, GuardConfig
from tests.repository import ROOT
from tests.rt.rt_cell import RtCell, rt_cell, take_rts_cpu, wait_for
from tests.rt.rt_without_bus import rt_without_bus, unkillable

WATCHDOG_EXPIRED = 0x001B
"""The AL status code of slaves that their own watchdog made safe, because nobody else had."""


FENCE_NS = 5_000_000
"""From the detection to the end of the whole process."""


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


def _trip_follows(cell: RtCell, trips: int) -> None:
    wait_for(lambda: cell.guard.status().trips == trips + 1, "the guard trips")
    wait_for(lambda: cell.guard.status().confirmed_ns, "safe outputs are confirmed")


def _all_safe_by_the_guard(cell: RtCell) -> None:
    truth = cell.segment.client.truth()
    assert all(slave.safe for slave in truth)
    assert {slave.al_state for slave in truth} == {AlState.SAFEOP}
    assert WATCHDOG_EXPIRED not in {slave.al_status_code for slave in truth}


_SIGNALS = {
    "sigkill": (signal.SIGKILL, TripCause.DEAD),
    "sigsegv": (signal.SIGSEGV, TripCause.DEAD),
    "sigabrt": (signal.SIGABRT, TripCause.DEAD),
    "sigstop": (signal.SIGSTOP, TripCause.SILENT),
}
_INJECTED = {
    "spin": (Inject.SPIN, TripCause.SILENT),
    "hang": (Inject.HANG, TripCause.SILENT),
    "killed-in-a-write": (Inject.DIE_IN_WRITE, TripCause.DEAD),
    "segv-in-the-cycle": (Inject.SEGV, TripCause.DEAD),
}


def test_a_process_that_ends_without_stopping_its_guard_does_not_crash(instance: Instance) -> None:
    code = (
        "import sys; from fieldstack_rt.datastore import DataStore;"
        "from fieldstack_base.instance import Instance;"
        "from fieldstack_rt.guard import Guard, GuardConfig; store = DataStore.create(Instance(sys.argv[1]));"
        "guard = Guard(store, GuardConfig(priority=0)).start(); store.unlink(); raise SystemExit(3)"
    )
    for _ in range(5):
        assert subprocess.run([sys.executable, "-c", code, instance.name], check=False).returncode == 3


@pytest.mark.system
@pytest.mark.parametrize("fault", [*_SIGNALS, *_INJECTED])
def test_a_failed_rt_process_is_fenced_outputs_are_safe_and_a_new_one_goes_on(
    cell: RtCell, fault: str
) -> None:
    trips, process = cell.guard.status().trips, cell.rt
    if fault in _SIGNALS:
        number, cause = _SIGNALS[fault]
        os.kill(process.pid, number)
    else:
        inject, cause = _INJECTED[fault]
        cell.store.inject(inject)
    _trip_follows(cell, trips)
    _all_safe_by_the_guard(cell)
    status = cell.guard.status()
    assert (status.cause, status.fence_failed) == (cause, 0)
    assert status.lwr_wkc == len(cell.plan.slaves)
    assert status.detected_ns <= status.safe_frame_ns <= status.fenced_ns <= status.confirmed_ns
    assert process.wait(5) < 0
    assert cell.store.estop.state().sources() == (EstopSource.GUARD,)
    cell.recover()
    assert cell.guard.status().trips == trips + 1


@pytest.mark.system
def test_a_killed_process_is_gone_within_the_bound(cell: RtCell) -> None:
    """Its packet sockets do not hold it up. The best of some runs: a busy machine has the others."""
    took = []
    for _ in range(3):
        trips = cell.guard.status().trips
        cell.rt.kill()
        _trip_follows(cell, trips)
        took.append(int(cell.guard.status().fenced_ns - cell.guard.status().detected_ns))
        cell.recover()
    assert min(took) < FENCE_NS, took


@pytest.mark.system
def test_safe_frames_go_on_until_a_new_rt_process_claims_the_bus(cell: RtCell) -> None:
    cell.rt.kill()
    _trip_follows(cell, 0)
    before = cell.guard.status().safe_frames
    wait_for(lambda: cell.guard.status().safe_frames > before + 50, "safe frames go on")
    cell.recover()
    frames = cell.guard.status()
    assert frames.state == GuardState.ARMED
    assert frames.released_ns > frames.confirmed_ns


@pytest.mark.system
def test_a_torn_record_of_a_dead_rt_process_is_mended_by_the_next(cell: RtCell) -> None:
    cell.store.inject(Inject.DIE_IN_WRITE)
    _trip_follows(cell, 0)
    with pytest.raises(TornRecordError, match="rt_status"):
        cell.store.rt_status()
    cell.start_rt()
    wait_for(lambda: cell.store.rt_phase is RtPhase.CYCLING, "the next one cycles")
    assert cell.store.rt_status().epoch == cell.store.rt_epoch


@pytest.mark.system
def test_damage_to_lock_and_phase_does_not_switch_the_guard_off(cell: RtCell) -> None:
    ffi.memmove(ffi.addressof(cell.store.raw, "rt_lock"), b"\xa5" * 64, 64)
    ffi.memmove(ffi.addressof(cell.store.raw, "rt_phase"), b"\xa5" * 4, 4)
    cell.store.raw.guard_plan.logical_start = 0xDEAD
    os.kill(cell.rt.pid, signal.SIGKILL)
    _trip_follows(cell, 0)
    _all_safe_by_the_guard(cell)
    assert cell.rt.wait(5) == -signal.SIGKILL
    assert cell.guard.status().fence_failed == 0
    cell.recover()


@pytest.mark.system
def test_a_damaged_plan_is_written_anew_by_rt(cell: RtCell) -> None:
    wait_for(lambda: cell.store.guard_plan().epoch == cell.store.rt_epoch, "RT declared its safe outputs")
    plan = cell.store.raw.guard_plan
    outputs = int(plan.outputs_size)
    plan.outputs_size = outputs + 1
    wait_for(lambda: int(plan.outputs_size) == outputs, "it is as RT declared it")


@pytest.mark.system
def test_stopping_and_continuing_everything_is_not_rts_failure(instance: Instance) -> None:
    """The guard counts observations: a machine that stood still has made none."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.rt.group_stop", instance.name]
    cell = subprocess.Popen(command, env=environment, process_group=0, stdout=subprocess.PIPE)
    assert cell.stdout is not None
    assert cell.stdout.readline() == b"up\n"
    try:
        for _ in range(5):
            time.sleep(0.3)
            os.killpg(cell.pid, signal.SIGSTOP)
            time.sleep(0.2)
            os.killpg(cell.pid, signal.SIGCONT)
    finally:
        time.sleep(0.3)
        cell.terminate()
        cell.communicate()
    assert cell.returncode == 0, "trips were counted"


@pytest.mark.system
def test_a_cpu_that_stands_still_is_not_rts_failure(cell: RtCell) -> None:
    """Nothing at all runs on RT's CPU for 30 ms, six times the threshold. The witness on that CPU tells."""
    beat = cell.store.rt_beat
    for _ in range(5):
        take_rts_cpu(0.03)
    wait_for(lambda: cell.store.rt_beat > beat + 200, "the cycle goes on")
    assert cell.guard.status().excused > 0
    assert cell.guard.status().trips == 0
    assert cell.seen(EventCode.LATE_WAKEUP)


@pytest.mark.system
def test_an_rt_process_that_ignores_the_latch_is_fenced(cell: RtCell) -> None:
    """Its cycle beats, but what it acknowledges is not what is latched: here by overwriting the reply."""
    spoil = threading.Event()

    def overwrite() -> None:
        while not spoil.is_set():
            cell.store.raw.rt_status.estop_seen = 0

    liar = threading.Thread(target=overwrite)
    liar.start()
    try:
        cell.store.estop.raise_(EstopSource.OPERATOR, "test", until=Clear.ON_RESET)
        wait_for(lambda: cell.guard.status().trips == 1, "the guard trips")
    finally:
        spoil.set()
        liar.join()
    assert cell.guard.status().cause == TripCause.ESTOP_IGNORED
    assert all(slave.safe for slave in cell.segment.client.truth())


@pytest.mark.system
def test_a_demanded_trip_fences_a_living_rt_process(cell: RtCell) -> None:
    cell.guard.demand_trip()
    _trip_follows(cell, 0)
    assert cell.rt.wait(5) == -signal.SIGKILL


@pytest.mark.system
def test_an_orderly_stop_is_no_trip(cell: RtCell) -> None:
    assert cell.stop_rt() == 0
    wait_for(lambda: cell.guard.status().state == GuardState.IDLE, "the guard idles")
    assert cell.guard.status().trips == 0
    assert {slave.al_state for slave in cell.segment.client.truth()} == {AlState.INIT}


@pytest.mark.system
def test_a_second_rt_process_refuses_and_the_first_goes_on(cell: RtCell) -> None:
    first, second = cell.rt, cell.start_rt()
    cycle = cell.store.rt_status().cycle
    assert second.wait(15) == 6
    assert second.stderr is not None
    assert str(first.pid) in second.stderr.read()
    assert first.poll() is None
    wait_for(lambda: cell.store.rt_status().cycle > cycle + 100, "the first goes on")
    assert cell.guard.status().trips == 0


def test_a_fence_that_fails_is_told_and_tried_again_while_outputs_are_made_safe(store: DataStore) -> None:
    guard = Guard(store, GuardConfig(priority=0, threshold_cycles=2, fence_timeout_ms=10)).start()
    try:
        with rt_without_bus(store) as rt:
            wait_for(lambda: guard.status().state == GuardState.ARMED, "the guard is armed")
            with unkillable(rt):
                os.kill(rt.pid, signal.SIGKILL)
                wait_for(lambda: guard.status().safe_frames > 20, "safe frames go on")
                wait_for(lambda: guard.status().fence_failed, "it is told that the process is still there")
                status = guard.status()
                assert (status.state, status.trips) == (GuardState.TRIPPED, 1)
                assert (status.fenced_ns, status.confirmed_ns) == (0, 0), "nothing is told as done"
                assert rt.lives()
            wait_for(lambda: guard.status().fenced_ns, "the fence comes about")
            status = guard.status()
            assert status.fence_failed == 0
            assert status.fenced_ns - status.detected_ns > 10_000_000
            assert store.rt_phase is RtPhase.ABSENT
    finally:
        guard.stop()
