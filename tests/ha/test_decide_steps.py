"""Each step of a decision changes only the parts that it declares in the tables of `decide.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings

from fieldstack.ha.decision import decide as module
from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.decision.decide import ALWAYS, GOING_DOWN, WHILE_UP, DecisionStep, decide
from fieldstack.ha.model.facts import Facts
from fieldstack.ha.policy import load_policy
from fieldstack.ha.scenario import load_scenario, play
from tests.ha.script import SHIPPED
from tests.ha.test_decide_properties import MOMENTS

POLICY = load_policy(SHIPPED)
SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.yaml"))
LONGEST_NS = 10_000_000_000
"""Scenarios that take longer, at a decision every 20 ms, are as quiet as their pauses are long."""


def _parts(context: DecisionContext) -> dict[str, object]:
    return {
        "rules": context.rules.records(),
        "watches": context.watches.records(),
        "waiting": context.waiting.records(),
        "in_flight": (context.in_flight.records(), context.in_flight.last_id),
        "tracks": (context.tracks.rt, context.tracks.core),
        "budgets": context.budgets.records(),
        "interlock": context.interlock.now,
        "starts": (context.starts.order, context.starts.pressed),
        "limits": context.limits.now,
        "cell": (
            (context.cell.ha, context.cell.since_ns, context.cell.reason, context.cell.held_by),
            (context.cell.reset_ns, context.cell.accepted_start),
        ),
        "findings": context.findings.records(),
        "facts": context.facts,
        "actions": tuple(context.actions),
    }


class Watched:
    """The steps of the table, each followed by a look at what it has changed."""

    def __init__(self) -> None:
        self.undeclared: set[str] = set()

    def steps(self, table: tuple[DecisionStep, ...]) -> tuple[DecisionStep, ...]:
        return tuple(step._replace(run=self._watched(step)) for step in table)

    def _watched(self, step: DecisionStep) -> Callable[[DecisionContext], None]:
        def run(context: DecisionContext) -> None:
            before = _parts(context)
            step.run(context)
            after = _parts(context)
            found = {name for name in before if before[name] != after[name]}
            self.undeclared |= {f"{_name(step)} changes {one}" for one in found - step.changes}

        return run


def _name(step: DecisionStep) -> str:
    return step.run.__name__


@pytest.fixture(name="watched")
def _watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched()
    monkeypatch.setattr(module, "ALWAYS", watched.steps(ALWAYS))
    monkeypatch.setattr(module, "WHILE_UP", watched.steps(WHILE_UP))
    monkeypatch.setattr(module, "GOING_DOWN", watched.steps(GOING_DOWN))
    return watched


def test_no_scenario_makes_a_step_change_what_it_does_not_declare(watched: Watched) -> None:
    played = [one for one in map(load_scenario, SCENARIOS) if max(end.at for end in one.expect) <= LONGEST_NS]
    for scenario in played:
        play(scenario, POLICY)
    assert len(played) >= 15
    assert watched.undeclared == set()


@given(moments=MOMENTS)
@settings(max_examples=60, deadline=None)
def test_no_timeline_makes_a_step_change_what_it_does_not_declare(moments: list[tuple[int, Facts]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched()
        patch.setattr(module, "ALWAYS", watched.steps(ALWAYS))
        patch.setattr(module, "WHILE_UP", watched.steps(WHILE_UP))
        patch.setattr(module, "GOING_DOWN", watched.steps(GOING_DOWN))
        now, state = 10**12, DecisionState()
        for wait_ms, facts in moments:
            now += wait_ms * 1_000_000
            state, _ = decide(now, state, facts, POLICY)
        assert watched.undeclared == set()


def test_the_steps_declare_parts_that_exist_and_say_why_they_stand_where_they_do() -> None:
    parts = set(_parts(DecisionContext(10**12, DecisionState(), Facts(), POLICY)))
    for step in (*ALWAYS, *WHILE_UP, *GOING_DOWN):
        assert step.changes <= parts, _name(step)
        assert step.why
    documented = {line.split()[0] for line in (module.__doc__ or "").splitlines() if line.startswith("    ")}
    assert documented == parts, "the theory of operation names each part"
