"""Turns a rule's list into orders: at once, at a safe moment, after others, or when the subject is free.

Steps of `decide` use it.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import Key, WaitingAction
from fieldstack.ha.decision.remedies import launch_remedy
from fieldstack.ha.model.vocabulary import EFFECTS, REMEDIES, ClearWhen, Hold, PolicyAction
from fieldstack.ha.policy.in_force.table import Order, RuleRow


def begin_orders(context: DecisionContext, key: Key, row: RuleRow) -> None:
    """Orders everything in the list of a rule that takes effect, in the list's order."""
    context.waiting.forget_rule(key)
    for place, order in enumerate(row.orders):
        begin(context, key, order, place)


def begin_remedies(context: DecisionContext, key: Key, row: RuleRow) -> None:
    """The cause came back before the rule was cleared: order the remedies again, within their budget."""
    for place, order in enumerate(row.orders):
        waits = any(one.key == key and one.place == place for one in context.waiting)
        in_flight = any(one.key == key and one.place == place for one in context.in_flight)
        if order.action in REMEDIES and not waits and not in_flight:
            begin(context, key, order, place)


def begin(context: DecisionContext, key: Key, order: Order, place: int) -> None:
    due_ns = context.now_ns + order.defer_ns if order.defer_ns and not context.facts.safe_moment else 0
    waiting = WaitingAction(key, order, place, due_ns)
    if due_ns or (order.in_turn and not _turn(context, waiting)):
        context.waiting.add(waiting)
    else:
        launch(context, waiting)


def launch(context: DecisionContext, waiting: WaitingAction, cause: str = "") -> None:
    """Order one action now. `cause`: a text other than the rule's own, for escalations."""
    key, order, place = waiting.key, waiting.order, waiting.place
    if order.action in REMEDIES:
        launch_remedy(context, waiting)
        return
    if order.action is PolicyAction.SAFE_MODE_EXIT:
        _release(context)
        return
    if order.action in EFFECTS:
        _take_effect(context, key, order, cause)
    if order.action is not PolicyAction.DEGRADE:  # ordered for the whole cell: `limits`
        context.order_action(key, order, place=place, cause=cause)


def review_waiting(context: DecisionContext) -> None:
    """Order what has waited for long enough. Each one is checked once; what has to wait again is checked
    later."""
    queue = context.waiting.take_all()
    for place, one in enumerate(queue):
        rest = queue[place + 1 :]
        if _ready(context, one, rest):
            launch(context, one)
        else:
            context.waiting.add(one)


def _ready(context: DecisionContext, one: WaitingAction, rest: list[WaitingAction]) -> bool:
    active_rule = context.rules.get(one.key)
    if active_rule is None or context.now_ns < one.not_before_ns:
        return False
    if active_rule.gone_ns and one.order.action in REMEDIES:
        return False
    if one.due_ns and not context.facts.safe_moment and context.now_ns < one.due_ns:
        return False
    return not one.order.in_turn or _turn(context, one, rest)


def _turn(context: DecisionContext, one: WaitingAction, rest: list[WaitingAction] | None = None) -> bool:
    """Whether everything before it in its rule's list was confirmed."""
    in_flight = any(
        in_flight.key == one.key and 0 <= in_flight.place < one.place for in_flight in context.in_flight
    )
    others = [*context.waiting, *(rest or [])]
    return not in_flight and not any(other.key == one.key and other.place < one.place for other in others)


def _take_effect(context: DecisionContext, key: Key, order: Order, cause: str) -> None:
    active_rule = context.rules[key]
    changed = replace(
        active_rule, effects=active_rule.effects | {order.action}, cause=cause or active_rule.cause
    )
    if order.action is PolicyAction.DEGRADE:
        percent = min(changed.override_percent, order.override_percent)
        groups = tuple(sorted({*changed.groups, *order.groups}))
        changed = replace(changed, override_percent=percent, groups=groups)
    if order.action is PolicyAction.AWAIT_MANUAL and changed.hold is not Hold.RESET:
        changed = replace(changed, hold=order.hold)
    context.rules.update(changed)


def _release(context: DecisionContext) -> None:
    """SAFE_MODE_EXIT as a rule's action: clear rules that wait for a reset and whose cause has gone.

    A rule with EMERGENCY_STOP, or one that waits for a person, is not cleared.
    """
    for one in list(context.rules):
        greater = PolicyAction.EMERGENCY_STOP in one.effects or one.hold is not None
        if one.clear is ClearWhen.RESET and one.gone_ns and not greater:
            context.drop_rule(one.key)
