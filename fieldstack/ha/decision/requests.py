"""Answers operators' requests in the decision that sees them: carried out, or refused with the reason.

Used by `decide`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fieldstack.ha.decision.builtin import lost_fact
from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import ActiveRule, Key
from fieldstack.ha.decision.operator_requests import request_rule, withdraw_request
from fieldstack.ha.decision.orphaned_rules import only_reset_clears
from fieldstack.ha.decision.pending_restarts import restart_now
from fieldstack.ha.decision.remedies import busy, restart_in_order
from fieldstack.ha.decision.restart_interlock import note_reset_cause
from fieldstack.ha.decision.starts import answer_start
from fieldstack.ha.decision.supervise import NAMES
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.facts import (
    PositionCheck,
    ProcessCondition,
    ProcessFacts,
    Request,
    RequestKind,
    unhealthy,
)
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.states import MOVING, HaState
from fieldstack.ha.model.vocabulary import ClearWhen, Hold, PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.table import Order, default_order

_ALIVE = frozenset({ProcessCondition.STARTING, ProcessCondition.RUNNING})
_PARTS = {"slave:": PolicyAction.RESTART_SLAVE, "module:": PolicyAction.RESTART_MODULE}
BY_OPERATOR = "restart"


def answer_requests(context: DecisionContext) -> None:
    """Handles a shutdown first: nothing is started on the way down."""
    for request in sorted(context.facts.requests, key=lambda one: one.kind is not RequestKind.SHUTDOWN):
        if context.cell.ha is HaState.SHUTDOWN:
            _answer(context, request, False, "the cell goes down: nothing can be asked of it any more")
        else:
            _HANDLERS[request.kind](context, request)


def _answer(context: DecisionContext, request: Request, accepted: bool, text: str) -> None:
    context.actions.emit(
        Action(
            ActionKind.ANSWER,
            request.kind,
            text,
            request.subject or "cell",
            confirmed=accepted,
            request=request.id,
        )
    )


def _shutdown(context: DecisionContext, request: Request) -> None:
    context.cell.enter(HaState.SHUTDOWN, context.now_ns)
    context.cell.explain(f"asked to go down by {request.who}", context.cell.held_by)
    _answer(context, request, True, "the cell goes down: Core, then RT, then the Non-RT process")


# ---- reset and acknowledgement ----


def _reset(context: DecisionContext, request: Request) -> None:
    restart = _needs_start(context)
    if why := _still_runs_on(context) or ("" if restart else unhealthy(context.facts)):
        _answer(
            context, request, False, f"reset refused: {why}; the cause must be gone first, then reset again"
        )
        return
    ended = {
        one.key for one in context.rules if one.clear is ClearWhen.RESET or only_reset_clears(context, one)
    }
    latched = [one for one in context.rules if one.key in ended or one.hold]
    note_reset_cause(context, request.who)
    context.cell.note_reset(context.now_ns)
    _clear_latch(context, request)
    for one in latched:
        if one.key in ended:
            context.drop_rule(one.key)
        else:
            context.rules.update(replace(one, hold=None))
    if context.facts.bus.positions is not PositionCheck.PENDING:
        context.cell.accept_positions(context.facts.rt.start_id)
    context.budgets.forget_spent()
    for name in restart:
        restart_now(context, name, f"reset by {request.who}")
    cleared = ", ".join(one.key.rule for one in latched) or "nothing was latched"
    started = f"; starting {', '.join(restart)}" if restart else ""
    _answer(context, request, True, f"reset by {request.who}: {cleared}{started}; axis faults reset")


def _still_runs_on(context: DecisionContext) -> str:
    """The axes that did not stop and have not been seen to stand since; empty: none, or no RT cycles to say
    it."""
    facts = context.facts
    cycles = facts.rt.condition is ProcessCondition.RUNNING and facts.bus.cycling
    if cycles and not facts.axes.epoch:
        return "RT's record cannot be read, and whether an axis runs on is not known"
    if not facts.axes.run_on:
        return ""
    details = (one.detail for one in facts.measures if one.fact is FactKind.AXIS_RUNS_ON and one.value)
    return "; ".join(filter(None, details)) or f"axes that must stand run on (mask 0x{facts.axes.run_on:X})"


def _clear_latch(context: DecisionContext, request: Request) -> None:
    cause = f"reset by {request.who}"
    if sources := context.facts.estop.on_reset:
        context.actions.emit(
            Action(ActionKind.CLEAR_LATCH, "reset", cause, until=ClearWhen.RESET, sources=sources)
        )
        context.take_latch_as_cleared()
    context.order(ActionKind.RESET_FAULTS, "reset", cause)


def _ack(context: DecisionContext, request: Request) -> None:
    meant = [one for one in context.rules if _is_meant(one, request.subject)]
    mine = [one for one in meant if one.hold is Hold.ACK]
    others = [one.key.rule for one in meant if one.hold is Hold.RESET]
    for one in mine:
        context.rules.update(replace(one, hold=None))
    started: list[ProcessName] = []
    if mine and not any(one.hold for one in context.rules):
        needed = _needs_start(context)
        spent = [name for name in needed if context.budgets.of(name).spent]
        started = [name for name in needed if name not in spent]
        others += [f"{name}, whose restart budget is spent" for name in spent]
        for name in started:
            restart_now(context, name, f"acknowledged by {request.who}")
    text = (
        f"acknowledged by {request.who}: {', '.join(one.key.rule for one in mine) or 'nothing waited for it'}"
    )
    starting = f"; starting {', '.join(started)}" if started else ""
    rest = f"; a reset is needed for {', '.join(others)}" if others else ""
    _answer(context, request, bool(mine) or not others, f"{text}{starting}{rest}")


def _is_meant(one: ActiveRule, subject: str) -> bool:
    return subject in ("", one.key.rule, one.key.subject)


def _needs_start(context: DecisionContext) -> list[ProcessName]:
    """Processes that stay down (no restart of them is under way): a reset starts them. If a failure is seen
    only in this decision, the rules handle it, because they fence the process first."""
    return [name for name in NAMES if _waits_for_person(context, name, context.process(name))]


def _waits_for_person(context: DecisionContext, name: ProcessName, process: ProcessFacts | None) -> bool:
    track = context.tracks.of(name)
    if process is None or context.actions.start_or_stop(name) or (track.pending and not track.count_unsaved):
        return False
    if process.condition is ProcessCondition.NEVER_SEEN:
        return context.cell.ha in (HaState.MANUAL_INTERVENTION, HaState.SAFE_MODE)
    dealt_with = (
        lost_fact(context, process) is None or process.start_id == context.tracks.of(name).failed_start
    )
    return process.down and dealt_with


# ---- restarts ----


def _restart(context: DecisionContext, request: Request) -> None:
    subject = request.subject or ProcessName.RT
    part = next((action for start, action in _PARTS.items() if subject.startswith(start)), None)
    if part is not None:
        _restart_part(context, request, default_order(part))
    elif subject in NAMES:
        _restart_process(context, request, ProcessName(subject))
    else:
        known = ", ".join((*NAMES, "slave:NAME", "module:NAME"))
        _answer(context, request, False, f"{subject} cannot be restarted; known are {known}")


def _restart_part(context: DecisionContext, request: Request, order: Order) -> None:
    if busy(context, request.subject):
        text = f"restart refused: {request.subject}, or what it needs, is being restarted; wait and ask again"
        _answer(context, request, False, text)
        return
    cause = f"restart asked for by {request.who}"
    context.order_action(Key(BY_OPERATOR, request.subject), order, subject=request.subject, cause=cause)
    _answer(context, request, True, f"{request.subject} is restarted")


def _restart_process(context: DecisionContext, request: Request, name: ProcessName) -> None:
    process = context.process(name)
    at_rest = context.cell.ha not in MOVING | {HaState.SAFE_MODE}
    if process is None:
        _answer(context, request, False, f"{name} is not part of this cell")
    elif process.condition not in _ALIVE or context.restarting(name) or at_rest:
        _answer(
            context,
            request,
            False,
            f"restart refused: {name} is {process.condition} and the cell in {context.cell.ha.name}; "
            "wait until it runs, or reset a cell that waits for a person",
        )
    else:
        cause = f"restart asked for by {request.who}"
        restart_in_order(context, name, Action(ActionKind.STOP_PROCESS, BY_OPERATOR, cause, name))
        _answer(context, request, True, f"{name} is stopped and started again")


# ---- rules that operators ask for ----


def _rule(context: DecisionContext, request: Request) -> None:
    _answer(context, request, *request_rule(context, request))


def _rule_off(context: DecisionContext, request: Request) -> None:
    _answer(context, request, *withdraw_request(context, request))


_HANDLERS: dict[RequestKind, Callable[[DecisionContext, Request], None]] = {
    RequestKind.RESET: _reset,
    RequestKind.START: answer_start,
    RequestKind.ACK: _ack,
    RequestKind.RESTART: _restart,
    RequestKind.RULE: _rule,
    RequestKind.RULE_OFF: _rule_off,
    RequestKind.SHUTDOWN: _shutdown,
}
