"""The results of the cycle benchmark: distributions, ratios, faults and their causes, bounds.

`command` prints them and writes them to a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack.bench.cycle import attribution
from fieldstack.bench.cycle.attribution import Fault
from fieldstack.bench.cycle.bare_exchange import BareExchange
from fieldstack.bench.cycle.options import CycleOptions, LoadKind, Reference
from fieldstack.bench.cycle.run import CycleRecord
from fieldstack.bench.cycle.witnesses import Witnesses
from fieldstack.bench.harness.checks import Check
from fieldstack.bench.harness.percentiles import Percentiles, microseconds, ratio
from fieldstack.bench.harness.wakes import Wake, Window, inside

WAKE_LIMIT = 1.1
LOAD_LIMIT = 1.2
EXCHANGE_LIMIT = 1.15
LISTED_FAULTS = 1000


@dataclass(frozen=True, slots=True)
class Condition:
    """The cycle under one condition, and cyclictest's wake-ups in the same time, if it ran."""

    cycles: int
    lost: int
    late: int
    wake_us: Percentiles
    exchange_us: Percentiles
    reference_wake_us: Percentiles | None
    faults: tuple[Fault, ...]

    @property
    def unexplained_lost(self) -> int:
        """Lost frames for which no witness saw a stall of the machine."""
        found = [fault for fault in self.faults if fault.cause is attribution.Cause.UNEXPLAINED]
        return sum("lost" in fault.kinds for fault in found)

    def to_json(self, suffix: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {
            f"wake{suffix}_us": self.wake_us.to_json(),
            f"exchange{suffix}_us": self.exchange_us.to_json(),
        }
        if self.reference_wake_us:
            found[f"reference_wake{suffix}_us"] = self.reference_wake_us.to_json()
        found |= {f"cycles{suffix}": self.cycles, f"lost{suffix}": self.lost, f"late{suffix}": self.late}
        found[f"causes{suffix}"] = attribution.count(self.faults)
        return found


@dataclass(frozen=True, slots=True)
class CycleResult:
    """`main`: the condition that was asked for. `unloaded`: without load, if that condition has load."""

    options: CycleOptions
    main: Condition
    unloaded: Condition | None
    bare_us: Percentiles | None
    bare_spin_us: Percentiles | None
    bare_lost: int
    watchdog_expiries: int
    missed_samples: int
    segment_stalls: int
    witness: dict[str, Any]
    bare_wake_us: Percentiles | None
    bare_spin_wake_us: Percentiles | None
    idle: dict[str, dict[int, float]]
    """Of each turn (`cycle`, `bare`, `bare_spin`): how idle each CPU was, as a share of the time."""

    def ratios(self) -> dict[str, float]:
        found: dict[str, float] = {}
        if self.main.reference_wake_us:
            found["wake_p99"] = ratio(self.main.wake_us.p99, self.main.reference_wake_us.p99)
        if self.unloaded:
            found["wake_p99_loaded"] = ratio(self.main.wake_us.p99, self.unloaded.wake_us.p99)
        quiet = self.unloaded or self.main
        for name, bare in (("exchange_p50", self.bare_us), ("exchange_p50_spin", self.bare_spin_us)):
            if bare:
                found[name] = ratio(quiet.exchange_us.p50, bare.p50)
        return found

    def checks(self) -> list[Check]:
        limits = {
            "wake_p99": ("wake-up p99 beside cyclictest's", WAKE_LIMIT),
            "wake_p99_loaded": ("wake-up p99 with load beside without", LOAD_LIMIT),
            "exchange_p50": ("exchange p50 beside the bare loop's", EXCHANGE_LIMIT),
            "exchange_p50_spin": (
                "exchange p50 beside the spinning bare loop's",
                EXCHANGE_LIMIT,
            ),
        }
        found = [Check(limits[name][0], value, limits[name][1]) for name, value in self.ratios().items()]
        unexplained = self.main.unexplained_lost
        found.append(Check("lost cycles without a stall of the machine", unexplained, 0))
        found.append(Check("watchdog expiries of slaves", self.watchdog_expiries, 0))
        found.append(Check("samples that were overwritten unread", self.missed_samples, 0))
        return found

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = self.main.to_json()
        if self.unloaded:
            found |= self.unloaded.to_json("_unloaded")
        if self.bare_us:
            found["reference_exchange_us"] = self.bare_us.to_json()
        if self.bare_spin_us:
            found["reference_exchange_spin_us"] = self.bare_spin_us.to_json()
        if self.bare_wake_us:
            found["bare_wake_us"] = self.bare_wake_us.to_json()
        if self.bare_spin_wake_us:
            found["bare_wake_spin_us"] = self.bare_spin_wake_us.to_json()
        faults = [*self.main.faults, *(self.unloaded.faults if self.unloaded else ())]
        return found | {
            "ratios": self.ratios(),
            "checks": [check.to_json() for check in self.checks()],
            "watchdog_expiries": self.watchdog_expiries,
            "missed_samples": self.missed_samples,
            "reference_lost": self.bare_lost,
            "segment_stalls": self.segment_stalls,
            "witnesses": self.witness,
            "idle": {
                turn: {str(cpu): one for cpu, one in shares.items()} for turn, shares in self.idle.items()
            },
            "faults": [fault.to_json() for fault in faults[:LISTED_FAULTS]],
            "load": str(self.options.load),
            "devices": self.options.devices if not self.options.interface else "",
            "reference": str(self.options.reference),
            "period_us": self.options.cycle_us,
        }


def evaluate(options: CycleOptions, record: CycleRecord, seen: Witnesses) -> CycleResult:
    """Raises NoSamplesError if a distribution that was asked for has no samples."""
    if options.load is LoadKind.NONE:
        main = _condition(options, record, seen, record.windows, record.reference_windows)
        unloaded = None
    else:
        loaded_parts, free_parts = (record.slices(record.windows, loaded=loaded) for loaded in (True, False))
        concurrent = options.reference is Reference.CONCURRENT
        reference = record.reference_windows
        main = _condition(options, record, seen, loaded_parts, loaded_parts if concurrent else [])
        unloaded = _condition(options, record, seen, free_parts, free_parts if concurrent else reference)
    return CycleResult(
        options=options,
        main=main,
        unloaded=unloaded,
        bare_us=_bare(record.bare, "the bare loop"),
        bare_spin_us=_bare(record.bare_spin, "the bare loop with a spinning socket"),
        bare_lost=sum(found.lost for found in record.bare + record.bare_spin),
        watchdog_expiries=record.watchdog_expiries,
        missed_samples=record.missed_samples,
        segment_stalls=record.segment_stalls,
        witness=seen.to_json(),
        bare_wake_us=_bare_wake(record.bare, "the bare loop's wake-up"),
        bare_spin_wake_us=_bare_wake(record.bare_spin, "the spinning bare loop's wake-up"),
        idle={
            "cycle": _mean(record.idle),
            "bare": _mean([run.idle for run in record.bare]),
            "bare_spin": _mean([run.idle for run in record.bare_spin]),
        },
    )


def _bare_wake(found: list[BareExchange], what: str) -> Percentiles | None:
    if not found:
        return None
    return microseconds((value for run in found for value in run.wake_ns), what)


def _mean(found: list[dict[int, float]]) -> dict[int, float]:
    cpus = sorted({cpu for one in found for cpu in one})
    return {cpu: round(sum(one.get(cpu, 0.0) for one in found) / len(found), 3) for cpu in cpus}


def _condition(
    options: CycleOptions,
    record: CycleRecord,
    seen: Witnesses,
    windows: list[Window],
    reference_windows: list[Window],
) -> Condition:
    taken = inside(record.samples, windows)
    reference = inside(record.cyclictest, reference_windows)
    return Condition(
        cycles=len(taken),
        lost=sum(sample.lost for sample in taken),
        late=sum(sample.late for sample in taken),
        wake_us=microseconds((sample.wake_ns for sample in taken), "the cycle's wake-up"),
        exchange_us=microseconds((s.exchange_ns for s in taken if s.wkc >= 0), "the cycle's exchange"),
        reference_wake_us=_reference(options, reference, bool(reference_windows)),
        faults=tuple(attribution.explain(taken, seen.stalls(), seen.steals)),
    )


def _reference(options: CycleOptions, wakes: list[Wake], wanted: bool) -> Percentiles | None:
    if options.reference is Reference.NONE or not wanted:
        return None
    return microseconds((wake.late_ns for wake in wakes), "cyclictest")


def _bare(found: list[BareExchange], what: str) -> Percentiles | None:
    if not found:
        return None
    return microseconds((value for run in found for value in run.exchange_ns), what)
