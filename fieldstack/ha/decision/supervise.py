"""Follows start, failure, restart and proof of RT and Core through the steps of a recovery."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fieldstack.ha.decision.builtin import lost_fact, lost_text
from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import (
    InFlightAction,
    Key,
    PendingRestart,
    ProcessTrack,
    Recovery,
    WaitingAction,
)
from fieldstack.ha.decision.in_flight_actions import escalate
from fieldstack.ha.decision.recovery_steps import reach_step, record, step_of
from fieldstack.ha.decision.remedies import (
    SAVE_WARNING_NS,
    count_is_saved,
    count_restart,
    report_unsaved_count,
    within_budget,
)
from fieldstack.ha.model.actions import Action, ActionKind, Step
from fieldstack.ha.model.facts import GuardFacts, PositionCheck, ProcessCondition, ProcessFacts, unhealthy
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.vocabulary import REMEDIES, PolicyAction, ProcessName
from fieldstack.ha.policy.restart_budget import delay_ns, in_window
from fieldstack.ha.policy.table import default_order

NAMES = (ProcessName.RT, ProcessName.CORE)
_AFTER_FAILURE = "the cell starts after a failure"
_LATE = "it did not end in time: safe frames were sent beside it"
_LATE_NS = 100_000_000
"""The guard's `fence_timeout_ms`: a killed process has ended by then, unless the kernel holds it."""


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
        _count(context, process.name)
        if _count_is_saved(context, process.name, Key("start", process.name), _AFTER_FAILURE):
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
    context.tracks.put(_begun(track, context.now_ns, proven=False))


def _begun(track: ProcessTrack, now_ns: int, **more: Any) -> ProcessTrack:
    return replace(track, pending=None, started_ns=now_ns, counted_ns=0, count_unsaved=False, **more)


def _count(context: DecisionContext, name: ProcessName) -> None:
    """The next start counts as a restart, once."""
    track = context.tracks.of(name)
    if not track.counted_ns:
        count_restart(context, name)
        context.tracks.put(replace(track, counted_ns=context.now_ns))


def _count_is_saved(context: DecisionContext, name: ProcessName, key: Key, cause: str) -> bool:
    """Whether the count of the next start is on the disk; people are told if this takes long."""
    track = context.tracks.of(name)
    if count_is_saved(context, name):
        return True
    if not track.count_unsaved and context.now_ns - track.counted_ns >= SAVE_WARNING_NS:
        context.tracks.put(replace(track, count_unsaved=True))
        report_unsaved_count(context, key, name, cause)
    return False


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


def advance(context: DecisionContext, name: ProcessName) -> None:
    """Take the steps that a pending restart has reached; order it when everything is ready."""
    process, track = context.process(name), context.tracks.of(name)
    if process is None or track.pending is None or context.budgets.of(name).spent:
        return
    pending = track.pending
    due = context.now_ns >= pending.due_ns
    if due and pending.counted:  # now: fence, outputs and the count's way to the disk go side by side
        _count(context, name)
    if not _fenced(context, process):
        _report_overdue(context, process, pending)
        return
    if _outputs_settled(context, process) and due and _has_counted(context, name, pending):
        _reboot(context, process, pending)


def _has_counted(context: DecisionContext, name: ProcessName, pending: PendingRestart) -> bool:
    key = pending.key or Key(pending.rule, name)
    return not pending.counted or _count_is_saved(context, name, key, pending.cause)


def _report_overdue(context: DecisionContext, process: ProcessFacts, pending: PendingRestart) -> None:
    """SIGKILL does not end a process that the kernel holds. When the kernel releases it, the restart
    continues."""
    if not pending.deadline_ns or context.now_ns < pending.deadline_ns:
        return
    name = process.name
    context.tracks.put(replace(context.tracks.of(name), pending=replace(pending, deadline_ns=0)))
    order = pending.order or default_order(PolicyAction.REBOOT_PROCESS)
    failed = WaitingAction(pending.key or Key(pending.rule, name), order, pending.place)
    escalate(context, failed, name, f"cannot begin: process {process.pid} does not end, in spite of SIGKILL")


