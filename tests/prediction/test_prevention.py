"""A leak of the Main Core, from its first byte to a planned restart, by the shipped policy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from script import Script

from fieldstack.ha.actions import ActionKind
from fieldstack.ha.facts import ProcessCondition
from fieldstack.ha.measures import FactKind, Measure
from fieldstack.ha.states import HaState
from fieldstack.ha.vocabulary import ProcessName
from fieldstack.prediction.predictor import Predictor
from fieldstack.prediction.signals import Signal

SECOND = 1_000_000_000
MIB = 2**20
LIMIT_MIB = 500
FULL_S = 2400
"""When the limit would be reached."""
NEAR_S = FULL_S - 900
"""From then on the policy restarts Core."""


@pytest.mark.parametrize("safe_from_s", [0, NEAR_S + 200])
def test_a_leak_is_told_and_ends_in_a_restart_at_a_safe_moment(safe_from_s: int) -> None:
    """Told long before; restarted when little time is left, and not before a moment that is safe."""
    script, predictor = Script().operational(), Predictor()
    life_began, at, causes = 0, dict[ActionKind, int](), list[str]()
    for t in range(NEAR_S + 400):
        used = 100 + 400 * (t - life_began) / FULL_S
        signal = Signal("memory", "fieldstack-core", used * MIB, LIMIT_MIB * MIB, "test", str(life_began))
        predictor.feed(script.now, signal)
        found = tuple(
            Measure(FactKind.PREDICTED_EXHAUSTION, one.subject, one.eta_at(script.now), one.text)
            for one in predictor.forecasts()
        )
        script.facts = replace(script.facts, measures=found, safe_moment=t >= safe_from_s)
        script.later(1000)
        for action in script.actions:
            at.setdefault(action.kind, t)
            causes.append(action.cause)
            assert action.process is not ProcessName.RT
        if ActionKind.STOP_PROCESS in script.kinds:
            script.core(ProcessCondition.STOPPED, asked=True)
        if {ActionKind.REBOOT_PROCESS, ActionKind.START_PROCESS} & set(script.kinds):
            life_began = t
            script.comes_up()
        assert script.ha is not HaState.MANUAL_INTERVENTION
    assert at[ActionKind.SEND_ALERT] < 1000
    assert "memory of fieldstack-core reaches its limit in 27 min" in causes[0]
    earliest = max(safe_from_s, NEAR_S)
    assert earliest - 30 <= at[ActionKind.STOP_PROCESS] < life_began < earliest + 90
    assert "core-exhaustion-predicted" not in script.rules()
