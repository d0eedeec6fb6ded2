"""Start, failure, restart and proof of one process: the part of a decision that budgets restarts."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.actions import Action, ActionKind, Step
from fieldstack.ha.decision_state import Pending, ProcessTrack, Recovery
from fieldstack.ha.draft import Draft
from fieldstack.ha.facts import PositionCheck, ProcessCondition, ProcessFacts, unhealthy
from fieldstack.ha.restarts import delay_ns, in_window, spent
from fieldstack.ha.vocabulary import Condition, PolicyAction, ProcessName

_LOST = {
    (ProcessName.RT, ProcessCondition.DEAD): Condition.RT_DEAD,
    (ProcessName.RT, ProcessCondition.SILENT): Condition.RT_SILENT,
    (ProcessName.CORE, ProcessCondition.DEAD): Condition.CORE_DEAD,
    (ProcessName.CORE, ProcessCondition.SILENT): Condition.CORE_SILENT,
}


def supervise(draft: Draft, name: ProcessName) -> None:
    """Follow one process: at most one start or restart of it is ordered in a decision."""
    process = draft.process(name)
    if process is None or draft.handled(name):
        return
    lost = _LOST.get((name, process.condition))
    track = draft.state.track(name)
    if lost and process.start_id != track.failed_start:
        _failed(draft, process, lost)
    elif process.condition is ProcessCondition.STOPPED and process.asked:
        _start(draft, process, "restart", process.why or "stopped for a restart")
    elif process.condition is ProcessCondition.NEVER_SEEN and track.pending is None:
        _first_start(draft, process)
    elif process.condition is ProcessCondition.RUNNING:
        _running(draft, process)
    if draft.state.track(name).pending:
        _advance(draft, process)


def _first_start(draft: Draft, process: ProcessFacts) -> None:
    held = (Condition.RESTART_BUDGET_SPENT, Condition.RT_STOPPED)
    if not any(draft.state.active(condition) for condition in held):
        _start(draft, process, "start", "the cell starts")


def _start(draft: Draft, process: ProcessFacts, rule: str, cause: str) -> None:
    draft.order(ActionKind.START_PROCESS, rule, cause, process.name)
    track = draft.state.track(process.name)
    draft.set_track(replace(track, started_ns=draft.now_ns, proven=False, pending=None))


def _failed(draft: Draft, process: ProcessFacts, lost: Condition) -> None:
    """A start of the process has failed: one recovery begins, or the budget is spent."""
    track, section = draft.state.track(process.name), draft.section(process.name)
    rule = draft.policy.rule(lost)
    cause = f"{process.name} (pid {process.pid}) is {process.condition}: {process.why or 'cause unknown'}"
    history = in_window(track.restarts, draft.now_ns, section)
    detected = process.detected_ns or draft.now_ns
    recovery = Recovery(detected, rule.name, cause, len(history) + 1, at_ns=detected)
    track = replace(track, restarts=history, failed_start=process.start_id, proven=False, pending=None)
    draft.set_track(replace(track, recovery=recovery))
    draft.enter(lost, cause)
    last = draft.facts.guard.last_progress_ns if process.name is ProcessName.RT else 0
    if last < track.started_ns:  # of an earlier start
        last = 0
    _record(draft, process.name, Step.DETECTED, detected, max(0, detected - last) if last else 0)
    if not process.gone:
        draft.order(ActionKind.FENCE_PROCESS, rule.name, cause, process.name)
    if PolicyAction.REBOOT_PROCESS in rule.actions:
        _schedule(draft, track, rule.name, cause)


def _schedule(draft: Draft, track: ProcessTrack, rule: str, cause: str) -> None:
    section = draft.section(track.name)
    if draft.state.active(Condition.RESTART_BUDGET_SPENT):
        return
    if spent(track.restarts, draft.now_ns, section):
        count, window = section.max_restart_count, section.restart_window_sec
        draft.enter(
            Condition.RESTART_BUDGET_SPENT,
            f"{track.name} was restarted {len(track.restarts)} times within {window:g} s "
            f"(allowed: {count}); last: {cause}",
        )
        return
    due = draft.now_ns + delay_ns(track.restarts, draft.now_ns, section)
    draft.set_track(replace(draft.state.track(track.name), pending=Pending(due, rule, cause)))


def _advance(draft: Draft, process: ProcessFacts) -> None:
    """Take the steps that a pending restart has reached; order it when all is in place."""
    if draft.state.active(Condition.RESTART_BUDGET_SPENT):
        return
    if not _fenced(draft, process) or not _outputs_settled(draft, process):
        return
    track = draft.state.track(process.name)
    pending = track.pending
    if pending is None or draft.now_ns < pending.due_ns:
        return
    attempt = track.recovery.attempt if track.recovery else 0
    if draft.section(process.name).enable_state_recovery:
        draft.actions.append(_restart_order(ActionKind.READ_CHECKPOINT, pending, process, attempt))
    draft.actions.append(_restart_order(ActionKind.REBOOT_PROCESS, pending, process, attempt))
    counted = (*track.restarts, draft.now_ns) if pending.counted else track.restarts
    recovery = track.recovery and replace(track.recovery, step=Step.RESTART, at_ns=draft.now_ns)
    draft.set_track(
        replace(track, restarts=counted, pending=None, recovery=recovery, started_ns=draft.now_ns)
    )


def _restart_order(kind: ActionKind, pending: Pending, process: ProcessFacts, attempt: int) -> Action:
    return Action(kind, pending.rule, pending.cause, process.name, attempt=attempt)


def _fenced(draft: Draft, process: ProcessFacts) -> bool:
    guard = draft.facts.guard
    by_guard = process.name is ProcessName.RT and guard.tripped and guard.fenced_ns > 0
    if not process.gone and not by_guard:
        return False
    if _step(draft, process.name) is Step.DETECTED:
        _reach(draft, process.name, Step.FENCED, guard.fenced_ns if by_guard else draft.now_ns)
    return True


def _outputs_settled(draft: Draft, process: ProcessFacts) -> bool:
    """RT: safe outputs were read back by the guard, or the time that they may take is over."""
    if process.name is not ProcessName.RT or _step(draft, process.name) is not Step.FENCED:
        return True
    guard, recovery = draft.facts.guard, draft.state.rt.recovery
    if guard.tripped and guard.confirmed_ns:
        _reach(draft, process.name, Step.SAFE_OUTPUTS, guard.confirmed_ns)
        return True
    waits = guard.enabled and (guard.tripped or guard.watching)
    began = recovery.began_ns if recovery else draft.now_ns
    if waits and draft.now_ns - began < draft.section(ProcessName.RT).safe_output_timeout_ns:
        return False
    remark = "NOT CONFIRMED in time, going on" if waits else "nothing to read back: the guard was not armed"
    _reach(draft, process.name, Step.SAFE_OUTPUTS, draft.now_ns, remark)
    return True


def _running(draft: Draft, process: ProcessFacts) -> None:
    if _step(draft, process.name) is Step.RESTART and _beats(draft, process):
        first = draft.facts.bus.first_cycle_ns if process.name is ProcessName.RT else 0
        _reach(draft, process.name, Step.HEARTBEAT_BACK, first or draft.now_ns)
    track = draft.state.track(process.name)
    if track.proven or not _proof(draft, process):
        return
    draft.set_track(replace(track, proven=True))
    if track.recovery:
        _reach(draft, process.name, Step.RECOVERED, draft.now_ns)
        draft.set_track(replace(draft.state.track(process.name), recovery=None))


def _beats(draft: Draft, process: ProcessFacts) -> bool:
    return process.name is not ProcessName.RT or draft.facts.bus.cycling


def _proof(draft: Draft, process: ProcessFacts) -> bool:
    if process.name is not ProcessName.RT:
        return True
    return not unhealthy(draft.facts) and draft.facts.bus.positions is not PositionCheck.PENDING


def _step(draft: Draft, name: ProcessName) -> Step | None:
    recovery = draft.state.track(name).recovery
    return recovery.step if recovery else None


def _reach(draft: Draft, name: ProcessName, step: Step, at_ns: int, remark: str = "") -> None:
    track = draft.state.track(name)
    recovery = track.recovery
    if recovery is None:
        return
    at_ns = max(at_ns, recovery.at_ns)
    draft.set_track(replace(track, recovery=replace(recovery, step=step, at_ns=at_ns)))
    _record(draft, name, step, at_ns, at_ns - recovery.at_ns, remark=remark)


def _record(
    draft: Draft, name: ProcessName, step: Step, at_ns: int, took_ns: int, *, remark: str = ""
) -> None:
    recovery = draft.state.track(name).recovery
    if recovery is None:
        return
    draft.actions.append(
        Action(
            ActionKind.RECORD_STEP,
            recovery.rule,
            recovery.cause,
            name,
            step=step,
            at_ns=at_ns,
            took_ns=took_ns,
            attempt=recovery.attempt,
            confirmed=not remark,
            remark=remark,
        )
    )


def restart_now(draft: Draft, name: ProcessName, cause: str) -> None:
    """A person asked for a start of a process that is down: at once, and not counted."""
    process = draft.process(name)
    if process is None:
        return
    pending = Pending(draft.now_ns, "reset", cause, counted=False)
    track = draft.state.track(name)
    draft.set_track(replace(track, restarts=(), pending=pending, failed_start=process.start_id, proven=False))
    _advance(draft, process)
