"""Start, failure, restart and proof of RT and Core: one process's way through the steps of a recovery."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fieldstack.ha.decision.builtin import lost_fact, lost_text
from fieldstack.ha.decision.decision_context import DecisionContext
from fieldstack.ha.decision.decision_state import (
    InFlightAction,
    Key,
    PendingRestart,
    ProcessTrack,
    Recovery,
    WaitingAction,
)
from fieldstack.ha.decision.in_flight_actions import escalate
from fieldstack.ha.decision.recovery_steps import reach, record, step_of
from fieldstack.ha.decision.remedies import (
    SAVE_WARNING_NS,
    on_disk,
    report_unsaved_count,
    spend,
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


def supervise(draft: DecisionContext, name: ProcessName) -> None:
    """What has happened to the process since the last decision. What follows from it, the rules say."""
    process = draft.process(name)
    if process is None or draft.handled(name):
        return
    track = draft.state.track(name)
    lost = lost_fact(draft, process)
    if lost and process.start_id != track.failed_start:
        _failed(draft, process, lost)
    elif process.condition is ProcessCondition.STOPPED and process.asked:
        _start(draft, process, "restart", process.why or "stopped for a restart")
    elif process.condition is ProcessCondition.NEVER_SEEN and track.pending is None:
        _first_start(draft, process)
    elif process.condition is ProcessCondition.RUNNING:
        _running(draft, process)


def _first_start(draft: DecisionContext, process: ProcessFacts) -> None:
    """Not behind the back of a person who is waited for."""
    stopped = any(
        (row := draft.row(key)) is not None
        and row.fact is FactKind.PROCESS_STOPPED
        and key.subject == process.name
        for key in draft.active_rules
    )
    if stopped or any(one.hold for one in draft.active_rules.values()):
        return
    if not draft.state.after_failure:
        _start(draft, process, "start", "the cell starts")
    elif draft.state.track(process.name).counted_ns or _restart_allowed(draft, process.name):
        _count(draft, process.name)
        if _filed(draft, process.name, Key("start", process.name), _AFTER_FAILURE):
            _start(draft, process, "start", _AFTER_FAILURE)


def _restart_allowed(draft: DecisionContext, name: ProcessName) -> bool:
    """What the cell does at its start may be what ends it: that counts as a restart, with its backoff."""
    wait_ns = delay_ns(draft.state.budget(name).restarts, draft.now_ns, draft.section(name))
    waited = draft.now_ns - draft.state.track(name).started_ns >= wait_ns
    return within_budget(draft, name, _AFTER_FAILURE) and waited


def _start(draft: DecisionContext, process: ProcessFacts, rule: str, cause: str) -> None:
    draft.order(ActionKind.START_PROCESS, rule, cause, process.name)
    track = draft.state.track(process.name)
    draft.set_track(_begun(track, draft.now_ns, proven=False))


def _begun(track: ProcessTrack, now_ns: int, **more: Any) -> ProcessTrack:
    return replace(track, pending=None, started_ns=now_ns, counted_ns=0, count_unsaved=False, **more)


def _count(draft: DecisionContext, name: ProcessName) -> None:
    """The next start counts as a restart, once."""
    track = draft.state.track(name)
    if not track.counted_ns:
        spend(draft, name)
        draft.set_track(replace(track, counted_ns=draft.now_ns))


def _filed(draft: DecisionContext, name: ProcessName, key: Key, cause: str) -> bool:
    """Whether the count of the next start is on the disk; people are told if that takes long."""
    track = draft.state.track(name)
    if on_disk(draft, name):
        return True
    if not track.count_unsaved and draft.now_ns - track.counted_ns >= SAVE_WARNING_NS:
        draft.set_track(replace(track, count_unsaved=True))
        report_unsaved_count(draft, key, name, cause)
    return False


def _failed(draft: DecisionContext, process: ProcessFacts, lost: FactKind) -> None:
    """A start of the process has failed: a recovery begins; the rules will say how."""
    name = process.name
    track = draft.state.track(name)
    rule, cause = _rule_name(draft, lost, name), lost_text(process)
    history = in_window(draft.state.budget(name).restarts, draft.now_ns, draft.section(name))
    detected = process.detected_ns or draft.now_ns
    recovery = Recovery(detected, rule, cause, len(history) + 1, at_ns=detected)
    draft.set_track(
        replace(track, failed_start=process.start_id, proven=False, pending=None, recovery=recovery)
    )
    draft.fresh.add((lost, name))
    _forget_in_flight(draft, name)
    last = draft.facts.guard.last_progress_ns if name is ProcessName.RT else 0
    if last < track.started_ns:  # of an earlier start
        last = 0
    record(draft, name, Step.DETECTED, detected, max(0, detected - last) if last else 0)
    if not process.gone:
        draft.order(ActionKind.FENCE_PROCESS, rule, cause, name)


def _rule_name(draft: DecisionContext, lost: FactKind, name: ProcessName) -> str:
    rows = draft.policy.table.of(lost, name)
    restarting = [one for one in rows if any(order.action in REMEDIES for order in one.orders)]
    return next((one.name for one in (*restarting, *rows)), lost.value)


def _forget_in_flight(draft: DecisionContext, name: ProcessName) -> None:
    """A restart that was under way has failed with its process. What was done to the bus of a lost RT has to
    be done again, if its cause is still there then."""
    for flight in list(draft.in_flight_actions.values()):
        if flight.order.action not in REMEDIES:
            continue
        if flight.subject == name:
            del draft.in_flight_actions[flight.id]
        elif name is ProcessName.RT and _on_bus(flight):
            del draft.in_flight_actions[flight.id]
            draft.waiting.append(WaitingAction(flight.key, flight.order, flight.place))


def _on_bus(flight: InFlightAction) -> bool:
    return flight.order.action is PolicyAction.RESTART_SLAVE


def advance(draft: DecisionContext, name: ProcessName) -> None:
    """Take the steps that a pending restart has reached; order it when all is in place."""
    process, track = draft.process(name), draft.state.track(name)
    if process is None or track.pending is None or draft.state.budget(name).spent:
        return
    pending = track.pending
    due = draft.now_ns >= pending.due_ns
    if due and pending.counted:  # now: fence, outputs and the count's way to the disk go side by side
        _count(draft, name)
    if not _fenced(draft, process):
        _report_overdue(draft, process, pending)
        return
    if _outputs_settled(draft, process) and due and _has_counted(draft, name, pending):
        _reboot(draft, process, pending)


def _has_counted(draft: DecisionContext, name: ProcessName, pending: PendingRestart) -> bool:
    key = pending.key or Key(pending.rule, name)
    return not pending.counted or _filed(draft, name, key, pending.cause)


def _report_overdue(draft: DecisionContext, process: ProcessFacts, pending: PendingRestart) -> None:
    """SIGKILL does not end a process that the kernel holds. Once it lets go of it, the restart goes on."""
    if not pending.deadline_ns or draft.now_ns < pending.deadline_ns:
        return
    name = process.name
    draft.set_track(replace(draft.state.track(name), pending=replace(pending, deadline_ns=0)))
    order = pending.order or default_order(PolicyAction.REBOOT_PROCESS)
    failed = WaitingAction(pending.key or Key(pending.rule, name), order, pending.place)
    escalate(draft, failed, name, f"can not begin: process {process.pid} does not end, in spite of SIGKILL")


def _reboot(draft: DecisionContext, process: ProcessFacts, pending: PendingRestart) -> None:
    name = process.name
    number = 0
    if pending.order and pending.key:
        deadline_ns = pending.deadline_ns if pending.deadline_ns > draft.now_ns else 0
        number = draft.register_in_flight(pending.key, pending.order, name, pending.place, deadline_ns)
    track = draft.state.track(name)
    recovery = track.recovery and replace(track.recovery, step=Step.RESTART, at_ns=draft.now_ns)
    attempt = track.recovery.attempt if track.recovery else 0
    kinds = [ActionKind.REBOOT_PROCESS]
    if draft.section(name).enable_state_recovery:
        kinds.insert(0, ActionKind.READ_CHECKPOINT)
    for kind in kinds:
        draft.actions.append(
            Action(
                kind,
                pending.rule,
                pending.cause,
                name,
                attempt=attempt,
                id=number if kind is ActionKind.REBOOT_PROCESS else 0,
                timeout_ns=pending.order.timeout_ns if pending.order else 0,
                evidence=draft.evidence(pending.key) if pending.key else None,
            )
        )
    draft.set_track(_begun(track, draft.now_ns, recovery=recovery))


def _fenced(draft: DecisionContext, process: ProcessFacts) -> bool:
    guard = draft.facts.guard
    by_guard = process.name is ProcessName.RT and guard.tripped and guard.fenced_ns > 0
    if not process.gone and not by_guard:
        return False
    if step_of(draft, process.name) is Step.DETECTED:
        remark = _LATE if process.name is ProcessName.RT and _fenced_late(guard) else ""
        reach(draft, process.name, Step.FENCED, guard.fenced_ns if by_guard else draft.now_ns, remark)
    return True


def _fenced_late(guard: GuardFacts) -> bool:
    """Its frames wait for no fence: they are sent at once, and one that takes long is worth a word."""
    return guard.tripped and (guard.fence_failed or guard.fenced_ns - guard.detected_ns > _LATE_NS)


def _outputs_settled(draft: DecisionContext, process: ProcessFacts) -> bool:
    """RT: safe outputs were read back by the guard, or the time that they may take is over."""
    if process.name is not ProcessName.RT or step_of(draft, process.name) is not Step.FENCED:
        return True
    guard, recovery = draft.facts.guard, draft.state.rt.recovery
    if guard.tripped and guard.confirmed_ns:
        reach(draft, process.name, Step.SAFE_OUTPUTS, guard.confirmed_ns)
        return True
    waits = guard.enabled and (guard.tripped or guard.watching)
    began = recovery.began_ns if recovery else draft.now_ns
    if waits and draft.now_ns - began < draft.section(ProcessName.RT).safe_output_timeout_ns:
        return False
    remark = "NOT CONFIRMED in time, going on" if waits else "nothing to read back: the guard was not armed"
    reach(draft, process.name, Step.SAFE_OUTPUTS, draft.now_ns, remark)
    return True


def _running(draft: DecisionContext, process: ProcessFacts) -> None:
    name = process.name
    is_rt = name is ProcessName.RT
    if is_rt and draft.facts.bus.positions is PositionCheck.AGREE and not draft.facts.bus.elsewhere:
        draft.state = replace(draft.state, accepted_start=-1)  # what differs from now on is another matter
    if step_of(draft, name) is Step.RESTART and (draft.facts.bus.cycling or not is_rt):
        first = draft.facts.bus.first_cycle_ns if is_rt else 0
        reach(draft, name, Step.HEARTBEAT_BACK, first or draft.now_ns)
    track = draft.state.track(name)
    if track.proven or (is_rt and not _rt_proof(draft)):
        return
    draft.set_track(replace(track, proven=True))
    if track.recovery:
        reach(draft, name, Step.RECOVERED, draft.now_ns)
        draft.set_track(replace(draft.state.track(name), recovery=None))


def _rt_proof(draft: DecisionContext) -> bool:
    return not unhealthy(draft.facts) and draft.facts.bus.positions is not PositionCheck.PENDING


def restart_now(draft: DecisionContext, name: ProcessName, cause: str) -> None:
    """A person asked for a start of a process that is down: at once, and not counted."""
    process = draft.process(name)
    if process is None:
        return
    timeout_ns = default_order(PolicyAction.REBOOT_PROCESS).timeout_ns
    pending = PendingRestart(draft.now_ns, "reset", cause, draft.now_ns + timeout_ns, counted=False)
    track = draft.state.track(name)
    fresh = replace(track, pending=pending, failed_start=process.start_id, proven=False)
    draft.set_track(replace(fresh, counted_ns=0, count_unsaved=False))
    advance(draft, name)
