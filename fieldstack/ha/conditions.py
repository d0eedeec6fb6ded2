"""From facts to conditions: what is there, what has gone, what is cleared."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision_state import ActiveCondition, DecisionState
from fieldstack.ha.draft import Draft
from fieldstack.ha.facts import Facts, PositionCheck, ProcessCondition
from fieldstack.ha.vocabulary import CORE_LOST, RT_LOST, ClearWhen, Condition, PolicyAction, ProcessName

POLICY_BIT = 1 << 2
"""FS_ESTOP_POLICY in the latch's words."""


def update_conditions(draft: Draft) -> None:
    """Enter conditions that are new, note which causes have gone, drop what is cleared.

    Lost processes are entered by the restart logic, once for each failed start.
    """
    seen = observed(draft)
    for condition, cause in seen.items():
        if draft.state.active(condition) is None:
            draft.enter(condition, cause)
    kept = (_aged(one, draft, seen) for one in draft.state.conditions)
    draft.state = replace(draft.state, conditions=tuple(one for one in kept if not _cleared(one, draft)))


def observed(draft: Draft) -> dict[Condition, str]:
    """Conditions whose cause is there now, each with what was seen."""
    facts, state = draft.facts, draft.state
    found: dict[Condition, str] = {}
    if _stopped_unasked(facts, state):
        found[Condition.RT_STOPPED] = f"the RT process ended in an orderly way: {facts.rt.why or 'unasked'}"
    if _raised_by_others(draft):
        found[Condition.EMERGENCY_STOP] = facts.estop.text
    if _positions_differ(facts, state):
        found[Condition.POSITIONS_DIFFER] = facts.bus.detail or "axes are not where the checkpoint says"
    if text := _wkc_lost(draft):
        found[Condition.WORKING_COUNTER_LOST] = text
    return found


def _raised_by_others(draft: Draft) -> int:
    """Latched sources but the policy's own bit while the condition that raised it still counts."""
    own = any(
        rule.clear is ClearWhen.ON_RESET and PolicyAction.EMERGENCY_STOP in rule.actions
        for rule in (draft.policy.rule(one.condition) for one in draft.state.conditions)
    )
    return draft.facts.estop.on_reset & ~(POLICY_BIT if own else 0)


def _stopped_unasked(facts: Facts, state: DecisionState) -> bool:
    """Once a reset has ordered a new start, `failed_start` says that this end was dealt with."""
    rt = facts.rt
    return rt.condition is ProcessCondition.STOPPED and not rt.asked and rt.start_id != state.rt.failed_start


def _positions_differ(facts: Facts, state: DecisionState) -> bool:
    return facts.bus.positions is PositionCheck.DIFFER and facts.rt.start_id != state.accepted_start


def _wkc_lost(draft: Draft) -> str:
    """Judged once RT was proven, or after its start-up grace: a bus that comes up counts as less."""
    bus, rt = draft.facts.bus, draft.facts.rt
    threshold = draft.policy.rule(Condition.WORKING_COUNTER_LOST).threshold_cycles or 1
    if rt.condition is not ProcessCondition.RUNNING or not bus.cycling or bus.bad_row < threshold:
        return ""
    if not draft.state.rt.proven and not past_grace(draft):
        return ""
    detail = f": {bus.detail}" if bus.detail else ""
    return f"working counter {bus.wkc} of {bus.expected_wkc} for {bus.bad_row} cycles{detail}"


def past_grace(draft: Draft) -> bool:
    """Whether the present RT process had its start-up grace and is not proven yet."""
    return draft.now_ns - draft.state.rt.started_ns > draft.section(ProcessName.RT).startup_grace_ns


def _aged(one: ActiveCondition, draft: Draft, seen: dict[Condition, str]) -> ActiveCondition:
    if not _gone(one.condition, draft, seen):
        return replace(one, gone_ns=0)
    return one if one.gone_ns else replace(one, gone_ns=draft.now_ns)


def _gone(condition: Condition, draft: Draft, seen: dict[Condition, str]) -> bool:
    if condition in RT_LOST:
        return draft.state.rt.proven
    if condition in CORE_LOST:
        return draft.state.core.proven
    if condition is Condition.WORKING_COUNTER_LOST:
        bus = draft.facts.bus
        running = draft.facts.rt.condition is ProcessCondition.RUNNING
        return running and bus.cycling and bus.bad_row == 0 and bus.wkc == bus.expected_wkc
    return condition is not Condition.RESTART_BUDGET_SPENT and condition not in seen


def _cleared(one: ActiveCondition, draft: Draft) -> bool:
    rule = draft.policy.rule(one.condition)
    if rule.clear is not ClearWhen.ON_RECOVERY or not one.gone_ns:
        return False
    return draft.now_ns - one.gone_ns >= rule.clear_after_ns
