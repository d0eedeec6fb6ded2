"""Interface errors on real interfaces: missing, switched off, without link, forbidden."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import BusClosedError, InterfaceError
from fieldstack_ethercat.bus.master import interface
from fieldstack_ethercat.bus.master.bus import Bus

EMPTY = BusPlan("", "", "", 1_000_000, 500, (), ())


def ip(*arguments: str) -> None:
    subprocess.run(["ip", "link", *arguments], check=True, capture_output=True)


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    ends = (f"fi{os.getpid()}a", f"fi{os.getpid()}b")
    ip("add", ends[0], "type", "veth", "peer", "name", ends[1])
    yield ends
    ip("delete", ends[0])


def refused(name: str) -> InterfaceError:
    with pytest.raises(InterfaceError) as caught:
        interface.check(name)
    return caught.value


def test_missing_interface_lists_those_that_exist() -> None:
    error = refused("fi-no-such")
    assert error.interface == "fi-no-such"
    assert error.problem == "does not exist"
    assert "lo" in error.hint


@pytest.mark.parametrize("name", ["", "a-name-of-sixteen", "ä" * 8])
def test_impossible_names_never_reach_soem(name: str) -> None:
    assert refused(name).problem == "not a name of an interface"


def test_switched_off_names_the_command(pair: tuple[str, str]) -> None:
    error = refused(pair[0])
    assert error.problem == "is switched off"
    assert f"ip link set {pair[0]} up" in error.hint


def test_no_link_while_the_other_end_is_off(pair: tuple[str, str]) -> None:
    ip("set", pair[0], "up")
    assert refused(pair[0]).problem == "has no link"
    ip("set", pair[1], "up")
    interface.check(pair[0], link_timeout_ns=2_000_000_000)


def test_without_capability_the_command_that_grants_it_is_named() -> None:
    code = (
        "import os\n"
        "from fieldstack_ethercat.bus.master import interface\n"
        "from fieldstack_ethercat.bus.errors import InterfaceError\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: interface.check('lo')\n"
        "except InterfaceError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "lacks cap_net_raw and cap_net_admin" in done.stdout, done.stderr
    assert "sudo setcap cap_net_raw,cap_net_admin+ep" in done.stdout


def test_a_bus_without_interface_says_where_to_set_it() -> None:
    with pytest.raises(InterfaceError, match="Set `interface` in the bus configuration"):
        Bus(EMPTY).open()


def test_a_bus_is_used_in_order(pair: tuple[str, str]) -> None:
    for end in pair:
        ip("set", end, "up")
    bus = Bus(EMPTY, pair[0])
    with pytest.raises(BusClosedError, match="call open"):
        bus.configure()
    with bus:
        with pytest.raises(BusClosedError, match="open already"):
            bus.open()
        with pytest.raises(BusClosedError, match="call configure"):
            bus.soem_context()
    bus.close()
    with pytest.raises(BusClosedError):
        bus.exchange()
