"""The words of the failover policy: processes, conditions, actions and clear conditions."""

from __future__ import annotations

from enum import StrEnum


class ProcessName(StrEnum):
    """Processes of a cell by the name of their unit."""

    RT = "fieldstack-rt"
    CORE = "fieldstack-core"
    NONRT = "fieldstack-nonrt"


class Condition(StrEnum):
    """What can be wrong with a cell. Each has exactly one rule in a policy."""

    RT_DEAD = "rt_dead"
    RT_SILENT = "rt_silent"
    RT_STOPPED = "rt_stopped"
    WORKING_COUNTER_LOST = "working_counter_lost"
    POSITIONS_DIFFER = "positions_differ"
    EMERGENCY_STOP = "emergency_stop"
    CORE_DEAD = "core_dead"
    CORE_SILENT = "core_silent"
    RESTART_BUDGET_SPENT = "restart_budget_spent"


class PolicyAction(StrEnum):
    """What a rule may ask for, worst first: the order in which actions are carried out."""

    EMERGENCY_STOP = "EMERGENCY_STOP"
    SAFE_MODE_ENTER = "SAFE_MODE_ENTER"
    REBOOT_PROCESS = "REBOOT_PROCESS"
    SEND_ALERT = "SEND_ALERT"


class ClearWhen(StrEnum):
    """When a condition stops counting: by itself once its cause has gone, or by an operator's reset."""

    ON_RECOVERY = "on_recovery"
    ON_RESET = "on_reset"


STOPPING_ACTIONS = frozenset({PolicyAction.EMERGENCY_STOP, PolicyAction.SAFE_MODE_ENTER})
"""Actions that keep the axes from moving until their condition is cleared."""

RT_LOST = frozenset({Condition.RT_DEAD, Condition.RT_SILENT})
CORE_LOST = frozenset({Condition.CORE_DEAD, Condition.CORE_SILENT})
PROCESS_LOST = RT_LOST | CORE_LOST
