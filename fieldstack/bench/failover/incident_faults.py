"""Faults outside the RT process: causes each and waits for its effect; `incident` uses it.

`ORDERS` has a function for each kind. It returns when the fault began, and when the benchmark ended it (the
same time, if it does not); CLOCK_MONOTONIC, ns. Raises ProgramError: the fault had no effect.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from fieldstack.bench.failover import faults
from fieldstack.bench.failover.bench_cell import text_of
from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.losses import task_step
from fieldstack.bench.failover.scene import POLL_S, Before, Scene
from fieldstack.bench.failover.stopped_thread import StoppedThread
from fieldstack.bench.harness.errors import ProgramError
from fieldstack.process.nonrt_client import ask
from fieldstack_base.control.client import request
from fieldstack_ethercat.segment.description.defects import Defect
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt.datastore import Clear, EstopSource, TornRecordError
from fieldstack_rt.datastore.layout import HaState

LEAK_MIB_S = 12
LEAK_TIMEOUT_S = 180.0
"""Time until the leak reaches the limit of 512 MB, and for the safe moment that the restart waits for."""
AWAY_S = 0.5
"""How long a slave has no power."""
FULL_S = 8.0
"""How long a disk is full: longer than the shipped policy waits before its alert."""
LOST_SLAVE = 1
IGNORING_SLAVE = IGNORING_AXIS = 3
"""Axis c of the demo cell: it turns, so it has room to move on."""
FAST_COUNTS_S = 1e5
SLOW_MS = 2000
"""How long a slave takes for PRE-OP while another one is lost."""
BLIND_MS = 1500
"""How long supervision cannot see the axes."""

Times = tuple[int, int]
"""When the fault began, and when the benchmark ended it."""


def kill_nonrt(scene: Scene, before: Before) -> Times:
    fault_ns = faults.kill(int(scene.store.nonrt_status().pid))
    _await_nonrt(scene, before)
    return fault_ns, fault_ns


def kill_both(scene: Scene, before: Before) -> Times:
    fault_ns = faults.kill(int(scene.store.nonrt_status().pid), scene.store.rt_pid)
    _await_nonrt(scene, before)
    scene.await_(lambda: scene.store.rt_epoch > before.rt_epoch, "RT is started again")
    return fault_ns, fault_ns


def _await_nonrt(scene: Scene, before: Before) -> None:
    beat = scene.store.nonrt_beat
    scene.await_(lambda: scene.store.nonrt_epoch > before.nonrt_epoch, "Non-RT is started again")
    scene.await_(lambda: scene.store.nonrt_beat > beat, "Non-RT supervises again")


def kill_core(scene: Scene, before: Before) -> Times:
    fault_ns = faults.kill(int(scene.store.core_status().pid))
    _await_core(scene, before)
    return fault_ns, fault_ns


def deadlock_core(scene: Scene, before: Before) -> Times:
    fault_ns = _inject(scene, fault="deadlock")
    _await_core(scene, before)
    return fault_ns, fault_ns


def leak_in_core(scene: Scene, before: Before) -> Times:
    fault_ns = _inject(scene, fault="leak", mib_per_s=LEAK_MIB_S)
    scene.await_(lambda: scene.core_epoch() > before.core_epoch, "Core is started again", LEAK_TIMEOUT_S)
    return fault_ns, fault_ns


def _await_core(scene: Scene, before: Before) -> None:
    scene.await_(lambda: scene.core_epoch() > before.core_epoch, "Core is started again")


def _inject(scene: Scene, **order: str | int) -> int:
    fault_ns = time.monotonic_ns()
    answer = request(scene.bench.instance.runtime_dir / "core.sock", "inject", 5.0, **order)
    if not answer.accepted:
        raise ProgramError("the Main Core", f"it does not take the fault: {answer.message}", "")
    return fault_ns


def lose_slave(scene: Scene, _before: Before) -> Times:
    fault_ns = scene.client.power_off(LOST_SLAVE)
    scene.await_standstill()
    time.sleep(AWAY_S)
    return fault_ns, scene.client.power_on(LOST_SLAVE)


def lose_bus(scene: Scene, _before: Before) -> Times:
    """Takes the power from all slaves and gives it back at once: they are in INIT, without addresses."""
    fault_ns = scene.client.power_off_all()
    scene.await_standstill()
    time.sleep(AWAY_S)
    return fault_ns, scene.client.power_on_all()


def lose_beside_a_slow_one(scene: Scene, _before: Before) -> Times:
    """The last slave takes SLOW_MS for PRE-OP; meanwhile another one forgets its address."""
    slow = int(scene.store.rt_bus().slave_count) - 1
    client = scene.client
    client.slow_state(slow, AlState.PREOP, SLOW_MS)
    try:
        client.power_off(slow)
        scene.await_(lambda: scene.al_state(slow) == 0, "the slow slave is lost")
        client.power_on(slow)
        scene.await_(lambda: scene.al_state(slow) == AlState.INIT, "the slow slave is on its way")
        fault_ns = client.lose_address(LOST_SLAVE)
        scene.await_(lambda: scene.al_state(slow) == AlState.OP, "the slow slave is back")
    finally:
        client.slow_state(slow, AlState.PREOP, 0)
    return fault_ns, fault_ns


def stop_rts_main_thread(scene: Scene, before: Before) -> Times:
    """The cycle thread continues. A tracer has to pass on the end of the process to its parent."""
    thread = StoppedThread(scene.store.rt_pid)
    fault_ns = time.monotonic_ns()
    thread.stop()
    try:
        scene.await_(thread.reap, "RT is ended")
    finally:
        thread.release()
    scene.await_(lambda: scene.store.rt_epoch > before.rt_epoch, "RT is started again")
    return fault_ns, fault_ns


def blind_probe(scene: Scene, _before: Before) -> Times:
    """Makes reading the axes raise an error in a moving cell; then a person starts the axes again."""
    fault_ns = time.monotonic_ns()
    answer = ask(scene.bench.instance, "inject", probe="axes", for_ms=BLIND_MS)
    if not answer.accepted:
        raise ProgramError("Non-RT", f"it does not take the fault: {answer.message}", "")
    scene.await_standstill()
    time.sleep(max(0.0, BLIND_MS / 1000 - (time.monotonic_ns() - fault_ns) / 1e9))
    scene.await_(scene.started, "the cell moves again")
    return fault_ns, fault_ns + BLIND_MS * 1_000_000


def ignore_stop(scene: Scene, _before: Before) -> Times:
    """An EMERGENCY_STOP that a moving drive ignores. When it stands, it is repaired, reset and started."""
    scene.await_(lambda: _is_fast(scene), "the axis is fast")
    scene.client.ignore(IGNORING_SLAVE, Defect.QUICK_STOP | Defect.SETPOINTS)
    fault_ns = time.monotonic_ns()
    scene.store.estop.raise_(EstopSource.OPERATOR, "a drive does not hear it", until=Clear.ON_RESET)
    scene.await_(lambda: _is_axis_in(scene, "axes_run_on"), "RT names the axis")
    scene.await_(lambda: _is_axis_in(scene, "axes_standing"), "it stands in the end")
    healed_ns = scene.client.ignore(IGNORING_SLAVE, Defect(0))
    scene.await_(lambda: scene.asked("reset"), "a reset is accepted")
    scene.await_(scene.started, "the cell moves again")
    return fault_ns, healed_ns


def _is_fast(scene: Scene) -> bool:
    return abs(scene.client.truth()[IGNORING_SLAVE].velocity) > FAST_COUNTS_S


def _is_axis_in(scene: Scene, mask: str) -> bool:
    with contextlib.suppress(TornRecordError):
        return bool(int(getattr(scene.store.rt_status(), mask)) >> IGNORING_AXIS & 1)
    return False


def fill_disk(scene: Scene, full: Callable[[], Path]) -> Times:
    """Fills the state folder's file system for some seconds. `full` returns the file to delete."""
    fault_ns = time.monotonic_ns()
    ballast = full()
    try:
        scene.await_(lambda: bool(_disk_failure(scene)), "a full disk is noticed")
        _move_on(scene, FULL_S + scene.rng.uniform(0, 1))  # not in step with the attempts to save
    finally:
        healed_ns = time.monotonic_ns()
        ballast.unlink()
    scene.await_(lambda: not _disk_failure(scene), "the disk is used again")
    return fault_ns, healed_ns


