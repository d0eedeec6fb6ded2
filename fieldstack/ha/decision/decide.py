"""The decision: from facts to the next state of the cell and what is to be done. Pure.

Theory of operation
===================
`decide(now, state, facts, policy)` is called by `nonrt.supervision`, once in each pass and once for each
urgent request; scenarios call it on paper. It reads no clock and does no I/O. What it knows of the past is
in `DecisionState`; what it sees now is in `Facts`; what leads to what is in the policy. It returns the next
state and the actions to carry out.

Steps do the work, one after the other, on one `DecisionContext`: first those of `ALWAYS`, then those of
`WHILE_UP`, or of `GOING_DOWN`. The context has parts, and each part has one class that owns its data
(`context/`):

    rules      rules that are active, from taking effect until they are cleared
    watches    what rules remember of readings before they are active: debounce, windows
    waiting    actions that are ordered later: after others, at a safe moment, after a backoff
    in_flight  actions that were ordered and are not confirmed, each with its deadline
    tracks     RT and Main Core: present start, pending restart, recovery under way
    budgets    restarts that count, and which subjects have spent theirs
    interlock  why axes wait for a start
    starts     the start that RT has not taken yet, and the last press of the start input
    limits     what DEGRADE rules leave of the motion
    cell       state of the cell, its reason, the last reset
    findings   what this decision found out and the next one does not need
    facts      the facts, as two steps judge them other than they came
    actions    what this decision orders

A rule goes through the parts like this. A measure exceeds the rule's threshold, and `watches` debounces it.
Then the rule joins `rules`, and each action of its list is ordered (`actions`, `in_flight`) or waits
(`waiting`). An action in flight ends when its outcome comes back. If it fails, or its deadline passes, what
its order lists under `on_failure` follows. All active rules together give one *condition* of the cell
(`cell_condition`), and the table `model.states.NEXT` says which state follows from it. When the cause has
gone, the rule is cleared as it declares.

The order of the steps follows from four principles:

1. What RT or a person has done is noted before anything is judged by it.
2. Facts become rules, rules become orders, and the sum becomes the state; never the other way round. What a
   later step finds is judged in the next decision. The one exception: a budget that is spent is judged
   again at once, so that no decision passes in which a subject is given up and nobody is told.
3. The state is the sum of all rules and comes last; a start of axes is considered only in the state that
   was reached, and by a person's start alone, unless everything that stopped the axes lets them resume.
4. A cell that goes down begins nothing: the steps of `WHILE_UP` are not run.

Invariants, checked in the tests: the next state is the table's; the worst action comes first; at most one
remedy is under way for a subject, within its budget; MANUAL_INTERVENTION is left by a person's word or a
shutdown alone; EMERGENCY_STOP and SAFE_MODE end with the clear conditions of the rules that ordered them;
axes get their permit only when everything they need was read back; what has stopped begins to move again by
a person's start alone, unless everything that stopped it lets it resume. A step changes no part that it
does not declare in the table (`tests/ha/test_decide_steps.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fieldstack.ha.decision.active_rules import clear_all, evaluate_measure, evaluate_measures
from fieldstack.ha.decision.builtin import spent_measures
from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.decision.in_flight_actions import review_in_flight, take_outcomes
from fieldstack.ha.decision.limits import update_limits
from fieldstack.ha.decision.orders import review_waiting
from fieldstack.ha.decision.pending_restarts import advance
from fieldstack.ha.decision.requests import answer_requests
from fieldstack.ha.decision.reset_effects import ignore_stopped_axes, keep_new_latch
from fieldstack.ha.decision.restart_interlock import note_latched_estop, note_stop_causes
from fieldstack.ha.decision.starts import confirm_start, order_starts
from fieldstack.ha.decision.state_change import change_state, go_down
from fieldstack.ha.decision.supervise import NAMES, supervise
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.facts import Facts
from fieldstack.ha.model.states import HaState
from fieldstack.ha.policy.in_force.view import Policy


class DecisionStep(NamedTuple):
    """One step of a decision: the parts of the context that it may change, and why it has this place."""

    run: Callable[[DecisionContext], None]
    changes: frozenset[str]
    why: str


def _step(run: Callable[[DecisionContext], None], changes: str, why: str) -> DecisionStep:
    return DecisionStep(run, frozenset(changes.split()), why)


def _note_processes(context: DecisionContext) -> None:
    for name in NAMES:
        supervise(context, name)


def _advance_restarts(context: DecisionContext) -> None:
    for name in NAMES:
        advance(context, name)


def _judge_budgets(context: DecisionContext) -> None:
    for measure in spent_measures(context):
        evaluate_measure(context, measure)


_BEGIN = "rules waiting in_flight tracks budgets actions"
"""What ordering an action of a rule may change: a remedy may also be counted or scheduled."""

ALWAYS: tuple[DecisionStep, ...] = (
    _step(confirm_start, "starts interlock", "what RT has taken of the last start is done, whatever follows"),
    _step(note_latched_estop, "interlock", "a reset in the next step may clear the latch: its cause stays"),
    _step(
        answer_requests,
        "rules waiting in_flight tracks budgets interlock starts cell findings facts actions",
        "a person is answered in the decision that sees the request, by what was known when it was made",
    ),
    _step(ignore_stopped_axes, "facts", "a reset of this decision counts: its axes are RT's to release"),
)
"""Run in every decision."""

WHILE_UP: tuple[DecisionStep, ...] = (
    _step(take_outcomes, _BEGIN, "what has ended is in flight no more, before anything asks whether it is"),
    _step(
        _note_processes,
        "waiting in_flight tracks budgets cell findings actions",
        "a lost or started process is noted before rules judge it",
    ),
    _step(
        evaluate_measures, f"watches {_BEGIN}", "all measures, those of the decision's own facts among them"
    ),
    _step(clear_all, "rules waiting", "whose cause was found gone is cleared before it orders anything more"),
    _step(review_in_flight, _BEGIN, "a remedy is proven by measures; then deadlines: what failed escalates"),
    _step(review_waiting, _BEGIN, "what has ended or failed has made room for what waits its turn"),
    _step(_advance_restarts, _BEGIN, "a restart that was scheduled in this decision may be due at once"),
    _step(_judge_budgets, f"watches {_BEGIN}", "the steps before may have spent a budget: that is a fact"),
    _step(update_limits, "limits in_flight actions", "all DEGRADE rules of this decision are known"),
    _step(change_state, "cell in_flight waiting actions", "all rules and restarts are known"),
    _step(note_stop_causes, "interlock", "a state without motion always has a cause that a start lifts"),
    _step(order_starts, "starts interlock actions", "axes start or resume only in the state reached now"),
    _step(keep_new_latch, "actions", "all stops are ordered: a reset clears no latch that it has not seen"),
)
"""Run in a cell that does not go down, after the others."""

GOING_DOWN: tuple[DecisionStep, ...] = (
    _step(go_down, "waiting in_flight actions", "what a request began on the way down is taken back"),
)
"""Run in the decision that sends the cell down, after the others."""


def decide(
    now_ns: int, state: DecisionState, facts: Facts, policy: Policy
) -> tuple[DecisionState, tuple[Action, ...]]:
    """The next state and the actions to carry out, worst first.

    `now_ns` is CLOCK_MONOTONIC; the same arguments always give the same answer.
    """
    context = DecisionContext(now_ns, state, facts, policy)
    for step in ALWAYS:
        step.run(context)
    if context.cell.ha is not HaState.SHUTDOWN:
        for step in WHILE_UP:
            step.run(context)
    elif state.ha is not HaState.SHUTDOWN:
        for step in GOING_DOWN:
            step.run(context)
    return context.result()
