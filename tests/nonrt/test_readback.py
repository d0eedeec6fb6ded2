"""What an operator's reset is answered: only what RT has shown; RT is played on a real shared memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack.nonrt.readback import (
    RESET_START_NS,
    RESET_TIMEOUT_NS,
    SETTLE_NS,
    Finding,
    ResetReadback,
)
from fieldstack_base.instance import Instance
from fieldstack_rt._native import lib
from fieldstack_rt.datastore import Clear, DataStore, EstopSource
from fieldstack_rt.datastore.layout import AxisMode, Rung, Stand
from tests.ha.test_actuators import CELL, MS, PlayedRt

SETTLE_MS = SETTLE_NS // MS


@pytest.fixture
def rt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedRt]:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    made = DataStore.create(Instance(f"t-readback-{os.getpid()}"))
    yield PlayedRt(made)
    made.unlink()


def asked(rt: PlayedRt) -> ResetReadback:
    rt.cycle()
    return ResetReadback(rt.store, CELL, "reset by Ann", rt.now)


def in_the_end(rt: PlayedRt, reset: ResetReadback) -> Finding:
    """RT cycles on as it is until the answer is due; it must not come sooner."""
    began = rt.now
    assert reset.poll(rt.cycle(SETTLE_MS)) is None
    rt.now = began + RESET_TIMEOUT_NS - 2 * MS
    assert reset.poll(rt.cycle()) is None
    found = reset.poll(rt.cycle(2))
    assert found is not None
    return found


def test_a_reset_is_done_when_rt_has_shown_it(rt: PlayedRt) -> None:
    reset = asked(rt)
    assert reset.poll(rt.now) is None, "nothing later was shown yet"
    found = reset.poll(rt.cycle(SETTLE_MS))
    assert found is not None
    assert found.confirmed
    assert "read back: latch cleared, no axis in fault" in found.text


def test_rt_that_does_not_cycle_has_confirmed_nothing(rt: PlayedRt) -> None:
    """It is waited for as long as its start may take; then the answer says that nothing is known."""
    reset = asked(rt)
    assert reset.poll(rt.now + RESET_START_NS - MS) is None
    found = reset.poll(rt.now + RESET_START_NS)
    assert found is not None
    assert not found.confirmed
    assert "NOT CONFIRMED: RT does not cycle" in found.text
    assert "fieldstack status" in found.text


def test_rt_that_comes_up_late_confirms_it_all_the_same(rt: PlayedRt) -> None:
    reset = asked(rt)
    rt.now += RESET_TIMEOUT_NS + 500 * MS
    assert reset.poll(rt.now) is None
    rt.stand = Stand.UNKNOWN
    assert reset.poll(rt.cycle()) is None, "it has seen no axis yet"
    rt.stand = Stand.STANDING
    found = reset.poll(rt.cycle(SETTLE_MS))
    assert found is not None
    assert found.confirmed


def test_a_torn_record_confirms_nothing(rt: PlayedRt) -> None:
    reset = asked(rt)
    lib.fs_block_tear(rt.store.raw, lib.FS_BLOCK_RT_STATUS)
    found = reset.poll(rt.now + RESET_TIMEOUT_NS)
    assert found is not None
    assert not found.confirmed
    assert "RT's record cannot be read" in found.text


def test_an_axis_that_its_ladder_still_holds_is_named(rt: PlayedRt) -> None:
    rt.status.axes_run_on, rt.status.axes[1].rung = 0b10, Rung.DISABLE_VOLTAGE
    rt.status.axes[1].velocity = 5000
    found = in_the_end(rt, asked(rt))
    assert not found.confirmed
    assert "axis 1 did not stop within its bound and moves at 5e+03 counts/s" in found.text


def test_an_axis_of_which_nothing_comes_is_named_unless_it_is_told_lost(rt: PlayedRt) -> None:
    rt.stand = Stand.UNKNOWN
    found = in_the_end(rt, asked(rt))
    assert (found.confirmed, "axis 0: not known" in found.text) == (False, True)
    rt.status.axes_lost = 0b11
    reset = asked(rt)
    lost = reset.poll(rt.cycle(SETTLE_MS))
    assert lost is not None
    assert lost.confirmed


@pytest.mark.parametrize("what", ["latch", "fault"])
def test_what_is_still_there_is_named(rt: PlayedRt, what: str) -> None:
    if what == "latch":
        rt.store.estop.raise_(EstopSource.OPERATOR, "a hand", until=Clear.ON_RESET)
    else:
        rt.status.axes[0].state = AxisMode.FAULT
    found = in_the_end(rt, asked(rt))
    assert not found.confirmed
    assert ("latched still" if what == "latch" else "is in fault") in found.text
