"""What a supervisor can tell from RT's exit code: a refusal waits for a person, the rest is tried again."""

from __future__ import annotations

import pytest

from fieldstack_ethercat.bus import errors as bus
from fieldstack_rt.__main__ import (
    EXIT_CONFIGURATION,
    EXIT_FAILED,
    EXIT_NOT_RUNNING,
    EXIT_PERMISSION,
    EXIT_TAKEN,
    _exit_code,
)
from fieldstack_rt.cycle import BusTakenError
from fieldstack_rt.datastore.errors import StoreMissingError

MISSING = (bus.TopologyDifference(1, "drive-2", "missing", "drive", "no slave"),)
TRANSIENT = (
    bus.MailboxSilentError(1, "drive-2", "0x1C12:00", 10.7, 5),
    bus.MailboxFailureError(1, "drive-2", "no answer"),
    bus.SlaveGoneError(1, "drive-2", "its watchdog was set"),
    bus.NoSlavesError("eth1", 5),
    bus.StateChangeError(
        position=1, slave="drive-2", wanted="OP", actual="SAFE-OP", al_status_code=0, text="", hint=""
    ),
)
REFUSALS = (
    bus.TopologyMismatchError(MISSING),
    bus.SlavesMissingError(MISSING),
    bus.PlanFormatError("another version"),
    bus.DistributedClockError("none"),
    bus.MappingMismatchError(
        position=1, slave="drive-2", field="PDO mapping", configured="a", found="b", hint=""
    ),
    bus.OtherDeviceError(1, "drive-2", "a", "b"),
)


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda one: type(one).__name__)
def test_what_may_pass_is_tried_again(error: bus.BusError) -> None:
    assert not error.refusal
    assert _exit_code(error) == EXIT_FAILED


@pytest.mark.parametrize("error", REFUSALS, ids=lambda one: type(one).__name__)
def test_a_bus_that_is_other_than_configured_is_refused(error: bus.BusError) -> None:
    assert error.refusal
    assert _exit_code(error) == EXIT_CONFIGURATION


def test_the_others_keep_their_codes() -> None:
    assert _exit_code(BusTakenError("cell", 7)) == EXIT_TAKEN
    assert "kill -9 9 " in str(BusTakenError("cell", 7, 9)), "it is said who has it"
    assert _exit_code(StoreMissingError("none")) == EXIT_NOT_RUNNING
    assert _exit_code(bus.InterfaceError("eth1", "missing", "")) == EXIT_PERMISSION
    assert _exit_code(FileNotFoundError("plan")) == EXIT_CONFIGURATION
