"""What /proc/stat tells of the machine under a benchmark: stolen and idle time, per CPU."""

from __future__ import annotations

from fieldstack.bench.harness import machine

STAT = """cpu  10 0 20 300 40 0 0 7 0 0
cpu0 5 0 10 100 20 0 0 3 0 0
cpu1 5 0 10 200 20 0 0 4 0 0
intr 1 2 3
"""
"""Two CPUs, in ticks: user nice system idle iowait irq softirq steal guest guest_nice (proc_stat(5))."""


def test_idle_is_what_is_spent_idle_and_waiting_for_disks() -> None:
    assert machine.idle_us(STAT) == {0: 120 * machine.TICK_US, 1: 220 * machine.TICK_US}


def test_stolen_time_is_told_per_cpu() -> None:
    assert machine.steal_us(STAT) == {0: 3 * machine.TICK_US, 1: 4 * machine.TICK_US}


def test_the_idle_shares_of_a_block_are_known_when_it_has_ended() -> None:
    with machine.idle_shares() as idle:
        assert not idle
    assert idle
    assert all(0 <= share <= 1 for share in idle.values())
