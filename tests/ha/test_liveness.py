"""When a process is silent: who watches it and who looks once say the same of the same observation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.ha.model.facts import ProcessCondition
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.liveness import LivenessRule
from fieldstack.ha.monitor.liveness_in_force import BUILT_IN, LivenessRules, RulesInForce, publish_rules
from fieldstack.ha.monitor.process_watch import ProcessWatch, SignOfLife
from fieldstack.ha.policy.files.cache import load_compiled
from fieldstack.ha.policy.in_force.compiled import CompiledPolicy
from fieldstack.process.manager import ProcessHandle
from fieldstack_base.units import NS_PER_MS
from tests.repository import ROOT

SHIPPED = ROOT / "config/ha/failover_policy.json"
HANDLE = ProcessHandle("rt", 1, -1, adopted=True)


@dataclass(frozen=True)
class Section:
    """What of a process's section this test needs."""

    health_check_interval_ms: int
    health_check_timeout_ms: int
    failure_threshold: int
    process_name: ProcessName = ProcessName.RT
    startup_grace_ms: int = 1_000_000
    startup_grace_ns: int = 1_000_000 * NS_PER_MS


sections = st.builds(
    Section,
    health_check_interval_ms=st.integers(1, 50),
    health_check_timeout_ms=st.integers(50, 500),
    failure_threshold=st.integers(1, 20),
)


def watched(section: Section) -> ProcessWatch:
    watch = ProcessWatch(section)  # type: ignore[arg-type]
    watch.began(0, 1, 0)
    return watch


def silent_to(watch: ProcessWatch, now_ns: int, beat: int) -> bool:
    facts = watch.observe(now_ns, SignOfLife(beat, at_work=True), HANDLE, None)
    return facts.condition is ProcessCondition.SILENT


@given(section=sections, beats=st.lists(st.booleans(), min_size=1, max_size=80))
def test_who_watches_and_who_looks_once_say_the_same(section: Section, beats: list[bool]) -> None:
    """`beats`: whether there was progress before each look; the looks are an interval apart."""
    watch, rule = watched(section), LivenessRule.of(section)  # type: ignore[arg-type]
    now_ns = beat = beat_ns = 0
    for progress in beats:
        now_ns += section.health_check_interval_ms * NS_PER_MS
        beat, beat_ns = (beat + 1, now_ns) if progress else (beat, beat_ns)
        assert silent_to(watch, now_ns, beat) == rule.silent(now_ns - beat_ns)


@given(section=sections, gaps=st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=60))
def test_what_is_silent_to_who_watches_is_so_to_who_looks_once(
    section: Section, gaps: list[tuple[int, bool]]
) -> None:
    """At any pace, stalls of the machine among them: only a watcher that did not look can be later."""
    watch, rule = watched(section), LivenessRule.of(section)  # type: ignore[arg-type]
    now_ns = beat = beat_ns = 0
    for gap_ms, progress in gaps:
        now_ns += gap_ms * NS_PER_MS
        beat, beat_ns = (beat + 1, now_ns) if progress else (beat, beat_ns)
        if silent_to(watch, now_ns, beat):
            assert rule.silent(now_ns - beat_ns)


def test_a_stall_of_the_whole_machine_is_one_miss() -> None:
    section = Section(20, 200, 5)
    watch, rule = watched(section), LivenessRule.of(section)  # type: ignore[arg-type]
    assert not silent_to(watch, 10_000 * NS_PER_MS, 0)
    assert not rule.silent(10_000 * NS_PER_MS, misses=1)


@pytest.fixture
def policy(tmp_path: Path) -> CompiledPolicy:
    return load_compiled(SHIPPED, tmp_path / "cache")


def test_the_built_in_rules_are_the_shipped_policys(policy: CompiledPolicy) -> None:
    rules = LivenessRules.of(policy)
    assert rules.policy == policy.digest
    for name in ("rt", "core", "nonrt", "housekeeping_ns"):
        assert getattr(rules, name) == getattr(BUILT_IN, name)


def test_what_is_in_force_is_followed(policy: CompiledPolicy, tmp_path: Path) -> None:
    file = tmp_path / "liveness.json"
    rules = RulesInForce(file)
    assert rules.current() == BUILT_IN
    publish_rules(file, policy)
    assert rules.current() == LivenessRules.of(policy)
    file.unlink()
    assert rules.current() == BUILT_IN


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rt": {}}', '{"rt": 1, "core": 1, "nonrt": 1}'])
def test_a_damaged_file_means_the_built_in_rules(tmp_path: Path, content: str) -> None:
    file = tmp_path / "liveness.json"
    file.write_text(content, encoding="utf-8")
    assert RulesInForce(file).current() == BUILT_IN


def test_numbers_that_no_policy_has_are_not_taken(policy: CompiledPolicy, tmp_path: Path) -> None:
    file = tmp_path / "liveness.json"
    publish_rules(file, policy)
    file.write_text(file.read_text().replace('"interval_ns": 20000000', '"interval_ns": 0'), encoding="utf-8")
    assert RulesInForce(file).current() == BUILT_IN


def test_a_folder_that_takes_no_file_leaves_no_rules_of_a_policy_that_is_over(
    policy: CompiledPolicy, tmp_path: Path
) -> None:
    file = tmp_path / "liveness.json"
    publish_rules(file, policy)
    (tmp_path / "liveness.json.tmp").mkdir()
    publish_rules(file, policy)
    assert RulesInForce(file).current() == BUILT_IN
