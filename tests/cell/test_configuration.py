"""A cell configuration is checked as a whole before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstack.cell import configuration, locations
from fieldstack.host.cpus import Cpus
from fieldstack_base.configuration_error import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = "bus: bus.yaml\npolicy: policy.json\n"


def test_the_shipped_cell_is_valid() -> None:
    cell = configuration.load(ROOT / "config/cell.yaml")
    assert cell.config.segment.devices == "drive*4,dio"
    assert len(cell.plan.slaves) == 5
    assert cell.policy_file.is_file()


def test_the_published_schema_is_up_to_date() -> None:
    published = (ROOT / "config/cell.schema.json").read_text(encoding="utf-8")
    assert published == configuration.schema_text(), "publish it again: make generate"


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (MINIMAL + "rtt: {}\n", "rtt", "Did you mean 'rt'?"),
        (MINIMAL + "rt: {prioritty: 3}\n", "rt.prioritty", "Did you mean 'priority'?"),
        (MINIMAL + "rt: {priority: 99}\n", "rt.priority = 99", "less than or equal to 98"),
        (
            MINIMAL + "guard: {threshold_cycles: 1}\n",
            "guard.threshold_cycles = 1",
            "greater than or equal to 2",
        ),
        (MINIMAL + "rt: {nonrt_timeout_ms: '5'}\n", "rt.nonrt_timeout_ms = '5'", "integer"),
        (MINIMAL + "core: {program: dance}\n", "core.program = 'dance'", "'demo' or 'none'"),
        ("policy: policy.json\n", "bus", "required key is missing"),
        (MINIMAL + "bus: other.yaml\n", "bus", "key appears twice"),
        ("[", "document", "not valid YAML"),
        ("3\n", "document = 3", "must be a mapping"),
    ],
)
def test_what_is_wrong_is_named_with_file_key_value_and_hint(text: str, key: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration.parse(text, "cell.yaml")
    assert "cell.yaml" in str(caught.value)
    assert key in str(caught.value)
    assert says in str(caught.value)


def test_a_cpu_that_the_machine_does_not_have_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(MINIMAL + "rt: {cpu: 4000}\n")
    with pytest.raises(ConfigurationError, match=r"rt\.cpu = 4000: this machine has no such CPU"):
        configuration.load(file)


def test_the_cycle_has_the_last_cpu_to_itself_where_there_is_more_than_one() -> None:
    config = configuration.parse(MINIMAL, "cell.yaml")
    assert configuration.place(config, Cpus((0, 1))) == configuration.CpuPlacement(rt=1, guard=0, segment=0)
    assert configuration.place(config, Cpus((0,))) == configuration.CpuPlacement(rt=0, guard=0, segment=0)


def test_the_cycle_has_an_isolated_cpu_where_there_is_one() -> None:
    config = configuration.parse(MINIMAL, "cell.yaml")
    placed = configuration.place(config, Cpus((0, 1, 2, 3), isolated=(0, 2)))
    assert placed == configuration.CpuPlacement(rt=2, guard=1, segment=1)


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--config"):
        configuration.load(tmp_path / "none.yaml")


def test_the_configuration_is_found_in_the_chosen_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDSTACK_CONFIG_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="not found"):
        locations.find(None)
    (tmp_path / "cell.yaml").write_text(MINIMAL)
    assert locations.find(None) == tmp_path / "cell.yaml"
    assert locations.find(Path("chosen.yaml")) == Path("chosen.yaml")


def test_a_checkout_finds_its_own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIELDSTACK_CONFIG_DIR", raising=False)
    assert locations.find(None) == ROOT / "config/cell.yaml"
