"""Begins the life of a Non-RT process: reads what its checkpoint says, and what people have to know.

What a person had latched survives the shared memory. Restarts that nobody asked for are counted and reported.
Used by `parts`, when the alerts and the checkpoint are ready.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.alerts import Alerts
from fieldstack.ha.actuators.degrade import is_limited
from fieldstack.ha.checkpoint import durable_state
from fieldstack.ha.checkpoint.cell_start import CellStart
from fieldstack.ha.checkpoint.restore_rules import UNREADABLE, Judgement, RestoreMode
from fieldstack.ha.checkpoint.state_checkpoint import CheckpointReports, StateCheckpoint
from fieldstack.ha.decision.context.decision_state import LIMITS_UNKNOWN, RECORD_UNREADABLE, DecisionState
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.nonrt.opening import Opened
from fieldstack_rt.datastore import Clear, EstopSource

MEMORY_REPLACED = "memory-replaced"
"""The rule name for alerts about an RT process that had to be ended because of the memory."""
NONRT_RESTARTED = "nonrt-restarted"
"""The rule name for alerts about a Non-RT process that ended unasked and was restarted."""
LATCHES_UNKNOWN = (
    "the checkpoint cannot be read, and what a person had latched is not known: look, then reset"
)

Record = dict[str, Any]
"""What a checkpoint keeps of the decision (`durable_state.to_record`)."""


def checkpoint_reports(log: EventLog) -> CheckpointReports:
    """Messages of the checkpoint go to the event log."""

    def failed(why: str) -> None:
        log.append(EventKind.CHECKPOINT_FAILED, why=why)

    def back() -> None:
        log.append(EventKind.CHECKPOINT_BACK)

    def judged(judgement: Judgement) -> None:
        fields: dict[str, Any] = judgement.to_dict()
        go_on = judgement.verdict is RestoreMode.GO_ON
        severity = Severity.INFO if go_on or judgement.rule == "first-start" else Severity.WARNING
        log.append(EventKind.CHECKPOINT_JUDGED, severity=severity, **fields)

    return CheckpointReports(failed, back, judged)


def restore_checkpoint(opened: Opened, alerts: Alerts, checkpoint: StateCheckpoint) -> Record | None:
    """The record of the life before, or None; latches it and writes down how this life begins."""
    restored, log = checkpoint.restore(), opened.log
    unreadable = restored.judgement.rule == UNREADABLE
    how = _how_it_begins(restored.ha, unreadable=unreadable)
    memory = "shared memory adopted" if opened.store.adopted else "new shared memory"
    log.append(EventKind.NONRT_STARTED, pid=os.getpid(), how=f"{how}; {memory}")
    opened.force.apply(opened.store, log)
    _latch(opened, restored.ha, unreadable=unreadable)
    _report_claim(opened, alerts)
    for degraded in filter(None, (*opened.guard.degraded, opened.unlocked, log.degraded)):
        log.append(EventKind.SUPERVISION, what=f"degraded: {degraded}")
    log.append(EventKind.CHECKPOINT_RESTORED, generation=restored.generation, remark=restored.remark)
    checkpoint_reports(log).judged(restored.judgement)
    return restored.ha


def _how_it_begins(kept: Record | None, *, unreadable: bool) -> str:
    if kept is None:
        return "after what cannot be read" if unreadable else "first start"
    return "after an orderly end" if durable_state.went_down_by_request(kept) else "after a failure"


def _latch(opened: Opened, kept: Record | None, *, unreadable: bool) -> None:
    """Sets a latch that a person has to clear again, also in a new shared memory."""
    estop = opened.store.estop
    sources, reasons = durable_state.latched(kept)
    for source in EstopSource:
        if sources >> source & 1 and not opened.store.adopted:
            estop.raise_(source, f"kept: {reasons}", until=Clear.ON_RESET)
    if unreadable:
        estop.raise_(EstopSource.OTHER, LATCHES_UNKNOWN, until=Clear.ON_RESET)


def _report_claim(opened: Opened, alerts: Alerts) -> None:
    """Reports what had to be done for the memory. If something was not read back, the cell waits for a
    person."""
    log, claimed = opened.log, opened.claim
    for remark in claimed.remarks:
        log.append(EventKind.SUPERVISION, what=remark)
    for ending in claimed.endings:
        cause = f"the shared memory could not be adopted and was made again: {ending}"
        event = log.append(EventKind.ALERT, rule=MEMORY_REPLACED, subject="datastore", cause=cause)
        alerts.send(event)
    if claimed.unsafe:
        opened.store.estop.raise_(EstopSource.OTHER, claimed.unsafe, until=Clear.ON_RESET)


def restore_state(opened: Opened, alerts: Alerts, kept: Record | None) -> DecisionState:
    """The state from which the first decision continues."""
    now_ns, wall_ns = time.monotonic_ns(), time.time_ns()
    settings, before = opened.settings, opened.predecessor
    start = CellStart(settings.life, settings.auto_start, before.last_pass_ns, before.failed)
    state = durable_state.restore(kept, opened.force.policy, now_ns, wall_ns, start)
    restarts = state.budget(ProcessName.NONRT).restarts
    if now_ns in restarts:
        _report_restart(opened, alerts, len(restarts))
    for one in state.active_rules:
        if one.key.rule == RECORD_UNREADABLE:
            rule, subject = one.key
            event = opened.log.append(EventKind.ALERT, rule=rule, subject=subject, cause=one.cause)
            alerts.send(event)
    return replace(state, limits=LIMITS_UNKNOWN) if is_limited(opened.store) else state


def _report_restart(opened: Opened, alerts: Alerts, count: int) -> None:
    """Reports repeated ends: systemd and `up`, which restart this process, do not report them."""
    pid = opened.predecessor.pid
    budget = opened.force.policy.budget(ProcessName.NONRT)
    within = f"within {budget.long_window_ns / 3.6e12:g} h" if budget else "so far"
    cause = (
        f"the Non-RT process before this one (pid {pid or 'not known'}) ended without being asked to, "
        f"and this one was started: {count} such restarts {within}; why, its log says (nonrt.log, or "
        "journalctl)"
    )
    event = opened.log.append(EventKind.ALERT, rule=NONRT_RESTARTED, subject=ProcessName.NONRT, cause=cause)
    alerts.send(event)
