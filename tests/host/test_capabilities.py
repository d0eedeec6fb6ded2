"""What this process may do is judged by its capabilities, not by its user id."""

from __future__ import annotations

import os
import subprocess

from fieldstack.host import capabilities
from fieldstack.host.capabilities import BUS, Capability
from fieldstack.host.prerequisites import Prerequisite, missing_prerequisites
from fieldstack.host.scheduling import may_use_fifo


def test_the_effective_set_is_read_bit_by_bit() -> None:
    status = "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000802000\n"
    assert capabilities.effective(status) == {Capability.NET_RAW, Capability.SYS_NICE}
    assert capabilities.effective("CapEff:\t0000000000000000\n") == frozenset()


def test_asking_for_real_time_priority_leaves_the_scheduling_as_it_was() -> None:
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    may_use_fifo()
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before


def test_a_root_without_capabilities_misses_what_the_bus_needs() -> None:
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "grep", "CapEff", "/proc/self/status"]
    status = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert not set(BUS) & capabilities.effective(status)


def test_what_is_missing_is_named_with_its_remedy() -> None:
    assert missing_prerequisites(virtual=True) == ()
    text = Prerequisite("the ip command", "the virtual cable", "sudo apt-get install iproute2").text()
    assert "the ip command" in text
    assert "apt-get install iproute2" in text
