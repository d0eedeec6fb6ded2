"""The rules of a policy: from a fact over its threshold to actions, and when the rule ends.

Used by `schema`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.vocabulary import ClearWhen, Hold, PolicyAction
from fieldstack.ha.policy.validation.model import Milliseconds, PolicyModel, ResumeWithin
from fieldstack.ha.policy.validation.rule_checks import check_order, check_rule

Threshold = Annotated[float, Field(allow_inf_nan=False)]


class ActionOrder(PolicyModel):
    """One action of a rule: its word alone, or an object if it needs more than that."""

    action: Annotated[PolicyAction, Field(strict=False)]
    timeout_ms: Annotated[
        int | None, Field(ge=1, le=3_600_000, description="to be confirmed within; else it escalates")
    ] = None
    on_failure: Annotated[
        list[ActionOrder] | None,
        Field(max_length=8, description="what follows when it fails or its time is up; default: by action"),
    ] = None
    after: Annotated[
        Literal["confirmed"] | None,
        Field(description="confirmed: begins only when all actions before it in the list are confirmed"),
    ] = None
    target: Annotated[
        str | None,
        Field(min_length=1, max_length=64, description="what is acted upon, if not the fact's subject"),
    ] = None
    override_percent: Annotated[
        int | None, Field(ge=1, le=100, description="DEGRADE: speed that is left")
    ] = None
    groups: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]] | None,
        Field(max_length=64, description="DEGRADE: axis groups that have to stand"),
    ] = None
    until: Annotated[
        Hold | None, Field(strict=False, description="AWAIT_MANUAL: what ends it; default: reset")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, value: Any) -> Any:
        return {"action": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        check_order(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        words = {"enum": [action.value for action in PolicyAction], "type": "string"}
        return {"anyOf": [words, handler.resolve_ref_schema(handler(schema))]}


class Clear(PolicyModel):
    """When a rule ends."""

    when: Annotated[ClearWhen, Field(strict=False)]
    for_ms: Annotated[Milliseconds, Field(description="gone: the cause must be gone for this long")] = 0
    threshold: Annotated[
        Threshold | None, Field(description="gone: on the good side of this; default: the rule's threshold")
    ] = None


class Defer(PolicyModel):
    """How long actions that interrupt something (restarts, reallocation, shutdown) may wait; stops and alerts
    never wait."""

    until: Literal["safe_moment"]
    at_most_ms: Annotated[int, Field(ge=0, le=86_400_000)]


class Rule(PolicyModel):
    """A rule: from one fact to actions. Each subject that matches is judged for itself."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$", description="shown with each action")]
    fact: Annotated[FactKind, Field(strict=False)]
    subject: Annotated[
        str, Field(min_length=1, max_length=64, description="which subjects the rule is for; * and ? match")
    ] = "*"
    threshold: Annotated[Threshold | None, Field(description="in the fact's unit")] = None
    window_ms: Annotated[
        Milliseconds, Field(description="counters: growth within it; others: the mean over it")
    ] = 0
    debounce_ms: Annotated[Milliseconds, Field(description="over the threshold for this long")] = 0
    actions: Annotated[list[ActionOrder], Field(max_length=16, description="in order; worst kinds first")]
    defer: Defer | None = None
    clear: Clear
    resume_within_ms: ResumeWithin = 0
    target_ms: Annotated[
        int | None,
        Field(ge=1, le=86_400_000, description="the computed worst case may not exceed this"),
    ] = None

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        check_rule(self)
        return self

    @property
    def action_names(self) -> frozenset[PolicyAction]:
        """The actions that it orders when it takes effect (without those of escalations)."""
        return frozenset(order.action for order in self.actions)
