"""Sends an alert without the Non-RT process: when that was given up, nobody else would.

`fieldstack up`, or a unit that systemd starts, plays the cell's own alert service for a moment. What is not
delivered by then is delivered by the next Non-RT process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from fieldstack.alerts.model.alert import Report
from fieldstack.alerts.model.settings import AlertsSection, load
from fieldstack.alerts.service import AlertService
from fieldstack_base.instance import Instance

TIMEOUT_S = 20.0
POLL_S = 0.02
SETTINGS = "alerts.json"
RULE = "given-up"


def send_directly(instance: Instance, report: Report, timeout_s: float = TIMEOUT_S) -> str:
    """Takes it in and delivers it. What has come of it, in words; never raises for a channel or a disk."""
    section, remark = _section(instance)
    service = AlertService(section, instance.name, instance.state_dir).start()
    receipt = service.raise_(report)
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and (receipt.awaited or _queued(service)):
        time.sleep(POLL_S)
    awaited, queued = receipt.awaited, _queued(service)
    service.close()
    if awaited:
        return f"NOT TOLD: {awaited}{remark}"
    if not receipt.messages:
        return f"no new alert: the same one was sent a moment ago, or no channel takes it{remark}"
    late = f"; {queued} message(s) wait for the next Non-RT process" if queued else ""
    return f"alert sent by {', '.join(section.channels) or 'nobody'}{late}{remark}"


def _queued(service: AlertService) -> int:
    return sum(int(one["queued"]) for one in service.status()["channels"].values())


def _section(instance: Instance) -> tuple[AlertsSection, str]:
    file = instance.runtime_dir / SETTINGS
    try:
        return load(file), ""
    except (OSError, ValueError) as error:
        return AlertsSection(), f" ({file} cannot be used: {error})"


def up_gave_up(why: str) -> Report:
    """Of `fieldstack up`, which has taken the cell down by then."""
    said = f"`fieldstack up` gave up and took the cell down: {why}"
    next_step = "Next: read that log, remove the cause, `fieldstack up`"
    return Report(RULE, "fieldstack-nonrt", f"{said}. {next_step}", lasting=True)


def systemd_gave_up(
    unit: str, process: str, cell: str, now: str, why: Mapping[str, str] = os.environ
) -> Report:
    """Of a unit that systemd does not start again.

    `now`: what was read of the cell; `why`: systemd's variables of an OnFailure= unit (systemd.exec(5)).
    """
    words = ("MONITOR_SERVICE_RESULT", "MONITOR_EXIT_CODE", "MONITOR_EXIT_STATUS")
    said = " ".join(why[word] for word in words if why.get(word)) or "it does not say why"
    text = (
        f"systemd has given up {unit} ({said}): nobody supervises the cell. {now}. Next: "
        f"`journalctl -u {unit} -n 100`, remove the cause, `systemctl reset-failed {unit}`, "
        f"`systemctl start fieldstack@{cell}.target`"
    )
    return Report(RULE, f"fieldstack-{process}", text, lasting=True)
