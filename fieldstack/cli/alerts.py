"""`fieldstack alerts`: tests the alert channels, and lists active and waiting alerts.

systemd's unit fieldstack-alert@ runs its `unit-failed` when systemd has given up a process.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldstack.cli.errors import UsageError
from fieldstack.cli.exit_codes import ExitCode, epilog
from fieldstack.cli.options import INSTANCE, InstanceOption, JsonOption, instance_of

if TYPE_CHECKING:
    from fieldstack.alerts.model.settings import AlertsSection
    from fieldstack_base.instance import Instance

app = typer.Typer(
    name="alerts",
    help="Alerts: test the channels, list what is firing and what waits.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Cell configuration; default: config/cell.yaml."),
]


@app.command("test", epilog=epilog())
def try_channels(
    channel: Annotated[
        str | None, typer.Option("--channel", metavar="C", help="Only this one; default: all of them.")
    ] = None,
    config: ConfigOption = None,
    instance: InstanceOption = INSTANCE,
    as_json: JsonOption = False,
) -> None:
    """Send one test alert through each channel now, and show what the receiver answered.

    It uses the channels of the configuration file; the cell need not be up. Severity and rate limits do not
    apply here. Exit code 1: a receiver did not take the alert.

    Example:

        fieldstack alerts test --channel ops
    """
    results = [
        _try(name, section, instance_of(instance)) for name, section in _chosen(config, channel).items()
    ]
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        for one in results:
            word = "ok" if one["taken"] else "FAILED"
            print(f"{one['channel']:12} {word:6} {one['ms']:7.1f} ms  {one['answer']}")
    raise typer.Exit(ExitCode.OK if all(one["taken"] for one in results) else ExitCode.FAILED)


@app.command("unit-failed", epilog=epilog())
def unit_failed(
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="As systemd names it.")],
) -> None:
    """Send an alert: systemd no longer restarts a unit of a cell. Its OnFailure= unit runs this.

    Example:

        fieldstack alerts unit-failed fieldstack-nonrt@press-2.service
    """
    from fieldstack.alerts import last_resort

    process, instance = _of_unit(unit)
    if _status(instance)["live"] and process == "nonrt":
        print(f"{unit} runs again: no alert is sent")
        return
    outcome = last_resort.send_directly(
        instance, last_resort.systemd_gave_up(unit, process, instance.name, _now(instance))
    )
    print(outcome)
    raise typer.Exit(ExitCode.FAILED if outcome.startswith("NOT TOLD") else ExitCode.OK)


def _of_unit(unit: str) -> tuple[str, Instance]:
    from fieldstack_base.instance import Instance

    process, at, name = unit.removesuffix(".service").removeprefix("fieldstack-").partition("@")
    if not at:
        raise UsageError(f"{unit!r} is no unit of a cell; one is fieldstack-nonrt@NAME.service")
    return process, Instance(name)


def _now(instance: Instance) -> str:
    """What RT does with the axes at this moment."""
    from fieldstack.status.status import StatusSource
    from fieldstack_rt.datastore import StoreError

    try:
        shot = StatusSource(instance).take()
    except (StoreError, OSError) as error:
        return f"What RT does is NOT KNOWN ({error})"
    if not shot.live:
        return "RT does not cycle"
    powered = [one.name for one in shot.axes if one.drive_state == "Operation enabled"]
    axes = f"under power: {', '.join(powered)}" if powered else "no axis is under power"
    return f"RT cycles, stop reason {shot.motion.stop_reason}, {axes} (hold_at_most_ms ends that)"


@app.command("list", epilog=epilog())
def list_(instance: InstanceOption = INSTANCE, as_json: JsonOption = False) -> None:
    """List active alerts, and those that wait in each channel; also when the cell is down.

    With the cell up, Non-RT tells how many each channel delivered, and its last error.

    Example:

        fieldstack alerts list --json | jq .firing
    """
    found = _status(instance_of(instance))
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for one in found["firing"]:
        print(f"FIRING {one['rule']} {one['subject']} x{one['count']}: {one['text']}")
    if not found["firing"]:
        print("nothing is firing")
    for name, one in found["channels"].items():
        print(f"{name:12} {_line(one)}")
    if not found["live"]:
        print("(the cell is down: as it was left on disk)")


def _chosen(config: Path | None, channel: str | None) -> dict[str, Any]:
    from fieldstack.cell.configuration import load
    from fieldstack.cell.locations import find

    section: AlertsSection = load(find(config)).alerts()
    if channel is None:
        return dict(section.channels)
    if channel not in section.channels:
        names = ", ".join(section.channels) or "none"
        raise UsageError(f"--channel {channel!r}: there is no such channel; configured are: {names}")
    return {channel: section.channels[channel]}


def _try(name: str, section: Any, instance: Instance) -> dict[str, Any]:
    from fieldstack.alerts.channels.make import make_channel
    from fieldstack.alerts.delivery import deliver_once
    from fieldstack.alerts.model.alert import AlertState, Report, make
    from fieldstack.cli.estop import user

    report = Report("test", "alerts", f"a test by {user()}: nothing has happened", section.min_severity)
    alert = make(report, AlertState.TEST, instance.name, time.time_ns())
    taken, answer, took_s = deliver_once(make_channel(section), alert)
    return {"channel": name, "taken": taken, "answer": answer, "ms": round(took_s * 1000, 1), "id": alert.id}


def _status(instance: Instance) -> dict[str, Any]:
    from fieldstack.process.nonrt_client import NonRtUnreachableError, ask

    try:
        reported = ask(instance, "status", 1.0).data.get("status", {}).get("alerts")
    except NonRtUnreachableError:
        reported = None
    return {"live": True, **reported} if isinstance(reported, dict) else {"live": False, **_left(instance)}


def _left(instance: Instance) -> dict[str, Any]:
    """What a Non-RT process that is gone left on the disk."""
    from fieldstack.alerts.service import RECORD, folder_of
    from fieldstack.alerts.spool import waiting_on_disk
    from fieldstack_base.durable import DurableRecord

    kept = (DurableRecord(instance.state_dir, RECORD).load().data or {}).get("incidents", {})
    folder = folder_of(instance.state_dir)
    channels = sorted(one for one in folder.glob("*") if one.is_dir())
    return {
        "firing": [{**one["report"], "count": one["total"]} for one in kept.values()],
        "channels": {one.name: {"queued": waiting_on_disk(one)} for one in channels},
    }


def _line(one: dict[str, Any]) -> str:
    words = [f"{one[key]} {key.replace('_', ' ')}" for key in ("queued", "delivered", "failed") if key in one]
    words += [f"{one[key]} {key.replace('_', ' ')}" for key in ("held_back", "dropped") if one.get(key)]
    error = f"; last error: {one['last_error']}" if one.get("last_error") else ""
    return ", ".join(words) + error
