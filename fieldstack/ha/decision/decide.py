"""The decision: from facts to the next state of the cell and what is to be done. Pure.

Invariants, checked in the tests: the next state is the table's; the worst action comes first; at most one
remedy is under way for a subject, within its budget; MANUAL_INTERVENTION is left by a person's word or a
shutdown alone; EMERGENCY_STOP and SAFE_MODE end with the clear conditions of the rules that ordered them;
axes get their permit only when everything they need was read back, and what has stopped begins to move
again by a person's start alone, unless everything that stopped it lets it resume.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.active_rules import clear_all, evaluate_measure, evaluate_measures
from fieldstack.ha.decision.builtin import spent_measures
from fieldstack.ha.decision.cell_condition import ConditionCause, cell_condition
from fieldstack.ha.decision.decision_context import DecisionContext
from fieldstack.ha.decision.decision_state import DecisionState, Key
from fieldstack.ha.decision.in_flight_actions import review_in_flight, take_outcomes
from fieldstack.ha.decision.limits import update_limits
from fieldstack.ha.decision.orders import review_waiting
from fieldstack.ha.decision.requests import answer_requests
from fieldstack.ha.decision.reset_effects import ignore_stopped_axes, keep_new_latch
from fieldstack.ha.decision.restart_interlock import note_latched_estop, note_stop_causes
from fieldstack.ha.decision.starts import confirm_start, order_starts
from fieldstack.ha.decision.supervise import NAMES, advance, supervise
from fieldstack.ha.model.actions import Action, ActionKind, by_severity
from fieldstack.ha.model.facts import Facts
from fieldstack.ha.model.states import MOVING, NEXT, CellCondition, HaState
from fieldstack.ha.model.vocabulary import ClearWhen, PolicyAction
from fieldstack.ha.policy.table import default_order
from fieldstack.ha.policy.view import Policy

_NOT_WHILE_GOING_DOWN = frozenset(
    {
        ActionKind.READ_CHECKPOINT,
        ActionKind.REBOOT_PROCESS,
        ActionKind.START_PROCESS,
        ActionKind.RESTART_SLAVE,
        ActionKind.RESTART_MODULE,
        ActionKind.REALLOCATE,
    }
)
"""Orders that mean nothing in a cell that goes down."""
_WELL = frozenset({CellCondition.WELL, CellCondition.LIMITED})


def decide(
    now_ns: int, state: DecisionState, facts: Facts, policy: Policy
) -> tuple[DecisionState, tuple[Action, ...]]:
    """The next state and the actions to carry out, worst first.

    `now_ns` is CLOCK_MONOTONIC; the same arguments always give the same answer.
    """
    context = DecisionContext(now_ns, state, facts, policy)
    confirm_start(context)
    note_latched_estop(context)
    answer_requests(context)
    ignore_stopped_axes(context)
    if context.state.ha is HaState.SHUTDOWN:
        if state.ha is not HaState.SHUTDOWN:
            _go_down(context)
        return context.result(), by_severity(context.actions)
    take_outcomes(context)
    for name in NAMES:
        supervise(context, name)
    evaluate_measures(context)
    clear_all(context)
    review_in_flight(context)
    review_waiting(context)
    for name in NAMES:
        advance(context, name)
    for measure in spent_measures(context):
        evaluate_measure(context, measure)
    update_limits(context)
    _change_state(context, *cell_condition(context))
    note_stop_causes(context)
    order_starts(context)
    keep_new_latch(context)
    return context.result(), by_severity(context.actions)


def _change_state(context: DecisionContext, found: CellCondition, why: ConditionCause) -> None:
    """Go where the table says, with the orders of the way. What holds a state is told anew each time."""
    source = context.state.ha
    target = NEXT[source][found]
    reason = why.text
    if target is HaState.RECOVERY and found is not CellCondition.RT_COMING:
        reason = f"checking before the cell goes on: {reason}"
    if (reason, why.by) != (context.state.reason, context.state.held_by):
        context.state = replace(context.state, reason=reason, held_by=why.by)
    if target is not source:
        context.state = replace(context.state, ha=target, since_ns=context.now_ns)
    if target is HaState.SHUTDOWN:
        _go_down(context)
    elif target in MOVING:
        if source not in MOVING:
            _let_move(context)
    elif _must_stop(context, source, found) and not context.has(ActionKind.SAFE_MODE_ENTER):
        key = next(reversed(context.active_rules), Key("start", "cell"))
        context.order_action(key, default_order(PolicyAction.SAFE_MODE_ENTER), cause=reason)


def _must_stop(context: DecisionContext, source: HaState, found: CellCondition) -> bool:
    """Whether axes may be moving that must not.

    A Non-RT process that comes back in time (`go_on_ms`) finds RT at work with its predecessor's permit, and
    leaves it for as long as it finds everything well.
    """
    if source is HaState.NEVER or (source is HaState.RECOVERY and context.facts.permitted):
        return not context.facts.permitted or found not in _WELL
    return source in MOVING


def _go_down(context: DecisionContext) -> None:
    """The axes are stopped; nothing else is begun, waited for or escalated on the way down."""
    context.waiting.clear()
    context.in_flight_actions.clear()
    context.actions = [one for one in context.actions if one.kind not in _NOT_WHILE_GOING_DOWN]
    if not context.has(ActionKind.SAFE_MODE_ENTER):
        context.order(ActionKind.SAFE_MODE_ENTER, "shutdown", context.state.reason)


def _let_move(context: DecisionContext) -> None:
    cause = "RT cycles, all slaves are in OP, working counter and positions are as expected"
    if sources := context.facts.estop.on_recovery:
        context.actions.append(
            Action(ActionKind.CLEAR_LATCH, "recovered", cause, until=ClearWhen.GONE, sources=sources)
        )
    context.order_action(Key("recovered", "cell"), default_order(PolicyAction.SAFE_MODE_EXIT), cause=cause)
