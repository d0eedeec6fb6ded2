"""The decision: from facts to the next state of the cell and what is to be done. Pure.

Invariants, checked in the tests: a transition that the table does not have never happens; the worst
action comes first; at most one start is ordered for a process; MANUAL_INTERVENTION is left by a reset
or a shutdown alone; axes get their permit only when everything they need was read back.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.actions import Action, ActionKind, by_severity
from fieldstack.ha.conditions import past_grace, update_conditions
from fieldstack.ha.decision_state import ActiveCondition, DecisionState
from fieldstack.ha.draft import Draft
from fieldstack.ha.facts import Facts, ProcessCondition, unhealthy
from fieldstack.ha.policy.schema import FailoverPolicy
from fieldstack.ha.requests import answer_requests
from fieldstack.ha.states import MOVING, TRANSITIONS, HaState, transition
from fieldstack.ha.supervise import supervise
from fieldstack.ha.vocabulary import (
    RT_LOST,
    STOPPING_ACTIONS,
    ClearWhen,
    Condition,
    PolicyAction,
    ProcessName,
)


def decide(
    now_ns: int, state: DecisionState, facts: Facts, policy: FailoverPolicy
) -> tuple[DecisionState, tuple[Action, ...]]:
    """The next state and the actions to carry out, worst first.

    `now_ns` is CLOCK_MONOTONIC; the same arguments always give the same answer.

    Raises:
        IllegalTransitionError: a fault of this code; the caller keeps its state.
    """
    draft = Draft(now_ns, state, facts, policy)
    answer_requests(draft)
    if draft.state.ha is HaState.SHUTDOWN:
        _enter_shutdown(draft, state)
        return draft.state, by_severity(draft.actions)
    for name in (ProcessName.RT, ProcessName.CORE):
        supervise(draft, name)
    update_conditions(draft)
    _settle(draft, *_target(draft))
    return draft.state, by_severity(draft.actions)


def _enter_shutdown(draft: Draft, before: DecisionState) -> None:
    transition(before.ha, HaState.SHUTDOWN)
    if before.ha is not HaState.SHUTDOWN:
        draft.order(ActionKind.SAFE_MODE_ENTER, "shutdown", draft.state.reason)


def _target(draft: Draft) -> tuple[HaState, str]:
    """The state that the facts ask for, worst first, and why."""
    if spent := draft.state.active(Condition.RESTART_BUDGET_SPENT):
        return HaState.MANUAL_INTERVENTION, spent.cause
    if held := _rt_held_down(draft):
        return HaState.SAFE_MODE, held.cause
    if not draft.state.rt.proven:
        return _rt_coming(draft)
    if stopping := _stopping(draft):
        return HaState.SAFE_MODE, stopping
    if draft.state.ha not in MOVING and (why := unhealthy(draft.facts)):
        return (HaState.RECOVERY if draft.state.ha is HaState.RECOVERY else HaState.SAFE_MODE), why
    return _moving(draft)


def _rt_held_down(draft: Draft) -> ActiveCondition | None:
    """RT is down and only a person brings it back."""
    if stopped := draft.state.active(Condition.RT_STOPPED):
        return stopped
    for condition in RT_LOST:
        lost = draft.state.active(condition)
        if lost and PolicyAction.REBOOT_PROCESS not in draft.policy.rule(condition).actions:
            coming = draft.facts.rt.condition in (ProcessCondition.STARTING, ProcessCondition.RUNNING)
            return None if coming or draft.state.rt.pending else lost
    return None


def _rt_coming(draft: Draft) -> tuple[HaState, str]:
    why = unhealthy(draft.facts) or "RT is checked"
    track = draft.state.rt
    if track.started_ns and track.pending is None and past_grace(draft):
        return HaState.SAFE_MODE, f"RT is not at work after its start-up grace: {why}"
    return HaState.RECOVERY, track.recovery.cause if track.recovery else why


def _stopping(draft: Draft) -> str:
    """What keeps the axes of a running RT process standing; empty: nothing."""
    for one in draft.state.conditions:
        if STOPPING_ACTIONS & set(draft.policy.rule(one.condition).actions):
            return one.cause
    if draft.facts.estop.on_recovery and draft.state.ha in MOVING:
        return f"EMERGENCY_STOP: {draft.facts.estop.text}"
    return ""


def _moving(draft: Draft) -> tuple[HaState, str]:
    core = draft.facts.core
    if core is not None and (lost := _core_lost(draft)):
        return HaState.DEGRADED, lost
    return HaState.OPERATIONAL, "all checks passed"


def _core_lost(draft: Draft) -> str:
    """Why the Main Core counts as down; its first start-up does not."""
    core = draft.facts.core
    for condition in (Condition.CORE_DEAD, Condition.CORE_SILENT):
        if active := draft.state.active(condition):
            return active.cause
    if core is not None and core.condition in (ProcessCondition.STOPPED, ProcessCondition.STOPPING):
        return f"{core.name} is {core.condition}"
    return ""


def _settle(draft: Draft, target: HaState, reason: str) -> None:
    """Go to the target, through RECOVERY where the table asks for it, with the orders of the way."""
    source = draft.state.ha
    if target is not source and target not in TRANSITIONS[source]:
        target, reason = HaState.RECOVERY, f"checking before the cell goes on: {reason}"
    transition(source, target)
    if target is source:
        return
    draft.state = replace(draft.state, ha=target, since_ns=draft.now_ns, reason=reason)
    if target is HaState.MANUAL_INTERVENTION:
        draft.order(ActionKind.AWAIT_MANUAL, _rule_name(draft), reason)
    if target in MOVING and source not in MOVING:
        _let_move(draft)
    elif target not in MOVING and not draft.has(ActionKind.SAFE_MODE_ENTER):
        draft.order(ActionKind.SAFE_MODE_ENTER, _rule_name(draft), reason)


def _let_move(draft: Draft) -> None:
    cause = "RT cycles, all slaves are in OP, working counter and positions are as expected"
    if sources := draft.facts.estop.on_recovery:
        draft.actions.append(
            Action(ActionKind.CLEAR_LATCH, "recovered", cause, until=ClearWhen.ON_RECOVERY, sources=sources)
        )
    draft.order(ActionKind.SAFE_MODE_EXIT, "recovered", cause)


def _rule_name(draft: Draft) -> str:
    conditions = draft.state.conditions
    return draft.policy.rule(conditions[-1].condition).name if conditions else "start"
