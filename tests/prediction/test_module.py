"""The module on a real shared memory that a test writes as RT does; the thread, its probe, its failure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack.bench.prediction.record import SignalFile, read, replay
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.probes.resources import ResourceSampler, cell_pids
from fieldstack.prediction.disturbance import Disturbance
from fieldstack.prediction.module import MAX_AGE_NS, Findings, PredictionModule
from fieldstack.prediction.predictor import Predictor
from fieldstack.prediction.signals import Metric, Signal
from fieldstack.prediction.telemetry import Telemetry
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import HaState, RtPhase

SECOND = 1_000_000_000
MIB = 2**20
CYCLES = 10_000


@pytest.fixture
def store(bare_store: DataStore) -> DataStore:
    """Of a cell that is operational."""
    operate(bare_store)
    return bare_store


def operate(store: DataStore, state: HaState = HaState.OPERATIONAL) -> None:
    lib.fs_set32(ffi.addressof(store.raw, "rt_phase"), RtPhase.CYCLING)
    status = store.new("fs_nonrt_status")
    status.ha_state = state
    store.write_nonrt_status(status)


def cycles(
    store: DataStore, *, wake_ns: int = 50_000, following: int = 0, lost: int = 0, rx: int = 0, epoch: int = 1
) -> None:
    """What 10 s of cycling leave in the memory: all wake-ups took so long, one in 500 ten times as long."""
    raw = store.raw
    for value, count in ((wake_ns, CYCLES - 20), (10 * wake_ns, 20)):
        raw.statistics.wake.bucket[bucket_of(value)] += count
        raw.statistics.exchange.bucket[bucket_of(value)] += count
    status = raw.rt_status
    status.epoch, status.axis_count = epoch, 4
    status.axes[1].following_error = following
    status.lost_frames += lost
    bus = store.rt_bus()
    bus.slave_count = 5
    bus.slaves[2].rx_errors += rx
    store.write_rt_bus(bus)


def bucket_of(value: int) -> int:
    return max(number for number in range(1663) if lib.fs_histogram_edge(number) <= value)


class Calm(Disturbance):
    """The machine never disturbs."""

    disturbed = False

    def is_disturbed(self, pid: int, tid: int) -> bool:  # noqa: ARG002
        return self.disturbed


def signals(telemetry: Telemetry) -> dict[tuple[str, str], Signal]:
    telemetry.sample()
    return {(one.name, one.subject): one for one in telemetry.interval()}


def test_an_interval_has_the_tail_of_its_own_cycles(store: DataStore, plan: BusPlan) -> None:
    telemetry = Telemetry(store, plan, Calm())
    cycles(store)
    assert signals(telemetry) == {}
    cycles(store, wake_ns=20_000, following=-77, lost=2, rx=9)
    found = signals(telemetry)
    assert found[Metric.WAKE_TAIL, "cell"].value == pytest.approx(200_000, rel=0.02)
    assert found[Metric.WAKE_TAIL, "cell"].limit == plan.cycle_time_ns
    axis, slave = plan.axes[1], plan.slaves[2]
    assert found[Metric.FOLLOWING_ERROR, f"axis:{axis.name}"].value == 77
    assert found[Metric.FOLLOWING_ERROR, f"axis:{axis.name}"].limit == axis.following_error_max_counts
    assert found[Metric.RX_ERRORS, f"slave:{slave.name}"].value == 9
    assert (Metric.FOLLOWING_ERROR, f"axis:{plan.axes[0].name}") not in found  # it stood
    assert found[Metric.LOST_FRAMES, "cell"].value == 2
    assert found[Metric.WKC_ERRORS, "cell"].value == 0


def test_another_rt_process_or_a_cell_in_trouble_gives_no_signals(store: DataStore, plan: BusPlan) -> None:
    telemetry = Telemetry(store, plan, Calm())
    cycles(store)
    signals(telemetry)
    cycles(store, epoch=2)
    assert signals(telemetry) == {}
    operate(store, HaState.SAFE_MODE)
    cycles(store, epoch=2)
    assert signals(telemetry) == {}


def test_epochs_begin_anew_with_the_shared_memory_and_lives_do_not(store: DataStore, plan: BusPlan) -> None:
    lives = set[str]()
    for pid in (7, 8):
        store.raw.header.rt_pid = pid
        telemetry = Telemetry(store, plan, Calm())
        cycles(store)
        signals(telemetry)
        cycles(store)
        lives |= {one.life for one in signals(telemetry).values()}
    assert len(lives) == 2


def test_an_interval_that_the_machine_disturbed_tells_only_of_the_wire(
    store: DataStore, plan: BusPlan
) -> None:
    witness = Calm()
    telemetry = Telemetry(store, plan, witness)
    cycles(store)
    signals(telemetry)
    witness.disturbed = True
    cycles(store, wake_ns=5_000_000, lost=30, rx=1)
    assert {name for name, _ in signals(telemetry)} == {Metric.RX_ERRORS}
    assert telemetry.disturbed == 1


def machine(folder: Path, waited_ms: int, steal_ticks: int) -> None:
    task = folder / "7/task/8"
    task.mkdir(parents=True, exist_ok=True)
    (task / "schedstat").write_text(f"1 {waited_ms * 1_000_000} 5\n")
    (folder / "stat").write_text(f"cpu 1 2 3 4 5 6 7 {steal_ticks} 0 0\n")


def test_more_waiting_or_more_steal_than_usual_is_a_disturbance(tmp_path: Path) -> None:
    witness = Disturbance(tmp_path)
    waited = steal = 0
    verdicts = []
    for more_waiting, more_steal in ((5, 0), (5, 1), (6, 0), (190, 0), (5, 0), (5, 60), (5, 1)):
        waited, steal = waited + more_waiting, steal + more_steal
        machine(tmp_path, waited, steal)
        verdicts.append(witness.is_disturbed(7, 8))
    assert verdicts == [False, False, False, True, False, True, False]
    assert Disturbance(tmp_path / "none").is_disturbed(1, 2) is False


@pytest.fixture
def module(store: DataStore) -> Iterator[PredictionModule]:
    instance = store.instance
    sampler = ResourceSampler(lambda: cell_pids(store), instance.state_dir, {"fieldstack-nonrt": 4096})
    made = PredictionModule(store, instance.plan_file, sampler)
    sampler.sample(time.monotonic_ns())
    yield made
    made.stop()


def await_beat(module: PredictionModule, beat: int) -> None:
    until = time.monotonic() + 20
    while module.beat < beat and module.alive and time.monotonic() < until:
        time.sleep(0.01)


def test_the_thread_beats_stops_and_starts_again(module: PredictionModule) -> None:
    module.start()
    await_beat(module, 2)
    module.stop()
    assert not module.alive
    beat = module.beat
    assert beat >= 2
    module.start()
    await_beat(module, beat + 1)
    described = module.describe(time.monotonic_ns())
    assert described["running"] is True
    assert described["series"] >= 2
    assert described["forecasts"] == []


def test_what_was_learned_is_found_again_by_the_next_module(
    module: PredictionModule, store: DataStore
) -> None:
    module.start()
    await_beat(module, 2)
    module.stop()
    sampler = ResourceSampler(dict, store.instance.state_dir)
    successor = PredictionModule(store, store.instance.plan_file, sampler)
    successor.start()
    await_beat(successor, 1)
    successor.stop()
    assert set(module.predictor.series) <= set(successor.predictor.series)
    assert successor.describe(time.monotonic_ns())["remembered"] == ""


def test_a_failure_ends_the_beat_and_is_told(module: PredictionModule, store: DataStore) -> None:
    store.instance.plan_file.write_text("no plan", encoding="utf-8")
    module.start()
    await_beat(module, 1)
    assert module.beat == 0
    assert "PlanFormatError" in module.failure
    store.instance.plan_file.unlink()


def test_findings_become_measures_while_they_are_fresh(module: PredictionModule) -> None:
    for t in range(900):
        for subject, limit in (("fieldstack-core", 500), ("host:cpu", 600), ("host:disk", 520)):
            value = (100 + 0.2 * t) * MIB
            module.predictor.feed(t * SECOND, Signal("memory", subject, value, limit * MIB, "test", "1"))
    for count in range(60):
        signal = Signal(Metric.WAKE_TAIL, "cell", 9e4 if count < 30 else 5e5, 1e6, "the cycle time", "1")
        module.predictor.feed_interval(count * 10 * SECOND, signal)
    now_ns = 900 * SECOND
    assert list(module.probe().measures(now_ns)) == []
    module.findings = Findings(now_ns, module.predictor.forecasts(), module.predictor.anomalies())
    found = {(one.fact, one.subject): one for one in module.probe().measures(now_ns + SECOND)}
    assert set(found) == {
        (FactKind.PREDICTED_EXHAUSTION, "fieldstack-core"),
        (FactKind.PREDICTED_EXHAUSTION, "host"),
        (FactKind.ANOMALY, "cell"),
    }
    core = found[FactKind.PREDICTED_EXHAUSTION, "fieldstack-core"]
    assert core.value == pytest.approx(1100, rel=0.02)
    assert core.detail.startswith("memory of fieldstack-core reaches its limit in 18 min")
    assert found[FactKind.PREDICTED_EXHAUSTION, "host"].value == pytest.approx(1200, rel=0.02)  # the sooner
    assert list(module.probe().measures(now_ns + MAX_AGE_NS + 1)) == []


def test_a_recorded_run_gives_the_same_findings_again(tmp_path: Path) -> None:
    live, again, file = Predictor(), Predictor(), tmp_path / "signals.jsonl"
    with SignalFile(file) as record:
        for t in range(900):
            signal = Signal("memory", "fieldstack-core", (100 + 0.2 * t) * MIB, 500 * MIB, "test", "1")
            live.feed(t * SECOND, signal)
            record.write(t * SECOND, signal, "gauge")
    assert len(list(read(file))) == 900
    assert max(replay(file, again)) == 899 * SECOND
    assert again.forecasts() == live.forecasts() != ()
