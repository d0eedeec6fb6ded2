"""Measures: what was observed in a cell at one moment, in plain numbers. The policy says what they mean.

A probe reads and never judges. Thresholds, windows and debounce times belong to the policy, and only the
decision core applies them. So a recorded timeline of measures gives the same decisions again. Probes make
measures; the decision core and the policy's checks use their kinds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Protocol


class FactKind(StrEnum):
    """What can be observed: the word that a rule of the policy uses."""

    PROCESS_DEAD = "process_dead"
    PROCESS_REFUSED = "process_refused"
    PROCESS_SILENT = "process_silent"
    PROCESS_SLOW = "process_slow"
    PROCESS_STOPPED = "process_stopped"
    HOUSEKEEPING_SILENT = "housekeeping_silent"
    MODULE_DEAD = "module_dead"
    DEADLINE_MISSES_IN_A_ROW = "deadline_misses_in_a_row"
    DEADLINE_MISSES = "deadline_misses"
    WORKING_COUNTER_LOW = "working_counter_low"
    SLAVE_LOST = "slave_lost"
    SLAVE_AL_ERROR = "slave_al_error"
    SLAVE_RX_ERRORS = "slave_rx_errors"
    DC_LOST = "dc_lost"
    FOLLOWING_ERROR = "following_error"
    AXIS_RUNS_ON = "axis_runs_on"
    AXIS_BEYOND_LIMIT = "axis_beyond_limit"
    DRIVE_FAULT = "drive_fault"
    POSITIONS_DIFFER = "positions_differ"
    GROUP_POSITIONS_DIFFER = "group_positions_differ"
    EMERGENCY_STOP = "emergency_stop"
    CPU_HIGH = "cpu_high"
    MEMORY_HIGH = "memory_high"
    FILE_DESCRIPTORS_HIGH = "file_descriptors_high"
    TEMPERATURE_HIGH = "temperature_high"
    DISK_FULL = "disk_full"
    CHECKPOINT_STALE = "checkpoint_stale"
    DATASTORE_INCONSISTENT = "datastore_inconsistent"
    PREDICTED_EXHAUSTION = "predicted_exhaustion"
    ANOMALY = "anomaly"
    TASK_FAILED = "task_failed"
    REFUSED_REPEATEDLY = "refused_repeatedly"
    RESTART_BUDGET_SPENT = "restart_budget_spent"
    OPERATOR_REQUEST = "operator_request"
    PROBE_BLIND = "probe_blind"


class Comparison(Enum):
    """How a measure is compared with its threshold."""

    TRUE = auto()
    """The measure is not zero; there is no threshold."""
    AT_LEAST = auto()
    AT_MOST = auto()
    GROWN = auto()
    """A counter that has grown by at least the threshold within the rule's window."""


@dataclass(frozen=True, slots=True)
class FactMeaning:
    """Unit of a fact's measures and of its rules' thresholds, and which subjects it is reported for.

    `age_ms`: how old a reading may be when the probe hands it out, at most; part of the worst-case detection
    time, so a probe leaves out what is older. `momentary`: no report means that all is well; of all other
    facts a probe reports every subject each time, also when all is well (0): silence is ignorance, and never
    clears a rule.
    """

    unit: str
    over: Comparison
    subjects: str
    text: str
    age_ms: int = 0
    momentary: bool = False


STANDS_NOW = 1e-6
"""The value of AXIS_RUNS_ON when the axis has stopped since: a person still has to look."""
_PROCESS, _HOST = "fieldstack-*", "host"

