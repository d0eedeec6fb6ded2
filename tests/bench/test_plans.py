"""Bus plans for any list of virtual devices, and cells that bear many faults."""

from __future__ import annotations

from pathlib import Path

from fieldstack.bench.failover import bench_cell
from fieldstack.bench.failover.result import blocks
from fieldstack.bench.harness.plans import plan_for
from fieldstack.cell import locations
from fieldstack.ha.policy import load_policy
from fieldstack_ethercat.bus.config.plan_json import plan_from_json, plan_to_json


def test_thirty_two_drives_have_thirty_two_axes() -> None:
    plan = plan_for("drive*32", 1000)
    assert [slave.position for slave in plan.slaves] == list(range(32))
    assert [axis.slave for axis in plan.axes] == list(range(32))
    assert len({slave.name for slave in plan.slaves}) == 32
    assert [group.axes for group in plan.groups] == [tuple(range(32))]  # RT refuses an axis without a group
    assert plan_from_json(plan_to_json(plan)) == plan


def test_terminals_have_no_axis_and_a_short_cycle_a_short_timeout() -> None:
    plan = plan_for("dio,drive,dio", 250)
    assert [axis.slave for axis in plan.axes] == [1]
    assert plan.cycle_time_ns == 250_000
    assert plan.receive_timeout_us <= 125


def test_the_benchmarks_cell_has_no_restart_budget_and_takes_injected_faults(tmp_path: Path) -> None:
    base = locations.find(None)
    cell = bench_cell.prepare(base, tmp_path)
    assert cell.config.rt.fault_injection
    for process in load_policy(cell.policy_file).processes:
        assert process.max_restart_count == bench_cell.MOST_RESTARTS
        assert process.restart_delay_ms == process.restart_backoff_initial_ms == 0
    assert cell.plan.slaves


def test_blocks() -> None:
    assert list(blocks(50, 5)) == [5] * 10
    assert list(blocks(7, 5)) == [5, 2]
    assert list(blocks(3, 5)) == [3]
