"""A leak of the Main Core, from its first byte to a planned restart, by the shipped policy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import pytest

from fieldstack.ha.model.actions import ActionKind
from fieldstack.ha.model.facts import ProcessCondition
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.prediction.predictor import Predictor
from fieldstack.prediction.signals import Signal
from tests.ha.script import Script

SECOND = 1_000_000_000
MIB = 2**20
LIMIT_MIB = 500
FULL_S = 2400
"""When the limit would be reached."""
NEAR_S = FULL_S - 900
"""From then on the policy restarts Core."""


@dataclass
class Course:
    """Seconds at which each kind of action came first, why, and when Core began its present life."""

    script: Script
    at: dict[ActionKind, int] = field(default_factory=dict)
    causes: list[str] = field(default_factory=list)
    life_began_s: int = 0


def leaks(full_s: int, safe_from_s: float, seconds: int) -> Course:
    """Core leaks, and a new one as well: what the predictor finds, and what the policy makes of that."""
    script, predictor = Script().operational(), Predictor()
    course = Course(script)
    for t in range(seconds):
        used = 100 + 400 * (t - course.life_began_s) / full_s
        life = str(course.life_began_s)
        predictor.feed(
            script.now, Signal("memory", "fieldstack-core", used * MIB, LIMIT_MIB * MIB, "test", life)
        )
        found = tuple(
            Measure(FactKind.PREDICTED_EXHAUSTION, one.subject, one.eta_at(script.now), one.text)
            for one in predictor.forecasts()
        )
        script.facts = replace(script.facts, measures=found, safe_moment=t >= safe_from_s)
        script.later(1000)
        for action in script.actions:
            course.at.setdefault(action.kind, t)
            course.causes.append(action.cause)
            assert action.process is not ProcessName.RT
        if ActionKind.STOP_PROCESS in script.kinds:
            script.core(ProcessCondition.STOPPED, stop_requested=True)
        if {ActionKind.REBOOT_PROCESS, ActionKind.START_PROCESS} & set(script.kinds):
            course.life_began_s = t
            script.comes_up()
        assert script.ha is not HaState.MANUAL_INTERVENTION
    return course


@pytest.mark.parametrize("safe_from_s", [0, NEAR_S + 200])
def test_a_leak_is_told_and_ends_in_a_restart_at_a_safe_moment(safe_from_s: int) -> None:
    """Told long before; restarted when little time is left, and not before a moment that is safe."""
    course = leaks(FULL_S, safe_from_s, NEAR_S + 400)
    assert course.at[ActionKind.SEND_ALERT] < 1000
    assert "memory of fieldstack-core reaches its limit in 27 min" in course.causes[0]
    earliest = max(safe_from_s, NEAR_S)
    assert earliest - 30 <= course.at[ActionKind.STOP_PROCESS] < course.life_began_s < earliest + 90
    assert not {"core-exhaustion-predicted", "core-exhaustion-near"} & course.script.rules()


@pytest.mark.parametrize("full_s", [160, 180, 240, 1000, FULL_S])
def test_a_leak_without_a_safe_moment_ends_before_the_limit_however_fast_it_is(full_s: int) -> None:
    course = leaks(full_s, math.inf, full_s + 10)
    assert course.at[ActionKind.SEND_ALERT] < course.at[ActionKind.STOP_PROCESS]
    assert course.at[ActionKind.STOP_PROCESS] <= full_s - 10
    assert 0 < course.life_began_s < full_s


def test_a_fast_leak_waits_a_little_for_a_safe_moment() -> None:
    never, soon = leaks(240, math.inf, 240), leaks(240, 0, 240)
    assert soon.at[ActionKind.STOP_PROCESS] < never.at[ActionKind.STOP_PROCESS]
