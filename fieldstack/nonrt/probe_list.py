"""Which probes a Non-RT process asks in each pass. Used by `parts`."""

from __future__ import annotations

from fieldstack.ha.actuators.alerts import Alerts
from fieldstack.ha.model.measures import Probe
from fieldstack.ha.probes.axes import Axes
from fieldstack.ha.probes.cycle import Cycle
from fieldstack.ha.probes.housekeeping import Housekeeping
from fieldstack.ha.probes.power import Power
from fieldstack.ha.probes.process_progress import ProcessProgress
from fieldstack.ha.probes.refused import RefusedAgain
from fieldstack.ha.probes.slaves import Slaves
from fieldstack.ha.probes.store_health import StoreHealth
from fieldstack.ha.probes.tasks import Tasks
from fieldstack.ha.probes.view import View
from fieldstack.nonrt.opening import Opened
from fieldstack.process.local import LocalProcessManager


def make_probes(opened: Opened, view: View, alerts: Alerts) -> dict[str, Probe]:
    """Those that read the cell, by name as `measures.FACTS_BY_PROBE` has them.

    Parts that are probes as well (checkpoint, modules, prediction) are added by who made them.
    """
    store, cell = opened.store, opened.cell
    return {
        "process-pace": ProcessProgress(view),
        "cycle": Cycle(view),
        "housekeeping": Housekeeping(view, store),
        "slaves": Slaves(view, cell),
        "axes": Axes(view, cell),
        "power": Power(view, cell),
        "shared-memory": StoreHealth(store),
        "tasks": Tasks(view),
        "refusals": _refusals(opened, alerts),
    }


def _refusals(opened: Opened, alerts: Alerts) -> RefusedAgain:
    log, processes = opened.log, opened.processes
    refused = {
        "channel": ("the receiver of alerts", alerts.refused),
        "disk": ("it does not take them", lambda: log.refused() | alerts.disk_refused()),
    }
    if isinstance(processes, LocalProcessManager):
        refused["spare"] = ("its warm spare", processes.spare_failures)
    return RefusedAgain(refused)
