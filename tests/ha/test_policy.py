"""Policy files: the shipped one is good, and every fault is named with file, key, value and remedy."""

from __future__ import annotations

import contextlib
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy import (
    FailoverPolicy,
    PolicyError,
    ProcessPolicy,
    Rule,
    json_schema,
    load_policy,
    parse_policy,
)
from fieldstack.ha.policy.validation.schema import ActionOrder, Clear, SubjectBudget, Timing
from fieldstack.ha.policy.validation.subjects import can_overlap

FOLDER = Path(__file__).parents[2] / "config/ha"
TEXT = (FOLDER / "failover_policy.json").read_text(encoding="utf-8")


def faults(text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "my.json")
    assert str(caught.value).startswith("my.json: ")
    return str(caught.value)


def test_the_shipped_policy_loads() -> None:
    policy = load_policy(FOLDER / "failover_policy.json")
    assert policy.process(ProcessName.RT).restart_delay_ms == 0
    assert policy.rule("rt-dead").actions[0].action == "EMERGENCY_STOP"


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((FOLDER / "failover_policy.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema(), "publish it again: make generate"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"max_restart_count"', '"max_restart_cuont"', "did you mean 'max_restart_count'?"),
        ('"debounce_ms"', '"debonce_ms"', "did you mean 'debounce_ms'?"),
        ('"timeout_ms"', '"timeuot_ms"', "did you mean 'timeout_ms'?"),
        ('"when": "gone"', '"when": "gnoe"', "did you mean 'gone'?"),
        ('"fact": "process_dead"', '"fact": "proces_dead"', "did you mean 'process_dead'?"),
        ('["EMERGENCY_STOP", "REB', '["EMERGENCY_STP", "REB', "did you mean 'EMERGENCY_STOP'?"),
        ('["EMERGENCY_STOP", "REB', '["EMERGENCY_STP", "REB', 'rules[0].actions[0] = "EMERGENCY_STP"'),
        ('"action": "RESTART_SLAVE"', '"action": "RESTART_SLAV"', "did you mean 'RESTART_SLAVE'?"),
        ('"max_restart_count": 5', '"max_restart_count": "5"', 'processes[0].max_restart_count = "5"'),
        ('"max_restart_count": 5', '"max_restart_count": true', "processes[0].max_restart_count = true"),
        ('"max_restart_count": 5', '"max_restart_count": -1', "greater than or equal to 0"),
        ('"restart_window_sec": 60', '"restart_window_sec": NaN', "NaN is not a JSON number"),
        ('"name": "rt-silent"', '"name": "rt-dead"', "more than one rule named rt-dead"),
        ('"policy_version": 2', '"policy_version": 1', "policy_version = 1"),
        ('"threshold": 500,', "", "rules[4].threshold: is missing"),
        ('"fact": "process_dead",', '"fact": "process_dead", "threshold": 1,', "which is there or not"),
        ('"threshold": 20,', '"threshold": 20, "window_ms": 9,', "use debounce_ms"),
        ('"window_ms": 60000,', "", "window_ms: is missing"),
        ('"health_check_timeout_ms": 200', '"health_check_timeout_ms": 2', "every process would look silent"),
        ('"process_name": "fieldstack-core"', '"process_name": "fieldstack-rt"', "more than one section"),
        ('["SAFE_MODE_ENTER", "SEND_ALERT"]', '["SEND_ALERT"]', "leaves the axes free to move"),
        ('"REBOOT_PROCESS", "SEND', '"SEND_ALERT", "SEND', "names SEND_ALERT twice"),
        ('"policy_version": 2,', '"policy_version": 2, "policy_version": 2,', "stands twice"),
        ('"for_ms": 200', '"for_ms": 20', "one fresh reading would set the axes free"),
        ('"threshold": 0.8 }', '"threshold": 0.95 }', "on the bad side"),
        (
            '"subject": "slave:*",\n      "restart',
            '"subject": "slave:1",\n      "restart',
            "no restart budget",
        ),
        ('"target_ms": 300', '"target_ms": 200', "240 ms (detected after 40, ordered after 40), more than"),
        ('"override_percent": 50', '"until": "ack"', "it belongs to AWAIT_MANUAL"),
        ('"subject": "module:*",\n      "actions"', '"actions"', "cannot act upon '*'"),
        ('"timeout_ms": 20000', '"timeout_ms": 2000', "counts as failed after 2000 ms"),
        (
            '["SAFE_MODE_ENTER", "SEND_ALERT"]',
            '["SEND_ALERT", {"action": "SAFE_MODE_ENTER", "after": "confirmed"}]',
            "SAFE_MODE_ENTER waits for nothing",
        ),
        ('"threshold": 20,', '"threshold": 20, "debounce_ms": 3600000,', "free to move for 3600020 ms"),
        (
            '"threshold": 20,',
            '"threshold": 5000,',
            "working_counter_low of cell leaves the axes free to move",
        ),
        ('"go_on_ms": 0', '"go_on_ms": 60001', "less than or equal to 60000"),
        ('"nonrt_startup_grace_ms": 10000', '"nonrt_startup_grace_ms": 0', "greater than or equal to 1"),
        (
            '"nonrt_timeout_ms": 500',
            '"nonrt_timeout_ms": 39',
            "rt_agent.nonrt_timeout_ms = 39: is shorter than 40",
        ),
        ('"nonrt_slow_ms": 60', '"nonrt_slow_ms": 19', "every pass would look slow"),
        ('"nonrt_slow_ms": 60', '"nonrt_slow_ms": 501', "silent comes after slow"),
        (
            '"process_name": "fieldstack-core"',
            '"process_name": "fieldstack-nonrt"',
            "fieldstack-core has no section",
        ),
        (
            '"subject": "axis:*"',
            '"subject": "axes:*"',
            "following_error never has the subject 'axes:*'; known are: axis:*",
        ),
        (
            '"fact": "drive_fault",\n      "subject": "axis:*"',
            '"fact": "drive_fault",\n      "subject": "slave:*"',
            "never has the subject 'slave:*'",
        ),
        (
            '"fact": "memory_high",\n      "subject": "fieldstack-core"',
            '"fact": "memory_high",\n      "subject": "fieldstack-cor"',
            "never has the subject 'fieldstack-cor'",
        ),
        ("{", "", "is no JSON"),
    ],
)
def test_a_fault_is_named(old: str, new: str, expected: str) -> None:
    assert old in TEXT
    assert expected in faults(TEXT.replace(old, new, 1))


