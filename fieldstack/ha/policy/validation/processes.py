"""The sections that say how processes are watched, and how often anything may be restarted.

Used by `schema`.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy.validation.faults import fault
from fieldstack.ha.policy.validation.model import Milliseconds, PolicyModel
from fieldstack_base.units import NS_PER_MS, NS_PER_S

LONG_COUNT = 20


class RestartBudget(PolicyModel):
    """How often and how quickly one subject may be restarted."""

    restart_delay_ms: Annotated[Milliseconds, Field(description="before the first restart in a window")] = 0
    restart_backoff_initial_ms: Annotated[
        Milliseconds, Field(description="before the second restart in a window")
    ] = 500
    restart_backoff_factor: Annotated[
        float, Field(ge=1.0, le=10.0, allow_inf_nan=False, description="growth of the delay from then on")
    ] = 2.0
    restart_backoff_max_ms: Annotated[Milliseconds, Field(description="the delay grows no further")] = 30_000
    max_restart_count: Annotated[
        int, Field(ge=0, le=1000, description="restarts in the window; one more: fact restart_budget_spent")
    ]
    restart_window_sec: Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)]
    long_max_restart_count: Annotated[
        int | None,
        Field(
            ge=1,
            le=1000,
            description="restarts in the long window, for what fails too rarely for the other one; "
            f"default: {LONG_COUNT}, or max_restart_count if that is more",
        ),
    ] = None
    long_restart_window_sec: Annotated[
        float,
        Field(gt=0, le=2_592_000, allow_inf_nan=False, description="its window"),
    ] = 86_400

    @model_validator(mode="after")
    def _backoff_grows(self) -> Self:
        if self.restart_backoff_max_ms < self.restart_backoff_initial_ms:
            raise fault(
                "restart_backoff_max_ms",
                f"is less than restart_backoff_initial_ms ({self.restart_backoff_initial_ms})",
                "make it at least as long",
            )
        return self

    @property
    def window_ns(self) -> int:
        return round(self.restart_window_sec * NS_PER_S)

    @property
    def long_count(self) -> int:
        return self.long_max_restart_count or max(LONG_COUNT, self.max_restart_count)

    @property
    def long_window_ns(self) -> int:
        return round(max(self.long_restart_window_sec, self.restart_window_sec) * NS_PER_S)


class SubjectBudget(RestartBudget):
    """The budget of each subject that matches; if several sections match, the first one counts."""

    subject: Annotated[
        str, Field(min_length=1, max_length=64, description="slave:*, module:NAME, group:*, ...")
    ]


NONRT_BUDGET = SubjectBudget(
    subject=ProcessName.NONRT.value, max_restart_count=5, restart_window_sec=60, restart_backoff_max_ms=5000
)
"""The budget if a policy has none for Non-RT: systemd and `fieldstack up`, which restart it, only notice fast
failures."""


class ProcessPolicy(RestartBudget):
    """How one process is watched and restarted."""

    process_name: Annotated[ProcessName, Field(strict=False, description="unit name of the process")]
    health_check_interval_ms: Annotated[int, Field(ge=1, le=60_000, description="time between observations")]
    health_check_timeout_ms: Annotated[
        int, Field(ge=1, le=600_000, description="silent: no progress for this long ...")
    ]
    failure_threshold: Annotated[
        int, Field(ge=1, le=1000, description="... and in this many observations in a row")
    ]
    startup_grace_ms: Annotated[
        int, Field(ge=100, le=600_000, description="time that a started process has until its first beat")
    ] = 20_000
    refusal_exit_codes: Annotated[
        list[Annotated[int, Field(ge=1, le=255)]],
        Field(
            default_factory=list,
            max_length=16,
            description="exit codes that say that a restart is no help: process_refused",
        ),
    ]
    enable_state_recovery: Annotated[
        bool, Field(description="read the checkpoint before a restart, so that work can go on")
    ] = True
    checkpoint_interval_sec: Annotated[float, Field(ge=0.05, le=3600, allow_inf_nan=False)] = 1.0
    safe_output_timeout_ms: Annotated[
        Milliseconds,
        Field(description="RT only: wait this long for confirmed safe outputs before the restart goes on"),
    ] = 50

    @model_validator(mode="after")
    def _can_look_well(self) -> Self:
        if self.health_check_timeout_ms < self.health_check_interval_ms:
            raise fault(
                "health_check_timeout_ms",
                f"is shorter than health_check_interval_ms ({self.health_check_interval_ms}), "
                "so that every process would look silent",
                "make it at least as long",
            )
        return self

    @property
    def startup_grace_ns(self) -> int:
        return self.startup_grace_ms * NS_PER_MS

    @property
    def safe_output_timeout_ns(self) -> int:
        return self.safe_output_timeout_ms * NS_PER_MS

    def silent_ms(self, supervision_ms: int) -> int:
        """Worst case from the pass that sees the last progress to the one that makes the process silent.

        A pass is an observation if the last one is at least the interval ago, and passes come at any time, at
        most `supervision_ms` apart: two observations are less than both together apart.
        """
        observed = self.failure_threshold * (self.health_check_interval_ms + supervision_ms)
        return max(self.health_check_timeout_ms + supervision_ms, observed)
