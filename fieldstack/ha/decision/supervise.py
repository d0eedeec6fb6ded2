"""What has happened to RT and Core since the last decision: start, failure, progress and proof.

`decide` asks for each process. What follows, the rules say; restarts that wait are in `pending_restarts`.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.builtin import lost_fact, lost_text
from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import (
    InFlightAction,
    Key,
    Recovery,
    WaitingAction,
)
from fieldstack.ha.decision.pending_restarts import begun, count_next_start, next_count_is_saved
from fieldstack.ha.decision.recovery_steps import reach_step, record, step_of
from fieldstack.ha.decision.remedies import (
    within_budget,
)
from fieldstack.ha.model.actions import ActionKind, Step
from fieldstack.ha.model.facts import PositionCheck, ProcessCondition, ProcessFacts, unhealthy
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.vocabulary import REMEDIES, PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.restart_budget import delay_ns, in_window

NAMES = (ProcessName.RT, ProcessName.CORE)
_AFTER_FAILURE = "the cell starts after a failure"


def supervise(context: DecisionContext, name: ProcessName) -> None:
    """Records what has happened to the process since the last decision; the rules say what follows."""
    process = context.process(name)
    if process is None or context.actions.start_or_stop(name):
        return
    track = context.tracks.of(name)
    lost = lost_fact(context, process)
    if lost and process.start_id != track.failed_start:
        _failed(context, process, lost)
    elif process.condition is ProcessCondition.STOPPED and process.stop_requested:
        _start(context, process, "restart", process.why or "stopped for a restart")
    elif process.condition is ProcessCondition.NEVER_SEEN and track.pending is None:
        _first_start(context, process)
    elif process.condition is ProcessCondition.RUNNING:
        _running(context, process)


def _first_start(context: DecisionContext, process: ProcessFacts) -> None:
    """It is not started while a person is waited for."""
    if any(one.hold or _is_stop_of(context, process, one.key) for one in context.rules):
        return
    if not context.before.after_failure:
        _start(context, process, "start", "the cell starts")
    elif context.tracks.of(process.name).counted_ns or _restart_allowed(context, process.name):
        count_next_start(context, process.name)
        if next_count_is_saved(context, process.name, Key("start", process.name), _AFTER_FAILURE):
            _start(context, process, "start", _AFTER_FAILURE)


def _is_stop_of(context: DecisionContext, process: ProcessFacts, key: Key) -> bool:
    row = context.row(key)
    return row is not None and row.fact is FactKind.PROCESS_STOPPED and key.subject == process.name


def _restart_allowed(context: DecisionContext, name: ProcessName) -> bool:
    """The cell may fail in the same way again: so this start counts as a restart, with its backoff."""
    wait_ns = delay_ns(context.budgets.of(name).restarts, context.now_ns, context.section(name))
    waited = context.now_ns - context.tracks.of(name).started_ns >= wait_ns
    return within_budget(context, name, _AFTER_FAILURE) and waited


def _start(context: DecisionContext, process: ProcessFacts, rule: str, cause: str) -> None:
    context.order(ActionKind.START_PROCESS, rule, cause, process.name)
    track = context.tracks.of(process.name)
    context.tracks.put(begun(track, context.now_ns, proven=False))


def _failed(context: DecisionContext, process: ProcessFacts, lost: FactKind) -> None:
    """A start of the process has failed: a recovery begins; the rules say how."""
    name = process.name
    track = context.tracks.of(name)
    rule, cause = _rule_name(context, lost, name), lost_text(process)
    history = in_window(context.budgets.of(name).restarts, context.now_ns, context.section(name))
    detected = process.detected_ns or context.now_ns
    recovery = Recovery(detected, rule, cause, len(history) + 1, at_ns=detected)
    context.tracks.put(
        replace(track, failed_start=process.start_id, proven=False, pending=None, recovery=recovery)
    )
    context.findings.note_failure(lost, name)
    _forget_in_flight(context, name)
    last = context.facts.guard.last_progress_ns if name is ProcessName.RT else 0
    if last < track.started_ns:  # of an earlier start
        last = 0
    record(context, name, Step.DETECTED, detected, max(0, detected - last) if last else 0)
    if not process.gone:
        context.order(ActionKind.FENCE_PROCESS, rule, cause, name)


def _rule_name(context: DecisionContext, lost: FactKind, name: ProcessName) -> str:
    rows = context.policy.table.rules_for(lost, name)
    restarting = [one for one in rows if any(order.action in REMEDIES for order in one.orders)]
    return next((one.name for one in (*restarting, *rows)), lost.value)


def _forget_in_flight(context: DecisionContext, name: ProcessName) -> None:
    """A restart that was under way has failed with its process. What was done to the bus of a lost RT has to
    be done again, if its cause is still there."""
    for in_flight in list(context.in_flight):
        if in_flight.order.action not in REMEDIES:
            continue
        if in_flight.subject == name:
            context.in_flight.forget(in_flight.id)
        elif name is ProcessName.RT and _on_bus(in_flight):
            context.in_flight.forget(in_flight.id)
            context.waiting.add(WaitingAction(in_flight.key, in_flight.order, in_flight.place))


def _on_bus(in_flight: InFlightAction) -> bool:
    return in_flight.order.action is PolicyAction.RESTART_SLAVE


def _running(context: DecisionContext, process: ProcessFacts) -> None:
    name = process.name
    is_rt = name is ProcessName.RT
    if (
        is_rt
        and context.facts.bus.positions is PositionCheck.AGREE
        and not context.facts.bus.displaced_groups
    ):
        context.cell.forget_accepted_positions()  # what differs from now on is another matter
    if step_of(context, name) is Step.RESTART and (context.facts.bus.cycling or not is_rt):
        first = context.facts.bus.first_cycle_ns if is_rt else 0
        reach_step(context, name, Step.HEARTBEAT_BACK, first or context.now_ns)
    track = context.tracks.of(name)
    if track.proven or (is_rt and not _rt_proof(context)):
        return
    context.tracks.put(replace(track, proven=True))
    if track.recovery:
        reach_step(context, name, Step.RECOVERED, context.now_ns)
        context.tracks.put(replace(context.tracks.of(name), recovery=None))


def _rt_proof(context: DecisionContext) -> bool:
    return not unhealthy(context.facts) and context.facts.bus.positions is not PositionCheck.PENDING
