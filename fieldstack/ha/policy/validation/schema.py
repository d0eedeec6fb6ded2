"""Shape and bounds of the failover policy (pydantic); its JSON Schema is published beside it.

Unknown keys are errors and the facts that a cell cannot do without need their rules, so that a misspelt
word can never switch a watchdog off. `_comments` is allowed in every object. Used whenever a policy is loaded
without its compiled form.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy.in_force.table import RuleTable, matches
from fieldstack.ha.policy.validation.checks import check_policy
from fieldstack.ha.policy.validation.mandatory_rules import mandatory_rules
from fieldstack.ha.policy.validation.model import PolicyModel, ResumeWithin
from fieldstack.ha.policy.validation.processes import (
    NONRT_BUDGET,
    ProcessPolicy,
    RestartBudget,
    SubjectBudget,
)
from fieldstack.ha.policy.validation.rows import row_of
from fieldstack.ha.policy.validation.rules import ActionOrder, Clear, Defer, Rule
from fieldstack_base.units import NS_PER_MS

__all__ = [
    "ActionOrder",
    "Clear",
    "Defer",
    "FailoverPolicy",
    "ProcessPolicy",
    "RestartBudget",
    "RtAgent",
    "Rule",
    "SubjectBudget",
    "Timing",
    "json_schema",
]

Reaction = Literal["stop", "hold"]


class Timing(PolicyModel):
    """The times from which worst cases are computed. A slower cell is judged by its own times."""

    supervision_interval_ms: Annotated[int, Field(ge=1, le=1000)] = 20
    cycle_us: Annotated[int, Field(ge=50, le=100_000)] = 1000
    stop_ms: Annotated[
        int,
        Field(ge=1, le=600_000, description="every axis stands still this long after a stop, or is reported"),
    ] = 200


class RtAgent(PolicyModel):
    """How the RT process watches the Non-RT process. Its reactions need no Python.

    RT itself sets the bounds (agent.c): a value that it does not accept is replaced by its default. stop:
    controlled stop, then power off (stop category 1). hold: controlled stop, then the position is held under
    power (category 2).
    """

    nonrt_slow_ms: Annotated[int, Field(ge=1, le=60_000, description="an event, nothing else")] = 60
    nonrt_timeout_ms: Annotated[int, Field(ge=5, le=60_000, description="silent after this long")] = 500
    nonrt_startup_grace_ms: Annotated[
        int, Field(ge=1, le=600_000, description="time that a started Non-RT has until its first beat")
    ] = 10_000
    on_nonrt_silent: Annotated[Reaction, Field(description="alive without progress")] = "stop"
    on_nonrt_dead: Annotated[Reaction, Field(description="its process has ended")] = "hold"
    go_on_ms: Annotated[
        int, Field(ge=0, le=60_000, description="motion goes on for this long before the reaction")
    ] = 0
    hold_at_most_ms: Annotated[
        int,
        Field(
            ge=1000,
            le=3_600_000,
            description="without a beat axes are held under power for so long at most; then power off",
        ),
    ] = 30_000
    resume_within_ms: ResumeWithin = 0


class FailoverPolicy(PolicyModel):
    """A whole policy: processes, budgets and rules."""

    model_config = ConfigDict(title="Fieldstack failover policy")

    schema_file: str | None = Field(default=None, alias="$schema", description="for editors only")
    policy_version: Literal[2]
    timing: Timing = Timing()
    processes: Annotated[list[ProcessPolicy], Field(min_length=1, max_length=3)]
    rt_agent: RtAgent = RtAgent()
    budgets: Annotated[list[SubjectBudget], Field(default_factory=list, max_length=64)]
    rules: Annotated[list[Rule], Field(max_length=256)]

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        check_policy(self)
        return self

    @cached_property
    def table(self) -> RuleTable:
        """The rules as the decision core uses them, with those that hold without being written."""
        rows = [row_of(rule) for rule in self.rules]
        return RuleTable((*rows, *mandatory_rules(rows)))

    @property
    def stop_ns(self) -> int:
        return self.timing.stop_ms * NS_PER_MS

    def process(self, name: ProcessName) -> ProcessPolicy:
        """The section of a process; RT and Core always have one."""
        return next(section for section in self.processes if section.process_name is name)

    def budget(self, subject: str) -> RestartBudget | None:
        """The budget for restarts of a subject (or of a pattern of subjects)."""
        for section in self.processes:
            if section.process_name == subject:
                return section
        return next((one for one in self.all_budgets if matches(one.subject, subject)), None)

    @property
    def all_budgets(self) -> tuple[SubjectBudget, ...]:
        """As written, and what holds without being written."""
        written = any(matches(one.subject, NONRT_BUDGET.subject) for one in self.budgets)
        return tuple(self.budgets) if written else (*self.budgets, NONRT_BUDGET)

    def rule(self, name: str) -> Rule:
        """The rule of that name. KeyError: there is none."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise KeyError(name)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a policy file, for editors."""
    schema = FailoverPolicy.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
