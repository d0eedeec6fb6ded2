"""Finds the condition of the cell: what all facts together ask for, worst first, and why. One row each.

Used by `state_change`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from fieldstack.ha.decision.builtin import past_grace
from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import ActiveRule, Key
from fieldstack.ha.decision.limits import degrading
from fieldstack.ha.model.facts import ProcessCondition, unhealthy
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.states import MOVING, CellCondition
from fieldstack.ha.model.vocabulary import PolicyAction, ProcessName

_ENDING = frozenset({ProcessCondition.STOPPED, ProcessCondition.STOPPING})
_CORE_FACTS = frozenset(
    {FactKind.PROCESS_DEAD, FactKind.PROCESS_REFUSED, FactKind.PROCESS_SILENT, FactKind.PROCESS_STOPPED}
)
MAX_OTHER_CAUSES = 2
"""How many further rules that hold the cell a reason names."""


class ConditionCause(NamedTuple):
    """Why a verdict holds, for people, and the rules that lead to it now; no text: it does not hold."""

    text: str = ""
    by: tuple[Key, ...] = ()


def cell_condition(context: DecisionContext) -> tuple[CellCondition, ConditionCause]:
    """The first condition that holds."""
    for one, row in ROWS:
        why = row(context)
        if why.text:
            return one, why
    return CellCondition.WELL, ConditionCause("all checks passed")


def _because(active_rules: Iterable[ActiveRule]) -> ConditionCause:
    """The reason of the rule that has been active for longest; the others are named."""
    found = list(active_rules)
    if not found:
        return ConditionCause()
    keys = tuple(one.key for one in found)
    beside = [f"{rule} of {subject}" for rule, subject in keys[1:]]
    if len(beside) > MAX_OTHER_CAUSES:
        beside[MAX_OTHER_CAUSES:] = [f"{len(beside) - MAX_OTHER_CAUSES} more"]
    also = f" (also: {', '.join(beside)})" if beside else ""
    return ConditionCause(f"{found[0].cause}{also}", keys)


def _go_down(context: DecisionContext) -> ConditionCause:
    return _because(one for one in context.rules if PolicyAction.SHUTDOWN in one.effects)


def _person(context: DecisionContext) -> ConditionCause:
    return _because(one for one in context.rules if one.hold)


def _rt_down(context: DecisionContext) -> ConditionCause:
    """RT is down and no restart is under way, or its time is over and it does not work."""
    rt, track = context.facts.rt, context.tracks.rt
    coming = (
        track.pending is not None or context.actions.start_or_stop(ProcessName.RT) or _restart_waits(context)
    )
    if (rt.down or rt.condition is ProcessCondition.NEVER_SEEN) and not coming:
        why = _because(one for one in context.rules if one.key.subject == ProcessName.RT)
        return why if why.text else ConditionCause(f"{rt.name} is {rt.condition}")
    if not track.proven and track.started_ns and track.pending is None and past_grace(context):
        what = unhealthy(context.facts) or "RT is checked"
        return ConditionCause(f"RT is not at work after its start-up grace: {what}")
    return ConditionCause()


def _restart_waits(context: DecisionContext) -> bool:
    return any(
        one.order.action is PolicyAction.REBOOT_PROCESS
        and (one.order.target or one.key.subject) == ProcessName.RT
        for one in context.waiting
    )


def _rt_coming(context: DecisionContext) -> ConditionCause:
    track = context.tracks.rt
    if track.proven:
        return ConditionCause()
    if track.recovery is None:
        return ConditionCause(unhealthy(context.facts) or "RT is checked")
    key = Key(track.recovery.rule, ProcessName.RT)
    return ConditionCause(track.recovery.cause, (key,) if key in context.rules else ())


def _stop(context: DecisionContext) -> ConditionCause:
    """What keeps the axes of a running RT process standing."""
    why = _because(one for one in context.rules if one.stops)
    if not why.text and context.facts.estop.on_recovery and context.cell.ha in MOVING:
        return ConditionCause(f"EMERGENCY_STOP: {context.facts.estop.text}")
    return why


def _check(context: DecisionContext) -> ConditionCause:
    return ConditionCause("" if context.cell.ha in MOVING else unhealthy(context.facts))


def _limited(context: DecisionContext) -> ConditionCause:
    core = context.facts.core
    lost = [one for one in context.rules if core is not None and _is_core_loss(context, one)]
    limiting = [*lost, *(one for one in degrading(context) if one not in lost)]
    if core is not None and not lost and (core.down or core.condition in _ENDING):
        return ConditionCause(f"{core.name} is {core.condition}", tuple(one.key for one in limiting))
    return _because(limiting)


def _is_core_loss(context: DecisionContext, one: ActiveRule) -> bool:
    row = context.row(one.key)
    return row is not None and row.fact in _CORE_FACTS and one.key.subject == ProcessName.CORE


ROWS: tuple[tuple[CellCondition, Callable[[DecisionContext], ConditionCause]], ...] = (
    (CellCondition.GO_DOWN, _go_down),
    (CellCondition.PERSON, _person),
    (CellCondition.RT_DOWN, _rt_down),
    (CellCondition.RT_COMING, _rt_coming),
    (CellCondition.STOP, _stop),
    (CellCondition.CHECK, _check),
    (CellCondition.LIMITED, _limited),
)
"""The conditions in this order; WELL is the rest."""
