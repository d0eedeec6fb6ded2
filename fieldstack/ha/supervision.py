"""One supervision pass: observe, decide, carry out, keep, publish, beat."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.decide import decide
from fieldstack.ha.decision_state import DecisionState
from fieldstack.ha.durable_state import outlives, to_record
from fieldstack.ha.facts import Facts, Request, unhealthy
from fieldstack.ha.failover_manager import FailoverManager, Ports
from fieldstack.ha.measures import Measure, Probe
from fieldstack.ha.observer import Observer
from fieldstack.ha.operator import OperatorDesk
from fieldstack.ha.policy.compiled import CompiledPolicy
from fieldstack.ha.policy_in_force import PolicyInForce
from fieldstack.ha.refit import refit
from fieldstack.ha.restarts import in_window
from fieldstack.ha.states import MOVING, HaState
from fieldstack.ha.status import StatusWriter
from fieldstack.ha.vocabulary import ProcessName


@dataclass(frozen=True, slots=True)
class SupervisionParts:
    """What a pass works with."""

    ports: Ports
    force: PolicyInForce
    probes: tuple[Probe, ...]
    observer: Observer
    desk: OperatorDesk
    status: StatusWriter


class Supervision:
    """Holds the decision state; `run` is one pass. After an error inside a pass nothing beats."""

    def __init__(self, parts: SupervisionParts, state: DecisionState) -> None:
        self._parts = parts
        self.manager = FailoverManager(parts.ports)
        self.state = state
        self.facts = Facts()
        self._probes = parts.probes
        self._kept: tuple[Any, ...] = ()
        self._log_failure = ""
        parts.force.adopt = self._adopt

    def _adopt(self, old: CompiledPolicy, new: CompiledPolicy, file: str) -> None:
        """Go on under another policy. PolicyError: a rule that counts now would be lost; nothing changed."""
        self.state = refit(self.state, old, new, file)

    @property
    def urgent(self) -> bool:
        """Whether the next pass should come soon: something is on its way."""
        waiting = self.state.rt.pending or self.state.core.pending or self._parts.desk.waiting
        return self.state.ha is HaState.RECOVERY or self.manager.busy or bool(waiting)

    def run(self, now_ns: int) -> None:
        parts = self._parts
        self._keep_words()
        parts.ports.processes.tick()
        parts.observer.look(now_ns)
        parts.ports.modules.tick()
        observed = parts.ports.monitor.observe(now_ns)
        self.facts = replace(
            observed,
            requests=parts.desk.requests(),
            measures=self._measures(now_ns),
            outcomes=self.manager.outcomes(now_ns),
            group_of=parts.ports.cell.group_of,
            parts=tuple(part.name for part in parts.ports.cell.parts),
        )
        before = self.state
        self.state, actions = decide(now_ns, before, self.facts, self.policy)
        self._tell_change(before)
        self._keep(now_ns)  # a restart that takes this process along with it has counted
        self.manager.execute(actions, now_ns)
        parts.ports.alerts.settle(frozenset((one.key.rule, one.key.subject) for one in self.state.episodes))
        self._start_axes()
        parts.desk.follow(now_ns)
        self._checkpoint(now_ns, before)
        self._keep(now_ns)
        self._watch_log(parts.ports.log)
        self._publish(now_ns)

    def _start_axes(self) -> None:
        status = self._parts.ports.monitor.rt_status
        if status is not None and self.state.ha in MOVING and status.axes_await_start:
            self._parts.ports.store.order_start(status, int(status.axes_await_start))

    @property
    def policy(self) -> CompiledPolicy:
        return self._parts.force.policy

    def describe_policy(self) -> dict[str, Any]:
        """Which policy is in force, for `status`."""
        force = self._parts.force
        return {"file": str(force.file), "sha256": force.digest, "rules": len(force.policy.rows)}

    def _measures(self, now_ns: int) -> tuple[Measure, ...]:
        """What all probes know now. A probe that fails is told of once and asked no more."""
        found: list[Measure] = []
        for probe in self._probes:
            try:
                found += probe.measures(now_ns)
            except Exception as error:
                self._probes = tuple(one for one in self._probes if one is not probe)
                what = f"probe {type(probe).__name__} failed and is left out: {error!r}"
                self._parts.ports.log.append(EventKind.SUPERVISION, severity=Severity.ERROR, what=what)
        return tuple(found)

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
        self._parts.observer.look(now_ns)
        self._parts.observer.finish()
        self._publish(now_ns)

    def _keep_words(self) -> None:
        """A permit that nobody gave lasts no longer than a pass."""
        if damaged := self._parts.ports.store.keep_words():
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
        waiting = tuple(one for one in state.episodes if outlives(one))
        kept = (state.ha, waiting, state.budgets, estop.on_reset)
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
            restarts=len(in_window(self.state.budget(ProcessName.RT).restarts, now_ns, section)),
            budget=section.max_restart_count,
            events=self._parts.ports.log.written,
        )
        self._parts.ports.store.beat_nonrt()
