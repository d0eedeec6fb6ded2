"""Which rule, fact and threshold led to an action: from its event alone."""

from __future__ import annotations

from typing import Any

import pytest

from fieldstack.events.event import Event
from fieldstack.events.kinds import EventKind, Severity, render
from fieldstack.ha.model.actions import Action, ActionKind, Evidence
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.policy import load_policy
from fieldstack.ha.policy.display.explain import UnexplainedError, explain
from tests.ha.script import SHIPPED

POLICY = load_policy(SHIPPED)


def event_of(kind: EventKind, **data: Any) -> Event:
    severity, text = render(kind, data)
    return Event(7, 5_000_000, 10**18, "boot", kind, Severity(severity), text, data)


def test_an_action_is_explained_with_rule_fact_value_and_threshold() -> None:
    seen = Evidence(FactKind.MEMORY_HIGH, "fieldstack-core", 0.93, 0.9, 10_000, 3_000_000)
    action = Action(ActionKind.STOP_PROCESS, "core-memory-high", "it leaks", "fieldstack-core", evidence=seen)
    event = event_of(EventKind.ACTION_DONE, **action.event_fields(), outcome="SIGTERM sent")
    text = "\n".join(explain(event, POLICY).lines)
    assert "core-memory-high: memory_high of fieldstack-core -> SEND_ALERT, REBOOT_PROCESS" in text
    assert "0.93 share over 10000 ms, threshold 0.9 share" in text
    assert "2.0 ms before this event" in text
    assert "SIGTERM sent" in text


def test_a_rule_that_is_not_in_the_policy_any_more_is_said() -> None:
    event = event_of(EventKind.ALERT, rule="old-rule", cause="something")
    assert "does not have it any more" in "\n".join(explain(event, POLICY).lines)


def test_what_no_rule_led_to_is_said() -> None:
    event = event_of(
        EventKind.ACTION_DONE, action="SAFE_MODE_EXIT", subject="cell", rule="recovered", cause=""
    )
    assert "built in: everything that motion needs was read back" in "\n".join(explain(event, None).lines)
    with pytest.raises(UnexplainedError, match="of no action"):
        explain(event_of(EventKind.PROCESS_STARTED, process="fieldstack-rt", pid=1), POLICY)
