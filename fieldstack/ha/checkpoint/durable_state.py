"""The part of the decision core's state that survives its process and a reboot: budgets and latches.

A record is small, because it also has a place in shared memory. It contains only rules that wait for a
person, and restarts that still count. Its times are monotonic; across boots the wall clock places them.
`nonrt.state_keeper` has it written when it changes; `nonrt.beginning` restores it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fieldstack.ha.checkpoint.cell_start import NO_CELL_START, CellStart
from fieldstack.ha.checkpoint.durable_reading import FORMAT, RecordReader
from fieldstack.ha.decision.context.decision_state import (
    RECORD_UNREADABLE,
    ActiveRule,
    BudgetUse,
    DecisionState,
    Key,
    RestartInterlock,
)
from fieldstack.ha.model.facts import EstopFacts
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ClearWhen, Hold, PolicyAction
from fieldstack.ha.policy.in_force.view import Policy
from fieldstack_base.clock import boot_id

MAX_TEXT = 160
MAX_CAUSES = 8


def outlives(active_rule: ActiveRule) -> bool:
    """Whether the rule waits for a person, or for ever: then it is active again after any restart."""
    return active_rule.clear is not ClearWhen.GONE or active_rule.hold is not None


def to_record(state: DecisionState, estop: EstopFacts, now_ns: int, wall_ns: int) -> dict[str, Any]:
    """The part to keep."""
    return {
        "format": FORMAT,
        "boot": boot_id(),
        "t_ns": now_ns,
        "wall_ns": wall_ns,
        "life": state.cell_start_id,
        "ha": state.ha.name,
        "reason": state.reason[:MAX_TEXT],
        "budgets": {use.subject: _use(use) for use in state.budgets if use.restarts or use.spent},
        "rules": [_rule(one) for one in state.active_rules if outlives(one)],
        "standing": _interlock(state.interlock),
        "estop_on_reset": estop.on_reset,
        "estop_reasons": list(estop.reasons),
    }


def _interlock(interlock: RestartInterlock) -> dict[str, Any]:
    strictest = sorted(interlock.causes, key=lambda one: (one.within_ns, one.axes))[:MAX_CAUSES]
    kept = [one for one in interlock.causes if one in strictest]
    causes = [[*one.key, one.text[:MAX_TEXT], one.within_ns, one.axes] for one in kept]
    return {"since_ns": interlock.since_ns, "causes": causes}


def _use(use: BudgetUse) -> dict[str, Any]:
    return {"restarts": list(use.restarts)} | ({"spent": use.spent[:MAX_TEXT]} if use.spent else {})


def _rule(one: ActiveRule) -> dict[str, Any]:
    seen = one.evidence
    return {
        "rule": one.key.rule,
        "subject": one.key.subject,
        "cause": one.cause[:MAX_TEXT],
        "clear": one.clear.value,
        "effects": sorted(effect.value for effect in one.effects),
        "hold": one.hold.value if one.hold else None,
        "override_percent": one.override_percent,
        "groups": list(one.groups),
        "evidence": seen and [seen.fact.value, seen.subject, seen.value, seen.threshold, seen.window_ms],
    }


def restore(
    record: dict[str, Any] | None,
    policy: Policy,
    now_ns: int,
    wall_ns: int,
    start: CellStart = NO_CELL_START,
) -> DecisionState:
    """The state with which a new Non-RT process begins: budgets, and what waits for a person, are kept.

    A rule that is no longer in the policy still waits for a person. A cell that went down as asked starts
    without rules that only its end could clear; the rule that took it down waits for a person. Entries that
    cannot be read (another version wrote them) are left out, and a person has to look, because they may have
    held the cell. What the axes wait for is kept, too.
    """
    fresh = DecisionState(since_ns=now_ns, cell_start_id=start.id)
    fresh = replace(
        fresh, rt=replace(fresh.rt, started_ns=now_ns), core=replace(fresh.core, started_ns=now_ns)
    )
    if not record:
        return replace(fresh, interlock=start.interlock(RestartInterlock(), policy, now_ns, new=True))
    reading = RecordReader(policy, now_ns, wall_ns)
    active_rules, budgets = reading.of(record)
    ended = went_down_by_request(record)
    if ended:
        active_rules = [_after_the_end(one) for one in active_rules if one.clear is not ClearWhen.NEVER]
    if reading.lost:
        active_rules.append(_unreadable(reading.lost, now_ns))
    new = record.get("life", "") != start.id
    state = replace(
        fresh,
        active_rules=tuple(active_rules),
        budgets=tuple(budgets),
        interlock=start.interlock(reading.interlock, policy, now_ns, new=new),
        after_failure=not ended,
    )
    return state if new or ended else start.counted(state, policy, now_ns)


def _after_the_end(one: ActiveRule) -> ActiveRule:
    """Drops SHUTDOWN, which is done. In the next life it would act in the first pass, before any reset."""
    if PolicyAction.SHUTDOWN not in one.effects:
        return one
    return replace(one, effects=one.effects - {PolicyAction.SHUTDOWN}, hold=one.hold or Hold.RESET)


def _unreadable(lost: list[str], now_ns: int) -> ActiveRule:
    cause = f"could not be read of the latches and budgets kept: {'; '.join(lost)}"
    effects = frozenset({PolicyAction.AWAIT_MANUAL})
    key = Key(RECORD_UNREADABLE, "checkpoint")
    return ActiveRule(key, now_ns, cause[: 2 * MAX_TEXT], ClearWhen.RESET, effects=effects, hold=Hold.RESET)


def went_down_by_request(record: dict[str, Any] | None) -> bool:
    """Whether the cell's last life ended as asked, so that this is a start and not a recovery."""
    return record is not None and record.get("ha") == HaState.SHUTDOWN.name


def latched(record: dict[str, Any] | None) -> tuple[int, str]:
    """EMERGENCY_STOP sources that a person had raised, and why: they survive a reboot."""
    if record is None:
        return 0, ""
    sources, reasons = record.get("estop_on_reset", 0), record.get("estop_reasons", [])
    if not isinstance(sources, int) or not isinstance(reasons, list):
        return 0, ""
    return sources, "; ".join(str(reason) for reason in reasons)
