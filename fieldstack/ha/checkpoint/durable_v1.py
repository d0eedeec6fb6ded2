"""Reads budgets and latches as version 1 kept them, and converts them to today's form.

Version 1 kept conditions by name, and restarts of RT and Core. Used by `durable_reading`.
"""

from __future__ import annotations

from typing import Any

from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.vocabulary import EFFECTS, ClearWhen, PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.table import RuleRow
from fieldstack.ha.policy.in_force.view import Policy

_RT, _CORE = ProcessName.RT.value, ProcessName.CORE.value
_CONDITIONS = {
    "rt_dead": (FactKind.PROCESS_DEAD, _RT),
    "rt_silent": (FactKind.PROCESS_SILENT, _RT),
    "rt_stopped": (FactKind.PROCESS_STOPPED, _RT),
    "rt_refused": (FactKind.PROCESS_REFUSED, _RT),
    "working_counter_lost": (FactKind.WORKING_COUNTER_LOW, "cell"),
    "positions_differ": (FactKind.POSITIONS_DIFFER, "cell"),
    "emergency_stop": (FactKind.EMERGENCY_STOP, "cell"),
    "core_dead": (FactKind.PROCESS_DEAD, _CORE),
    "core_silent": (FactKind.PROCESS_SILENT, _CORE),
    "restart_budget_spent": (FactKind.RESTART_BUDGET_SPENT, _RT),
}


def is_version_1(record: dict[str, Any]) -> bool:
    return "format" not in record and "restarts" in record and "conditions" in record


def upgraded(record: dict[str, Any], policy: Policy, form: int) -> dict[str, Any]:
    """The same in today's form. A condition that the policy in force clears by a reset waits for one, as
    before.

    Raises:
        KeyError, TypeError, AttributeError: it is damaged.
    """
    conditions: dict[str, str] = {str(name): str(cause) for name, cause in record["conditions"].items()}
    budgets = {str(name): {"restarts": list(times)} for name, times in record["restarts"].items()}
    if why := conditions.get("restart_budget_spent"):
        budgets.setdefault(_RT, {"restarts": []})["spent"] = why  # type: ignore[assignment]
    rules = [
        _rule(row, subject, cause)
        for name, cause in conditions.items()
        if name in _CONDITIONS
        for subject in (_CONDITIONS[name][1],)
        for row in policy.table.rules_for(_CONDITIONS[name][0], subject)
        if row.clear is not ClearWhen.GONE
    ]
    return record | {"format": form, "budgets": budgets, "rules": rules}


def _rule(row: RuleRow, subject: str, cause: str) -> dict[str, Any]:
    effects = {order.action for order in row.orders} & EFFECTS
    holds = [order.hold.value for order in row.orders if order.action is PolicyAction.AWAIT_MANUAL]
    return {
        "rule": row.name,
        "subject": subject,
        "cause": cause,
        "clear": row.clear.value,
        "effects": sorted(effect.value for effect in effects),
        "hold": holds[0] if holds else None,
        "override_percent": min((order.override_percent for order in row.orders), default=100),
        "groups": [],
        "evidence": None,
    }
