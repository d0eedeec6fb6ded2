"""Commands as a user runs them: exit codes, texts without tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore, EstopSource

ROOT = Path(__file__).resolve().parents[2]
NAME = f"cli-{os.getpid()}"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folders = {"FIELDSTACK_RUNTIME_DIR": tmp_path / "run", "FIELDSTACK_STATE_DIR": tmp_path / "state"}
    return os.environ | {name: str(folder) for name, folder in folders.items()}


def run(
    environment: dict[str, str], *arguments: str, program: str = "main"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"from fieldstack.cli.{program} import main; main()", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_help_lists_the_commands_and_the_exit_codes(environment: dict[str, str]) -> None:
    done = run(environment, "--help")
    assert done.returncode == 0
    for word in ("up", "down", "segment", "estop", "reset", "events", "policy", "bus", "Exit codes"):
        assert word in done.stdout


@pytest.mark.parametrize("group", [("segment",), ("policy",), ("bus",), ("up",), ("estop",), ("bus", "scan")])
def test_every_command_explains_itself(environment: dict[str, str], group: tuple[str, ...]) -> None:
    done = run(environment, *group, "--help")
    assert done.returncode == 0
    assert "Exit codes" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("estop", "--reason", "x", "--instance", NAME), 5, "fieldstack up"),
        (("estop", "--reason", "x", "--instance", NAME), 5, "NOT latched, use the hardware button"),
        (("reset", "--instance", NAME), 5, "does not answer"),
        (("segment", "truth", "--instance", NAME), 5, "no segment answers"),
        (("estop",), 2, "--reason"),
        (("reset", "--instance", "Not A Name"), 2, "lower-case"),
        (("up", "--for", "soon"), 2, "is not a duration"),
        (("nonsense",), 2, "nonsense"),
        (("up", "--config", "/nonexistent/cell.yaml"), 3, "cannot be read"),
        (("policy", "check", "/nonexistent.json"), 3, "cannot be read"),
        (("bus", "check", "/nonexistent.yaml"), 3, "cannot be read"),
        (("bus", "scan", "--interface", "nosuchif0"), 4, "nosuchif0"),
        (("bus", "scan", "--devices", "toaster"), 3, "toaster"),
    ],
)
def test_errors_are_short_and_have_their_exit_code(
    environment: dict[str, str], arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = run(environment, *arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr + done.stdout


def test_a_bad_policy_keeps_the_cell_from_starting(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text("{}")
    bus = ROOT / "config/ethercat/cell.yaml"
    config = tmp_path / "cell.yaml"
    config.write_text(f"bus: {bus}\npolicy: policy.json\n")
    done = run(environment, "up", "--config", str(config), "--instance", NAME, "--for", "1s", "--headless")
    assert done.returncode == 3
    assert "policy.json" in done.stderr
    assert not (tmp_path / "run" / NAME / "up.json").exists()


def test_shipped_files_are_valid(environment: dict[str, str]) -> None:
    policy = run(environment, "policy", "check", str(ROOT / "config/ha/failover_policy.json"))
    bus = run(environment, "bus", "check", str(ROOT / "config/ethercat/cell.yaml"))
    assert (policy.returncode, bus.returncode) == (0, 0)


def test_status_of_a_cell_that_is_down(environment: dict[str, str]) -> None:
    done = run(environment, "status", "--json", "--instance", NAME, program="rt")
    assert done.returncode == 5
    assert '"cell": "down"' in done.stdout
    once = run(environment, "status", "--once", "--instance", NAME, program="rt")
    assert once.returncode == 5
    assert "DOWN" in once.stdout


def test_down_says_that_there_is_nothing(environment: dict[str, str]) -> None:
    done = run(environment, "down", "--instance", NAME)
    assert done.returncode == 5
    assert "is not up" in done.stdout


def test_events_of_a_cell_that_never_was_are_none(environment: dict[str, str]) -> None:
    done = run(environment, "events", "--instance", NAME)
    assert (done.returncode, done.stdout) == (0, "")
    assert str(Path(environment["FIELDSTACK_STATE_DIR"], NAME, "events")) in done.stderr


def test_an_estop_is_latched_even_if_nobody_is_there_to_obey(environment: dict[str, str]) -> None:
    store = DataStore.create(Instance(NAME))
    try:
        done = run(environment, "estop", "--reason", "door open", "--instance", NAME)
        assert done.returncode == 5
        assert "nobody confirmed" in done.stderr
        state = store.estop.state()
        assert state.on_reset == 1 << EstopSource.OPERATOR
        assert state.notes[0].reason.startswith("door open (by ")
    finally:
        store.unlink()


def test_rt_run_needs_neither_typer_nor_pydantic(environment: dict[str, str]) -> None:
    script = (
        "import sys\n"
        "from fieldstack.cli.rt import main\n"
        "sys.argv = ['fieldstack-rt', 'run', '--instance', 'Bad Name']\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        "loaded = {'typer', 'pydantic', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_scan_of_a_virtual_segment_is_written_as_a_valid_configuration(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "scanned.yaml"
    scanned = run(environment, "bus", "scan", "--devices", "drive*2,dio", "--write", str(file))
    assert scanned.returncode == 0, scanned.stderr
    assert scanned.stdout.count("vendor 0x00000F5D") == 3
    assert "interface:" not in file.read_text()
    assert run(environment, "bus", "check", str(file)).returncode == 0
    again = run(environment, "bus", "scan", "--devices", "dio", "--write", str(file))
    assert again.returncode == 1
    assert "--force" in again.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("ack", "--by", "Ann", "--note", "looked at it"),
        ("restart", "module:health"),
        ("policy", "reload"),
    ],
)
def test_requests_to_a_cell_that_is_down_say_so(
    environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    done = run(environment, *arguments, "--instance", NAME)
    assert done.returncode == 5
    assert "does not answer" in done.stderr


def test_an_acknowledgement_needs_who_and_what(environment: dict[str, str]) -> None:
    done = run(environment, "ack", "--by", "Ann", "--instance", NAME)
    assert done.returncode == 2
    assert "--note" in done.stderr


def test_cells_lists_what_is_there_and_how_to_end_it(environment: dict[str, str]) -> None:
    store = DataStore.create(Instance(NAME))
    try:
        listed = json.loads(run(environment, "cells", "--json").stdout)
        mine = next(one for one in listed if one["instance"] == NAME)
        assert (mine["state"], mine["processes"], mine["orphaned"]) == ("down", {}, False)
        assert f"fieldstack down --instance {NAME}" in mine["note"]
        assert NAME in run(environment, "status", "--all", program="rt").stdout
    finally:
        store.unlink()
