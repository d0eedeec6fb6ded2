"""The verdict: what all facts together ask for, worst first, and why. One row a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from fieldstack.ha.decision.builtin import past_grace
from fieldstack.ha.decision.decision_context import DecisionContext
from fieldstack.ha.decision.decision_state import ActiveRule, Key
from fieldstack.ha.decision.limits import degrading
from fieldstack.ha.model.facts import ProcessCondition, unhealthy
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.states import MOVING, Verdict
from fieldstack.ha.model.vocabulary import PolicyAction, ProcessName

_ENDING = frozenset({ProcessCondition.STOPPED, ProcessCondition.STOPPING})
_CORE_FACTS = frozenset(
    {FactKind.PROCESS_DEAD, FactKind.PROCESS_REFUSED, FactKind.PROCESS_SILENT, FactKind.PROCESS_STOPPED}
)
MAX_OTHER_CAUSES = 2
"""Of further rules that hold the cell as much, a reason names so many."""


class Why(NamedTuple):
    """Why a verdict holds, for people, and the rules that lead to it now; no text: it does not hold."""

    text: str = ""
    by: tuple[Key, ...] = ()


def verdict(draft: DecisionContext) -> tuple[Verdict, Why]:
    """The first row that holds."""
    for one, row in ROWS:
        why = row(draft)
        if why.text:
            return one, why
    return Verdict.WELL, Why("all checks passed")


def _because(active_rules: Iterable[ActiveRule]) -> Why:
    """The rule that counts for longest tells its cause, the others are named."""
    found = list(active_rules)
    if not found:
        return Why()
    keys = tuple(one.key for one in found)
    beside = [f"{rule} of {subject}" for rule, subject in keys[1:]]
    if len(beside) > MAX_OTHER_CAUSES:
        beside[MAX_OTHER_CAUSES:] = [f"{len(beside) - MAX_OTHER_CAUSES} more"]
    also = f" (also: {', '.join(beside)})" if beside else ""
    return Why(f"{found[0].cause}{also}", keys)


def _go_down(draft: DecisionContext) -> Why:
    return _because(one for one in draft.active_rules.values() if PolicyAction.SHUTDOWN in one.effects)


def _person(draft: DecisionContext) -> Why:
    return _because(one for one in draft.active_rules.values() if one.hold)


def _rt_down(draft: DecisionContext) -> Why:
    """RT is down and nothing brings it back, or it was given its time and is not at work."""
    rt, track = draft.facts.rt, draft.state.rt
    coming = track.pending is not None or draft.handled(ProcessName.RT) or _restart_waits(draft)
    if (rt.down or rt.condition is ProcessCondition.NEVER_SEEN) and not coming:
        why = _because(one for one in draft.active_rules.values() if one.key.subject == ProcessName.RT)
        return why if why.text else Why(f"{rt.name} is {rt.condition}")
    if not track.proven and track.started_ns and track.pending is None and past_grace(draft):
        what = unhealthy(draft.facts) or "RT is checked"
        return Why(f"RT is not at work after its start-up grace: {what}")
    return Why()


def _restart_waits(draft: DecisionContext) -> bool:
    return any(
        one.order.action is PolicyAction.REBOOT_PROCESS
        and (one.order.target or one.key.subject) == ProcessName.RT
        for one in draft.waiting
    )


def _rt_coming(draft: DecisionContext) -> Why:
    track = draft.state.rt
    if track.proven:
        return Why()
    if track.recovery is None:
        return Why(unhealthy(draft.facts) or "RT is checked")
    key = Key(track.recovery.rule, ProcessName.RT)
    return Why(track.recovery.cause, (key,) if key in draft.active_rules else ())


def _stop(draft: DecisionContext) -> Why:
    """What keeps the axes of a running RT process standing."""
    why = _because(one for one in draft.active_rules.values() if one.stops)
    if not why.text and draft.facts.estop.on_recovery and draft.state.ha in MOVING:
        return Why(f"EMERGENCY_STOP: {draft.facts.estop.text}")
    return why


def _check(draft: DecisionContext) -> Why:
    return Why("" if draft.state.ha in MOVING else unhealthy(draft.facts))


def _limited(draft: DecisionContext) -> Why:
    core = draft.facts.core
    lost = [one for one in draft.active_rules.values() if core is not None and _is_core_loss(draft, one)]
    limiting = [*lost, *(one for one in degrading(draft) if one not in lost)]
    if core is not None and not lost and (core.down or core.condition in _ENDING):
        return Why(f"{core.name} is {core.condition}", tuple(one.key for one in limiting))
    return _because(limiting)


def _is_core_loss(draft: DecisionContext, one: ActiveRule) -> bool:
    row = draft.row(one.key)
    return row is not None and row.fact in _CORE_FACTS and one.key.subject == ProcessName.CORE


ROWS: tuple[tuple[Verdict, Callable[[DecisionContext], Why]], ...] = (
    (Verdict.GO_DOWN, _go_down),
    (Verdict.PERSON, _person),
    (Verdict.RT_DOWN, _rt_down),
    (Verdict.RT_COMING, _rt_coming),
    (Verdict.STOP, _stop),
    (Verdict.CHECK, _check),
    (Verdict.LIMITED, _limited),
)
"""In this order; WELL is what is left."""
