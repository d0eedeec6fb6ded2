"""Settings of the Non-RT process: what `up` writes is read again, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstack.nonrt.settings import NonRtSettings, SettingsError, load

GOOD = NonRtSettings("cell", "policy.json", ("rt", "run"), ("core",), leave_running=True)


@pytest.mark.parametrize("settings", [GOOD, NonRtSettings("cell", "policy.json", ("rt",))])
def test_what_is_written_is_read_again(tmp_path: Path, settings: NonRtSettings) -> None:
    settings.write(tmp_path / "s.json")
    assert load(tmp_path / "s.json") == settings


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"guard_cpu"', '"guard_cup"', "did you mean 'guard_cpu'?"),
        ('"guard_cpu": 0', '"guard_cpu": "0"', "guard_cpu: must be a whole number from -1"),
        ('"guard_cpu": 0', '"guard_cpu": true', "guard_cpu: must be a whole number from -1"),
        ('"leave_running": true', '"leave_running": 1', "leave_running: must be true or false"),
        ('"instance": "cell"', '"instance": ""', "instance: must be text"),
        ('"instance": "cell",', "", "instance: is missing"),
        ('"run"', "7", "rt_command: must be a list of words"),
        ("{", "[", "is no JSON"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = tmp_path / "s.json"
    assert old in GOOD.to_json()
    path.write_text(GOOD.to_json().replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.json")
