"""Orders in flight: confirmed by what comes back, escalated when they fail or their time is up."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.decision_context import DecisionContext
from fieldstack.ha.decision.decision_state import ActiveRule, InFlightAction, Key, WaitingAction
from fieldstack.ha.decision.orders import launch
from fieldstack.ha.model.measures import Over
from fieldstack.ha.model.vocabulary import EFFECTS, REMEDIES, ClearWhen, PolicyAction, ProcessName

UNCONFIRMED = "action-unconfirmed"
"""Rule name of what follows when an order fails whose own rule does not count any more (or never was)."""


def take_outcomes(draft: DecisionContext) -> None:
    """What the edge tells. A reboot is confirmed by the process's own facts alone."""
    for outcome in draft.facts.outcomes:
        flight = draft.in_flight_actions.get(outcome.id)
        if flight is None or flight.order.action is PolicyAction.REBOOT_PROCESS:
            continue
        if not outcome.confirmed:
            _fail(draft, flight, f"failed: {outcome.text or 'no reason given'}")
        elif _needs_proof(draft, flight):
            draft.in_flight_actions[flight.id] = replace(flight, done=True)
        else:
            del draft.in_flight_actions[flight.id]


def _needs_proof(draft: DecisionContext, flight: InFlightAction) -> bool:
    """A remedy is believed when its cause has gone; the growth of a counter can not go before its window, and
    what moves elsewhere mends nothing."""
    row = draft.row(flight.key)
    return (
        flight.order.action in REMEDIES - {PolicyAction.REALLOCATE}
        and row is not None
        and row.over is not Over.GROWN
        and _cause_there(draft, flight.key)
    )


def _cause_there(draft: DecisionContext, key: Key) -> bool:
    active_rule = draft.active_rules.get(key)
    return active_rule is not None and not active_rule.gone_ns


def review_in_flight(draft: DecisionContext) -> None:
    """After the measures: remedies that are proven now, and whatever's time is up."""
    for flight in list(draft.in_flight_actions.values()):
        if flight.id not in draft.in_flight_actions:  # an escalation has ordered the same anew
            continue
        if _proven(draft, flight):
            del draft.in_flight_actions[flight.id]
        elif draft.now_ns >= flight.deadline_ns:
            limit = f"within {draft.time_of(flight.key, flight.order) // 1_000_000} ms"
            _fail(draft, flight, f"{'did not help' if flight.done else 'was not confirmed'} {limit}")


def _proven(draft: DecisionContext, flight: InFlightAction) -> bool:
    if flight.order.action is PolicyAction.REBOOT_PROCESS:
        track = draft.state.track(ProcessName(flight.subject))
        return track.proven and not _needs_proof(draft, flight)
    return flight.done and not _cause_there(draft, flight.key)


def _fail(draft: DecisionContext, flight: InFlightAction, why: str) -> None:
    del draft.in_flight_actions[flight.id]
    escalate(draft, WaitingAction(flight.key, flight.order, flight.place), flight.subject, why)


def escalate(draft: DecisionContext, failed: WaitingAction, subject: str, why: str) -> None:
    """Go up to what the policy says follows. A remedy that failed while its cause went away did no harm."""
    key, order = failed.key, failed.order
    draft.waiting = [one for one in draft.waiting if not _after(one, failed)]
    if order.action in REMEDIES and key in draft.active_rules and draft.active_rules[key].gone_ns:
        return
    cause = f"{order.action} of {subject} {why}; it was ordered because: {draft.cause(key)}"
    if key not in draft.active_rules and any(one.action in EFFECTS for one in order.on_failure):
        key = Key(UNCONFIRMED, subject)  # one that counts already keeps its effects and the person's word
        draft.active_rules.setdefault(key, ActiveRule(key, draft.now_ns, cause, ClearWhen.RESET))
    for one in order.on_failure:
        launch(draft, WaitingAction(key, one, place=-1), cause)


def _after(one: WaitingAction, failed: WaitingAction) -> bool:
    return one.key == failed.key and one.order.in_turn and one.place > failed.place >= 0
