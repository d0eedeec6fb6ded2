"""What holds for every timeline: random facts, random times, random requests."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack.ha.decision.decide import decide
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.actions import ActionKind as A
from fieldstack.ha.model.facts import (
    BusFacts,
    EstopFacts,
    Facts,
    GuardFacts,
    PositionCheck,
    ProcessFacts,
    Request,
    RequestKind,
    unhealthy,
)
from fieldstack.ha.model.facts import ProcessCondition as C
from fieldstack.ha.model.states import MOVING, TRANSITIONS, HaState
from fieldstack.ha.model.vocabulary import ClearWhen, ProcessName
from tests.ha.script import Script

_STARTS = (A.START_PROCESS, A.REBOOT_PROCESS)


def processes(name: ProcessName) -> st.SearchStrategy[ProcessFacts]:
    return st.builds(
        ProcessFacts,
        name=st.just(name),
        condition=st.sampled_from(C),
        start_id=st.integers(0, 3),
        pid=st.integers(0, 3),
        stop_requested=st.booleans(),
        gone=st.booleans(),
    )


FACTS = st.builds(
    Facts,
    rt=processes(ProcessName.RT),
    core=st.none() | processes(ProcessName.CORE),
    bus=st.builds(
        BusFacts,
        cycling=st.booleans(),
        wkc=st.sampled_from([14, 14, 9]),
        expected_wkc=st.just(14),
        wkc_good=st.booleans(),
        consecutive_bad_wkc=st.sampled_from([0, 0, 4, 5, 900]),
        all_op=st.booleans(),
        positions=st.sampled_from(PositionCheck),
        displaced_groups=st.sampled_from([frozenset(), frozenset(), frozenset({"tool"})]),
    ),
    guard=st.builds(
        GuardFacts,
        enabled=st.booleans(),
        watching=st.booleans(),
        tripped=st.booleans(),
        fenced_ns=st.sampled_from([0, 10**12]),
        confirmed_ns=st.sampled_from([0, 10**12]),
    ),
    estop=st.builds(
        EstopFacts, on_reset=st.sampled_from([0, 0, 1, 4]), on_recovery=st.sampled_from([0, 0, 8])
    ),
    requests=st.lists(
        st.builds(
            Request,
            id=st.integers(1, 9),
            kind=st.sampled_from([RequestKind.RESET, RequestKind.RESET, RequestKind.RESTART]),
            subject=st.sampled_from(["", ProcessName.RT, ProcessName.CORE]),
        ),
        max_size=2,
    ).map(tuple),
)
MOMENTS = st.lists(st.tuples(st.sampled_from([1, 20, 600, 30_000]), FACTS), min_size=1, max_size=25)


def _check(before: HaState, after: HaState, actions: tuple[Action, ...], facts: Facts) -> None:
    assert after is before or after in TRANSITIONS[before]
    assert all(one.kind <= other.kind for one, other in pairwise(actions))
    assert all(action.rule and action.cause for action in actions if action.kind is not A.RECORD_STEP)
    starts = Counter(action.process for action in actions if action.kind in _STARTS)
    assert all(count == 1 for count in starts.values())
    kinds = {action.kind for action in actions}
    if A.SAFE_MODE_EXIT in kinds:
        assert after in MOVING
        assert not unhealthy(facts)
        assert not kinds & {A.EMERGENCY_STOP, A.SAFE_MODE_ENTER}
    if before in MOVING and after not in MOVING:
        assert A.SAFE_MODE_ENTER in kinds
    cleared = [action for action in actions if action.kind is A.CLEAR_LATCH]
    asked = any(action.kind is A.ANSWER and action.confirmed for action in actions)
    assert all(action.until is ClearWhen.GONE or asked for action in cleared)
    if before is HaState.MANUAL_INTERVENTION and after is not before:
        assert asked
    assert len([one for one in actions if one.kind is A.ANSWER]) == len(facts.requests)


@given(moments=MOMENTS)
@settings(max_examples=100, deadline=None)
def test_no_timeline_breaks_the_invariants(moments: list[tuple[int, Facts]]) -> None:
    script = Script()
    now, state = script.now, script.state
    for wait_ms, facts in moments:
        now += wait_ms * 1_000_000
        before = state
        state, actions = decide(now, state, facts, script.policy)
        _check(before.ha, state.ha, actions, facts)
        assert decide(now, before, facts, script.policy) == (state, actions), "not pure"
        if state.ha in MOVING:
            assert not facts.estop.on_reset or any(one.kind is A.CLEAR_LATCH for one in actions)


@given(gaps=st.lists(st.integers(1, 3000), min_size=60, max_size=60))
@settings(max_examples=30, deadline=None)
def test_restarts_are_never_endless(gaps: list[int]) -> None:
    """However the crashes are spaced: never more than the budget in a window."""
    cell = Script().operational()
    section = cell.policy.process(ProcessName.RT)
    restarts: list[int] = []
    for gap in gaps:
        cell.later(gap)
        if A.REBOOT_PROCESS in cell.kinds:
            restarts.append(cell.now)
        (cell.comes_up() if cell.facts.rt.condition is C.STARTING else cell.dies()).later(1)
        if A.REBOOT_PROCESS in cell.kinds:
            restarts.append(cell.now)
    for at in restarts:
        assert (
            len([one for one in restarts if 0 <= at - one < section.window_ns]) <= section.max_restart_count
        )


def test_a_shutdown_wins_over_everything() -> None:
    cell = Script().operational()
    cell.dies().operator_stops()
    cell.asks(RequestKind.RESET).asks(RequestKind.SHUTDOWN).later()
    assert cell.ha is HaState.SHUTDOWN
    assert not set(cell.kinds) & set(_STARTS)
