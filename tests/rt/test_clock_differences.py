"""Distributed clocks as RT publishes them: in turn, void while a slave is away; a cell with one lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_rt.clock_differences import ROUND_NS, ClockDifferences
from fieldstack_rt.datastore.layout import NO_DC, Stop
from tests.rt.rt_cell import rt_cell, wait_for

POLICY = Path(__file__).parents[2] / "config/ha/failover_policy.json"


class Registers:
    """Clocks at positions 0 and 2 of three slaves, as the master sees them."""

    def __init__(self) -> None:
        self.clock_positions: tuple[int, ...] = (0, 2)
        self.words: dict[int, int | None] = {0: 0, 2: 0x80000000 | 700}
        self.reads: list[int] = []
        self.tended: list[list[int]] = []

    def maintain_clocks(self, states: Sequence[SlaveState]) -> tuple[int, ...]:
        self.tended.append([state.position for state in states if not state.answers])
        return ()

    def read_register(self, position: int, address: int, size: int) -> bytes | None:
        assert (address, size) == (0x092C, 4)
        self.reads.append(position)
        word = self.words[position]
        return None if word is None else word.to_bytes(4, "little")


def states(*status: int) -> list[SlaveState]:
    return [SlaveState(position, f"s{position}", word) for position, word in enumerate(status)]


def a_round(differences: ClockDifferences, now_ns: int) -> int:
    for _ in range(2):
        now_ns += ROUND_NS // 2
        differences.run(now_ns)
    return now_ns


def test_each_clock_is_read_once_a_round_with_its_sign() -> None:
    registers = Registers()
    differences = ClockDifferences(registers, registers)
    assert [differences.of(position) for position in range(3)] == [NO_DC] * 3
    a_round(differences, 0)
    assert [differences.of(position) for position in range(3)] == [0, NO_DC, -700]
    differences.run(ROUND_NS + 1)
    assert registers.reads == [0, 2], "it is not time yet"


def test_a_slave_that_does_not_answer_has_no_difference() -> None:
    registers = Registers()
    differences = ClockDifferences(registers, registers)
    now_ns = a_round(differences, 0)
    registers.words[2] = None
    differences.maintain(states(8, 8, 0))
    assert (differences.of(0), differences.of(2)) == (0, NO_DC)
    now_ns = a_round(differences, now_ns)
    assert differences.of(2) == NO_DC
    registers.words[2] = 5
    differences.maintain(states(8, 8, 1))
    a_round(differences, now_ns)
    assert differences.of(2) == 5
    assert registers.tended == [[2], []]


def test_without_clocks_nothing_is_read() -> None:
    registers = Registers()
    registers.clock_positions = ()
    a_round(ClockDifferences(registers, registers), 0)
    assert not registers.reads


@pytest.mark.system
def test_a_lost_clock_is_published_beyond_the_policy_s_threshold(instance: Instance) -> None:
    rules = json.loads(POLICY.read_text(encoding="utf-8"))["rules"]
    threshold = next(int(rule["threshold"]) for rule in rules if rule["fact"] == "dc_lost")
    with rt_cell(instance) as cell:

        def differences() -> list[int]:
            bus = cell.store.rt_bus()
            return [bus.slaves[position].dc_difference_ns for position in range(5)]

        wait_for(lambda: NO_DC not in differences()[:4], "all drives' clocks are read")
        assert differences()[4] == NO_DC, "the terminal has no clock"
        cell.segment.client.clock_drift(2, -500)
        cell.segment.client.dc_lose(2)
        wait_for(lambda: NO_DC < differences()[2] < -threshold, "drive 3 is behind the reference clock")
        assert all(abs(differences()[position]) < threshold for position in (0, 1, 3))
        assert cell.store.rt_status().stop_reason == Stop.NONE, "the axes are not concerned"
        cell.segment.client.dc_follow(2)
        wait_for(lambda: abs(differences()[2]) < threshold, "it follows again")
