"""Orders are believed when they were read back; RT and Core are played on a real shared memory."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldstack.events import EventKind, EventReader
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.alerting import Alerting
from fieldstack.ha.actuators.alerts import Sent
from fieldstack.ha.actuators.core_control import CoreControl
from fieldstack.ha.actuators.degrade import Degrade
from fieldstack.ha.actuators.in_flight_orders import InFlightOrders
from fieldstack.ha.actuators.slaves import SlaveRestarts
from fieldstack.ha.actuators.stops import Stops
from fieldstack.ha.model.actions import Action, ActionKind, ActionOutcome, Evidence
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.outcome import Outcome, PendingReadback
from fieldstack.ha.model.standstill import read_back
from fieldstack.ha.modules.external_module import CHECK_INTERVAL_NS, ExternalModule, ExternalProcess
from fieldstack.ha.modules.module import GRACE_NS
from fieldstack.ha.modules.modules import Modules
from fieldstack.ha.modules.thread_module import ThreadModule
from fieldstack.nonrt.readback import EstopReadback, StartReadback, without_rt
from fieldstack_base.control.server import ControlServer
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore, EstopSource
from fieldstack_rt.datastore.layout import GuardState, RtPhase, Stand, Stop

MS = 1_000_000
CONFIG = Path(__file__).parents[2] / "config/ethercat/cell.yaml"
CELL = CellMap(("x-drive", "y-drive"), ("x", "y"), (100, 100), {"left": 0b01, "right": 0b10})


class PlayedRt:
    """What a cycling RT process and a Main Core would write."""

    def __init__(self, store: DataStore) -> None:
        self.store = store
        self.now = 10**12
        self.status: Any = store.new("fs_rt_status")
        self.status.axis_count, self.status.epoch = 2, store.rt_epoch
        self.bus: Any = store.new("fs_rt_bus")
        self.bus.slave_count = 2
        self.stand: Stand | None = None
        """Of all axes; None: as their velocity says."""
        lib.fs_set32(ffi.addressof(store.raw, "rt_phase"), RtPhase.CYCLING)

    def cycle(self, ms: int = 1) -> int:
        self.now += ms * MS
        self.status.cycle += 1
        self.status.cycle_ns = self.now
        for number in range(2):
            axis = self.status.axes[number]
            axis.stand = self.stand if self.stand is not None else _stand(axis.velocity)
            axis.speed = abs(axis.velocity)
        lib.fs_block_write(self.store.raw, lib.FS_BLOCK_RT_STATUS, self.status)
        self.store.write_rt_bus(self.bus)
        return self.now

    def echo(self, per_mille: int) -> None:
        record = self.store.new("fs_core_status")
        record.speed_override = per_mille
        self.store.write_core_status(record)


def _stand(velocity: int) -> Stand:
    return Stand.MOVING if velocity else Stand.STANDING


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataStore]:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    made = DataStore.create(Instance(f"t-act-{os.getpid()}"))
    yield made
    made.unlink()


@pytest.fixture
def rt(store: DataStore) -> PlayedRt:
    return PlayedRt(store)


def order(kind: ActionKind, **fields: Any) -> Action:
    return Action(kind, "a-rule", "a cause", **fields)


def followed(carried: object) -> PendingReadback:
    assert isinstance(carried, PendingReadback)
    return carried


def test_a_degraded_cell_is_one_whose_core_and_axes_obey(store: DataStore, rt: PlayedRt) -> None:
    rt.echo(1000)
    rt.status.axes[1].velocity = 50_000
    carried = followed(
        Degrade(store, CELL).execute(order(ActionKind.DEGRADE, override_percent=40, groups=("group:right",)))
    )
    assert (store.speed_override, store.axes_blocked) == (400, 0b10)
    assert "axis:y still moves" in str(carried.poll(rt.cycle()))
    rt.status.axes[1].velocity = 0
    assert "still runs at 100 %" in str(carried.poll(rt.cycle()))
    rt.echo(400)
    assert carried.poll(rt.cycle()) == Outcome(True, "speed override 40 %, standing: group:right")


def test_a_group_that_does_not_exist_is_refused_by_name(store: DataStore) -> None:
    carried = Degrade(store, CELL).execute(order(ActionKind.DEGRADE, groups=("group:top",)))
    assert isinstance(carried, Outcome)
    assert not carried.confirmed
    assert "top" in carried.text
    assert "left, right" in carried.text
    assert store.axes_blocked == 0


def test_slave_restarts_go_side_by_side_and_need_answer_and_op(store: DataStore, rt: PlayedRt) -> None:
    restarts = SlaveRestarts(store, CELL)
    first = followed(restarts.execute(order(ActionKind.RESTART_SLAVE, subject="slave:x-drive")))
    second = followed(restarts.execute(order(ActionKind.RESTART_SLAVE, subject="slave:y-drive")))
    now = rt.cycle()
    assert "RT has not answered" in str(first.poll(now))
    assert "has not been taken" in str(second.poll(now))
    sent = store.bus_command()
    assert (int(sent.sequence), int(sent.slaves[0])) == (1, 0b01)
    rt.bus.command_taken = 1
    assert "RT has not answered" in str(second.poll(rt.cycle()))
    assert int(store.bus_command().slaves[0]) == 0b10
    rt.bus.command_done, rt.bus.command_ok, rt.bus.command_text = 2, 0, b"no answer in INIT"
    rt.bus.slaves[1].restart_done = 2
    assert second.poll(rt.cycle()) == Outcome(False, "no answer in INIT")


def test_a_restart_is_judged_by_its_own_slave_though_a_later_one_was_answered_first(
    store: DataStore, rt: PlayedRt
) -> None:
    first = followed(
        SlaveRestarts(store, CELL).execute(order(ActionKind.RESTART_SLAVE, subject="slave:x-drive"))
    )
    first.poll(rt.cycle())
    rt.bus.slaves[0].restart_done, rt.bus.slaves[0].restart_ok = 1, 1
    rt.bus.command_done, rt.bus.command_ok, rt.bus.command_text = 2, 0, b"of another"
    assert "not OP" in str(first.poll(rt.cycle()))
    rt.bus.slaves[0].al_state = 8
    assert first.poll(rt.cycle()) == Outcome(True, "back in OP")


@pytest.fixture
def stops(store: DataStore, tmp_path: Path) -> Iterator[Stops]:
    log = EventLog(tmp_path, sync=False)
    yield Stops(store, log, CELL)
    log.close()


def test_the_permit_is_taken_back_when_the_axes_stand(rt: PlayedRt, stops: Stops) -> None:
    rt.status.stop_reason = Stop.NONE
    carried = followed(stops.permit(False))
    assert "does not show it" in str(carried.poll(rt.cycle()))
    rt.status.stop_reason, rt.status.axes[1].velocity = Stop.PERMIT, 5000
    assert "axis 1 still moves" in str(carried.poll(rt.cycle()))
    rt.status.axes[1].velocity = 0
    found = carried.poll(rt.cycle())
    assert isinstance(found, Outcome)
    assert found.confirmed
    assert "all axes stand" in found.text
    late = followed(stops.permit(False)).poll(rt.now + 10**9)
    assert isinstance(late, Outcome)
    assert "RT does not cycle" in late.text


def test_an_emergency_stop_is_confirmed_by_standstill(rt: PlayedRt, stops: Stops) -> None:
    carried = followed(stops.emergency_stop(order(ActionKind.EMERGENCY_STOP)))
    assert "has not obeyed" in str(carried.poll(rt.cycle()))
    rt.status.estop_seen, rt.status.stop_reason = 1 << EstopSource.POLICY, Stop.ESTOP
    for rt.stand, text in ((Stand.MOVING, "still moves"), (Stand.UNKNOWN, "its inputs do not come")):
        found = carried.poll(rt.cycle())
        assert isinstance(found, str), found
        assert text in found
    rt.stand, rt.status.axes[0].statusword = Stand.STANDING, 0x0027
    assert "in Operation enabled still" in str(carried.poll(rt.cycle()))
    rt.status.axes[0].statusword = 0x0040
    assert isinstance(carried.poll(rt.cycle()), Outcome)


def test_what_is_torn_confirms_no_stop(store: DataStore, rt: PlayedRt, stops: Stops) -> None:
    for carried in (stops.permit(False), stops.emergency_stop(order(ActionKind.EMERGENCY_STOP))):
        rt.cycle()
        store.raw.rt_status_seq += 1
        found = followed(carried).poll(rt.now)
        assert isinstance(found, str), found
        assert "cannot be read" in found
        store.raw.rt_status_seq += 1


def test_no_word_makes_a_running_cycle_look_still(store: DataStore, rt: PlayedRt, stops: Stops) -> None:
    rt.status.stop_reason, rt.status.axes[0].velocity = Stop.PERMIT, 5000
    for phase in RtPhase:
        lib.fs_set32(ffi.addressof(store.raw, "rt_phase"), phase)
        assert "still moves" in str(followed(stops.permit(False)).poll(rt.cycle()))


def test_without_rt_only_what_was_read_back_confirms_an_emergency_stop(
    store: DataStore, rt: PlayedRt, stops: Stops
) -> None:
    lib.fs_set64(ffi.addressof(store.raw, "rt_epoch"), 3)
    rt.status.epoch = 3
    later = rt.cycle() + 10**9
    carried = followed(stops.emergency_stop(order(ActionKind.EMERGENCY_STOP)))
    assert "nobody has read back" in str(carried.poll(later))
    guard = store.new("fs_guard_status")
    guard.state, guard.trip_epoch = GuardState.TRIPPED, 3
    lib.fs_block_write(store.raw, lib.FS_BLOCK_GUARD_STATUS, guard)
    assert "nobody has read back" in str(carried.poll(later))
    guard.confirmed_ns = later
    lib.fs_block_write(store.raw, lib.FS_BLOCK_GUARD_STATUS, guard)
    found = carried.poll(later)
    assert isinstance(found, Outcome)
    assert "guard has read back safe outputs" in found.text


def test_no_single_word_says_that_no_rt_process_has_driven_the_axes(
    store: DataStore, rt: PlayedRt, stops: Stops
) -> None:
    rt.status.epoch = 3
    later = rt.cycle() + 10**9
    store.raw.rt_epoch = 0
    carried = followed(stops.emergency_stop(order(ActionKind.EMERGENCY_STOP)))
    assert "nobody has read back" in str(carried.poll(later))
    assert "nobody has read back" in without_rt(store)
    store.raw.rt_epoch, store.rt_orderly_end = 4, 4
    assert "nobody has read back" in str(carried.poll(later)), "a record of an RT process before"


def test_a_start_of_which_nothing_is_seen_is_neither_done_nor_undone_by_others(
    store: DataStore, rt: PlayedRt
) -> None:
    found = StartReadback(store, CELL, "start by Ann", 0b11, rt.cycle()).poll(rt.now + 10**9)
    assert found is not None
    assert not found.confirmed
    assert "not known" in found.text


def test_axes_that_rt_does_not_show_are_not_known() -> None:
    plans = plan_from_file(CONFIG).axes
    found = read_back(ffi.new("fs_rt_status *"), plans)
    assert not found.confirmed
    assert "0 axes of 4" in found.text


@pytest.mark.parametrize("word", ["rt_epoch", "rt_status.cycle_ns"])
@pytest.mark.parametrize("stray", [0, 2**63, 2**64 - 1])
def test_no_stray_word_confirms_a_stop_of_an_rt_process_that_is_gone(
    store: DataStore, rt: PlayedRt, stops: Stops, word: str, stray: int
) -> None:
    lib.fs_set64(ffi.addressof(store.raw, "rt_epoch"), 3)
    rt.status.epoch, rt.status.estop_seen, rt.status.stop_reason = 3, 1 << EstopSource.POLICY, Stop.ESTOP
    later = rt.cycle() + 10**9
    lib.fs_set64(ffi.addressof(store.raw, *word.split(".")), stray)
    found = followed(stops.emergency_stop(order(ActionKind.EMERGENCY_STOP))).poll(later)
    assert isinstance(found, str), found
    reading = EstopReadback(store, later, CELL).poll(later + 10**9)
    assert reading is not None
    assert not reading.confirmed, reading.text


def test_axes_of_lost_slaves_are_told_and_hold_nothing_up(rt: PlayedRt, stops: Stops) -> None:
    """Nothing can be read of them, and their loss has rules of its own."""
    rt.status.stop_reason, rt.status.axes_lost, rt.stand = Stop.PERMIT, 0b11, Stand.UNKNOWN
    found = followed(stops.permit(False)).poll(rt.cycle())
    assert isinstance(found, Outcome)
    assert "not known, its slave is lost" in found.text


def test_what_is_not_read_back_in_time_fails_and_the_later_order_counts() -> None:
    told: list[tuple[str, bool]] = []
    in_flight_actions = InFlightOrders(
        lambda action, outcome, _took: told.append((action.rule, outcome.confirmed))
    )
    awaited = PendingReadback(lambda _now: "the moon", 100 * MS, "track")
    in_flight_actions.begin(order(ActionKind.SAFE_MODE_ENTER, id=1), awaited, 0)
    in_flight_actions.begin(order(ActionKind.SAFE_MODE_EXIT, id=2, deadline_ns=60 * MS), awaited, 10 * MS)
    assert in_flight_actions.poll_all(20 * MS) == (
        ActionOutcome(1, True, "overtaken by SAFE_MODE_EXIT [a-rule]", 10 * MS),
    )
    assert in_flight_actions.busy
    assert in_flight_actions.describe(30 * MS)[0]["awaited"] == "the moon"
    (late,) = in_flight_actions.poll_all(60 * MS)
    assert (late.id, late.confirmed, late.text) == (2, False, "not read back within 50 ms: the moon")
    assert not in_flight_actions.busy
    assert told == [("a-rule", True), ("a-rule", False)]


def test_a_module_of_its_own_is_killed_and_comes_back_by_whoever_keeps_it() -> None:
    """The test keeps it running, as `up` and systemd do."""
    running = [subprocess.Popen(["sleep", "60"])]
    module = ExternalModule(
        "health", lambda: ExternalProcess(running[-1].pid if running else 0, "" if running else "gone")
    )
    modules = Modules((module,))
    modules.start()
    first = running[0]
    assert not module.trouble()
    carried = followed(modules.execute(order(ActionKind.RESTART_MODULE, subject="module:health")))
    assert first.wait(10) == -signal.SIGKILL
    running.clear()
    time.sleep(CHECK_INTERVAL_NS / 1e9)
    assert carried.poll(0) == "gone"
    running.append(subprocess.Popen(["sleep", "60"]))
    time.sleep(CHECK_INTERVAL_NS / 1e9)
    assert isinstance(carried.poll(20 * MS), str)
    assert carried.poll(1000 * MS) == Outcome(True, "at work, start 2")
    assert [one.value for one in modules.measures(MS)] == [0.0]
    modules.close()
    assert running[0].poll() is None, "it outlives Non-RT"
    running[0].kill()
    running[0].wait()


def test_a_module_that_loads_slowly_is_dead_only_after_its_grace() -> None:
    may_go_on = threading.Event()

    def make() -> Any:
        assert may_go_on.wait(30)
        raise ValueError("no such thing")

    modules = Modules((ThreadModule("prediction", make),))
    assert list(modules.measures(0)) == []
    modules.start()
    assert [one.value for one in modules.measures(MS)] == [0.0]
    assert [one.value for one in modules.measures(MS + GRACE_NS - 1)] == [0.0]
    assert [one.value for one in modules.measures(MS + GRACE_NS + 200 * MS)] == [1.0]
    may_go_on.set()
    modules.close()
    (told,) = modules.measures(2 * GRACE_NS)
    assert (told.value, "no such thing" in told.detail) == (1.0, True)


def test_a_reallocation_is_asked_of_core_and_never_waited_for(tmp_path: Path) -> None:
    core = CoreControl(tmp_path / "core.sock", timeout_s=5.0)
    try:
        refused = core.reallocate(order(ActionKind.REALLOCATE, subject="slave:x"))
        assert isinstance(refused, Outcome)
        carried = followed(core.reallocate(order(ActionKind.REALLOCATE, subject="group:left")))
        assert "does not answer" in answered(carried).text
        server = ControlServer(tmp_path / "core.sock")
        again = followed(core.reallocate(order(ActionKind.REALLOCATE, subject="group:left")))
        client = None
        while client is None:
            client = server.accept()
        while not (commands := server.receive(client)):
            continue
        assert (commands[0].name, commands[0].data["group"]) == ("reallocate", "left")
        server.answer(commands[0].client, ok=True, message="2 tasks moved to right")
        assert answered(again) == Outcome(True, "2 tasks moved to right")
        server.close()
    finally:
        core.close()


def answered(carried: PendingReadback) -> Outcome:
    for _ in range(2000):
        if isinstance(found := carried.poll(0), Outcome):
            return found
        threading.Event().wait(0.005)
    raise AssertionError("no answer")


class Heard:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.waits_for = ""

    def send(self, event: Any) -> Sent:
        self.texts.append(event.text)
        return Sent(event)

    def awaited(self, _sent: Sent) -> str:
        return self.waits_for


def test_an_alert_is_confirmed_when_nothing_can_lose_it(store: DataStore, tmp_path: Path) -> None:
    log, heard = EventLog(tmp_path, sync=False), Heard()
    alerting = Alerting(store, log, heard)  # type: ignore[arg-type]
    heard.waits_for = "it is not on the disk yet"
    carried = followed(alerting.execute(order(ActionKind.SEND_ALERT, id=7)))
    assert carried.poll(0) == "it is not on the disk yet"
    heard.waits_for = ""
    assert isinstance(carried.poll(1), Outcome)
    assert len(heard.texts) == 1
    log.close()


def test_an_alert_of_a_lost_working_counter_names_the_slave(
    store: DataStore, rt: PlayedRt, tmp_path: Path
) -> None:
    log, heard = EventLog(tmp_path, sync=False), Heard()
    alerting = Alerting(store, log, heard)  # type: ignore[arg-type]
    seen = Evidence(FactKind.WORKING_COUNTER_LOW, "cell", 5.0, 5.0)
    carried = followed(alerting.execute(order(ActionKind.SEND_ALERT, evidence=seen)))
    assert carried.poll(rt.cycle()) == "RT looks for the cause"
    assert heard.texts == []
    rt.bus.diagnosis = b"slave y-drive does not answer"
    heard.waits_for = "it is not on the disk yet"
    assert carried.poll(rt.cycle(40)) == heard.waits_for
    heard.waits_for = ""
    assert isinstance(carried.poll(rt.cycle(40)), Outcome)
    late = followed(alerting.execute(order(ActionKind.SEND_ALERT, evidence=seen)))
    rt.bus.diagnosis = b"\0" * 8
    late.poll(rt.cycle())
    assert isinstance(late.poll(rt.cycle(300)), Outcome)
    assert alerting.execute(order(ActionKind.SEND_ALERT)) is None, "any other alert goes out at once"
    assert "slave y-drive does not answer" in heard.texts[0]
    assert "found no cause yet" in heard.texts[1]
    log.close()
    events = [event for event in EventReader(tmp_path).read() if event.kind is EventKind.ALERT]
    assert events[0].data["fact"] == "working_counter_low"
