"""Which checks each endpoint asks, with the meaning that Kubernetes gives to it.

The routes answer by it, and `/metrics` has each check's level.

| HA state | /livez | /readyz | why |
| --- | --- | --- | --- |
| OPERATIONAL, DEGRADED | 200 | 200 | it does its work; 503 with an axis beyond its limits |
| SAFE_MODE, RECOVERY, MANUAL_INTERVENTION, SHUTDOWN | 200 | 503 | it lives: a restart helps nobody |
| UNSUPERVISED (Non-RT gone) | 503 after the grace time | 503 | nobody brings it back from inside |
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fieldstack.health.checks.axes import AxesCheck
from fieldstack.health.checks.cell import (
    ControlCheck,
    EmergencyStopCheck,
    HaStateCheck,
    MonitoringCheck,
    ObserverCheck,
    StartedCheck,
    SupervisionCheck,
)
from fieldstack.health.checks.clock import ClockCheck
from fieldstack.health.checks.datastore import DataStoreCheck
from fieldstack.health.checks.disk import DiskCheck
from fieldstack.health.checks.ethercat import EtherCatCheck
from fieldstack.health.checks.processes import ProcessCheck
from fieldstack.health.checks.realtime import (
    GuardMemoryCheck,
    IsolationCheck,
    KernelCheck,
    MemoryLockCheck,
    PowerCheck,
    SchedulerCheck,
)
from fieldstack.health.model.observation import Observation
from fieldstack.health.model.result import CheckResult, HealthCheck, Level, failed, worst
from fieldstack.health.model.settings import HealthSettings

ENDPOINTS: dict[str, frozenset[str] | None] = {
    "livez": frozenset({"observer", "supervision"}),
    "readyz": frozenset(
        {
            *("observer", "process-nonrt", "process-rt", "ha-state", "emergency-stop", "datastore"),
            *("ethercat", "axes"),
        }
    ),
    "startupz": frozenset({"observer", "started"}),
    "healthz": None,
}
"""The checks by name; None: all of them."""


@dataclass(frozen=True, slots=True)
class EndpointVerdict:
    """What one endpoint says. `unknown`: names that were to be excluded and are no check of it."""

    endpoint: str
    results: tuple[CheckResult, ...]
    excluded: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def level(self) -> Level:
        return worst([one.level for one in self.results if one.name not in self.excluded])

    @property
    def code(self) -> int:
        """HTTP status: 503 if a check that counts has failed."""
        return 503 if self.level is Level.FAIL else 200


def all_checks(settings: HealthSettings) -> tuple[HealthCheck, ...]:
    """Every check, in the order in which people read them."""
    return (
        ObserverCheck(),
        SupervisionCheck(settings.live_grace_s),
        StartedCheck(),
        HaStateCheck(),
        EmergencyStopCheck(),
        ProcessCheck("rt"),
        ProcessCheck("nonrt"),
        ProcessCheck("core", optional=True),
        EtherCatCheck(),
        AxesCheck(),
        DataStoreCheck(),
        ControlCheck(),
        MonitoringCheck(),
        DiskCheck(settings.disk_warn, settings.disk_fail),
        ClockCheck(),
        SchedulerCheck(),
        MemoryLockCheck(),
        GuardMemoryCheck(),
        IsolationCheck(),
        KernelCheck(),
        PowerCheck(),
    )


def _run_check(one: HealthCheck, seen: Observation, now_ns: int) -> CheckResult:
    """A check that fails to look has failed; the others are answered."""
    try:
        return one.check(seen, now_ns)
    except Exception as error:
        traceback.print_exc()
        return CheckResult(one.name, failed(f"could not be looked at: {type(error).__name__}: {error}"), None)


def evaluate_endpoint(
    endpoint: str,
    checks: Sequence[HealthCheck],
    seen: Observation,
    now_ns: int,
    exclude: Collection[str] = (),
) -> EndpointVerdict:
    """The verdict of `endpoint` (a key of ENDPOINTS) on an observation at `now_ns`."""
    wanted = ENDPOINTS[endpoint]
    asked = [check for check in checks if wanted is None or check.name in wanted]
    names = {check.name for check in asked}
    return EndpointVerdict(
        endpoint,
        tuple(_run_check(check, seen, now_ns) for check in asked),
        tuple(sorted(names & set(exclude))),
        tuple(sorted(set(exclude) - names)),
    )
