"""Orders the limits that all DEGRADE rules together set for motion, as a whole, whenever they change.

Used by `decide`; `cell_condition` asks which rules limit it.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import ActiveRule, Key, Limits
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.vocabulary import PolicyAction
from fieldstack.ha.policy.in_force.table import Order, default_order

LIFTED = Key("limits-lifted", "cell")
UNLIMITED = Limits()


def degrading(context: DecisionContext) -> list[ActiveRule]:
    return [one for one in context.rules if PolicyAction.DEGRADE in one.effects]


def update_limits(context: DecisionContext) -> None:
    found = degrading(context)
    if not found and context.limits.now == UNLIMITED:
        return
    limits = Limits(
        min((one.override_percent for one in found), default=100),
        tuple(sorted({group for one in found for group in one.groups})),
    )
    if limits == context.limits.now:
        return
    context.limits.set(limits)
    key = _tightest(found).key if found else LIFTED
    context.in_flight.forget_kind(PolicyAction.DEGRADE)  # what is ordered now stands for all of them
    in_flight = context.register_in_flight(key, _order(context, key), "cell", -1)
    context.actions.emit(
        Action(
            ActionKind.DEGRADE,
            key.rule,
            context.cause(key) if found else "no rule limits the motion any more",
            id=in_flight.id,
            deadline_ns=in_flight.deadline_ns,
            evidence=context.evidence(key),
            override_percent=limits.override_percent,
            groups=limits.groups,
        )
    )


def _tightest(found: list[ActiveRule]) -> ActiveRule:
    return min(found, key=lambda one: (one.override_percent, -len(one.groups), -one.since_ns))


def _order(context: DecisionContext, key: Key) -> Order:
    """The rule's own order, for its time-out and escalation. If limits cannot be lifted, they stay, with an
    alert."""
    row = context.row(key)
    for order in row.orders if row else ():
        if order.action is PolicyAction.DEGRADE:
            return order
    usual = default_order(PolicyAction.DEGRADE)
    return replace(usual, on_failure=(default_order(PolicyAction.SEND_ALERT),)) if key == LIFTED else usual