def _reboot(context: DecisionContext, process: ProcessFacts, pending: PendingRestart) -> None:
    name = process.name
    in_flight = None
    if pending.order and pending.key:
        deadline_ns = pending.deadline_ns if pending.deadline_ns > context.now_ns else 0
        in_flight = context.register_in_flight(pending.key, pending.order, name, pending.place, deadline_ns)
    track = context.tracks.of(name)
    recovery = track.recovery and replace(track.recovery, step=Step.RESTART, at_ns=context.now_ns)
    attempt = track.recovery.attempt if track.recovery else 0
    kinds = [ActionKind.REBOOT_PROCESS]
    if context.section(name).enable_state_recovery:
        kinds.insert(0, ActionKind.READ_CHECKPOINT)
    for kind in kinds:
        followed = in_flight if kind is ActionKind.REBOOT_PROCESS else None
        context.actions.emit(
            Action(
                kind,
                pending.rule,
                pending.cause,
                name,
                attempt=attempt,
                id=followed.id if followed else 0,
                deadline_ns=followed.deadline_ns if followed else 0,
                evidence=context.evidence(pending.key) if pending.key else None,
            )
        )
    context.tracks.put(_begun(track, context.now_ns, recovery=recovery))


def _fenced(context: DecisionContext, process: ProcessFacts) -> bool:
    guard = context.facts.guard
    by_guard = process.name is ProcessName.RT and guard.tripped and guard.fenced_ns > 0
    if not process.gone and not by_guard:
        return False
    if step_of(context, process.name) is Step.DETECTED:
        remark = _LATE if process.name is ProcessName.RT and _fenced_late(guard) else ""
        reach_step(
            context, process.name, Step.FENCED, guard.fenced_ns if by_guard else context.now_ns, remark
        )
    return True


def _fenced_late(guard: GuardFacts) -> bool:
    """The guard sends its frames at once, without waiting for the fence; if the fence takes long, this is
    reported."""
    return guard.tripped and (guard.fence_failed or guard.fenced_ns - guard.detected_ns > _LATE_NS)


def _outputs_settled(context: DecisionContext, process: ProcessFacts) -> bool:
    """RT: safe outputs were read back by the guard, or the time that they may take is over."""
    if process.name is not ProcessName.RT or step_of(context, process.name) is not Step.FENCED:
        return True
    guard, recovery = context.facts.guard, context.tracks.rt.recovery
    if guard.tripped and guard.confirmed_ns:
        reach_step(context, process.name, Step.SAFE_OUTPUTS, guard.confirmed_ns)
        return True
    waits = guard.enabled and (guard.tripped or guard.watching)
    began = recovery.began_ns if recovery else context.now_ns
    if waits and context.now_ns - began < context.section(ProcessName.RT).safe_output_timeout_ns:
        return False
    remark = "NOT CONFIRMED in time, going on" if waits else "nothing to read back: the guard was not armed"
    reach_step(context, process.name, Step.SAFE_OUTPUTS, context.now_ns, remark)
    return True


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


def restart_now(context: DecisionContext, name: ProcessName, cause: str) -> None:
    """A person asked for a start of a process that is down: it starts at once, and is not counted."""
    process = context.process(name)
    if process is None:
        return
    timeout_ns = default_order(PolicyAction.REBOOT_PROCESS).timeout_ns
    pending = PendingRestart(context.now_ns, "reset", cause, context.now_ns + timeout_ns, counted=False)
    track = context.tracks.of(name)
    fresh = replace(track, pending=pending, failed_start=process.start_id, proven=False)
    context.tracks.put(replace(fresh, counted_ns=0, count_unsaved=False))
    advance(context, name)
