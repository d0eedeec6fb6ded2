"""Changes the state of the cell: which state follows from its condition, and what is ordered for that.

Used by `decide`.
"""

from __future__ import annotations

from fieldstack.ha.decision.cell_condition import cell_condition
from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import Key
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.states import MOVING, NEXT, CellCondition, HaState
from fieldstack.ha.model.vocabulary import ClearWhen, PolicyAction
from fieldstack.ha.policy.in_force.table import default_order

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


def change_state(context: DecisionContext) -> None:
    """Go to the state that the table gives, with the orders for it. The reason of a state is reported each
    time."""
    found, why = cell_condition(context)
    source = context.cell.ha
    target = NEXT[source][found]
    reason = why.text
    if target is HaState.RECOVERY and found is not CellCondition.RT_COMING:
        reason = f"checking before the cell goes on: {reason}"
    if (reason, why.by) != (context.cell.reason, context.cell.held_by):
        context.cell.explain(reason, why.by)
    if target is not source:
        context.cell.enter(target, context.now_ns)
    if target is HaState.SHUTDOWN:
        go_down(context)
    elif target in MOVING:
        if source not in MOVING:
            _let_move(context)
    elif _must_stop(context, source, found) and not context.actions.has(ActionKind.SAFE_MODE_ENTER):
        key = context.rules.last_key or Key("start", "cell")
        context.order_action(key, default_order(PolicyAction.SAFE_MODE_ENTER), cause=reason)


def _must_stop(context: DecisionContext, source: HaState, found: CellCondition) -> bool:
    """Whether axes may be moving that must not. If a new Non-RT process comes in time (`go_on_ms`), RT still
    works with the permit of the process before. The permit stays for as long as everything is well."""
    if source is HaState.NEVER or (source is HaState.RECOVERY and context.facts.permitted):
        return not context.facts.permitted or found not in _WELL
    return source in MOVING


def go_down(context: DecisionContext) -> None:
    """Stops the axes; nothing else is begun, waited for or escalated on the way down."""
    context.waiting.clear()
    context.in_flight.clear()
    context.actions.withdraw(_NOT_WHILE_GOING_DOWN)
    if not context.actions.has(ActionKind.SAFE_MODE_ENTER):
        context.order(ActionKind.SAFE_MODE_ENTER, "shutdown", context.cell.reason)


def _let_move(context: DecisionContext) -> None:
    cause = "RT cycles, all slaves are in OP, working counter and positions are as expected"
    if sources := context.facts.estop.on_recovery:
        context.actions.emit(
            Action(ActionKind.CLEAR_LATCH, "recovered", cause, until=ClearWhen.GONE, sources=sources)
        )
    context.order_action(Key("recovered", "cell"), default_order(PolicyAction.SAFE_MODE_EXIT), cause=cause)