FACTS: dict[FactKind, FactMeaning] = {
    FactKind.PROCESS_DEAD: FactMeaning("", Comparison.TRUE, _PROCESS, "did not end in an orderly way"),
    FactKind.PROCESS_REFUSED: FactMeaning(
        "exit code", Comparison.TRUE, _PROCESS, "ended with an exit code that means: a restart does not help"
    ),
    FactKind.PROCESS_SILENT: FactMeaning(
        "", Comparison.TRUE, _PROCESS, "alive, without progress for its time-out"
    ),
    FactKind.PROCESS_SLOW: FactMeaning("ms", Comparison.AT_LEAST, _PROCESS, "time since its last progress"),
    FactKind.PROCESS_STOPPED: FactMeaning(
        "", Comparison.TRUE, _PROCESS, "ended in an orderly way, but nobody asked for it"
    ),
    FactKind.HOUSEKEEPING_SILENT: FactMeaning(
        "ms",
        Comparison.AT_LEAST,
        "fieldstack-rt",
        "time since RT last completed a pass of its housekeeping; the cycle continues without it",
    ),
    FactKind.MODULE_DEAD: FactMeaning(
        "", Comparison.TRUE, "module:*", "a module of Non-RT does not run", 1000
    ),
    FactKind.DEADLINE_MISSES_IN_A_ROW: FactMeaning(
        "cycles",
        Comparison.AT_LEAST,
        "fieldstack-rt",
        "cycles in a row that began a period late or lost their frame",
    ),
    FactKind.DEADLINE_MISSES: FactMeaning(
        "cycles",
        Comparison.GROWN,
        "fieldstack-rt",
        "the same cycles counted since RT's start; the rule judges the growth in its window",
    ),
    FactKind.WORKING_COUNTER_LOW: FactMeaning(
        "cycles", Comparison.AT_LEAST, "cell", "cycles in a row with a working counter other than expected"
    ),
    FactKind.SLAVE_LOST: FactMeaning("", Comparison.TRUE, "slave:*", "the slave does not answer", 200),
    FactKind.SLAVE_AL_ERROR: FactMeaning(
        "AL status code",
        Comparison.TRUE,
        "slave:*",
        "AL status (0x0130) has its error bit set; value: 0x0134",
        200,
    ),
    FactKind.SLAVE_RX_ERRORS: FactMeaning(
        "frames", Comparison.GROWN, "slave:*", "frame and physical errors, registers 0x0300 and on", 5000
    ),
    FactKind.DC_LOST: FactMeaning(
        "ns", Comparison.AT_LEAST, "slave:*", "difference to the reference clock, register 0x092C", 5000
    ),
    FactKind.FOLLOWING_ERROR: FactMeaning(
        "share",
        Comparison.AT_LEAST,
        "axis:*",
        "share of following_error_max, without what lost cycles explain",
    ),
    FactKind.AXIS_RUNS_ON: FactMeaning(
        "unit/s",
        Comparison.TRUE,
        "axis:*",
        "did not stop within its ramp and margin, or ignores a stop; value: its speed, until a reset",
    ),
    FactKind.AXIS_BEYOND_LIMIT: FactMeaning(
        "", Comparison.TRUE, "axis:*", "it stands beyond a position limit; value: how far, in its own unit"
    ),
    FactKind.DRIVE_FAULT: FactMeaning(
        "error code", Comparison.TRUE, "axis:*", "CiA 402 state FAULT; value: object 0x603F, or 1"
    ),
    FactKind.POSITIONS_DIFFER: FactMeaning(
        "", Comparison.TRUE, "cell", "axes are not where the checkpoint says"
    ),
    FactKind.GROUP_POSITIONS_DIFFER: FactMeaning(
        "", Comparison.TRUE, "group:*", "axes of a non-essential group are not where the checkpoint says"
    ),
    FactKind.EMERGENCY_STOP: FactMeaning(
        "", Comparison.TRUE, "cell", "latched by a person or another process"
    ),
    FactKind.CPU_HIGH: FactMeaning(
        "share", Comparison.AT_LEAST, "*", "CPU use: of one CPU for a process, of all for the host", 5000
    ),
    FactKind.MEMORY_HIGH: FactMeaning(
        "share", Comparison.AT_LEAST, "*", "memory use: of the process's limit, or of the host's memory", 5000
    ),
    FactKind.FILE_DESCRIPTORS_HIGH: FactMeaning(
        "share", Comparison.AT_LEAST, _PROCESS, "file descriptors in use: of the soft limit", 5000
    ),
    FactKind.TEMPERATURE_HIGH: FactMeaning(
        "degrees Celsius", Comparison.AT_LEAST, _HOST, "the hottest sensor", 5000
    ),
    FactKind.DISK_FULL: FactMeaning(
        "share", Comparison.AT_LEAST, _HOST, "use of the state folder's file system", 5000
    ),
    FactKind.CHECKPOINT_STALE: FactMeaning(
        "s", Comparison.AT_LEAST, "checkpoint", "age of the last file while the cell moves, else 0"
    ),
    FactKind.DATASTORE_INCONSISTENT: FactMeaning(
        "", Comparison.TRUE, "datastore", "a record is torn or implausible", 1000
    ),
    FactKind.PREDICTED_EXHAUSTION: FactMeaning(
        "s",
        Comparison.AT_MOST,
        "*",
        "time until a resource is forecast to reach its limit",
        60_000,
        momentary=True,
    ),
    FactKind.ANOMALY: FactMeaning(
        "control limits",
        Comparison.AT_LEAST,
        "*",
        "distance from a learned baseline: 1.0 is the chart's limit",
        60_000,
        momentary=True,
    ),
    FactKind.TASK_FAILED: FactMeaning(
        "",
        Comparison.TRUE,
        "task:*",
        "failed, and not submitted again or cancelled since",
        1000,
        momentary=True,
    ),
    FactKind.REFUSED_REPEATEDLY: FactMeaning(
        "times",
        Comparison.AT_LEAST,
        "*",
        "refusals in a row for the same reason; a success starts the count again",
        1000,
        momentary=True,
    ),
    FactKind.RESTART_BUDGET_SPENT: FactMeaning(
        "", Comparison.TRUE, "*", "one more restart would exceed the budget"
    ),
    FactKind.OPERATOR_REQUEST: FactMeaning(
        "", Comparison.TRUE, "operator:*", "a person asks for what the rule does", momentary=True
    ),
    FactKind.PROBE_BLIND: FactMeaning(
        "ms", Comparison.AT_LEAST, "probe:*", "time since a failing part of supervision last worked"
    ),
}
"""Every fact, with the meaning of its numbers."""

