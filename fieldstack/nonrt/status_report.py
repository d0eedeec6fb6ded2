"""The answer to `status` on Non-RT's control socket: everything that is known, as plain data.

`fieldstack status --json`, the health server and the bug report show it. Keys are words that users know.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from fieldstack.ha.actuators.alerts import Alerts
from fieldstack.ha.checkpoint.state_checkpoint import StateCheckpoint
from fieldstack.ha.decision.context.decision_state import ActiveRule, WaitingAction
from fieldstack.ha.decision.operator_requests import known_requests
from fieldstack.ha.decision.restart_interlock import cause_text, reason_text
from fieldstack.ha.model.facts import Facts, ProcessFacts
from fieldstack.ha.model.measures import FactKind, Measure, unknown_facts
from fieldstack.ha.modules.modules import Modules
from fieldstack.ha.monitor.process_history import History
from fieldstack.ha.policy.in_force.restart_budget import in_long_window, in_window
from fieldstack.nonrt.prediction_service import PredictionService
from fieldstack.nonrt.supervision import Supervision


@dataclass(frozen=True, slots=True)
class StatusSources:
    """Who is asked for it."""

    supervision: Supervision
    history: History
    modules: Modules
    checkpoint: StateCheckpoint
    alerts: Alerts
    prediction: PredictionService


def report(sources: StatusSources) -> dict[str, Any]:
    """Times in CLOCK_MONOTONIC ns unless the name says otherwise."""
    now_ns = time.monotonic_ns()
    return {
        **_supervision(sources.supervision, now_ns),
        "modules": sources.modules.describe(),
        "history": sources.history.to_dict(),
        "policy": _policy(sources.supervision),
        "checkpoint": sources.checkpoint.describe(),
        "alerts": sources.alerts.status(),
        **sources.prediction.describe(now_ns),
    }


def _policy(supervision: Supervision) -> dict[str, Any]:
    return supervision.describe_policy() | {"words": list(known_requests(supervision.policy))}


def _supervision(supervision: Supervision, now_ns: int) -> dict[str, Any]:
    state, facts = supervision.state, supervision.facts
    unknown = unknown_facts(facts.measures)
    return {
        "pid": os.getpid(),
        "t_ns": now_ns,
        "ha": {
            "state": state.ha.name,
            "reason": reason_text(state, facts.axes),
            "held_by": [{"rule": key.rule, "subject": key.subject} for key in state.held_by],
            "since_ns": state.since_ns,
        },
        "start": {
            "waits": bool(facts.axes.waiting),
            "ready": bool(facts.axes.free),
            "why": cause_text(state.interlock),
        },
        "rt": _process(facts.rt),
        "core": facts.core and _process(facts.core),
        "estop": {"on_reset": facts.estop.on_reset, "on_recovery": facts.estop.on_recovery},
        "rules": [_rule(one, unknown) for one in state.active_rules],
        "blind": supervision.retries.describe(now_ns),
        "waiting": [_waiting(one, now_ns) for one in state.waiting],
        "limits": asdict(state.limits),
        "budgets": _budgets(supervision, now_ns),
        "actions_in_flight": supervision.manager.in_flight(now_ns),
        "measures": list(_measures(facts)),
    }


def _process(facts: ProcessFacts) -> dict[str, Any]:
    return {
        "pid": facts.pid,
        "condition": facts.condition,
        "why": facts.why,
        "start_id": facts.start_id,
        "since_ns": facts.since_ns,
    }


def _rule(one: ActiveRule, unknown: frozenset[FactKind]) -> dict[str, Any]:
    """An active rule, and what it waits for. `stale`: it is not known now whether its cause is there."""
    return {
        "rule": one.key.rule,
        "subject": one.key.subject,
        "cause": one.cause,
        "since_ns": one.since_ns,
        "gone_ns": one.gone_ns,
        "effects": sorted(one.effects),
        "clear": one.clear,
        "waits_for": one.hold,
        "stale": one.evidence is not None and one.evidence.fact in unknown,
        "evidence": one.evidence and asdict(one.evidence),
    }


def _waiting(one: WaitingAction, now_ns: int) -> dict[str, Any]:
    """An action that is ordered later: at a safe moment, after its backoff, or when its subject is free."""
    return {
        "action": one.order.action,
        "rule": one.key.rule,
        "subject": one.order.target or one.key.subject,
        "at_latest_in_ms": max(0, max(one.due_ns, one.not_before_ns) - now_ns) / 1e6,
    }


def _budgets(supervision: Supervision, now_ns: int) -> dict[str, Any]:
    """How many restarts count now, how many are allowed, and in which window."""
    state, policy = supervision.state, supervision.policy
    subjects = [str(section.process_name) for section in policy.processes]
    subjects += [use.subject for use in state.budgets if use.subject not in subjects]
    found: dict[str, Any] = {}
    for subject in subjects:
        use, budget = state.budget(subject), policy.budget(subject)
        found[subject] = {
            "used": len(in_window(use.restarts, now_ns, budget)) if budget else len(use.restarts),
            "allowed": budget.max_restart_count if budget else 0,
            "window_sec": budget.restart_window_sec if budget else 0,
            "long_used": len(in_long_window(use.restarts, now_ns, budget)) if budget else len(use.restarts),
            "long_allowed": budget.long_count if budget else 0,
            "long_window_sec": budget.long_window_ns / 1e9 if budget else 0,
            "spent": use.spent,
        }
    return found


def _measures(facts: Facts) -> Iterable[dict[str, Any]]:
    return (_measure(one) for one in facts.measures)


def _measure(one: Measure) -> dict[str, Any]:
    return asdict(one)
