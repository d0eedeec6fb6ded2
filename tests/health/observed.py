"""Observations of cells in any state, as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fieldstack.health.checks.probes import EndpointVerdict, all_checks, evaluate_endpoint
from fieldstack.health.model.observation import (
    ClockView,
    CycleThread,
    DiskView,
    MemoryView,
    Observation,
    Sample,
    SetupView,
)
from fieldstack.health.model.result import CheckResult
from fieldstack.health.model.settings import HealthSettings
from fieldstack.host.memory_lock import MemoryLock
from fieldstack.status import snapshot
from fieldstack.status.liveness import ProcessView
from fieldstack.status.snapshot import Clock, EstopSourceView, EstopView, HaView, Snapshot
from fieldstack.status.snapshot_bus import BusView, SlaveView
from fieldstack_base.instance import Instance

S = 1_000_000_000
NOW = 1000 * S
STALE = 2 * S
CHECKS = all_checks(HealthSettings("cell"))


def process(state: str = "running", *, last_ns: int = NOW) -> ProcessView:
    return ProcessView(4711, state, None, None, last_ns)


def bus(*al_states: str, wkc: int | None = 6, expected: int = 6) -> BusView:
    slaves = tuple(SlaveView(at, f"s{at}", state, 0) for at, state in enumerate(al_states or ("OP", "OP")))
    return replace(
        BusView.unknown(),
        slaves=slaves,
        al_states=tuple(one.al_state for one in slaves),
        wkc=wkc,
        expected_wkc=expected,
        wkc_good=wkc == expected,
    )


def ha(state: str, reason: str = "") -> HaView:
    return HaView(state, state, reason, None, 0, 5)


LATCHED = EstopView(True, True, (EstopSourceView("API", "on_reset", "door open (Ann)", 1, None),))


def shot(**changes: Any) -> Snapshot:
    """A healthy cell, with these changes."""
    down = snapshot.down(Instance("cell"), Clock(NOW, 1.8e9), since=None, note="")
    well: dict[str, Any] = {
        "cell": "up",
        "live": True,
        "rt": process(),
        "nonrt": process(),
        "core": process(),
        "ha": ha("OPERATIONAL"),
        "bus": bus(),
    }
    return replace(down, **(well | changes))


THREAD = CycleThread(99, "SCHED_FIFO", 80, (3,), 40_000, 30_000)
SETUP = SetupView(
    *(THREAD, True, (3,), (3,), "madvise", {3: "performance"}, 2, 0, -1, 1_000_000, 0, 0),
    nonrt_memory=MemoryLock("locked", 899_900, 40_000, 900_000),
)
CLOCK = ClockView(0, 0.0, 0, 0, True, 0.01, 1.8e9)
DISK = DiskView("state", "/s", 0.2, 1 << 30, 0.1, False)


def sample(source: str, value: Any, *, error: str = "", taken_ns: int = NOW) -> Sample[Any]:
    return Sample(source, STALE, value, error, taken_ns)


def seen(taken_ns: int = NOW, **changes: Any) -> Observation:
    """Of a healthy cell; keys of a snapshot, or of an observation, change it."""
    own = {key: changes.pop(key) for key in ("setup", "clock", "disk", "control") if key in changes}
    view = {key: changes.pop(key) for key in ("torn", "damage", "rt_beat") if key in changes}
    # A store is only asked for by metrics: here it is enough that there is one.
    memory = MemoryView(shot(**changes), object(), **({"rt_beat": 5} | view))  # type: ignore[arg-type]
    return Observation(
        sample("memory", memory, taken_ns=taken_ns),
        sample("control", own.get("control", {}), taken_ns=taken_ns),
        sample("disk", own.get("disk", (DISK,)), taken_ns=taken_ns),
        sample("clock", own.get("clock", CLOCK), taken_ns=taken_ns),
        sample("setup", own.get("setup", SETUP), taken_ns=taken_ns),
    )


def verdict(
    endpoint: str, observation: Observation, now_ns: int = NOW, exclude: tuple[str, ...] = ()
) -> EndpointVerdict:
    return evaluate_endpoint(endpoint, CHECKS, observation, now_ns, exclude)


def check(name: str, observation: Observation, now_ns: int = NOW) -> CheckResult:
    return next(one for one in verdict("healthz", observation, now_ns).results if one.name == name)
