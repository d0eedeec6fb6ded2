"""Shape and bounds of the failover policy (pydantic); its JSON Schema is published beside it.

Unknown keys are errors and every condition needs its rule, so that a misspelt word can never switch
a watchdog off. `_comments` is allowed in every object.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fieldstack.ha.policy.checks import check_policy, check_process, check_rule
from fieldstack.ha.vocabulary import ClearWhen, Condition, PolicyAction, ProcessName

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

Milliseconds = Annotated[int, Field(ge=0, le=3_600_000)]


class PolicyModel(BaseModel):
    """Base of all parts: frozen, strict types, no unknown keys, `_comments` allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)

    comments: str | list[str] | None = Field(default=None, alias="_comments", description="for readers only")


class ProcessPolicy(PolicyModel):
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
    restart_delay_ms: Annotated[Milliseconds, Field(description="before the first restart in a window")] = 0
    restart_backoff_initial_ms: Annotated[
        Milliseconds, Field(description="before the second restart in a window")
    ] = 500
    restart_backoff_factor: Annotated[
        float, Field(ge=1.0, le=10.0, allow_inf_nan=False, description="growth of the delay from then on")
    ] = 2.0
    restart_backoff_max_ms: Annotated[Milliseconds, Field(description="the delay grows no further")] = 30_000
    max_restart_count: Annotated[
        int, Field(ge=0, le=1000, description="restarts in the window; one more: MANUAL_INTERVENTION")
    ]
    restart_window_sec: Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)]
    enable_state_recovery: Annotated[
        bool, Field(description="read the checkpoint before a restart, so that work can go on")
    ] = True
    checkpoint_interval_sec: Annotated[float, Field(ge=0.05, le=3600, allow_inf_nan=False)] = 1.0
    safe_output_timeout_ms: Annotated[
        Milliseconds,
        Field(description="RT only: wait this long for confirmed safe outputs before the restart goes on"),
    ] = 50

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        check_process(self)
        return self

    @property
    def window_ns(self) -> int:
        return round(self.restart_window_sec * NS_PER_S)

    @property
    def startup_grace_ns(self) -> int:
        return self.startup_grace_ms * NS_PER_MS

    @property
    def safe_output_timeout_ns(self) -> int:
        return self.safe_output_timeout_ms * NS_PER_MS


class Rule(PolicyModel):
    """From one condition to actions, and when the condition stops counting."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$", description="shown with each action")]
    condition: Annotated[Condition, Field(strict=False)]
    actions: Annotated[list[Annotated[PolicyAction, Field(strict=False)]], Field(description="worst first")]
    clear: Annotated[ClearWhen, Field(strict=False)]
    clear_after_ms: Annotated[Milliseconds, Field(description="the cause must be gone for this long")] = 0
    threshold_cycles: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="working_counter_lost only: bad cycles in a row"),
    ] = None

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        check_rule(self)
        return self

    @property
    def clear_after_ns(self) -> int:
        return self.clear_after_ms * NS_PER_MS


class FailoverPolicy(PolicyModel):
    """A whole policy: processes and rules."""

    model_config = ConfigDict(title="Fieldstack failover policy")

    schema_file: str | None = Field(default=None, alias="$schema", description="for editors only")
    policy_version: Literal[1]
    processes: Annotated[list[ProcessPolicy], Field(min_length=1)]
    rules: list[Rule]

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        check_policy(self)
        return self

    def process(self, name: ProcessName) -> ProcessPolicy:
        """The section of a process; RT and Core always have one."""
        return next(section for section in self.processes if section.process_name is name)

    def rule(self, condition: Condition) -> Rule:
        """The rule of a condition; every condition has one."""
        return next(rule for rule in self.rules if rule.condition is condition)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a policy file, for editors."""
    schema = FailoverPolicy.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
