"""One supervision pass: observe, decide, carry out, keep, publish, beat.

What only tells or keeps is tried again when it fails (`retried`). Without facts, decision and orders a pass
has failed: it beats not, and after a few of them Non-RT ends, for whoever watches it to start it anew.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.checkpoint.durable_state import outlives, to_record
from fieldstack.ha.decision.apply_policy import apply_policy
from fieldstack.ha.decision.decide import decide
from fieldstack.ha.decision.decision_state import DecisionState
from fieldstack.ha.model.facts import Facts, Request, unhealthy
from fieldstack.ha.model.measures import Measure, Probe
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.observer import Observer
from fieldstack.ha.monitor.retried import Retries, trace_of
from fieldstack.ha.policy.compiled import CompiledPolicy
from fieldstack.ha.policy.restart_budget import in_window
from fieldstack.nonrt.failover_manager import FailoverManager, Ports
from fieldstack.nonrt.operator_commands import OperatorCommandHandler
from fieldstack.nonrt.policy_in_force import PolicyInForce
from fieldstack.nonrt.status import StatusWriter


@dataclass(frozen=True, slots=True)
class SupervisionParts:
    """What a pass works with."""

    ports: Ports
    force: PolicyInForce
    probes: Mapping[str, Probe]
    observer: Observer
    command_handler: OperatorCommandHandler
    status: StatusWriter
    retries: Retries


PASSES_LOST = 3
"""So many passes in a row may fail. RT hears of no beat meanwhile, and stops the axes by itself."""
FLUSH_S = 1.0


class Supervision:
    """Holds the decision state; `run` is one pass."""

    def __init__(self, parts: SupervisionParts, state: DecisionState) -> None:
        self._parts = parts
        self.manager = FailoverManager(parts.ports)
        self.state = state
        self.facts = Facts()
        self.retries = parts.retries
        self._kept: tuple[Any, ...] = ()
        self._log_failure = ""
        self._failed_passes = 0
        parts.force.adopt = self._adopt

    def _adopt(self, old: CompiledPolicy, new: CompiledPolicy, file: str) -> None:
        """Go on under another policy. PolicyError: a rule that counts now would be lost; nothing changed."""
        self.state = apply_policy(self.state, old, new, file)

    @property
    def urgent(self) -> bool:
        """Whether the next pass should come soon: something is on its way."""
        tracks, handler = (self.state.rt, self.state.core), self._parts.command_handler
        counted = any(one.counted_ns for one in self.state.waiting)
        waiting = any(one.pending or one.counted_ns for one in tracks) or counted or handler.waiting
        return self.state.ha is HaState.RECOVERY or self.manager.busy or waiting

    def run(self, now_ns: int) -> None:
        """One pass. Raises what made the last few passes fail, once that was told and the permit is taken."""
        try:
            self._pass(now_ns)
        except Exception as error:
            self._pass_failed(error)
        else:
            self._failed_passes = 0

    def _pass(self, now_ns: int) -> None:
        parts, attempt = self._parts, self.retries.attempt
        self._keep_permit()
        attempt("process-manager", now_ns, parts.ports.processes.tick)
        for name, check in parts.observer.checks.items():
            attempt(f"observer-{name}", now_ns, partial(check, now_ns))
        attempt("module-care", now_ns, parts.ports.modules.tick)
        observed = parts.ports.monitor.observe(now_ns)
        self.facts = replace(
            observed,
            requests=parts.command_handler.requests(),
            measures=self._measures(now_ns),
            outcomes=self.manager.outcomes(now_ns),
            group_of=parts.ports.cell.group_of,
            filed_ns=parts.ports.checkpoint.ha_filed_ns,
            filing_failure=parts.ports.checkpoint.count_failure,
            parts=tuple(part.name for part in parts.ports.cell.parts),
        )
        before = self.state
        self.state, actions = decide(now_ns, before, self.facts, self.policy)
        self._tell_change(before)
        self._keep(now_ns)  # a restart that takes this process along with it has counted
        self.manager.execute(actions, now_ns)
        attempt("alerts", now_ns, self._set_active_alerts)
        attempt("readbacks", now_ns, partial(parts.command_handler.follow, now_ns))
        attempt("checkpoint-keeping", now_ns, partial(self._checkpoint, now_ns, before))
        self._keep(now_ns)
        self._watch_log(parts.ports.log)
        self._publish(now_ns)

    def _set_active_alerts(self) -> None:
        active = frozenset((one.key.rule, one.key.subject) for one in self.state.active_rules)
        self._parts.ports.alerts.set_active(active)

    def _pass_failed(self, error: Exception) -> None:
        """Nothing beats. What goes on failing ends this process: the next one begins with fresh facts."""
        self._failed_passes += 1
        what = f"a pass failed ({self._failed_passes} in a row): {type(error).__name__}: {error}"[:300]
        log, lost = self._parts.ports.log, self._failed_passes >= PASSES_LOST
        log.append(EventKind.SUPERVISION, severity=Severity.ERROR, what=what, traceback=trace_of(error))
        if not lost:
            return
        self._parts.ports.store.motion_permit = False
        cause = f"{what}; the axes lose their permit, Non-RT ends and is started anew"
        self._parts.ports.alerts.send(log.append(EventKind.ALERT, rule="supervision-failed", cause=cause))
        log.flush(FLUSH_S)
        raise error

    @property
    def policy(self) -> CompiledPolicy:
        return self._parts.force.policy

    def describe_policy(self) -> dict[str, Any]:
        """Which policy is in force, for `status`."""
        force = self._parts.force
        return {"file": str(force.file), "sha256": force.digest, "rules": len(force.policy.rows)}

    def _measures(self, now_ns: int) -> tuple[Measure, ...]:
        """What all probes know now, also of one that failed half-way, and which of them fail."""
        found: list[Measure] = []
        for name, probe in self._parts.probes.items():
            self.retries.attempt(name, now_ns, partial(_ask, probe, now_ns, found))
        return (*found, *self.retries.measures(now_ns))

    def shut_down(self, request: Request) -> None:
        """Decide a shutdown at once, whatever else is going on."""
        now_ns = time.monotonic_ns()
        before, facts = self.state, replace(self.facts, requests=(request,))
        self.state, actions = decide(now_ns, before, facts, self.policy)
        self._tell_change(before)
        self.manager.execute(actions, now_ns)
        self._keep(now_ns)

    def finish(self) -> None:
        """A pass on the way down: nothing is decided any more; events, status and tasks are followed."""
        now_ns = time.monotonic_ns()
        self._parts.ports.checkpoint.keep_task(now_ns)
        for name, check in self._parts.observer.checks.items():
            self.retries.attempt(f"observer-{name}", now_ns, partial(check, now_ns))
        self._parts.observer.finish()
        self._publish(now_ns)

    def _keep_permit(self) -> None:
        """A permit that nobody gave lasts no longer than a pass."""
        if damaged := self._parts.ports.store.rewrite_damaged_words():
            what = f"damaged in the shared memory, and as they should be again: {', '.join(damaged)}"
            self._parts.ports.log.append(EventKind.SUPERVISION, severity=Severity.WARNING, what=what)

    def _tell_change(self, before: DecisionState) -> None:
        after = self.state
        if after.ha is before.ha:
            return
        self._parts.ports.log.append(
            EventKind.STATE_CHANGED,
            t_ns=after.since_ns,
            severity=Severity.INFO if after.ha is HaState.OPERATIONAL else Severity.WARNING,
            before=before.ha.name,
            after=after.ha.name,
            reason=after.reason,
            lasted_ns=max(0, after.since_ns - before.since_ns),
        )

    def _checkpoint(self, now_ns: int, before: DecisionState) -> None:
        """Positions count as safe while everything that motion needs is read back."""
        monitor, checkpoint = self._parts.ports.monitor, self._parts.ports.checkpoint
        status, core = monitor.rt_status, monitor.core_status
        checkpoint.compare(self.facts.bus.positions)
        if status is not None and not unhealthy(self.facts):
            checkpoint.keep(now_ns, status, changed=before.ha is not self.state.ha, core=core)
        else:
            checkpoint.keep_task(now_ns, core, moves=status is not None and bool(status.axes_playing))

    def _keep(self, now_ns: int) -> None:
        """What must outlive this process goes to the disk whenever it changes."""
        state, estop = self.state, self._parts.ports.store.estop.state()
        waiting = tuple(one for one in state.active_rules if outlives(one))
        kept = (state.ha, waiting, state.budgets, state.interlock, estop.on_reset)
        if kept == self._kept:
            return
        self._kept = kept
        facts = self._parts.ports.monitor.estop_facts()
        self._parts.ports.checkpoint.keep_ha(now_ns, to_record(state, facts, now_ns, time.time_ns()))

    def _watch_log(self, log: EventLog) -> None:
        """A log that can not write is itself an alert, once each time."""
        if log.failure and log.failure != self._log_failure:
            cause = f"events can not be written ({log.failure}): they are kept in memory"
            event = log.append(EventKind.ALERT, rule="event-log", cause=cause)
            self._parts.ports.alerts.send(event)
        self._log_failure = log.failure

    def _publish(self, now_ns: int) -> None:
        section = self.policy.process(ProcessName.RT)
        self._parts.status.write(
            now_ns,
            self.state,
            self.facts.axes,
            restarts=len(in_window(self.state.budget(ProcessName.RT).restarts, now_ns, section)),
            budget=section.max_restart_count,
            events=self._parts.ports.log.written,
        )
        self._parts.ports.store.beat_nonrt()


def _ask(probe: Probe, now_ns: int, found: list[Measure]) -> None:
    """What came before a failure is kept."""
    for measure in probe.measures(now_ns):
        found.append(measure)
