"""The decision: from facts to the next state of the cell and what is to be done. Pure.

Invariants, checked in the tests: the next state is the table's; the worst action comes first; at most one
remedy is under way for a subject, within its budget; MANUAL_INTERVENTION is left by a person's word or a
shutdown alone; EMERGENCY_STOP and SAFE_MODE end with the clear conditions of the rules that ordered them;
axes get their permit only when everything they need was read back, and what has stopped begins to move
again by a person's start alone, unless everything that stopped it lets it resume.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.active_rules import clear_all, evaluate_measures, judge
from fieldstack.ha.decision.builtin import spent_measures
from fieldstack.ha.decision.cell_condition import Why, verdict
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
from fieldstack.ha.model.states import MOVING, NEXT, HaState, Verdict
from fieldstack.ha.model.vocabulary import ClearWhen, PolicyAction
from fieldstack.ha.policy.table import default_order
from fieldstack.ha.policy.view import Policy

_BEGINNINGS = frozenset(
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
_WELL = frozenset({Verdict.WELL, Verdict.LIMITED})


def decide(
    now_ns: int, state: DecisionState, facts: Facts, policy: Policy
) -> tuple[DecisionState, tuple[Action, ...]]:
    """The next state and the actions to carry out, worst first.

    `now_ns` is CLOCK_MONOTONIC; the same arguments always give the same answer.
    """
    draft = DecisionContext(now_ns, state, facts, policy)
    confirm_start(draft)
    note_latched_estop(draft)
    answer_requests(draft)
    ignore_stopped_axes(draft)
    if draft.state.ha is HaState.SHUTDOWN:
        if state.ha is not HaState.SHUTDOWN:
            _go_down(draft)
        return draft.result(), by_severity(draft.actions)
    take_outcomes(draft)
    for name in NAMES:
        supervise(draft, name)
    evaluate_measures(draft)
    clear_all(draft)
    review_in_flight(draft)
    review_waiting(draft)
    for name in NAMES:
        advance(draft, name)
    for measure in spent_measures(draft):
        judge(draft, measure)
    update_limits(draft)
    _settle(draft, *verdict(draft))
    note_stop_causes(draft)
    order_starts(draft)
    keep_new_latch(draft)
    return draft.result(), by_severity(draft.actions)


def _settle(draft: DecisionContext, found: Verdict, why: Why) -> None:
    """Go where the table says, with the orders of the way. What holds a state is told anew each time."""
    source = draft.state.ha
    target = NEXT[source][found]
    reason = why.text
    if target is HaState.RECOVERY and found is not Verdict.RT_COMING:
        reason = f"checking before the cell goes on: {reason}"
    if (reason, why.by) != (draft.state.reason, draft.state.held_by):
        draft.state = replace(draft.state, reason=reason, held_by=why.by)
    if target is not source:
        draft.state = replace(draft.state, ha=target, since_ns=draft.now_ns)
    if target is HaState.SHUTDOWN:
        _go_down(draft)
    elif target in MOVING:
        if source not in MOVING:
            _let_move(draft)
    elif _moves(draft, source, found) and not draft.has(ActionKind.SAFE_MODE_ENTER):
        key = next(reversed(draft.active_rules), Key("start", "cell"))
        draft.order_action(key, default_order(PolicyAction.SAFE_MODE_ENTER), cause=reason)


def _moves(draft: DecisionContext, source: HaState, found: Verdict) -> bool:
    """Whether axes may be moving that must not.

    A Non-RT process that comes back in time (`go_on_ms`) finds RT at work with its predecessor's permit, and
    leaves it for as long as it finds everything well.
    """
    if source is HaState.NEVER or (source is HaState.RECOVERY and draft.facts.permitted):
        return not draft.facts.permitted or found not in _WELL
    return source in MOVING


def _go_down(draft: DecisionContext) -> None:
    """The axes are stopped; nothing else is begun, waited for or escalated on the way down."""
    draft.waiting.clear()
    draft.in_flight_actions.clear()
    draft.actions = [one for one in draft.actions if one.kind not in _BEGINNINGS]
    if not draft.has(ActionKind.SAFE_MODE_ENTER):
        draft.order(ActionKind.SAFE_MODE_ENTER, "shutdown", draft.state.reason)


def _let_move(draft: DecisionContext) -> None:
    cause = "RT cycles, all slaves are in OP, working counter and positions are as expected"
    if sources := draft.facts.estop.on_recovery:
        draft.actions.append(
            Action(ActionKind.CLEAR_LATCH, "recovered", cause, until=ClearWhen.GONE, sources=sources)
        )
    draft.order_action(Key("recovered", "cell"), default_order(PolicyAction.SAFE_MODE_EXIT), cause=cause)
