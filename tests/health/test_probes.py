"""Which states of a cell are live, ready and started."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fieldstack.health.http import response_texts
from fieldstack.health.model.result import Level
from fieldstack.status.snapshot_bus import AxisView
from fieldstack.status.snapshot_work import GroupView, WorkView
from fieldstack_rt.datastore.layout import HaState
from tests.health.observed import DISK, LATCHED, NOW, S, bus, check, ha, process, seen, verdict

READY = {"OPERATIONAL", "DEGRADED"}
AXIS = AxisView("y", "mm", 0.0, 0.0, 0.0, 0.0, 0.0, "HOLDING", "NONE", "Operation enabled", 0x27, 0, "")


def test_a_healthy_cell_passes_everything() -> None:
    for endpoint in ("livez", "readyz", "startupz", "healthz"):
        found = verdict(endpoint, seen())
        assert (found.code, found.level) == (200, Level.PASS), response_texts.verbose(found)


@pytest.mark.parametrize("state", [*HaState.__members__, "UNSUPERVISED"])
def test_every_ha_state_is_live_and_only_working_ones_are_ready(state: str) -> None:
    observation = seen(ha=ha(state, "why"))
    assert verdict("livez", observation).code == 200
    assert (verdict("readyz", observation).code == 200) == (state in READY)


def test_degraded_is_a_warning() -> None:
    assert verdict("readyz", seen(ha=ha("DEGRADED"))).level is Level.WARN


@pytest.mark.parametrize("state", ["dead", "silent", "halted"])
def test_non_rt_may_be_gone_for_the_grace_time(state: str) -> None:
    observation = seen(nonrt=process(state, last_ns=NOW - 9 * S), ha=ha("UNSUPERVISED"))
    assert verdict("livez", observation).code == 200
    assert verdict("readyz", observation).code == 503
    late = seen(nonrt=process(state, last_ns=NOW - 11 * S), ha=ha("UNSUPERVISED"))
    assert verdict("livez", late).code == 503


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"rt": process("dead"), "live": False}, "process-rt"),
        ({"bus": bus(wkc=3)}, "ethercat"),
        ({"bus": bus(wkc=None)}, "ethercat"),
        ({"bus": bus("OP", "SAFE-OP+ERROR")}, "ethercat"),
        ({"estop": LATCHED}, "emergency-stop"),
        ({"torn": ("rt_status",)}, "datastore"),
        ({"damage": ("the checkpoint's checksum is wrong",)}, "datastore"),
    ],
)
def test_what_makes_a_cell_not_ready(changes: dict[str, Any], name: str) -> None:
    observation = seen(**changes)
    found = verdict("readyz", observation)
    assert found.code == 503
    assert name in [one.name for one in found.results if one.level is Level.FAIL]
    assert verdict("livez", observation).code == 200


def test_a_lost_slave_that_the_cell_can_do_without_leaves_it_ready() -> None:
    """RT has told it lost, and has judged the counter without it."""
    without = bus("OP", "NONE", wkc=3, expected=3)
    without = replace(without, slaves=(without.slaves[0], replace(without.slaves[1], spared=True)))
    observation = seen(ha=ha("DEGRADED"), bus=without)
    assert verdict("readyz", observation).code == 200
    assert check("ethercat", observation).level is Level.WARN


@pytest.mark.parametrize(("essential", "code"), [(True, 503), (False, 200)])
def test_an_axis_beyond_its_limit_is_told_with_the_way_back(essential: bool, code: int) -> None:
    groups = (GroupView("g", ("y",), essential, out_of_use=False, tasks=()),)
    axis = replace(AXIS, beyond_limit=10.2, beyond_text="axis y stands too far", way_back="jog it back")
    observation = seen(axes=(axis,), work=WorkView(groups=groups))
    assert verdict("readyz", observation).code == code
    found = check("axes", observation)
    assert found.level is (Level.FAIL if essential else Level.WARN)
    assert (found.finding.text, found.finding.remedy) == ("axis y stands too far", "jog it back")
    assert check("axes", seen(axes=(AXIS,))).level is Level.PASS
    assert check("axes", seen(live=False)).level is Level.FAIL


def test_a_full_disk_is_told_and_leaves_the_cell_ready() -> None:
    full = replace(DISK, used=0.99)
    observation = seen(disk=(DISK, full))
    assert verdict("readyz", observation).code == 200
    assert verdict("healthz", observation).code == 503
    assert "99.0% of the space used" in check("disk", observation).finding.text
    assert check("disk", seen(disk=(replace(DISK, used=0.95),))).level is Level.WARN
    assert check("disk", seen(disk=(replace(DISK, inodes_used=1.0),))).level is Level.FAIL
    assert check("disk", seen(disk=(replace(DISK, read_only=True),))).level is Level.FAIL


def test_what_was_seen_long_ago_is_never_called_well() -> None:
    for endpoint in ("livez", "readyz", "startupz"):
        found = verdict(endpoint, seen(), NOW + 3 * S)
        assert found.code == 503
        assert all("the next one hangs" in one.finding.text for one in found.results)


def test_what_was_never_seen_is_not_well() -> None:
    assert verdict("livez", seen(taken_ns=0)).code == 503
    assert "not looked at yet" in check("disk", seen(taken_ns=0)).finding.text


def test_startup_is_over_with_the_first_frame_under_supervision() -> None:
    assert verdict("startupz", seen(rt_beat=0)).code == 503
    assert verdict("startupz", seen(ha=ha("NEVER"))).code == 503
    assert verdict("startupz", seen(ha=ha("SAFE_MODE"))).code == 200


def test_an_excluded_check_does_not_count_and_unknown_names_are_told() -> None:
    found = verdict("readyz", seen(bus=bus(wkc=3)), exclude=("ethercat", "nonsense"))
    assert found.code == 200
    text = response_texts.verbose(found)
    assert "[+]ethercat excluded: ok" in text
    assert "nothing excluded: nonsense" in text
    assert text.endswith("readyz check passed\n")


def test_the_verbose_text_names_what_failed_and_what_to_do() -> None:
    found = verdict("readyz", seen(estop=LATCHED))
    text = response_texts.verbose(found)
    assert "[-]emergency-stop failed: EMERGENCY_STOP is latched by API: door open (Ann)" in text
    assert "fieldstack reset" in text
    assert text.endswith("readyz check failed\n")
    assert "emergency-stop" in response_texts.plain(found)
    assert response_texts.plain(verdict("readyz", seen())) == "ok\n"


def test_what_supervision_can_not_see_is_a_warning_that_names_it() -> None:
    blind = {"subject": "probe:axes", "failure": "RecursionError: too deep", "facts": ["drive_fault"]}
    found = check("sight", seen(control={"blind": [blind]}))
    assert found.level is Level.WARN
    assert "probe:axes (RecursionError: too deep); not known therefore: drive_fault" in found.finding.text
    assert verdict("healthz", seen(control={"blind": []})).level is Level.PASS


def test_a_check_that_raises_has_failed_and_the_others_are_answered() -> None:
    """As with an answer of Non-RT that nobody has thought of."""
    found = verdict("healthz", seen(control={"blind": 7}))
    assert {one.name for one in found.results if one.level is not Level.PASS} == {"sight"}
    assert "TypeError" in next(one for one in found.results if one.name == "sight").finding.text
