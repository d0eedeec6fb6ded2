"""Every scenario of tests/scenarios comes to what it expects, under the shipped policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstack.ha.policy import load_policy
from fieldstack.ha.scenario import ScenarioError, load_scenario, play
from fieldstack.ha.scenario.draw import to_dict
from tests.ha.script import SHIPPED

FOLDER = Path(__file__).parents[1] / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))
POLICY = load_policy(SHIPPED)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_comes_to_what_it_expects(file: Path) -> None:
    assert play(load_scenario(file), POLICY).unmet == []


def test_there_are_enough_of_them_and_each_is_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(FILES) >= 20
    assert [file.stem for file in FILES if f"({file.name})" not in readme] == []


def test_playing_is_pure() -> None:
    scenario = load_scenario(FOLDER / "rt-crash-loop.yaml")
    assert to_dict(play(scenario, POLICY)) == to_dict(play(scenario, POLICY))


def test_time_has_to_go_on(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("{title: t, about: a, every: 0ms, timeline: [], expect: [{at: 1ms}]}", encoding="utf-8")
    with pytest.raises(ScenarioError, match="every: Input should be greater than 0"):
        load_scenario(file)


def test_an_expectation_that_is_not_met_says_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    text = (FOLDER / "rt-crash.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("state: RECOVERY", "state: SAFE_MODE"), encoding="utf-8")
    unmet = play(load_scenario(file), POLICY).unmet
    assert len(unmet) == 1
    assert "at 0.1 s: the state is RECOVERY" in unmet[0]
    assert "SIGKILL" in unmet[0]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("at: 100ms, what", "at: 100, what", "timeline[0].at: Value error, write a time with its unit"),
        ("state: RECOVERY", "state: RECOVRY", "is no state; known are"),
        ("SEND_ALERT", "SEND_ALRT", "is no action; known are"),
        ("what: RT is", "wat: RT is", "timeline[0].wat: Extra inputs"),
        ("title:", "title: [", "is no YAML"),
    ],
)
def test_a_fault_of_a_file_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = (FOLDER / "rt-crash.yaml").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "s.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"s\.yaml") as caught:
        load_scenario(file)
    assert expected in str(caught.value)
