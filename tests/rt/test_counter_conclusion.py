"""What is said of a wrong counter that no single slave is to blame for, also while a tool is away."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_ethercat.bus.master import exchange_participation
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt.counter_cause import CounterCause

CELL = Path(__file__).resolve().parents[2] / "config/ethercat/cell.yaml"
TOOL = "groups: [{name: tool, axes: [c], slaves: [dio], essential: false}]\n"
GONE, OP, SAFEOP = 0, int(AlState.OP), int(AlState.SAFEOP)


@pytest.fixture
def plan(tmp_path: Path) -> BusPlan:
    file = tmp_path / "bus.yaml"
    file.write_text(CELL.read_text(encoding="utf-8") + TOOL, encoding="utf-8")
    return plan_from_file(file)


def told(plan: BusPlan, monkeypatch: pytest.MonkeyPatch, states: list[int], busy: set[int]) -> str:
    monkeypatch.setattr(exchange_participation, "faults_of", lambda _link: ())
    bus: Any = SimpleNamespace(link=lambda at: SimpleNamespace(position=at), count=lambda: len(plan.slaves))
    cause = CounterCause(bus, plan)
    status = SimpleNamespace(wkc=3, expected_wkc=12, bad_wkc_row=2000)
    read = [SlaveState(at, f"s{at}", state) for at, state in enumerate(states)]
    for turn in range(4):
        assert cause.run(turn * 10_000_000, status, read, busy) is None
    return cause.text


def test_a_wrong_counter_is_not_hidden_by_a_tool_that_is_told_lost(
    plan: BusPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "every slave is in OP" in told(plan, monkeypatch, [OP] * 5, set())
    for away in (GONE, SAFEOP):
        text = told(plan, monkeypatch, [OP, OP, OP, OP, away], {4})
        assert "3 of 12" in text
        assert "every other slave is in OP" in text
        assert "fieldstack reset" in text


def test_an_essential_one_explains_it_by_its_state(plan: BusPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(plan, monkeypatch, [OP, SAFEOP, OP, OP, OP], set()) == ""
    assert told(plan, monkeypatch, [OP, OP, OP, OP, OP], {1}) == ""
