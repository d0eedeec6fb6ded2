"""The words of the failover policy: processes, actions, clear conditions, and what a person has to do.

The policy's schema, the decision core and Non-RT use them.
"""

from __future__ import annotations

from enum import StrEnum


class ProcessName(StrEnum):
    """Processes of a cell by the name of their unit."""

    RT = "fieldstack-rt"
    CORE = "fieldstack-core"
    NONRT = "fieldstack-nonrt"


class PolicyAction(StrEnum):
    """The actions that a rule may order."""

    EMERGENCY_STOP = "EMERGENCY_STOP"
    SAFE_MODE_ENTER = "SAFE_MODE_ENTER"
    SAFE_MODE_EXIT = "SAFE_MODE_EXIT"
    DEGRADE = "DEGRADE"
    REBOOT_PROCESS = "REBOOT_PROCESS"
    RESTART_SLAVE = "RESTART_SLAVE"
    RESTART_MODULE = "RESTART_MODULE"
    REALLOCATE = "REALLOCATE"
    SEND_ALERT = "SEND_ALERT"
    AWAIT_MANUAL = "AWAIT_MANUAL"
    SHUTDOWN = "SHUTDOWN"


class ClearWhen(StrEnum):
    """When a rule ends: when its cause has been gone for a while, by a person's reset, or never."""

    GONE = "gone"
    RESET = "reset"
    NEVER = "never"


class Hold(StrEnum):
    """What ends AWAIT_MANUAL: a reset, or an acknowledgement."""

    RESET = "reset"
    ACK = "ack"


STOPPING_ACTIONS = frozenset({PolicyAction.EMERGENCY_STOP, PolicyAction.SAFE_MODE_ENTER})
"""Actions that keep the axes from moving until their rule is cleared."""

REMEDIES = frozenset(
    {
        PolicyAction.REBOOT_PROCESS,
        PolicyAction.RESTART_SLAVE,
        PolicyAction.RESTART_MODULE,
        PolicyAction.REALLOCATE,
    }
)
"""Actions that interrupt something to repair it: one at a time for a subject, and each uses budget."""

DEFERRABLE = REMEDIES | {PolicyAction.SHUTDOWN}
"""Actions that may wait for a safe moment."""

EFFECTS = STOPPING_ACTIONS | {PolicyAction.DEGRADE, PolicyAction.AWAIT_MANUAL, PolicyAction.SHUTDOWN}
"""Actions whose effect lasts until their rule is cleared."""

DEFAULT_TIMEOUT_MS = {
    PolicyAction.EMERGENCY_STOP: 200,
    PolicyAction.SAFE_MODE_ENTER: 200,
    PolicyAction.SAFE_MODE_EXIT: 1000,
    PolicyAction.DEGRADE: 2000,
    PolicyAction.REBOOT_PROCESS: 30_000,
    PolicyAction.RESTART_SLAVE: 10_000,
    PolicyAction.RESTART_MODULE: 10_000,
    PolicyAction.REALLOCATE: 10_000,
    PolicyAction.SEND_ALERT: 5000,
    PolicyAction.AWAIT_MANUAL: 1000,
    PolicyAction.SHUTDOWN: 1000,
}
"""The time in which an action has to be confirmed, if the policy gives none."""

DEFAULT_ESCALATION = {
    PolicyAction.SAFE_MODE_ENTER: (PolicyAction.EMERGENCY_STOP, PolicyAction.SEND_ALERT),
    PolicyAction.EMERGENCY_STOP: (PolicyAction.AWAIT_MANUAL, PolicyAction.SEND_ALERT),
    PolicyAction.SAFE_MODE_EXIT: (PolicyAction.SAFE_MODE_ENTER, PolicyAction.SEND_ALERT),
    PolicyAction.DEGRADE: (PolicyAction.SAFE_MODE_ENTER, PolicyAction.SEND_ALERT),
    PolicyAction.REBOOT_PROCESS: (PolicyAction.SEND_ALERT,),
    PolicyAction.RESTART_SLAVE: (PolicyAction.SEND_ALERT,),
    PolicyAction.RESTART_MODULE: (PolicyAction.SEND_ALERT,),
    PolicyAction.REALLOCATE: (PolicyAction.SEND_ALERT,),
}
"""What follows an unconfirmed action, if the policy does not say; the chains end. Others: nothing."""
