"""The verdict: what all facts together ask for, worst first, and why. One row a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fieldstack.ha.builtin import past_grace
from fieldstack.ha.decision_state import Episode
from fieldstack.ha.draft import Draft
from fieldstack.ha.facts import ProcessCondition, unhealthy
from fieldstack.ha.limits import degrading
from fieldstack.ha.measures import FactKind
from fieldstack.ha.states import MOVING, Verdict
from fieldstack.ha.vocabulary import PolicyAction, ProcessName

_ENDING = frozenset({ProcessCondition.STOPPED, ProcessCondition.STOPPING})
_CORE_FACTS = frozenset(
    {FactKind.PROCESS_DEAD, FactKind.PROCESS_REFUSED, FactKind.PROCESS_SILENT, FactKind.PROCESS_STOPPED}
)


def verdict(draft: Draft) -> tuple[Verdict, str]:
    """The first row whose reason is not empty."""
    for one, reason in ROWS:
        if text := reason(draft):
            return one, text
    return Verdict.WELL, "all checks passed"


def _first(episodes: Iterable[Episode]) -> str:
    return next((one.cause for one in episodes), "")


def _go_down(draft: Draft) -> str:
    return _first(one for one in draft.episodes.values() if PolicyAction.SHUTDOWN in one.effects)


def _person(draft: Draft) -> str:
    return _first(one for one in draft.episodes.values() if one.hold)


def _rt_down(draft: Draft) -> str:
    """RT is down and nothing brings it back, or it was given its time and is not at work."""
    rt, track = draft.facts.rt, draft.state.rt
    coming = track.pending is not None or draft.handled(ProcessName.RT) or _restart_waits(draft)
    if (rt.down or rt.condition is ProcessCondition.NEVER_SEEN) and not coming:
        cause = _first(one for one in draft.episodes.values() if one.key.subject == ProcessName.RT)
        return cause or f"{rt.name} is {rt.condition}"
    if not track.proven and track.started_ns and track.pending is None and past_grace(draft):
        return f"RT is not at work after its start-up grace: {unhealthy(draft.facts) or 'RT is checked'}"
    return ""


def _restart_waits(draft: Draft) -> bool:
    return any(
        one.order.action is PolicyAction.REBOOT_PROCESS
        and (one.order.target or one.key.subject) == ProcessName.RT
        for one in draft.waiting
    )


def _rt_coming(draft: Draft) -> str:
    track = draft.state.rt
    if track.proven:
        return ""
    return track.recovery.cause if track.recovery else unhealthy(draft.facts) or "RT is checked"


def _stop(draft: Draft) -> str:
    """What keeps the axes of a running RT process standing."""
    if cause := _first(one for one in draft.episodes.values() if one.stops):
        return cause
    if draft.facts.estop.on_recovery and draft.state.ha in MOVING:
        return f"EMERGENCY_STOP: {draft.facts.estop.text}"
    return ""


def _check(draft: Draft) -> str:
    return "" if draft.state.ha in MOVING else unhealthy(draft.facts)


def _limited(draft: Draft) -> str:
    core = draft.facts.core
    if core is not None:
        lost = (one for one in draft.episodes.values() if _is_core_loss(draft, one))
        if cause := _first(lost):
            return cause
        if core.down or core.condition in _ENDING:
            return f"{core.name} is {core.condition}"
    return _first(degrading(draft))


def _is_core_loss(draft: Draft, one: Episode) -> bool:
    row = draft.row(one.key)
    return row is not None and row.fact in _CORE_FACTS and one.key.subject == ProcessName.CORE


ROWS: tuple[tuple[Verdict, Callable[[Draft], str]], ...] = (
    (Verdict.GO_DOWN, _go_down),
    (Verdict.PERSON, _person),
    (Verdict.RT_DOWN, _rt_down),
    (Verdict.RT_COMING, _rt_coming),
    (Verdict.STOP, _stop),
    (Verdict.CHECK, _check),
    (Verdict.LIMITED, _limited),
)
"""In this order; WELL is what is left."""