BUILT_IN = frozenset(
    {
        FactKind.PROCESS_DEAD,
        FactKind.PROCESS_REFUSED,
        FactKind.PROCESS_SILENT,
        FactKind.PROCESS_STOPPED,
        FactKind.WORKING_COUNTER_LOW,
        FactKind.POSITIONS_DIFFER,
        FactKind.GROUP_POSITIONS_DIFFER,
        FactKind.EMERGENCY_STOP,
        FactKind.RESTART_BUDGET_SPENT,
        FactKind.OPERATOR_REQUEST,
    }
)
"""Made by the decision core itself, of the facts of processes, bus and latch, of requests and of its own
record of restarts: probes do not measure these."""


FACTS_BY_PROBE: dict[str, frozenset[FactKind]] = {
    "probe:process-pace": frozenset({FactKind.PROCESS_SLOW}),
    "probe:housekeeping": frozenset({FactKind.HOUSEKEEPING_SILENT}),
    "probe:cycle": frozenset({FactKind.DEADLINE_MISSES, FactKind.DEADLINE_MISSES_IN_A_ROW}),
    "probe:slaves": frozenset(
        {FactKind.SLAVE_LOST, FactKind.SLAVE_AL_ERROR, FactKind.SLAVE_RX_ERRORS, FactKind.DC_LOST}
    ),
    "probe:axes": frozenset(
        {
            FactKind.FOLLOWING_ERROR,
            FactKind.DRIVE_FAULT,
            FactKind.AXIS_BEYOND_LIMIT,
            FactKind.AXIS_RUNS_ON,
        }
    ),
    "probe:shared-memory": frozenset({FactKind.DATASTORE_INCONSISTENT}),
    "probe:tasks": frozenset({FactKind.TASK_FAILED, FactKind.REFUSED_REPEATEDLY}),
    "probe:power": frozenset({FactKind.REFUSED_REPEATEDLY}),
    "probe:refusals": frozenset({FactKind.REFUSED_REPEATEDLY}),
    "probe:checkpoint": frozenset({FactKind.CHECKPOINT_STALE}),
    "probe:modules": frozenset({FactKind.MODULE_DEAD}),
    "probe:resources": frozenset(
        {
            FactKind.CPU_HIGH,
            FactKind.MEMORY_HIGH,
            FactKind.FILE_DESCRIPTORS_HIGH,
            FactKind.TEMPERATURE_HIGH,
            FactKind.DISK_FULL,
        }
    ),
    "probe:prediction": frozenset({FactKind.PREDICTED_EXHAUSTION, FactKind.ANOMALY}),
}
"""Which probe reports which facts. While it fails, these are unknown, and no report is no sign of health."""

PARTS_WITHOUT_FACTS = frozenset(
    {
        "probe:process-manager",
        "probe:observer-rings",
        "probe:observer-guard",
        "probe:observer-latch",
        "probe:observer-processes",
        "probe:module-care",
        "probe:alerts",
        "probe:readbacks",
        "probe:checkpoint-keeping",
        "probe:guard",
        "probe:history",
        "probe:service-manager",
        "probe:process-ends",
        "probe:module-start",
        "probe:rt-spare",
    }
)
"""Other parts of supervision that are tried again when they fail, and report no fact."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One reading. `detail` says to people what exactly was seen."""

    fact: FactKind
    subject: str
    value: float
    detail: str = ""


def unknown_facts(measures: Iterable[Measure]) -> frozenset[FactKind]:
    """The facts that are unknown at present: those of all probes that fail."""
    blind = (one.subject for one in measures if one.fact is FactKind.PROBE_BLIND and one.value > 0)
    return frozenset(fact for subject in blind for fact in FACTS_BY_PROBE.get(subject, ()))


class Probe(Protocol):
    """A source of measures. It costs microseconds and never blocks: slow sources sample in a thread."""

    def measures(self, now_ns: int) -> Iterable[Measure]:
        """What is known at `now_ns` (CLOCK_MONOTONIC); what is too old to be true is left out."""
