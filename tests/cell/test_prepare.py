"""What systemd's units are started with: the same as under `up`, split again at blanks as systemd does it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from fieldstack.cell.configuration import load
from fieldstack.cell.launch import Launch
from fieldstack.cell.prepare import prepare, quoted, variables
from fieldstack.nonrt.settings import load as load_settings
from fieldstack_base.instance import Instance

CONFIG = Path(__file__).resolve().parents[2] / "config/cell.yaml"


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    return Launch.of(Instance("press-2"), load(CONFIG), None)


def test_the_arguments_are_those_of_up(launch: Launch) -> None:
    found = {name: shlex.split(text) for name, text in variables(launch).items()}
    assert tuple(found["FIELDSTACK_RT"]) == launch.rt_command()[3:]
    core = launch.core_command()
    assert core is not None
    assert tuple(found["FIELDSTACK_CORE"]) == core[3:]
    assert found["FIELDSTACK_SEGMENT"][:2] == ["segment", "run"]


def test_on_a_real_interface_there_is_no_segment(launch: Launch) -> None:
    real = Launch.of(launch.instance, launch.cell, "eth1")
    assert "FIELDSTACK_SEGMENT" not in variables(real)


def test_the_settings_name_the_units_and_leave_rt_running(launch: Launch) -> None:
    written = prepare(launch)
    settings = load_settings(launch.settings_file)
    assert settings.process_manager == "systemd"
    assert settings.rt_unit == "fieldstack-rt@press-2.service"
    assert settings.core_unit == "fieldstack-core@press-2.service"
    assert settings.target_unit == "fieldstack@press-2.target"
    assert settings.leave_running
    assert all(Path(file).is_file() for file in written)


def test_what_systemd_would_read_as_special_is_escaped() -> None:
    assert quoted('a "b" $c `d` \\e') == '"a \\"b\\" \\$c \\`d\\` \\\\e"'
