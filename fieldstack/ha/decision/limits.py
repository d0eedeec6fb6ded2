"""What all DEGRADE rules together leave of the motion: ordered as a whole, whenever it changes."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.decision_context import DecisionContext
from fieldstack.ha.decision.decision_state import ActiveRule, Key, Limits
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.vocabulary import PolicyAction
from fieldstack.ha.policy.table import Order, default_order

LIFTED = Key("limits-lifted", "cell")


def degrading(draft: DecisionContext) -> list[ActiveRule]:
    return [one for one in draft.active_rules.values() if PolicyAction.DEGRADE in one.effects]


def update_limits(draft: DecisionContext) -> None:
    found = degrading(draft)
    limits = Limits(
        min((one.override_percent for one in found), default=100),
        tuple(sorted({group for one in found for group in one.groups})),
    )
    if limits == draft.state.limits:
        return
    draft.state = replace(draft.state, limits=limits)
    key = _tightest(found).key if found else LIFTED
    for number in [
        one.id for one in draft.in_flight_actions.values() if one.order.action is PolicyAction.DEGRADE
    ]:
        del draft.in_flight_actions[number]  # what is ordered now stands for all of them
    order = _order(draft, key)
    draft.actions.append(
        Action(
            ActionKind.DEGRADE,
            key.rule,
            draft.cause(key) if found else "no rule limits the motion any more",
            id=draft.register_in_flight(key, order, "cell", -1),
            timeout_ns=order.timeout_ns,
            evidence=draft.evidence(key),
            override_percent=limits.override_percent,
            groups=limits.groups,
        )
    )


def _tightest(found: list[ActiveRule]) -> ActiveRule:
    return min(found, key=lambda one: (one.override_percent, -len(one.groups), -one.since_ns))


def _order(draft: DecisionContext, key: Key) -> Order:
    """The rule's own order, for its time-out and escalation. Limits that can not be lifted stay: an alert."""
    row = draft.row(key)
    for order in row.orders if row else ():
        if order.action is PolicyAction.DEGRADE:
            return order
    usual = default_order(PolicyAction.DEGRADE)
    return replace(usual, on_failure=(default_order(PolicyAction.SEND_ALERT),)) if key == LIFTED else usual
