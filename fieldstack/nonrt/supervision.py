"""One supervision pass: observe, decide, carry out, keep, publish, beat.

What only reports or keeps is tried again when it fails (`retried`). Without facts, decision and orders a pass
has failed. It does not beat, and after a few such passes Non-RT ends, so that whoever watches it starts it
again. The loop of the Non-RT process calls `run`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fieldstack.ha.decision.apply_policy import apply_policy
from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.decision.decide import decide
from fieldstack.ha.model.facts import Facts, Request
from fieldstack.ha.model.measures import Measure, Probe
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.observer import Observer
from fieldstack.ha.monitor.retried import Retries
from fieldstack.ha.policy.in_force.compiled import CompiledPolicy
from fieldstack.ha.policy.in_force.restart_budget import in_window
from fieldstack.nonrt.failover_manager import FailoverManager, Ports
from fieldstack.nonrt.pass_reports import PassReports
from fieldstack.nonrt.pending_answers import PendingAnswers
from fieldstack.nonrt.policy_in_force import PolicyInForce
from fieldstack.nonrt.state_keeper import StateKeeper
from fieldstack.nonrt.status import StatusWriter


@dataclass(frozen=True, slots=True)
class SupervisionParts:
    """What a pass works with."""

    ports: Ports
    force: PolicyInForce
    probes: Mapping[str, Probe]
    observer: Observer
    answers: PendingAnswers
    status: StatusWriter
    retries: Retries


PASSES_LOST = 3
"""This many passes in a row may fail. RT gets no beat meanwhile, and stops the axes by itself."""


class Supervision:
    """Holds the decision state; `run` is one pass."""

    def __init__(self, parts: SupervisionParts, state: DecisionState) -> None:
        ports = parts.ports
        self._parts = parts
        self.manager = FailoverManager(ports)
        self._keeper = StateKeeper(ports.store, ports.monitor, ports.checkpoint)
        self._reports = PassReports(ports.log, ports.alerts)
        self.state = state
        self.facts = Facts()
        self.retries = parts.retries
        self._failed_passes = 0
        parts.force.adopt = self._adopt

    def _adopt(self, old: CompiledPolicy, new: CompiledPolicy, file: str) -> None:
        """Continue with another policy. Raises PolicyError: an active rule would be lost; nothing changed."""
        self.state = apply_policy(self.state, old, new, file)

    @property
    def policy(self) -> CompiledPolicy:
        return self._parts.force.policy

    def describe_policy(self) -> dict[str, Any]:
        """Which policy is in force, for `status`."""
        force = self._parts.force
        return {"file": str(force.file), "sha256": force.digest, "rules": len(force.policy.rows)}

    @property
    def urgent(self) -> bool:
        """Whether the next pass should come soon: something is on its way."""
        tracks, answers = (self.state.rt, self.state.core), self._parts.answers
        counted = any(one.counted_ns for one in self.state.waiting)
        waiting = any(one.pending or one.counted_ns for one in tracks) or counted or answers.waiting
        return self.state.ha is HaState.RECOVERY or self.manager.busy or waiting

    # ---- a pass ----

    def run(self, now_ns: int) -> None:
        """One pass. If the last few passes failed, raises their error, after it was reported and the permit
        withdrawn."""
        try:
            self._pass(now_ns)
        except Exception as error:
            self._pass_failed(error)
        else:
            self._failed_passes = 0

    def _pass(self, now_ns: int) -> None:
        parts, attempt = self._parts, self.retries.attempt
        self._repair_words()
        attempt("process-manager", now_ns, parts.ports.processes.tick)
        self._follow_events(now_ns)
        attempt("module-care", now_ns, parts.ports.modules.tick)
        self.facts = self._observe(now_ns)
        before = self.state
        self._decide(now_ns, self.facts)
        attempt("alerts", now_ns, self._set_active_alerts)
        attempt("readbacks", now_ns, partial(parts.answers.follow, now_ns))
        attempt("checkpoint-keeping", now_ns, partial(self._keep_positions, now_ns, before))
        self._keeper.keep_decision(now_ns, self.state)
        self._reports.watch_log()
        self._publish(now_ns)

    def _decide(self, now_ns: int, facts: Facts) -> None:
        before = self.state
        self.state, actions = decide(now_ns, before, facts, self.policy)
        self._reports.state_changed(before, self.state)
        self._keeper.keep_decision(now_ns, self.state)  # a restart that takes this process along has counted
        self.manager.execute(actions, now_ns)

    def _pass_failed(self, error: Exception) -> None:
        """A failed pass does not beat. If failures continue, this process ends, and the next one begins with
        fresh facts."""
        self._failed_passes += 1
        what = self._reports.pass_failed(error, self._failed_passes)
        if self._failed_passes < PASSES_LOST:
            return
        self._parts.ports.store.motion_permit = False
        self._reports.ends(what)
        raise error

    # ---- its steps ----

    def _repair_words(self) -> None:
        """Withdraws a permit that nobody gave; it lasts no longer than a pass."""
        if damaged := self._parts.ports.store.rewrite_damaged_words():
            self._reports.words_repaired(damaged)

    def _follow_events(self, now_ns: int) -> None:
        for name, check in self._parts.observer.checks.items():
            self.retries.attempt(f"observer-{name}", now_ns, partial(check, now_ns))

    def _observe(self, now_ns: int) -> Facts:
        ports = self._parts.ports
        observed = ports.monitor.observe(now_ns)
        return replace(
            observed,
            requests=self._parts.answers.requests(),
            measures=self._measures(now_ns),
            outcomes=self.manager.outcomes(now_ns),
            group_of=ports.cell.group_of,
            filed_ns=ports.checkpoint.ha_filed_ns,
            filing_failure=ports.checkpoint.count_failure,
            parts=tuple(part.name for part in ports.cell.parts),
        )

    def _measures(self, now_ns: int) -> tuple[Measure, ...]:
        """The readings of all probes, also of one that failed half-way, and which probes fail."""
        found: list[Measure] = []
        for name, probe in self._parts.probes.items():
            self.retries.attempt(name, now_ns, partial(_ask, probe, now_ns, found))
        return (*found, *self.retries.measures(now_ns))

    def _set_active_alerts(self) -> None:
        active = frozenset((one.key.rule, one.key.subject) for one in self.state.active_rules)
        self._parts.ports.alerts.set_active(active)

    def _keep_positions(self, now_ns: int, before: DecisionState) -> None:
        self._keeper.keep_positions(now_ns, self.facts, changed=before.ha is not self.state.ha)

    def _publish(self, now_ns: int) -> None:
        ports, section = self._parts.ports, self.policy.process(ProcessName.RT)
        self._parts.status.write(
            now_ns,
            self.state,
            self.facts.axes,
            restarts=len(in_window(self.state.budget(ProcessName.RT).restarts, now_ns, section)),
            budget=section.max_restart_count,
            events=ports.log.written,
        )
        ports.store.beat_nonrt()

    # ---- the way down ----

    def shut_down(self, request: Request) -> None:
        """Decide a shutdown at once, whatever else is under way."""
        now_ns = time.monotonic_ns()
        self._decide(now_ns, replace(self.facts, requests=(request,)))
        self._keeper.keep_decision(now_ns, self.state)

    def finish(self) -> None:
        """A pass on the way down: nothing is decided any more; events, status and tasks are followed."""
        now_ns = time.monotonic_ns()
        self._keeper.keep_task(now_ns)
        self._follow_events(now_ns)
        self._parts.observer.finish()
        self._publish(now_ns)


def _ask(probe: Probe, now_ns: int, found: list[Measure]) -> None:
    """What came before a failure is kept."""
    for measure in probe.measures(now_ns):
        found.append(measure)
