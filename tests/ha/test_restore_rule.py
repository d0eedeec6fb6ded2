"""The rule of a restore: every combination of what can be known, and the rows of its table one by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from fieldstack.ha.checkpoint.restore_rules import (
    MAX_CHECKPOINT_AGE_NS,
    RULES,
    LastEnd,
    PlanMatch,
    RestoreFacts,
    RestoreMode,
    Source,
    decide_restore,
)
from fieldstack.ha.model.facts import PositionCheck

WELL = RestoreFacts(source=Source.FILE, ended=LastEnd.FAILURE, age_ns=10**9, boot_changed=True, continuing=1)
CHOICES: dict[str, tuple[object, ...]] = {
    "source": tuple(Source),
    "unreadable": ("", "torn"),
    "ended": tuple(LastEnd),
    "rt_ran_on": (False, True),
    "age_ns": (None, 0, MAX_CHECKPOINT_AGE_NS, MAX_CHECKPOINT_AGE_NS + 1),
    "boot_changed": (False, True),
    "plan": tuple(PlanMatch),
    "positions": tuple(PositionCheck),
    "latched": ("", "a person"),
    "unresolved": ("", "before"),
    "asking": ((), ("a",)),
    "continuing": (0, 1),
}
EVERYTHING = [
    RestoreFacts(**dict(zip(CHOICES, values, strict=True)))  # type: ignore[arg-type]
    for values in product(*CHOICES.values())
]


@pytest.mark.parametrize(
    ("change", "rule", "verdict"),
    [
        ({}, "go-on", RestoreMode.GO_ON),
        ({"source": Source.MEMORY, "boot_changed": False}, "go-on", RestoreMode.GO_ON),
        ({"positions": PositionCheck.AGREE}, "go-on", RestoreMode.GO_ON),
        ({"positions": PositionCheck.DIFFER}, "positions-differ", RestoreMode.SAFE_INITIAL_STATE),
        ({"rt_ran_on": True, "latched": "by hand"}, "rt-ran-on", RestoreMode.GO_ON),
        ({"latched": "by hand"}, "latched", RestoreMode.SAFE_INITIAL_STATE),
        ({"unresolved": "too old"}, "unresolved", RestoreMode.SAFE_INITIAL_STATE),
        ({"source": Source.NONE, "unreadable": "torn"}, "unreadable", RestoreMode.SAFE_INITIAL_STATE),
        ({"source": Source.NONE}, "first-start", RestoreMode.SAFE_INITIAL_STATE),
        ({"plan": PlanMatch.OTHER}, "other-bus", RestoreMode.SAFE_INITIAL_STATE),
        ({"age_ns": None}, "age-unknown", RestoreMode.SAFE_INITIAL_STATE),
        ({"age_ns": MAX_CHECKPOINT_AGE_NS + 1}, "too-old", RestoreMode.SAFE_INITIAL_STATE),
        ({"age_ns": MAX_CHECKPOINT_AGE_NS + 1, "ended": LastEnd.REQUEST}, "go-on", RestoreMode.GO_ON),
        ({"plan": PlanMatch.UNKNOWN}, "plan-unknown", RestoreMode.SAFE_INITIAL_STATE),
        ({"plan": PlanMatch.UNKNOWN, "boot_changed": False}, "go-on", RestoreMode.GO_ON),
        ({"asking": ("a", "b"), "continuing": 0}, "all-tasks-ask", RestoreMode.SAFE_INITIAL_STATE),
        ({"asking": ("a",), "continuing": 1}, "go-on", RestoreMode.GO_ON),
    ],
)
def test_the_table(change: dict[str, object], rule: str, verdict: RestoreMode) -> None:
    judgement = decide_restore(replace(WELL, **change))  # type: ignore[arg-type]
    assert (judgement.rule, judgement.verdict) == (rule, verdict)
    assert judgement.reason


def test_every_row_decides_something_and_every_case_is_decided() -> None:
    assert {decide_restore(facts).rule for facts in EVERYTHING} == {rule.name for rule in RULES}


def test_nothing_goes_on_from_what_can_not_be_trusted() -> None:
    for facts in EVERYTHING:
        judgement = decide_restore(facts)
        if judgement.verdict is RestoreMode.GO_ON:
            assert facts.positions is not PositionCheck.DIFFER
            assert facts.rt_ran_on or (
                facts.source is not Source.NONE
                and not facts.latched
                and facts.plan is not PlanMatch.OTHER
                and facts.age_ns is not None
            )
        if facts.plan is PlanMatch.OTHER and not facts.rt_ran_on:
            assert not judgement.use_positions
        if judgement.tasks_ask:
            assert judgement.verdict is RestoreMode.SAFE_INITIAL_STATE or facts.unresolved
        assert judgement.tasks_ask or not facts.unresolved, "until a Core has obeyed"