def test_a_section_that_nobody_reads_is_refused() -> None:
    data = json.loads(TEXT)
    data["processes"].append(data["processes"][1] | {"process_name": "fieldstack-nonrt"})
    assert "fieldstack-nonrt is watched by RT" in faults(json.dumps(data))


@pytest.mark.parametrize("fact", ["process_silent", "process_stopped"])
def test_a_fact_without_its_rule_is_named(fact: str) -> None:
    data = json.loads(TEXT)
    subject = "fieldstack-core"
    data["rules"] = [rule for rule in data["rules"] if (rule["fact"], rule.get("subject")) != (fact, subject)]
    assert f"no rule for {fact} of {subject}" in faults(json.dumps(data))


_PATTERNS = st.text(alphabet="*?ab", max_size=6)


@given(one=_PATTERNS, other=_PATTERNS, text=st.text(alphabet="ab", max_size=8))
def test_patterns_that_a_text_matches_can_meet(one: str, other: str, text: str) -> None:
    if fnmatchcase(text, one) and fnmatchcase(text, other):
        assert can_overlap(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [("a*", "b*"), ("*a", "*b"), ("a?", "a"), ("", "a"), ("[ab]", "c")]
)
def test_patterns_that_no_text_matches_do_not_meet(one: str, other: str) -> None:
    assert not can_overlap(one, other)


def test_a_spent_budget_of_a_process_always_waits_for_a_person() -> None:
    data = json.loads(TEXT)
    rule = next(rule for rule in data["rules"] if rule["name"] == "restart-budget-spent")
    rule["actions"].remove("AWAIT_MANUAL")
    assert "waits for nobody" in faults(json.dumps(data))
    rule["actions"].append({"action": "AWAIT_MANUAL", "after": "confirmed"})
    assert "waits for nobody" in faults(json.dumps(data))


def test_what_a_person_must_look_at_is_never_cleared_by_itself() -> None:
    data = json.loads(TEXT)
    rule = next(rule for rule in data["rules"] if rule["fact"] == "emergency_stop")
    rule["clear"] = {"when": "gone", "for_ms": 1000}
    assert "needs a person to clear it" in faults(json.dumps(data))


def test_all_faults_are_told_at_once() -> None:
    text = TEXT.replace('"max_restart_count"', '"max_restarts"').replace('"reset"', '"later"')
    assert len(faults(text).splitlines()) > 5


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "none.json")


def _paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = range(len(data)) if isinstance(data, list) else data if isinstance(data, dict) else ()
    found = [path] if path else []
    for key in keys:
        found += _paths(data[key], (*path, key))
    return found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@given(place=st.sampled_from(_paths(json.loads(TEXT))), value=_JSON)
def test_any_value_anywhere_is_taken_or_refused_clearly(place: tuple[Any, ...], value: Any) -> None:
    data = json.loads(TEXT)
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with contextlib.suppress(PolicyError):
        assert isinstance(parse_policy(json.dumps(data)), FailoverPolicy)


_MODELS = (FailoverPolicy, Timing, ProcessPolicy, SubjectBudget, Rule, Clear, ActionOrder)
_KEYS = {key for model in _MODELS for key in model.model_fields}


@settings(deadline=None)  # it loads a policy seven times
@given(name=st.text(min_size=1, max_size=20))
def test_no_unknown_key_is_ever_ignored(name: str) -> None:
    data: Any = json.loads(TEXT)
    rule = data["rules"][0]
    order: Any = {"action": "REBOOT_PROCESS"}
    rule["actions"][1] = order
    parts = [data, data["timing"], data["processes"][0], data["budgets"][0], rule, rule["clear"], order]
    for part in parts:
        if name not in part and not name.startswith(("$", "_")):
            part[name] = {"none": "such"}
            assert "unknown key" in faults(json.dumps(data)) or name in _KEYS
            del part[name]


@given(text=st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_refused_clearly(text: str | bytes) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text)