def _disk_failure(scene: Scene) -> str:
    answer = ask(scene.bench.instance, "status").data
    return str(answer["status"]["checkpoint"]["failure"])


def _move_on(scene: Scene, seconds: float) -> None:
    """Checks that the cell works all the time: tasks continue, and nothing is restarted."""
    step, until = task_step(scene.store), time.monotonic() + seconds
    while time.monotonic() < until:
        if HaState(scene.store.nonrt_status().ha_state) not in (HaState.OPERATIONAL, HaState.DEGRADED):
            raise ProgramError("the cell", "a full disk stopped it", text_of(scene.bench.log))
        time.sleep(POLL_S)
    if task_step(scene.store) <= step:
        raise ProgramError("the cell", "its tasks did not go on", text_of(scene.bench.log))


ORDERS: dict[FaultKind, Callable[[Scene, Before], Times]] = {
    FaultKind.NONRT_KILL: kill_nonrt,
    FaultKind.BOTH_KILL: kill_both,
    FaultKind.CORE_KILL: kill_core,
    FaultKind.CORE_DEADLOCK: deadlock_core,
    FaultKind.MEMORY_LEAK: leak_in_core,
    FaultKind.SLAVE_LOSS: lose_slave,
    FaultKind.SLOW_SLAVE: lose_beside_a_slow_one,
    FaultKind.BUS_POWER: lose_bus,
    FaultKind.RT_MAIN_STOPPED: stop_rts_main_thread,
    FaultKind.PROBE_EXCEPTION: blind_probe,
    FaultKind.IGNORED_STOP: ignore_stop,
}
"""The orders. DISK_FULL also needs a disk: `fill_disk`."""
