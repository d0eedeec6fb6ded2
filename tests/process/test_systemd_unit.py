"""What is made of systemd's properties: is there a process, and how did the last one end."""

from __future__ import annotations

import pytest

from fieldstack.process.systemd_unit import UnitState, ended, failed_start, last_message

UNIT = "fieldstack-rt@cell.service"
EXITED, KILLED = 1, 2


def state(**fields: object) -> UnitState:
    return UnitState.of({"LoadState": "loaded", "ActiveState": "failed", "ExecMainPID": 7, **fields})


def test_a_unit_of_which_nothing_is_known_runs_not() -> None:
    assert not UnitState.of({}).runs


@pytest.mark.parametrize(
    ("active", "pid", "runs"),
    [("active", 7, True), ("activating", 7, True), ("activating", 0, False), ("deactivating", 7, False)],
)
def test_a_process_counts_unless_it_goes_down(active: str, pid: int, runs: bool) -> None:
    assert state(ActiveState=active, MainPID=pid).runs is runs


def test_a_signal_is_a_negative_status() -> None:
    found = ended(UNIT, state(ExecMainCode=KILLED, ExecMainStatus=9, Result="signal"), 7)
    assert (found.pid, found.status, found.text) == (7, -9, "killed by SIGKILL")


def test_an_orderly_end_has_no_last_words() -> None:
    found = ended(UNIT, state(ExecMainCode=EXITED, ExecMainStatus=0, StatusText="cycles on eth1"), 7)
    assert (found.status, found.text) == (0, "exit status 0")


def test_last_words_are_the_status_text_of_one_that_gave_up() -> None:
    gave_up = state(ExecMainCode=EXITED, ExecMainStatus=4, StatusText="failed: no interface eth9")
    assert ended(UNIT, gave_up, 7).text == "exit status 4, last words: no interface eth9"


def test_a_status_text_of_good_days_is_no_last_word() -> None:
    crashed = state(ExecMainCode=EXITED, ExecMainStatus=1, StatusText="cycles on eth1")
    assert last_message(UNIT, crashed) == f"see `journalctl -u {UNIT}`"


def test_what_systemd_did_is_told() -> None:
    watched = state(ExecMainCode=KILLED, ExecMainStatus=9, Result="watchdog")
    assert "killed by SIGKILL (systemd's watchdog" in ended(UNIT, watched, 7).text


def test_a_program_that_is_not_there_is_named_as_that() -> None:
    found = ended(UNIT, state(ExecMainCode=EXITED, ExecMainStatus=203), 7)
    assert "is it installed where ExecStart= says?" in found.text


@pytest.mark.parametrize("now", [{"ExecMainPID": 8}, {"MainPID": 7}, {}])
def test_without_word_of_that_process_the_status_is_unknown(now: dict[str, object]) -> None:
    assert ended(UNIT, state(**now), 7).status is None


@pytest.mark.parametrize("result", ["exit-code", "timeout", "watchdog", "protocol", "resources"])
def test_a_unit_that_failed_did_not_end_in_an_orderly_way_whatever_its_process_returned(result: str) -> None:
    found = ended(UNIT, state(ExecMainCode=EXITED, ExecMainStatus=0, Result=result), 7)
    assert found.status is None
    assert result in found.text


def test_a_unit_that_is_not_installed_is_named() -> None:
    missing = UnitState.of({"LoadState": "not-found"})
    assert "install the files of systemd/" in failed_start(UNIT, missing, "failed")


def test_a_job_that_came_to_nothing_says_why() -> None:
    assert "EnvironmentFile" in failed_start(UNIT, state(Result="resources"), "failed")
    assert "job canceled" in failed_start(UNIT, state(Result="success"), "canceled")
