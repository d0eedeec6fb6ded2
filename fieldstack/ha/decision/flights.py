"""Orders in flight: confirmed by what comes back, escalated when they fail or their time is up."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.decision_state import Episode, Flight, Key, Waiting
from fieldstack.ha.decision.draft import Draft
from fieldstack.ha.decision.orders import launch
from fieldstack.ha.model.measures import Over
from fieldstack.ha.model.vocabulary import EFFECTS, REMEDIES, ClearWhen, PolicyAction, ProcessName

UNCONFIRMED = "action-unconfirmed"
"""Rule name of what follows when an order fails whose own rule does not count any more (or never was)."""


def take_outcomes(draft: Draft) -> None:
    """What the edge tells. A reboot is confirmed by the process's own facts alone."""
    for outcome in draft.facts.outcomes:
        flight = draft.flights.get(outcome.id)
        if flight is None or flight.order.action is PolicyAction.REBOOT_PROCESS:
            continue
        if not outcome.confirmed:
            _fail(draft, flight, f"failed: {outcome.text or 'no reason given'}")
        elif _needs_proof(draft, flight):
            draft.flights[flight.id] = replace(flight, done=True)
        else:
            del draft.flights[flight.id]


def _needs_proof(draft: Draft, flight: Flight) -> bool:
    """A remedy is believed when its cause has gone; the growth of a counter can not go before its window, and
    what moves elsewhere mends nothing."""
    row = draft.row(flight.key)
    return (
        flight.order.action in REMEDIES - {PolicyAction.REALLOCATE}
        and row is not None
        and row.over is not Over.GROWN
        and _cause_there(draft, flight.key)
    )


def _cause_there(draft: Draft, key: Key) -> bool:
    episode = draft.episodes.get(key)
    return episode is not None and not episode.gone_ns


def review_flights(draft: Draft) -> None:
    """After the measures: remedies that are proven now, and whatever's time is up."""
    for flight in list(draft.flights.values()):
        if flight.id not in draft.flights:  # an escalation has ordered the same anew
            continue
        if _proven(draft, flight):
            del draft.flights[flight.id]
        elif draft.now_ns >= flight.deadline_ns:
            limit = f"within {draft.time_of(flight.key, flight.order) // 1_000_000} ms"
            _fail(draft, flight, f"{'did not help' if flight.done else 'was not confirmed'} {limit}")


def _proven(draft: Draft, flight: Flight) -> bool:
    if flight.order.action is PolicyAction.REBOOT_PROCESS:
        track = draft.state.track(ProcessName(flight.subject))
        return track.proven and not _needs_proof(draft, flight)
    return flight.done and not _cause_there(draft, flight.key)


def _fail(draft: Draft, flight: Flight, why: str) -> None:
    del draft.flights[flight.id]
    escalate(draft, Waiting(flight.key, flight.order, flight.place), flight.subject, why)


def escalate(draft: Draft, failed: Waiting, subject: str, why: str) -> None:
    """Go up to what the policy says follows. A remedy that failed while its cause went away did no harm."""
    key, order = failed.key, failed.order
    draft.waiting = [one for one in draft.waiting if not _after(one, failed)]
    if order.action in REMEDIES and key in draft.episodes and draft.episodes[key].gone_ns:
        return
    cause = f"{order.action} of {subject} {why}; it was ordered because: {draft.cause(key)}"
    if key not in draft.episodes and any(one.action in EFFECTS for one in order.on_failure):
        key = Key(UNCONFIRMED, subject)  # one that counts already keeps its effects and the person's word
        draft.episodes.setdefault(key, Episode(key, draft.now_ns, cause, ClearWhen.RESET))
    for one in order.on_failure:
        launch(draft, Waiting(key, one, place=-1), cause)


def _after(one: Waiting, failed: Waiting) -> bool:
    return one.key == failed.key and one.order.in_turn and one.place > failed.place >= 0
