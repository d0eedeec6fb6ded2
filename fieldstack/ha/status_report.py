"""The answer to `status` on Non-RT's control socket: everything that is known, as plain data."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from fieldstack.ha.facts import Facts, ProcessFacts
from fieldstack.ha.measures import Measure
from fieldstack.ha.modules import Modules
from fieldstack.ha.process_history import History
from fieldstack.ha.supervision import Supervision


def report(supervision: Supervision, history: History, modules: Modules) -> dict[str, Any]:
    """Times in CLOCK_MONOTONIC ns unless the name says otherwise."""
    state, facts, now_ns = supervision.state, supervision.facts, time.monotonic_ns()
    return {
        "pid": os.getpid(),
        "t_ns": now_ns,
        "ha": {"state": state.ha.name, "reason": state.reason, "since_ns": state.since_ns},
        "rt": _process(facts.rt),
        "core": facts.core and _process(facts.core),
        "estop": {"on_reset": facts.estop.on_reset, "on_recovery": facts.estop.on_recovery},
        "conditions": {one.condition: one.cause for one in state.conditions},
        "budgets": _budgets(supervision, now_ns),
        "actions_in_flight": supervision.manager.in_flight(now_ns),
        "measures": list(_measures(facts)),
        "modules": modules.describe(),
        "history": history.to_dict(),
        "policy": supervision.describe_policy(),
    }


def _process(facts: ProcessFacts) -> dict[str, Any]:
    return {
        "pid": facts.pid,
        "condition": facts.condition,
        "why": facts.why,
        "start_id": facts.start_id,
        "since_ns": facts.since_ns,
    }


def _budgets(supervision: Supervision, now_ns: int) -> dict[str, Any]:
    """Restarts that count now, of how many that are allowed in which window."""
    found: dict[str, Any] = {}
    for track in (supervision.state.rt, supervision.state.core):
        section = supervision.policy.process(track.name)
        used = sum(now_ns - at < section.window_ns for at in track.restarts)
        found[track.name] = {
            "used": used,
            "allowed": section.max_restart_count,
            "window_sec": section.restart_window_sec,
        }
    return found


def _measures(facts: Facts) -> Iterable[dict[str, Any]]:
    return (_measure(one) for one in facts.measures)


def _measure(one: Measure) -> dict[str, Any]:
    return asdict(one)
