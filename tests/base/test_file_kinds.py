"""Whoever gives a file that it cannot be is told what kind of file was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fieldstack.cell import configuration as cell
from fieldstack.ha.policy.files.loading import parse_policy
from fieldstack.ha.policy.in_force.errors import PolicyError
from fieldstack.ha.scenario.document import ScenarioError, load_scenario
from fieldstack.tasks.program import task_files
from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_ethercat.bus.config.loading import load_text

TOO_LARGE = "#" * (2 << 20)
TOO_DEEP = "[" * 20_000


def scenario(text: str, folder: Path) -> object:
    file = folder / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    return load_scenario(file)


READERS: dict[str, Callable[[str, Path], object]] = {
    "bus configuration": lambda text, _: load_text(text, "some.yaml"),
    "cell configuration": lambda text, _: cell.parse(text, "some.yaml"),
    "task file": lambda text, _: task_files.parse(text, "some.yaml"),
    "policy": lambda text, _: parse_policy(text, "some.json"),
    "scenario": scenario,
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("text", [TOO_LARGE, TOO_DEEP], ids=["too large", "too deep"])
def test_the_error_names_the_kind_that_was_meant(tmp_path: Path, kind: str, text: str) -> None:
    with pytest.raises((ConfigurationError, PolicyError, ScenarioError)) as raised:
        READERS[kind](text, tmp_path)
    told = str(raised.value)
    assert f"s it a {kind}?" in told
    assert not [other for other in READERS if other != kind and f"a {other}?" in told]
