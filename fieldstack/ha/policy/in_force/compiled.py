"""A validated policy as plain data: the form in force, which a restart reads without validating it again.

`cache` reads and writes it; Non-RT works with it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from fieldstack.ha.model.measures import Comparison, FactKind
from fieldstack.ha.model.vocabulary import ClearWhen, Hold, PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.table import Order, RuleRow, RuleTable, matches
from fieldstack_base.units import NS_PER_MS, NS_PER_S


@dataclass(frozen=True)
class RestartLimits:
    """How often and how quickly a subject (or each of a pattern) may be restarted."""

    subject: str
    restart_delay_ms: int
    restart_backoff_initial_ms: int
    restart_backoff_factor: float
    restart_backoff_max_ms: int
    max_restart_count: int
    restart_window_sec: float
    long_count: int
    long_window_ns: int

    @property
    def window_ns(self) -> int:
        return round(self.restart_window_sec * NS_PER_S)


@dataclass(frozen=True)
class Watched(RestartLimits):
    """How one process is watched; its `subject` is its name."""

    health_check_interval_ms: int
    health_check_timeout_ms: int
    failure_threshold: int
    startup_grace_ms: int
    refusal_exit_codes: tuple[int, ...]
    enable_state_recovery: bool
    checkpoint_interval_sec: float
    safe_output_timeout_ms: int

    @property
    def process_name(self) -> ProcessName:
        return ProcessName(self.subject)

    @property
    def startup_grace_ns(self) -> int:
        return self.startup_grace_ms * NS_PER_MS

    @property
    def safe_output_timeout_ns(self) -> int:
        return self.safe_output_timeout_ms * NS_PER_MS


@dataclass(frozen=True)
class RtAgentTimes:
    """How RT watches Non-RT, and what it does then (`stop`, `hold`)."""

    nonrt_slow_ms: int
    nonrt_timeout_ms: int
    nonrt_startup_grace_ms: int
    on_nonrt_silent: str
    on_nonrt_dead: str
    go_on_ms: int
    hold_at_most_ms: int
    resume_within_ms: int


@dataclass(frozen=True)
class CompiledPolicy:
    """Sections, budgets and rows of a policy. `digest`: of its content, comments left out."""

    digest: str
    rt_agent: RtAgentTimes
    processes: tuple[Watched, ...]
    budgets: tuple[RestartLimits, ...]
    rows: tuple[RuleRow, ...]
    stop_ns: int = 0
    """Every axis of this cell stands still this long after a stop, or is reported: no stop fails before."""

    @cached_property
    def table(self) -> RuleTable:
        return RuleTable(self.rows)

    @cached_property
    def _sections(self) -> dict[str, Watched]:
        return {one.subject: one for one in self.processes}

    def process(self, name: ProcessName) -> Watched:
        """The section of a process; RT and Core always have one."""
        return self._sections[name]

    def budget(self, subject: str) -> RestartLimits | None:
        """The budget for restarts of a subject."""
        if section := self._sections.get(subject):
            return section
        return next((one for one in self.budgets if matches(one.subject, subject)), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `from_dict` makes the same policy of."""
        return asdict(self) | {"rows": [_plain_row(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CompiledPolicy:
        """Raises KeyError, TypeError, ValueError: this was not written by `to_dict`."""
        return cls(
            str(data["digest"]),
            RtAgentTimes(**data["rt_agent"]),
            tuple(_watched(one) for one in data["processes"]),
            tuple(RestartLimits(**one) for one in data["budgets"]),
            tuple(_row(one) for one in data["rows"]),
            int(data["stop_ns"]),
        )


def _watched(data: dict[str, Any]) -> Watched:
    return Watched(**data | {"refusal_exit_codes": tuple(data["refusal_exit_codes"])})


def _plain_row(row: RuleRow) -> dict[str, Any]:
    return asdict(row) | {"over": row.over.name}


def _row(data: dict[str, Any]) -> RuleRow:
    return RuleRow(
        **data
        | {
            "fact": FactKind(data["fact"]),
            "over": Comparison[data["over"]],
            "orders": tuple(_order(one) for one in data["orders"]),
            "clear": ClearWhen(data["clear"]),
        }
    )


def _order(data: dict[str, Any]) -> Order:
    return Order(
        **data
        | {
            "action": PolicyAction(data["action"]),
            "on_failure": tuple(_order(one) for one in data["on_failure"]),
            "groups": tuple(data["groups"]),
            "hold": Hold(data["hold"]),
        }
    )
