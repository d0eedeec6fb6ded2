"""Actions in flight: confirmed by what comes back, escalated when they fail or their deadline passes.

`decide` uses it. The deadline is set once, in `DecisionContext.register_in_flight`.
Record: docs/decisions/0041-the-decision-owns-the-deadline.md.
"""

from __future__ import annotations

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import ActiveRule, InFlightAction, Key, WaitingAction
from fieldstack.ha.decision.orders import launch
from fieldstack.ha.model.measures import Comparison
from fieldstack.ha.model.vocabulary import EFFECTS, REMEDIES, ClearWhen, PolicyAction, ProcessName

UNCONFIRMED = "action-unconfirmed"
"""Rule name for the escalation of an order whose own rule is no longer active (or never was)."""


def take_outcomes(context: DecisionContext) -> None:
    """Takes the outcomes from outside. Only the process's own facts confirm a reboot."""
    for outcome in context.facts.outcomes:
        in_flight = context.in_flight.get(outcome.id)
        if in_flight is None or in_flight.order.action is PolicyAction.REBOOT_PROCESS:
            continue
        if not outcome.confirmed:
            _fail(context, in_flight, f"failed: {outcome.text or 'no reason given'}")
        elif _needs_proof(context, in_flight):
            context.in_flight.confirm(in_flight)
        else:
            context.in_flight.forget(in_flight.id)


def _needs_proof(context: DecisionContext, in_flight: InFlightAction) -> bool:
    """Whether a remedy has to wait until its cause is gone before it counts as confirmed.

    A counter's growth cannot end before its window ends. A reallocation does not repair its cause: the tasks
    only work elsewhere.
    """
    row = context.row(in_flight.key)
    return (
        in_flight.order.action in REMEDIES - {PolicyAction.REALLOCATE}
        and row is not None
        and row.over is not Comparison.GROWN
        and _cause_there(context, in_flight.key)
    )


def _cause_there(context: DecisionContext, key: Key) -> bool:
    active_rule = context.rules.get(key)
    return active_rule is not None and not active_rule.gone_ns


def review_in_flight(context: DecisionContext) -> None:
    """After the measures: confirms remedies whose cause is gone, and escalates orders whose time is up."""
    for in_flight in list(context.in_flight):
        if in_flight.id not in context.in_flight:  # an escalation has ordered the same again
            continue
        if _proven(context, in_flight):
            context.in_flight.forget(in_flight.id)
        elif context.now_ns >= in_flight.deadline_ns:
            limit = f"within {context.time_of(in_flight.key, in_flight.order) // 1_000_000} ms"
            _fail(context, in_flight, f"{'did not help' if in_flight.done else 'was not confirmed'} {limit}")


def _proven(context: DecisionContext, in_flight: InFlightAction) -> bool:
    if in_flight.order.action is PolicyAction.REBOOT_PROCESS:
        track = context.tracks.of(ProcessName(in_flight.subject))
        return track.proven and not _needs_proof(context, in_flight)
    return in_flight.done and not _cause_there(context, in_flight.key)


def _fail(context: DecisionContext, in_flight: InFlightAction, why: str) -> None:
    context.in_flight.forget(in_flight.id)
    escalate(context, WaitingAction(in_flight.key, in_flight.order, in_flight.place), in_flight.subject, why)


def escalate(context: DecisionContext, failed: WaitingAction, subject: str, why: str) -> None:
    """Orders the escalation that the policy lists. If a remedy failed while its cause went away, nothing
    follows."""
    key, order = failed.key, failed.order
    context.waiting.forget_after(failed)
    if order.action in REMEDIES and key in context.rules and context.rules[key].gone_ns:
        return
    cause = f"{order.action} of {subject} {why}; it was ordered because: {context.cause(key)}"
    if key not in context.rules and any(one.action in EFFECTS for one in order.on_failure):
        key = Key(UNCONFIRMED, subject)  # one that counts already keeps its effects and the person's word
        if key not in context.rules:
            context.rules.activate(ActiveRule(key, context.now_ns, cause, ClearWhen.RESET))
    for one in order.on_failure:
        launch(context, WaitingAction(key, one, place=-1), cause)
