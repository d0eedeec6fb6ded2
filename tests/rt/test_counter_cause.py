"""A wrong working counter always has a reported cause, and slaves that lost something are set up again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import EventCode
from tests.rt.rt_cell import RtCell, rt_cell, wait_for

SLAVE = 1
UNEXPLAINED_CYCLES = 100
"""So long the counter may be wrong with nothing told: AL states are read each 10 ms, a cause each look."""


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtCell]:
    """One for all tests here: each leaves it as it was."""
    folder = tmp_path_factory.mktemp("counter")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDSTACK_RUNTIME_DIR", str(folder / "run"))
        patch.setenv("FIELDSTACK_STATE_DIR", str(folder / "state"))
        instance = Instance(f"tcause{os.getpid()}")
        instance.prepare()
        with rt_cell(instance) as found:
            yield found


def diagnosis(cell: RtCell) -> str:
    return str(ffi.string(cell.store.rt_bus().diagnosis).decode())


def whole(cell: RtCell) -> bool:
    status = cell.store.rt_status()
    return bool(status.wkc == status.expected_wkc and not status.bad_wkc_row)


FAULTS: dict[str, tuple[Callable[[SegmentClient], object], str]] = {
    "fmmus": (lambda c: c.lose_fmmus(SLAVE), "FMMU0 is off"),
    "outputs closed": (lambda c: c.close_sync_manager(SLAVE, 2), ""),
    "inputs closed": (lambda c: c.close_sync_manager(SLAVE, 3), "sync manager 3 is closed"),
    "inputs off": (lambda c: c.lose_sync_manager(SLAVE, 3), "sync manager 3 is off"),
    "outputs off": (lambda c: c.lose_sync_manager(SLAVE, 2), ""),
    "address": (lambda c: c.lose_address(SLAVE), ""),
}
"""Where the slave's own watchdog trips first, that is what is told: no text is asked for."""


@pytest.mark.system
@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_slave_lost_is_told_and_set_up_anew(cell: RtCell, fault: str) -> None:
    cell.wait_until_free_to_move()
    wait_for(lambda: not diagnosis(cell), "all is well")
    harm, said = FAULTS[fault]
    cell.events.clear()
    harm(cell.segment.client)
    texts: list[str] = []

    def over() -> bool:
        """Meanwhile no state may be seen that has a wrong counter and says nothing."""
        status, text = cell.store.rt_status(), diagnosis(cell)
        texts.append(text)
        assert text or status.bad_wkc_row < UNEXPLAINED_CYCLES, status.bad_wkc_row
        return cell.seen(EventCode.SLAVE_RECOVERED)

    wait_for(over, f"{fault}: set up again; {texts[-1:]}")
    assert any(said in text for text in texts), set(texts)
    wait_for(lambda: whole(cell) and not diagnosis(cell), "the exchange is whole, and nothing is told")


@pytest.mark.system
def test_power_back_for_the_whole_bus(cell: RtCell) -> None:
    cell.wait_until_free_to_move()
    cell.events.clear()
    cell.segment.client.power_off_all()
    wait_for(lambda: "no slave answers" in diagnosis(cell), "it is told")
    cell.segment.client.power_on_all()
    wait_for(lambda: whole(cell) and not diagnosis(cell), "all take part again")
    recovered = {event.subject for event in cell.drain() if event.code == EventCode.SLAVE_RECOVERED}
    assert recovered == set(range(5))
    cell.wait_until_free_to_move()
