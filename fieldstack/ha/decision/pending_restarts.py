"""Restarts of RT and Core that wait: for their time, the fence, RT's safe outputs. Steps of `decide` use it.

A count of restarts is on the disk before the restart that it counts is ordered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import (
    Key,
    PendingRestart,
    ProcessTrack,
    WaitingAction,
)
from fieldstack.ha.decision.in_flight_actions import escalate
from fieldstack.ha.decision.recovery_steps import reach_step, step_of
from fieldstack.ha.decision.remedies import (
    SAVE_WARNING_NS,
    count_is_saved,
    count_restart,
    report_unsaved_count,
)
from fieldstack.ha.model.actions import Action, ActionKind, Step
from fieldstack.ha.model.facts import GuardFacts, ProcessFacts
from fieldstack.ha.model.vocabulary import PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.table import default_order

_LATE = "it did not end in time: safe frames were sent beside it"
_LATE_NS = 100_000_000
"""The guard's `fence_timeout_ms`: a killed process has ended by then, unless the kernel holds it."""


def advance(context: DecisionContext, name: ProcessName) -> None:
    """Take the steps that a pending restart has reached; order it when everything is ready."""
    process, track = context.process(name), context.tracks.of(name)
    if process is None or track.pending is None or context.budgets.of(name).spent:
        return
    pending = track.pending
    due = context.now_ns >= pending.due_ns
    if due and pending.counted:  # now: fence, outputs and the count's way to the disk go side by side
        count_next_start(context, name)
    if not _fenced(context, process):
        _report_overdue(context, process, pending)
        return
    if _outputs_settled(context, process) and due and _has_counted(context, name, pending):
        _reboot(context, process, pending)


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


def begun(track: ProcessTrack, now_ns: int, **more: Any) -> ProcessTrack:
    return replace(track, pending=None, started_ns=now_ns, counted_ns=0, count_unsaved=False, **more)


def count_next_start(context: DecisionContext, name: ProcessName) -> None:
    """The next start counts as a restart, once."""
    track = context.tracks.of(name)
    if not track.counted_ns:
        count_restart(context, name)
        context.tracks.put(replace(track, counted_ns=context.now_ns))


def next_count_is_saved(context: DecisionContext, name: ProcessName, key: Key, cause: str) -> bool:
    """Whether the count of the next start is on the disk; people are told if this takes long."""
    track = context.tracks.of(name)
    if count_is_saved(context, name):
        return True
    if not track.count_unsaved and context.now_ns - track.counted_ns >= SAVE_WARNING_NS:
        context.tracks.put(replace(track, count_unsaved=True))
        report_unsaved_count(context, key, name, cause)
    return False


def _has_counted(context: DecisionContext, name: ProcessName, pending: PendingRestart) -> bool:
    key = pending.key or Key(pending.rule, name)
    return not pending.counted or next_count_is_saved(context, name, key, pending.cause)


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
    context.tracks.put(begun(track, context.now_ns, recovery=recovery))


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
