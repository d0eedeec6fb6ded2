"""The dashboard's words."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from fieldstack.cli.screen.dashboard import render
from fieldstack.cli.screen.dashboard_bus import STOP_TEXT
from fieldstack.status import snapshot
from fieldstack.status.snapshot import Clock
from fieldstack.status.snapshot_bus import AxisView, name_of
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore.layout import Stop

AXIS = AxisView("y", "mm", 12.5, 12.5, 463.8, 0, 1.0, "HOLDING", "NONE", "Operation enabled", 0x1637, 0, "")


def shown(axis: AxisView) -> str:
    down = snapshot.down(Instance("press-2"), Clock.read(), since=None, note="")
    console = Console(width=80, file=io.StringIO())
    with console.capture() as capture:
        console.print(render(replace(down, cell="up", live=True, axes=(axis,))))
    return capture.get()


def test_an_axis_whose_inputs_do_not_come_is_not_known_and_never_shown_as_it_was() -> None:
    assert "463.8 mm/s" in shown(AXIS)
    lost = shown(replace(AXIS, known=False))
    assert "operation enabled" not in lost
    assert "axis y: not known" in lost
    assert "last seen at 12.500 mm" in lost


def test_what_troubles_an_axis_is_whole_in_80_columns() -> None:
    beyond = replace(
        AXIS, beyond_limit=2.0, beyond_text="axis y stands too far out", way_back="jog y - brings it back"
    )
    assert "axis y stands too far out: jog y - brings it back" in shown(beyond)


def test_every_reason_to_stand_has_words() -> None:
    assert set(STOP_TEXT) == {name_of(Stop, stop) for stop in Stop}
